#!/usr/bin/env bash
# What full verification says of kernels that pass: the precision of their arithmetic, the relations that they keep,
# the launches that they need; and of one that ignores a weight: which.
cd "$(dirname "$0")/.." || exit 70
program=$(realpath "${WARPSMITH:-./warpsmith}")
if [ ! -x "$program" ]; then
    echo "ok 1 - full verification # SKIP $program is not built"
    echo "1..1"
    exit 0
fi
work=$(mktemp -d) || exit 70
trap 'rm -rf "$work"' EXIT
n=0 failed=0

ok() { # STATUS NAME [DETAIL]
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        echo "# $3"
        failed=1
    fi
}

# field EXPRESSION FILE: of the verdict v in FILE
field() {
    /usr/bin/python3 -c 'import json, sys
v = json.load(open(sys.argv[2]))
e = v.get("evidence", {})
print(eval(sys.argv[1]))' "$1" "$2"
}

# verify SPEC KERNEL: into $work/v.json, once, however much is asked of it in a row
verified=
verify() {
    local what
    what="$1 $2 $(cksum <"$2")"
    [ "$what" = "$verified" ] && return
    verified=$what
    "$program" verify "$1" "$2" --seed 3 --choices 0 --json >"$work/v.json" 2>"$work/v.err"
}
# is SPEC KERNEL EXPRESSION WANT
is() {
    verify "$1" "$2"
    local got
    got=$(field "$3" "$work/v.json" 2>&1)
    [ "$got" = "$4" ]
    ok $? "$(basename "$2"): $3 is $4" "got $got; $(head -c 300 "$work/v.json") $(head -1 "$work/v.err")"
}

# A product that is right to one part in a hundred, so that every precision is accepted.
cat >"$work/loose.json" <<'END'
{ "schema": 1, "name": "loose", "dims": {"M": 256, "N": 256, "K": 256},
  "check": [ {"M": 1, "N": 1, "K": 1}, {"M": 33, "N": 65, "K": 17}, {"M": 64, "N": 48, "K": 96} ],
  "inputs": [ {"name": "a", "dtype": "f32", "shape": ["M", "K"], "init": {"dist": "normal", "mean": 0, "std": 1}},
              {"name": "b", "dtype": "f32", "shape": ["K", "N"], "init": {"dist": "normal", "mean": 0, "std": 1}} ],
  "graph": [ {"out": "c", "op": "matmul", "in": ["a", "b"]} ], "outputs": ["c"],
  "tolerance": {"rtol": 0.02, "atol": 1e9} }
END
# One thread an element; TERM says how a product is made.
product() { # NAME TERM
    cat >"$work/$1.cu" <<END
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 32)", "M"], "block": [32], "args": ["a", "b", "c", "M", "N", "K"] } ] } */
#include <cuda_bf16.h>
#include <cuda_fp16.h>
__device__ float hi(float x) { return __bfloat162float(__float2bfloat16(x)); }
extern "C" __global__ void k(const float* a, const float* b, float* c, int M, int N, int K) {
    int n = blockIdx.x * 32 + threadIdx.x, m = blockIdx.y;
    if (n >= N) return;
    float s = 0;
    for (int i = 0; i < K; i++) {
        float x = a[m * K + i], y = b[i * N + n];
        $2
    }
    c[m * N + n] = s;
}
END
}
product full_f32 's = fmaf(x, y, s);'
product cut_bf16 's = fmaf(hi(x), hi(y), s);'
product cut_f16 's = fmaf(__half2float(__float2half(x)), __half2float(__float2half(y)), s);'
product cut_tf32 'x = __uint_as_float(__float_as_uint(x) + 0x1000u & 0xffffe000u); y = __uint_as_float(__float_as_uint(y) + 0x1000u & 0xffffe000u); s = fmaf(x, y, s);'
product split_bf16x3 'float p = hi(x), q = hi(y), r = hi(x - p), t = hi(y - q); s = fmaf(r, q, s); s = fmaf(p, t, s); s = fmaf(p, q, s);'
is "$work/loose.json" "$work/full_f32.cu" 'e["precision"]' f32
is "$work/loose.json" "$work/cut_tf32.cu" 'e["precision"]' tf32
is "$work/loose.json" "$work/cut_f16.cu" 'e["precision"]' f16
is "$work/loose.json" "$work/cut_bf16.cu" 'e["precision"]' bf16
is "$work/loose.json" "$work/split_bf16x3.cu" 'e["precision"]' split
is "$work/loose.json" tests/kernels/bad/tf32_in_f32.cu 'e["precision"]' tf32
# small SPEC DIMS: basics/SPEC with a smaller benchmark shape, as $work/SPEC.json
small() { sed "s/\"dims\": {[^}]*}/\"dims\": {$2}/" "specs/basics/$1.json" >"$work/$1.json"; }
small transpose '"M": 128, "N": 192'
is "$work/transpose.json" tests/kernels/honest/transpose_shuffle.cu 'e["precision"]' exact
is matmul_f16 tests/kernels/honest/matmul_f16_wmma.cu 'e["precision"]' f16

