#include "agent/loop/lane.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/proc.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Frames. To a lane: JOB (job_head, the tunables' values, the source), ANSWER (one byte). From it:
 * COMPILED and JUDGED (a vfy_verdict: both ends are one program), FAILED (a ws_err). */
enum { MSG_JOB = 1, MSG_ANSWER, MSG_COMPILED, MSG_JUDGED, MSG_FAILED };
enum { MAX_FRAME = 64 << 20 };
enum { KEPT_PIECE_BYTES = 16 << 20, KEPT_HEAP_BYTES = 128 << 20 };
enum { MAX_DEATHS = 3 /* a candidate may be given to judges that somebody just killed */ };

typedef struct job_head {
    double full_below, assemble_below;
    int64_t choices;
    int32_t n_tune; /* -1: defaults */
    uint32_t source_bytes;
} job_head;

typedef struct queued {
    struct queued *next;
    int64_t id;
    int deaths; /* lanes that it took along */
    ws_buf frame;
} queued;

typedef struct lane {
    pid_t pid;
    int sock;
    queued *job; /* NULL: free */
    bool asked;  /* waits for an answer */
    int64_t since_ns;
} lane;

struct lane_pool {
    const spec *spec;
    lane_options o;
    lane *lane;
    int n;
    queued *first, **last;
    int n_waiting;
    int threads; /* of each */
    double busy_seconds;
    ws_buf frame; /* of the last event */
    vfy_verdict verdict;
};

/* ---- the child ---- */

typedef struct child {
    int sock;
    ws_err err; /* of the exchange in go_on */
} child;

static bool go_on(void *ud, const vfy_verdict *so_far)
{
    child *c = ud;
    ws_buf answer = {0};
    uint32_t type;
    bool yes = false;
    if (!ws_msg_send(c->sock, MSG_COMPILED, so_far, sizeof *so_far, &c->err) &&
        !ws_msg_recv(c->sock, 0, 16, &type, &answer, &c->err))
        yes = type == MSG_ANSWER && answer.n == 1 && answer.p[0];
    ws_buf_release(&answer);
    return yes;
}

/* One job; false: the controller is gone. */
static bool serve(child *c, const lane_pool *p, vfy_session *session, const ws_buf *frame)
{
    static vfy_verdict v;
    job_head h;
    int64_t *tune = NULL;
    ws_err err = {0}, sent = {0};
    memcpy(&h, frame->p, sizeof h);
    size_t tune_bytes = h.n_tune > 0 ? (size_t)h.n_tune * sizeof *tune : 0;
    const char *source = frame->p + sizeof h + tune_bytes;
    if (h.n_tune >= 0) {
        tune = ws_calloc((size_t)h.n_tune + 1, sizeof *tune);
        memcpy(tune, frame->p + sizeof h, tune_bytes);
    }
    vfy_options o = {.arch = p->o.arch,
                     .gpu = p->o.gpu,
                     .seed = p->o.seed,
                     .tune = tune,
                     .survey = true,
                     .max_level = VFY_ALGEBRAIC,
                     .field_if_full = true,
                     .threads = p->threads,
                     .wall_seconds = p->o.wall_seconds,
                     .full_below = h.full_below,
                     .assemble_below = h.assemble_below,
                     .beside_others = true,
                     .go_on = go_on,
                     .ud = c};
    ws_status st =
        vfy_verify_choices(session, source, h.source_bytes, &o, (int)h.choices, &v, &err);
    free(tune);
    if (c->err.status)
        return false;
    if (st)
        return !ws_msg_send(c->sock, MSG_FAILED, &err, sizeof err, &sent);
    return !ws_msg_send(c->sock, MSG_JUDGED, &v, sizeof v, &sent);
}

/* Each candidate takes the same some megabytes. Given back to the system and taken again, their
 * pages cost a quarter of what the judge itself does for a small one. */
static void keep_heap(void)
{
    mallopt(M_MMAP_THRESHOLD, KEPT_PIECE_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_HEAP_BYTES);
}

