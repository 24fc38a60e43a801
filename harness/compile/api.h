/* What is used of NVRTC and nvJitLink, written out so that the build needs none of their headers.
 * Each row: member, symbol, whether a version that serves may lack it, parameters. Results are the
 * libraries' enumerations, which have the size of an int. A test compares names with the libraries,
 * and types and numbers with the headers: it defines the types as theirs before it includes this. */
#ifndef HARNESS_COMPILE_API_H
#define HARNESS_COMPILE_API_H

#include "base/dynlib.h"

#include <stdint.h>

#ifndef COMP_API_TYPES
typedef int comp_nvrtc_result, comp_jitlink_result, comp_jitlink_input;
typedef struct nvrtc_program *comp_nvrtc_program;
typedef struct nvjitlink *comp_jitlink_handle;
#endif

enum { /* nvrtcResult */
    COMP_NVRTC_OK = 0,
    COMP_NVRTC_OUT_OF_MEMORY = 1,
    COMP_NVRTC_INVALID_OPTION = 5,
    COMP_NVRTC_COMPILATION = 6
};
enum { /* nvJitLinkResult, nvJitLinkInputType */
    COMP_JITLINK_OK = 0,
    COMP_JITLINK_OPTION = 1,
    COMP_JITLINK_PTX = 2
};

/* clang-format off */
/* Stable since CUDA 7.0; precompiled headers since 12.8. */
#define COMP_NVRTC_LIST(X)                                                                         \
    X(version,       nvrtcVersion,            false, (int *major, int *minor))                     \
    X(create,        nvrtcCreateProgram,      false,                                               \
      (comp_nvrtc_program *, const char *source, const char *name, int n,                          \
       const char *const *headers, const char *const *names))                                      \
    X(destroy,       nvrtcDestroyProgram,     false, (comp_nvrtc_program *))                       \
    X(compile,       nvrtcCompileProgram,     false,                                               \
      (comp_nvrtc_program, int n, const char *const *options))                                     \
    X(ptx_size,      nvrtcGetPTXSize,         false, (comp_nvrtc_program, size_t *))               \
    X(ptx,           nvrtcGetPTX,             false, (comp_nvrtc_program, char *))                 \
    X(log_size,      nvrtcGetProgramLogSize,  false, (comp_nvrtc_program, size_t *))               \
    X(log,           nvrtcGetProgramLog,      false, (comp_nvrtc_program, char *))                 \
    X(set_pch_heap,  nvrtcSetPCHHeapSize,     true,  (size_t))                                     \
    X(pch_status,    nvrtcGetPCHCreateStatus, true,  (comp_nvrtc_program))

/* The header gives these names a version, __nvJitLinkCreate_13_0; the library has both. */
#define COMP_JITLINK_LIST(X)                                                                       \
    X(create,        nvJitLinkCreate,              false,                                          \
      (comp_jitlink_handle *, uint32_t n, const char **options))                                   \
    X(destroy,       nvJitLinkDestroy,             false, (comp_jitlink_handle *))                 \
    X(add,           nvJitLinkAddData,             false,                                          \
      (comp_jitlink_handle, comp_jitlink_input, const void *data, size_t n, const char *name))     \
    X(complete,      nvJitLinkComplete,            false, (comp_jitlink_handle))                   \
    X(cubin_size,    nvJitLinkGetLinkedCubinSize,  false, (comp_jitlink_handle, size_t *))         \
    X(cubin,         nvJitLinkGetLinkedCubin,      false, (comp_jitlink_handle, void *))           \
    X(error_size,    nvJitLinkGetErrorLogSize,     false, (comp_jitlink_handle, size_t *))         \
    X(error,         nvJitLinkGetErrorLog,         false, (comp_jitlink_handle, char *))           \
    X(info_size,     nvJitLinkGetInfoLogSize,      false, (comp_jitlink_handle, size_t *))         \
    X(info,          nvJitLinkGetInfoLog,          false, (comp_jitlink_handle, char *))
/* clang-format on */

typedef struct comp_nvrtc_api {
#define X(member, symbol, optional, params) comp_nvrtc_result(*member) params;
    COMP_NVRTC_LIST(X)
#undef X
    const char *(*error_string)(comp_nvrtc_result);
} comp_nvrtc_api;

typedef struct comp_jitlink_api {
#define X(member, symbol, optional, params) comp_jitlink_result(*member) params;
    COMP_JITLINK_LIST(X)
#undef X
} comp_jitlink_api;

extern const ws_symbols comp_nvrtc_symbols, comp_jitlink_symbols;

#endif
