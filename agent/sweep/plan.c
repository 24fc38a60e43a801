/* What a sweep consists of: its problems, their names and seeds, and which of them are this
 * shard's. A new sweep stores them before anything else happens; one that goes on reads them. */
#include "agent/sweep/sweep.h"

#include "agent/sweep/flaw.h"
#include "agent/sweep/suite.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/sha256.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Processor time that the linter may take for a spec that is not of the catalogue. */
#define LINT_SECONDS 2.0

/* ---- names and seeds ---- */

/* Hash of texts, each ended by a NUL; NULL counts as "". */
static void hash_of(const char *const *text, int n, char out[WS_SHA256_HEX])
{
    ws_buf all = {0};
    for (int i = 0; i < n; i++)
        ws_buf_add(&all, text[i] ? text[i] : "", (text[i] ? strlen(text[i]) : 0) + 1);
    ws_sha256_of(all.p, all.n, out);
    ws_buf_release(&all);
}

static uint64_t seed_of(const char *const *text, int n)
{
    char hex[WS_SHA256_HEX];
    hash_of(text, n, hex);
    hex[15] = '\0'; /* 60 bits: the loop takes seeds as whole numbers that are not negative */
    uint64_t seed = strtoull(hex, NULL, 16);
    return seed ? seed : 1;
}

static uint64_t problem_seed(uint64_t sweep_seed, const char *name, const sweep_arm *arm)
{
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, sweep_seed);
    return seed_of((const char *[]){number, name, arm->model, arm->strategy}, 4);
}

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

void sweep_run_name(const sweep *w, const db_problem *p, char out[64])
{
    char hex[WS_SHA256_HEX];
    hash_of((const char *[]){w->w.name, p->spec_name, p->model, p->strategy}, 4, hex);
    snprintf(out, 64, "%.40s-%.12s", last_part(p->spec_name), hex);
}

const char *sweep_cassette(sweep *w, const char *dir, const db_problem *p)
{
    char hex[WS_SHA256_HEX];
    hash_of((const char *[]){p->spec_name, p->model, p->strategy}, 3, hex);
    return ws_arena_printf(&w->arena, "%s/%.60s-%.12s.jsonl", dir, last_part(p->spec_name), hex);
}

double sweep_seconds(const sweep *w)
{
    return w->seconds_before + ws_seconds_since(w->start_ns);
}

/* "kernelbench/level1" and the options: the same sweep has the same name on every machine. */
static void name_sweep(sweep *w, const suite *s)
{
    ws_buf slug = {0}, specs = {0};
    char hex[WS_SHA256_HEX], *config = sweep_config(w, false);
    const char *first = w->o->suite[0];
    for (const char *p = first; *p && slug.n < 30; p++) {
        bool plain = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.", *p);
        if (plain || (slug.n && slug.p[slug.n - 1] != '-'))
            ws_buf_addc(&slug, plain ? *p : '-');
    }
    while (slug.n && slug.p[slug.n - 1] == '-')
        slug.p[--slug.n] = '\0';
    for (int i = 0; i < s->n; i++)
        ws_buf_printf(&specs, "%s %s\n", s->spec[i].name, s->spec[i].sha256);
    hash_of((const char *[]){ws_buf_z(&specs), config}, 2, hex);
    free(config);
    if (w->o->name)
        snprintf(w->w.name, sizeof w->w.name, "%s", w->o->name);
    else
        snprintf(w->w.name, sizeof w->w.name, "%s-%.8s", slug.n ? ws_buf_z(&slug) : "sweep", hex);
    ws_buf_release(&slug);
    ws_buf_release(&specs);
}

/* ---- a new sweep ---- */

static ws_status find_flaw(sweep *w, const flaw_table *t, const suite_spec *s, const char **why,
                           ws_err *err)
{
    *why = NULL;
    if (s->error || flaw_known(t, s->sha256, FLAW_STRICT, &w->arena, why))
        return WS_OK;
    ws_log(WS_LOG_INFO, "looking for flaws of '%s'", s->name);
    return flaw_ask(s->given, LINT_SECONDS, FLAW_STRICT, &w->arena, why, err);
}

