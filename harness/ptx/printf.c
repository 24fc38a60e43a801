/* Device printf: the format and its arguments in device memory, the text in the memory's buffer. */
#include "harness/ptx/lanes.h"

#include <stdio.h>
#include <string.h>

enum { MAX_PRINTED = 1 << 20, MAX_STRING = 1024 };

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
                      bool is_long)
{
    char text[MAX_STRING];
    spec[n] = 0;
    if (strchr("di", kind)) {
        memcpy(spec + n, "lld", 4);
        ws_buf_printf(out, spec, is_long ? (long long)bits : (long long)(s32)bits);
    } else if (strchr("uxXo", kind)) {
        memcpy(spec + n, "ll?", 4);
        spec[n + 2] = kind;
        ws_buf_printf(out, spec,
                      is_long ? (unsigned long long)bits : (unsigned long long)(u32)bits);
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
    *at += bytes;
    return bits;
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
        size_t n = 0;
        bool is_long = false;
        spec[n++] = *p++;
        while (*p && strchr("-+ #0123456789.*", *p) && n < sizeof spec - 24) {
            if (*p == '*')
                n +=
                    (size_t)snprintf(spec + n, 12, "%d", (int)next_argument(w, lane, args, &at, 4));
            else
                spec[n++] = *p;
            p++;
        }
        for (; *p && strchr("hlLzjt", *p); p++)
            is_long |= *p != 'h';
        if (!*p || !strchr("diuxXocpsfFeEgGaA", *p))
            return;
        bool wide = is_long || strchr("psfFeEgGaA", *p);
        put_value(w, lane, out, spec, n, *p, next_argument(w, lane, args, &at, wide ? 8 : 4),
                  is_long);
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
