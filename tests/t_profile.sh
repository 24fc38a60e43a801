#!/usr/bin/env bash
# 'warpsmith profile': resources and occupancy, findings with their lines, roofline; text and JSON.
. "$(dirname "$0")/lib.sh" || exit 70
export WARPSMITH_DEVICE=cpu
cat >"$dir/transpose.cu" <<'END'
/* @plan
{ "launch": [ { "kernel": "turn", "grid": ["ceil_div(N, 256)", "M"], "block": [256], "args": ["x", "y", "M", "N"] } ] }
*/
extern "C" __global__ void __launch_bounds__(256) turn(const float *x, float *y, int M, int N)
{
    int column = blockIdx.x * 256 + threadIdx.x, row = blockIdx.y;
    if (column < N) {
        float v = x[(size_t)row * N + column];
        y[(size_t)column * M + row] = v;
    }
}
END
run "$ws" profile transpose "$dir/transpose.cu"
check "a right kernel is profiled" ended 0
check "as modelled" says "$dir/out" "modelled: no GPU was used"
check "with its registers" grep -qE '^  registers +[0-9]+ a thread, no spills; stack 0 bytes' "$dir/out"
check "and what limits its occupancy" grep -qE 'warps 8 <- least, registers [0-9]+' "$dir/out"
check "the scattered store is the first finding" grep -q '^1\. uncoalesced-stores, up to' "$dir/out"
check "in its line, with its text" says "$dir/out" "where: line 9: y[(size_t)column * M + row] = v;"
check "lines with what they cost: 32 sectors a store where 4 would do" grep -qE '^ +9 +[0-9]+ +[0-9]+ +32\.0 +4\.0 .* y\[\(size_t\)column' "$dir/out"
check "that no counters were read is said" says "$dir/out" "Performance counters: not measured: "
check "with something to do" grep -q '^   do: .' "$dir/out"

cat >"$dir/local.cu" <<'END'
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 128)"], "block": [128], "shared": 20000, "args": ["x", "y", "N"] } ] }
*/
__device__ int calls;
extern "C" __global__ void k(const float *x, float *y, int N)
{
    extern __shared__ float room[];
    float a[SIZE];
    int i = blockIdx.x * 128 + threadIdx.x;
    for (int j = 0; j < SIZE; j++)
        a[j] = i < N ? x[(i + j) % N] : 0;
    room[threadIdx.x] = a[(i * 7) % SIZE];
    if (i < N)
        y[i] = fmaxf(x[i], 0) + 0 * (room[threadIdx.x] + a[i % SIZE]);
}
END
sed 's/SIZE/32/' "$dir/local.cu" >"$dir/promoted.cu"
sed -i 's/SIZE/80/' "$dir/local.cu"
run "$ws" profile relu "$dir/local.cu" --gpu l40s --json
check "JSON of another GPU" ended 0
summary=$(python3 - "$dir/out" <<'END'
import json, sys
d = json.load(open(sys.argv[1]))
l = d["launches"][0]
o, r = l["occupancy"], l["resources"]
print("arch", d["arch"], d["time"]["kind"], d["gpu"])
print("shared", r["shared_dynamic_bytes"], r["shared_allocated_bytes"])
print("occupancy", o["blocks_per_sm"], o["limited_by"], round(o["fraction"], 4))
print("stack", r["stack_bytes"] >= 320, r["local_load_instructions"] > 0)
print("counters", l["counters"]["local_requests"] > 0, l["modelled"]["seconds"] > 0)
print("variables", [v["name"] for v in d["module"]["variables"]])
print("roofline", d["roofline"]["bound"], 0 < d["roofline"]["share_of_roof"] < 1)
f = {x["rule"]: x for x in d["findings"]}
lines = {w["line"] for w in f["local-memory"]["where"]}
print("local", lines <= {11, 12, 14} and len(lines) > 0)
print("top", d["lines"][0]["line"] in (11, 12, 14), d["lines"][0]["cost"] > 0.1)
print("measured", d["counters"]["measured"], bool(d["counters"]["why"]))
print("complete", all(x["evidence"] and x["action"] and x["rule_says"] and x["gain_seconds"] >= 0 for x in f.values()))
print("ranked", [x["gain"] for x in d["findings"]] == sorted((x["gain"] for x in d["findings"]), reverse=True))
END
)
has() { check "$1" says <(echo "$summary") "$2"; }
has "compiled for that GPU's architecture" "arch sm_89 modelled l40s"
has "dynamic shared memory, in units with the system's" "shared 20000 21120"
has "which limits the blocks: 4 of 12" "occupancy 4 shared memory 0.3333"
has "the stack and local memory in the code" "stack True True"
has "what the engine counted" "counters True True"
has "the operation on the roofline" "roofline dram True"
has "local memory by its lines" "local True"
has "the line that costs most" "top True True"
has "no counters without a GPU, and why" "measured False True"
has "findings with evidence and action" "complete True"
has "ranked by gain" "ranked True"

run "$ws" profile relu "$dir/promoted.cu" --json
check "an array that the assembler keeps in registers is no local memory" python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
stack = d["launches"][0]["resources"]["stack_bytes"]
assert (stack > 0) == any(f["rule"] == "local-memory" for f in d["findings"]), stack' "$dir/out"

sed 's/= v;/= v + 1;/' "$dir/transpose.cu" >"$dir/wrong.cu"
run "$ws" profile transpose "$dir/wrong.cu"
check "a wrong kernel: exit 1" ended 1
check "its resources all the same" grep -q '^  occupancy ' "$dir/out"
check "and why it is wrong" says "$dir/out" "Rejected: wrong_result"
sed 's/float v/flout v/' "$dir/transpose.cu" >"$dir/broken.cu"
run "$ws" profile transpose "$dir/broken.cu"
check "one that does not compile: exit 1" ended 1
check "and the compiler's words" says "$dir/out" "compile_error"
run "$ws" profile transpose "$dir/transpose.cu" --gpu none
check "an unknown GPU is bad usage" ended 2
check "the known ones are named" says "$dir/err" "h100, h100-pcie"
run "$ws" profile transpose "$dir/nothing.cu"
check "a missing file is bad input" ended 4
tap_done
