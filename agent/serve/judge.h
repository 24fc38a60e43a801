/* Judges sources in child processes (agent/loop/lane.h), several at once, each for one spec at a
 * time. The queue, the processes and what is remembered are bounded. Nothing here waits: the caller
 * polls the descriptors and calls serve_judge_turn. */
#ifndef AGENT_SERVE_JUDGE_H
#define AGENT_SERVE_JUDGE_H

#include "agent/serve/specs.h"
#include "base/sha256.h"
#include "verifier/reward.h"

/* What one source is worth. Results are shared: they last until serve_result_drop. */
typedef struct serve_result {
    int owners;
    char key[WS_SHA256_HEX];
    const serve_spec *spec;
    bool judged;        /* false: `text` says what kept it from being judged; */
    bool our_fault;     /* ... and it was not the source */
    bool out_of_time;
    hx_reason reason;
    vfy_level level;
    vfy_depth depth;
    int line;           /* of the source, 0: none */
    char shape[256];
    vfy_reward reward;
    vfy_reward_scheme scheme;
    double seconds;     /* modelled, of the kernel; NaN: none */
    double judge_seconds, compile_seconds;
    char source_sha256[WS_SHA256_HEX];
    char *text;         /* the finding in one line */
    char *report;       /* the verdict for a person, at most 8 KiB */
    char *log;          /* the compiler's */
    int64_t used;       /* when it was last asked for, counted */
} serve_result;
void serve_result_drop(serve_result *r);

typedef struct serve_judge serve_judge;
typedef struct serve_wait serve_wait; /* one who waits for a result */

typedef struct serve_judge_options {
    int jobs;             /* judged at the same time */
    int queue;            /* sources that wait, at most */
    double seconds;       /* for one source, once it is begun */
    double wall_seconds;  /* of one run of a candidate */
    int choices;          /* of the tunables beside the defaults, each verified, at most */
    const char *gpu, *arch;
    vfy_reward_scheme scheme;
    int remembered;       /* results */
} serve_judge_options;

serve_judge *serve_judge_open(const serve_judge_options *o, serve_specs *specs);
void serve_judge_close(serve_judge *j); /* ends what is being judged; nobody is told */

/* Called once with the result, which the callee owns a share of; perhaps before serve_judge_submit
 * returns. */
typedef void (*serve_done)(void *ud, serve_result *r);

/* What serve_judge_submit takes. */
typedef struct serve_source {
    serve_spec *spec;
    const char *text;
    size_t n;
    double seconds;  /* less than the options': of this one; 0: as they are */
    bool fresh;      /* what is remembered does not count */
} serve_source;
/* false: the queue is full. *wait: to cancel it; NULL when it is over. */
bool serve_judge_submit(serve_judge *j, const serve_source *s, serve_done done, void *ud,
                        serve_wait **wait);
/* Nobody waits any more. What no one waits for and nobody began is not judged. */
void serve_judge_cancel(serve_judge *j, serve_wait *wait);

/* A result without judging: a reply without a source. */
serve_result *serve_result_without(serve_judge *j, const serve_spec *of, hx_reason reason,
                                   const char *text);

/* At which something may come, for the caller's poll; at most `max`. */
struct pollfd;
int serve_judge_descriptors(const serve_judge *j, struct pollfd *fd, int max);
void serve_judge_turn(serve_judge *j);

typedef struct serve_counts {
    int queued, judging, remembered;
    int64_t judged, from_memory, refused, failed;
} serve_counts;
serve_counts serve_judge_counts(const serve_judge *j);

#endif
