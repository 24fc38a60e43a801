/* Models played by a program: what the replay server answers in the place of a script, by what the
 * prompt asks. The kernels stand in <home>/agent/replays/behaviours/<spec name with '_' for '/'>:
 * right ones as 1_*.cu, 2_*.cu, ... by rising speed, wrong ones as wrong_*.cu.
 *
 *   perfect     right kernels; the next is one or two steps faster than the fastest in the prompt
 *   sloppy      the same in every format that models use in the place of one fenced block
 *   wrong       kernels that do not compile, race, leave their buffers or give other values
 *   plagiarist  the kernel of the prompt, as it is or with its variables renamed
 *   flaky       perfect, but late, and after refusals, errors and cut streams
 *
 * An answer follows from behaviour, seed, prompt and turn, and from how often the same was asked
 * before; not from when it is asked. A prompt that names no turn counts its requests instead. */
#ifndef AGENT_LLM_BEHAVE_H
#define AGENT_LLM_BEHAVE_H

#include "agent/llm/script.h"

typedef struct behave behave;

typedef struct behave_options {
    const char *name; /* of the behaviour */
    const char *spec; /* NULL: the one that the prompt is about */
    uint64_t seed;
    int64_t delay_ms; /* before an answer, on the average; flaky: 100 when 0 */
} behave_options;

ws_status behave_open(const behave_options *o, behave **out, ws_err *err) WS_MUST_CHECK;
void behave_close(behave *b);
/* "perfect, sloppy, ..." for messages */
const char *behave_names(void);

typedef struct behave_prompt {
    const char *text; /* all messages */
    const char *user; /* the last one */
    int turn;         /* -1: none */
} behave_prompt;
/* Its strings live in `a`. */
void behave_answer(behave *b, const behave_prompt *p, ws_arena *a, script_answer *out);

/* ---- behave_text.c: kernels as text ---- */
/* `source` as a model hands it over after the sentence `say`, in form `form` of behave_forms (0:
 * one fenced block). */
int behave_forms(void);
const char *behave_format(ws_arena *a, const char *say, const char *source, int form);
/* The source of the last fenced block, NULL: there is none. */
char *behave_last_block(ws_arena *a, const char *text);
/* The same kernel with other names for its variables. */
char *behave_rename(ws_arena *a, const char *source);

#endif
