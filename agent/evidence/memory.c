/* Retrieval: specs that are related by their keys, then by full text; their lessons and kernels. */
#include "agent/evidence/memory.h"

#include "agent/evidence/quote.h"

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
        if (spec_from_text(run[i].spec_json, strlen(run[i].spec_json), run[i].spec_name, &s,
                           &ignored))
            continue;
        memory_keys_of(s, &a, &k);
        db_keys keys = {run[i].spec_sha256, run[i].spec_name, s->title,
                        k.family,           k.dtype,          k.shape_class};
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
        double score =
            strcmp(list[i].spec_sha256, s->sha256) == 0 ? SAME_SPEC : memory_relation(&mine, &k);
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

ws_status memory_lesson_list(db_archive *db, const spec *s, const char *gpu, int64_t run, int most,
                             ws_arena *a, memory_lesson **out, int *n, ws_err *err)
{
    relation *r = NULL;
    merged *m = NULL;
    int specs = 0, count = 0;
    ws_status st = related_specs(db, s, a, &r, &specs, err);
    if (!st)
        m = WS_ARENA_NEW(a, merged, specs * MAX_LESSONS_OF_SPEC + 1);
    for (int i = 0; !st && i < specs; i++) {
        db_lesson *l = NULL;
        int lessons = 0;
        st = db_lesson_list(db, gpu, r[i].keys->spec_sha256, run, MAX_LESSONS_OF_SPEC, a, &l,
                            &lessons, err);
        for (int k = 0; !st && k < lessons; k++)
            merge(m, &count, &l[k], r[i].score);
    }
    if (st)
        return ws_wrap(err, "lessons");
    qsort(m, (size_t)count, sizeof *m, heavier);
    *n = count < most ? count : most;
    *out = WS_ARENA_NEW(a, memory_lesson, *n + 1);
    for (int i = 0; i < *n; i++) {
        (*out)[i] = (memory_lesson){.lesson = *m[i].first, .other_specs = m[i].specs};
        (*out)[i].lesson.support = m[i].support;
        if (m[i].first->timing)
            (*out)[i].lesson.effect = exp(m[i].log_effect / m[i].support);
    }
    return WS_OK;
}

void memory_lesson_print(const memory_lesson *m, ws_buf *out)
{
    const db_lesson *l = &m->lesson;
    if (!l->timing)
        ws_buf_printf(out, "- failed %d time%s", l->support, l->support == 1 ? "" : "s");
    else if (strcmp(l->kind, "gain") == 0)
        ws_buf_printf(out, "- %.2fx faster", l->effect);
    else if (l->effect > 0.97)
        ws_buf_adds(out, "- no effect");
    else
        ws_buf_printf(out, "- %.2fx slower", 1 / l->effect);
    if (l->timing)
        ws_buf_printf(out, " (%s on %s, %d attempt%s)", l->timing, l->gpu, l->support,
                      l->support == 1 ? "" : "s");
    ws_buf_printf(out, ", %s %s %s%s: %s\n", l->keys.spec_name, l->keys.dtype, l->keys.shape_class,
                  m->other_specs ? " and others" : "", l->text);
}

ws_status memory_lessons(db_archive *db, const spec *s, const char *gpu, int64_t run, int max_lines,
                         ws_buf *out, ws_err *err)
{
    ws_arena a = {0};
    memory_lesson *list = NULL;
    int n = 0;
    ws_status st = memory_lesson_list(db, s, gpu, run, max_lines, &a, &list, &n, err);
    for (int i = 0; !st && i < n; i++)
        memory_lesson_print(&list[i], out);
    ws_arena_release(&a);
    return st;
}

/* ---- kernels ---- */

static const char *kind_of(const db_candidate *c)
{
    return isnan(c->measured_s) ? "modelled" : "measured";
}

/* On one line: what follows is a block of code. */
static void write_note(const char *note, ws_buf *out)
{
    size_t n = ev_cut(note, strlen(note), 200);
    ws_buf_adds(out, ". Its author: ");
    for (size_t i = 0; i < n; i++)
        ws_buf_addc(out, (unsigned char)note[i] < ' ' || note[i] == '`' ? ' ' : note[i]);
}

