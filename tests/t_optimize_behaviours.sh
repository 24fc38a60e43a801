#!/usr/bin/env bash
# Each strategy against each of the five played models ends as it should, and the comparison of strategies is one
# command: on played models, and on a recording.
. "$(dirname "$0")/lib.sh" || exit 70
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
strategies="refine best-of ideas evolve"
# field STRATEGY KEY: of the comparison in $dir/out
field() {
    /usr/bin/python3 - "$dir/out" "$1" "$2" <<'PY'
import json, sys
for s in json.load(open(sys.argv[1]))["strategies"]:
    if s["strategy"] == sys.argv[2]:
        print(s[sys.argv[3]])
PY
}
compare() {
    timeout 300 "$ws" compare "$softmax" "$@" >"$dir/out" 2>"$dir/err"
    rc=$?
}
# played MODEL ROUNDS: into $dir/MODEL, its exit code last
played() {
    timeout 300 "$ws" compare "$softmax" --behaviour "$1" --rounds "$2" --json >"$dir/$1" 2>"$dir/$1.err"
    echo $? >"$dir/$1.rc"
}
take() {
    cp "$dir/$1" "$dir/out"
    cp "$dir/$1.err" "$dir/err"
    rc=$(cat "$dir/$1.rc")
}
number() { awk "BEGIN { exit !($1) }"; }

played flaky 12 & # which mostly waits
for model in perfect sloppy; do played $model 12; done
for model in wrong plagiarist; do played $model 12; done
wait
for model in perfect sloppy flaky; do
    take $model
    check "$model: the comparison ends" ended 0
    for s in $strategies; do
        check "$model: $s finds a kernel that is faster" number "$(field $s speed_up) > 1.05"
        check "  and says so by its exit code" [ "$(field $s exit_code)" = 0 ]
        check "  after 12 replies" [ "$(field $s replies)" = 12 ]
    done
done
for model in wrong plagiarist; do
    take $model
    for s in $strategies; do
        check "$model: $s ends with the plain translation" number "$(field $s speed_up) == 1"
        check "  which is no gain" [ "$(field $s exit_code)" = 1 ]
        check "  and no failure" [ "$(field $s status)" = done ]
        [ $model = wrong ] && check "  nothing else passed" [ "$(field $s passed)" = 1 ]
    done
done

"$ws" replay --behaviour perfect >"$dir/server" 2>&1 &
server=$!
for _ in $(seq 100); do [ -s "$dir/server" ] && break; sleep 0.05; done
run "$ws" optimize "$softmax" --model played --base-url "$(head -n 1 "$dir/server")" --rounds 8 --lanes 2 --seed 3 \
    --tune 2 --archive "$dir/a.db" --record "$dir/a.jsonl"
check "a recorded run" [ "$rc" -le 1 ]
kill "$server" && wait "$server" 2>/dev/null
server=
compare --replay "$dir/a.jsonl"
check "one command compares all strategies on it" [ "$(grep -cE '^(refine|best-of|ideas|evolve) ' "$dir/out")" = 4 ]
check "each used the 8 replies" [ "$(awk 'NR > 1 && $2 == 8' "$dir/out" | wc -l)" = 4 ]
compare --replay "$dir/a.jsonl" --strategy refine --json
"$ws" archive show last --json --archive "$dir/a.db" >"$dir/a.json"
recorded() { # the same numbers of the live run
    /usr/bin/python3 - "$dir/a.json" <<'PY'
import json, sys
o = json.load(open(sys.argv[1]))
k = o["candidates"]
print(len(k), sum(c["reason"] == "pass" for c in k), min(c["seconds"] for c in k if c["reason"] == "pass"))
PY
}
check "the recorded strategy has the recorded result" \
    [ "$(field refine candidates) $(field refine passed) $(field refine best_seconds)" = "$(recorded)" ]
compare --replay "$dir/nothing.jsonl"
check "a recording that is not there is an error" ended 3
compare --behaviour perfect --strategy brilliant
check "so is a strategy that is not there" ended 2
compare
check "and no replies at all" ended 2
tap_done
