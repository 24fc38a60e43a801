#!/usr/bin/env bash
# Prompts and replies carried by hand: prompt, submit, the next prompt, the header; and --json of every command.
. "$(dirname "$0")/lib.sh" || exit 70
replies=agent/replays/basics_softmax

run "$ws" prompt softmax
check "the first prompt has the translation with its time" grep -q 'that verifies ([0-9.]* us modelled)' "$dir/out"
run "$ws" submit "$softmax" "$replies/2_race.md" --archive "$dir/a.db"
check "a racing reply is exit code 1" [ "$rc" = 1 ]
check "and a row" grep -q '^ *1  model *shared_race' "$dir/out"
run "$ws" prompt --run last --archive "$dir/a.db"
check "the next prompt asks for a repair" says "$dir/out" "This kernel was rejected:"
check "and names the race" says "$dir/out" "Rejected: shared_race"
echo "What about warps?" >"$dir/talk.md"
run "$ws" submit "$softmax" "$dir/talk.md" --archive "$dir/a.db" --run last
run "$ws" prompt --run last --archive "$dir/a.db"
check "talk without code is told to the model" says "$dir/out" 'It began: "What about warps?"'
run "$ws" submit "$softmax" "$replies/4_coalesced.md" --archive "$dir/a.db" --run last
check "a right reply is exit code 0" [ "$rc" = 0 ]
run "$ws" submit relu "$dir/talk.md" --archive "$dir/a.db" --run last
check "a run has one spec" says "$dir/err" "is of 'basics/softmax', not of 'basics/relu'"
run "$ws" submit "$softmax" "$replies/1_compile_error.md"
check "without an archive the verdict is printed" says "$dir/out" "compile_error: "

# ---- replies, and would-be winners of a run, are verified in full ----

reply_of() { echo "One warp a row."; echo '```cuda'; cat "$1"; echo '```'; }
reply_of tests/kernels/bad/row_sum_skips_small.cu >"$dir/skips.md"
run "$ws" submit row_sum "$dir/skips.md" --archive "$dir/f.db"
check "a kernel that only the quick runs find right is rejected" says "$dir/out" "wrong_result"
run "$ws" verify row_sum tests/kernels/bad/row_sum_skips_small.cu --depth quick
check "which the quick runs do" [ "$rc" = 0 ]
# The first is faster than the translation and wrong, the second right and the winner, the third right and slower.
reply_of tests/kernels/bad/softmax_by_first_row.cu >"$dir/1.md"
reply_of tests/kernels/honest/softmax_online.cu >"$dir/2.md"
cp "$replies/4_coalesced.md" "$dir/3.md"
cat >"$dir/script.py" <<'END'
import json, sys
print(json.dumps({"schema": 1, "scripted": True, "model": "three",
                  "replies": [{"text": open(f).read()} for f in sys.argv[1:]]}))
END
if command -v python3 >/dev/null; then
    python3 "$dir/script.py" "$dir/1.md" "$dir/2.md" "$dir/3.md" >"$dir/script.json"
    "$ws" replay "$dir/script.json" >"$dir/url" 2>/dev/null &
    server=$!
    for _ in $(seq 100); do [ -s "$dir/url" ] && break; sleep 0.05; done
    run "$ws" optimize softmax --base-url "$(head -n 1 "$dir/url")" --model three --strategy best-of --lanes 1 \
        --rounds 3 --tune 0 --no-memory --seed 1 --archive "$dir/g.db" --json
    kill "$server"
    cp "$dir/out" "$dir/events"
    run "$ws" archive show last --archive "$dir/g.db" --json
    python3 - "$dir/out" >"$dir/depths" <<'END'
import json, sys
for c in json.load(open(sys.argv[1]))["candidates"]:
    v = c["verdict"]
    print(c["origin"], v["reason"], v["evidence"]["depth"])
END
    printf 'emitted pass quick\nmodel wrong_result full\nmodel pass full\nmodel pass quick\n' >"$dir/want"
    check "only a kernel that would be the best is verified in full" cmp -s "$dir/depths" "$dir/want"
fi

# ---- --json ----

"$ws" emit softmax --output "$dir/k.cu"
is_json() { python3 -c 'import json, sys; json.load(sys.stdin)' <"$dir/out"; }
if ! command -v python3 >/dev/null; then
    is_json() { head -c 1 "$dir/out" | grep -q '[[{]'; }
fi
while read -r command; do
    # shellcheck disable=SC2086
    run "$ws" $command --json
    check "JSON: $command" is_json
done <<END
archive list --archive $dir/a.db
archive show last --archive $dir/a.db
archive check --archive $dir/a.db
export last --archive $dir/a.db
export last --archive $dir/a.db --output $dir/h.cuh
compile $dir/k.cu -D DIM_B=3 -D DIM_N=100
compile $dir/talk.md
doctor
emit softmax
emit softmax --output $dir/e.cu
prompt softmax
prompt --run last --archive $dir/a.db
reference softmax
spec list
spec show softmax
spec check softmax
submit $softmax $dir/talk.md
verify $softmax $dir/k.cu
verify softmax $dir/talk.md
END

# ---- what is asked for wrongly ----

while IFS='|' read -r want command text; do
    # shellcheck disable=SC2086
    run "$ws" $command
    check "exit code $want: $command" [ "$rc" = "$want" ]
    check "in words" says "$dir/err" "$text"
done <<END
2|optimize|optimize needs a SPEC, or --resume RUN
4|optimize nosuch|no spec is called 'nosuch'
2|optimize softmax --gpu zx81|the cost model does not know it
2|optimize softmax --rounds many|expected a whole number from 0 to 1000000
2|optimize softmax --base-url ftp://127.0.0.1/ --model m|scheme is 'ftp'
2|optimize softmax --base-url http://127.0.0.1/v1?api_key=1 --model m|holds a key, which would be stored
3|optimize relu|has no bundled script
4|optimize --resume last --archive $dir/none.db|there is no archive
4|optimize --resume nothing --archive $dir/a.db|has no run 'nothing'
4|prompt softmax --prompts $dir/none|there is no directory
2|prompt|prompt needs a SPEC, or --run RUN
2|spec frobnicate|unknown subcommand
2|archive frobnicate|unknown subcommand
4|export #2 --archive $dir/a.db|only what passed is exported
4|reference softmax --in $dir/none|there is no such directory
2|compile $dir/k.cu -D 9x=3|expected NAME=N
END
tap_done
