#!/usr/bin/env bash
# 'warpsmith calibrate': constants of the cost model from a report, and programs that take them by WARPSMITH_CALIBRATION.
. "$(dirname "$0")/lib.sh" || exit 70
export WARPSMITH_DEVICE=cpu
unset WARPSMITH_CALIBRATION
# Kernels that move memory at 2 TB/s, with 8 us for each launch.
python3 - "$dir/report.json" <<'END'
import json, sys
rows = []
for k in range(20):
    sectors = 1000 * 2 ** (k // 2 + 4)
    seconds = 8e-6 + 64 * sectors / 2e12
    counters = {"blocks": 1000, "warps": 8000, "warp_insns": 80000, "thread_insns": 2560000, "f32": 8000,
                "global_ld_requests": sectors // 4, "global_st_requests": sectors // 4, "global_ld_sectors": sectors,
                "global_st_sectors": sectors, "unique_ld_sectors": sectors, "unique_st_sectors": sectors,
                "max_warp_insns": 10, "max_block_warp_insns": 80}
    rows.append({"spec": "t/copy", "name": f"copy_{k}.cu", "result": "pass", "measured_s": seconds,
                 "flops": 0, "min_bytes": 64 * sectors,
                 "launches": [{"blocks": 1000, "threads_per_block": 256, "registers": 16, "counters": counters}]})
json.dump({"device": "NVIDIA H100 80GB HBM3", "date": "2026-01-01T00:00:00Z", "driver": 13000,
           "parts": {"model": {"rows": rows}}},
          open(sys.argv[1], "w"))
END
run "$ws" calibrate "$dir/report.json" -o "$dir/h100.json"
check "a report is fitted" ended 0
check "the GPU that it names" says "$dir/out" "h100 by 20 of 20 rows of NVIDIA H100 80GB HBM3"
check "constants beside the estimates" grep -qE '^microseconds of a launch +2 ' "$dir/out"
check "and how far off kernels are" grep -q 'half of the kernels are modelled within [0-9]* % by the estimates' "$dir/out"
check "constants as a file" python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
assert d["kind"] == "calibration" and d["gpu"] == "h100" and d["samples"] == 20, d
c, e = d["constants"], d["error"]
assert 0.5 < c["dram_efficiency"] < 0.7 and c["launch_s"] > 4e-6, c
assert e["fitted"] < e["estimates"] and e["left_out"] >= 0, e' "$dir/h100.json"
"$ws" emit relu -o "$dir/relu.cu" || exit 70
run "$ws" profile relu "$dir/relu.cu" --json
check "without constants modelled times are uncalibrated" says "$dir/out" '"calibrated":	false'
before=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["time"]["seconds"])' "$dir/out")
export WARPSMITH_CALIBRATION=$dir/h100.json
run "$ws" profile relu "$dir/relu.cu" --json
check "with them they say so" says "$dir/out" '"calibrated":	true'
check "and are longer, as this GPU is slower than its datasheet" python3 -c '
import json, sys
assert json.load(open(sys.argv[1]))["time"]["seconds"] > 1.2 * float(sys.argv[2])' "$dir/out" "$before"
run "$ws" verify relu "$dir/relu.cu" --depth quick --no-field --choices 0
check "in a verdict, too" says "$dir/out" "modelled on h100, calibrated to"
run "$ws" verify relu "$dir/relu.cu" --depth quick --no-field --choices 0 --gpu l40s
check "of that GPU alone" says "$dir/out" "modelled on l40s, uncalibrated"
echo '{"kind": "calibration"}' >"$dir/bad.json"
WARPSMITH_CALIBRATION=$dir/bad.json run "$ws" cost relu
check "a broken file is bad input" ended 4
unset WARPSMITH_CALIBRATION
echo '{"device": "CPU engine", "parts": {"model": {"rows": []}}}' >"$dir/cpu.json"
run "$ws" calibrate "$dir/cpu.json"
check "a report of the CPU engine, too" ended 4
check "with why" says "$dir/err" "its times are those of no GPU"
tap_done