/* Every spec with every arm; the rows of this shard, every shards-th, keep their positions. */
static ws_status make_rows(sweep *w, const suite *s, ws_err *err)
{
    const sweep_options *o = w->o;
    flaw_table *flaws = NULL;
    int specs = o->most > 0 && o->most < s->n ? (int)o->most : s->n;
    w->w.problems = specs * o->n_arms;
    w->row = ws_calloc((size_t)w->w.problems + 1, sizeof *w->row);
    ws_status st = flaw_open(&flaws, err);
    for (int i = 0; i < w->w.problems && !st; i++) {
        const suite_spec *x = &s->spec[i % specs];
        const sweep_arm *arm = &o->arm[i / specs];
        db_problem *p = &w->row[w->n].p;
        if (i % o->shards != o->shard - 1)
            continue;
        *p = (db_problem){.position = i + 1,
                          .spec = ws_arena_strdup(&w->arena, x->given),
                          .spec_name = ws_arena_strdup(&w->arena, x->name),
                          .spec_sha256 = ws_arena_strdup(&w->arena, x->sha256),
                          .model = arm->model,
                          .strategy = arm->strategy,
                          .seed = problem_seed(w->seed, x->name, arm),
                          .status = "waiting",
                          .exit_code = -1,
                          .seconds = (double)NAN};
        st = find_flaw(w, flaws, x, &p->flaw, err);
        w->n++;
    }
    flaw_close(flaws);
    return st;
}

static const char *suite_words(sweep *w)
{
    ws_buf b = {0};
    for (int i = 0; i < w->o->n_suites; i++)
        ws_buf_printf(&b, "%s%s", i ? " " : "", w->o->suite[i]);
    const char *text = ws_arena_strdup(&w->arena, ws_buf_z(&b));
    ws_buf_release(&b);
    return text;
}

/* Without a model only what has a bundled script can be asked. */
static ws_status check_scripts(const sweep *w, const suite *s, ws_err *err)
{
    char path[4096];
    int scripts = 0;
    for (int i = 0; i < s->n; i++)
        scripts += replay_find_script(s->spec[i].name, path, sizeof path);
    if (scripts || w->o->arm[0].model || w->o->replay || w->o->l.no_model)
        return WS_OK;
    ws_fail(err, WS_EENV, "no model is configured, and none of the %d specs has a bundled script",
            s->n);
    return ws_hint(err, "give --model NAME, --replay DIR, or --rounds 0, which compares "
                        "translations and asks no model");
}

static ws_status exists_already(const sweep *w, const db_sweep *old, ws_err *err)
{
    ws_fail(err, WS_EUSAGE, "sweep '%s' is in archive '%s' already, %s", old->name,
            w->o->l.archive, old->status);
    return ws_hint(err, "--resume %s goes on with it, --name NAME makes another one", old->name);
}

static ws_status store_new(sweep *w, db_archive *db, ws_err *err)
{
    db_problem *list = ws_calloc((size_t)w->n + 1, sizeof *list);
    for (int i = 0; i < w->n; i++)
        list[i] = w->row[i].p;
    ws_status st = db_sweep_begin(db, &w->w, list, w->n, &w->w.id, err);
    free(list);
    free(w->row);
    w->row = NULL;
    return st;
}

static bool is_there(db_archive *db, const char *name, ws_arena *a, db_sweep *out)
{
    ws_err none = {0};
    return !db_sweep_find(db, name, a, out, &none) && strcmp(out->name, name) == 0;
}

static ws_status open_new(sweep *w, ws_err *err)
{
    const sweep_options *o = w->o;
    suite s = {0};
    db_archive *db = NULL;
    db_sweep old;
    if (suite_open(o->suite, o->n_suites, &s, err))
        return err->status;
    name_sweep(w, &s);
    w->seed = o->l.seed ? (uint64_t)o->l.seed : seed_of((const char *[]){w->w.name}, 1);
    w->config = sweep_config(w, true);
    w->w.suite = suite_words(w);
    w->w.config_json = w->config;
    w->w.shard = o->shard;
    w->w.shards = o->shards;
    ws_status st = check_scripts(w, &s, err);
    if (!st)
        st = make_rows(w, &s, err);
    if (!st)
        st = db_open(o->l.archive, false, &db, err);
    if (!st && is_there(db, w->w.name, &w->arena, &old))
        st = o->go_on ? (w->w = old, WS_OK) : exists_already(w, &old, err);
    else if (!st)
        st = store_new(w, db, err);
    db_close(db);
    suite_release(&s);
    return st;
}

