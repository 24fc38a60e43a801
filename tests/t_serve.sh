#!/usr/bin/env bash
# `warpsmith serve` against a client of the standard library (tests/serve/serve_check.py), and what it refuses at the start.
. "$(dirname "$0")/lib.sh" || exit 70
if ! command -v python3 >/dev/null; then
    echo "ok 1 - serve # SKIP no python3"
    echo 1..1
    exit 0
fi
unset WARPSMITH_SERVE_TOKEN
python3 tests/serve/serve_check.py "$ws" >"$dir/tap" 2>"$dir/err"
grep -v '^1\.\.' "$dir/tap"
n=$(grep -c -E '^(not )?ok ' "$dir/tap")
grep -q '^not ok ' "$dir/tap" && failed=1
check "the client came to its end" grep -q '^1\.\.' "$dir/tap"

run "$ws" serve --bind 0.0.0.0 --port 0
check "an address that others reach needs a token" ended 2
check "and the hint says how" says "$dir/err" '--token-file'
echo short >"$dir/token" && chmod 600 "$dir/token"
run "$ws" serve --token-file "$dir/token" --port 0
check "a token that can be guessed is refused" ended 2
echo 0123456789abcdef0123 >"$dir/token" && chmod 644 "$dir/token"
run "$ws" serve --token-file "$dir/token" --port 0
check "one that others may read, too" ended 2
run "$ws" serve --bind example.com
check "the address is a number" ended 2
run "$ws" serve --gpu abacus
check "an unknown GPU is a usage error" ended 2
run "$ws" serve --spec tests/deps --port 0
check "what is no spec is bad input" ended 4
tap_done
