/* The work: starts problems while there is room and money, hears what their runs say, and stores
 * how they end. */
#include "agent/sweep/sweep.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/pool.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After its own limit on time a run has so long to end by itself. */
#define GRACE_SECONDS 30.0
/* A run of a process that was just killed is locked until its last process is gone. */
#define LOCK_SECONDS 20.0

/* ---- in the child ---- */

typedef struct work {
    sweep *w;
    sweep_row *r;
} work;

static ws_status check_spec(const db_problem *p, ws_err *err)
{
    spec *s = NULL;
    ws_status st = spec_find(p->spec, &s, err);
    if (!st && *p->spec_sha256 && strcmp(s->sha256, p->spec_sha256) != 0)
        st = ws_fail(err, WS_EINPUT, "spec '%s' is not what it was when the sweep began", p->spec);
    spec_free(s);
    return st;
}

/* Whose replies: a recording's, the models', the bundled script's, or nobody's. */
static ws_status find_models(sweep *w, const db_problem *p, loop_options *l, ws_err *err)
{
    const sweep_options *o = w->o;
    model_wish wish = o->wish;
    wish.models = p->model;
    if (l->no_model)
        return WS_OK;
    if (o->replay) {
        l->replay = sweep_cassette(w, o->replay, p);
        if (!ws_file_exists(l->replay))
            return ws_fail(err, WS_EINPUT, "there is no recording '%s'", l->replay);
        return run_options_replay(o->given, w->access, l, err);
    }
    return p->model ? model_access_resolve(w->access, &wish, l, err)
                    : model_access_script(w->access, p->spec_name, l, err);
}

/* A run that a killed process held stays locked until its judges are gone, too. */
static ws_status run_loop(const loop_options *l, int *exit_code, ws_err *err)
{
    int64_t start = ws_now_ns();
    ws_status st;
    while ((st = loop_run(l, exit_code, err)) == WS_EENV && l->resume && !cli_interrupted &&
           strstr(err->msg, "another process works on this run") &&
           ws_seconds_since(start) < LOCK_SECONDS) {
        ws_sleep_ms(100);
        *err = (ws_err){0};
    }
    return st;
}

static ws_status problem_main(void *ud, int *exit_code, ws_err *err)
{
    const work *k = ud;
    sweep *w = k->w;
    const db_problem *p = &k->r->p;
    const sweep_options *o = w->o;
    char name[64];
    loop_options l = o->l;
    int cores = ws_cpu_count() / w->jobs;
    sweep_run_name(w, p, name);
    l.spec = p->spec;
    l.budget = k->r->lease.limit;
    l.seed = (int64_t)p->seed;
    l.strategy = p->strategy;
    l.models = p->model;
    l.base_url = o->wish.base_url;
    l.run_name = name;
    l.resume = k->r->resumed ? name : NULL;
    l.record = o->record ? sweep_cassette(w, o->record, p) : NULL;
    l.no_memory = !o->memory;
    l.json = l.fused = true;
    l.cores = cores > 0 ? cores : 1;
    ws_log_set_level(WS_LOG_ERROR);
    if (check_spec(p, err) || find_models(w, p, &l, err))
        return err->status;
    return run_loop(&l, exit_code, err);
}

/* ---- the archive ---- */

/* The archive is open only while nothing is started: see child_start. */
static ws_status with_archive(const sweep *w, db_archive **out, ws_err *err)
{
    return db_open(w->o->l.archive, false, out, err);
}

/* The run that the problem's name leads to, if there is one. */
static void find_run(sweep *w, sweep_row *r, db_archive *db, db_run *run)
{
    char name[64];
    ws_err none = {0};
    *run = (db_run){0};
    sweep_run_name(w, &r->p, name);
    if (!db_run_find(db, name, &w->arena, run, &none) && strcmp(run->name, name) == 0)
        r->p.run = run->id;
    else
        *run = (db_run){0};
}

static void stamp(sweep *w, const char **out)
{
    char now[WS_UTC_SIZE];
    ws_utc_now(now);
    *out = ws_arena_strdup(&w->arena, now);
}

