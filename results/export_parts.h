/* Inside the exporter: what its files share. */
#ifndef RESULTS_EXPORT_PARTS_H
#define RESULTS_EXPORT_PARTS_H

#include "harness/plan/plan.h"
#include "harness/ptx/ptx.h"
#include "reference/graph.h"
#include "results/export.h"
#include "results/export_source.h"

/* A tensor of the launcher's signature, in the order of plan_names.tensor. */
typedef struct exp_tensor {
    const char *name, *role; /* role: "in", "weight", "inout", "out" */
    ws_dtype dtype;
    int rank;
    const ws_expr *const *dim;
    int output; /* index in spec.output, or -1 */
} exp_tensor;

/* The source compiled for one set of extents. One that has no dims as macros serves them all. */
typedef struct exp_variant {
    ws_env env;
    int64_t *dim;     /* per dim of the spec */
    const char *what; /* "B=3 N=257", or "any" */
    bool is_check;    /* a check shape alone: only PTX is kept */
} exp_variant;

/* One binary, for one architecture and one variant. */
typedef struct exp_image {
    char arch[16];  /* "sm_90a" */
    int capability; /* 90 */
    char kind;      /* 'a': this GPU alone, 'f': its family, ' ': and later ones */
    bool is_ptx;
    int variant;
    const char *data; /* PTX with its NUL beyond the end */
    size_t n;
    char sha256[65];
} exp_image;

typedef struct exp_job {
    const exp_input *in;
    ws_arena arena;
    char name[128];  /* a C identifier */
    char upper[128]; /* the same in capitals, for macros */
    char tag[9];     /* of what is exported: symbols end with it */
    char source_sha256[65];
    char kernels_sha256[65]; /* of a CUDA header: the text between its markers, else "" */
    ref_graph *graph;
    exp_tensor *tensor;
    int n_tensors;
    plan_names names;
    plan *plan;
    int64_t tune[PLAN_MAX_TUNE];
    exp_source source;
    bool *baked; /* per dim: the source uses DIM_<dim> */
    bool any_baked;
    ws_buf *out;
    /* filled by exp_compile() */
    exp_variant *variant; /* the benchmark shape first */
    int n_variants;
    exp_image *image;
    int n_images;
    comp_kernel *kernel; /* parameters are alike in all images; of the first one */
    int n_kernels;
    const char *compiler; /* "NVRTC 13.0.88" */
    const char *log;      /* ptxas' resources of the first image, a line a kernel */
} exp_job;

/* Everything of a job but its binaries; whatever it returns, exp_job_close follows. */
ws_status exp_job_open(exp_job *j, const exp_input *in, ws_err *err) WS_MUST_CHECK;
void exp_job_close(exp_job *j);
void exp_identifier(char *z);       /* other characters become '_', of which none follows another */
bool exp_is_keyword(const char *z); /* of C++ */
int exp_given_count(const exp_job *j); /* tensors that are given: inputs and weights */
int64_t exp_least_extent(const spec *s, int dim);

/* Compiles for every architecture and variant; once for a job. */
ws_status exp_compile(exp_job *j, ws_err *err) WS_MUST_CHECK;
/* Another set of dims to compile for, before exp_compile; its index. Equal ones are one. */
ws_status exp_add_variant(exp_job *j, const ws_env *env, int *index, ws_err *err) WS_MUST_CHECK;

/* The comment on top of the CUDA header: how to call it, and the evidence. */
ws_status exp_put_evidence(exp_job *j, ws_err *err) WS_MUST_CHECK;
/* The rows " *   label value" of the evidence, behind a line of its own. */
ws_status exp_put_evidence_rows(exp_job *j, ws_err *err) WS_MUST_CHECK;
/* The same for programs: one JSON object; caller frees. */
ws_status exp_evidence_json(exp_job *j, cJSON **out, ws_err *err) WS_MUST_CHECK;
/* That between its markers, each line behind `prefix`, as --check reads it. */
ws_status exp_put_evidence_json(exp_job *j, const char *prefix, ws_buf *out,
                                ws_err *err) WS_MUST_CHECK;
/* Printed JSON inside a comment, `prefix` in front of all lines but the first. */
void exp_put_lines(const char *json, const char *prefix, ws_buf *out);
/* Who wrote the kernels: a translation, a script, a model, a person. */
const char *exp_author(exp_job *j);
/* Text that cannot end or reopen a comment, in the arena. */
const char *exp_safe(exp_job *j, const char *z);
/* "[B, N + 1]" */
void exp_put_tensor_shape(const exp_tensor *t, ws_buf *out);

/* Everything behind the kernels of a CUDA header: the plan in C++ and the launcher. */
void exp_put_launcher(exp_job *j);
/* The helpers that the launcher uses; one copy a header, in its own namespace. */
void exp_put_helpers(exp_job *j);

/* Bytes as string literals that C and Python read alike, a line each with `indent`; at most `piece`
 * bytes to a literal's neighbours, behind each of which stands a comma; 0: no commas. */
void exp_put_literals(const void *data, size_t n, const char *indent, size_t piece, ws_buf *out);
/* A template of results/templates with @{name} replaced by what put() writes. Lines from "@if name"
 * to "@end" stand only where has() says so. */
typedef struct exp_filler {
    exp_job *j;
    void *ud;
    void (*put)(const struct exp_filler *f, const char *name, ws_buf *out);
    bool (*has)(const struct exp_filler *f, const char *name);
} exp_filler;
ws_status exp_fill(const exp_filler *f, const char *name, ws_buf *out, ws_err *err) WS_MUST_CHECK;

/* The formats. */
ws_status exp_write_cuh(exp_job *j, ws_buf *out, ws_err *err) WS_MUST_CHECK;
ws_status exp_write_c(exp_job *j, ws_buf *out, ws_err *err) WS_MUST_CHECK;
ws_status exp_write_torch(exp_job *j, ws_buf *out, ws_err *err) WS_MUST_CHECK;
ws_status exp_write_kernelbench(exp_job *j, ws_buf *out, ws_err *err) WS_MUST_CHECK;
ws_status exp_write_flashinfer(exp_job *j, ws_buf *out, ws_err *err) WS_MUST_CHECK;
ws_status exp_write_manifest(exp_job *j, ws_buf *out, ws_err *err) WS_MUST_CHECK;
ws_status exp_save_raw(exp_job *j, const char *dir, ws_err *err) WS_MUST_CHECK;

#endif
