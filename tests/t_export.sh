#!/usr/bin/env bash
# warpsmith export: every format of a winner from an archive, read again, used from C and from Python over the CPU
# driver, and a library of winners.
. "$(dirname "$0")/lib.sh"
db=$dir/a.db out=$dir/x
driver=${BUILD:-build}/libwarpsmith-cuda.so
case $driver in /*) ;; *) driver=$PWD/$driver ;; esac
export WARPSMITH_CUDA_DRIVER=$driver
mkdir "$out"

# judge SPEC FILE: a run with the translation and this kernel
judge() {
    { echo '```cuda'; cat "$2"; echo '```'; } >"$dir/reply.txt"
    run "$ws" submit "$1" "$dir/reply.txt" --archive "$db"
}
# In $out.
python() {
    (cd "$out" && timeout 60 python3 "$@" >"$dir/out" 2>"$dir/err")
    rc=$?
}
cat >"$dir/mean.cu" <<'K'
/* @plan
{ "scratch": [ { "name": "sums", "dtype": "f32", "count": "B" } ],
  "require": [ "N % 1 == 0 && N < 1000000" ],
  "launch": [ { "kernel": "clear", "grid": ["ceil_div(B, 128)"], "block": 128, "args": ["sums", "B"] },
              { "kernel": "rows", "grid": ["B"], "block": 128, "shared": 512, "args": ["x", "sums", "y", "N", 1.0] } ] }
*/
extern "C" __global__ void clear(float *sums, int n)
{
    const int i = blockIdx.x * 128 + threadIdx.x;
    if (i < n)
        sums[i] = 0;
}
extern "C" __global__ void rows(const float *x, float *sums, float *y, long long n, float scale)
{
    extern __shared__ float part[];
    float s = sums[blockIdx.x];
    for (long long i = threadIdx.x; i < n; i += 128)
        s += x[blockIdx.x * n + i];
    part[threadIdx.x] = s;
    __syncthreads();
    for (int d = 64; d > 0; d /= 2) {
        if (threadIdx.x < d)
            part[threadIdx.x] += part[threadIdx.x + d];
        __syncthreads();
    }
    if (threadIdx.x == 0)
        y[blockIdx.x] = part[0] * scale;
}
K
judge basics/row_sum "$dir/mean.cu"
check "a kernel is judged" [ "$rc" = 0 ]
kernel='#2' # the first one is the translation

for f in h py json cuh; do
    run "$ws" export "$kernel" --archive "$db" --name sums -o "$out/sums.$f"
    check "export -o sums.$f" [ "$rc" = 0 ]
done
run "$ws" export "$kernel" --archive "$db" --name sums --format raw -o "$out/raw"
check "export --format raw" [ "$rc" = 0 ]
for f in sums.h sums.py sums.json raw raw/manifest.json; do
    run "$ws" export --check "$out/$f"
    check "$f is as it was exported" [ "$rc" = 0 ]
    check "with its source" grep -q '^source  *holds$' "$dir/out"
done
run "$ws" export --check "$out/sums.cuh"
check "sums.cuh is as it was exported" [ "$rc" = 0 ]
check "with its kernels" grep -q '^kernels  *holds$' "$dir/out"
sed 's/part\[0\] \* scale/part[1] * scale/' "$out/sums.h" >"$out/changed.h"
run "$ws" export --check "$out/changed.h"
check "a changed source is found" [ "$rc" = 1 ]
check "and named" grep -q '^source  *differs' "$dir/out"
sed 's/part\[0\] \* scale/part[1] * scale/' "$out/sums.cuh" >"$out/changed.cuh"
run "$ws" export --check "$out/changed.cuh"
check "in a CUDA header too" grep -q '^kernels  *differs' "$dir/out"
printf 'x' | dd of="$out/raw/sums.sm_90.cubin" bs=1 seek=500 conv=notrunc 2>/dev/null
run "$ws" export --check "$out/raw" --json
check "so is a changed cubin" grep -q '"holds":\s*false' "$dir/out"
run "$ws" export --check "$dir/mean.cu"
check "a file that is no export: exit 4" [ "$rc" = 4 ]
run "$ws" export "$kernel" --archive "$db" --format nonsense
check "an unknown format: exit 2" [ "$rc" = 2 ]
check "and those that there are" says "$dir/err" "header, cuh, torch, kernelbench, flashinfer, raw"
run "$ws" export "$kernel" --archive "$db" --arch sm_9x
check "an architecture that is none: exit 2" [ "$rc" = 2 ]
run "$ws" export "$kernel" --archive "$db" --format kernelbench
check "a spec that is not KernelBench's has no ModelNew" [ "$rc" = 4 ]
check "and why" says "$dir/err" "none of KernelBench's problems"
run "$ws" export "$kernel" --archive "$db" --arch sm_80,sm_90a -o "$out/two.h"
check "machine code for two GPUs, and the PTX that was verified" \
    [ "$(grep -c '"arch": "sm_80"\|"arch": "sm_90a"\|"arch": "sm_90"$' "$out/two.h")" = 3 ]