# Relations that the graph has, and no others.
is matmul tests/kernels/honest/matmul_tiled.cu '"M split" in e["relations"] and "K padded" in e["relations"] and "linear in b" in e["relations"]' True
is matmul tests/kernels/honest/matmul_tiled.cu 'e["schedule"]' 'the same bits in 5 orders of threads'
is tests/specs/softmax.json tests/kernels/honest/softmax_online.cu '"B split" in e["relations"], "N permuted" in e["relations"], "N split" in e["relations"], "linear" in e["relations"]' '(True, True, False, False)'

# A launch that nobody needs.
cat >"$work/idle.cu" <<'END'
/* @plan
{ "scratch": [ { "name": "t", "dtype": "f32", "count": "N" } ],
  "launch": [ { "kernel": "add", "grid": ["ceil_div(N, 128)"], "block": [128], "args": ["a", "b", "c", "N"] },
              { "kernel": "idle", "grid": ["ceil_div(N, 128)"], "block": [128], "args": ["a", "t", "N"] } ] } */
extern "C" __global__ void add(const float* a, const float* b, float* c, int N) {
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < N) c[i] = a[i] + b[i];
}
extern "C" __global__ void idle(const float* a, float* t, int N) {
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < N) t[i] = 2 * a[i];
}
END
small vector_add '"N": 262144'
is "$work/vector_add.json" "$work/idle.cu" 'v["reason"], v["text"].split(":")[0], v["place"]["line"]' "('idle_launch', \"launch 2 ('idle') changes nothing\", 4)"
# One that only large shapes need, or only some inputs, is not idle.
cat >"$work/late_tail.cu" <<'END'
/* @plan
{ "launch": [ { "kernel": "add", "grid": ["ceil_div(N, 128)"], "block": [128], "args": ["a", "b", "c", "N"] },
              { "kernel": "tail", "grid": ["ceil_div(N, 128)"], "block": [128], "args": ["a", "b", "c", "N"] } ] } */
extern "C" __global__ void add(const float* a, const float* b, float* c, int N) {
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < N) c[i] = i < 100000 ? a[i] + b[i] : 0;
}
extern "C" __global__ void tail(const float* a, const float* b, float* c, int N) {
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < N && i >= 100000) c[i] = a[i] + b[i];
}
END
is "$work/vector_add.json" "$work/late_tail.cu" 'v["reason"], e["launches"]' "('pass', 'without any one of the 2 launches the result is wrong')"
cat >"$work/rare.cu" <<'END'
/* @plan
{ "launch": [ { "kernel": "add", "grid": ["ceil_div(N, 128)"], "block": [128], "args": ["a", "b", "c", "N"] },
              { "kernel": "rare", "grid": ["ceil_div(N, 128)"], "block": [128], "args": ["a", "b", "c", "N"] } ] } */
extern "C" __global__ void add(const float* a, const float* b, float* c, int N) {
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < N) c[i] = fabsf(a[i]) < 100 ? a[i] + b[i] : 0;
}
extern "C" __global__ void rare(const float* a, const float* b, float* c, int N) {
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < N && !(fabsf(a[i]) < 100)) c[i] = a[i] + b[i];
}
END
is "$work/vector_add.json" "$work/rare.cu" 'v["reason"]' pass
small row_sum '"B": 512, "N": 1024'
is "$work/row_sum.json" tests/kernels/honest/row_sum_two_kernels.cu 'e["launches"]' 'without any one of the 2 launches the result is wrong'

