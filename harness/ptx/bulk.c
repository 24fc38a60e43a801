#include "harness/ptx/bulk.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PIECE = 16 };

/* ---- accesses ---- */

bool ptx_pieces_flush(ptx_pieces *p)
{
    ptx_access x = {.insn = p->i,
                    .space = p->space,
                    .block = p->block,
                    .mask = p->n == PTX_LANES ? PTX_FULL : (1u << p->n) - 1,
                    .size = p->size,
                    .write = p->write,
                    .read = !p->write || p->atomic,
                    .atomic = p->atomic,
                    .strong = p->atomic,
                    .addr = p->addr,
                    .by = (uint8_t)(p->lane + 1),
                    .from = p->has_from ? p->from : NULL};
    if (!p->n)
        return true;
    for (u32 l = p->n; l < PTX_LANES; l++)
        p->addr[l] = p->addr[0];
    p->n = 0;
    return ptx_watch(p->w, &x);
}

bool ptx_pieces_add(ptx_pieces *p, u64 addr, u32 bytes, u32 least, const uint8_t *from)
{
    while (bytes) {
        u32 size = p->atomic ? least : MAX_PIECE;
        while (size > least && (addr % size || size > bytes))
            size /= 2;
        if (p->n && (p->n == PTX_LANES || size != p->size || p->has_from != (from != NULL)) &&
            !ptx_pieces_flush(p))
            return false;
        p->size = size;
        p->has_from = from != NULL;
        p->from[p->n] = from;
        p->addr[p->n++] = addr;
        addr += size;
        from = from ? from + size : NULL;
        bytes -= size < bytes ? size : bytes;
    }
    return true;
}

bool ptx_bulk_watch(ptx_warp *w, const ptx_insn *i, ptx_space space, u32 lane, u64 addr, u32 bytes,
                    bool write, bool atomic, u32 least)
{
    ptx_pieces p = {.w = w, .i = i, .lane = lane, .space = space, .write = write, .atomic = atomic};
    return ptx_pieces_add(&p, addr, bytes, least, NULL) && ptx_pieces_flush(&p);
}

/* ---- groups ---- */

typedef struct ptx_bulk_copy { /* that its thread has not waited for */
    struct ptx_bulk_copy *next;
    const ptx_insn *insn;
    u32 lo, bytes; /* of shared memory that it reads */
    u32 lane, group, n_runs;
    bool has_read; /* waited for with .read */
    ptx_bulk_run *run;
    uint8_t *data;
} ptx_bulk_copy;

struct ptx_bulk {
    ptx_bulk_copy *first, **last;
    u32 committed[PTX_LANES]; /* groups */
};

static struct ptx_bulk *bulk_of(ptx_warp *w)
{
    if (!w->bulk) {
        w->bulk = ws_calloc(1, sizeof *w->bulk);
        w->bulk->last = &w->bulk->first;
    }
    return w->bulk;
}

static void copy_free(ptx_bulk_copy *c)
{
    free(c->run);
    free(c->data);
    free(c);
}

void ptx_bulk_release(ptx_warp *w)
{
    for (ptx_bulk_copy *c = w->bulk ? w->bulk->first : NULL, *next; c; c = next) {
        next = c->next;
        copy_free(c);
    }
    free(w->bulk);
    w->bulk = NULL;
}

/* Until they arrive, the bytes count as unwritten. */
static void hide(ptx_warp *w, const ptx_bulk_run *r)
{
    ptx_alloc *a = ptx_memory_find(w->worker->grid->mem, r->to);
    if (a && !a->all_init)
        memset(a->state + (r->to - a->lo), 0, r->bytes);
}

static void arrive(ptx_warp *w, const ptx_bulk_copy *c)
{
    for (u32 k = 0; k < c->n_runs; k++) {
        const ptx_bulk_run *r = &c->run[k];
        ptx_alloc *a = ptx_memory_find(w->worker->grid->mem, r->to);
        memcpy((void *)(uintptr_t)r->to, c->data + r->at, r->bytes);
        if (a)
            memset(a->state + (r->to - a->lo), PTX_INIT | PTX_WRITTEN, r->bytes);
    }
}

