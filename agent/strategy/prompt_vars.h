/* The template variables: what {{name}} puts into a prompt. docs/prompts.md lists them for users.
 */
#ifndef AGENT_STRATEGY_PROMPT_VARS_H
#define AGENT_STRATEGY_PROMPT_VARS_H

#include "agent/strategy/prompt.h"

typedef struct prompt_variable {
    const char *name;
    bool fixed; /* the same in every prompt of a run */
    void (*put)(const prompt_context *c, ws_buf *out);
    const char *help;
} prompt_variable;

extern const prompt_variable prompt_variables[];
extern const int prompt_n_variables;

/* Per tunable of attempt `subject` the best time at each value, from its tuned forms; nothing when
 * it has none. */
void prompt_put_tuning(const strat_view *v, int subject, ws_buf *out);

#endif
