/* Reads a case: see case.h. */
#include "harness/ptx/case.h"

#include "base/dtype.h"
#include "base/expr.h"
#include "base/file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

size_t ptx_case_type_bytes(const char *type)
{
    int bits = atoi(type + strcspn(type, "0123456789"));
    return bits >= 8 && bits <= 64 ? (size_t)bits / 8 : 0;
}

/* One element; integers keep all their 64 bits. */
static void store(const char *type, uint8_t *out, int64_t whole, double real)
{
    size_t n = ptx_case_type_bytes(type);
    float f = (float)real;
    uint16_t h = type[0] == 'b' ? ws_bf16_from_f64(real) : ws_f16_from_f64(real);
    bool is_float = type[0] == 'f' || type[0] == 'b';
    const void *from = !is_float ? (const void *)&whole
                       : n == 8  ? (const void *)&real
                       : n == 4  ? (const void *)&f
                                 : (const void *)&h;
    memcpy(out, from, n);
}

static ws_status read_list(const char *p, const char *type, size_t count, uint8_t *out, ws_err *err)
{
    size_t n = ptx_case_type_bytes(type), at = 0;
    for (p++; *p && *p != '}';) {
        char *end = NULL, *end2 = NULL;
        double real = strtod(p, &end);
        bool neg = *p == '-';
        int64_t whole = neg ? strtoll(p, &end2, 0) : (int64_t)strtoull(p, &end2, 0);
        if (end == p)
            return ws_fail(err, WS_EINPUT, "not a number: '%.20s'", p);
        uint64_t repeat = *end == '*' ? strtoull(end + 1, &end, 10) : 1;
        for (; repeat; repeat--) {
            if (at == count)
                return ws_fail(err, WS_EINPUT, "more than %zu values", count);
            store(type, out + at++ * n, whole, real);
        }
        p = end + strspn(end, " ,\t");
    }
    return at == count ? WS_OK : ws_fail(err, WS_EINPUT, "%zu values for %zu elements", at, count);
}

static ws_status read_values(ptx_case *c, const char *p, const char *type, size_t count,
                             uint8_t **out, ws_err *err)
{
    size_t n = ptx_case_type_bytes(type);
    *out = ws_arena_alloc(&c->arena, n * count);
    if (*p == '{')
        return read_list(p, type, count, *out, err);
    const ws_expr *e = NULL;
    ws_status st = ws_expr_parse(&c->arena, p, &e, err);
    for (size_t i = 0; !st && i < count; i++) {
        int64_t v = 0;
        ws_binding b = {"i", (int64_t)i};
        ws_env env = {&b, 1, NULL};
        st = ws_expr_eval(e, &env, &v, err);
        store(type, *out + i * n, v, (double)v);
    }
    return st;
}

/* ---- lines ---- */

/* The next word of *p, cut at white space, commas and brackets. */
static char *next_word(char **p, char *out, size_t size)
{
    *p += strspn(*p, " \t,(");
    size_t n = strcspn(*p, " \t,()");
    snprintf(out, size, "%.*s", (int)n, *p);
    *p += n;
    return out;
}

static int find_buffer(const ptx_case *c, const char *name)
{
    for (int b = 0; b < c->n_buffers; b++)
        if (strcmp(c->buffer[b].name, name) == 0)
            return b;
    return -1;
}

static ws_status buffer_line(ptx_case *c, char *p, ws_err *err)
{
    char shape[32], *at = p;
    if (c->n_buffers == PTX_CASE_BUFFERS)
        return ws_fail(err, WS_EINPUT, "too many buffers");
    ptx_case_buffer *b = &c->buffer[c->n_buffers++];
    next_word(&at, b->name, sizeof b->name);
    next_word(&at, shape, sizeof shape);
    if (sscanf(shape, "%7[a-z0-9][%zu]", b->type, &b->count) != 2 || !ptx_case_type_bytes(b->type))
        return ws_fail(err, WS_EINPUT, "not TYPE[COUNT]: '%s'", shape);
    b->bytes = b->count * ptx_case_type_bytes(b->type);
    at = strchr(at, '=');
    return at ? read_values(c, at + 1 + strspn(at + 1, " "), b->type, b->count, &b->init, err)
              : WS_OK;
}

