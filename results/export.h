/* A winner in a form that other programs use: a C header with its binaries, a CUDA header for nvcc,
 * Python modules, or plain files. Each form carries the evidence. docs/export.md describes them. */
#ifndef RESULTS_EXPORT_H
#define RESULTS_EXPORT_H

#include "harness/compile/compile.h"
#include "results/archive.h"

typedef struct exp_input {
    const spec *spec;
    const db_candidate *candidate;
    const db_run *run;          /* NULL: not from a run */
    const char *verdict_json;   /* NULL: none */
    const char *name;           /* C identifier for the entry point; NULL: from the spec's name */
    const char *packet_sha256;  /* of its evidence packet (verifier/packet.h), NULL: none */
    /* For formats that hold binaries. */
    comp_service *compiler;
    const char *const *arch;    /* GPUs to assemble for, "sm_90a"; none: the one that it was
                                 * verified for */
    int n_archs;
    const ws_env *shape;        /* further dims to compile for, if the source has dims as macros */
    int n_shapes;
} exp_input;

enum { EXP_MAX_BYTES = 256 << 20 }; /* of one text */

struct exp_job;
typedef struct exp_format {
    const char *name;    /* of --format */
    const char *suffix;  /* of files that are surely of this format, or NULL */
    bool has_binaries;   /* needs the compiler */
    bool is_folder;      /* several files: `write` puts its main one into `out` */
    ws_status (*write)(struct exp_job *j, ws_buf *out, ws_err *err);
    ws_status (*save)(struct exp_job *j, const char *dir, ws_err *err); /* of a folder */
} exp_format;
/* All formats; the last one has no name. */
extern const exp_format exp_formats[];
/* NULL: unknown. */
const exp_format *exp_format_named(const char *name);
/* By the suffix of a file's name; NULL: it does not tell. */
const exp_format *exp_format_of_file(const char *path);

/* A candidate below level 2, or one that the format cannot express, is an error that says why. */
ws_status exp_text(const exp_format *f, const exp_input *in, ws_buf *out,
                   ws_err *err) WS_MUST_CHECK;
/* To a file, "-": standard output, or for a folder to a directory that is made. */
ws_status exp_save(const exp_format *f, const exp_input *in, const char *path,
                   ws_err *err) WS_MUST_CHECK;
/* The CUDA header. */
ws_status exp_header(const exp_input *in, ws_buf *out, ws_err *err) WS_MUST_CHECK;

#endif
