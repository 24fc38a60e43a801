/* One file of tests/ptx: PTX with its launches, buffers and expectations in comments.
 *
 *   // test: what it shows
 *   // buffer: NAME TYPE[COUNT]               nothing wrote it
 *   // buffer: NAME TYPE[COUNT] = VALUES      an expression in i, or a list {1 2.5 nan 0*30}
 *   // launch: KERNEL grid 2 1 1 block 64 1 1 shared 256 cooperative sample 4 (NAME, s32 5, f32
 * 0.5, +4 NAME,
 *   //         u32 1 2 3: a struct of three)    on one line
 *   // want: NAME = VALUES                    after all launches; compared bit for bit
 *   // fault: out_of_bounds thread 3 0 0 block 1 0 0 space shared
 *   // other: thread 4 0 0 block 0 0 0        the other side of a race
 *   // text: part of the finding's sentence
 *   // printed: "a line\n"                    several add up; of the schedule that takes warps in
 * order
 *   // count: shared_wavefronts 8             a counter of ptx_counters
 *   // any-order                              what is found depends on the schedule; the reason may
 * not
 *   // cuda:                                  the CUDA source, from the next line to the end of the
 * comments
 *
 * Sizes left out are 1. A line of the CUDA source that ends in HERE is the place of the fault, one
 * that ends in THERE that of the other access. The PTX itself is from nvcc (tests/ptx/from_cuda) or
 * written by hand; then the marks stand in the PTX. Nothing here is peculiar to the engine but
 * faults and counters. */
#ifndef TESTS_PTX_CASE_H
#define TESTS_PTX_CASE_H

#include "base/buf.h"
#include "base/dtype.h"
#include "base/expr.h"
#include "base/file.h"
#include "harness/ptx/report.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CASE_BUFFERS = 12,
    CASE_LAUNCHES = 4,
    CASE_ARGS = 12,
    CASE_COUNTS = 24,
    CASE_VALUE_BYTES = 64
};

typedef struct case_buffer {
    char name[32], type[8];
    size_t count, bytes;
    uint8_t *init; /* NULL: uninitialised */
    uint8_t *want; /* NULL: any */
} case_buffer;

typedef struct case_arg {
    int buffer;      /* -1: a number */
    uint64_t offset; /* bytes into the buffer */
    uint8_t value[CASE_VALUE_BYTES];
    size_t bytes;
} case_arg;

typedef struct case_launch {
    char kernel[64];
    uint32_t grid[3], block[3], shared, sample;
    bool cooperative;
    case_arg arg[CASE_ARGS];
    int n_args;
} case_launch;

typedef struct ptx_case {
    ws_arena arena;
    ws_buf text; /* the file: comments and PTX */
    const char *path;
    case_buffer buffer[CASE_BUFFERS];
    int n_buffers;
    case_launch launch[CASE_LAUNCHES];
    int n_launches;
    char reason[32];                                              /* "": no fault */
    char space[8];                                                /* "": any */
    char part[160];                                               /* of the sentence */
    int64_t thread[3], block[3], other_thread[3], other_block[3]; /* -1: any */
    int line, ptx_line, other_line;
    ws_buf printed;
    bool wants_printed, any_order;
    struct {
        char name[40];
        uint64_t value;
    } count[CASE_COUNTS];
    int n_counts;
    ws_err err;
} ptx_case;

/* ---- values ---- */

static size_t case_type_bytes(const char *type)
{
    int bits = atoi(type + strcspn(type, "0123456789"));
    return bits >= 8 && bits <= 64 ? (size_t)bits / 8 : 0;
}

/* One element; integers keep all their 64 bits. */
static void case_store(const char *type, uint8_t *out, int64_t whole, double real)
{
    size_t n = case_type_bytes(type);
    float f = (float)real;
    uint16_t h = type[0] == 'b' ? ws_bf16_from_f64(real) : ws_f16_from_f64(real);
    bool is_float = type[0] == 'f' || type[0] == 'b';
    const void *from = !is_float ? (const void *)&whole
                       : n == 8  ? (const void *)&real
                       : n == 4  ? (const void *)&f
                                 : (const void *)&h;
    memcpy(out, from, n);
}

static ws_status case_list(const char *p, const char *type, size_t count, uint8_t *out, ws_err *err)
{
    size_t n = case_type_bytes(type), at = 0;
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
            case_store(type, out + at++ * n, whole, real);
        }
        p = end + strspn(end, " ,\t");
    }
    return at == count ? WS_OK : ws_fail(err, WS_EINPUT, "%zu values for %zu elements", at, count);
}