static void write_kernel(const memory_kernel *m, const char *gpu, ws_buf *out)
{
    const db_kernel *k = &m->kernel;
    const db_keys *keys = m->keys;
    const db_candidate *c = &k->candidate;
    double s = isnan(c->measured_s) ? c->modelled_s : c->measured_s;
    ws_buf_printf(out, "Kernel #%" PRId64 " of %s", c->id, k->spec_name);
    if (keys)
        ws_buf_printf(out, " (%s, %s, %s)", keys->family, keys->dtype, keys->shape_class);
    ws_buf_printf(out, ": %.2f us %s on %s", s * 1e6, kind_of(c), gpu);
    if (k->first_s > 0)
        ws_buf_printf(out, ", %.2f times as fast as its plain translation", k->first_s / s);
    ws_buf_printf(out, "; verified to level %d (%s)", c->level,
                  vfy_level_name((vfy_level)c->level));
    if (c->tune_json)
        ws_buf_printf(out, ", with %s", c->tune_json);
    if (c->note && *c->note)
        write_note(c->note, out);
    ws_buf_printf(out, "\n```cuda\n%s%s```\n\n", c->source,
                  *c->source && c->source[strlen(c->source) - 1] == '\n' ? "" : "\n");
}

typedef struct offer {
    int64_t run;
    const char *gpu;
    ws_arena *arena;
    memory_kernel *list;
    int n, most;
} offer;

static bool is_offered(const offer *o, const char *spec_name)
{
    for (int i = 0; i < o->n; i++)
        if (strcmp(o->list[i].kernel.spec_name, spec_name) == 0)
            return true;
    return false;
}

/* A plain translation is what everybody has, and what is slower teaches nothing. */
static void add(offer *o, const db_kernel *k, const db_keys *keys)
{
    const db_candidate *c = &k->candidate;
    bool slower = (isnan(c->measured_s) ? c->modelled_s : c->measured_s) >= k->first_s;
    if (strcmp(c->origin, "emitted") != 0 && !slower && strlen(c->source) <= MAX_SOURCE &&
        !is_offered(o, k->spec_name))
        o->list[o->n++] = (memory_kernel){*k, keys};
}

static ws_status offer_related(db_archive *db, const relation *r, int n, offer *o, ws_err *err)
{
    for (int i = 0; i < n && o->n < o->most; i++) {
        db_kernel k;
        bool found = false;
        if (db_kernel_best(db, r[i].keys->spec_sha256, o->gpu, o->run, o->arena, &k, &found, err))
            return err->status;
        if (found)
            add(o, &k, r[i].keys);
    }
    return WS_OK;
}

/* Kernels whose notes or specs speak of an op of this one. */
static ws_status offer_found(db_archive *db, const char *family, offer *o, ws_err *err)
{
    for (const char *p = family; *p && o->n < o->most;) {
        size_t length = strcspn(p, "+");
        char *word = ws_arena_strndup(o->arena, p, length);
        db_kernel *k = NULL;
        int n = 0;
        for (char *c = word; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        if (db_kernel_search(db, word, SEARCHED, o->arena, &k, &n, err))
            return err->status;
        for (int i = 0; i < n && o->n < o->most; i++)
            if (k[i].candidate.run != o->run && k[i].candidate.gpu &&
                strcmp(k[i].candidate.gpu, o->gpu) == 0)
                add(o, &k[i], NULL);
        p += length + (p[length] != 0);
    }
    return WS_OK;
}

ws_status memory_kernel_list(db_archive *db, const spec *s, const char *gpu, int64_t run, int most,
                             ws_arena *a, memory_kernel **out, int *n, ws_err *err)
{
    relation *r = NULL;
    int specs = 0;
    memory_keys mine;
    offer o = {.run = run,
               .gpu = gpu,
               .arena = a,
               .most = most,
               .list = WS_ARENA_NEW(a, memory_kernel, most > 0 ? most + 1 : 1)};
    memory_keys_of(s, a, &mine);
    ws_status st = related_specs(db, s, a, &r, &specs, err);
    if (!st)
        st = offer_related(db, r, specs, &o, err);
    if (!st && o.n < o.most)
        st = offer_found(db, mine.family, &o, err);
    *out = o.list;
    *n = o.n;
    return st ? ws_wrap(err, "related kernels") : WS_OK;
}

ws_status memory_related(db_archive *db, const spec *s, const char *gpu, int64_t run,
                         int max_kernels, ws_buf *out, ws_err *err)
{
    ws_arena a = {0};
    memory_kernel *list = NULL;
    int n = 0;
    ws_status st = memory_kernel_list(db, s, gpu, run, max_kernels, &a, &list, &n, err);
    for (int i = 0; !st && i < n; i++)
        write_kernel(&list[i], gpu, out);
    ws_arena_release(&a);
    return st;
}
