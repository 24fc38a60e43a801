#include "agent/cmd/archive_rejudge.h"

#include "agent/cli.h"
#include "agent/version.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "harness/plan/plan.h"
#include "verifier/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One rejudge. */
typedef struct job {
    db_archive *db;
    const char *path; /* of the archive */
    const rejudge_options *o;
    double share;     /* of the tolerance; 0: all of it */
    bool dry;
    int64_t id;       /* in the archive, 0 when dry */
    comp_service *comp;
    /* of the run at hand */
    ws_arena arena;
    int64_t run_id;
    db_run run;
    spec *spec;
    vfy_session *session;
    char why_not[256]; /* its candidates are not judged; "": they are */
    /* what came of it */
    int judged, fell, rose, skipped;
    cJSON *fallen, *lifted, *left_out, *winners;
} job;

/* ---- runs ---- */

/* Whether another process works on it. */
static bool is_busy(const job *j)
{
    db_archive *other = NULL;
    ws_err ignored = {0};
    if (strcmp(j->run.status, "running") != 0 || db_open(j->path, false, &other, &ignored))
        return false;
    bool busy = db_run_lock(other, j->run.id, &ignored) != WS_OK;
    db_close(other);
    return busy;
}

static void leave_run(job *j)
{
    vfy_session_close(j->session);
    spec_free(j->spec);
    ws_arena_release(&j->arena);
    j->session = NULL;
    j->spec = NULL;
    j->run_id = 0;
    j->why_not[0] = 0;
}

/* A run whose spec this program cannot read is left out, and named. */
static ws_status enter_run(job *j, int64_t run, ws_err *err)
{
    char which[24];
    ws_err why = {0};
    leave_run(j);
    snprintf(which, sizeof which, "%" PRId64, run);
    if (db_run_find(j->db, which, &j->arena, &j->run, err))
        return err->status;
    j->run_id = run;
    if (is_busy(j))
        snprintf(j->why_not, sizeof j->why_not, "another process works on this run");
    else if (spec_from_text(j->run.spec_json, strlen(j->run.spec_json), j->run.spec_name, &j->spec,
                            &why) ||
             vfy_session_open(j->spec, j->comp, &j->session, &why))
        snprintf(j->why_not, sizeof j->why_not, "%.*s", (int)sizeof j->why_not - 1, why.msg);
    return WS_OK;
}

/* ---- one candidate ---- */

/* In the plan's order; NULL for the defaults, and for a plan that is not read any more. */
static ws_status tune_of(job *j, const db_candidate *c, const int64_t **out, ws_err *err)
{
    const spec *of;
    plan *p = NULL;
    hx_diag d = {0};
    *out = NULL;
    if (!c->tune_json || !plan_parse(&j->arena, c->source, strlen(c->source),
                                     vfy_session_names(j->session, &of), &p, &d))
        return WS_OK;
    int64_t *value = WS_ARENA_NEW(&j->arena, int64_t, p->n_tune + 1);
    *out = value;
    return plan_choice_parse(p, c->tune_json, value, err);
}

/* What a machine under load may be to blame for is tried twice. */
static bool hangs_on_the_machine(hx_reason r)
{
    return r == HX_ENDLESS || r == HX_COMPILE_LIMIT || r == HX_CRASH;
}

/* With the seed of its first verdict: what falls falls by the rules, not by luck. */
static ws_status judge(job *j, const db_standing *s, const db_candidate *c, const int64_t *tune,
                       vfy_verdict *v, ws_err *err)
{
    vfy_options o = {.arch = j->run.arch, .gpu = c->gpu ? c->gpu : j->run.gpu, .seed = s->seed,
                     .tune = tune, .depth = VFY_FULL, .max_level = VFY_ALGEBRAIC,
                     .tolerance_share = j->share};
    ws_status st = vfy_verify(j->session, c->source, strlen(c->source), &o, v, err);
    if (!st && hangs_on_the_machine(v->reason) && !cli_interrupted)
        st = vfy_verify(j->session, c->source, strlen(c->source), &o, v, err);
    return st;
}

/* What a GPU showed is not asked for again. */
static bool holds(const db_standing *s, const vfy_verdict *v)
{
    return v->reason == HX_PASS && (s->level > VFY_ALGEBRAIC || (int)v->level >= s->level);
}

static cJSON *entry(const job *j, int64_t candidate)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "candidate", (double)candidate);
    cJSON_AddStringToObject(o, "run", j->run.name);
    return o;
}

