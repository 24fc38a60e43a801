/* A step as text: templates with {{variables}}. */
#ifndef AGENT_STRATEGY_PROMPT_H
#define AGENT_STRATEGY_PROMPT_H

#include "agent/strategy/strategy.h"
#include "specs/spec.h"

typedef struct prompt_context {
    const spec *spec;
    const char *dir; /* templates that replace the bundled ones, NULL: none */
    const char *gpu;
    const strat_view *view;
    const strat_step *step;
    const char *lessons; /* distilled in earlier runs, one a line; NULL: none */
    const char *related; /* kernels of related specs, as text; NULL: none */
} prompt_context;

typedef struct prompt_text {
    char *system, *user; /* malloc'ed; `system` and the first user_prefix bytes of `user` are the
                          * same for every prompt of a run, so that a server can cache them */
    size_t user_prefix;
} prompt_text;

/* Fills <dir>/system.txt and <dir>/<step.purpose>.txt. An unknown {{name}} is an error with file
 * and line. */
ws_status prompt_make(const prompt_context *c, prompt_text *out, ws_err *err) WS_MUST_CHECK;
void prompt_release(prompt_text *p);

#endif
