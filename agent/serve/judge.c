#include "agent/serve/judge.h"

#include "agent/loop/lane.h"
#include "base/clock.h"
#include "base/pool.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
    SPARE_LANES = 4,       /* idle ones that keep the references of other specs */
    MOST_PER_LANE = 200,   /* then a fresh one begins, with a seed of its own */
    REPORT_BYTES = 8 << 10,
    LOG_BYTES = 4 << 10,
    MOST_DYING = 64,
    NICENESS = 5           /* the server answers while all cores judge */
};

struct serve_wait {
    serve_wait *next;
    struct job *job;
    serve_done done;
    void *ud;
};

/* One source of one spec, for all who wait for it. */
typedef struct job {
    struct job *next;
    serve_spec *spec;
    char key[WS_SHA256_HEX];
    char *text;
    double seconds;
    serve_wait *wait;
    serve_result *result; /* judged, but its reward waits for the spec's facts */
} job;

typedef struct slot {
    lane_pool *lane; /* NULL: none */
    const serve_spec *spec;
    job *job;        /* NULL: idle */
    int64_t since_ns;
    int64_t used;
    int done;
} slot;

struct serve_judge {
    serve_judge_options o;
    serve_specs *specs;
    slot *slot;
    int n_slots;
    job *first;      /* queued, judged, or waiting for facts: in the order in which they came */
    serve_result **memory;
    int n_memory;
    int64_t clock;   /* counts, for what was used last */
    serve_counts counts;
    pid_t dying[MOST_DYING]; /* killed, to be waited for */
    int n_dying;
};

/* ---- results ---- */

void serve_result_drop(serve_result *r)
{
    if (!r || --r->owners)
        return;
    free(r->text);
    free(r->report);
    free(r->log);
    free(r);
}

static serve_result *result_new(const serve_spec *of, const char *text)
{
    serve_result *r = ws_calloc(1, sizeof *r);
    *r = (serve_result){.owners = 1, .spec = of, .level = VFY_NONE, .seconds = (double)NAN,
                        .reward = {.speedup = (double)NAN, .why = "not judged"},
                        .text = ws_utf8_valid(text), .report = ws_strdup(""), .log = ws_strdup("")};
    return r;
}

/* As a reader of JSON and of terminals may have it. */
static char *presentable(const char *text, size_t most)
{
    ws_buf b = {.max = most};
    ws_buf_add_foreign(&b, text, "");
    char *valid = ws_utf8_valid(ws_buf_z(&b));
    ws_buf_release(&b);
    return valid;
}

static serve_result *result_of(const serve_spec *of, const vfy_verdict *v, double seconds)
{
    ws_buf report = {.max = REPORT_BYTES};
    serve_result *r = result_new(of, v->text);
    vfy_verdict_print(v, &report);
    free(r->report);
    free(r->log);
    r->judged = true;
    r->reason = v->reason;
    r->level = v->level;
    r->depth = v->depth;
    r->line = v->line;
    snprintf(r->shape, sizeof r->shape, "%s", v->shape);
    r->seconds = v->has_model ? v->model.seconds : (double)NAN;
    r->judge_seconds = seconds;
    r->compile_seconds = v->compile_seconds;
    snprintf(r->source_sha256, sizeof r->source_sha256, "%s", v->source_sha256);
    r->report = presentable(ws_buf_z(&report), REPORT_BYTES);
    r->log = presentable(v->log, LOG_BYTES);
    ws_buf_release(&report);
    return r;
}

/* Once the spec's facts are known. */
static void set_reward(const serve_judge *j, serve_result *r)
{
    vfy_reward_facts f = {.reason = r->reason, .level = r->level, .depth = r->depth,
                          .seconds = r->seconds, .baseline_s = r->spec->baseline_s,
                          .flawed = r->spec->flawed};
    r->scheme = j->o.scheme;
    vfy_reward_of(&f, r->scheme, &r->reward);
}

