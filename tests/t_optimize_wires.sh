#!/usr/bin/env bash
# A run over each wire, streams and whole replies, as a user configures it: the provider's key in its header, the rate limit
# waited out, tokens in the archive, and the key nowhere else.
. "$(dirname "$0")/lib.sh" || exit 70
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
if ! command -v python3 >/dev/null; then
    echo "ok 1 - the three wires # SKIP no python3"
    echo 1..1
    exit 0
fi
replies=(agent/replays/basics_softmax/4_coalesced.md agent/replays/basics_softmax/5_row_in_shared.md)
unset ANTHROPIC_API_KEY ANTHROPIC_BASE_URL GEMINI_API_KEY
key=sk-canary-0123456789abcdef

start_server() {
    [ -n "$server" ] && kill "$server" && wait "$server" 2>/dev/null
    python3 tests/wire_server.py "$dir/requests" "${replies[@]}" >"$dir/port" 2>"$dir/server" &
    server=$!
    for _ in $(seq 200); do
        [ -s "$dir/port" ] && break
        sleep 0.05
    done
    port=$(cat "$dir/port")
}
# What the server saw, and what the archive has: python expressions over `q` (requests) and `calls`.
holds() {
    "$ws" archive show last --json --archive "$dir/$1.db" >"$dir/show" 2>"$dir/err"
    python3 - "$dir/requests" "$dir/show" "$2" <<'PY'
import json, sys
q = [json.loads(line) for line in open(sys.argv[1])]
calls = json.load(open(sys.argv[2]))["calls"]
sys.exit(not eval("(" + sys.argv[3] + ")"))
PY
}
no_key() { ! grep -rqF "$key" "$dir" --exclude=requests; }

# wire NAME PROVIDER PATH KEY-HEADER ENVIRONMENT OPTIONS...
wire() {
    local name=$1 who=$2 path=$3 header=$4 env=$5
    shift 5
    start_server
    run env "${env//PORT/$port}" "${env%%_*}_API_KEY=$key" "$ws" optimize "$softmax" --rounds 2 --tune 0 --seed 7 \
        --archive "$dir/$name.db" --record "$dir/$name.jsonl" "$@"
    check "$name: a run ends" [ "$rc" -le 1 ]
    check "$name: three requests, at the wire's path" holds "$name" "len(q) == 3 and all(r['path'] == '$path' for r in q)"
    check "$name: the first was refused, and its wait kept" holds "$name" "q[1]['time'] - q[0]['time'] >= 1"
    check "$name: the key is in its header" \
        holds "$name" "all(r['headers'].get('$header', '').endswith('$key') for r in q)"
    check "$name: tokens, cached ones and attempts are in the archive" holds "$name" \
        "len(calls) == 2 and all((c['prompt_tokens'], c['cached_tokens'], c['completion_tokens']) == (1000, 700, 200)
            for c in calls) and [len(c['attempts']) for c in calls] == [2, 1]"
    check "$name: and who answered" holds "$name" "{(c['model'], c['provider']) for c in calls} == {('served', '$who')}"
    check "$name: both replies are kernels that pass" [ "$(grep -cE '^ +[12]  model +pass' "$dir/out")" = 2 ]
    check "$name: the key is in no file" no_key
}
wire messages anthropic /v1/messages x-api-key "ANTHROPIC_BASE_URL=http://127.0.0.1:PORT" --model claude-test
check "messages: the invariant prompt ends with a cache breakpoint" holds messages \
    "all(r['body']['system'][0]['cache_control'] == {'type': 'ephemeral'} for r in q)"
wire responses custom /v1/responses Authorization "OPENAI_BASE_URL=http://127.0.0.1:PORT/v1" --model m --wire responses --no-stream
check "responses: nothing is stored on the server" holds responses "all(r['body']['store'] is False for r in q)"
wire chat custom /v1/chat/completions Authorization "OPENAI_BASE_URL=http://127.0.0.1:PORT/v1/" --model m

# ---- two models, two servers, two keys ----
start_server
run env ANTHROPIC_API_KEY=$key "ANTHROPIC_BASE_URL=http://127.0.0.1:$port" OPENAI_API_KEY=sk-other-0123456789 \
    "OPENAI_BASE_URL=http://127.0.0.1:$port/v1" "$ws" optimize "$softmax" --model anthropic/claude-test,m \
    --strategy best-of --lanes 2 --rounds 2 --tune 0 --seed 7 --archive "$dir/two.db"
check "two models: each is asked at its server, with its key and no other" holds two \
    "{(r['path'], r['body']['model'], r['headers'].get('x-api-key'), r['headers'].get('Authorization')) for r in q} ==
        {('/v1/messages', 'claude-test', '$key', None), ('/v1/chat/completions', 'm', None, 'Bearer sk-other-0123456789')}"

# ---- what a user is told of keys ----
run env GEMINI_API_KEY=$key "$ws" doctor
check "doctor names the provider and its variable" says "$dir/out" "gemini (GEMINI_API_KEY)"
check "but not the key" no_key
run env OPENAI_API_KEY=$key "$ws" optimize "$softmax" --model claude-test --archive "$dir/none.db"
check "a provider without a key is an error of the environment" ended 3
check "which names the variable" says "$dir/err" "set ANTHROPIC_API_KEY"

# ---- a recording of another wire replays without a server and a key ----
kill "$server" && wait "$server" 2>/dev/null
server=
run "$ws" optimize --replay "$dir/messages.jsonl" --tune 0 --archive "$dir/again.db"
check "a recording of Messages replays without a server" [ "$rc" -le 1 ]
check "with both kernels" [ "$(grep -cE '^ +[12]  model +pass' "$dir/out")" = 2 ]
tap_done
