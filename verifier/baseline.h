/* Baselines that do not sit with the candidates: times of libraries, measured by somebody on some
 * GPU, and read from a file; or the reason why there is none. They carry where they come from, and
 * no verdict is made of them: a modelled time is never compared with a measured one, and what
 * others measured on other machines is a figure, not a baseline of this sitting. */
#ifndef VERIFIER_BASELINE_H
#define VERIFIER_BASELINE_H

#include "harness/timing/model.h"
#include "specs/spec.h"

typedef enum vfy_baseline_kind {
    VFY_BASELINE_ABSENT,   /* `why` says why */
    VFY_BASELINE_MEASURED, /* in our own schema, with raw samples (docs/baselines.md) */
    VFY_BASELINE_EXTERNAL  /* a published figure */
} vfy_baseline_kind;
const char *vfy_baseline_kind_name(vfy_baseline_kind k); /* "absent", "measured", "external" */

typedef struct vfy_baseline {
    vfy_baseline_kind kind;
    char name[96];          /* "torch compile", "cublas, best of 16" */
    char why[WS_ERR_MAX];   /* of an absent one */
    char hint[WS_ERR_MAX];
    double seconds;         /* median of raw samples, or the published mean */
    double std_s, min_s, max_s; /* NaN: not known */
    double resolution;      /* relative, of a figure that was published rounded; 0: none */
    int samples;
    char hardware[128];     /* as the file says */
    bool same_gpu;          /* as --gpu, as far as the name tells */
    char precision[96];     /* "f32 in, f32 sums, TF32 not allowed"; "": the file does not say */
    char note[192];
    const char *file;       /* it was read from, or NULL */
} vfy_baseline;

enum { VFY_MAX_BASELINES = 32 };

/* Rows of the file for this spec at these dims, appended to out[*n] (at most VFY_MAX_BASELINES in
 * all): our own schema, as harness/baseline/torch_baseline.py writes it, or KernelBench's published
 * times (results/timing/HARDWARE/baseline_time_*.json). A file that holds none for the spec is an
 * absent row; WS_EINPUT: it cannot be read as either. */
ws_status vfy_baseline_read(const char *path, const spec *s, const ws_env *dims, const tim_gpu *gpu,
                            vfy_baseline *out, int *n, ws_err *err) WS_MUST_CHECK;
/* An absent row. */
void vfy_baseline_absent(const char *name, const char *why, const char *hint, vfy_baseline *out);

#endif