static int find_map(const ptx_case *c, const char *name)
{
    for (int m = 0; m < c->n_maps; m++)
        if (strcmp(c->map[m].name, name) == 0)
            return m;
    return -1;
}

static ws_status map_line(ptx_case *c, char *p, ws_err *err)
{
    char buffer[32];
    if (c->n_maps == PTX_CASE_MAPS)
        return ws_fail(err, WS_EINPUT, "too many tensor maps");
    ptx_case_map *m = &c->map[c->n_maps++];
    next_word(&p, m->name, sizeof m->name);
    p = strchr(p, '=');
    if (!p)
        return ws_fail(err, WS_EINPUT, "not NAME = TYPE BUFFER ...");
    ws_status st = ptx_case_map_read(p + 1, m, buffer, err);
    m->buffer = find_buffer(c, buffer);
    return !st && m->buffer < 0 ? ws_fail(err, WS_EINPUT, "no buffer '%s'", buffer) : st;
}

static ws_status want_line(ptx_case *c, char *p, ws_err *err)
{
    char name[32], *at = p;
    int b = find_buffer(c, next_word(&at, name, sizeof name));
    at = strchr(at, '=');
    if (b < 0 || !at)
        return ws_fail(err, WS_EINPUT, "not NAME = VALUES");
    ptx_case_buffer *x = &c->buffer[b];
    return read_values(c, at + 1 + strspn(at + 1, " "), x->type, x->count, &x->want, err);
}

/* Up to three numbers; what is missing becomes `rest`. */
static void read_three(char **p, int64_t *out, int64_t rest)
{
    for (int d = 0; d < 3; d++) {
        char *end = *p;
        long long v = strtoll(*p, &end, 0);
        bool has = end != *p;
        out[d] = has ? v : rest;
        *p = has ? end : *p;
    }
}

static ws_status argument(ptx_case *c, ptx_case_launch *l, char **p, ws_err *err)
{
    char word[40], value[64];
    if (l->n_args == PTX_CASE_ARGS)
        return ws_fail(err, WS_EINPUT, "too many arguments");
    ptx_case_arg *a = &l->arg[l->n_args++];
    next_word(p, word, sizeof word);
    if (word[0] == '+') {
        a->offset = strtoull(word + 1, NULL, 0);
        next_word(p, word, sizeof word);
    }
    a->buffer = find_buffer(c, word);
    a->map = find_map(c, word);
    a->bytes = a->buffer >= 0 ? 8 : a->map >= 0 ? PTX_TM_BYTES : 0;
    bool is_name = a->bytes;
    size_t size = ptx_case_type_bytes(word);
    if (!is_name && !size)
        return ws_fail(err, WS_EINPUT, "'%s' is neither a buffer, a tensor map nor a type", word);
    while (!is_name && a->bytes + size <= sizeof a->value && **p && !strchr(",)", **p)) {
        next_word(p, value, sizeof value);
        store(word, a->value + a->bytes,
              value[0] == '-' ? strtoll(value, NULL, 0) : (int64_t)strtoull(value, NULL, 0),
              strtod(value, NULL));
        a->bytes += size;
        *p += strspn(*p, " ");
    }
    return WS_OK;
}

