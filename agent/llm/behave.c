#include "agent/llm/behave.h"

#include "base/file.h"
#include "base/philox.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KERNEL = 1 << 20, MAX_FAULTS = 2, FLAKY_DELAY_MS = 100, TAIL = 900 };

typedef enum kind { PERFECT, SLOPPY, WRONG, PLAGIARIST, FLAKY } kind;
static const char *const kind_names[] = {"perfect", "sloppy", "wrong", "plagiarist", "flaky", NULL};

typedef struct kernel {
    const char *source, *entry; /* the name of its first kernel */
} kernel;

typedef struct library {
    const char *spec;
    kernel *right, *wrong;
    int n_right, cap_right, n_wrong, cap_wrong;
} library;

typedef struct asked {
    uint64_t what;
    int times;
} asked;

struct behave {
    ws_arena arena;
    kind kind;
    uint64_t seed;
    int64_t delay_ms;
    library *library;
    int n_libraries, cap_libraries;
    asked *asked;
    int n_asked, cap_asked;
};

const char *behave_names(void)
{
    return "perfect, sloppy, wrong, plagiarist or flaky";
}

/* ---- the kernels ---- */

/* After "kernel": in the plan. */
static const char *entry_of(ws_arena *a, const char *source)
{
    static const char key[] = "\"kernel\": \"";
    const char *p = strstr(source, key);
    return p ? ws_arena_strndup(a, p + sizeof key - 1, strcspn(p + sizeof key - 1, "\"")) : "";
}

static ws_status add_kernel(behave *b, library *l, const char *dir, const char *name, ws_err *err)
{
    ws_buf text = {0};
    ws_status st =
        ws_read_file(ws_arena_printf(&b->arena, "%s/%s", dir, name), MAX_KERNEL, &text, err);
    kernel k = {ws_arena_strdup(&b->arena, ws_buf_z(&text)), NULL};
    ws_buf_release(&text);
    if (st)
        return st;
    k.entry = entry_of(&b->arena, k.source);
    if (strncmp(name, "wrong_", 6) == 0) {
        WS_GROW(l->wrong, l->n_wrong, l->cap_wrong);
        l->wrong[l->n_wrong++] = k;
    } else {
        WS_GROW(l->right, l->n_right, l->cap_right);
        l->right[l->n_right++] = k;
    }
    return WS_OK;
}

static int is_kernel(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 3 && strcmp(e->d_name + n - 3, ".cu") == 0;
}