serve_result *serve_result_without(serve_judge *j, const serve_spec *of, hx_reason reason,
                                   const char *text)
{
    serve_result *r = result_new(of, text);
    r->judged = true;
    r->reason = reason;
    set_reward(j, r);
    return r;
}

/* ---- memory ---- */

static serve_result *recall(serve_judge *j, const char *key)
{
    for (int i = 0; i < j->n_memory; i++)
        if (strcmp(j->memory[i]->key, key) == 0) {
            j->memory[i]->used = ++j->clock;
            return j->memory[i];
        }
    return NULL;
}

/* That of the same key, a free one, or the one that was asked for longest ago. */
static int place_of(const serve_judge *j, const char *key)
{
    int oldest = 0;
    for (int i = 0; i < j->n_memory; i++) {
        if (strcmp(j->memory[i]->key, key) == 0)
            return i;
        if (j->memory[i]->used < j->memory[oldest]->used)
            oldest = i;
    }
    return j->n_memory < j->o.remembered ? j->n_memory : oldest;
}

/* Verdicts alone: what was not judged may be tried again. */
static void remember(serve_judge *j, serve_result *r)
{
    if (!r->judged || !j->o.remembered)
        return;
    int place = place_of(j, r->key);
    if (place == j->n_memory)
        j->n_memory++;
    else
        serve_result_drop(j->memory[place]);
    r->owners++;
    r->used = ++j->clock;
    j->memory[place] = r;
}

/* ---- jobs ---- */

static void unlink_job(serve_judge *j, job *of)
{
    job **at = &j->first;
    while (*at != of)
        at = &(*at)->next;
    *at = of->next;
}

static void job_free(job *of)
{
    serve_result_drop(of->result);
    free(of->text);
    free(of);
}

/* Tells everybody, and forgets the job. */
static void finish(serve_judge *j, job *of, serve_result *r)
{
    unlink_job(j, of);
    snprintf(r->key, sizeof r->key, "%s", of->key);
    remember(j, r);
    j->counts.judged += r->judged;
    j->counts.failed += !r->judged;
    while (of->wait) {
        serve_wait *w = of->wait;
        of->wait = w->next;
        r->owners++;
        w->done(w->ud, r);
        free(w);
    }
    of->result = NULL;
    serve_result_drop(r);
    job_free(of);
}

static void fail(serve_judge *j, job *of, bool our_fault, bool out_of_time, const char *why)
{
    serve_result *r = result_new(of->spec, why);
    r->our_fault = our_fault;
    r->out_of_time = out_of_time;
    serve_result_drop(of->result);
    of->result = NULL;
    finish(j, of, r);
}

/* Ends those whose spec's facts have come. */
static void settle(serve_judge *j)
{
    job *next;
    for (job *k = j->first; k; k = next) {
        char why[700];
        next = k->next;
        if (!k->result)
            continue;
        if (k->spec->known == SERVE_KNOWN) {
            set_reward(j, k->result);
            finish(j, k, k->result);
        } else if (k->spec->known == SERVE_FAILED) {
            snprintf(why, sizeof why, "spec '%s': %s", k->spec->spec->name, k->spec->error);
            fail(j, k, true, false, why);
        }
    }
}

static void make_key(const serve_source *s, char out[WS_SHA256_HEX])
{
    ws_sha256 h;
    ws_sha256_init(&h);
    ws_sha256_add_field(&h, s->spec->spec->sha256, strlen(s->spec->spec->sha256));
    ws_sha256_add_field(&h, s->spec->spec->name, strlen(s->spec->spec->name));
    ws_sha256_add_field(&h, s->text, s->n);
    ws_sha256_hex(&h, out);
}

static bool is_queued(const serve_judge *j, const job *of)
{
    for (int i = 0; i < j->n_slots; i++)
        if (j->slot[i].job == of)
            return false;
    return !of->result;
}

static int count_queued(const serve_judge *j)
{
    int n = 0;
    for (const job *k = j->first; k; k = k->next)
        n += is_queued(j, k);
    return n;
}