static void note_fallen(job *j, const db_standing *s, const vfy_verdict *v)
{
    cJSON *o = entry(j, s->candidate);
    cJSON_AddNumberToObject(o, "was_level", s->level);
    cJSON_AddStringToObject(o, "reason", hx_reason_name(v->reason));
    cJSON_AddNumberToObject(o, "level", v->level);
    cJSON_AddStringToObject(o, "text", v->text);
    cJSON_AddStringToObject(o, "shape", v->shape);
    cJSON_AddStringToObject(o, "inputs", v->inputs);
    cJSON_AddItemToArray(j->fallen, o);
    j->fell++;
    if (j->o->json)
        return;
    printf("#%-5" PRId64 " %s: %s at level %d, was pass at level %d: ", s->candidate, j->run.name,
           hx_reason_name(v->reason), (int)v->level, s->level);
    ws_buf text = {0};
    ws_buf_add_foreign(&text, v->text, "       ");
    if (v->shape[0])
        printf("%s (%s, %s inputs)\n", ws_buf_z(&text), v->shape, v->inputs);
    else
        puts(ws_buf_z(&text));
    ws_buf_release(&text);
    fflush(stdout);
}

/* It fell by an earlier rejudge, for a reason that no longer holds. */
static void note_lifted(job *j, const db_standing *s, const vfy_verdict *v, const char *was)
{
    cJSON *o = entry(j, s->candidate);
    cJSON_AddStringToObject(o, "was_reason", was);
    cJSON_AddNumberToObject(o, "level", s->level);
    cJSON_AddStringToObject(o, "text", v->text);
    cJSON_AddItemToArray(j->lifted, o);
    j->rose++;
    if (j->o->json)
        return;
    printf("#%-5" PRId64 " %s: passes at level %d again, was %s: %s\n", s->candidate, j->run.name,
           s->level, was, v->text);
    fflush(stdout);
}

static void note_left_out(job *j, int64_t candidate, const char *why)
{
    cJSON *o = entry(j, candidate);
    cJSON_AddStringToObject(o, "why", why);
    cJSON_AddItemToArray(j->left_out, o);
    j->skipped++;
    if (!j->o->json)
        printf("#%-5" PRId64 " %s: not judged: %s\n", candidate, j->run.name, why);
}

/* The winner after one fell or was lifted, which the archive chose. */
static ws_status note_winner(job *j, int64_t was, ws_err *err)
{
    ws_arena a = {0};
    db_run now;
    ws_status st = db_run_find(j->db, j->run.name, &a, &now, err);
    if (!st && now.best_candidate != was) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "run", j->run.name);
        cJSON_AddNumberToObject(o, "was", (double)was);
        cJSON_AddNumberToObject(o, "now", (double)now.best_candidate);
        cJSON_AddItemToArray(j->winners, o);
        j->run.best_candidate = now.best_candidate;
        if (!j->o->json && now.best_candidate)
            printf("       the winner of %s is #%" PRId64 " now\n", j->run.name,
                   now.best_candidate);
        else if (!j->o->json)
            printf("       %s has no winner now\n", j->run.name);
    }
    ws_arena_release(&a);
    return st;
}

static ws_status one(job *j, const db_standing *s, ws_err *err)
{
    if (s->run != j->run_id && enter_run(j, s->run, err))
        return err->status;
    if (j->why_not[0]) {
        note_left_out(j, s->candidate, j->why_not);
        return WS_OK;
    }
    db_candidate c;
    const int64_t *tune;
    ws_err why = {0};
    if (db_candidate_get(j->db, s->candidate, &j->arena, &c, err))
        return err->status;
    if (tune_of(j, &c, &tune, &why)) {
        note_left_out(j, s->candidate, why.msg);
        return WS_OK;
    }
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    ws_status st = judge(j, s, &c, tune, v, err);
    const bool stands = !st && holds(s, v), lifts = stands && s->fell;
    if (!st && !stands && cli_interrupted) { /* Ctrl-C ends the children that run it, too */
        free(v);
        return WS_OK;
    }
    if (!st && !stands && !s->fell)
        note_fallen(j, s, v);
    if (lifts)
        note_lifted(j, s, v, c.reason);
    if (!st && !j->dry)
        st = db_rejudge_add(j->db, j->id, s->candidate, v, stands, lifts ? s->level : 0, err);
    if (!st && !j->dry && (!stands || lifts))
        st = note_winner(j, j->run.best_candidate, err);
    j->judged += !st;
    free(v);
    return st;
}

/* ---- all ---- */

