#!/usr/bin/env bash
# gpu-check on the CPU driver, which tries its parts: the report, what it says without a GPU, and bad arguments.
set -u
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
check=${BUILD:-build}/tests/gpucheck/gpu_check
n=0
tap() { n=$((n + 1)); [ "$1" = 0 ] && echo "ok $n - $2" || { echo "not ok $n - $2"; sed 's/^/# /' "$dir/out" | tail -n 20; }; }

unset WARPSMITH_DEVICE
if [ ! -e /dev/nvidiactl ]; then
    "$check" "$dir/none.json" >"$dir/out" 2>&1
    [ $? = 3 ] && grep -q 'hint: this needs a GPU' "$dir/out" && [ ! -e "$dir/none.json" ]
    tap $? "without a GPU it says what it needs"
fi
export WARPSMITH_DEVICE=cpu
"$check" --part nothing >"$dir/out" 2>&1
[ $? = 2 ] && grep -q "no part 'nothing'; there are ptx, survive" "$dir/out"
tap $? "the parts that there are"
WARPSMITH_COMMIT=abc123 "$check" --part survive,ptx,kernels,benchmark,hostile,model --only row_sum_w "$dir/r.json" >"$dir/out" 2>&1
tap $? "kernels whose names have a text in them"
grep -q '^ok      row_sum_warp_shuffle.cu check 2' "$dir/out"
tap $? "a line for each"
python3 - "$dir/r.json" <<'PY' >"$dir/python" 2>&1
import json, sys
r = json.load(open(sys.argv[1]))
assert r["schema"] == 2 and r["commit"] == "abc123" and r["device"] == "CPU engine", r
rows = r["parts"]["kernels"]["rows"]
assert len(rows) >= 8 and all(x["result"] == "pass" and x["worst_of_tolerance"] <= 1 for x in rows), rows
assert r["parts"]["kernels"]["failed"] == 0 and "timing" not in r["parts"]
model = [x for x in r["parts"]["model"]["rows"] if "measured_s" in x]
assert model and all(x["measured_s"] > 0 and x["modelled_s"] > 0 for x in model), model
assert all(l["counters"]["warp_insns"] > 0 for x in model for l in x["launches"]) and all(x["launches"] for x in model), model
assert "/" not in "".join(x["name"] for x in rows).replace(".cu check", "")
PY
tap $? "and a report that holds them"
"$check" --part survive --only endless "$dir/s.json" >"$dir/out" 2>&1
tap $? "a kernel that hangs, and a right one after it"
echo "1..$n"
