/* What a strategy is: a pure function from what is known to what is asked next.
 *
 * A run has `lanes` that ask at the same time. Lane l's request of round r is turn r * lanes + l. A
 * turn sees every finished turn of its own lane, and of the others those of rounds before r - slack
 * + 1; never more, even when more is known already. What is asked so follows from the seed and the
 * replies alone, not from which reply came first: a run that was killed goes on as it would have,
 * and a recorded run repeats exactly.
 *
 * A strategy keeps no state: what it must remember of a turn stands in strat_step.note_json and
 * comes back with the finished turn. */
#ifndef AGENT_STRATEGY_STRATEGY_H
#define AGENT_STRATEGY_STRATEGY_H

#include "base/mem.h"
#include "results/archive.h"
#include "specs/spec.h"

enum { STRAT_MAX_INSPIRATIONS = 6 };

/* What a user may set; 0: the strategy's own default, in brackets. */
typedef struct strat_options {
    int repairs;       /* tries to repair one kernel [refine 3, best-of 1, ideas 3, evolve 1] */
    int patience;      /* replies without gain before something else is worked on [4] */
    int stagnation;    /* kernels of all lanes without gain after which a lane ends [never] */
    int barren;        /* replies in a row with no kernel, or a copy, that end a lane [6] */
    int islands;       /* evolve [a lane each two, at most 4] */
    int migrate_every; /* evolve: rounds [5] */
    int keep;          /* inspirations that are shown [3] */
    bool diagnose;     /* refine: a text turn names the bottleneck before each change */
} strat_options;

/* What the reply is read as: a kernel, which is judged, or a text, which only the strategy reads.
 */
typedef enum strat_reply { STRAT_KERNEL, STRAT_TEXT } strat_reply;

typedef struct strat_step {
    const char *purpose; /* the template's name: "generate", "repair", "improve", "diagnose", ... */
    strat_reply reply;
    int model;                               /* index into the run's models */
    int subject;                             /* attempt to work on, -1: none */
    int inspiration[STRAT_MAX_INSPIRATIONS]; /* attempts that are shown, worst first */
    int n_inspirations;
    const char *idea;      /* text for the template's {{idea}}: a diagnosis, an idea; NULL: none */
    const char *note_json; /* the strategy's own, stored with the call; NULL: none */
} strat_step;

/* A judged kernel. [0] of a view is generation 0, the emitted translation. */
typedef struct strat_attempt {
    const db_candidate *candidate;
    const char *verdict_json;
    int turn;    /* that it came from, -1: no turn (generation 0) */
    int same_as; /* an earlier attempt of the view that is the same (view.c), -1: none */
    /* Hashes, by strat_attempt_mark; NULL: each view makes them anew. */
    const char *binary; /* of what would run (strat_binary_key) */
    const char *work;   /* of what the launches did, names aside; "": unknown, or it did not pass */
} strat_attempt;

typedef struct strat_turn {
    int turn, lane, round;
    strat_step step;     /* as asked: indices are of this view's attempts */
    const char *outcome; /* llm_outcome_name */
    const char *reply;   /* what the model said; "" when it gave no answer */
    int attempt;         /* the kernel judged from it, -1: none; its tuned forms follow it */
    double cost_usd;     /* NaN: unknown */
    double seconds;      /* of the model */
} strat_turn;

typedef struct strat_model {
    const char *name;
    double usd_per_mtok_in, usd_per_mtok_out; /* NaN: unknown */
} strat_model;

typedef struct strat_view {
    const strat_attempt *attempt; /* in turn order; tuned forms after the kernel that they are of */
    int n_attempts;
    const strat_turn *turn; /* the finished ones that may be seen, in turn order */
    int n_turns;
    int best; /* index of the fastest attempt that passes, -1: none */
    const strat_model *model;
    int n_models;
    int lanes;
    uint64_t seed;    /* of the run */
    const spec *spec; /* NULL: unknown */
    strat_options option;
} strat_view;

typedef enum strat_verdict {
    STRAT_ASK,  /* `step` is filled */
    STRAT_SKIP, /* this lane has nothing to ask in this round; it is asked again for its next */
    STRAT_END   /* this lane is done; the run ends when all are */
} strat_verdict;

typedef struct strategy {
    const char *name, *summary;
    int slack; /* that suits it when the user names none: rounds that lanes may be apart */
    strat_verdict (*next)(const strat_view *v, int lane, int round, ws_arena *a, strat_step *out);
} strategy;

/* All strategies, ended by NULL; the first is the default. */
extern const strategy *const strategies[];
const strategy *strategy_find(const char *name);

/* Seconds of an attempt: measured when there is a measurement, else modelled, else NaN. */
double strat_seconds(const db_candidate *c);
bool strat_passed(const strat_attempt *a);

#endif
