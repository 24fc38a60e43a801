#!/usr/bin/env bash
# 'warpsmith bench --vs' with several baselines: kernels have a sitting each, libraries' times come from files or are absent
# in words; torch_baseline.py writes what bench reads.
. "$(dirname "$0")/lib.sh" || exit 70
export WARPSMITH_DEVICE=cpu PYTHONDONTWRITEBYTECODE=1
"$ws" emit relu -o "$dir/naive.cu" || exit 70
cp "$dir/naive.cu" "$dir/other.cu"
cat >"$dir/published.json" <<'END'
{"level1": {"19_ReLU.py": {"mean": 1.23, "std": 0.01, "min": 1.2, "max": 1.4, "num_trials": 100,
 "hardware": "NVIDIA L40S", "device": "cuda:0"}}}
END

# ---- PyTorch's times, with a torch of the tests' own ----
script=harness/baseline/torch_baseline.py
check "torch_baseline.py compiles" python3 -c 'import sys; [compile(open(f).read(), f, "exec") for f in sys.argv[1:]]' \
    "$script" harness/baseline/torch_ops.py
torch() { run env PYTHONPATH=tests/torch/fake python3 "$script" specs/basics/relu.json --shape 1 --samples 7 "$@"; }
torch -o "$dir/torch.json"
check "it measures" ended 0
fields=$(python3 - "$dir/torch.json" <<'END'
import json, sys
d = json.load(open(sys.argv[1]))
print(d["schema"], d["kind"], d["spec"], d["dims"], d["device"]["name"], d["versions"]["torch"])
for r in d["runs"]:
    print(r["name"], r["regime"], len(r["seconds"]), all(t == 0.00025 for t in r["seconds"]), r["settled"],
          r["precision"]["in"], r["precision"]["allow_tf32"])
END
)
check "with spec, shape and device" says <(echo "$fields") "1 baseline basics/relu {'N': 257} NVIDIA H200 0.0-fake"
check "every sample of eager" says <(echo "$fields") "torch eager cold 7 True True f32 False"
check "and of torch.compile" says <(echo "$fields") "torch compile cold 7 True True f32 False"
export FAKE_COMPILE=fails
torch
check "a compiler that fails leaves the others" [ "$rc" = 0 ] && check "and is named" \
    says "$dir/out" '"why": "RuntimeError: no compiler here"'
unset FAKE_COMPILE
export FAKE_GPU=0
torch
check "no GPU is an error" says "$dir/err" "PyTorch sees no CUDA device"
unset FAKE_GPU
torch --modes fast
check "an unknown mode, too" says "$dir/err" "modes are eager, compile"
torch --shape 99
check "and a shape that is none" says "$dir/err" "the spec has check shapes 0 to"

# ---- bench ----
run "$ws" bench relu "$dir/naive.cu" --shape 1 --seed 1 --pairs 30 \
    --vs "naive,$dir/other.cu,cublas,torch,$dir/torch.json,$dir/published.json"
check "copies of two baselines: nobody wins" ended 1
check "a sitting against the plain translation" grep -q 'against naive; modelled' "$dir/out"
check "and one against the source" grep -q 'against other.cu; modelled' "$dir/out"
check "cuBLASLt does no relu" grep -q '^cublas  *absent: the spec is no single product of matrices' "$dir/out"
check "PyTorch needs a GPU, and how to bring its times" grep -q \
    '^torch  *absent: no GPU is to be used.*torch_baseline.py .*relu.json --shape 1' "$dir/out"
check "measured times of a file, on what" grep -q \
    '^torch eager  *measured: 250 us on NVIDIA H200, which is another GPU than --gpu' "$dir/out"
check "with their precision" says "$dir/out" "f32 in, f32 sums, TF32 not allowed"
check "modelled times are not compared with them" says "$dir/out" "which modelled times are not compared with"
check "KernelBench has no figure for another spec" grep -q '^published.json  *absent: ' "$dir/out"
run "$ws" bench matmul "$dir/naive.cu" --vs cublas --shape 1 --pairs 30
check "what cuBLASLt would do" grep -q \
    '^cublas  *absent: no GPU .*product of 33 x 17 by 17 x 65, f32 in, f32 sums, TF32 not allowed' "$dir/out"
run "$ws" bench kernelbench/level1/019_relu "$dir/naive.cu" --vs "$dir/published.json" --shape 0 --pairs 30 --gpu l40s --json
check "a published figure of the spec" python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
b, = d["baselines"]
assert b["kind"] == "external" and b["seconds"] == 0.00123 and b["resolution"] == 0.001, b
assert b["hardware"] == "NVIDIA L40S" and b["same_gpu"] and not b["compared"] and b["samples"] == 100, b
assert d["sittings"][0]["baseline"] == "naive"' "$dir/out"
echo '{"level1": {"19_ReLU.py": {"mean": -1}}}' >"$dir/bad.json"
run "$ws" bench kernelbench/level1/019_relu "$dir/naive.cu" --vs "$dir/bad.json" --shape 0
check "a broken one is bad input" ended 4
run "$ws" bench relu "$dir/naive.cu" --vs naive,,torch
check "a list with a hole is bad usage" ended 2
tap_done
