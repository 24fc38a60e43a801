#include "results/dataset_parts.h"

#include "base/sha256.h"
#include "results/db.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const left_out_texts[] = {
#define X(id, text) text,
    DATA_LEFT_OUT(X)
#undef X
};

const char *data_left_out_text(data_left_out why)
{
    return left_out_texts[why];
}

/* Hashes that were seen, in the order of their values. */
typedef struct seen {
    char (*hash)[65];
    int n, cap;
} seen;

typedef struct maker {
    db_archive *db;
    const data_options *o;
    data_scrub *scrub;
    data_sink sink;
    void *ud;
    data_result *r;
    seen rows;
    /* of the run at hand */
    ws_arena arena;
    db_run run;
    const data_spec *spec;
    db_call *call;
    int n_calls;
    db_candidate *candidate;
    int n_candidates;
    double first_s[2]; /* of generation 0: modelled, measured */
    data_reply *reply; /* usable ones, in order */
    int n_replies, cap_replies;
} maker;

/* false: it was there. */
static bool see(seen *s, const char hash[65])
{
    int lo = 0, hi = s->n;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        int order = strcmp(s->hash[mid], hash);
        if (!order)
            return false;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    WS_GROW(s->hash, s->n, s->cap);
    memmove(s->hash + lo + 1, s->hash + lo, (size_t)(s->n - lo) * sizeof *s->hash);
    memcpy(s->hash[lo], hash, 65);
    s->n++;
    return true;
}

static void leave_out(maker *m, data_left_out why)
{
    m->r->left_out[why]++;
}

/* ---- texts ---- */

/* In the run's arena; NULL: it cannot be examined. */
static const char *scrubbed(maker *m, const char *text, int *count)
{
    ws_buf out = {0};
    char *valid = ws_utf8_valid(text);
    int n = data_scrub_text(m->scrub, valid, &out);
    const char *copy = n < 0 ? NULL : ws_arena_strdup(&m->arena, ws_buf_z(&out));
    free(valid);
    ws_buf_release(&out);
    *count = n;
    return copy;
}

/* The prompt of a call, scrubbed; false: it has none, or it cannot be examined. */
static bool read_prompt(maker *m, const db_call *call, data_reply *r)
{
    cJSON *list = data_messages(call->prompt_json ? call->prompt_json : ""), *item;
    ws_buf text = {0};
    bool fine = list != NULL;
    cJSON_ArrayForEach(item, list)
    {
        int n;
        cJSON *content = cJSON_GetObjectItemCaseSensitive(item, "content");
        const char *clean = scrubbed(m, content->valuestring, &n);
        if (!clean) {
            fine = false;
            break;
        }
        m->r->scrubbed += n;
        cJSON_SetValuestring(content, clean);
    }
    if (!fine) {
        cJSON_Delete(list);
        return false;
    }
    ws_json_print(list, false, &text);
    ws_sha256_of(text.p, text.n, r->prompt_sha256);
    ws_buf_release(&text);
    r->prompt = list;
    return true;
}

/* The prompt shows lessons and kernels of related specs: those that are held out stay unseen. */
static bool tells_of_held_out(const maker *m, const data_reply *r)
{
    const cJSON *item;
    if (r->spec->held_out)
        return false;
    for (int i = 0; i < m->r->n_specs; i++)
        if (m->r->spec[i].held_out)
            cJSON_ArrayForEach(item, r->prompt)
            {
                const char *text =
                    cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "content"));
                if (text && strstr(text, m->r->spec[i].name))
                    return true;
            }
    return false;
}

/* ---- replies ---- */

static bool asked_for_kernel(const db_call *call)
{
    cJSON *step = call->step_json ? cJSON_Parse(call->step_json) : NULL;
    const char *reply = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(step, "reply"));
    bool kernel = !reply || strcmp(reply, "kernel") == 0;
    cJSON_Delete(step);
    return kernel;
}

static bool has_purpose(const maker *m, const db_call *call)
{
    bool named = !m->o->n_purposes;
    for (int i = 0; i < m->o->n_purposes; i++)
        named |= call->purpose && strcmp(call->purpose, m->o->purpose[i]) == 0;
    return named;
}

static const db_call *call_of(const maker *m, int64_t id)
{
    for (int i = 0; i < m->n_calls; i++)
        if (m->call[i].id == id)
            return &m->call[i];
    return NULL;
}