static _Noreturn void child_main(int sock, const lane_pool *p)
{
    child c = {.sock = sock};
    comp_service *comp = NULL;
    vfy_session *session = NULL;
    ws_buf frame = {.max = MAX_FRAME};
    ws_err opened = {0}, err = {0};
    uint32_t type;
    /* An interrupt ends the run when the step at hand is judged, not the judge. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "ws-judge");
    keep_heap();
    if (comp_service_open(&(comp_service_options){0}, &comp, &opened) ||
        vfy_session_open(p->spec, comp, &session, &opened))
        ws_wrap(&opened, "judge");
    while (!ws_msg_recv(sock, 0, MAX_FRAME, &type, &frame, &err) && type == MSG_JOB) {
        if (opened.status ? ws_msg_send(sock, MSG_FAILED, &opened, sizeof opened, &err) != WS_OK
                          : !serve(&c, p, session, &frame))
            break;
        ws_buf_reset(&frame);
    }
    vfy_session_close(session);
    comp_service_close(comp);
    _exit(0);
}

/* ---- the pool ---- */

static ws_status start_lane(lane_pool *p, lane *l, ws_err *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return ws_fail_errno(err, WS_EENV, "cannot make a socket for a judge");
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) {
        close(pair[0]);
        close(pair[1]);
        return ws_fail_errno(err, WS_EENV, "cannot start a judge");
    }
    if (!pid) {
        if (getppid() != parent) /* gone before PR_SET_PDEATHSIG could tell */
            _exit(0);
        ws_proc_keep_only(&pair[1]); /* no archive lock, no connection */
        if (p->o.niceness && setpriority(PRIO_PROCESS, 0, p->o.niceness))
            ws_log(WS_LOG_DEBUG, "judge: cannot be nice");
        child_main(pair[1], p);
    }
    close(pair[1]);
    *l = (lane){.pid = pid, .sock = pair[0]};
    return WS_OK;
}

static void end_lane(lane *l)
{
    if (l->pid <= 0)
        return;
    close(l->sock);
    kill(l->pid, SIGKILL);
    while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    l->pid = 0;
    l->sock = -1;
}

ws_status lane_pool_open(const spec *s, const lane_options *o, lane_pool **out, ws_err *err)
{
    lane_pool *p = ws_calloc(1, sizeof *p);
    p->spec = s;
    p->o = *o;
    int cores = o->cores > 0 ? o->cores : ws_cpu_count();
    p->n = o->lanes > 0 ? o->lanes : cores + (cores + 1) / 2;
    p->threads = cores > p->n ? cores / p->n : 1;
    p->lane = ws_calloc((size_t)p->n, sizeof *p->lane);
    p->last = &p->first;
    p->frame.max = MAX_FRAME;
    for (int i = 0; i < p->n; i++)
        if (start_lane(p, &p->lane[i], err)) {
            lane_pool_close(p);
            return err->status;
        }
    *out = p;
    return WS_OK;
}

static void queued_free(queued *q)
{
    if (q)
        ws_buf_release(&q->frame);
    free(q);
}

int lane_pool_leave(lane_pool *p, pid_t *pid, int max)
{
    int n = 0;
    for (int i = 0; i < p->n && n < max; i++) {
        lane *l = &p->lane[i];
        if (l->pid <= 0)
            continue;
        close(l->sock);
        kill(l->pid, SIGKILL);
        pid[n++] = l->pid;
        l->pid = 0;
    }
    lane_pool_close(p);
    return n;
}

void lane_pool_close(lane_pool *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n; i++) {
        queued_free(p->lane[i].job);
        end_lane(&p->lane[i]);
    }
    while (p->first) {
        queued *q = p->first;
        p->first = q->next;
        queued_free(q);
    }
    ws_buf_release(&p->frame);
    free(p->lane);
    free(p);
}

/* ---- jobs ---- */

static void enqueue(lane_pool *p, queued *q)
{
    q->next = NULL;
    *p->last = q;
    p->last = &q->next;
    p->n_waiting++;
}

void lane_submit(lane_pool *p, const lane_job *j)
{
    size_t n = strlen(j->source);
    job_head h = {.full_below = j->full_below,
                  .assemble_below = j->assemble_below,
                  .n_tune = j->tune ? j->n_tune : -1,
                  .choices = j->choices,
                  .source_bytes = (uint32_t)n};
    queued *q = ws_calloc(1, sizeof *q);
    q->id = j->id;
    q->frame.max = MAX_FRAME;
    ws_buf_add(&q->frame, &h, sizeof h);
    if (j->tune)
        ws_buf_add(&q->frame, j->tune, (size_t)j->n_tune * sizeof *j->tune);
    ws_buf_add(&q->frame, j->source, n);
    enqueue(p, q);
}

/* A lane died over its job: another gets it, once. false: the job is given up. */
static bool bury(lane_pool *p, lane *l, lane_event *out)
{
    queued *q = l->job;
    l->job = NULL;
    p->busy_seconds += ws_seconds_since(l->since_ns);
    end_lane(l);
    if (++q->deaths < MAX_DEATHS) {
        enqueue(p, q);
        return true;
    }
    *out = (lane_event){.kind = LANE_FAILED, .id = q->id};
    ws_fail(&out->err, WS_EBUG, "the judge died over this candidate, %d times", q->deaths);
    queued_free(q);
    return false;
}