# From C: codes, guards, the workspace, a launch with memory of the driver.
cat >"$out/use.c" <<'C'
#include "sums.h"
#include <stdio.h>
int main(void)
{
    sums_args a;
    size_t bytes = 0;
    char text[200];
    memset(&a, 0, sizeof a);
    a.B = 3;
    printf("small %d %s\n", sums_check(&a), sums_error(sums_check(&a)));
    a.N = 1000000;
    printf("require %d %s\n", sums_check(&a), sums_error(sums_check(&a)));
    a.N = 5;
    a.B = (int64_t)1 << 62;
    printf("large %d\n", sums_check(&a));
    a.B = 3;
    int code = sums_workspace(&a, &bytes);
    printf("workspace %d %zu\n", code, bytes);
    printf("pointer %d\n", sums_launch(&a));
    a.x = (const float *)16, a.y = (float *)20;
    printf("skew %d\n", sums_launch(&a));
    a.y = (float *)32;
    printf("none %d\n", sums_launch(&a));
    a.workspace = (void *)256, a.workspace_bytes = bytes;
    printf("context %d %s\n", sums_launch(&a), sums_error(sums_launch(&a)));
    printf("null %d\n", sums_launch(NULL));
    printf("test %d", sums_selftest_report(text, sizeof text));
    printf(" %s\n", text);
    return sums_selftest();
}
C
run gcc -std=c11 -Wall -Wextra -Werror -o "$out/use" "$out/use.c" -ldl
check "a C program with the header" [ "$rc" = 0 ]
run "$out/use"
check "its self-test holds over the CPU driver" [ "$rc" = 0 ]
for line in "small -101 N must be at least 1" "require -200 the kernel requires N % 1 == 0 && N < 1000000" "large -10" \
    "workspace 0 256" "pointer -6" "skew -7" "none -8" "context -3 no CUDA context is current" "null -5" "test 0 "; do
    check "it says '$line'" says "$dir/out" "$line"
done
cp "$out/sums.h" "$out/wrong.h"
sed -i 's/^\( *\){0, \([0-9.e+-]*\), /\1{0, 1\2, /' "$out/wrong.h"
sed 's/sums\.h/wrong.h/' "$out/use.c" >"$out/wrong.c"
run gcc -std=c11 -o "$out/wrong" "$out/wrong.c" -ldl
run "$out/wrong"
check "the self-test can fail" [ "$rc" != 0 ]
check "and says where" says "$dir/out" "test -15 y[0] is "

# From Python without torch: anything with data_ptr, shape and dtype.
cat >"$out/use.py" <<'P'
import ctypes, json, sys
import sums

class Tensor:
    def __init__(self, shape, values=None, dtype="float32"):
        n = 1
        for e in shape:
            n *= e
        self.memory = (ctypes.c_float * n)(*(values or []))
        self.shape, self.dtype = shape, dtype
    def data_ptr(self):
        return ctypes.addressof(self.memory)

x, y = Tensor((3, 257), [i % 7 for i in range(3 * 257)]), Tensor((3,))
assert sums.sums(x, out=y) is y
want = [sum(x.memory[r * 257:(r + 1) * 257]) for r in range(3)]
assert list(y.memory) == want, (list(y.memory), want)

def refused(text, f):
    try:
        f()
    except sums.KernelError as e:
        assert text in str(e), e
        return
    raise AssertionError("not refused: " + text)