/* How long the sweep took so far is kept with every problem that ends. */
static ws_status store(sweep *w, sweep_row *r, db_archive *db, ws_err *err)
{
    free(w->config);
    w->config = sweep_config(w, true);
    ws_status st = db_problem_update(db, &r->p, err);
    return st ? st : db_sweep_reopen(db, w->w.id, w->config, err);
}

/* ---- beginning ---- */

static void show_over(sweep *w, sweep_row *r)
{
    r->mine = false;
    sweep_show_row(w, r);
}

/* A process was killed between the end of the run and the end of the problem. */
static bool was_over(const db_run *run)
{
    return run->id && strcmp(run->status, "done") == 0;
}

static ws_status finish_at_once(sweep *w, sweep_row *r, const char *status, const char *why,
                                db_archive *db, ws_err *err)
{
    r->p.status = status;
    r->p.error = why ? ws_arena_strdup(&w->arena, why) : NULL;
    stamp(w, &r->p.ended);
    ws_status st = store(w, r, db, err);
    show_over(w, r);
    return st;
}

/* Asks for money and starts the process; a problem without money is over at once. */
static ws_status start(sweep *w, sweep_row *r, ws_err *err)
{
    char why[256] = "";
    db_archive *db = NULL;
    db_run run;
    work k = {w, r};
    bool money = lease_take(&w->pot, &w->o->l.budget, &r->before, &r->lease, why, sizeof why);
    if (with_archive(w, &db, err))
        return err->status;
    find_run(w, r, db, &run);
    r->resumed = run.id != 0;
    ws_status st;
    if (was_over(&run)) {
        if (money)
            lease_settle(&w->pot, &r->lease, &r->before, &r->before);
        st = finish_at_once(w, r, "done", NULL, db, err);
        db_close(db);
        return st;
    }
    if (!money && !w->running) { /* what is at work may leave something over */
        w->pot.unstarted -= w->pot.unstarted > 0;
        st = finish_at_once(w, r, "limit", why, db, err);
        w->status = "limit";
        w->stop = w->stop ? w->stop : ws_arena_strdup(&w->arena, why);
    } else if (money) {
        r->p.status = "running";
        r->p.error = NULL;
        r->p.ended = NULL;
        if (!r->p.started)
            stamp(w, &r->p.started);
        st = store(w, r, db, err);
    } else {
        st = WS_OK;
    }
    db_close(db);
    if (st || !money)
        return st;
    r->total = (budget_amount){0};
    r->told = false;
    r->start_ns = ws_now_ns();
    snprintf(r->doing, sizeof r->doing, "judging");
    if ((st = child_start(problem_main, &k, &r->child, err)))
        return st;
    w->running++;
    return WS_OK;
}

/* ---- hearing ---- */

static int64_t whole(const cJSON *o, const char *key)
{
    int64_t n;
    return ws_json_whole(cJSON_GetObjectItemCaseSensitive(o, key), &n) ? n : 0;
}

static const char *word(const cJSON *o, const char *key)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return z ? z : "";
}

static void hear_candidate(sweep_row *r, const cJSON *o)
{
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(o, "speedup_over_generation_0");
    const char *origin = word(o, "origin");
    bool right = strcmp(word(o, "reason"), "pass") == 0;
    bool tuned = strcmp(origin, "tuned") == 0, emitted = strcmp(origin, "emitted") == 0;
    r->attempts += !tuned && !emitted;
    r->right += right && !tuned && !emitted;
    if (right && !emitted && cJSON_IsNumber(x) && !(r->speedup >= x->valuedouble))
        r->speedup = x->valuedouble;
}

/* What it took, from the last event of its run: requests that were lost are counted at their most.
 */