/* Both times of one kind, measured where they can be had. */
static void take_times(const maker *m, data_reply *r, vfy_reward_facts *f)
{
    const db_candidate *c = r->candidate;
    f->measured = isfinite(c->measured_s) && isfinite(m->first_s[1]);
    f->seconds = r->seconds = f->measured ? c->measured_s : c->modelled_s;
    f->baseline_s = m->first_s[f->measured];
}

static ws_status judge_reply(maker *m, data_reply *r, ws_err *err)
{
    const char *json;
    if (db_verdict_latest(m->db, r->candidate->id, &m->arena, &json, err) ||
        db_verdict_seed(m->db, r->candidate->id, &r->seed, err))
        return err->status;
    cJSON *v = cJSON_Parse(json);
    const cJSON *e = cJSON_GetObjectItemCaseSensitive(v, "evidence");
    const char *depth = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(e, "depth"));
    const char *compiler = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(e, "compiler"));
    r->compiler = compiler ? ws_arena_strdup(&m->arena, compiler) : "";
    cJSON *at_least = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(v, "modelled"), "at_least");
    r->depth = depth && strcmp(depth, "full") == 0 ? "full" : "quick";
    vfy_reward_facts f = {.reason = vfy_reason_of(r->candidate->reason),
                          .level = (vfy_level)r->candidate->level,
                          .depth = *r->depth == 'f' ? VFY_FULL : VFY_QUICK,
                          .flawed = r->spec->flaw != NULL};
    take_times(m, r, &f);
    if (cJSON_IsTrue(at_least) && !f.measured) /* of no kernel that was not assembled */
        f.seconds = (double)NAN;
    vfy_reward_of(&f, m->o->scheme, &r->reward);
    cJSON_Delete(v);
    return WS_OK;
}

/* Why a call is no prompt to train on; DATA_OUT_COUNT: it is one. */
static data_left_out unusable(const maker *m, const db_call *call)
{
    if (!call)
        return DATA_OUT_NO_CALL;
    if (!asked_for_kernel(call))
        return DATA_OUT_NOT_KERNEL;
    if (!has_purpose(m, call))
        return DATA_OUT_PURPOSE;
    return m->spec->flaw ? DATA_OUT_FLAWED : DATA_OUT_COUNT;
}

/* Prompt and places; false: it was left out. */
static bool begin_reply(maker *m, const db_call *call, data_reply *r)
{
    data_left_out why = unusable(m, call);
    *r = (data_reply){.run = &m->run, .spec = m->spec, .call = call, .depth = "",
                      .arch = m->run.arch, .seconds = (double)NAN,
                      .reward = {.speedup = (double)NAN}};
    if (why != DATA_OUT_COUNT) {
        leave_out(m, why);
        return false;
    }
    if (!read_prompt(m, call, r)) {
        leave_out(m, DATA_OUT_SCRUB);
        return false;
    }
    if (tells_of_held_out(m, r)) {
        leave_out(m, DATA_OUT_TELLS);
        cJSON_Delete(r->prompt);
        return false;
    }
    return true;
}

static bool was_cut(const db_call *call, const db_candidate *c)
{
    return !call->content || !*call->content || !call->outcome ||
           strcmp(call->outcome, "ok") != 0 ||
           strcmp(c->reason, hx_reason_name(HX_TRUNCATED)) == 0;
}

static ws_status add_reply(maker *m, const db_candidate *c, ws_err *err)
{
    data_reply r;
    const db_call *call = call_of(m, c->call);
    if (strcmp(c->origin, "tuned") == 0)
        call = NULL;
    if (!begin_reply(m, call, &r))
        return WS_OK;
    r.candidate = c;
    r.text = was_cut(call, c) ? NULL : scrubbed(m, call->content, &r.scrubbed);
    if (!r.text) {
        leave_out(m, was_cut(call, c) ? DATA_OUT_NO_REPLY : DATA_OUT_SCRUB);
        cJSON_Delete(r.prompt);
        return WS_OK;
    }
    m->r->scrubbed += r.scrubbed;
    WS_GROW(m->reply, m->n_replies, m->cap_replies);
    m->reply[m->n_replies++] = r;
    return judge_reply(m, &m->reply[m->n_replies - 1], err);
}

/* ---- rows ---- */

static ws_status put_row(maker *m, const data_reply *a, const data_reply *b, ws_err *err)
{
    const bool held_out = a->spec->held_out;
    cJSON *row = data_row(m->o, a, b, m->r->rows[held_out]);
    ws_buf line = {0};
    ws_json_print(row, false, &line);
    cJSON_Delete(row);
    ws_buf_addc(&line, '\n');
    ws_status st = line.overflow ? ws_fail(err, WS_ELIMIT, "a row of run '%s' has more than 64 MiB",
                                           m->run.name)
                                 : m->sink(m->ud, held_out, line.p, line.n, err);
    ws_buf_release(&line);
    m->r->rows[held_out]++;
    data_spec_find(m->r, a->spec->sha256)->rows++;
    return st;
}