static ws_status case_values(ptx_case *c, const char *p, const char *type, size_t count,
                             uint8_t **out, ws_err *err)
{
    size_t n = case_type_bytes(type);
    *out = ws_arena_alloc(&c->arena, n * count);
    if (*p == '{')
        return case_list(p, type, count, *out, err);
    const ws_expr *e = NULL;
    ws_status st = ws_expr_parse(&c->arena, p, &e, err);
    for (size_t i = 0; !st && i < count; i++) {
        int64_t v = 0;
        ws_binding b = {"i", (int64_t)i};
        ws_env env = {&b, 1, NULL};
        st = ws_expr_eval(e, &env, &v, err);
        case_store(type, *out + i * n, v, (double)v);
    }
    return st;
}

/* ---- lines ---- */

/* The next word of *p, cut at white space, commas and brackets. */
static char *case_word(char **p, char *out, size_t size)
{
    *p += strspn(*p, " \t,(");
    size_t n = strcspn(*p, " \t,()");
    snprintf(out, size, "%.*s", (int)n, *p);
    *p += n;
    return out;
}

static int case_find_buffer(const ptx_case *c, const char *name)
{
    for (int b = 0; b < c->n_buffers; b++)
        if (strcmp(c->buffer[b].name, name) == 0)
            return b;
    return -1;
}

static ws_status case_buffer_line(ptx_case *c, char *p, ws_err *err)
{
    char shape[32], *at = p;
    if (c->n_buffers == CASE_BUFFERS)
        return ws_fail(err, WS_EINPUT, "too many buffers");
    case_buffer *b = &c->buffer[c->n_buffers++];
    case_word(&at, b->name, sizeof b->name);
    case_word(&at, shape, sizeof shape);
    if (sscanf(shape, "%7[a-z0-9][%zu]", b->type, &b->count) != 2 || !case_type_bytes(b->type))
        return ws_fail(err, WS_EINPUT, "not TYPE[COUNT]: '%s'", shape);
    b->bytes = b->count * case_type_bytes(b->type);
    at = strchr(at, '=');
    return at ? case_values(c, at + 1 + strspn(at + 1, " "), b->type, b->count, &b->init, err)
              : WS_OK;
}

static ws_status case_want_line(ptx_case *c, char *p, ws_err *err)
{
    char name[32], *at = p;
    int b = case_find_buffer(c, case_word(&at, name, sizeof name));
    at = strchr(at, '=');
    if (b < 0 || !at)
        return ws_fail(err, WS_EINPUT, "not NAME = VALUES");
    case_buffer *x = &c->buffer[b];
    return case_values(c, at + 1 + strspn(at + 1, " "), x->type, x->count, &x->want, err);
}

/* Up to three numbers; what is missing becomes `rest`. */
static void case_three(char **p, int64_t *out, int64_t rest)
{
    for (int d = 0; d < 3; d++) {
        char *end = *p;
        long long v = strtoll(*p, &end, 0);
        bool has = end != *p;
        out[d] = has ? v : rest;
        *p = has ? end : *p;
    }
}

static ws_status case_argument(ptx_case *c, case_launch *l, char **p, ws_err *err)
{
    char word[40], value[64];
    if (l->n_args == CASE_ARGS)
        return ws_fail(err, WS_EINPUT, "too many arguments");
    case_arg *a = &l->arg[l->n_args++];
    case_word(p, word, sizeof word);
    if (word[0] == '+') {
        a->offset = strtoull(word + 1, NULL, 0);
        case_word(p, word, sizeof word);
    }
    a->buffer = case_find_buffer(c, word);
    a->bytes = a->buffer >= 0 ? 8 : 0;
    size_t size = case_type_bytes(word);
    if (a->buffer < 0 && !size)
        return ws_fail(err, WS_EINPUT, "'%s' is neither a buffer nor a type", word);
    while (a->buffer < 0 && a->bytes + size <= sizeof a->value && **p && !strchr(",)", **p)) {
        case_word(p, value, sizeof value);
        case_store(word, a->value + a->bytes,
                   value[0] == '-' ? strtoll(value, NULL, 0) : (int64_t)strtoull(value, NULL, 0),
                   strtod(value, NULL));
        a->bytes += size;
        *p += strspn(*p, " ");
    }
    return WS_OK;
}