# A scale of ones that is never read.
cat >"$work/scaled.json" <<'END'
{ "schema": 1, "name": "scaled", "dims": {"B": 64, "N": 64}, "check": [ {"B": 3, "N": 17}, {"B": 8, "N": 64} ],
  "inputs": [ {"name": "x", "dtype": "f32", "shape": ["B", "N"], "init": {"dist": "normal", "mean": 0, "std": 1}} ],
  "weights": [ {"name": "scale", "dtype": "f32", "shape": ["N"], "init": {"dist": "const", "value": 1}} ],
  "graph": [ {"out": "y", "op": "mul", "in": ["x", "scale"]} ], "outputs": ["y"] }
END
cat >"$work/ignores.cu" <<'END'
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [64], "args": ["x", "scale", "y", "N"] } ] } */
extern "C" __global__ void k(const float* x, const float* scale, float* y, int N) {
    for (int i = threadIdx.x; i < N; i += 64) y[blockIdx.x * N + i] = x[blockIdx.x * N + i];
}
END
is "$work/scaled.json" "$work/ignores.cu" 'v["reason"] + (" scale" if "weight \x27scale\x27 is ignored" in v["text"] else "")' 'wrong_result scale'

# Whole numbers that an expression gives are data: an index table, and offsets, which go on ascending.
cat >"$work/table.json" <<'END'
{ "schema": 1, "name": "table", "dims": {"T": 4096, "R": 64, "C": 64},
  "check": [ {"T": 5, "R": 7, "C": 3}, {"T": 64, "R": 16, "C": 8} ],
  "inputs": [ {"name": "x", "dtype": "f32", "shape": ["R", "C"], "init": {"dist": "normal", "mean": 0, "std": 1}},
              {"name": "at", "dtype": "i32", "shape": ["T"], "init": {"dist": "expr", "value": "i0 * 3 % R"}} ],
  "graph": [ {"out": "y", "op": "gather", "in": ["x", "at"], "dim": 0} ], "outputs": ["y"] }
END
gathers() { # NAME INDEX
    cat >"$work/$1.cu" <<END
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["T"], "block": [64], "args": ["x", "at", "y", "R", "C"] } ] } */
extern "C" __global__ void k(const float* x, const int* at, float* y, int R, int C) {
    int t = blockIdx.x;
    for (int c = threadIdx.x; c < C; c += 64) y[t * C + c] = x[($2) * C + c];
}
END
}
gathers reads_table 'at[t]'
gathers knows_table 't * 3 % R'
is "$work/table.json" "$work/reads_table.cu" 'v["reason"]' pass
is "$work/table.json" "$work/knows_table.cu" 'v["reason"] + (" at" if "input \x27at\x27 is ignored" in v["text"] else "")' 'wrong_result at'
cat >"$work/groups.json" <<'END'
{ "schema": 1, "name": "groups", "dims": {"T": 1024, "E": 8, "N": 64, "K": 64},
  "check": [ {"T": 3, "E": 2, "N": 3, "K": 5}, {"T": 40, "E": 4, "N": 16, "K": 8} ],
  "inputs": [ {"name": "x", "dtype": "f32", "shape": ["T", "K"], "init": {"dist": "normal", "mean": 0, "std": 1}},
              {"name": "w", "dtype": "f32", "shape": ["E", "N", "K"], "init": {"dist": "normal", "mean": 0, "std": 1}},
              {"name": "offset", "dtype": "i32", "shape": ["E+1"], "init": {"dist": "expr", "value": "i0 * T / E"}} ],
  "graph": [ {"out": "y", "op": "grouped_matmul", "in": ["x", "w", "offset"], "mode": "offsets", "trans_b": true} ], "outputs": ["y"] }
