/* What earlier runs learned: lessons per GPU and op family, and the best kernels of related specs.
 * Kept in the archive; found by structural keys first (op family, dtype, shape class), then by full
 * text (SQLite FTS5). */
#ifndef AGENT_EVIDENCE_MEMORY_H
#define AGENT_EVIDENCE_MEMORY_H

#include "base/buf.h"
#include "results/archive.h"
#include "specs/spec.h"

/* The keys by which a spec is related to others; strings in `a`. */
typedef struct memory_keys {
    const char *family; /* "softmax", "matmul+gelu": the ops that carry the work, most work first */
    const char *dtype;  /* "f32" */
    const char *shape_class; /* "rows-long", "square-large", ... */
} memory_keys;
void memory_keys_of(const spec *s, ws_arena *a, memory_keys *out);
/* 0: not related; the more the ops that carry the work, the dtype and the shape class agree, the
 * higher, 6 at most. */
double memory_relation(const memory_keys *a, const memory_keys *b);
/* Gives every spec of the archive its keys, so that retrieval finds those of runs that were killed,
 * too. The functions below do it themselves. */
ws_status memory_index(db_archive *db, ws_err *err) WS_MUST_CHECK;

/* Distils the run's judged attempts into lessons (what was tried, what it gained or why it failed)
 * and stores them; done once at a run's end, again after a resumption: replaces the run's lessons.
 */
ws_status memory_learn(db_archive *db, const spec *s, const db_run *run, ws_err *err) WS_MUST_CHECK;
/* Lessons of runs other than `run` (0: of all) for this spec and its relations on this GPU, the
 * most telling first, one a line; "" when there are none. */
ws_status memory_lessons(db_archive *db, const spec *s, const char *gpu, int64_t run, int max_lines,
                         ws_buf *out, ws_err *err) WS_MUST_CHECK;
/* The same as rows; `effect` and `support` are over all runs that say the same, the rest is of the
 * closest spec. */
typedef struct memory_lesson {
    db_lesson lesson;
    int other_specs; /* that say the same */
} memory_lesson;
ws_status memory_lesson_list(db_archive *db, const spec *s, const char *gpu, int64_t run, int most,
                             ws_arena *a, memory_lesson **out, int *n, ws_err *err) WS_MUST_CHECK;
void memory_lesson_print(const memory_lesson *m, ws_buf *out); /* one line */

/* The best kernels of related specs with their evidence, as text for a prompt; never of `run`
 * itself. */
ws_status memory_related(db_archive *db, const spec *s, const char *gpu, int64_t run,
                         int max_kernels, ws_buf *out, ws_err *err) WS_MUST_CHECK;
/* The same as rows, one kernel a spec. */
typedef struct memory_kernel {
    db_kernel kernel;
    const db_keys *keys; /* NULL: found by full text */
} memory_kernel;
ws_status memory_kernel_list(db_archive *db, const spec *s, const char *gpu, int64_t run, int most,
                             ws_arena *a, memory_kernel **out, int *n, ws_err *err) WS_MUST_CHECK;

#endif
