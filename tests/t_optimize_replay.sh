#!/usr/bin/env bash
# A recorded run replayed: the same attempts and the same winner, without server, network or key.
. "$(dirname "$0")/lib.sh" || exit 70
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
key=sk-canary-0123456789abcdef
# All that was judged, and what was said, without what depends on clocks and ports.
story() {
    /usr/bin/python3 - "$@" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
# Under a budget, max_tokens in the prompt is what was left, and the last turns were cut short.
budget = len(sys.argv) > 2
for row in db.execute("SELECT turn, purpose, state, outcome, prompt, content, prompt_tokens, completion_tokens FROM call "
                      "ORDER BY turn"):
    if not budget:
        print("call", row)
    elif row[3] == "ok":
        print("call", row[:4], row[5:])
for row in sorted(db.execute("SELECT k.round, k.origin, k.source, k.tune, k.ptx_sha256, k.reason, k.modelled_s, c.turn "
                             "FROM candidate k LEFT JOIN call c ON c.id = k.call"), key=repr):
    print("kernel", row)
for row in db.execute("SELECT k.source, k.tune, k.modelled_s FROM run r JOIN candidate k ON k.id = r.best_candidate"):
    print("winner", row)
PY
}
for behaviour in sloppy flaky sloppy-budget flaky-budget; do
    budget=()
    [[ $behaviour == *-budget ]] && budget=(--token-budget 24000) # which ends the run early, and not in one place
    rm -f "$dir/server" # the one before must not be taken for this one's
    "$ws" replay --behaviour "${behaviour%-budget}" --spec basics/softmax >"$dir/server" 2>&1 &
    server=$!
    for _ in $(seq 100); do [ -s "$dir/server" ] && break; sleep 0.05; done
    url=$(head -n 1 "$dir/server")
    optimize=("$ws" optimize "$softmax" --model played --strategy refine --lanes 4 --rounds 12 --seed 5 --tune 2
        "${budget[@]}")
    run env OPENAI_API_KEY=$key "${optimize[@]}" --base-url "$url" --archive "$dir/$behaviour.db" \
        --record "$dir/$behaviour.jsonl"
    ends=0 least=15
    [ ${#budget[@]} != 0 ] && ends=6 least=5 # how far it comes depends on which claims were refused
    check "$behaviour: a recorded run ends" [ "$rc" = "$ends" ]
    kill "$server" && wait "$server" 2>/dev/null
    server=
    story "$dir/$behaviour.db" "${budget[@]}" >"$dir/live"
    check "with its calls and kernels" [ "$(grep -c -e '^call' -e '^kernel' "$dir/live")" -ge "$least" ]
    run env http_proxy=http://127.0.0.1:9 "${optimize[@]}" --replay "$dir/$behaviour.jsonl" --archive "$dir/again.db"
    check "it is replayed without a server" [ "$rc" -le 1 ]
    story "$dir/again.db" "${budget[@]}" >"$dir/replayed"
    check "with the same calls, kernels and winner" cmp -s "$dir/live" "$dir/replayed"
    diff "$dir/live" "$dir/replayed" | head -n 6 | cut -c 1-300 | sed 's/^/# /'
    rm -f "$dir/again.db"*
done
check "the key is not on the tape, nor in an archive" [ "$(cat "$dir"/*.jsonl "$dir"/*.db* | grep -c "$key")" = 0 ]

run "$ws" optimize basics/matmul --model played --rounds 2 --replay "$dir/sloppy.jsonl" --archive "$dir/other.db"
check "what was not recorded ends the run" ended 5
check "and says what is nearest" says "$dir/err" "differs in line"
run "${optimize[@]}" --record "$dir/sloppy.jsonl" --archive "$dir/other.db" --base-url http://127.0.0.1:9/v1
check "a recording is not overwritten" ended 2
tap_done
