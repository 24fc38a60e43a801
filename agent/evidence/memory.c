/* Retrieval: specs that are related by their keys, then by full text; their lessons and kernels. */
#include "agent/evidence/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RELATED = 24, MAX_LESSONS_OF_SPEC = 40, MAX_SOURCE = 16 * 1024, SEARCHED = 16 };

static const double SAME_SPEC = 8, LEAST = 1.5; /* of memory_relation, which ends at 6 */

ws_status memory_index(db_archive *db, ws_err *err)
{
    ws_arena a = {0};
    db_run *run = NULL;
    int n = 0;
    ws_status st = db_keys_missing(db, &a, &run, &n, err);
    for (int i = 0; !st && i < n; i++) {
        spec *s = NULL;
        ws_err ignored = {0};
        memory_keys k;
        /* A spec that this program no longer accepts is nobody's relation. */
        if (spec_from_text(run[i].spec_json, strlen(run[i].spec_json), run[i].spec_name, &s, &ignored))
            continue;
        memory_keys_of(s, &a, &k);
        db_keys keys = {run[i].spec_sha256, run[i].spec_name, s->title, k.family, k.dtype,
                        k.shape_class};
        st = db_keys_put(db, &keys, err);
        spec_free(s);
    }
    ws_arena_release(&a);
    return st;
}

/* ---- related specs ---- */

typedef struct relation {
    const db_keys *keys;
    double score;
} relation;

static int closer(const void *a, const void *b)
{
    const relation *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return strcmp(x->keys->spec_name, y->keys->spec_name);
}

static ws_status related_specs(db_archive *db, const spec *s, ws_arena *a, relation **out, int *n,
                               ws_err *err)
{
    db_keys *list = NULL;
    int count = 0;
    memory_keys mine;
    memory_keys_of(s, a, &mine);
    if (memory_index(db, err) || db_keys_list(db, a, &list, &count, err))
        return err->status;
    *out = WS_ARENA_NEW(a, relation, count + 1);
    *n = 0;
    for (int i = 0; i < count; i++) {
        memory_keys k = {list[i].family, list[i].dtype, list[i].shape_class};
        double score = strcmp(list[i].spec_sha256, s->sha256) == 0 ? SAME_SPEC : memory_relation(&mine, &k);
        if (score >= LEAST)
            (*out)[(*n)++] = (relation){&list[i], score};
    }
    qsort(*out, (size_t)*n, sizeof **out, closer);
    *n = *n < MAX_RELATED ? *n : MAX_RELATED;
    return WS_OK;
}

/* ---- lessons ---- */

/* Lessons of several runs that say the same. */
typedef struct merged {
    const db_lesson *first; /* of the closest spec */
    double relation, log_effect;
    int support, specs;
} merged;

static double weight(const merged *m)
{
    double effect = m->first->timing ? fabs(m->log_effect) / m->support + 0.01 : log(1.3);
    return m->relation * effect * sqrt((double)m->support);
}

static int heavier(const void *a, const void *b)
{
    double x = weight(a), y = weight(b);
    if (x != y)
        return x < y ? 1 : -1;
    return strcmp(((const merged *)a)->first->text, ((const merged *)b)->first->text);
}

static bool says_the_same(const db_lesson *a, const db_lesson *b)
{
    return strcmp(a->kind, b->kind) == 0 && strcmp(a->subject, b->subject) == 0 &&
           !a->timing == !b->timing && (!a->timing || strcmp(a->timing, b->timing) == 0);
}

static void merge(merged *m, int *n, const db_lesson *l, double score)
{
    int i = 0;
    while (i < *n && !says_the_same(m[i].first, l))
        i++;
    if (i == *n)
        m[(*n)++] = (merged){.first = l, .relation = score};
    m[i].support += l->support;
    m[i].log_effect += l->timing ? l->support * log(l->effect) : 0;
    m[i].specs += strcmp(m[i].first->keys.spec_sha256, l->keys.spec_sha256) != 0;
}

static void write_lesson(const merged *m, ws_buf *out)
{
    const db_lesson *l = m->first;
    double effect = exp(m->log_effect / m->support);
    if (!l->timing)
        ws_buf_printf(out, "- failed %d time%s", m->support, m->support == 1 ? "" : "s");
    else if (strcmp(l->kind, "gain") == 0)
        ws_buf_printf(out, "- %.2fx faster", effect);
    else if (effect > 0.97)
        ws_buf_adds(out, "- no effect");
    else
        ws_buf_printf(out, "- %.2fx slower", 1 / effect);
    if (l->timing)
        ws_buf_printf(out, " (%s on %s, %d attempt%s)", l->timing, l->gpu, m->support,
                      m->support == 1 ? "" : "s");
    ws_buf_printf(out, ", %s %s %s%s: %s\n", l->keys.spec_name, l->keys.dtype, l->keys.shape_class,
                  m->specs ? " and others" : "", l->text);
}

