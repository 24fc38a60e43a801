#!/usr/bin/env bash
# The Model Context Protocol server, against a client of the standard library alone (tests/mcp_client.py).
. "$(dirname "$0")/lib.sh" || exit 70
if ! command -v python3 >/dev/null; then
    echo "ok 1 - MCP # SKIP no python3"
    echo 1..1
    exit 0
fi
replies=agent/replays/basics_softmax
"$ws" submit "$softmax" "$replies/4_coalesced.md" --archive "$dir/a.db" >"$dir/out" 2>"$dir/err"
sed -n '/^```cuda/,/^```$/p' "$replies/4_coalesced.md" | sed '1d;$d' >"$dir/k.cu"
python3 tests/mcp_client.py "$ws" "$softmax" "$dir/k.cu" "$dir/a.db"
