/* What is used of cuBLASLt, written out; a test compares it with the library and with the header, whose types
 * it defines before it includes this. */
#ifndef HARNESS_BASELINE_CUBLASLT_API_H
#define HARNESS_BASELINE_CUBLASLT_API_H

#include "base/dynlib.h"

#include <stdint.h>

#ifndef LT_API_TYPES
typedef int lt_status, lt_compute, lt_type, lt_desc_attr, lt_layout_attr, lt_pref_attr;
typedef struct lt_context *lt_handle;
typedef struct lt_desc_opaque *lt_desc;
typedef struct lt_layout_opaque *lt_layout;
typedef struct lt_pref_opaque *lt_pref;
typedef struct lt_stream_opaque *lt_stream;
typedef struct lt_algo {
    uint64_t data[8];
} lt_algo;
typedef struct lt_heuristic { /* cublasLtMatmulHeuristicResult_t */
    lt_algo algo;
    size_t workspaceSize;
    lt_status state;
    float wavesCount;
    int reserved[4];
} lt_heuristic;
#endif

enum { LT_OK = 0 };                                     /* cublasStatus_t */
enum { LT_COMPUTE_32F = 68, LT_COMPUTE_64F = 70, LT_COMPUTE_32F_TF32 = 77 }; /* cublasComputeType_t */
enum { LT_R_32F = 0, LT_R_64F = 1, LT_R_16F = 2, LT_R_16BF = 14 };           /* cudaDataType_t */
enum { LT_DESC_TRANSA = 3, LT_DESC_TRANSB = 4, LT_DESC_EPILOGUE = 7, LT_DESC_BIAS_POINTER = 8 };
enum { LT_LAYOUT_BATCH_COUNT = 5, LT_LAYOUT_BATCH_STRIDE = 6 };
enum { LT_PREF_WORKSPACE_BYTES = 1 };
enum { LT_EPILOGUE_DEFAULT = 1, LT_EPILOGUE_RELU = 2, LT_EPILOGUE_BIAS = 4, LT_EPILOGUE_RELU_BIAS = 6 };
enum { LT_OP_N = 0, LT_OP_T = 1 };

/* clang-format off */
/* member, symbol, parameters */
#define LT_LIST(X)                                                                                                  \
    X(create,         cublasLtCreate,                        (lt_handle *))                                         \
    X(destroy,        cublasLtDestroy,                       (lt_handle))                                           \
    X(desc_create,    cublasLtMatmulDescCreate,              (lt_desc *, lt_compute, lt_type scale))                \
    X(desc_destroy,   cublasLtMatmulDescDestroy,             (lt_desc))                                             \
    X(desc_set,       cublasLtMatmulDescSetAttribute,        (lt_desc, lt_desc_attr, const void *, size_t))         \
    X(layout_create,  cublasLtMatrixLayoutCreate,            (lt_layout *, lt_type, uint64_t rows, uint64_t columns, int64_t ld)) \
    X(layout_destroy, cublasLtMatrixLayoutDestroy,           (lt_layout))                                           \
    X(layout_set,     cublasLtMatrixLayoutSetAttribute,      (lt_layout, lt_layout_attr, const void *, size_t))     \
    X(pref_create,    cublasLtMatmulPreferenceCreate,        (lt_pref *))                                           \
    X(pref_destroy,   cublasLtMatmulPreferenceDestroy,       (lt_pref))                                             \
    X(pref_set,       cublasLtMatmulPreferenceSetAttribute,  (lt_pref, lt_pref_attr, const void *, size_t))         \
    X(heuristics,     cublasLtMatmulAlgoGetHeuristic,                                                               \
      (lt_handle, lt_desc, lt_layout a, lt_layout b, lt_layout c, lt_layout d, lt_pref, int, lt_heuristic *, int *)) \
    X(matmul,         cublasLtMatmul,                                                                               \
      (lt_handle, lt_desc, const void *alpha, const void *a, lt_layout, const void *b, lt_layout, const void *beta, \
       const void *c, lt_layout, void *d, lt_layout, const lt_algo *, void *workspace, size_t, lt_stream))
/* clang-format on */

typedef struct lt_api {
#define X(member, symbol, params) lt_status(*member) params;
    LT_LIST(X)
#undef X
    size_t (*version)(void);                 /* cublasLtGetVersion: 130100 for 13.1 */
    const char *(*status_string)(lt_status); /* cublasLtGetStatusString */
} lt_api;
extern const ws_symbols lt_symbols;

#endif
