/* Device printf: the format and its arguments in device memory, the text in the memory's buffer. */
#include "harness/ptx/lanes.h"
#include "harness/ptx/undef.h"

#include <stdio.h>
#include <string.h>

enum { MAX_PRINTED = 1 << 20, MAX_STRING = 1024, MAX_WIDTH = 512 };

static bool peek_byte(ptx_warp *w, int lane, u64 addr, uint8_t *out)
{
    u64 at = addr & ((1ull << PTX_WINDOW_SHIFT) - 1);
    switch (addr >> PTX_WINDOW_SHIFT) {
    case 0: {
        ptx_alloc *a = ptx_memory_find(w->worker->grid->mem, addr);
        if (a)
            *out = *(const uint8_t *)(uintptr_t)addr;
        return a != NULL;
    }
    case 1:
        if (at < w->worker->grid->shared_bytes)
            *out = w->block->shared[at];
        return at < w->worker->grid->shared_bytes;
    case 2:
        if (at < w->local_bytes)
            *out = *ptx_local_byte(w, lane, (u32)at);
        return at < w->local_bytes;
    default:
        return false;
    }
}

static bool peek(ptx_warp *w, int lane, u64 addr, void *out, size_t n)
{
    for (size_t b = 0; b < n; b++)
        if (!peek_byte(w, lane, addr + b, (uint8_t *)out + b))
            return false;
    return true;
}

bool ptx_read_string(ptx_warp *w, int lane, u64 addr, char *out, size_t size)
{
    for (size_t n = 0; n + 1 < size; n++) {
        if (!peek(w, lane, addr + n, &out[n], 1))
            return false;
        if (!out[n])
            return true;
    }
    out[size - 1] = 0;
    return true;
}

/* One conversion: `spec` is its text from % on without length modifiers, `kind` its letter. */
static void put_value(ptx_warp *w, int lane, ws_buf *out, char *spec, size_t n, char kind, u64 bits,
                      int length)
{
    bool is_long = length < 0;
    char text[MAX_STRING];
    spec[n] = 0;
    if (strchr("di", kind)) {
        memcpy(spec + n, "lld", 4);
        ws_buf_printf(out, spec, is_long       ? (long long)bits
                      : length == 1 ? (long long)(s16)bits
                      : length > 1  ? (long long)(s8)bits
                                    : (long long)(s32)bits);
    } else if (strchr("uxXo", kind)) {
        memcpy(spec + n, "ll?", 4);
        spec[n + 2] = kind;
        ws_buf_printf(out, spec,
                      is_long       ? (unsigned long long)bits
                      : length == 1 ? (unsigned long long)(u16)bits
                      : length > 1  ? (unsigned long long)(u8)bits
                                    : (unsigned long long)(u32)bits);
    } else if (kind == 'c') {
        memcpy(spec + n, "c", 2);
        ws_buf_printf(out, spec, (int)bits);
    } else if (kind == 'p') {
        ws_buf_printf(out, "0x%llx", (unsigned long long)bits);
    } else if (kind == 's') {
        memcpy(spec + n, "s", 2);
        ws_buf_printf(out, spec,
                      ptx_read_string(w, lane, bits, text, sizeof text) ? text : "(bad string)");
    } else {
        f64 v;
        memcpy(&v, &bits, sizeof v);
        spec[n] = kind;
        spec[n + 1] = 0;
        ws_buf_printf(out, spec, v);
    }
}

/* Arguments lie one after the other, each aligned to its size: 4 bytes for int, 8 for the rest. */
static u64 next_argument(ptx_warp *w, int lane, u64 args, u64 *at, u32 bytes)
{
    u64 bits = 0;
    *at = (*at + bytes - 1) / bytes * bytes;
    if (!peek(w, lane, args + *at, &bits, bytes))
        bits = 0;
    else if (args >> PTX_WINDOW_SHIFT == PTX_WINDOW_LOCAL >> PTX_WINDOW_SHIFT)
        ptx_undef_used_local(w, w->insn - 1, lane, (u32)(args + *at), bytes);
    *at += bytes;
    return bits;
}

/* Flags, width and precision behind a %; `*` takes an argument. Numbers are limited: a kernel must
 * not print gigabytes. */
static size_t read_spec(ptx_warp *w, int lane, const char **p, char spec[64], u64 args, u64 *at)
{
    size_t n = 0;
    spec[n++] = *(*p)++;
    for (; **p && strchr("-+ #0", **p); ++*p)
        if (!memchr(spec, **p, n))
            spec[n++] = **p;
    for (int part = 0; part < 2; part++) {
        long v = 0;
        bool there = false;
        if (part && **p != '.')
            break;
        if (part)
            spec[n++] = *(*p)++;
        if (**p == '*') {
            v = (s32)next_argument(w, lane, args, at, 4);
            there = true;
            ++*p;
        }
        for (; **p >= '0' && **p <= '9'; ++*p, there = true)
            v = v > MAX_WIDTH ? v : 10 * v + **p - '0';
        v = v > MAX_WIDTH ? MAX_WIDTH : v < -MAX_WIDTH ? -MAX_WIDTH : v;
        if (part && v < 0) /* as if there were none */
            n--;
        else if (there)
            n += (size_t)snprintf(spec + n, 12, "%ld", v);
    }
    return n;
}

static void format_text(ptx_warp *w, int lane, const char *format, u64 args, ws_buf *out,
                        u32 *count)
{
    u64 at = 0;
    for (const char *p = format; *p;) {
        if (*p != '%' || p[1] == '%') {
            ws_buf_add(out, p, 1);
            p += *p == '%' ? 2 : 1;
            continue;
        }
        char spec[64];
        int length = 0; /* of the value: 2 hh, 1 h, -1 long */
        size_t n = read_spec(w, lane, &p, spec, args, &at);
        for (; *p && strchr("hlLzjt", *p); p++)
            length = *p == 'h' ? length + 1 : -1;
        if (!*p || !strchr("diuxXocpsfFeEgGaA", *p))
            return;
        bool wide = length < 0 || strchr("psfFeEgGaA", *p);
        put_value(w, lane, out, spec, n, *p, next_argument(w, lane, args, &at, wide ? 8 : 4),
                  length);
        (*count)++;
        p++;
    }
}

u32 ptx_printf(ptx_warp *w, int lane, u64 format, u64 args)
{
    char text[MAX_STRING];
    u32 count = 0;
    ws_buf out = {0};
    if (!ptx_read_string(w, lane, format, text, sizeof text))
        return UINT32_MAX;
    format_text(w, lane, text, args, &out, &count);
    ptx_memory *m = w->worker->grid->mem;
    pthread_mutex_lock(&m->lock);
    if (m->printed.n + out.n <= MAX_PRINTED)
        ws_buf_add(&m->printed, out.p, out.n);
    pthread_mutex_unlock(&m->lock);
    ws_buf_release(&out);
    return count;
}