/* The same source of the same spec, which somebody waits for already. */
static job *find_job(const serve_judge *j, const char *key, double seconds)
{
    job *k = j->first;
    while (k && (strcmp(k->key, key) != 0 || k->seconds != seconds))
        k = k->next;
    return k;
}

static job *add_job(serve_judge *j, const serve_source *s, const char *key, double seconds)
{
    job *k = ws_calloc(1, sizeof *k), **last = &j->first;
    *k = (job){.spec = s->spec, .text = ws_strndup(s->text, s->n), .seconds = seconds};
    snprintf(k->key, sizeof k->key, "%s", key);
    while (*last)
        last = &(*last)->next;
    *last = k;
    serve_specs_ask(j->specs, s->spec);
    return k;
}

bool serve_judge_submit(serve_judge *j, const serve_source *s, serve_done done, void *ud,
                        serve_wait **wait)
{
    char key[WS_SHA256_HEX];
    const double seconds = s->seconds > 0 && s->seconds < j->o.seconds ? s->seconds : j->o.seconds;
    make_key(s, key);
    *wait = NULL;
    serve_result *known = s->fresh ? NULL : recall(j, key);
    if (known) {
        j->counts.from_memory++;
        known->owners++;
        done(ud, known);
        return true;
    }
    job *k = s->fresh ? NULL : find_job(j, key, seconds);
    if (!k && count_queued(j) >= j->o.queue) {
        j->counts.refused++;
        return false;
    }
    if (!k)
        k = add_job(j, s, key, seconds);
    serve_wait *w = ws_calloc(1, sizeof *w);
    *w = (serve_wait){.next = k->wait, .job = k, .done = done, .ud = ud};
    k->wait = w;
    *wait = w;
    return true;
}

void serve_judge_cancel(serve_judge *j, serve_wait *wait)
{
    job *k = wait->job;
    serve_wait **at = &k->wait;
    while (*at != wait)
        at = &(*at)->next;
    *at = wait->next;
    free(wait);
    if (!k->wait && is_queued(j, k)) {
        unlink_job(j, k);
        job_free(k);
    }
}

/* ---- lanes ---- */

/* Those that were killed and did not end yet. */
static void reap(serve_judge *j)
{
    int left = 0;
    for (int i = 0; i < j->n_dying; i++)
        if (waitpid(j->dying[i], NULL, WNOHANG) == 0)
            j->dying[left++] = j->dying[i];
    j->n_dying = left;
}

static void close_lane(serve_judge *j, slot *s)
{
    if (s->lane && j->n_dying < MOST_DYING)
        j->n_dying += lane_pool_leave(s->lane, j->dying + j->n_dying, MOST_DYING - j->n_dying);
    else
        lane_pool_close(s->lane);
    *s = (slot){0};
}

/* An idle lane of the spec, else a place without one, else the one that was used longest ago. */
static slot *choose_slot(serve_judge *j, const serve_spec *of)
{
    slot *best = NULL;
    for (int i = 0; i < j->n_slots; i++) {
        slot *s = &j->slot[i];
        if (s->job)
            continue;
        if (s->lane && s->spec == of)
            return s;
        if (!best || (best->lane && (!s->lane || s->used < best->used)))
            best = s;
    }
    return best;
}

static void take_event(serve_judge *j, slot *s, const lane_event *e)
{
    job *k = s->job;
    if (e->kind == LANE_COMPILED) {
        lane_answer(s->lane, 0, true);
        return;
    }
    s->job = NULL;
    s->used = ++j->clock;
    if (e->kind == LANE_JUDGED)
        k->result = result_of(k->spec, e->verdict, ws_seconds_since(s->since_ns));
    else
        fail(j, k, true, false, e->err.msg);
}