static bool is_right(const data_reply *r)
{
    return r->reward.known && r->reward.part[VFY_REWARD_CORRECT] > 0;
}

static bool is_wrong(const data_reply *r)
{
    return r->reward.known && !is_right(r);
}

static bool is_fast(const maker *m, const data_reply *r)
{
    return r->reward.speedup >= m->o->min_speedup;
}

/* What the machine would run: the same PTX under the same plan is the same kernel. */
static void fingerprint(const data_reply *r, char out[65])
{
    ws_sha256 h;
    char plan[WS_SHA256_HEX] = "";
    const db_candidate *c = r->candidate;
    const char *code = c->ptx_sha256 ? c->ptx_sha256 : c->source_sha256;
    db_plan_sha256(c->source, plan);
    ws_sha256_init(&h);
    ws_sha256_add_field(&h, code, strlen(code));
    ws_sha256_add_field(&h, plan, strlen(plan));
    ws_sha256_hex(&h, out);
}

static ws_status put_prompts(maker *m, ws_err *err)
{
    ws_status st = WS_OK;
    for (int i = 0; !st && i < m->n_calls; i++) {
        data_reply r;
        char key[WS_SHA256_HEX];
        ws_sha256 h;
        if (!begin_reply(m, &m->call[i], &r))
            continue;
        ws_sha256_init(&h);
        ws_sha256_add_field(&h, r.prompt_sha256, 64);
        ws_sha256_add_field(&h, r.spec->sha256, strlen(r.spec->sha256));
        ws_sha256_hex(&h, key);
        if (see(&m->rows, key))
            st = put_row(m, &r, NULL, err);
        else
            leave_out(m, DATA_OUT_REPEATED);
        cJSON_Delete(r.prompt);
    }
    return st;
}

static ws_status put_winners(maker *m, ws_err *err)
{
    ws_status st = WS_OK;
    for (int i = 0; !st && i < m->n_replies; i++) {
        const data_reply *r = &m->reply[i];
        char key[65];
        if (!r->reward.known) {
            leave_out(m, DATA_OUT_UNKNOWN);
        } else if (!is_right(r)) {
            leave_out(m, DATA_OUT_WRONG);
        } else if (!is_fast(m, r)) {
            leave_out(m, DATA_OUT_SLOW);
        } else {
            fingerprint(r, key);
            if (see(&m->rows, key))
                st = put_row(m, r, NULL, err);
            else
                leave_out(m, DATA_OUT_REPEATED);
        }
    }
    return st;
}

/* The prompt counts: one answer that comes twice to it is one row. */
static void answer_key(const data_reply *a, const data_reply *b, char out[65])
{
    ws_sha256 h;
    ws_sha256_init(&h);
    ws_sha256_add_field(&h, a->prompt_sha256, 64);
    ws_sha256_add_field(&h, a->text, strlen(a->text));
    if (b)
        ws_sha256_add_field(&h, b->text, strlen(b->text));
    ws_sha256_hex(&h, out);
}

static ws_status put_labels(maker *m, ws_err *err)
{
    ws_status st = WS_OK;
    for (int i = 0; !st && i < m->n_replies; i++) {
        const data_reply *r = &m->reply[i];
        char key[65];
        if (!r->reward.known) {
            leave_out(m, DATA_OUT_UNKNOWN);
        } else if (is_right(r) && !is_fast(m, r)) {
            leave_out(m, DATA_OUT_SLOW);
        } else {
            answer_key(r, NULL, key);
            if (see(&m->rows, key))
                st = put_row(m, r, NULL, err);
            else
                leave_out(m, DATA_OUT_REPEATED);
        }
    }
    return st;
}

/* `a` is right; `b` is wrong, or passed as far as it was tried and takes so much longer. */
static bool is_better(const maker *m, const data_reply *a, const data_reply *b)
{
    if (is_wrong(b))
        return true;
    bool passed = strcmp(b->candidate->reason, hx_reason_name(HX_PASS)) == 0 &&
                  b->candidate->level >= VFY_EMULATED;
    return passed && a->seconds > 0 && b->seconds >= m->o->margin * a->seconds;
}

