#!/usr/bin/env bash
# `warpsmith reference` against an independent computation; see reference_numpy.py.
cd "$(dirname "$0")/.." || exit 70
skip() {
    echo "1..0 # SKIP $1"
    exit 0
}
[ -x ./warpsmith ] || skip "./warpsmith is not built"
command -v python3 >/dev/null || skip "no python3"
work=$(mktemp -d) || exit 70
trap 'rm -rf "$work"' EXIT
python3 tests/reference_numpy.py ./warpsmith specs/basics "$work"