static ws_status case_launch_line(ptx_case *c, char *p, ws_err *err)
{
    if (c->n_launches == CASE_LAUNCHES)
        return ws_fail(err, WS_EINPUT, "too many launches");
    case_launch *l = &c->launch[c->n_launches++];
    int64_t grid[3] = {1, 1, 1}, block[3] = {1, 1, 1}, one[3] = {0};
    char word[32];
    case_word(&p, l->kernel, sizeof l->kernel);
    for (p += strspn(p, " "); *p && *p != '('; p += strspn(p, " ")) {
        case_word(&p, word, sizeof word);
        if (strcmp(word, "cooperative") == 0)
            l->cooperative = true;
        else if (strcmp(word, "grid") == 0)
            case_three(&p, grid, 1);
        else if (strcmp(word, "block") == 0)
            case_three(&p, block, 1);
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
    }
    for (p += *p == '('; *p && *p != ')'; p += strspn(p, " ,")) {
        ws_status st = case_argument(c, l, &p, err);
        if (st)
            return st;
    }
    return WS_OK;
}

static ws_status case_fault_line(char *p, char *reason, size_t size, int64_t *thread,
                                 int64_t *block, char *space, ws_err *err)
{
    char word[32];
    if (reason)
        case_word(&p, reason, size);
    for (p += strspn(p, " "); *p; p += strspn(p, " ")) {
        case_word(&p, word, sizeof word);
        if (strcmp(word, "thread") == 0)
            case_three(&p, thread, 0);
        else if (strcmp(word, "block") == 0)
            case_three(&p, block, 0);
        else if (strcmp(word, "space") == 0)
            case_word(&p, space, 8);
        else
            return ws_fail(err, WS_EINPUT, "unknown word '%s'", word);
    }
    return WS_OK;
}

static void case_printed_line(ptx_case *c, const char *p)
{
    c->wants_printed = true;
    for (p += *p == '"'; *p && !(*p == '"' && !p[1]); p++) {
        bool escaped = *p == '\\' && p[1];
        p += escaped;
        ws_buf_addc(&c->printed, escaped && *p == 'n' ? '\n' : escaped && *p == 't' ? '\t' : *p);
    }
}

static ws_status case_count_line(ptx_case *c, char *p, ws_err *err)
{
    if (c->n_counts == CASE_COUNTS)
        return ws_fail(err, WS_EINPUT, "too many counters");
    case_word(&p, c->count[c->n_counts].name, sizeof c->count[0].name);
    c->count[c->n_counts++].value = strtoull(p, NULL, 0);
    return WS_OK;
}

static ws_status case_line(ptx_case *c, const char *key, char *p, ws_err *err)
{
    if (strcmp(key, "buffer") == 0)
        return case_buffer_line(c, p, err);
    if (strcmp(key, "launch") == 0)
        return case_launch_line(c, p, err);
    if (strcmp(key, "want") == 0)
        return case_want_line(c, p, err);
    if (strcmp(key, "fault") == 0)
        return case_fault_line(p, c->reason, sizeof c->reason, c->thread, c->block, c->space, err);
    if (strcmp(key, "other") == 0)
        return case_fault_line(p, NULL, 0, c->other_thread, c->other_block, c->space, err);
    if (strcmp(key, "count") == 0)
        return case_count_line(c, p, err);
    if (strcmp(key, "text") == 0)
        snprintf(c->part, sizeof c->part, "%s", p);
    else if (strcmp(key, "printed") == 0)
        case_printed_line(c, p);
    else if (strcmp(key, "any-order") == 0)
        c->any_order = true;
    else if (strcmp(key, "test") != 0)
        return ws_fail(err, WS_EINPUT, "unknown key '%s'", key);
    return WS_OK;
}

/* ---- files ---- */

static bool case_ends(const char *line, const char *word)
{
    size_t n = strlen(line), m = strlen(word);
    return n >= m && strcmp(line + n - m, word) == 0 &&
           (n == m || !isalpha((unsigned char)line[n - m - 1]));
}

static ws_status case_read(ptx_case *c, char *text, ws_err *err)
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
        if (case_ends(p, "THERE"))
            c->other_line = at;
        else if (case_ends(p, "HERE"))
            *(cuda < 0 ? &c->ptx_line : &c->line) = at;
        if (cuda >= 0 || strncmp(p, "// ", 3) != 0 || !islower((unsigned char)p[3]))
            continue;
        char key[24] = "";
        size_t n = strcspn(p + 3, ": ");
        snprintf(key, sizeof key, "%.*s", (int)n, p + 3);
        char *rest = p + 3 + n + strspn(p + 3 + n, ": ");
        if (strcmp(key, "cuda") == 0)
            cuda = line;
        else if ((st = case_line(c, key, rest, err)))
            st = ws_wrap(err, "line %d", line);
    }
    return st;
}

static void case_release(ptx_case *c)
{
    ws_arena_release(&c->arena);
    ws_buf_release(&c->text);
    ws_buf_release(&c->printed);
}

static ws_status case_load(const char *path, ptx_case *c, ws_err *err)
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
    st = case_read(c, copy, err);
    free(copy);
    return st;
}

#endif