static ws_status begin(serve_judge *j, slot *s, job *k, ws_err *err)
{
    lane_options o = {.lanes = 1, .arch = j->o.arch, .gpu = j->o.gpu,
                      .wall_seconds = j->o.wall_seconds, .niceness = NICENESS,
                      .cores = ws_cpu_count() > j->o.jobs ? ws_cpu_count() / j->o.jobs : 1};
    lane_event e;
    if (s->lane && (s->spec != k->spec || s->done >= MOST_PER_LANE))
        close_lane(j, s);
    if (!s->lane && lane_pool_open(k->spec->spec, &o, &s->lane, err))
        return err->status;
    s->spec = k->spec;
    s->job = k;
    s->since_ns = ws_now_ns();
    s->used = ++j->clock;
    s->done++;
    lane_submit(s->lane, &(lane_job){.source = k->text, .full_below = (double)INFINITY,
                                     .assemble_below = (double)INFINITY,
                                     .choices = j->o.choices});
    if (lane_poll(s->lane, 0, &e)) /* gives it to the lane, which may be quick to answer */
        take_event(j, s, &e);
    return WS_OK;
}

static int count_judging(const serve_judge *j)
{
    int n = 0;
    for (int i = 0; i < j->n_slots; i++)
        n += j->slot[i].job != NULL;
    return n;
}

static void dispatch(serve_judge *j)
{
    job *next;
    for (job *k = j->first; k && count_judging(j) < j->o.jobs; k = next) {
        ws_err err = {0};
        next = k->next;
        if (!is_queued(j, k))
            continue;
        slot *s = choose_slot(j, k->spec);
        if (begin(j, s, k, &err))
            fail(j, k, true, false, err.msg);
    }
}

static void watch(serve_judge *j, slot *s)
{
    lane_event e;
    char why[120];
    while (s->job && lane_poll(s->lane, 0, &e))
        take_event(j, s, &e);
    if (!s->job || ws_seconds_since(s->since_ns) <= s->job->seconds)
        return;
    job *k = s->job;
    snprintf(why, sizeof why, "judging it took more than %g s", k->seconds);
    close_lane(j, s);
    fail(j, k, false, true, why);
}

int serve_judge_descriptors(const serve_judge *j, struct pollfd *fd, int max)
{
    int n = 0;
    for (int i = 0; i < j->n_slots; i++)
        if (j->slot[i].job)
            n += lane_descriptors(j->slot[i].lane, fd + n, max - n);
    return n + serve_specs_descriptors(j->specs, fd + n, max - n);
}

void serve_judge_turn(serve_judge *j)
{
    for (int i = 0; i < j->n_slots; i++)
        watch(j, &j->slot[i]);
    reap(j);
    serve_specs_turn(j->specs);
    settle(j);
    dispatch(j);
}

/* ---- all of it ---- */

serve_judge *serve_judge_open(const serve_judge_options *o, serve_specs *specs)
{
    serve_judge *j = ws_calloc(1, sizeof *j);
    j->o = *o;
    j->specs = specs;
    j->n_slots = o->jobs + SPARE_LANES;
    j->slot = ws_calloc((size_t)j->n_slots, sizeof *j->slot);
    j->memory = ws_calloc((size_t)o->remembered + 1, sizeof *j->memory);
    return j;
}

void serve_judge_close(serve_judge *j)
{
    if (!j)
        return;
    for (int i = 0; i < j->n_slots; i++)
        lane_pool_close(j->slot[i].lane);
    for (int i = 0; i < j->n_dying; i++)
        while (waitpid(j->dying[i], NULL, 0) < 0 && errno == EINTR)
            ;
    while (j->first) {
        job *k = j->first;
        j->first = k->next;
        while (k->wait) {
            serve_wait *w = k->wait;
            k->wait = w->next;
            free(w);
        }
        job_free(k);
    }
    for (int i = 0; i < j->n_memory; i++)
        serve_result_drop(j->memory[i]);
    free(j->memory);
    free(j->slot);
    free(j);
}

serve_counts serve_judge_counts(const serve_judge *j)
{
    serve_counts c = j->counts;
    c.queued = count_queued(j);
    c.judging = count_judging(j);
    c.remembered = j->n_memory;
    return c;
}