void ptx_bulk_issue(ptx_warp *w, const ptx_insn *i, u32 lane, u32 lo, u32 bytes, ptx_bulk_run *run,
                    u32 n_runs, uint8_t *data)
{
    struct ptx_bulk *b = bulk_of(w);
    ptx_bulk_copy *c = ws_calloc(1, sizeof *c);
    *c = (ptx_bulk_copy){.insn = i, .lo = lo, .bytes = bytes, .lane = lane,
                         .group = b->committed[lane], .run = run, .n_runs = n_runs, .data = data};
    for (u32 k = 0; k < n_runs; k++)
        hide(w, &run[k]);
    w->block->bulk_reads++;
    *b->last = c;
    b->last = &c->next;
}

static void end_read(ptx_warp *w, ptx_bulk_copy *c)
{
    c->has_read = true;
    w->block->bulk_reads--;
}

/* The copy that still reads a byte of the access of `lane`, NULL: none. */
static const ptx_bulk_copy *reader_of(const ptx_block *b, u64 lo, u32 bytes, const ptx_warp **by)
{
    for (int n = 0; n < b->n_warps; n++)
        for (const ptx_bulk_copy *c = b->warp[n].bulk ? b->warp[n].bulk->first : NULL; c;
             c = c->next)
            if (!c->has_read && lo < (u64)c->lo + c->bytes && c->lo < lo + bytes) {
                *by = &b->warp[n];
                return c;
            }
    return NULL;
}

bool ptx_bulk_may_write(ptx_warp *w, const ptx_access *x, const ptx_block *b)
{
    EACH_SET(l, x->mask)
    {
        const ptx_warp *by = NULL;
        const ptx_bulk_copy *c = reader_of(b, x->addr[l], x->size, &by);
        if (!c)
            continue;
        u32 tid[3];
        ptx_thread_of(by, (int)c->lane, tid);
        ptx_place place = ptx_insn_place(w->worker->grid->ast, c->insn->ast);
        ptx_fault_simple(w, x->insn, x->by ? x->by - 1 : (int)l, HX_SHARED_RACE,
                         "race: write at byte %llu of shared memory, which the bulk copy of thread "
                         "(%u,%u,%u) at line "
                         "%d may still read: no cp.async.bulk.wait_group came between; found",
                         (unsigned long long)x->addr[l], tid[0], tid[1], tid[2], place.line);
        return false;
    }
    return true;
}

/* Copies of the lanes that are in a group before the last `keep` ones; all of them when `exits`. */
static void settle(ptx_warp *w, u32 lanes, u32 keep, bool read_only, bool exits)
{
    struct ptx_bulk *b = w->bulk;
    for (ptx_bulk_copy **at = b ? &b->first : NULL; at && *at;) {
        ptx_bulk_copy *c = *at;
        bool due = lanes >> c->lane & 1 && (exits || (u64)c->group + keep < b->committed[c->lane]);
        if (due && !c->has_read)
            end_read(w, c);
        if (!due || read_only) {
            at = &c->next;
            continue;
        }
        arrive(w, c);
        *at = c->next;
        if (b->last == &c->next)
            b->last = at;
        copy_free(c);
    }
}

void ptx_bulk_commit(ptx_warp *w, u32 lanes)
{
    struct ptx_bulk *b = bulk_of(w);
    EACH_SET(l, lanes) b->committed[l]++;
}

void ptx_bulk_wait(ptx_warp *w, u32 lanes, u32 keep, bool read_only)
{
    settle(w, lanes, keep, read_only, false);
}

/* Who exits waits for nothing any more, and shared memory is another block's when the last one has. */
static const ptx_bulk_copy *left_behind(const ptx_warp *w, u32 lanes)
{
    for (const ptx_bulk_copy *c = w->bulk ? w->bulk->first : NULL; c; c = c->next)
        if (lanes >> c->lane & 1 && c->bytes && !c->has_read)
            return c;
    return NULL;
}

void ptx_bulk_finish(ptx_warp *w, u32 lanes)
{
    const ptx_bulk_copy *c = w->block->shared_shadow ? left_behind(w, lanes) : NULL;
    if (c)
        ptx_fault_simple(w, c->insn, (int)c->lane, HX_SHARED_RACE,
                         "race: the bulk copy from byte %u of shared memory may still read it when its block ends: its "
                         "thread exits without cp.async.bulk.wait_group; made", c->lo);
    settle(w, lanes, 0, false, true);
}
