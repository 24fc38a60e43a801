/* Lessons of a finished run, by rule: what each change did to the time, and what went wrong. */
#include "agent/evidence/memory.h"

#include "agent/evidence/quote.h"
#include "base/json.h"
#include "results/traits.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LESSONS = 24, MAX_GROUPS = 2000, MAX_EVIDENCE = 8, NOTE = 200, SUBJECT_WORDS = 5 };

static const double GAIN = 1.03; /* below it a change has no effect worth the name */

/* Attempts that show the same. */
typedef struct group {
    const char *kind, *subject, *text, *timing;
    const char *repair; /* what the model said when it repaired such a failure */
    double log_effect;  /* sum */
    double most;        /* |log| of the attempt that `text` is of */
    int support;
    int64_t evidence[MAX_EVIDENCE];
} group;

typedef struct learner {
    db_archive *db;
    const db_run *run;
    ws_arena arena;
    db_candidate *c;
    int n;
    group *g;
    int n_groups, cap;
    group rest; /* of what has no group */
    ws_err *err;
} learner;

static double seconds_of(const db_candidate *c)
{
    return isnan(c->measured_s) ? c->modelled_s : c->measured_s;
}

static bool passed(const db_candidate *c)
{
    return strcmp(c->reason, "pass") == 0 && c->level >= VFY_EMULATED && seconds_of(c) > 0;
}