END
groups() { # NAME OFFSET
    cat >"$work/$1.cu" <<END
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["T"], "block": [64], "args": ["x", "w", "offset", "y", "T", "E", "N", "K"] } ] } */
extern "C" __global__ void k(const float* x, const float* w, const int* offset, float* y, int T, int E, int N, int K) {
    int t = blockIdx.x, e = 0;
    while (e + 1 < E && t >= $2) e++;
    for (int n = threadIdx.x; n < N; n += 64) {
        float s = 0;
        for (int k = 0; k < K; k++) s += x[t * K + k] * w[(e * N + n) * K + k];
        y[t * N + n] = s;
    }
}
END
}
groups reads_offsets 'offset[e + 1]'
groups knows_offsets '(e + 1) * T / E'
is "$work/groups.json" "$work/reads_offsets.cu" 'v["reason"]' pass
is "$work/groups.json" "$work/knows_offsets.cu" 'v["reason"]' wrong_result

# Who wrote a wrong element: kernel, line, thread; and the first that are wrong.
is rms_norm tests/kernels/bad/wrong_epsilon.cu 'v["case"]["writer"]["kernel"], v["case"]["writer"]["line"], v["case"]["writer"]["thread"]' "('k', 14, [0, 0, 0])"
cat >"$work/late.cu" <<'END'
/* @plan
{ "launch": [ { "kernel": "first", "grid": ["ceil_div(N, 128)"], "block": [128], "args": ["a", "b", "c", "N"] },
              { "kernel": "second", "grid": ["ceil_div(N, 64)"], "block": [64], "args": ["a", "c", "N"] } ] } */
extern "C" __global__ void first(const float* a, const float* b, float* c, int N) {
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < N) c[i] = a[i] + b[i];
}
extern "C" __global__ void second(const float* a, float* c, int N) {
    int i = blockIdx.x * 64 + threadIdx.x;
    if (i < N && i % 33 == 5 && i > 64)
        c[i] = 1000 + a[i];
}
END
is "$work/vector_add.json" "$work/late.cu" '(lambda c: (c["writer"]["kernel"], c["writer"]["line"], c["first_wrong"][0]["element"], c["first_wrong"][1]["element"], c["writer"]["block"][0] * 64 + c["writer"]["thread"][0] == int(c["element"][1:-1])))(v["case"])' "('second', 11, '[71]', '[104]', True)"
is "$work/vector_add.json" "$work/late.cu" 'any("5 modulo 33" in p for p in v["pattern"])' True

# A relation is named where the changed inputs are wrong.
is "$work/row_sum.json" tests/kernels/bad/row_sum_skips_small.cu 'v["reason"] + (" named" if "the relation is \x27x times 2^-44" in v["text"] else "")' 'wrong_result named'

# Lanes of one warp that count on running in step: accepted, and told.
awk '!(/__syncwarp\(\);/ && ++n == 3)' tests/kernels/honest/row_sum_warp_synchronous.cu >"$work/in_step.cu"
is row_sum "$work/in_step.cu" 'v["reason"], v["warning"]["line"], v["warning"]["other_line"]' "('pass', 18, 21)"
is row_sum tests/kernels/honest/row_sum_warp_synchronous.cu '"warning" in v' False
# What only another order of threads shows, and which store was seen late.
is row_sum tests/kernels/hostile/n13_ticket_without_fence.cu 'v["reason"], "another order" in v["text"], "store at line 24" in v["text"]' "('wrong_result', True, True)"

# What a model is told of it.
tells() { # SPEC KERNEL TEXT
    "$program" verify "$1" "$2" --seed 3 --choices 0 --explain >"$work/told" 2>"$work/v.err"
    grep -qF -- "$3" "$work/told"
    ok $? "$(basename "$2"): $3" "$(head -c 600 "$work/told")"
}
tells "$work/scaled.json" "$work/ignores.cu" "read every tensor"
tells "$work/scaled.json" "$work/ignores.cu" "every check shape passed the quick runs; wrong at"
tells row_sum tests/kernels/bad/row_sum_nan_leaks.cu "what one batch element holds must not reach another"
tells row_sum tests/kernels/bad/row_sum_begins_by_address.cu "addresses used as numbers"
tells rms_norm tests/kernels/bad/wrong_epsilon.cu "the worst was written by thread"
tells row_sum "$work/in_step.cu" "with no __syncwarp() between"
echo "1..$n"
exit $failed
