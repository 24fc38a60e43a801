#!/usr/bin/env bash
# warpsmith ptx run: findings in compute-sanitizer's words, options, exit codes, the CPU driver as a device.
set -u
cd "$(dirname "$0")/.." || exit 70
ws=${WARPSMITH:-$PWD/warpsmith}
dir=$(mktemp -d) || exit 70
trap 'rm -rf "$dir"' EXIT
n=0
check() {
    local name=$1
    shift
    n=$((n + 1))
    if "$@"; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        tail -n 12 "$dir/out" "$dir/err" | sed 's/^/# /'
        failed=1
    fi
}
failed=0
run() {
    timeout 60 "$ws" ptx run "$@" >"$dir/out" 2>"$dir/err"
    rc=$?
}
ended() { [ $rc = "$1" ]; }
says() { grep -qF -- "$1" "$dir/out"; }
silent() { ! grep -q "^=========" "$dir/out"; }

run tests/ptx/oob_global_write.ptx
check "a case with the finding that it expects ends with 0" ended 0
check "memcheck's first line" says "========= Invalid __global__ write of size 4 bytes"
check "where" says "=========     at k()+0x70 in case.cu:4"
check "who" says "=========     by thread (0,0,0) in block (0,0,0)"
check "how far from what" says "and is 4 bytes before the nearest allocation at 0x"
check "the summary" says "========= ERROR SUMMARY: 1 error"
run tests/ptx/race_shared_waw.ptx --tool racecheck
check "racecheck's hazard" says "Error: Potential WAW hazard detected at __shared__ 0x0 in block (0,0,0) :"
check "racecheck's summary" says "========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)"
run tests/ptx/race_lanes_waw.ptx --tool racecheck
check "lanes of one warp are a warning" says "Warning (Warp Level Programming): Potential WAW hazard"
run tests/ptx/uninit_global.ptx
check "initcheck" says "========= Uninitialized __global__ memory read of size 4 bytes"
run tests/ptx/barrier_divergent.ptx
check "synccheck" says "========= Barrier error detected. Divergent thread(s) in warp."
run tests/ptx/uninit_global.ptx --tool memcheck
check "--tool memcheck leaves initcheck's findings out" silent
check "and does not demand them" ended 0
sed 's|^// want: .*|// want: out = 12345|' tests/ptx/bar_reduce.ptx >"$dir/wrong.ptx"
run "$dir/wrong.ptx"
check "a wrong value ends with 1" ended 1
check "and is shown" says "not as expected"
sed '/^\/\/ launch/d' tests/ptx/bar_reduce.ptx >"$dir/none.ptx"
run "$dir/none.ptx"
check "a file without a launch is bad input" ended 4
run tests/ptx/bar_reduce.ptx --schedule random --seed 9 --threads 2 --json
check "--json" python3 -c "import json,sys; d=json.load(open('$dir/out')); sys.exit(d['as_expected'] != 1)"
run tests/ptx/oob_shared.ptx --json
check "--json has findings" python3 -c "
import json,sys
f=json.load(open('$dir/out'))['files'][0]['findings'][0]
sys.exit(not (f['tool'] == 'memcheck' and f['reason'] == 'out_of_bounds' and 'Invalid __shared__' in f['report']))"
run --device cpu -q tests/ptx/bar_reduce.ptx tests/ptx/oob_shared.ptx tests/ptx/launch_bounds.ptx
check "through the CPU driver" ended 0
run tests/ptx/mma_model_ampere.ptx tests/ptx/mma_model_hopper.ptx
check "sums of mma round as the target's tensor cores" ended 0
run --mma-model hopper tests/ptx/mma_model_ampere.ptx
check "--mma-model hopper" ended 1
run --mma-model ampere tests/ptx/mma_model_hopper.ptx
check "--mma-model ampere" ended 1
run --mma-model exact tests/ptx/mma_model_hopper.ptx
check "--mma-model exact" ended 1
run --leak-check tests/ptx/ok_heap_leak_told.ptx
check "--leak-check" says "========= Leaked 24 bytes at 0x"
run --track-unused-memory tests/ptx/ok_init_unused_told.ptx
check "--track-unused-memory" says "Not written 144 bytes at offset 0x100"
run --no-check tests/ptx/race_shared_waw.ptx
check "--no-check finds no race" silent
run --tool memchek tests/ptx/bar_reduce.ptx
check "an unknown tool is a usage error" ended 2
echo "1..$n"
exit $failed
