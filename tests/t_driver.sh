#!/usr/bin/env bash
# The CPU driver in place of libcuda.so.1: every function of cuda.h is there, a program in Python runs, and so do the
# fat binaries that nvcc makes.
. "$(dirname "$0")/lib.sh" || exit 70
build=$(realpath "${BUILD:-build}")
driver=$build/libwarpsmith-cuda.so
cuda=
for home in "${CUDA_HOME:-}" /usr/local/cuda "$build/cuda"; do
    [ -n "$home" ] && [ -e "$home/include/cuda.h" ] && cuda=$home && break
done

# ---- the table against the header ----
names() { # of the functions that cuda.h declares, with macros of these options
    echo '#include <cuda.h>' | ${CC:-gcc} -E -P -I"$cuda/include" "$@" -x c - |
        grep -oE 'CUresult +cu[A-Za-z0-9_]+ *\(' | grep -oE 'cu[A-Z][A-Za-z0-9_]+'
}
{
    names
    names -D__CUDA_API_VERSION_INTERNAL
    names -DCUDA_API_PER_THREAD_DEFAULT_STREAM
} | sort -u >"$dir/header"
nm -D --defined-only "$driver" | awk '{print $3}' | sort >"$dir/exported"
sed -n 's/^FAC_API(.*, \(cu[A-Za-z0-9_]*\))$/\1/p' harness/ptx/cuda/served.def harness/ptx/cuda/unsupported.def |
    sort >"$dir/table"
check "cuda.h has its functions" [ "$(wc -l <"$dir/header")" -gt 500 ]
comm -23 "$dir/header" "$dir/exported" >"$dir/out"
check "every function of cuda.h is exported" [ ! -s "$dir/out" ]
comm -23 "$dir/table" "$dir/exported" >"$dir/out"
check "so is every one of the tables" [ ! -s "$dir/out" ]
uniq -d "$dir/table" >"$dir/out"
check "none is in them twice" [ ! -s "$dir/out" ]
grep '^cu' "$dir/exported" | comm -23 - "$dir/table" >"$dir/out"
check "nothing else is exported" [ ! -s "$dir/out" ]

# The versions in which functions began, as the toolkit has them.
if [ -e "$cuda/include/cudaTypedefs.h" ]; then
    sed -n 's/^FAC_API(\(cu[A-Za-z0-9]*\), \([0-9]*\), cu[A-Za-z0-9_]*)$/\1 \2/p' harness/ptx/cuda/*.def | sort -u >"$dir/ours"
    sed -n 's/.*\*PFN_\(cu[A-Za-z0-9]*\)_v\([0-9]*\)\(_pt[ds][sz]\)\{0,1\})(.*/\1 \2/p' "$cuda/include/cudaTypedefs.h" |
        sort -u >"$dir/theirs"
    comm -13 "$dir/ours" "$dir/theirs" >"$dir/out"
    check "functions began with the versions of CUDA that cudaTypedefs.h has" [ ! -s "$dir/out" ]
fi

# ---- in place of libcuda.so.1 ----
mkdir "$dir/lib"
ln -s "$driver" "$dir/lib/libcuda.so.1"
export LD_LIBRARY_PATH=$dir/lib
nvrtc=$(find -L "$cuda" -maxdepth 4 -name 'libnvrtc.so*' ! -name '*alt*' 2>/dev/null | sort | head -n 1)
run /usr/bin/python3 tests/programs/ctypes_driver.py "$nvrtc"
check "a program in Python ends well" ended 0
check "runs PTX" says "$dir/out" "ptx: right"
check "and a cubin with line information" says "$dir/out" "cubin with lines: right"
check "and is told of one without" says "$dir/out" "cubin alone: refused"
unset LD_LIBRARY_PATH
run "$ws" run /usr/bin/python3 tests/programs/ctypes_driver.py "$nvrtc" past
check "a fault in a cubin has its line of the source" says "$dir/err" "in axpy.cu:7"
export LD_LIBRARY_PATH=$dir/lib

