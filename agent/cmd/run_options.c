#include "agent/cmd/run_options.h"

#include "agent/llm/cassette.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "2x" is a speed-up, "80%" a part of the roofline. */
static ws_status read_target(const char *text, loop_options *l, ws_err *err)
{
    char *end;
    if (!text)
        return WS_OK;
    double v = strtod(text, &end);
    bool part = strcmp(end, "%") == 0;
    if (end == text || !(v > 0) || !isfinite(v) || (!part && strcmp(end, "x") != 0))
        return ws_fail(err, WS_EUSAGE, "--target: '%s' is neither a speed-up such as 2x nor a part "
                       "of the roofline such as 80%%", text);
    *(part ? &l->target_roofline : &l->target_speedup) = part ? v / 100 : v;
    return WS_OK;
}

ws_status run_options_check(const run_options *o, loop_options *l, ws_err *err)
{
    if (!(l->limits.idle_s > 0 && l->limits.total_s > 0 && l->limits.max_wait_s > 0))
        return ws_fail(err, WS_EUSAGE,
                       "--idle-timeout, --timeout and --max-wait must be more than 0");
    if (!(l->budget.most.usd >= 0 && l->value_usd_per_gpu_hour >= 0 && l->replay_speed >= 0 &&
          l->expected_calls >= 0))
        return ws_fail(err, WS_EUSAGE, "--max-cost, --value, --expected-calls and --replay-speed "
                       "cannot be negative");
    if (l->record && l->replay)
        return ws_fail(err, WS_EUSAGE, "--record and --replay exclude each other");
    l->strategy_options.repairs = (int)o->repairs;
    l->strategy_options.patience = (int)o->patience;
    l->strategy_options.stagnation = (int)o->stagnation;
    l->strategy_options.barren = (int)o->barren;
    l->strategy_options.islands = (int)o->islands;
    l->strategy_options.migrate_every = (int)o->migrate;
    l->strategy_options.keep = (int)o->inspirations;
    l->limits.max_attempts = (int)o->attempts;
    l->json = o->common.json;
    if (read_target(o->target, l, err))
        return err->status;
    return cli_check_gpu(l->gpu, err);
}

/* ---- a run of the archive, a recording ---- */

void run_options_keep(const run_options *o, const loop_options *old, loop_options *l)
{
#define KEEP(name, field)                                                                          \
    if (!o->given.name)                                                                            \
        l->field = old->field;
    KEPT_OPTIONS(KEEP)
#undef KEEP
}

static ws_status same_device(const run_options *o, const db_run *r, ws_err *err)
{
    if (o->gpu && strcmp(o->l.gpu, r->gpu) != 0)
        return ws_fail(err, WS_EUSAGE, "run '%s' is for --gpu %s, not %s", r->name, r->gpu,
                       o->l.gpu);
    if (o->arch && strcmp(o->l.arch, r->arch) != 0)
        return ws_fail(err, WS_EUSAGE, "run '%s' is for --arch %s, not %s", r->name, r->arch,
                       o->l.arch);
    return WS_OK;
}

ws_status run_options_resume(const run_options *o, db_run *run, ws_arena *a, loop_options *l,
                             ws_err *err)
{
    loop_options old = *l;
    db_archive *db = NULL;
    ws_status st = db_open(l->archive, true, &db, err);
    if (!st)
        st = db_run_find(db, l->resume, a, run, err);
    db_close(db);
    if (st || (st = loop_options_of_run(run, a, &old, err)) || (st = same_device(o, run, err)))
        return st;
    run_options_keep(o, &old, l);
    if (!l->record && !l->replay)
        l->record = old.record;
    l->gpu = run->gpu;
    l->arch = run->arch;
    l->strategy = run->strategy; /* a run keeps its strategy */
    return WS_OK;
}

static const char *text_of(const cJSON *o, const char *key, ws_arena *a)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsString(v) && *v->valuestring ? ws_arena_strdup(a, v->valuestring) : NULL;
}

ws_status run_options_replay(const run_options *o, model_access *m, loop_options *l, ws_err *err)
{
    ws_arena *a = &m->arena;
    loop_options old = *l;
    cassette *c = NULL;
    ws_err late = {0};
    const char *seed;
    if (cassette_replay_open(l->replay, &(cassette_options){0}, &c, err))
        return err->status;
    const cJSON *run = cassette_run(c);
    loop_options_of_json(run, a, &old);
    if ((seed = text_of(run, "seed", a)))
        old.seed = (int64_t)strtoull(seed, NULL, 10);
    if (!l->spec)
        l->spec = text_of(run, "spec", a);
    if (!o->gpu && text_of(run, "gpu", a))
        l->gpu = text_of(run, "gpu", a);
    if (!o->arch && text_of(run, "arch", a))
        l->arch = text_of(run, "arch", a);
    run_options_keep(o, &old, l);
    l->lessons = text_of(run, "lessons", a);
    l->related = text_of(run, "related", a);
    if (!l->lessons && !l->related) /* it had none */
        l->lessons = l->related = "";
    ws_status st = model_access_recorded(m, run, l, err);
    if (cassette_close(c, &late) && !st) {
        *err = late;
        st = late.status;
    }
    return st;
}