static ws_status launch_line(ptx_case *c, char *p, ws_err *err)
{
    if (c->n_launches == PTX_CASE_LAUNCHES)
        return ws_fail(err, WS_EINPUT, "too many launches");
    ptx_case_launch *l = &c->launch[c->n_launches++];
    int64_t grid[3] = {1, 1, 1}, block[3] = {1, 1, 1}, cluster[3] = {0}, one[3] = {0};
    char word[32];
    next_word(&p, l->kernel, sizeof l->kernel);
    for (p += strspn(p, " "); *p && *p != '('; p += strspn(p, " ")) {
        next_word(&p, word, sizeof word);
        if (strcmp(word, "cooperative") == 0)
            l->cooperative = true;
        else if (strcmp(word, "grid") == 0)
            read_three(&p, grid, 1);
        else if (strcmp(word, "block") == 0)
            read_three(&p, block, 1);
        else if (strcmp(word, "cluster") == 0)
            read_three(&p, cluster, 1);
        else if (strcmp(word, "shared") == 0 || strcmp(word, "sample") == 0) {
            char *end = p;
            one[0] = strtoll(p, &end, 0);
            p = end;
            *(word[1] == 'h' ? &l->shared : &l->sample) = (uint32_t)one[0];
        } else
            return ws_fail(err, WS_EINPUT, "unknown word '%s'", word);
    }
    for (int d = 0; d < 3; d++) {
        l->grid[d] = (uint32_t)grid[d];
        l->block[d] = (uint32_t)block[d];
        l->cluster[d] = (uint32_t)cluster[d];
    }
    for (p += *p == '('; *p && *p != ')'; p += strspn(p, " ,")) {
        ws_status st = argument(c, l, &p, err);
        if (st)
            return st;
    }
    return WS_OK;
}

static ws_status fault_line(char *p, char *reason, size_t size, int64_t *thread, int64_t *block,
                            char *space, ws_err *err)
{
    char word[32];
    if (reason)
        next_word(&p, reason, size);
    for (p += strspn(p, " "); *p; p += strspn(p, " ")) {
        next_word(&p, word, sizeof word);
        if (strcmp(word, "thread") == 0)
            read_three(&p, thread, 0);
        else if (strcmp(word, "block") == 0)
            read_three(&p, block, 0);
        else if (strcmp(word, "space") == 0)
            next_word(&p, space, 8);
        else
            return ws_fail(err, WS_EINPUT, "unknown word '%s'", word);
    }
    return WS_OK;
}

static void printed_line(ptx_case *c, const char *p)
{
    c->wants_printed = true;
    for (p += *p == '"'; *p && !(*p == '"' && !p[1]); p++) {
        bool escaped = *p == '\\' && p[1];
        p += escaped;
        ws_buf_addc(&c->printed, escaped && *p == 'n' ? '\n' : escaped && *p == 't' ? '\t' : *p);
    }
}

static ws_status free_line(ptx_case *c, char *p, ws_err *err)
{
    char name[32];
    int b = find_buffer(c, next_word(&p, name, sizeof name));
    if (b < 0 || !c->n_launches)
        return ws_fail(err, WS_EINPUT, "no buffer '%s', or no launch before", name);
    c->buffer[b].free_after = c->n_launches;
    return WS_OK;
}

static ws_status count_line(ptx_case *c, char *p, ws_err *err)
{
    if (c->n_counts == PTX_CASE_COUNTS)
        return ws_fail(err, WS_EINPUT, "too many counters");
    next_word(&p, c->count[c->n_counts].name, sizeof c->count[0].name);
    c->count[c->n_counts++].value = strtoull(p, NULL, 0);
    return WS_OK;
}

static ws_status cache_line(ptx_case *c, const char *p, ws_err *err)
{
    unsigned long long l2;
    ptx_cache *k = &c->cache;
    if (sscanf(p, "sms %u l1 %u l2 %llu warps %u blocks %u", &k->sms, &k->l1_bytes, &l2, &k->max_warps,
               &k->max_blocks) != 5 || !k->sms)
        return ws_fail(err, WS_EINPUT, "caches are 'sms N l1 BYTES l2 BYTES warps N blocks N', N not 0");
    k->l2_bytes = l2;
    return WS_OK;
}