# ---- what nvcc makes ----
cat >"$dir/load.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
int cuInit(unsigned), cuDevicePrimaryCtxRetain(void **, int), cuCtxSetCurrent(void *), cuModuleLoad(void **, const char *),
    cuModuleGetFunction(void **, void *, const char *), cuMemAlloc_v2(unsigned long long *, size_t), cuCtxSynchronize(void),
    cuMemcpyDtoH_v2(void *, unsigned long long, size_t), cuArrayDestroy(void *),
    cuLaunchKernel(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
int main(int argc, char **argv)
{
    void *context, *module, *kernel;
    unsigned long long p;
    int value = 0;
    void *args[] = {&p};
    if (cuInit(0) || cuDevicePrimaryCtxRetain(&context, 0) || cuCtxSetCurrent(context) || cuMemAlloc_v2(&p, 4))
        return 2;
    for (int i = 1; i < argc; i++) {
        int r = cuModuleLoad(&module, argv[i]);
        if (r || cuModuleGetFunction(&kernel, module, "answer") ||
            cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, args, NULL) || cuCtxSynchronize() ||
            cuMemcpyDtoH_v2(&value, p, 4))
            return printf("%s: %d\n", argv[i], r), 1;
        printf("%d\n", value);
    }
    return cuArrayDestroy(NULL) == 801 && cuArrayDestroy(NULL) == 801 ? 0 : 3;
}
C
run ${CC:-gcc} -o "$dir/load" "$dir/load.c" -L"$dir/lib" -l:libcuda.so.1
check "a program in C links with the driver" ended 0
images=()
if [ -x "$cuda/bin/nvcc" ] && [ -x "$cuda/bin/fatbinary" ]; then
    echo 'extern "C" __global__ void answer(int *p) { *p = 42; }' >"$dir/k.cu"
    code='-gencode arch=compute_80,code=compute_80 -gencode arch=compute_80,code=sm_80'
    "$cuda/bin/nvcc" --fatbin $code "$dir/k.cu" -o "$dir/default.fatbin" 2>/dev/null && images+=("$dir/default.fatbin")
    for mode in none speed size; do
        "$cuda/bin/nvcc" --fatbin $code --compress-mode=$mode "$dir/k.cu" -o "$dir/$mode.fatbin" 2>/dev/null &&
            images+=("$dir/$mode.fatbin")
    done
    NVCC_APPEND_FLAGS=-lineinfo "$cuda/bin/nvcc" --cubin -arch=sm_80 "$dir/k.cu" -o "$dir/k.cubin" 2>/dev/null &&
        images+=("$dir/k.cubin")
fi
run "$dir/load" "${images[@]}"
check "fat binaries and cubins of nvcc run: ${#images[@]}" [ "$rc" = 0 ]
check "with the right result" [ "$(grep -c '^42$' "$dir/out")" = "${#images[@]}" ]
check "what is not served is said by its name, once" \
    [ "$(cat "$dir/err")" = "warpsmith: the CPU driver does not serve cuArrayDestroy" ]

# ---- where an allocation ends ----
cat >"$dir/past.ptx" <<'PTX'
.version 7.0
.target sm_70
.address_size 64
.visible .entry answer(.param .u64 p)
{
    .reg .b64 %rd1;
    .reg .b32 %r1;
    ld.param.u64 %rd1, [p];
    mov.u32 %r1, 42;
    st.global.u32 [%rd1], %r1;
    ld.global.u32 %r1, [%rd1+12];
    st.global.u32 [%rd1+12], %r1;
    ret;
}
PTX
run "$dir/load" "$dir/past.ptx"
check "a word past the end of 4 bytes is no fault, as on a GPU" ended 0
WARPSMITH_ENGINE_CHECK=bounds run "$dir/load" "$dir/past.ptx"
check "until it is asked for" ended 1
check "and told with its place" says "$dir/err" "out of bounds: global read of 4 bytes at 8 bytes past the end"
tap_done