static void hear_end(sweep_row *r, const cJSON *o)
{
    const cJSON *charged = cJSON_GetObjectItemCaseSensitive(o, "charged");
    const cJSON *usd = cJSON_GetObjectItemCaseSensitive(charged, "usd");
    r->told = true;
    r->total = (budget_amount){.requests = whole(charged, "requests"),
                               .tokens = whole(charged, "tokens"),
                               .usd = cJSON_IsNumber(usd) ? usd->valuedouble : 0};
    snprintf(r->why, sizeof r->why, "%s", word(o, "stop_reason"));
}

static void hear(sweep *w, sweep_row *r, const char *line)
{
    cJSON *o = cJSON_Parse(line);
    const char *event = word(o, "event");
    if (strcmp(event, "candidate") == 0)
        hear_candidate(r, o);
    else if (strcmp(event, "asked") == 0)
        snprintf(r->doing, sizeof r->doing, "asking");
    else if (strcmp(event, "answered") == 0)
        snprintf(r->doing, sizeof r->doing, "judging");
    else if (strcmp(event, "end") == 0)
        hear_end(r, o);
    cJSON_Delete(o);
    sweep_show_line(w, r, line);
}

/* ---- ending ---- */

/* Status and error of the row, from how its process ended. */
static void conclude(sweep *w, sweep_row *r, const child_end *e)
{
    const char *why = NULL;
    r->p.exit_code = e->exit_code;
    if (e->late && cli_interrupted) {
        r->p.status = "running";
    } else if (e->late) {
        r->p.status = "limit";
        why = ws_arena_printf(&w->arena, "not over %.0f s after its limit of %.0f s",
                              GRACE_SECONDS, w->o->l.budget.seconds);
    } else if (e->err.status) {
        r->p.status = e->err.status == WS_ELIMIT ? "limit" : "failed";
        why = e->err.msg;
    } else if (e->exit_code == 130) {
        r->p.status = "running"; /* goes on with the sweep */
    } else if (e->exit_code == ws_status_exit_code(WS_ELIMIT)) {
        r->p.status = "limit";
        why = r->why;
    } else {
        r->p.status = "done";
    }
    r->p.error = why ? ws_arena_strdup(&w->arena, why) : NULL;
}

/* A run that was killed for its time has no end of its own. */
static ws_status end_run(sweep_row *r, const db_run *run, db_archive *db, ws_err *err)
{
    bool open = run->id && strcmp(run->status, "running") == 0 &&
                strcmp(r->p.status, "running") != 0;
    return open ? db_run_end(db, run->id, strcmp(r->p.status, "limit") ? "failed" : "limit",
                             r->p.error, run->best_candidate, err)
                : WS_OK;
}

/* Of a process that told no end: where there is a limit, all that it was allowed; else what the
 * archive has of it. */
static void guess_total(const sweep *w, sweep_row *r, const db_run *run, db_archive *db)
{
    db_totals t = {0};
    ws_err none = {0};
    const budget_amount *limit = &w->pot.limit.most, *most = &r->lease.limit.most;
    r->total = r->before;
    if (!run->id || db_run_totals(db, run->id, &t, &none)) /* it never began */
        return;
    r->total = (budget_amount){
        .requests = limit->requests ? most->requests : t.attempts,
        .tokens = limit->tokens ? most->tokens : t.prompt_tokens + t.completion_tokens,
        .usd = limit->usd > 0 ? most->usd : t.cost_usd};
}

static void charge(sweep *w, sweep_row *r, const db_run *run, db_archive *db)
{
    if (!r->told)
        guess_total(w, r, run, db);
    lease_settle(&w->pot, &r->lease, &r->before, &r->total);
    r->before = r->total;
    r->p.tokens = r->total.tokens;
    r->p.requests = r->total.requests;
    r->p.usd = r->total.usd;
}

static ws_status finish(sweep *w, sweep_row *r, ws_err *err)
{
    child_end e;
    db_archive *db = NULL;
    db_run run;
    child_finish(r->child, &e);
    r->child = NULL;
    w->running--;
    conclude(w, r, &e);
    r->p.seconds = r->seconds_before + ws_seconds_since(r->start_ns);
    bool over = strcmp(r->p.status, "running") != 0;
    if (over)
        stamp(w, &r->p.ended);
    if (with_archive(w, &db, err))
        return err->status;
    find_run(w, r, db, &run);
    ws_status st = end_run(r, &run, db, err);
    charge(w, r, &run, db);
    if (!st)
        st = store(w, r, db, err);
    db_close(db);
    if (over)
        show_over(w, r);
    return st;
}