static int is_name(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* "basics_row_sum" is of "basics/row_sum". */
static const char *spec_of(ws_arena *a, const char *dir_name)
{
    char *spec = ws_arena_strdup(a, dir_name), *first = strchr(spec, '_');
    if (first)
        *first = '/';
    return spec;
}

static ws_status load_library(behave *b, const char *root, const char *name, ws_err *err)
{
    struct dirent **list = NULL;
    ws_status st = WS_OK;
    library l = {.spec = spec_of(&b->arena, name)};
    const char *dir = ws_arena_printf(&b->arena, "%s/%s", root, name);
    int n = scandir(dir, &list, is_kernel, alphasort);
    if (n < 0)
        return ws_fail_errno(err, WS_EENV, "cannot read '%s'", dir);
    for (int i = 0; i < n; i++) {
        st = st ? st : add_kernel(b, &l, dir, list[i]->d_name, err);
        free(list[i]);
    }
    free(list);
    if (!st && (!l.n_right || !l.n_wrong))
        st = ws_fail(err, WS_EENV, "'%s' needs right and wrong kernels", dir);
    WS_GROW(b->library, b->n_libraries, b->cap_libraries);
    b->library[b->n_libraries++] = l;
    return st;
}

static ws_status load_libraries(behave *b, const char *spec, ws_err *err)
{
    ws_buf root = {0};
    struct dirent **list = NULL;
    ws_status st = WS_OK;
    ws_home_path(&root, "agent/replays/behaviours");
    int n = scandir(ws_buf_z(&root), &list, is_name, alphasort);
    if (n < 0)
        st = ws_fail_errno(err, WS_EENV, "cannot read '%s'", ws_buf_z(&root));
    for (int i = 0; i < n; i++) {
        const char *of = spec_of(&b->arena, list[i]->d_name), *slash = strchr(of, '/');
        bool wanted = !spec || strcmp(of, spec) == 0 || (slash && strcmp(slash + 1, spec) == 0);
        if (!st && wanted)
            st = load_library(b, ws_buf_z(&root), list[i]->d_name, err);
        free(list[i]);
    }
    free(list);
    if (!st && !b->n_libraries)
        st = ws_fail(err, WS_EUSAGE, "'%s' has no kernels for %s", ws_buf_z(&root),
                     spec ? spec : "any spec");
    ws_buf_release(&root);
    return st;
}

ws_status behave_open(const behave_options *o, behave **out, ws_err *err)
{
    int k = 0;
    while (kind_names[k] && strcmp(kind_names[k], o->name) != 0)
        k++;
    if (!kind_names[k])
        return ws_fail(err, WS_EUSAGE, "no behaviour '%s', expected %s", o->name, behave_names());
    behave *b = ws_calloc(1, sizeof *b);
    b->kind = (kind)k;
    b->seed = o->seed;
    b->delay_ms = o->delay_ms ? o->delay_ms : k == FLAKY ? FLAKY_DELAY_MS : 0;
    if (load_libraries(b, o->spec, err)) {
        behave_close(b);
        return err->status;
    }
    *out = b;
    return WS_OK;
}

void behave_close(behave *b)
{
    if (!b)
        return;
    for (int i = 0; i < b->n_libraries; i++) {
        free(b->library[i].right);
        free(b->library[i].wrong);
    }
    free(b->library);
    free(b->asked);
    ws_arena_release(&b->arena);
    free(b);
}

/* ---- what is asked ---- */

/* The one spec that is served, else the one whose name the prompt has first. */
static const library *library_for(const behave *b, const char *text)
{
    const library *found = NULL;
    const char *first = NULL;
    if (b->n_libraries == 1)
        return b->library;
    for (int i = 0; i < b->n_libraries; i++) {
        const char *p = strstr(text, b->library[i].spec);
        bool longer = found && p == first && strlen(b->library[i].spec) > strlen(found->spec);
        if (p && (!first || p < first || longer)) {
            found = &b->library[i];
            first = p;
        }
    }
    return found;
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = text; n && (p = strstr(p, word)); p += n) {
        bool before = p > text && (isalnum((unsigned char)p[-1]) || p[-1] == '_');
        if (!before && !isalnum((unsigned char)p[n]) && p[n] != '_')
            return true;
    }
    return false;
}

/* The fastest right kernel that the prompt shows, -1: none. */
static int level_in(const library *l, const char *user)
{
    for (int i = l->n_right - 1; i >= 0; i--)
        if (has_word(user, l->right[i].entry))
            return i;
    return -1;
}

static const char *tail_of(const char *user)
{
    size_t n = strlen(user);
    return n > TAIL ? user + n - TAIL : user;
}

/* What the end of a prompt says when it wants words and no kernel. */
static bool wants_text(const char *user)
{
    static const char *const signs[] = {"rite no kernel", "ithout a kernel", "o not write a kernel",
                                        "o kernel yet", NULL};
    for (int i = 0; signs[i]; i++)
        if (strstr(tail_of(user), signs[i]))
            return true;
    return false;
}

static uint64_t hash_of(const char *text)
{
    uint64_t h = 0xcbf29ce484222325; /* FNV-1a */
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3;
    return h;
}

/* How often this was asked before. */
static int count(behave *b, uint64_t what)
{
    for (int i = 0; i < b->n_asked; i++)
        if (b->asked[i].what == what)
            return b->asked[i].times++;
    WS_GROW(b->asked, b->n_asked, b->cap_asked);
    b->asked[b->n_asked++] = (asked){what, 1};
    return 0;
}

/* ---- answers ---- */

typedef struct question {
    const library *l;
    const behave_prompt *p;
    uint64_t seed; /* of this answer */
    int before;    /* same requests so far */
} question;

enum draw { DRAW_STEP, DRAW_FORM, DRAW_WRONG, DRAW_RENAME, DRAW_DELAY, DRAW_FAULT };

static uint32_t draw(const question *q, enum draw what, uint32_t below)
{
    return (uint32_t)(ws_philox_u64(q->seed, (uint64_t)what, 0) % below);
}

/* One step on, or two; while repairing, the same again. The fastest stays. */
static const kernel *next_right(const question *q)
{
    int level = level_in(q->l, q->p->user);
    bool repairs = strstr(tail_of(q->p->user), "corrected") != NULL;
    if (!repairs || level < 0)
        level += 1 + (int)draw(q, DRAW_STEP, 2);
    if (level >= q->l->n_right)
        level = q->l->n_right - 1;
    return &q->l->right[level];
}