ws_status memory_lessons(db_archive *db, const spec *s, const char *gpu, int64_t run, int max_lines,
                         ws_buf *out, ws_err *err)
{
    ws_arena a = {0};
    relation *r = NULL;
    merged *m = NULL;
    int n = 0, count = 0;
    ws_status st = related_specs(db, s, &a, &r, &n, err);
    if (!st)
        m = WS_ARENA_NEW(&a, merged, n * MAX_LESSONS_OF_SPEC + 1);
    for (int i = 0; !st && i < n; i++) {
        db_lesson *l = NULL;
        int lessons = 0;
        st = db_lesson_list(db, gpu, r[i].keys->spec_sha256, run, MAX_LESSONS_OF_SPEC, &a, &l,
                            &lessons, err);
        for (int k = 0; !st && k < lessons; k++)
            merge(m, &count, &l[k], r[i].score);
    }
    if (!st && count)
        qsort(m, (size_t)count, sizeof *m, heavier);
    for (int i = 0; !st && i < count && i < max_lines; i++)
        write_lesson(&m[i], out);
    ws_arena_release(&a);
    return st ? ws_wrap(err, "lessons") : WS_OK;
}

/* ---- kernels ---- */

static const char *kind_of(const db_candidate *c)
{
    return isnan(c->measured_s) ? "modelled" : "measured";
}

static void write_kernel(const db_kernel *k, const db_keys *keys, const char *gpu, ws_buf *out)
{
    const db_candidate *c = &k->candidate;
    double s = isnan(c->measured_s) ? c->modelled_s : c->measured_s;
    ws_buf_printf(out, "Kernel #%" PRId64 " of %s", c->id, k->spec_name);
    if (keys)
        ws_buf_printf(out, " (%s, %s, %s)", keys->family, keys->dtype, keys->shape_class);
    ws_buf_printf(out, ": %.2f us %s on %s", s * 1e6, kind_of(c), gpu);
    if (k->first_s > 0)
        ws_buf_printf(out, ", %.2f times as fast as its plain translation", k->first_s / s);
    ws_buf_printf(out, "; verified to level %d (%s)", c->level, vfy_level_name((vfy_level)c->level));
    if (c->tune_json)
        ws_buf_printf(out, ", with %s", c->tune_json);
    if (c->note && *c->note)
        ws_buf_printf(out, ". Its author: %.200s", c->note);
    ws_buf_printf(out, "\n```cuda\n%s%s```\n\n", c->source,
                  *c->source && c->source[strlen(c->source) - 1] == '\n' ? "" : "\n");
}

typedef struct offer {
    int64_t run;
    const char *gpu;
    ws_buf *out;
    int shown, most;
    const char *spec_shown[MAX_RELATED + SEARCHED];
} offer;

static bool is_shown(const offer *o, const char *spec_name)
{
    for (int i = 0; i < o->shown; i++)
        if (strcmp(o->spec_shown[i], spec_name) == 0)
            return true;
    return false;
}

/* A plain translation is what everybody has. */
static bool worth_showing(const offer *o, const db_kernel *k)
{
    return strcmp(k->candidate.origin, "emitted") != 0 && strlen(k->candidate.source) <= MAX_SOURCE &&
           !is_shown(o, k->spec_name);
}

static void show(offer *o, const db_kernel *k, const db_keys *keys)
{
    write_kernel(k, keys, o->gpu, o->out);
    o->spec_shown[o->shown++] = k->spec_name;
}

static ws_status offer_related(db_archive *db, const relation *r, int n, ws_arena *a, offer *o,
                               ws_err *err)
{
    for (int i = 0; i < n && o->shown < o->most; i++) {
        db_kernel k;
        bool found = false;
        if (db_kernel_best(db, r[i].keys->spec_sha256, o->gpu, o->run, a, &k, &found, err))
            return err->status;
        if (found && worth_showing(o, &k))
            show(o, &k, r[i].keys);
    }
    return WS_OK;
}

/* Kernels whose notes or specs speak of an op of this one. */
static ws_status offer_found(db_archive *db, const char *family, ws_arena *a, offer *o, ws_err *err)
{
    for (const char *p = family; *p && o->shown < o->most;) {
        size_t length = strcspn(p, "+");
        char *word = ws_arena_strndup(a, p, length);
        db_kernel *k = NULL;
        int n = 0;
        for (char *c = word; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        if (db_kernel_search(db, word, SEARCHED, a, &k, &n, err))
            return err->status;
        for (int i = 0; i < n && o->shown < o->most; i++)
            if (k[i].candidate.run != o->run && k[i].candidate.gpu && !strcmp(k[i].candidate.gpu, o->gpu) &&
                worth_showing(o, &k[i]))
                show(o, &k[i], NULL);
        p += length + (p[length] != 0);
    }
    return WS_OK;
}

ws_status memory_related(db_archive *db, const spec *s, const char *gpu, int64_t run,
                         int max_kernels, ws_buf *out, ws_err *err)
{
    ws_arena a = {0};
    relation *r = NULL;
    int n = 0;
    memory_keys mine;
    offer o = {.run = run, .gpu = gpu, .out = out, .most = max_kernels};
    o.most = o.most < MAX_RELATED ? o.most : MAX_RELATED;
    memory_keys_of(s, &a, &mine);
    ws_status st = related_specs(db, s, &a, &r, &n, err);
    if (!st)
        st = offer_related(db, r, n, &a, &o, err);
    if (!st && o.shown < o.most)
        st = offer_found(db, mine.family, &a, &o, err);
    ws_arena_release(&a);
    return st ? ws_wrap(err, "related kernels") : WS_OK;
}
