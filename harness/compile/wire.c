#include "harness/compile/internal.h"

#include <string.h>

/* Fields are a 64-bit length and bytes; numbers are fields of their own size. Both ends are this
 * program on this machine, so byte order is not an issue; lengths are checked because the cache may
 * be damaged. */

void comp_wire_put(ws_buf *out, const void *data, size_t n)
{
    uint64_t length = n;
    ws_buf_add(out, &length, sizeof length);
    ws_buf_add(out, data, n);
}

bool comp_wire_get(ws_str *rest, ws_str *out)
{
    uint64_t length;
    if (rest->n < sizeof length)
        return false;
    memcpy(&length, rest->p, sizeof length);
    if (length > rest->n - sizeof length)
        return false;
    *out = (ws_str){rest->p + sizeof length, (size_t)length};
    rest->p += sizeof length + length;
    rest->n -= sizeof length + (size_t)length;
    return true;
}

static bool get_number(ws_str *rest, void *out, size_t n)
{
    ws_str f;
    if (!comp_wire_get(rest, &f) || f.n != n)
        return false;
    memcpy(out, f.p, n);
    return true;
}

static bool get_text(ws_arena *a, ws_str *rest, const char **out)
{
    ws_str f;
    if (!comp_wire_get(rest, &f))
        return false;
    *out = ws_arena_strndup(a, f.p, f.n);
    return true;
}

void comp_job_write(ws_buf *out, const comp_job *j)
{
    uint8_t flags = (uint8_t)(j->compile | j->assemble << 1 | j->fmad << 2 |
                              j->beside_others << 3);
    comp_wire_put(out, &j->id, sizeof j->id);
    comp_wire_put(out, &flags, sizeof flags);
    comp_wire_put(out, &j->wall_seconds, sizeof j->wall_seconds);
    comp_wire_put(out, &j->memory_bytes, sizeof j->memory_bytes);
    comp_wire_put(out, j->arch, strlen(j->arch));
    comp_wire_put(out, j->file, strlen(j->file));
    comp_wire_put(out, j->source.p, j->source.n);
    comp_wire_put(out, j->ptx.p, j->ptx.n);
    comp_wire_put(out, &j->n_defines, sizeof j->n_defines);
    for (uint32_t i = 0; i < j->n_defines; i++)
        comp_wire_put(out, j->define[i], strlen(j->define[i]));
}

bool comp_job_read(ws_arena *a, ws_str bytes, comp_job *out)
{
    uint8_t flags;
    comp_job j = {0};
    if (!get_number(&bytes, &j.id, sizeof j.id) || !get_number(&bytes, &flags, sizeof flags) ||
        !get_number(&bytes, &j.wall_seconds, sizeof j.wall_seconds) ||
        !get_number(&bytes, &j.memory_bytes, sizeof j.memory_bytes) ||
        !get_text(a, &bytes, &j.arch) || !get_text(a, &bytes, &j.file) ||
        !comp_wire_get(&bytes, &j.source) || !comp_wire_get(&bytes, &j.ptx) ||
        !get_number(&bytes, &j.n_defines, sizeof j.n_defines) || j.n_defines > COMP_MAX_MACROS)
        return false;
    const char **define = WS_ARENA_NEW(a, const char *, j.n_defines + 1);
    for (uint32_t i = 0; i < j.n_defines; i++)
        if (!get_text(a, &bytes, &define[i]))
            return false;
    j.define = define;
    j.compile = flags & 1;
    j.assemble = flags & 2;
    j.fmad = flags & 4;
    j.beside_others = flags & 8;
    *out = j;
    return true;
}

void comp_phase_write(ws_buf *out, const comp_phase *p)
{
    int32_t head[2] = {(int32_t)p->outcome, p->code};
    comp_wire_put(out, head, sizeof head);
    comp_wire_put(out, p->log.p, p->log.n);
    comp_wire_put(out, p->output.p, p->output.n);
}

static bool read_phase(ws_str *rest, comp_phase *out)
{
    int32_t head[2];
    if (!get_number(rest, head, sizeof head) || head[0] < 0 || head[0] > COMP_CRASHED ||
        !comp_wire_get(rest, &out->log) || !comp_wire_get(rest, &out->output))
        return false;
    out->outcome = (comp_outcome)head[0];
    out->code = head[1];
    return true;
}

bool comp_phase_read(ws_str bytes, comp_phase *out)
{
    return read_phase(&bytes, out) && bytes.n == 0;
}

void comp_reply_write(ws_buf *out, const comp_reply *r)
{
    comp_phase_write(out, &r->front);
    comp_phase_write(out, &r->back);
}

bool comp_reply_read(ws_str bytes, comp_reply *out)
{
    return read_phase(&bytes, &out->front) && read_phase(&bytes, &out->back) && bytes.n == 0;
}
