#!/usr/bin/env bash
# The loop as a user meets it: killed and resumed, interrupted, refused and failed by its server, and at the
# end of its budgets. What a break must not change is compared with a run without one.
. "$(dirname "$0")/lib.sh" || exit 70
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
key=sk-test-0123456789abcdef

# Waits until a file says something, for up to 10 s.
await() {
    for _ in $(seq 200); do
        grep -qF -- "$2" "$1" 2>/dev/null && return
        sleep 0.05
    done
}
rows() { grep -E '^ +[0-9]+  ' "$1"; }
# All of a run but ids, names, times and ports, as text.
story() {
    "$ws" archive show last --json --archive "$1" |
        sed -E '/"(run|started|ended|id|parent|winner|seconds|compile_seconds|run_seconds|total_seconds)":/d
                /"(waited_seconds|attempts|detail|request_id|http_status|outcome|requests)":/d; /^[][{}, 	]*$/d'
}

# ---- kill -9 ----

optimize=("$ws" optimize "$softmax" --rounds 3 --seed 7 --tune 2)
run "${optimize[@]}" --archive "$dir/whole.db" --export "$dir/whole.cuh"
check "an unbroken run ends" [ "$rc" -le 1 ]
rows "$dir/out" >"$dir/whole.rows"
check "with its rows" [ "$(wc -l <"$dir/whole.rows")" -ge 4 ]
story "$dir/whole.db" >"$dir/whole.story"
delay=0.05 kills=0
resume=("${optimize[@]}" --archive "$dir/broken.db")
while :; do
    "${resume[@]}" --export "$dir/broken.cuh" >"$dir/out" 2>"$dir/err" &
    pid=$!
    { sleep "$delay" && kill -9 "$pid"; } 2>/dev/null &
    killer=$!
    wait "$pid" 2>/dev/null
    rc=$?
    if [ "$rc" -lt 128 ]; then
        { kill "$killer" && wait "$killer"; } 2>/dev/null
        break
    fi
    kills=$((kills + 1))
    "$ws" archive list --archive "$dir/broken.db" 2>/dev/null | grep -q softmax &&
        resume=("$ws" optimize --resume last --archive "$dir/broken.db")
    delay=$(awk "BEGIN { print $delay * 1.4 }")
done
check "killed $kills times, it ends in the end" [ "$kills" -ge 2 ]
rows "$dir/out" >"$dir/broken.rows"
check "with the same rows" cmp -s "$dir/whole.rows" "$dir/broken.rows"
story "$dir/broken.db" >"$dir/broken.story"
check "and the same archive" cmp -s "$dir/whole.story" "$dir/broken.story"
for h in whole broken; do
    sed -E 's/softmax-[0-9]+-[0-9]+-[0-9a-f]{4}/RUN/g; s/127\.0\.0\.1:[0-9]+/PORT/g; s/#[0-9]+/#N/g' \
        "$dir/$h.cuh" | grep -v '20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]' >"$dir/$h.header"
done
check "and the same header" cmp -s "$dir/whole.header" "$dir/broken.header"
run "$ws" archive check --archive "$dir/broken.db"
check "in a sound file" [ "$rc" = 0 ]

# ---- Ctrl-C ----

"$ws" optimize "$softmax" --archive "$dir/int.db" >"$dir/out" 2>"$dir/err" &
pid=$!
await "$dir/out" emitted
kill -INT "$pid"
wait "$pid"
rc=$?
check "Ctrl-C ends a run with 130" [ "$rc" = 130 ]
check "and says how to go on" says "$dir/out" "to go on: warpsmith optimize --resume softmax-"
run "$ws" optimize --resume last --rounds 2 --archive "$dir/int.db"
check "which works" says "$dir/out" "done, all rounds done; "

# ---- budgets, and the end of a script ----

run "$ws" optimize "$softmax" --call-budget 1 --archive "$dir/limit.db"
check "a spent budget is exit code 6" [ "$rc" = 6 ]
run "$ws" optimize --resume last --archive "$dir/limit.db"
check "and stays spent" [ "$rc" = 6 ]
check "without another call" says "$dir/out" "; 1 call, "
run "$ws" optimize --resume last --call-budget 0 --rounds 99 --archive "$dir/limit.db" --json
check "a script that is used up ends a run as done" says "$dir/out" "the script's replies are used up"
"$ws" optimize --resume last --rounds 50 --archive "$dir/limit.db" >/dev/null 2>&1 &
first=$!

