#!/usr/bin/env bash
# 'warpsmith profile --explain': every formula gives its term's seconds for the inputs that are printed, and the terms make the
# time that is printed. Some of the pairs of check-pairs, whose order and cause are right.
. "$(dirname "$0")/lib.sh" || exit 70
export WARPSMITH_DEVICE=cpu
pairs=tests/kernels/pairs

cat >"$dir/add_up.py" <<'END'
import json, math, sys
d = json.load(open(sys.argv[1]))
m = d["model"]
def near(a, b, what):
    assert abs(a - b) <= 1e-9 * max(abs(a), abs(b)) + 1e-15, f"{what}: {a} and {b}"
names = {"max": max, "min": min, "ceil": math.ceil}
for l in m["launches"]:
    t, k = l["terms"], l["norm"]
    for x in t:
        value = eval(x["formula"], {"__builtins__": {}}, {**names, **{i["name"]: i["value"] for i in x["inputs"]}})
        near(value, x["seconds"], f"{l['kernel']}: {x['term']}")
        for i in x["inputs"]:
            assert i["name"] in x["formula"] and i["source"], i
    s = [x["seconds"] for x in t]
    overlap, on_top = s[:l["overlapping_terms"]], s[l["overlapping_terms"]:]
    memory = sum(x ** m4 for x in overlap[:2]) ** (1 / m4) if (m4 := l["memory_norm"]) else 0
    near(sum(x ** k for x in [memory] + overlap[2:]) ** (1 / k), l["overlapped_seconds"], "the norm")
    near(l["overlapped_seconds"] + sum(on_top), l["seconds"], "the launch")
    assert l["decides"] == t[overlap.index(max(overlap))]["term"]
busy = sum(l["seconds"] for l in m["launches"]) + m["other_launches_seconds"]
near(m["launching_seconds"] + max(busy, m["least_bytes_seconds"]), m["seconds"], "the sum")
near(m["seconds"], d["time"]["seconds"], "the time")
assert m["calibration"] == "uncalibrated" and len(m["left_out"]) > 3
END

explain() {
    run "$ws" profile "$2" "$pairs/$1/$3.cu" --gpu "$4" --explain --json --seed 1
    check "$1/$3 on $4: terms, formulas and sums agree" python3 "$dir/add_up.py" "$dir/out"
}
explain softmax_passes basics/softmax slow h100
explain fused $pairs/fused/spec.json slow a100
explain atomic_per_thread $pairs/atomic_per_thread/spec.json slow rtx4090
explain local_array $pairs/local_array/spec.json slow b200
explain spilled_registers basics/matmul slow l40s

run "$ws" profile basics/softmax $pairs/softmax_passes/slow.cu --explain --seed 1
check "in words" ended 0
check "with formulas" says "$dir/out" "/ (dram_efficiency * dram_bandwidth)"
check "estimates are called so" grep -q "dram_efficiency .*\[estimate\]" "$dir/out"
check "what was counted, too" grep -q "unique_bytes .*\[counted\]" "$dir/out"
check "what is left out" grep -q "^Left out:" "$dir/out"
check "and that nothing is calibrated" grep -q "^Calibration: uncalibrated" "$dir/out"
run "$ws" profile basics/softmax $pairs/softmax_passes/slow.cu --json --seed 1
check "not without being asked" bash -c '! grep -q far_again_bytes "$1"' - "$dir/out"

some="transpose_banks few_blocks vector_copy tree_reduction occupancy_shared"
run tests/check_pairs $some
check "some of the pairs: order and cause" ended 0
check "all of them" says "$dir/out" "5 of 5 pairs"
tap_done
