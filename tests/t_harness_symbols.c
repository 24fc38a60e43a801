/* Every symbol that is looked up in a library at run time exists in the toolkit's stubs or
 * libraries, and what is declared by hand is as the toolkit's headers say. The rows are the code's
 * own tables. */
#if __has_include(<nvrtc.h>)
#include <nvrtc.h>
#define HAS_NVRTC 1
#endif
#if __has_include(<nvJitLink.h>)
#include <nvJitLink.h>
#define HAS_JITLINK 1
#endif
#if defined(HAS_NVRTC) && defined(HAS_JITLINK)
#define COMP_API_TYPES
typedef nvrtcResult comp_nvrtc_result;
typedef nvrtcProgram comp_nvrtc_program;
typedef nvJitLinkResult comp_jitlink_result;
typedef nvJitLinkInputType comp_jitlink_input;
typedef nvJitLinkHandle comp_jitlink_handle;
#endif

#if __has_include(<cublasLt.h>)
#include <cublasLt.h>
#define HAS_CUBLASLT 1
#define LT_API_TYPES
typedef cublasStatus_t lt_status;
typedef cublasComputeType_t lt_compute;
typedef cudaDataType_t lt_type;
typedef cublasLtMatmulDescAttributes_t lt_desc_attr;
typedef cublasLtMatrixLayoutAttribute_t lt_layout_attr;
typedef cublasLtMatmulPreferenceAttributes_t lt_pref_attr;
typedef cublasLtHandle_t lt_handle;
typedef cublasLtMatmulDesc_t lt_desc;
typedef cublasLtMatrixLayout_t lt_layout;
typedef cublasLtMatmulPreference_t lt_pref;
typedef cudaStream_t lt_stream;
typedef cublasLtMatmulAlgo_t lt_algo;
typedef cublasLtMatmulHeuristicResult_t lt_heuristic;
#endif
#if __has_include(<cupti_range_profiler.h>) && __has_include(<cupti_profiler_host.h>)
#include <cupti_profiler_host.h>
#include <cupti_profiler_target.h>
#include <cupti_range_profiler.h>
#include <cupti_target.h>
#define HAS_CUPTI 1
#endif

#include "base/file.h"
#include "base/mem.h"
#include "harness/baseline/cublaslt_api.h"
#include "harness/compile/api.h"
#include "harness/driver.h"
#include "harness/profile/cupti_api.h"
#include "harness/profile/elf.h"
#include "harness/toolkit.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the headers ---- */