# ---- a server that fails ----

cat >"$dir/script.json" <<'END'
{ "schema": 1, "scripted": true, "model": "m", "replies": [
  { "text": "I would tile it. Shall I?",
    "faults": [ { "status": 429, "headers": { "Retry-After": "0" }, "body": { "error": { "message": "slow down" } } },
                { "status": 500, "body": "<html><title>oh dear</title></html>" } ] },
  { "text": "```cuda\nint broken\n```", "faults": [ { "cut_after": 300 }, { "stall_ms": 6000 } ] },
  { "text": "```cuda\nint never closed", "finish_reason": "length" },
  { "text": "too late", "stall_ms": 20000, "faults": [ { "status": 500, "body": { "error": { "message": "for ever" } } },
    { "status": 502 }, { "status": 503, "body": { "error": { "message": "for ever" } } } ] } ] }
END
"$ws" replay "$dir/script.json" >"$dir/url" 2>/dev/null &
server=$!
await "$dir/url" http://
url=$(head -n 1 "$dir/url")
OPENAI_API_KEY=$key run "$ws" optimize "$softmax" --base-url "$url" --model m --rounds 4 --attempts 3 \
    --idle-timeout 1s --archive "$dir/faults.db" --debug --log "$dir/log"
check "a server that fails for good is exit code 5" [ "$rc" = 5 ]
check "a 429 is said" says "$dir/err" "the server limits the rate of requests (HTTP 429): slow down; try 2 of 3"
check "an error page is said as text" says "$dir/err" "the server failed (HTTP 500): oh dear; try 3 of 3"
check "a cut stream is said" says "$dir/err" "the connection ended in the middle of the reply"
check "a stall is said" says "$dir/err" "the server stopped sending: no data within 2 s"
check "the end is one line" says "$dir/err" "warpsmith: round 4: the server failed (HTTP 503): for ever (after 3 tries)"
check "with the way on" says "$dir/err" "to go on: warpsmith optimize --resume softmax-"
check "a reply without code is a row" grep -q 'no_code .*the reply has no CUDA code block' "$dir/out"
check "a truncated one too" grep -q 'truncated .*the reply reached the token limit inside' "$dir/out"
run "$ws" archive show last --json --archive "$dir/faults.db"
for outcome in rate_limited server_error cut stall truncated; do
    check "the archive has the outcome $outcome" says "$dir/out" "\"outcome\":	\"$outcome\""
done
check "the next prompt says that there was no code" \
    says "$dir/out" 'could not be used: the reply has no CUDA code block. It began: \"I would tile it.'
run grep -rlF "$key" "$dir"
check "the key is nowhere" [ "$rc" = 1 ]
OPENAI_API_KEY=$key "$ws" optimize --resume last --attempts 9 --archive "$dir/faults.db" >/dev/null 2>"$dir/err" &
pid=$!
await "$dir/err" resuming
leaks=0
for p in $(pgrep -P "$pid") "$pid"; do
    tr '\0' '\n' 2>/dev/null <"/proc/$p/environ" | grep -qF "$key" && leaks=$((leaks + 1))
done
check "nor in the environment of a process" [ "$leaks" = 0 ]
run "$ws" optimize --resume last --archive "$dir/faults.db"
check "a run that another process works on is refused" says "$dir/err" "another process works on this run"
kill -9 "$pid" 2>/dev/null
{ wait "$pid"; wait "$first"; } 2>/dev/null

# ---- archives that cannot be used ----

echo "this is no archive, and longer than a header of SQLite would be" >"$dir/text.db"
run "$ws" optimize "$softmax" --archive "$dir/text.db"
check "a file that is no archive is refused" [ "$rc" = 4 ]
check "in words" says "$dir/err" "file is not a database"
run "$ws" optimize "$softmax" --archive "$dir/none/a.db"
check "a directory that is not there is named" says "$dir/err" "No such file or directory"
tap_done
