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
/* Verdict and findings of attempt `i`, at most `most` lines (0: as many as there may be). */
void prompt_put_findings(const prompt_context *c, int i, int most, ws_buf *out);
/* The last kernels that were made from the step's subject and are slower: where their time goes,
 * their longest launch and first finding, beside the subject's. */
void prompt_put_slower(const prompt_context *c, ws_buf *out);
/* The step's subject is the best, no finding has more than a hundredth to gain, and it is as fast
 * as the graph allows. */
bool prompt_nothing_left(const prompt_context *c);
/* One line for each operation of the graph whose NaN or equals are easily got wrong. */
void prompt_put_rules(const spec *s, ws_buf *out);
/* How far off an element may be, and what may be done within that. */
void prompt_put_tolerance(const spec *s, ws_buf *out);

#endif