static ws_status read_stricter(job *j, ws_err *err)
{
    const char *z = j->o->stricter;
    char *end = NULL;
    if (!z)
        return WS_OK;
    if (strncmp(z, "tolerance=", 10) == 0)
        j->share = strtod(z + 10, &end);
    if (!end || end == z + 10 || *end || !(j->share > 0 && j->share <= 1))
        return ws_fail(err, WS_EUSAGE,
                       "--stricter '%s': expected tolerance=SHARE with 0 < SHARE <= 1", z);
    return WS_OK;
}

/* What an interrupted rejudge must have in common with this one to go on: rules, runs, program. */
static ws_status options_json(const job *j, int64_t run, ws_buf *out, ws_err *err)
{
    ws_buf self = {.max = 1 << 30};
    char sha[WS_SHA256_HEX];
    if (ws_read_file("/proc/self/exe", 1 << 30, &self, err))
        return err->status;
    ws_sha256_of(self.p, self.n, sha);
    ws_buf_release(&self);
    ws_buf_printf(out, "{\"run\":%" PRId64 ",\"tolerance\":%.17g,\"program\":\"%s\"}", run,
                  j->share > 0 ? j->share : 1.0, sha);
    return WS_OK;
}

static ws_status begin(job *j, int64_t run, ws_err *err)
{
    ws_buf options = {0};
    ws_status st = j->dry ? WS_OK : options_json(j, run, &options, err);
    if (!st && !j->dry)
        st = db_rejudge_begin(j->db, WARPSMITH_VERSION, ws_buf_z(&options), &j->id, err);
    ws_buf_release(&options);
    return st;
}

static void report(const job *j, int n)
{
    if (!j->o->json) {
        printf("%d judged, %d fell", j->judged, j->fell);
        if (j->rose)
            printf(", %d passed again", j->rose);
        if (j->dry)
            printf(" (nothing was changed)");
        if (j->skipped)
            printf(", %d not judged", j->skipped);
        if (j->judged + j->skipped < n)
            printf(", %d left", n - j->judged - j->skipped);
        putchar('\n');
        return;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddBoolToObject(o, "changed", !j->dry && (j->fell || j->rose));
    cJSON_AddNumberToObject(o, "judged", j->judged);
    cJSON_AddNumberToObject(o, "left", n - j->judged - j->skipped);
    cJSON_AddItemToObject(o, "fell", cJSON_Duplicate(j->fallen, true));
    cJSON_AddItemToObject(o, "passed_again", cJSON_Duplicate(j->lifted, true));
    cJSON_AddItemToObject(o, "not_judged", cJSON_Duplicate(j->left_out, true));
    cJSON_AddItemToObject(o, "winners", cJSON_Duplicate(j->winners, true));
    cli_print_json(o);
}

ws_status archive_rejudge(db_archive *db, const char *path, const rejudge_options *o, int *fell,
                          ws_err *err)
{
    job j = {.db = db, .path = path, .o = o, .dry = o->dry_run || (o->stricter && !o->apply)};
    ws_arena a = {0};
    db_run chosen = {0};
    db_standing *list = NULL;
    int n = 0;
    j.fallen = cJSON_CreateArray();
    j.lifted = cJSON_CreateArray();
    j.left_out = cJSON_CreateArray();
    j.winners = cJSON_CreateArray();
    ws_status st = read_stricter(&j, err);
    if (!st && o->run)
        st = db_run_find(db, o->run, &a, &chosen, err);
    if (!st)
        st = begin(&j, chosen.id, err);
    if (!st)
        st = db_standing_list(db, chosen.id, j.id, &a, &list, &n, err);
    if (!st)
        st = comp_service_open(&(comp_service_options){0}, &j.comp, err);
    for (int i = 0; !st && i < n && !cli_interrupted; i++)
        st = one(&j, &list[i], err);
    leave_run(&j);
    if (!st && !cli_interrupted && !j.dry && !j.skipped)
        st = db_rejudge_end(db, j.id, err);
    if (!st)
        report(&j, n);
    if (!st && cli_interrupted) {
        st = ws_fail(err, WS_EINTR, "interrupted after %d of %d candidates", j.judged, n);
        if (!j.dry)
            (void)!ws_hint(err, "the same command goes on with the others");
    }
    *fell = j.fell;
    comp_service_close(j.comp);
    cJSON_Delete(j.fallen);
    cJSON_Delete(j.lifted);
    cJSON_Delete(j.left_out);
    cJSON_Delete(j.winners);
    ws_arena_release(&a);
    return st;
}
