#!/usr/bin/env bash
# `warpsmith run`: programs that know nothing of it, with and without a fault, on the CPU driver.
. "$(dirname "$0")/lib.sh" || exit 70

export TMPDIR=$dir
# program COUNT [CODE]: one kernel writes COUNT of 100 words; ends with CODE, or by SIGABRT with 'abort'.
cat >"$dir/program.c" <<'C'
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define CALL(name, ...) ((int (*)())need(#name))(__VA_ARGS__)
static void *library;
static void *need(const char *name)
{
    void *f = dlsym(library, name);
    if (!f) { printf("no %s\n", name); exit(9); }
    return f;
}
static const char ptx[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    ".visible .entry fill(.param .u64 p, .param .u32 n)\n{\n"
    ".reg .b64 %rd<4>; .reg .b32 %r<8>; .reg .pred %p1;\n"
    "ld.param.u64 %rd1, [p]; ld.param.u32 %r1, [n];\n"
    "mov.u32 %r2, %tid.x; mov.u32 %r3, %ctaid.x; mad.lo.u32 %r5, %r3, 64, %r2;\n"
    "setp.ge.u32 %p1, %r5, %r1; @%p1 bra END;\n"
    "mul.wide.u32 %rd2, %r5, 4; add.u64 %rd3, %rd1, %rd2; st.global.u32 [%rd3], %r5;\n"
    "END: ret;\n}\n"
    ".visible .entry race(.param .u64 p, .param .u32 n)\n{\n"
    ".reg .b64 %rd<4>; .reg .b32 %r<8>;\n"
    "ld.param.u64 %rd1, [p]; mov.u32 %r2, %ctaid.x; st.global.u32 [%rd1], %r2; ret;\n}\n"
    ".visible .entry lanes(.param .u64 p, .param .u32 n)\n{\n"
    ".reg .b64 %rd<4>; .reg .b32 %r<8>; .reg .pred %p1;\n"
    "ld.param.u64 %rd1, [p]; mov.u32 %r2, %ctaid.x; mov.u32 %r3, %tid.x;\n"
    "setp.ge.u32 %p1, %r3, 32; @%p1 bra END;\n"
    "mul.wide.u32 %rd2, %r2, 4; add.u64 %rd3, %rd1, %rd2; st.global.u32 [%rd3], %r3;\n"
    "END: ret;\n}\n"
    ".visible .entry neighbours(.param .u64 p, .param .u32 n)\n{\n"
    ".reg .b32 %r<8>; .shared .align 4 .b8 s[256];\n"
    "mov.u32 %r1, %tid.x; mov.u32 %r2, s; shl.b32 %r3, %r1, 2; add.u32 %r4, %r2, %r3; st.shared.u32 [%r4], %r1;\n"
    "add.u32 %r5, %r3, 4; and.b32 %r5, %r5, 255; add.u32 %r6, %r2, %r5; ld.shared.u32 %r7, [%r6]; ret;\n}\n";
int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 100, device, host[100] = {0};
    void *context, *module, *kernel;
    unsigned long long p;
    void *params[] = {&p, &n};
    library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library) { puts(dlerror()); return 9; }
    CALL(cuInit, 0);
    CALL(cuDeviceGet, &device, 0);
    CALL(cuDevicePrimaryCtxRetain, &context, device);
    CALL(cuCtxSetCurrent, context);
    CALL(cuModuleLoadData, &module, ptx);
    CALL(cuModuleGetFunction, &kernel, module, n > 0 ? "fill" : n == -2 ? "neighbours" : n ? "lanes" : "race");
    CALL(cuMemAlloc_v2, &p, (size_t)400);
    CALL(cuLaunchKernel, kernel, 4, 1, 1, 64, 1, 1, 0, NULL, params, NULL);
    int got = CALL(cuCtxSynchronize);
    if (argc > 2 && strcmp(argv[2], "long") == 0)
        CALL(cuMemcpyDtoH_v2, host, p, (size_t)404);
    CALL(cuMemcpyDtoH_v2, host, p, (size_t)(n < 0 ? 4 : n < 100 ? 4 * n : 400));
    printf("synchronized %d, last %d\n", got, host[99]);
    fflush(stdout);
    if (argc > 2 && strcmp(argv[2], "abort") == 0)
        abort();
    if (argc > 2 && strcmp(argv[2], "free") == 0)
        return CALL(cuMemFree_v2, p);
    return argc > 2 ? atoi(argv[2]) : 0;
}
C
${CC:-gcc} -w -o "$dir/program" "$dir/program.c" -ldl
check "the program is built" [ -x "$dir/program" ]

run "$ws" run "$dir/program" 100
check "a right program keeps its exit code" ended 0
check "and its output" [ "$(cat "$dir/out")" = "synchronized 0, last 99" ]
check "no error" grep -q '^========= ERROR SUMMARY: 0 errors$' "$dir/err"
run "$ws" run -- "$dir/program" 100 7
check "also another one" ended 7
run "$ws" run -q "$dir/program" 100
check "quietly nothing is printed" [ ! -s "$dir/err" ]

run "$ws" run "$dir/program" 130
check "a write past the end is an error" ended 1
check "in compute-sanitizer's words" grep -q 'Invalid __global__ write of size 4 bytes' "$dir/err"
check "with the thread" grep -q 'by thread (36,0,0) in block (1,0,0)' "$dir/err"
check "and a launch that failed" grep -q 'synchronized 7[0-9][0-9]' "$dir/out"
run "$ws" run --error-exitcode 42 "$dir/program" 130
check "--error-exitcode" ended 42
run "$ws" run "$dir/program" 130 5
check "a program's own failure stays" ended 5

run "$ws" run "$dir/program" 100 long
check "a copy of more than there is" ended 1
check "is told with the call" grep -q 'Program hit CUDA_ERROR_INVALID_VALUE.*on CUDA API call to cuMemcpyDtoH_v2$' "$dir/err"
run "$ws" run --no-api-errors "$dir/program" 100 long
check "--no-api-errors" ended 0

run "$ws" run "$dir/program" 0
check "blocks that write one word race" grep -q 'RACECHECK SUMMARY: [1-9] hazard' "$dir/err"
run "$ws" run "$dir/program" -1
check "lanes of one warp that write one word are a warning" grep -q '(0 errors, [1-9][0-9]* warning' "$dir/err"
check "which leaves the exit code alone" ended 0
check "and the launch" says "$dir/out" "synchronized 0"
run "$ws" run "$dir/program" -2
check "an error is not hidden by a warning at the same place" ended 1
check "both are told" grep -q 'hazards displayed ([1-9][0-9]* error[s]*, [1-9][0-9]* warning' "$dir/err"
run "$ws" run --tool memcheck "$dir/program" 0
check "which memcheck does not look for" ended 0
run "$ws" run --leak-check "$dir/program" 100
check "memory that is not freed" grep -q 'LEAK SUMMARY: 400 bytes leaked in 1 allocation' "$dir/err"
run "$ws" run --leak-check "$dir/program" 100 free
check "and freed" ended 0

run "$ws" run "$dir/program" 100 abort
check "a signal gives 128 and its number" ended 134
check "and is named" grep -q 'ended by signal 6' "$dir/err"
run "$ws" run sh -c "'$dir/program' 130; exit 3"
check "children of the program are seen" grep -q 'ERROR SUMMARY: 1 error$' "$dir/err"
check "its exit code too" ended 3
run "$ws" run sh -c 'echo "$1"' - --flag
check "what follows the program's name is its own" [ "$(cat "$dir/out")" = --flag ]
check "who uses no CUDA is told" grep -q 'No process called cuInit' "$dir/err"
run "$ws" run --timeout 0.3s sleep 20
check "--timeout" ended 124

run "$ws" run --json -o "$dir/findings.json" "$dir/program" 130
check "findings as JSON" /usr/bin/python3 - "$dir/findings.json" <<'PY'
import json, sys
r = json.load(open(sys.argv[1]))
f = r["findings"][0]
assert r["errors"] == 1 and r["exit_code"] == 0 and r["launches"] == 1, r
assert (f["tool"], f["reason"], f["kernel"], f["thread"], f["block"]) == \
    ("memcheck", "out_of_bounds", "fill", [36, 0, 0], [1, 0, 0]), f
PY
check "and nothing on standard error" [ ! -s "$dir/err" ]
run "$ws" run "$dir/nowhere"
check "a program that is not there" ended 4
check "is named" grep -q "cannot run '$dir/nowhere'" "$dir/err"
run "$ws" run --tool lint "$dir/program"
check "an unknown tool" ended 2
check "no folder is left" sh -c '! ls -d "$1"/warpsmith-run-* 2>/dev/null' - "$dir"
tap_done