#ifdef COMP_API_TYPES
#define X(member, symbol, optional, params)                                                        \
    _Static_assert(                                                                                \
        __builtin_types_compatible_p(__typeof__(&symbol), comp_nvrtc_result(*) params),            \
        #symbol " is declared as in nvrtc.h");
COMP_NVRTC_LIST(X)
#undef X
_Static_assert(__builtin_types_compatible_p(__typeof__(&nvrtcGetErrorString),
                                            __typeof__(((comp_nvrtc_api *)0)->error_string)),
               "nvrtcGetErrorString is declared as in nvrtc.h");
#define X(member, symbol, optional, params)                                                        \
    _Static_assert(                                                                                \
        __builtin_types_compatible_p(__typeof__(&symbol), comp_jitlink_result(*) params),          \
        #symbol " is declared as in nvJitLink.h");
COMP_JITLINK_LIST(X)
#undef X
_Static_assert(sizeof(nvrtcResult) == sizeof(int) && sizeof(nvJitLinkResult) == sizeof(int) &&
                   sizeof(nvJitLinkInputType) == sizeof(int) &&
                   sizeof(nvrtcProgram) == sizeof(void *) &&
                   sizeof(nvJitLinkHandle) == sizeof(void *),
               "results are as large as int, handles are pointers");
_Static_assert((int)COMP_NVRTC_OK == NVRTC_SUCCESS &&
                   (int)COMP_NVRTC_OUT_OF_MEMORY == NVRTC_ERROR_OUT_OF_MEMORY &&
                   (int)COMP_NVRTC_INVALID_OPTION == NVRTC_ERROR_INVALID_OPTION &&
                   (int)COMP_NVRTC_COMPILATION == NVRTC_ERROR_COMPILATION,
               "nvrtcResult");
_Static_assert((int)COMP_JITLINK_OK == NVJITLINK_SUCCESS &&
                   (int)COMP_JITLINK_OPTION == NVJITLINK_ERROR_UNRECOGNIZED_OPTION &&
                   (int)COMP_JITLINK_PTX == NVJITLINK_INPUT_PTX,
               "nvJitLinkResult, nvJitLinkInputType");
#endif

static void test_compiler_headers(void)
{
#ifdef COMP_API_TYPES
    ok(true, "NVRTC and nvJitLink: %zu and %zu signatures compiled as their headers have them",
       comp_nvrtc_symbols.n, comp_jitlink_symbols.n);
#else
    skip("NVRTC's and nvJitLink's signatures", "their headers are not there");
#endif
}

/* A structure that is declared by hand, beside the header's. */
typedef struct twin {
    const char *name;
    size_t ours, theirs, passed,
        expected; /* sizes; the size that is passed, and the header's for it */
    int members, same;
} twin;

/* Of a member in `ours` and `theirs`: the same place and size. */
#define SAME(type, member)                                                                         \
    t->members++;                                                                                  \
    t->same += offsetof(ours, member) == offsetof(theirs, member) &&                               \
               sizeof(((ours *)0)->member) == sizeof(((theirs *)0)->member);

static void test_twins(const char *what, const twin *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ok(t[i].ours == t[i].theirs && t[i].passed == t[i].expected && t[i].same == t[i].members,
           "%s: %s has %zu bytes (the header %zu), %zu are passed (%zu), %d of %d members are in "
           "place",
           what, t[i].name, t[i].ours, t[i].theirs, t[i].passed, t[i].expected, t[i].same,
           t[i].members);
}

#ifdef HAS_CUPTI
#define X(member, symbol, params, last, members)                                                   \
    _Static_assert(__builtin_types_compatible_p(__typeof__(&symbol), CUptiResult(*)(params *)),    \
                   #symbol " takes a " #params);                                                   \
    static void compare_##member(twin *t)                                                          \
    {                                                                                              \
        typedef cupti_p_##member ours;                                                             \
        typedef params theirs;                                                                     \
        *t = (twin){#params, sizeof(ours), sizeof(theirs), CUPTI_SIZE_##member,                    \
                    params##_STRUCT_SIZE, 0, 0};                                                   \
        SAME(size_t, structSize)                                                                   \
        SAME(void *, pPriv)                                                                        \
        members(SAME)                                                                              \
    }
CUPTI_LIST(X)
#undef X
_Static_assert((int)CUPTI_RANGE_PROFILER == CUPTI_PROFILER_TYPE_RANGE_PROFILER &&
                   (int)CUPTI_RANGE_BY_USER == CUPTI_UserRange &&
                   (int)CUPTI_REPLAY_BY_USER == CUPTI_UserReplay,
               "CUPTI's modes");
_Static_assert(
    (int)CUPTI_OK == CUPTI_SUCCESS && (int)CUPTI_E_METRIC_NAME == CUPTI_ERROR_INVALID_METRIC_NAME &&
        (int)CUPTI_E_NOT_SUPPORTED == CUPTI_ERROR_NOT_SUPPORTED &&
        (int)CUPTI_E_VIRTUALIZED == CUPTI_ERROR_VIRTUALIZED_DEVICE_NOT_SUPPORTED &&
        (int)CUPTI_E_PRIVILEGES == CUPTI_ERROR_INSUFFICIENT_PRIVILEGES &&
        (int)CUPTI_E_MULTIPLE_SUBSCRIBERS == CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED &&
        (int)CUPTI_E_VIRTUALIZED_PRIVILEGES ==
            CUPTI_ERROR_VIRTUALIZED_DEVICE_INSUFFICIENT_PRIVILEGES &&
        (int)CUPTI_E_CONFIDENTIAL == CUPTI_ERROR_CONFIDENTIAL_COMPUTING_NOT_SUPPORTED &&
        (int)CUPTI_E_CMP == CUPTI_ERROR_CMP_DEVICE_NOT_SUPPORTED &&
        (int)CUPTI_E_MIG == CUPTI_ERROR_MIG_DEVICE_NOT_SUPPORTED &&
        (int)CUPTI_E_SLI == CUPTI_ERROR_SLI_DEVICE_NOT_SUPPORTED &&
        (int)CUPTI_E_WSL == CUPTI_ERROR_WSL_DEVICE_NOT_SUPPORTED,
    "CUptiResult");
_Static_assert(sizeof(CUptiResult) == sizeof(int) && sizeof(CUcontext) == sizeof(void *),
               "results are as large as int, contexts are pointers");
#endif

static void test_cupti_headers(void)
{
#ifdef HAS_CUPTI
    static void (*const compare[])(twin *) = {
#define X(member, symbol, params, last, members) compare_##member,
        CUPTI_LIST(X)
#undef X
    };
    twin t[WS_COUNT(compare)];
    for (size_t i = 0; i < WS_COUNT(compare); i++)
        compare[i](&t[i]);
    test_twins("CUPTI", t, WS_COUNT(compare));
#else
    skip("CUPTI's structures", "its headers are not there");
#endif
}

#ifdef HAS_CUBLASLT
#define X(member, symbol, params)                                                                  \
    _Static_assert(__builtin_types_compatible_p(__typeof__(&symbol), lt_status(*) params),         \
                   #symbol " is declared as in cublasLt.h");
LT_LIST(X)
#undef X
_Static_assert(__builtin_types_compatible_p(__typeof__(&cublasLtGetVersion), size_t(*)(void)) &&
                   __builtin_types_compatible_p(__typeof__(&cublasLtGetStatusString),
                                                const char *(*)(cublasStatus_t)),
               "version and words are declared as in cublasLt.h");
_Static_assert((int)LT_OK == CUBLAS_STATUS_SUCCESS && (int)LT_COMPUTE_32F == CUBLAS_COMPUTE_32F &&
                   (int)LT_COMPUTE_64F == CUBLAS_COMPUTE_64F &&
                   (int)LT_COMPUTE_32F_TF32 == CUBLAS_COMPUTE_32F_FAST_TF32 &&
                   (int)LT_R_32F == CUDA_R_32F && (int)LT_R_64F == CUDA_R_64F &&
                   (int)LT_R_16F == CUDA_R_16F && (int)LT_R_16BF == CUDA_R_16BF &&
                   (int)LT_OP_N == CUBLAS_OP_N && (int)LT_OP_T == CUBLAS_OP_T,
               "cuBLAS's types");
_Static_assert((int)LT_DESC_TRANSA == CUBLASLT_MATMUL_DESC_TRANSA &&
                   (int)LT_DESC_TRANSB == CUBLASLT_MATMUL_DESC_TRANSB &&
                   (int)LT_DESC_EPILOGUE == CUBLASLT_MATMUL_DESC_EPILOGUE &&
                   (int)LT_DESC_BIAS_POINTER == CUBLASLT_MATMUL_DESC_BIAS_POINTER &&
                   (int)LT_LAYOUT_BATCH_COUNT == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT &&
                   (int)LT_LAYOUT_BATCH_STRIDE == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET &&
                   (int)LT_PREF_WORKSPACE_BYTES == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES &&
                   (int)LT_EPILOGUE_DEFAULT == CUBLASLT_EPILOGUE_DEFAULT &&
                   (int)LT_EPILOGUE_RELU == CUBLASLT_EPILOGUE_RELU &&
                   (int)LT_EPILOGUE_BIAS == CUBLASLT_EPILOGUE_BIAS &&
                   (int)LT_EPILOGUE_RELU_BIAS == CUBLASLT_EPILOGUE_RELU_BIAS,
               "cuBLASLt's attributes");
/* As cublaslt_api.h has it without the header. */
typedef struct own_algo {
    uint64_t data[8];
} own_algo;
typedef struct own_heuristic {
    own_algo algo;
    size_t workspaceSize;
    int state;
    float wavesCount;
    int reserved[4];
} own_heuristic;
#endif

static void test_cublas_headers(void)
{
#ifdef HAS_CUBLASLT
    typedef own_heuristic ours;
    typedef cublasLtMatmulHeuristicResult_t theirs;
    twin all = {"cublasLtMatmulHeuristicResult_t", sizeof(ours), sizeof(theirs), sizeof(ours),
                sizeof(theirs), 0, 0};
    twin *t = &all;
    SAME(own_algo, algo)
    SAME(size_t, workspaceSize)
    SAME(int, state)
    SAME(float, wavesCount)
    SAME(int, reserved)
    test_twins("cuBLASLt", t, 1);
    ok(sizeof(own_algo) == sizeof(cublasLtMatmulAlgo_t),
       "cuBLASLt: cublasLtMatmulAlgo_t has %zu bytes", sizeof(cublasLtMatmulAlgo_t));
#else
    skip("cuBLASLt's structures", "its header is not there");
#endif
}

/* ---- the libraries ---- */

typedef struct mapped {
    void *p;
    size_t n;
    elf_file elf;
    elf_section dynamic; /* its symbols */
} mapped;

static bool map_library(const char *path, mapped *out)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *out = (mapped){0};
    if (fd < 0 || fstat(fd, &st)) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    out->n = (size_t)st.st_size;
    out->p = mmap(NULL, out->n, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return out->p != MAP_FAILED && !elf_open(out->p, out->n, &out->elf) &&
           elf_section_named(&out->elf, ".dynsym", &out->dynamic);
}

static void unmap_library(mapped *m)
{
    if (m->p && m->p != MAP_FAILED)
        munmap(m->p, m->n);
}

/* The library exports a function of this name. */
static bool exports(const mapped *m, const char *name)
{
    elf_symbol s;
    for (size_t k = 0; k < elf_symbols(&m->dynamic); k++)
        if (elf_symbol_at(&m->elf, &m->dynamic, k, &s) && s.section && strcmp(s.name, name) == 0)
            return true;
    return false;
}

/* Which rows a library answers for: all, those of CUDA, or those of our own driver. */
typedef enum row_kind { ROWS_ALL, ROWS_CUDA } row_kind;

static bool is_own(const char *symbol)
{
    return strncmp(symbol, "ws", 2) == 0;
}

static void test_library(const ws_symbols *t, const char *path, row_kind kind)
{
    mapped m;
    size_t looked = 0, missing = 0;
    if (!ok(map_library(path, &m), "%s: %s has a table of symbols", t->library, path)) {
        unmap_library(&m);
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        if (kind == ROWS_CUDA && is_own(t->row[i].name))
            continue;
        looked++;
        if (!exports(&m, t->row[i].name)) {
            missing++;
            printf("# %s is not there\n", t->row[i].name);
        }
    }
    ok(looked && !missing, "%s: all %zu symbols are in %s", t->library, looked, path);
    ok(!exports(&m, "cuNoSuchFunction"), "%s: and a name that nobody has is not", t->library);
    unmap_library(&m);
}

static const struct {
    const ws_symbols *table;
    const char *const names[4]; /* files that may be the library */
    row_kind kind;
} libraries[] = {
    {&cu_symbols, {"stubs/libcuda.so"}, ROWS_CUDA},
    {&comp_nvrtc_symbols, {"libnvrtc.so.13", "libnvrtc.so.12"}, ROWS_ALL},
    {&comp_jitlink_symbols, {"libnvJitLink.so.13", "libnvJitLink.so.12"}, ROWS_ALL},
    {&lt_symbols, {"libcublasLt.so.13", "libcublasLt.so.12"}, ROWS_ALL},
    {&cupti_symbols, {"libcupti.so.13", "libcupti.so.12"}, ROWS_ALL},
};

static void test_libraries(void)
{
    for (size_t i = 0; i < WS_COUNT(libraries); i++) {
        char path[PATH_MAX];
        if (hx_toolkit_find(libraries[i].names, path))
            test_library(libraries[i].table, path, libraries[i].kind);
        else
            skip(libraries[i].table->library, "the toolkit has no such file");
    }
    const char *own = getenv("WARPSMITH_CUDA_DRIVER");
    test_library(&cu_symbols, own && *own ? own : "build/libwarpsmith-cuda.so", ROWS_ALL);
}

/* ---- versions ---- */

/* Symbols that are looked up in another version than the header's macro gives, each for a reason.
 */
static const struct {
    const char *symbol, *header, *why;
} other_versions[] = {
    {"cuEventElapsedTime", "cuEventElapsedTime_v2",
     "the second version came with CUDA 12.8; the first has its signature and every driver has it"},
};

/* "cuMemAlloc_v2" -> "cuMemAlloc" */
static void base_name(const char *symbol, char *out, size_t size)
{
    snprintf(out, size, "%s", symbol);
    char *end = strrchr(out, '_');
    if (end && end[1] == 'v' && end[2] >= '2' && end[2] <= '9' && !end[3])
        *end = '\0';
}

/* What a program that includes cuda.h and calls `base` is linked with; "" for no macro.
 *     #define cuMemAlloc     cuMemAlloc_v2
 *     #define cuMemcpyHtoD   __CUDA_API_PTDS(cuMemcpyHtoD_v2)      which adds nothing by default */
static void header_name(const char *text, const char *base, char *out, size_t size)
{
    static const char wrap[] = "__CUDA_API_PT";
    char want[128];
    int n = snprintf(want, sizeof want, "#define %s ", base);
    const char *p = strstr(text, want);
    out[0] = '\0';
    if (!p)
        return;
    p += n + (int)strspn(p + n, " \t");
    if (strncmp(p, wrap, strlen(wrap)) == 0)
        p += strcspn(p, "(") + 1;
    snprintf(out, size, "%.*s", (int)strcspn(p, " \t\r\n)"), p);
}

static bool is_explained(const char *symbol, const char *header)
{
    for (size_t i = 0; i < WS_COUNT(other_versions); i++)
        if (strcmp(other_versions[i].symbol, symbol) == 0 &&
            strcmp(other_versions[i].header, header) == 0)
            return true;
    return false;
}

static void test_versions(void)
{
    char path[PATH_MAX], base[128], header[128];
    ws_buf text = {0};
    ws_err err = {0};
    size_t versions = 0, wrong = 0;
    snprintf(path, sizeof path, "%s/include/cuda.h", WS_CUDA_HOME);
    if (ws_read_file(path, 16 << 20, &text, &err)) {
        skip("versions of libcuda's symbols", err.msg);
        return;
    }
    for (size_t i = 0; i < cu_symbols.n; i++) {
        const char *symbol = cu_symbols.row[i].name;
        base_name(symbol, base, sizeof base);
        header_name(ws_buf_z(&text), base, header, sizeof header);
        versions += header[0] != '\0';
        if (is_own(symbol) || strcmp(symbol, header[0] ? header : base) == 0 ||
            is_explained(symbol, header))
            continue;
        wrong++;
        printf("# %s, but cuda.h makes %s of %s\n", symbol, header[0] ? header : base, base);
    }
    ok(versions >= 8, "cuda.h gives %zu of the symbols a version", versions);
    is_int((long long)wrong, 0, "the table has the versions that cuda.h's macros give");
    ws_buf_release(&text);
}

int main(void)
{
    test_compiler_headers();
    test_cupti_headers();
    test_cublas_headers();
    test_libraries();
    test_versions();
    return tap_done();
}