static const char *plagiarise(const question *q, ws_arena *a)
{
    char *source = behave_last_block(a, q->p->user);
    if (!source)
        return q->l->right[0].source;
    return draw(q, DRAW_RENAME, 2) ? behave_rename(a, source) : source;
}

/* Ideas and diagnoses; a sloppy model numbers them in the place of JSON. */
static const char *words(kind k)
{
    switch (k) {
    case WRONG:
        return "The answer is 42.\n";
    case PLAGIARIST:
        return "As the kernel above does it.\n";
    case SLOPPY:
        return "Sure, here are some:\n\n1. **Coalesced accesses**: neighbours read neighbours (2x, "
               "easy)\n2. Vector accesses of 16 bytes (1.3x)\n";
    default:
        return "{\"idea\": \"coalesced accesses: neighbours read neighbours\", \"gain\": 2, "
               "\"difficulty\": \"easy\"}\n{\"idea\": \"vector accesses of 16 bytes\", \"gain\": "
               "1.3, \"difficulty\": \"easy\"}\n{\"idea\": \"keep the data in registers or in "
               "shared memory between passes\", \"gain\": 1.5, \"difficulty\": \"medium\"}\n";
    }
}

/* The sentence names the kernel, as models do; later prompts quote it among the attempts, which is
 * where a played model sees how far it has come. */
static const char *hand_over(ws_arena *a, const kernel *k, int form)
{
    return behave_format(a, ws_arena_printf(a, "The change is %s.", k->entry), k->source, form);
}

static const char *text_for(const behave *b, const question *q, ws_arena *a)
{
    if (wants_text(q->p->user))
        return words(b->kind);
    switch (b->kind) {
    case PERFECT:
    case FLAKY:
        break;
    case SLOPPY:
        return hand_over(a, next_right(q), (int)draw(q, DRAW_FORM, (uint32_t)behave_forms()));
    case WRONG:
        return hand_over(a, &q->l->wrong[draw(q, DRAW_WRONG, (uint32_t)q->l->n_wrong)], 0);
    case PLAGIARIST:
        return behave_format(a, "A new design.", plagiarise(q, a), 0);
    }
    return hand_over(a, next_right(q), 0);
}

/* Refusals, errors and cuts, twice at most for the same request. */
static void add_fault(const question *q, script_answer *out)
{
    size_t n = strlen(out->text);
    if (q->before >= MAX_FAULTS)
        return;
    switch (ws_philox_u64(q->seed, DRAW_FAULT, (uint64_t)q->before) % 8) {
    case 0:
        out->status = 429;
        out->headers = "Retry-After-Ms: 60\r\n";
        out->body = "{\"error\":{\"message\":\"too many requests\",\"type\":\"requests\","
                    "\"code\":\"rate_limit_exceeded\"}}";
        break;
    case 1:
        out->status = 500;
        out->body = "{\"error\":{\"message\":\"internal error\",\"type\":\"server_error\"}}";
        break;
    case 2:
        out->status = 503;
        out->body = "<html><body>503 overloaded</body></html>";
        break;
    case 3:
        out->cut_after = (int64_t)n / 2;
        break;
    case 4: /* looks whole to HTTP; the answer has no end */
        out->cut_after = (int64_t)n / 2;
        out->clean = true;
        break;
    default:
        break;
    }
    if (out->body)
        out->text = NULL;
}

void behave_answer(behave *b, const behave_prompt *p, ws_arena *a, script_answer *out)
{
    question q = {.l = library_for(b, p->text), .p = p};
    uint64_t what = hash_of(p->text) ^ (uint64_t)(int64_t)p->turn * 0x9e3779b97f4a7c15;
    *out = (script_answer){.chunk_bytes = 256, .stall_after = -1, .cut_after = -1};
    q.before = count(b, what);
    q.seed = ws_philox_u64(b->seed, what, p->turn < 0 ? (uint64_t)q.before : 0);
    if (!q.l) {
        out->status = 404;
        out->body = "{\"error\":{\"message\":\"no kernels for the operation of this prompt\","
                    "\"code\":\"model_not_found\"}}";
        return;
    }
    out->text = text_for(b, &q, a);
    if (b->delay_ms)
        out->stall_ms = draw(&q, DRAW_DELAY, (uint32_t)(2 * b->delay_ms + 1));
    if (b->kind == FLAKY) {
        out->chunk_ms = 2;
        add_fault(&q, out);
    }
}
