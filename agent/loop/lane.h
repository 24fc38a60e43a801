/* Judges in child processes, so that several candidates are judged at once and a fault of one costs
 * a verdict, not the run. A lane is a fork of the controller with its own compile service and its
 * own references; it sees no archive, no model and no key. Jobs wait in one queue; a lane that is
 * free takes the next. */
#ifndef AGENT_LOOP_LANE_H
#define AGENT_LOOP_LANE_H

#include "verifier/verify.h"

#include <sys/types.h>

typedef struct lane_pool lane_pool;

typedef struct lane_job {
    int64_t id; /* the caller's */
    const char *source;
    const int64_t *tune; /* values of the plan's tunables, NULL: defaults */
    int n_tune;
    double full_below, assemble_below; /* seconds: as in vfy_options */
    int choices; /* of the tunables beside the defaults, at most: as vfy_verify_choices has it */
} lane_job;

typedef enum lane_event_kind {
    LANE_COMPILED, /* there is a binary, of each choice: lane_answer says whether to go on */
    LANE_JUDGED,
    LANE_FAILED /* the world failed: `err` says how */
} lane_event_kind;

typedef struct lane_event {
    lane_event_kind kind;
    int64_t id;
    const vfy_verdict *verdict; /* until the next lane_poll; COMPILED: what is known so far */
    ws_err err;
} lane_event;

typedef struct lane_options {
    int lanes; /* 0: three for two cores, since a judge waits now and then for its children */
    int cores; /* that all of them may use; 0: all */
    const char *arch, *gpu;
    uint64_t seed; /* of inputs; 0: each lane has one of its own */
    int niceness;        /* of the lanes, 0: as this process */
    double wall_seconds; /* of one run of a candidate, 0: as vfy_options has it */
} lane_options;

/* Forks the lanes; to be called before other threads or connections are there. `s` and the options'
 * strings outlive the pool. */
ws_status lane_pool_open(const spec *s, const lane_options *o, lane_pool **out,
                         ws_err *err) WS_MUST_CHECK;
void lane_pool_close(lane_pool *p); /* ends what is being judged */
/* The same without waiting for the lanes' ends, which take some time where all cores are at work:
 * up to `max` are killed alone, and their process ids are the caller's to wait for. How many. */
int lane_pool_leave(lane_pool *p, pid_t *pid, int max);

void lane_submit(lane_pool *p, const lane_job *j); /* copies */
/* Whether the candidate of a LANE_COMPILED is judged further; without, no other event of it comes.
 */
void lane_answer(lane_pool *p, int64_t id, bool go_on);
/* Waits up to timeout_ms for the next event. */
bool lane_poll(lane_pool *p, int timeout_ms, lane_event *out);
/* The descriptors at which events may come, for a poll of the caller's; at most `max`. */
struct pollfd;
int lane_descriptors(const lane_pool *p, struct pollfd *fd, int max);
/* Forgets the jobs that no lane has taken yet; how many there were. */
int lane_drop_waiting(lane_pool *p);
int lane_waiting(const lane_pool *p); /* jobs that no lane has taken yet */
int lane_busy(const lane_pool *p);    /* lanes at work */
int lane_count(const lane_pool *p);
/* Seconds that all lanes together were at work. */
double lane_busy_seconds(const lane_pool *p);

#endif
