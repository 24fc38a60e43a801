/* Specs whose numbers are kept apart from the others: `warpsmith spec lint` found an answer without
 * the work (zeros, a constant, a copy, the answer for other inputs) that passes, on the spec's own
 * inputs at least. For the specs that ship it was asked once, and the answers are flaws.json;
 * others are asked when a sweep begins. */
#ifndef AGENT_SWEEP_FLAW_H
#define AGENT_SWEEP_FLAW_H

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>

/* How results were compared: within the spec's bounds, as here, or as allclose(1e-2) does, where
 * more passes. */
typedef enum flaw_rule { FLAW_STRICT, FLAW_LOOSE } flaw_rule;

typedef struct flaw_table flaw_table;

ws_status flaw_open(flaw_table **out, ws_err *err) WS_MUST_CHECK;
void flaw_close(flaw_table *t);
/* Whether the spec of this hash was asked; `*why` becomes a sentence in `a`, NULL: it has no flaw.
 */
bool flaw_known(const flaw_table *t, const char *spec_sha256, flaw_rule rule, ws_arena *a,
                const char **why);
/* Asks the linter, in a process of its own, for at most `seconds` of processor time: what was found
 * in that time, in `a`, or NULL. No connection to an archive may be open. */
ws_status flaw_ask(const char *spec, double seconds, flaw_rule rule, ws_arena *a, const char **why,
                   ws_err *err) WS_MUST_CHECK;

#endif
