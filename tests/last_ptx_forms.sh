#!/usr/bin/env bash
# Runs after all other tests: a form of the engine's table, or a word of one, that none of them executed is a failure.
# $1: what they executed (WARPSMITH_PTX_EXECUTED).
cd "$(dirname "$0")/.." || exit 70
missing=$(./warpsmith ptx ops --executed "$1" --missing)
status=$?
count=$(printf '%s\n' "$missing" | grep -c 'not executed')
n=1
if [ "$status" = 0 ] && [ "$count" = 0 ]; then
    echo "ok 1 - every form of the engine's instructions was executed: ${missing##*$'\n'}"
else
    printf '%s\n' "$missing" | grep 'not executed' | while read -r line; do
        echo "not ok $n - $line"
        n=$((n + 1))
    done
    n=$((count > 0 ? count : 1))
    [ "$count" = 0 ] && echo "not ok 1 - warpsmith ptx ops ended with status $status"
fi
echo "1..$n"
[ "$status" = 0 ]