static bool are_related(const data_reply *a, const data_reply *b)
{
    if (strcmp(a->prompt_sha256, b->prompt_sha256) == 0)
        return true;
    return a->candidate->parent && a->candidate->parent == b->candidate->parent &&
           a->call->purpose && b->call->purpose && strcmp(a->call->purpose, b->call->purpose) == 0;
}

static ws_status put_pairs(maker *m, ws_err *err)
{
    ws_status st = WS_OK;
    for (int i = 0; i < m->n_replies; i++) {
        const data_reply *a = &m->reply[i];
        if (!is_right(a) || !is_fast(m, a))
            continue;
        for (int k = 0; !st && k < m->n_replies; k++) {
            const data_reply *b = &m->reply[k];
            char key[65];
            if (k == i || !are_related(a, b) || !is_better(m, a, b) ||
                strcmp(a->text, b->text) == 0)
                continue;
            answer_key(a, b, key);
            if (m->o->max_pairs && data_spec_find(m->r, a->spec->sha256)->rows >= m->o->max_pairs)
                leave_out(m, DATA_OUT_MANY);
            else if (see(&m->rows, key))
                st = put_row(m, a, b, err);
            else
                leave_out(m, DATA_OUT_REPEATED);
        }
    }
    return st;
}

/* ---- runs ---- */

static void find_baseline(maker *m)
{
    m->first_s[0] = m->first_s[1] = (double)NAN;
    for (int i = 0; i < m->n_candidates; i++) {
        const db_candidate *c = &m->candidate[i];
        if (c->round || strcmp(c->origin, "emitted") != 0 ||
            strcmp(c->reason, hx_reason_name(HX_PASS)) != 0)
            continue;
        m->first_s[0] = c->modelled_s;
        m->first_s[1] = c->measured_s;
        return;
    }
}

static ws_status read_replies(maker *m, ws_err *err)
{
    ws_status st = WS_OK;
    find_baseline(m);
    for (int i = 0; !st && i < m->n_candidates; i++)
        st = add_reply(m, &m->candidate[i], err);
    return st;
}

static void forget_run(maker *m)
{
    for (int i = 0; i < m->n_replies; i++)
        cJSON_Delete(m->reply[i].prompt);
    m->n_replies = 0;
    ws_arena_release(&m->arena);
}

static ws_status make_run(maker *m, const db_run *run, ws_err *err)
{
    m->run = *run;
    m->spec = data_spec_find(m->r, run->spec_sha256);
    ws_status st = db_call_list(m->db, run->id, &m->arena, &m->call, &m->n_calls, err);
    if (!st)
        st = db_candidate_list(m->db, run->id, &m->arena, &m->candidate, &m->n_candidates, err);
    if (!st && m->o->format->kind != DATA_PROMPTS)
        st = read_replies(m, err);
    if (!st)
        switch (m->o->format->kind) {
        case DATA_PROMPTS:
            st = put_prompts(m, err);
            break;
        case DATA_WINNERS:
            st = put_winners(m, err);
            break;
        case DATA_LABELS:
            st = put_labels(m, err);
            break;
        case DATA_PAIRS:
            st = put_pairs(m, err);
            break;
        }
    forget_run(m);
    return st ? ws_wrap(err, "run '%s'", run->name) : WS_OK;
}

static int by_id(const void *a, const void *b)
{
    const db_run *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

ws_status data_make(db_archive *db, const data_options *o, data_sink sink, void *ud,
                    data_result *out, ws_err *err)
{
    maker m = {.db = db, .o = o, .sink = sink, .ud = ud, .r = out};
    ws_arena runs = {0};
    db_run *run = NULL;
    int n = 0;
    *out = (data_result){0};
    ws_status st = data_scrub_open(&m.scrub, err);
    if (!st)
        st = db_run_list(db, &runs, &run, &n, err);
    if (!st && n)
        qsort(run, (size_t)n, sizeof *run, by_id);
    for (int i = 0; !st && i < n; i++)
        if ((!o->run || run[i].id == o->run) && !data_spec_add(out, &run[i], o, err))
            st = err->status;
    if (!st)
        st = data_split(out, o, err);
    for (int i = 0; !st && i < n; i++)
        if (!o->run || run[i].id == o->run)
            st = make_run(&m, &run[i], err);
    data_scrub_close(m.scrub);
    free(m.rows.hash);
    free(m.reply);
    ws_arena_release(&runs);
    return st;
}

void data_result_release(data_result *r)
{
    free(r->spec);
    ws_arena_release(&r->arena);
    *r = (data_result){0};
}
