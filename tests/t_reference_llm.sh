#!/usr/bin/env bash
# specs/llm: what its generator writes, and `warpsmith reference` against an independent computation;
# see reference_llm.py.
cd "$(dirname "$0")/.." || exit 70
skip() {
    echo "1..0 # SKIP $1"
    exit 0
}
[ -x ./warpsmith ] || skip "./warpsmith is not built"
command -v python3 >/dev/null || skip "no python3"
work=$(mktemp -d) || exit 70
trap 'rm -rf "$work"' EXIT
python3 specs/llm/generate --check || {
    echo "not ok 1 - specs/llm are not what specs/llm/generate writes"
    exit 1
}
python3 tests/reference_llm.py ./warpsmith specs/llm "$work"