/* Gives waiting jobs to free lanes. false: `out` tells of a failure. */
static bool dispatch(lane_pool *p, lane_event *out)
{
    for (int i = 0; i < p->n && p->first; i++) {
        lane *l = &p->lane[i];
        ws_err err = {0};
        if (l->job)
            continue;
        queued *q = p->first;
        p->first = q->next;
        if (!p->first)
            p->last = &p->first;
        p->n_waiting--;
        if (l->pid <= 0 && start_lane(p, l, &err)) {
            *out = (lane_event){.kind = LANE_FAILED, .id = q->id, .err = err};
            queued_free(q);
            return false;
        }
        l->job = q;
        l->asked = false;
        l->since_ns = ws_now_ns();
        if (ws_msg_send(l->sock, MSG_JOB, q->frame.p, q->frame.n, &err) && !bury(p, l, out))
            return false;
    }
    return true;
}

static void free_lane(lane_pool *p, lane *l)
{
    p->busy_seconds += ws_seconds_since(l->since_ns);
    queued_free(l->job);
    l->job = NULL;
}

void lane_answer(lane_pool *p, int64_t id, bool yes)
{
    for (int i = 0; i < p->n; i++) {
        lane *l = &p->lane[i];
        const char byte = yes;
        ws_err ignored = {0}; /* a lane that died is found by lane_poll */
        if (!l->job || l->job->id != id || !l->asked)
            continue;
        l->asked = false;
        (void)!ws_msg_send(l->sock, MSG_ANSWER, &byte, 1, &ignored);
        if (!yes)
            l->job->id = -1; /* what it still says of it is dropped */
    }
}

/* ---- events ---- */

/* What a lane says. true: an event for the caller. */
static bool take(lane_pool *p, lane *l, lane_event *out)
{
    uint32_t type;
    ws_err err = {0};
    ws_buf_reset(&p->frame);
    if (ws_msg_recv(l->sock, 0, MAX_FRAME, &type, &p->frame, &err))
        return !bury(p, l, out);
    int64_t id = l->job->id;
    *out = (lane_event){.id = id, .verdict = &p->verdict};
    if (type == MSG_FAILED && p->frame.n == sizeof out->err) {
        out->kind = LANE_FAILED;
        memcpy(&out->err, p->frame.p, sizeof out->err);
    } else if (p->frame.n == sizeof p->verdict) {
        out->kind = type == MSG_COMPILED ? LANE_COMPILED : LANE_JUDGED;
        memcpy(&p->verdict, p->frame.p, sizeof p->verdict);
    }
    l->asked = type == MSG_COMPILED;
    if (type != MSG_COMPILED)
        free_lane(p, l);
    return id >= 0;
}

bool lane_poll(lane_pool *p, int timeout_ms, lane_event *out)
{
    struct pollfd *fd = ws_calloc((size_t)p->n, sizeof *fd);
    int64_t until = ws_now_ns() + (int64_t)timeout_ms * 1000000;
    bool found = false;
    for (;;) {
        if (!dispatch(p, out)) {
            found = true;
            break;
        }
        for (int i = 0; i < p->n; i++) {
            const lane *l = &p->lane[i];
            fd[i] = (struct pollfd){.fd = l->job && !l->asked ? l->sock : -1, .events = POLLIN};
        }
        int64_t left = (until - ws_now_ns()) / 1000000;
        int ready = poll(fd, (nfds_t)p->n, left > 0 ? (int)left : 0);
        for (int i = 0; i < p->n && ready > 0 && !found; i++)
            found = fd[i].revents && take(p, &p->lane[i], out);
        if (found || ready <= 0)
            break;
    }
    free(fd);
    return found;
}

int lane_descriptors(const lane_pool *p, struct pollfd *fd, int max)
{
    int n = 0;
    for (int i = 0; i < p->n && n < max; i++)
        if (p->lane[i].job && !p->lane[i].asked)
            fd[n++] = (struct pollfd){.fd = p->lane[i].sock, .events = POLLIN};
    return n;
}

int lane_drop_waiting(lane_pool *p)
{
    int n = p->n_waiting;
    while (p->first) {
        queued *q = p->first;
        p->first = q->next;
        queued_free(q);
    }
    p->last = &p->first;
    p->n_waiting = 0;
    return n;
}

int lane_waiting(const lane_pool *p)
{
    return p->n_waiting;
}

int lane_busy(const lane_pool *p)
{
    int n = 0;
    for (int i = 0; i < p->n; i++)
        n += p->lane[i].job != NULL;
    return n;
}

int lane_count(const lane_pool *p)
{
    return p->n;
}

double lane_busy_seconds(const lane_pool *p)
{
    double s = p->busy_seconds;
    for (int i = 0; i < p->n; i++)
        if (p->lane[i].job)
            s += ws_seconds_since(p->lane[i].since_ns);
    return s;
}