refused("has shape (3,), expected (4,)", lambda: sums.sums(Tensor((4, 5)), out=Tensor((3,))))
refused("has 1 axes, expected 2", lambda: sums.sums(Tensor((4,)), out=y))
refused("has dtype float64", lambda: sums.sums(Tensor((3, 257), dtype="float64"), out=y))
refused("requires N % 1 == 0", lambda: sums.plan(1, 1000000))
refused("takes no extent ['Q']", lambda: sums.sums(x, out=y, Q=1))
refused("without torch there is no memory", lambda: sums.sums(x))

s = json.load(open("sums.json"))
assert {"name", "definition", "author", "spec", "sources"} <= set(s), set(s)
b = s["spec"]
assert b["language"] == "python" and b["target_hardware"] == ["sm_90"] and b["dependencies"] == []
file, function = b["entry_point"].split("::")
assert [f["path"] for f in s["sources"]] == [file] and b["destination_passing_style"] is True
scope = {"__name__": "solution"}
exec(compile(s["sources"][0]["content"], file, "exec"), scope)
for i in range(3):
    y.memory[i] = 0
scope[function](x, y)
assert list(y.memory) == want

m = json.load(open("raw/manifest.json"))
at = {row["dims"]["B"]: row for row in m["launch_table"]}
assert at[3]["launches"][1]["grid"] == [3, 1, 1] and at[3]["scratch"] == [{"name": "sums", "bytes": 12}], at[3]
assert [p["bytes"] for p in m["kernels"][1]["params"]] == [8, 8, 8, 8, 4], m["kernels"]
print("all right")
P
if command -v python3 >/dev/null; then
    python -W error use.py
    check "the Python module, the solution and the manifest" [ "$rc" = 0 ]
    check "are used without torch" says "$dir/out" "all right"
else
    n=$((n + 1))
    echo "ok $n - Python # SKIP there is no python3"
fi

# Kernels that are in no archive: one that is wrong, and one of a KernelBench problem.
sed 's/d > 0; d/d > 1; d/' "$dir/mean.cu" >"$dir/bad.cu"
run "$ws" export basics/row_sum "$dir/bad.cu" -o "$out/bad.h"
check "what is wrong is not exported: exit 1" [ "$rc" = 1 ]
check "and why" says "$dir/err" "wrong_result"
check "no file is left" [ ! -e "$out/bad.h" ]

# Lanes that count on running in step are accepted; who uses the kernel is told.
awk '!(/__syncwarp\(\);/ && ++n == 3)' tests/kernels/honest/row_sum_warp_synchronous.cu >"$dir/in_step.cu"
run "$ws" export basics/row_sum "$dir/in_step.cu" --format torch -o "$out/in_step.py"
check "a warning of the verdict is in the evidence" grep -q '^#     "warning": {' "$out/in_step.py"

"$ws" emit kernelbench/level1/019_relu >"$dir/relu.cu" 2>/dev/null
run "$ws" export kernelbench/level1/019_relu "$dir/relu.cu" --format kernelbench -o "$out/solution.py"
check "export SPEC FILE --format kernelbench verifies and exports" [ "$rc" = 0 ]
check "with the verdict" grep -q '"level_name": ' "$out/solution.py"
check "class ModelNew with upstream's parameters" grep -q '^    def forward(self, x):' "$out/solution.py"

# A library.
run "$ws" export --all "$out/lib" --archive "$db"
check "export --all" [ "$rc" = 0 ]
check "lists its kernels" grep -q '^| basics/row_sum | .* modelled | B=4096 N=8192 | ' "$out/lib/README.md"
cat >"$out/best.c" <<'C'
#include "lib/dispatch.h"
#include <stdio.h>
int main(void)
{
    best_basics_row_sum_args a;
    memset(&a, 0, sizeof a);
    printf("%d\n", best_basics_row_sum_launch(&a));
    return 0;
}
C
run gcc -std=c11 -Wall -Wextra -Werror -o "$out/best" "$out/best.c" -ldl
check "dispatch.h compiles" [ "$rc" = 0 ]
run "$out/best"
check "and asks for a context" says "$dir/out" "-3"
run "$ws" export --all "$out/none" nothing-of-that-name --archive "$db"
check "a library of nothing: exit 4" [ "$rc" = 4 ]
tap_done
