#!/usr/bin/env bash
# warpsmith ptx run: findings in compute-sanitizer's words, options, exit codes, the CPU driver as a device.
. "$(dirname "$0")/lib.sh" || exit 70
silent() { ! grep -q "^=========" "$dir/out"; }

run "$ws" ptx run tests/ptx/oob_global_write.ptx
check "a case with the finding that it expects ends with 0" ended 0
check "memcheck's first line" says "$dir/out" "========= Invalid __global__ write of size 4 bytes"
check "where" says "$dir/out" "=========     at k()+0x70 in case.cu:4"
check "who" says "$dir/out" "=========     by thread (0,0,0) in block (0,0,0)"
check "how far from what" says "$dir/out" "and is 4 bytes before the nearest allocation at 0x"
check "the summary" says "$dir/out" "========= ERROR SUMMARY: 1 error"
run "$ws" ptx run tests/ptx/race_shared_waw.ptx --tool racecheck
check "racecheck's hazard" says "$dir/out" "Error: Potential WAW hazard detected at __shared__ 0x0 in block (0,0,0) :"
check "racecheck's summary" says "$dir/out" "========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)"
run "$ws" ptx run tests/ptx/race_lanes_waw.ptx --tool racecheck
check "lanes of one warp are a warning" says "$dir/out" "Warning (Warp Level Programming): Potential WAW hazard"
run "$ws" ptx run tests/ptx/uninit_global.ptx
check "initcheck" says "$dir/out" "========= Uninitialized __global__ memory read of size 4 bytes"
run "$ws" ptx run tests/ptx/barrier_divergent.ptx
check "synccheck" says "$dir/out" "========= Barrier error detected. Divergent thread(s) in warp."
run "$ws" ptx run tests/ptx/uninit_global.ptx --tool memcheck
check "--tool memcheck leaves initcheck's findings out" silent
check "and does not demand them" ended 0
sed 's|^// want: .*|// want: out = 12345|' tests/ptx/bar_reduce.ptx >"$dir/wrong.ptx"
run "$ws" ptx run "$dir/wrong.ptx"
check "a wrong value ends with 1" ended 1
check "and is shown" says "$dir/out" "not as expected"
sed '/^\/\/ launch/d' tests/ptx/bar_reduce.ptx >"$dir/none.ptx"
run "$ws" ptx run "$dir/none.ptx"
check "a file without a launch is bad input" ended 4
run "$ws" ptx run tests/ptx/bar_reduce.ptx --schedule random --seed 9 --threads 2 --json
check "--json" python3 -c "import json,sys; d=json.load(open('$dir/out')); sys.exit(d['as_expected'] != 1)"
run "$ws" ptx run tests/ptx/oob_shared.ptx --json
check "--json has findings" python3 -c "
import json,sys
f=json.load(open('$dir/out'))['files'][0]['findings'][0]
sys.exit(not (f['tool'] == 'memcheck' and f['reason'] == 'out_of_bounds' and 'Invalid __shared__' in f['report']))"
run "$ws" ptx run --counters --lines tests/ptx/atomics_shared.ptx
check "--counters" ended 0
check "has names, values and words" grep -qE "^  shared_atomic_lanes +256  lanes of those atomics" "$dir/out"
check "and lines" grep -qE "^  case.cu:12 " "$dir/out"
run "$ws" ptx run --counters --lines --json tests/ptx/counters/cache_rereads.ptx
check "--counters --lines --json" python3 -c "
import json,sys
f=json.load(open('$dir/out'))['files'][0]
sys.exit(not (f['counters']['l1_hit_sectors'] == 8 and sum(l['l1_hits'] for l in f['lines']) == 8))"
run "$ws" ptx run --device cpu --counters --lines --json tests/ptx/counters/cache_rereads.ptx
check "through the CPU driver, too" python3 -c "
import json,sys
f=json.load(open('$dir/out'))['files'][0]
sys.exit(not (f['counters']['l1_hit_sectors'] == 8 and sum(l['l1_hits'] for l in f['lines']) == 8))"
run "$ws" ptx run --counters --json tests/ptx/bar_reduce.ptx
check "without --gpu there are no caches" python3 -c "
import json,sys
c=json.load(open('$dir/out'))['files'][0]['counters']
sys.exit(c['l2_st_sectors'] != 0 or c['warp_insns'] == 0)"
run "$ws" ptx run --counters --gpu l4 --json tests/ptx/bar_reduce.ptx
check "with it there are" python3 -c "
import json,sys
sys.exit(json.load(open('$dir/out'))['files'][0]['counters']['l2_st_sectors'] == 0)"
run "$ws" ptx run --gpu l4 tests/ptx/bar_reduce.ptx
check "--gpu alone is a usage error" ended 2
run "$ws" ptx run --counters --gpu h1000 tests/ptx/bar_reduce.ptx
check "an unknown GPU is a usage error" ended 2
run "$ws" ptx run --device cpu -q tests/ptx/bar_reduce.ptx tests/ptx/oob_shared.ptx tests/ptx/launch_bounds.ptx
check "through the CPU driver" ended 0
run "$ws" ptx run tests/ptx/mma_model_ampere.ptx tests/ptx/mma_model_hopper.ptx
check "sums of mma round as the target's tensor cores" ended 0
run "$ws" ptx run --mma-model hopper tests/ptx/mma_model_ampere.ptx
check "--mma-model hopper" ended 1
run "$ws" ptx run --mma-model ampere tests/ptx/mma_model_hopper.ptx
check "--mma-model ampere" ended 1
run "$ws" ptx run --mma-model exact tests/ptx/mma_model_hopper.ptx
check "--mma-model exact" ended 1
run "$ws" ptx run --leak-check tests/ptx/ok_heap_leak_told.ptx
check "--leak-check" says "$dir/out" "========= Leaked 24 bytes at 0x"
run "$ws" ptx run --track-unused-memory tests/ptx/ok_init_unused_told.ptx
check "--track-unused-memory" says "$dir/out" "Not written 144 bytes at offset 0x100"
run "$ws" ptx run --no-check tests/ptx/race_shared_waw.ptx
check "--no-check finds no race" silent
run "$ws" ptx run --tool memchek tests/ptx/bar_reduce.ptx
check "an unknown tool is a usage error" ended 2
tap_done