ws_status sweep_name(const sweep_options *o, char name[64], int *problems, ws_err *err)
{
    sweep w = {.o = o};
    suite s = {0};
    ws_status st = suite_open(o->suite, o->n_suites, &s, err);
    if (!st) {
        name_sweep(&w, &s);
        snprintf(name, 64, "%s", w.w.name);
        *problems = (o->most > 0 && o->most < s.n ? (int)o->most : s.n) * o->n_arms;
    }
    suite_release(&s);
    ws_arena_release(&w.arena);
    return st;
}

/* ---- a sweep of the archive ---- */

static ws_status open_old(sweep *w, ws_err *err)
{
    db_archive *db = NULL;
    if (db_open(w->o->l.archive, false, &db, err))
        return err->status;
    ws_status st = db_sweep_find(db, w->o->resume, &w->arena, &w->w, err);
    db_close(db);
    return st;
}

static ws_status load_rows(sweep *w, ws_err *err)
{
    db_archive *db = NULL;
    db_problem *list;
    if (db_open(w->o->l.archive, false, &db, err))
        return err->status;
    ws_status st = db_problem_list(db, w->w.id, &w->arena, &list, &w->n, err);
    db_close(db);
    w->row = ws_calloc((size_t)w->n + 1, sizeof *w->row);
    for (int i = 0; i < w->n && !st; i++)
        w->row[i] = (sweep_row){.p = list[i],
                                .speedup = (double)NAN,
                                .before = {.tokens = list[i].tokens,
                                           .requests = list[i].requests,
                                           .usd = list[i].usd}};
    return st;
}

/* ---- */

/* The seed and the time of earlier sessions. */
static ws_status read_state(sweep *w, ws_err *err)
{
    cJSON *j = NULL;
    const char *seed;
    ws_status st = ws_json_parse(w->w.config_json, strlen(w->w.config_json), &j, err);
    if (!st)
        st = ws_json_string(j, "config", "seed", &seed, err);
    if (!st)
        w->seed = strtoull(seed, NULL, 10);
    const cJSON *spent = cJSON_GetObjectItemCaseSensitive(j, "spent_seconds");
    if (cJSON_IsNumber(spent))
        w->seconds_before = spent->valuedouble;
    cJSON_Delete(j);
    return st ? ws_wrap(err, "sweep '%s'", w->w.name) : WS_OK;
}

/* What is to be done in this session, and what is left for it. */
static ws_status fill_pot(sweep *w, ws_err *err)
{
    const sweep_options *o = w->o;
    for (int i = 0; i < w->n; i++) {
        sweep_row *r = &w->row[i];
        bool failed = strcmp(r->p.status, "failed") == 0 || strcmp(r->p.status, "limit") == 0;
        r->seconds_before = isfinite(r->p.seconds) ? r->p.seconds : 0;
        r->mine = strcmp(r->p.status, "waiting") == 0 || strcmp(r->p.status, "running") == 0 ||
                  (failed && o->retry);
        w->pot.unstarted += r->mine;
        w->pot.spent.tokens += r->before.tokens;
        w->pot.spent.requests += r->before.requests;
        w->pot.spent.usd += r->before.usd;
    }
    if (!w->n || lease_part(&o->total, w->n, w->w.problems, &w->pot.limit))
        return WS_OK;
    ws_fail(err, WS_EUSAGE, "the sweep's budget, divided by %d shards, is nothing", w->w.shards);
    return ws_hint(err, "give a larger budget, or fewer shards");
}

ws_status sweep_open(sweep *w, ws_err *err)
{
    if (w->o->resume ? open_old(w, err) : open_new(w, err))
        return err->status;
    if (db_sweep_lock(w->o->l.archive, w->w.id, &w->lock_fd, err))
        return ws_wrap(err, "sweep '%s'", w->w.name);
    return read_state(w, err) || load_rows(w, err) || fill_pot(w, err) ? err->status : WS_OK;
}
