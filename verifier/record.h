/* What a verification does, noted in the order in which it does it, for packets (packet.h): every
 * compile, every run of the candidate with the hashes of what it wrote, and which lines ran.
 *
 * The engine is deterministic, so a recorded verification has the same entries wherever it is
 * repeated: it runs on one thread, and nothing here holds a time or a path. */
#ifndef VERIFIER_RECORD_H
#define VERIFIER_RECORD_H

#include "verifier/exec.h"

typedef struct vfy_record vfy_record;
vfy_record *vfy_record_new(void);
void vfy_record_free(vfy_record *r);

/* All of these do nothing where r is NULL. */

/* A compile for one shape (its dims and tunables as the plan binds them); once each. */
void vfy_record_compile(vfy_record *r, const plan_bound *b, bool cubin, const comp_result *c);
/* What the next run is ("without launch 2"; NULL: a run), and what it would mean if it were wrong
 * (NULL: no more than that). */
void vfy_record_of(vfy_record *r, const char *what, const char *if_wrong);
/* A run, and what was found: `ratio` is its largest error as a share of the tolerance. */
void vfy_record_run(vfy_record *r, const vfy_run *run, hx_reason reason, double ratio);
/* Any other check: its level, name and shape, and what it showed. */
void vfy_record_check(vfy_record *r, vfy_level level, const char *what, const char *shape,
                      hx_reason reason, const char *showed);
/* A choice of tunables; the entries after it are of it. "" the packet's own. */
void vfy_record_choice(vfy_record *r, const char *choice);

/* What was noted, taken out of r: "compiles", "checks", "coverage", added to `packet`. */
void vfy_record_take(vfy_record *r, cJSON *packet);

#endif