/* ---- the loop ---- */

static void check_time(sweep *w)
{
    double each = w->o->l.budget.seconds;
    for (int i = 0; i < w->n && each > 0; i++) {
        sweep_row *r = &w->row[i];
        if (r->child && ws_seconds_since(r->start_ns) > each + GRACE_SECONDS)
            child_kill(r->child);
    }
    w->pot.seconds = sweep_seconds(w);
    if (w->stop || !(w->pot.limit.seconds > 0) || w->pot.seconds < w->pot.limit.seconds)
        return;
    w->stop = ws_arena_printf(&w->arena, "the sweep's %.0f seconds are spent",
                              w->pot.limit.seconds);
    w->status = "limit";
    for (int i = 0; i < w->n; i++)
        if (w->row[i].child)
            child_interrupt(w->row[i].child); /* goes on when there is more time */
}

static void check_interrupt(sweep *w)
{
    if (!cli_interrupted || (w->stop && strcmp(w->status, "interrupted") == 0))
        return;
    w->stop = "interrupted";
    w->status = "interrupted";
    for (int i = 0; i < w->n; i++)
        if (w->row[i].child)
            child_interrupt(w->row[i].child);
}

/* Those that were at work when the sweep broke off go first. */
static sweep_row *next_row(sweep *w)
{
    sweep_row *first = NULL;
    for (int i = 0; i < w->n; i++) {
        sweep_row *r = &w->row[i];
        if (!r->mine || r->child)
            continue;
        if (strcmp(r->p.status, "running") == 0)
            return r;
        first = first ? first : r;
    }
    return first;
}

static ws_status start_more(sweep *w, ws_err *err)
{
    sweep_row *r;
    while (w->running < w->jobs && !w->stop && (r = next_row(w))) {
        if (start(w, r, err))
            return err->status;
        if (r->mine && !r->child) /* no money until something ends */
            break;
    }
    return WS_OK;
}

static ws_status hear_all(sweep *w, bool *heard, ws_err *err)
{
    *heard = false;
    for (int i = 0; i < w->n; i++) {
        sweep_row *r = &w->row[i];
        bool over = false;
        char *line;
        while (r->child && (line = child_line(r->child, &over))) {
            *heard = true;
            hear(w, r, line);
        }
        if (r->child && over) {
            *heard = true;
            if (finish(w, r, err))
                return err->status;
        }
    }
    return WS_OK;
}

static void wait_a_little(const sweep *w)
{
    enum { WAIT_MS = 100 };
    struct pollfd fd[SWEEP_MAX_JOBS];
    nfds_t n = 0;
    for (int i = 0; i < w->n && n < SWEEP_MAX_JOBS; i++)
        if (w->row[i].child)
            fd[n++] = (struct pollfd){.fd = child_fd(w->row[i].child), .events = POLLIN};
    poll(fd, n, WAIT_MS);
}

/* The archive cannot be written: what is at work ends, and can go on another time. */
static void give_up(sweep *w)
{
    for (int i = 0; i < w->n; i++)
        if (w->row[i].child) {
            child_end e;
            child_kill(w->row[i].child);
            child_finish(w->row[i].child, &e);
            w->row[i].child = NULL;
        }
    w->running = 0;
}

ws_status sweep_work(sweep *w, ws_err *err)
{
    bool heard;
    for (;;) {
        check_interrupt(w);
        check_time(w);
        if (start_more(w, err) || hear_all(w, &heard, err)) {
            give_up(w);
            return err->status;
        }
        if (!w->running && (w->stop || !next_row(w)))
            return WS_OK;
        sweep_show_now(w);
        if (!heard)
            wait_a_little(w);
    }
}