/* The list is in order of ids. */
static const db_candidate *find(const learner *l, int64_t id)
{
    int low = 0, high = l->n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (l->c[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->n && l->c[low].id == id ? &l->c[low] : NULL;
}

/* What a candidate is compared with: the nearest ancestor that passed, or generation 0. *idea is
 * the attempt that left it: the candidate itself, or the first of those that it repairs. */
static const db_candidate *before(const learner *l, const db_candidate *c,
                                  const db_candidate **idea)
{
    const db_candidate *p = c->parent ? find(l, c->parent) : NULL;
    *idea = c;
    for (int steps = 0; p && !passed(p) && steps < l->n; steps++) {
        *idea = p;
        p = p->parent ? find(l, p->parent) : NULL;
    }
    return p                                                                 ? p
           : l->n && strcmp(l->c[0].origin, "emitted") == 0 && c != &l->c[0] ? &l->c[0]
                                                                             : NULL;
}

/* ---- words ---- */

/* The first sentence on one line, cut at a word. */
static const char *first_sentence(learner *l, const char *note)
{
    ws_buf out = {0};
    bool space = false;
    for (const char *p = note ? note : ""; *p && out.n < NOTE; p++) {
        unsigned char c = (unsigned char)*p;
        if (c <= ' ' || c == 0x7f) {
            space = out.n > 0;
            continue;
        }
        if (space)
            ws_buf_addc(&out, ' ');
        space = false;
        ws_buf_addc(&out, *p);
        if ((c == '.' || c == '!') && (p[1] == ' ' || p[1] == '\n' || !p[1]))
            break;
    }
    size_t n = out.n;
    while (out.n >= NOTE && n && out.p[n - 1] != ' ')
        n--;
    if (!n) /* one long word, or text that has no spaces */
        n = ev_cut(ws_buf_z(&out), out.n, NOTE - 4);
    const char *z = ws_arena_strndup(&l->arena, ws_buf_z(&out), n);
    ws_buf_release(&out);
    return z;
}

static bool is_filler(const char *word, size_t n)
{
    static const char *const filler[] = {"the",  "and",  "that",  "with",   "this",   "from",
                                         "into", "each", "for",   "now",    "are",    "was",
                                         "use",  "uses", "using", "more",   "than",   "then",
                                         "one",  "all",  "its",   "kernel", "change", NULL};
    for (int i = 0; filler[i]; i++)
        if (strlen(filler[i]) == n && strncmp(filler[i], word, n) == 0)
            return true;
    return n < 3;
}

/* The first words of a note that say something: "vectorised loads float4". */
static const char *words_of(learner *l, const char *note)
{
    ws_buf out = {0};
    int words = 0;
    for (const char *p = note; *p && words < SUBJECT_WORDS;) {
        char word[32];
        size_t n = 0;
        while (*p && !isalnum((unsigned char)*p))
            p++;
        for (; isalnum((unsigned char)*p); p++)
            if (n < sizeof word)
                word[n++] = (char)tolower((unsigned char)*p);
        if (is_filler(word, n))
            continue;
        ws_buf_addc(&out, ' ');
        ws_buf_add(&out, word, n);
        words++;
    }
    const char *z = ws_arena_strdup(&l->arena, out.n ? ws_buf_z(&out) + 1 : "");
    ws_buf_release(&out);
    return z;
}

/* ---- groups ---- */

static group *group_of(learner *l, const char *kind, const char *subject, const char *timing)
{
    for (int i = 0; i < l->n_groups; i++)
        if (strcmp(l->g[i].kind, kind) == 0 && strcmp(l->g[i].subject, subject) == 0 &&
            (timing == l->g[i].timing ||
             (timing && l->g[i].timing && !strcmp(timing, l->g[i].timing))))
            return &l->g[i];
    if (l->n_groups == MAX_GROUPS) { /* what comes once only, in a run of thousands, is noise */
        l->rest = (group){.kind = kind, .subject = subject, .timing = timing, .most = -1};
        return &l->rest;
    }
    WS_GROW(l->g, l->n_groups, l->cap);
    l->g[l->n_groups] = (group){.kind = kind, .subject = subject, .timing = timing, .most = -1};
    return &l->g[l->n_groups++];
}

static void add(group *g, const db_candidate *c, const char *text, double log_effect)
{
    if (g->support < MAX_EVIDENCE)
        g->evidence[g->support] = c->id;
    g->support++;
    g->log_effect += log_effect;
    if (fabs(log_effect) > g->most) {
        g->most = fabs(log_effect);
        g->text = text;
    }
}

static const char *timing_of(const db_candidate *c)
{
    return isnan(c->measured_s) ? "modelled" : "measured";
}

/* What a change did to the time. */
static void learn_change(learner *l, const db_candidate *c)
{
    const db_candidate *idea, *p = before(l, c, &idea);
    if (!p || !passed(p) || isnan(p->measured_s) != isnan(c->measured_s) ||
        (c->ptx_sha256 && p->ptx_sha256 && !strcmp(c->ptx_sha256, p->ptx_sha256)))
        return;
    ws_buf traits = {0};
    double effect = seconds_of(p) / seconds_of(c);
    const char *note = first_sentence(l, idea->note);
    db_traits_changed(p->source, c->source, &traits);
    const char *changed = ws_arena_strdup(&l->arena, ws_buf_z(&traits));
    const char *subject = *changed ? changed : words_of(l, note);
    ws_buf_release(&traits);
    if (!*subject)
        return;
    const char *text = !*note      ? changed
                       : !*changed ? note
                                   : ws_arena_printf(&l->arena, "%s (%s)", note, changed);
    add(group_of(l, effect >= GAIN ? "gain" : "loss", subject, timing_of(c)), c, text, log(effect));
}

/* "BLOCK=256 VEC=4", and the names alone. */
static void tune_text(learner *l, const char *json, const char **values, const char **names)
{
    cJSON *o = json ? cJSON_Parse(json) : NULL;
    const cJSON *v;
    ws_buf all = {0}, only = {0};
    cJSON_ArrayForEach(v, o)
    {
        ws_buf_printf(&all, "%s%s=%.0f", all.n ? " " : "", v->string, v->valuedouble);
        ws_buf_printf(&only, "%s%s", only.n ? " " : "", v->string);
    }
    *values = ws_arena_strdup(&l->arena, ws_buf_z(&all));
    *names = ws_arena_strdup(&l->arena, ws_buf_z(&only));
    ws_buf_release(&all);
    ws_buf_release(&only);
    cJSON_Delete(o);
}

/* best[i]: the fastest tuned form of candidate i, NULL: none. Only the best setting of a kernel
 * says something; the others are the search. */
static const db_candidate **best_tuned(learner *l)
{
    const db_candidate **best = WS_ARENA_NEW(&l->arena, const db_candidate *, l->n + 1);
    for (int i = 0; i < l->n; i++) {
        const db_candidate *c = &l->c[i], *p = c->parent ? find(l, c->parent) : NULL;
        if (!p || strcmp(c->origin, "tuned") != 0 || !passed(c))
            continue;
        const db_candidate **of = &best[p - l->c];
        if (!*of || seconds_of(c) < seconds_of(*of))
            *of = c;
    }
    return best;
}

static void learn_tuning(learner *l, const db_candidate *p, const db_candidate *c)
{
    const char *values, *names;
    if (!passed(p) || isnan(p->measured_s) != isnan(c->measured_s) ||
        seconds_of(p) < GAIN * seconds_of(c))
        return;
    tune_text(l, c->tune_json, &values, &names);
    if (!*values)
        return;
    add(group_of(l, "gain", ws_arena_printf(&l->arena, "tunables %s", names), timing_of(c)), c,
        ws_arena_printf(&l->arena, "tunables: %s in the place of the first choices", values),
        log(seconds_of(p) / seconds_of(c)));
}

/* ---- failures ---- */

/* Line `line` of a source without its indentation. */
static const char *source_line(learner *l, const char *source, int line)
{
    const char *p = source;
    for (int at = 1; p && at < line; at++) {
        p = strchr(p, '\n');
        p = p ? p + 1 : NULL;
    }
    if (!p || line < 1)
        return "";
    ws_str s = ws_str_trim((ws_str){p, strcspn(p, "\n")});
    return ws_arena_strndup(&l->arena, s.p, ev_cut(s.p, s.n, 120));
}

/* A finding without the thread that met it. */
static const char *without_place(learner *l, const char *text)
{
    static const char *const places[] = {"; found by thread (", ", by thread (", " by thread ("};
    for (size_t i = 0; i < WS_COUNT(places); i++) {
        const char *at = strstr(text, places[i]);
        if (at && (i == 0 || !strstr(text, places[0])))
            return ws_arena_strndup(&l->arena, text, (size_t)(at - text));
    }
    return text;
}

static ws_status learn_failure(learner *l, const db_candidate *c)
{
    const char *json = NULL;
    if (db_verdict_json(l->db, c->id, &l->arena, &json, l->err))
        return l->err->status;
    cJSON *v = cJSON_Parse(json);
    const cJSON *place = cJSON_GetObjectItemCaseSensitive(v, "place");
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(place, "line");
    const char *said = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(v, "text"));
    const char *code = cJSON_IsNumber(line) ? source_line(l, c->source, line->valueint) : "";
    const char *what = first_sentence(l, said ? without_place(l, said) : "");
    /* Errors of the compiler differ; of the others the kind is the lesson. */
    bool compile = strcmp(c->reason, "compile_error") == 0 || strncmp(c->reason, "plan_", 5) == 0;
    const char *subject =
        compile ? ws_arena_printf(&l->arena, "%s %s", c->reason, words_of(l, what)) : c->reason;
    const char *text = *code ? ws_arena_printf(&l->arena, "%s at `%s`: %s", c->reason, code, what)
                             : ws_arena_printf(&l->arena, "%s: %s", c->reason, what);
    add(group_of(l, "failure", subject, NULL), c, text, 0);
    cJSON_Delete(v);
    return WS_OK;
}

/* A kernel that passed after a parent that failed says what repaired it. */
static void learn_repair(learner *l, const db_candidate *c)
{
    const db_candidate *p = c->parent ? find(l, c->parent) : NULL;
    if (!p || passed(p) || !c->note || !*c->note)
        return;
    for (int i = 0; i < l->n_groups; i++)
        for (int k = 0; k < l->g[i].support && k < MAX_EVIDENCE; k++)
            if (l->g[i].evidence[k] == p->id && strcmp(l->g[i].kind, "failure") == 0)
                l->g[i].repair = first_sentence(l, c->note);
}

/* ---- storing ---- */

static double weight(const group *g)
{
    double effect = g->support ? fabs(g->log_effect) / g->support : 0;
    return g->support * (strcmp(g->kind, "failure") == 0 ? log(1.3) : effect + 0.01);
}

static int heavier(const void *a, const void *b)
{
    double x = weight(a), y = weight(b);
    return (x < y) - (x > y);
}

static db_lesson lesson_of(learner *l, const group *g)
{
    ws_buf ids = {0};
    for (int i = 0; i < g->support && i < MAX_EVIDENCE; i++)
        ws_buf_printf(&ids, "%s%" PRId64, i ? "," : "[", g->evidence[i]);
    ws_buf_addc(&ids, ']');
    db_lesson out = {
        .run = l->run->id,
        .gpu = l->run->gpu ? l->run->gpu : "",
        .keys = {.spec_sha256 = l->run->spec_sha256},
        .kind = g->kind,
        .subject = g->subject,
        .text = g->repair ? ws_arena_printf(&l->arena, "%s; repaired by: %s", g->text, g->repair)
                          : g->text,
        .effect = g->timing ? exp(g->log_effect / g->support) : (double)NAN,
        .support = g->support,
        .timing = g->timing,
        .evidence_json = ws_arena_strdup(&l->arena, ws_buf_z(&ids))};
    ws_buf_release(&ids);
    return out;
}

static ws_status store(learner *l)
{
    int n = l->n_groups < MAX_LESSONS ? l->n_groups : MAX_LESSONS;
    db_lesson *list = WS_ARENA_NEW(&l->arena, db_lesson, n + 1);
    if (l->n_groups)
        qsort(l->g, (size_t)l->n_groups, sizeof *l->g, heavier);
    for (int i = 0; i < n; i++)
        list[i] = lesson_of(l, &l->g[i]);
    return db_lessons_replace(l->db, l->run->id, list, n, l->err);
}

/* "STOP: ..." in the place of a kernel: an answer, not a failure. */
static bool is_stop(const db_candidate *c)
{
    return strcmp(c->reason, "no_code") == 0 && c->note && strncmp(c->note, "STOP", 4) == 0;
}

static ws_status learn_all(learner *l)
{
    if (db_candidate_list(l->db, l->run->id, &l->arena, &l->c, &l->n, l->err))
        return l->err->status;
    const db_candidate **tuned = best_tuned(l);
    for (int i = 0; i < l->n; i++) {
        const db_candidate *c = &l->c[i];
        bool model = strcmp(c->origin, "model") == 0 || strcmp(c->origin, "submitted") == 0;
        if (tuned[i])
            learn_tuning(l, c, tuned[i]);
        if (model && strcmp(c->reason, "pass") != 0 && !is_stop(c) && learn_failure(l, c))
            return l->err->status;
        if (!model || !passed(c))
            continue;
        learn_change(l, c);
        learn_repair(l, c);
    }
    return store(l);
}

ws_status memory_learn(db_archive *db, const spec *s, const db_run *run, ws_err *err)
{
    learner l = {.db = db, .run = run, .err = err};
    memory_keys k;
    memory_keys_of(s, &l.arena, &k);
    db_keys keys = {run->spec_sha256, s->name, s->title, k.family, k.dtype, k.shape_class};
    ws_status st = db_keys_put(db, &keys, err);
    if (!st)
        st = learn_all(&l);
    free(l.g);
    ws_arena_release(&l.arena);
    return st ? ws_wrap(err, "lessons of run '%s'", run->name) : WS_OK;
}