static ws_status read_line(ptx_case *c, const char *key, char *p, ws_err *err)
{
    if (strcmp(key, "buffer") == 0)
        return buffer_line(c, p, err);
    if (strcmp(key, "tensormap") == 0)
        return map_line(c, p, err);
    if (strcmp(key, "launch") == 0)
        return launch_line(c, p, err);
    if (strcmp(key, "want") == 0)
        return want_line(c, p, err);
    if (strcmp(key, "fault") == 0)
        return fault_line(p, c->reason, sizeof c->reason, c->thread, c->block, c->space, err);
    if (strcmp(key, "other") == 0)
        return fault_line(p, NULL, 0, c->other_thread, c->other_block, c->space, err);
    if (strcmp(key, "free") == 0)
        return free_line(c, p, err);
    if (strcmp(key, "count") == 0)
        return count_line(c, p, err);
    if (strcmp(key, "cache") == 0)
        return cache_line(c, p, err);
    if (strcmp(key, "text") == 0)
        snprintf(c->part, sizeof c->part, "%s", p);
    else if (strcmp(key, "says") == 0 && c->n_says < PTX_CASE_SAYS)
        snprintf(c->says[c->n_says++], sizeof c->says[0], "%s", p);
    else if (strcmp(key, "leaks") == 0)
        snprintf(c->leaks, sizeof c->leaks, "%s", p);
    else if (strcmp(key, "unused") == 0)
        snprintf(c->unused, sizeof c->unused, "%s", p);
    else if (strcmp(key, "printed") == 0)
        printed_line(c, p);
    else if (strcmp(key, "any-order") == 0)
        c->any_order = true;
    else if (strcmp(key, "test") != 0)
        return ws_fail(err, WS_EINPUT, "unknown key '%s'", key);
    return WS_OK;
}

/* ---- files ---- */

static bool ends_in(const char *line, const char *word)
{
    size_t n = strlen(line), m = strlen(word);
    return n >= m && strcmp(line + n - m, word) == 0 &&
           (n == m || !isalpha((unsigned char)line[n - m - 1]));
}

static ws_status read_text(ptx_case *c, char *text, ws_err *err)
{
    int line = 0, cuda = -1;
    ws_status st = WS_OK;
    for (char *p = text, *next; p && *p && !st; p = next) {
        next = strchr(p, '\n');
        if (next)
            *next++ = 0;
        line++;
        int at = cuda < 0 ? line : line - cuda;
        if (strncmp(p, "//", 2) != 0)
            cuda = -1;
        if (ends_in(p, "THERE"))
            c->other_line = at;
        else if (ends_in(p, "HERE"))
            *(cuda < 0 ? &c->ptx_line : &c->line) = at;
        if (cuda >= 0 || strncmp(p, "// ", 3) != 0 || !islower((unsigned char)p[3]))
            continue;
        char key[24] = "";
        size_t n = strcspn(p + 3, ": ");
        snprintf(key, sizeof key, "%.*s", (int)n, p + 3);
        char *rest = p + 3 + n + strspn(p + 3 + n, ": ");
        if (strcmp(key, "cuda") == 0)
            cuda = line;
        else if ((st = read_line(c, key, rest, err)))
            st = ws_wrap(err, "line %d", line);
    }
    return st;
}

void ptx_case_release(ptx_case *c)
{
    ws_arena_release(&c->arena);
    ws_buf_release(&c->text);
    ws_buf_release(&c->printed);
}

ws_status ptx_case_load(const char *path, ptx_case *c, ws_err *err)
{
    *c = (ptx_case){.path = path};
    int64_t *any[] = {c->thread, c->block, c->other_thread, c->other_block};
    for (size_t k = 0; k < WS_COUNT(any); k++)
        for (int d = 0; d < 3; d++)
            any[k][d] = -1;
    ws_status st = ws_read_file(path, 4 << 20, &c->text, err);
    if (st)
        return st;
    char *copy = ws_strdup(ws_buf_z(&c->text));
    st = read_text(c, copy, err);
    free(copy);
    return st;
}
