/* Every memory access, before it happens: is it inside an allocation, aligned, does it read what was
 * written, does it race. An access that passes is safe to execute. */
#include "harness/ptx/engine.h"
#include "harness/ptx/local.h"
#include "harness/ptx/undef.h"

#include <stdio.h>
#include <string.h>

/* Bytes: what a null pointer with an index reaches, and how far a place is still told from a buffer. */
enum { PAGE = 4096, FAR = 1 << 30 };

static const char *space_name(ptx_space s)
{
    switch (s) {
    case PTX_SPACE_SHARED:
        return "shared";
    case PTX_SPACE_LOCAL:
        return "local";
    case PTX_SPACE_PARAM:
        return "param";
    case PTX_SPACE_CONST:
        return "const";
    default:
        return "global";
    }
}

static const char *access_name(const ptx_access *x)
{
    return x->atomic ? "atomic" : x->write ? "write" : "read";
}

static int thread_of(const ptx_access *x, int lane)
{
    return x->by ? x->by - 1 : lane;
}

static void describe(ptx_fault *f, const ptx_access *x, int lane, const ptx_alloc *a)
{
    snprintf(f->space, sizeof f->space, "%s", space_name(x->space));
    f->write = x->write;
    f->atomic = x->atomic;
    f->size = x->size;
    f->address = x->addr[lane];
    if (!a)
        return;
    snprintf(f->buffer, sizeof f->buffer, "%s", a->name);
    f->buffer_offset = (int64_t)(x->addr[lane] - a->lo);
    f->buffer_bytes = a->hi - a->lo;
}

/* "inside 'y', 4096 bytes", or how far outside. */
static void where(char *out, size_t n, const ptx_fault *f)
{
    const char *name = f->buffer[0] ? f->buffer : "an unnamed buffer";
    long long off = (long long)f->buffer_offset, bytes = (long long)f->buffer_bytes;
    if (f->address < PAGE && strcmp(f->space, "global") == 0)
        snprintf(out, n, "address 0x%llx, a null pointer", (unsigned long long)f->address);
    else if ((!f->buffer_bytes && !f->buffer[0]) || off < -FAR || off > bytes + FAR)
        snprintf(out, n, "address 0x%llx, far from every buffer", (unsigned long long)f->address);
    else if (off < 0)
        snprintf(out, n, "%lld bytes before the start of '%s' (%lld bytes)", -off, name, bytes);
    else if (off >= bytes)
        snprintf(out, n, "%lld bytes past the end of '%s' (%lld bytes)", off - bytes, name, bytes);
    else
        snprintf(out, n, "byte %lld of '%s' (%lld bytes)", off, name, bytes);
}

/* `used`: by which instruction what was read is used; NULL: not told. */
static bool fault_used(ptx_warp *w, const ptx_access *x, int lane, const ptx_alloc *a, hx_reason reason, const char *what,
                       const ptx_insn *used)
{
    ptx_fault *f = ptx_fault_new(w, x->insn, thread_of(x, lane), reason);
    if (!f)
        return false;
    char place[160], use[120] = "";
    describe(f, x, lane, a);
    where(place, sizeof place, f);
    if (used) {
        int line = ptx_insn_place(w->worker->grid->ast, used->ast).line;
        snprintf(use, sizeof use, " used by %.*s at %s %d,", WS_STR_ARG(used->ast->part[0]), line ? "line" : "PTX line",
                 line ? line : used->ast->ptx_line);
    }
    ptx_fault_done(w, f, "%s: %s %s of %u bytes at %s,%s", what, f->space, access_name(x), x->size, place, use);
    return false;
}

static bool fault_at(ptx_warp *w, const ptx_access *x, int lane, const ptx_alloc *a, hx_reason reason, const char *what)
{
    return fault_used(w, x, lane, a, reason, what, NULL);
}

static int misaligned_lane(const ptx_access *x)
{
    u64 bits = 0;
    EACH_SET(l, x->mask) bits |= x->addr[l];
    if (!(bits & (x->size - 1)))
        return -1;
    EACH_SET(l, x->mask)
        if (x->addr[l] & (x->size - 1))
            return (int)l;
    return -1;
}

/* ---- initialisation ---- */

static void find_span(ptx_access *x)
{
    u64 lo = UINT64_MAX, hi = 0;
    if (x->mask == PTX_FULL) {
        EACH_LANE(l)
        {
            lo = x->addr[l] < lo ? x->addr[l] : lo;
            hi = x->addr[l] > hi ? x->addr[l] : hi;
        }
    } else {
        EACH_SET(l, x->mask)
        {
            lo = x->addr[l] < lo ? x->addr[l] : lo;
            hi = x->addr[l] > hi ? x->addr[l] : hi;
        }
    }
    x->lo = lo;
    x->hi = hi;
}

/* Lane that reads a byte that nothing wrote, -1 none. `state` belongs to address `base`. */
static int uninitialized_lane(const ptx_access *x, const uint8_t *state, u64 base)
{
    u64 bytes = x->hi - x->lo + x->size;
    if (bytes <= PTX_LANES * 16 && ptx_all_init(state + (x->lo - base), bytes))
        return -1;
    if (x->mask == PTX_FULL && x->size == 4) { /* rows with a gap between, most often */
        u32 all = PTX_INIT * 0x01010101u, word;
        EACH_LANE(l)
        {
            memcpy(&word, state + (x->addr[l] - base), sizeof word);
            all &= word;
        }
        if (all == PTX_INIT * 0x01010101u)
            return -1;
    }
    EACH_SET(l, x->mask)
        if (!ptx_all_init(state + (x->addr[l] - base), x->size))
            return (int)l;
    return -1;
}

static void mark_written(const ptx_access *x, uint8_t *state, u64 base)
{
    if (x->mask == PTX_FULL && ptx_is_linear(x->addr, x->size)) {
        memset(state + (x->addr[0] - base), PTX_INIT | PTX_WRITTEN, (size_t)x->size * PTX_LANES);
        return;
    }
    EACH_SET(l, x->mask) memset(state + (x->addr[l] - base), PTX_INIT | PTX_WRITTEN, x->size);
}

/* Shared, local and parameter memory: one piece from 0 to `bytes`. */
static ptx_alloc window_of(ptx_space space, u64 bytes)
{
    ptx_alloc window = {.lo = 0, .hi = bytes};
    snprintf(window.name, sizeof window.name, "%s memory", space_name(space));
    return window;
}

static void fault_uninitialized(const ptx_held *h)
{
    u64 addr[PTX_LANES] = {0};
    addr[h->lane] = h->addr;
    ptx_access x = {.insn = h->insn,
                    .space = h->space,
                    .mask = 1u << h->lane,
                    .size = h->size,
                    .read = true,
                    .write = h->atomic,
                    .atomic = h->atomic,
                    .addr = addr};
    const ptx_grid *g = h->warp->worker->grid;
    ptx_alloc window = window_of(h->space, h->space == PTX_SPACE_LOCAL ? h->warp->local_bytes : g->shared_bytes);
    bool in_window = h->space == PTX_SPACE_SHARED || h->space == PTX_SPACE_LOCAL;
    fault_used(h->warp, &x, h->lane, in_window ? &window : ptx_memory_find(g->mem, h->addr), HX_UNINITIALIZED_READ,
               "uninitialized read", h->used);
}

/* true: the block goes on. Local memory has no races that would tell more. */
static bool hold_uninitialized(ptx_warp *w, const ptx_held *h)
{
    if (w->worker->grid->options->check_race && h->space != PTX_SPACE_LOCAL) {
        if (!w->block->held.insn)
            w->block->held = *h;
        return true;
    }
    fault_uninitialized(h);
    w->event = PTX_EV_FAULT; /* whichever warp read it */
    return false;
}

void ptx_watch_undefined(ptx_warp *w, const ptx_origin *o, const ptx_insn *used)
{
    hold_uninitialized(w, &(ptx_held){.warp = o->warp,
                                      .insn = o->insn,
                                      .addr = o->addr,
                                      .size = o->size,
                                      .lane = o->lane,
                                      .space = (ptx_space)o->space,
                                      .used = used});
}

bool ptx_watch_release(ptx_block *b)
{
    ptx_held h = b->held;
    b->held.insn = NULL;
    if (h.insn)
        fault_uninitialized(&h);
    return h.insn != NULL;
}

/* A lane reads bytes that nobody wrote; true: the block goes on. */
static bool meet_uninitialized(ptx_warp *w, const ptx_access *x, int lane, const uint8_t *state, u64 base)
{
    if (x->taken) {
        ptx_undef_take(x, state, base);
        return true;
    }
    if (x->marks) {
        ptx_undef_load(w, x, state, base);
        return true;
    }
    return hold_uninitialized(w, &(ptx_held){.warp = w,
                                             .insn = x->insn,
                                             .addr = x->addr[lane],
                                             .size = x->size,
                                             .lane = thread_of(x, lane),
                                             .space = x->space,
                                             .atomic = x->atomic});
}

/* ---- spaces ---- */

static bool watch_alloc(ptx_warp *w, const ptx_access *x, ptx_alloc *a)
{
    const ptx_options *o = w->worker->grid->options;
    if (x->write && a->read_only && a->is_variable)
        return fault_at(w, x, __builtin_ctz(x->mask), a, HX_ILLEGAL, "write to constant memory");
    if (x->write && a->read_only)
        return fault_at(w, x, __builtin_ctz(x->mask), a, HX_INPUT_MODIFIED, "write to an input");
    bool check = x->read && o->check_init && !a->all_init;
    int bad = check ? uninitialized_lane(x, a->state, a->lo) : -1;
    if (bad >= 0 && !meet_uninitialized(w, x, bad, a->state, a->lo))
        return false;
    if (o->check_race && !ptx_race_global(w, x, a))
        return false;
    if (x->write)
        mark_written(x, a->state, a->lo);
    if (o->count)
        ptx_count_global(w, x, a);
    return true;
}

/* Lanes may point into several allocations: one at a time, that of the lowest lane first. */
static bool watch_scattered(ptx_warp *w, const ptx_access *x)
{
    const ptx_memory *mem = w->worker->grid->mem;
    for (u32 left = x->mask; left;) {
        int first = __builtin_ctz(left);
        ptx_alloc *a = ptx_memory_find(mem, x->addr[first]);
        ptx_access part = *x;
        part.mask = 0;
        EACH_SET(l, left)
            if (ptx_alloc_holds(a, x->addr[l], x->size))
                part.mask |= 1u << l;
        const ptx_alloc *near = a ? a : ptx_memory_nearest(mem, x->addr[first]);
        if (near && near->freed && ptx_alloc_holds(near, x->addr[first], 1))
            return fault_at(w, x, first, near, HX_OUT_OF_BOUNDS, "use after free");
        if (!(part.mask >> first & 1))
            return fault_at(w, x, first, near,
                            HX_OUT_OF_BOUNDS, "out of bounds");
        find_span(&part);
        part.further |= left != x->mask;
        if (!watch_alloc(w, &part, a))
            return false;
        left &= ~part.mask;
    }
    return true;
}

static bool watch_global(ptx_warp *w, const ptx_access *x)
{
    int bad = misaligned_lane(x);
    if (bad >= 0)
        return fault_at(w, x, bad, ptx_memory_nearest(w->worker->grid->mem, x->addr[bad]),
                        HX_MISALIGNED, "misaligned");
    ptx_alloc *a = ptx_alloc_at(w, x->insn, x->lo, x->hi - x->lo + x->size);
    return a ? watch_alloc(w, x, a) : watch_scattered(w, x);
}

static bool check_window(ptx_warp *w, const ptx_access *x, u64 bytes)
{
    ptx_alloc window = {.lo = 0, .hi = bytes};
    int bad = misaligned_lane(x);
    if (bad < 0 && ptx_alloc_holds(&window, x->hi, x->size)) /* which holds the lower ones, too */
        return true;
    window = window_of(x->space, bytes);
    EACH_SET(l, x->mask)
        if (!ptx_alloc_holds(&window, x->addr[l], x->size))
            return fault_at(w, x, (int)l, &window, HX_OUT_OF_BOUNDS, "out of bounds");
    return fault_at(w, x, bad, &window, HX_MISALIGNED, "misaligned");
}

static bool watch_shared(ptx_warp *w, const ptx_access *x)
{
    const ptx_grid *g = w->worker->grid;
    if (!check_window(w, x, g->shared_bytes))
        return false;
    ptx_block *b = x->block ? x->block : w->block;
    bool check = x->read && g->options->check_init;
    int bad = check ? uninitialized_lane(x, b->shared_state, 0) : -1;
    if (bad >= 0 && !meet_uninitialized(w, x, bad, b->shared_state, 0))
        return false;
    if (b->shared_shadow && !ptx_race_shared(w, x))
        return false;
    if (x->write)
        mark_written(x, b->shared_state, 0);
    if (g->options->count)
        ptx_count_shared(w, x);
    return true;
}

/* Up to the end of the running call's variables: what lies behind belonged to calls that are over. */
static bool watch_local(ptx_warp *w, const ptx_access *x)
{
    u64 end = (u64)w->frame->local_base + w->frame->code->local_bytes + w->frame->stack_bytes;
    if (!check_window(w, x, end))
        return false;
    int bad = x->read ? ptx_local_unwritten(w, x) : -1;
    if (bad >= 0 && !meet_uninitialized(w, x, bad, NULL, 0))
        return false;
    if (x->write)
        ptx_local_written(w, x);
    if (w->tally)
        ptx_count_local(w, x);
    return true;
}

bool ptx_watch(ptx_warp *w, const ptx_access *access)
{
    ptx_access x = *access;
    find_span(&x);
    switch (x.space) {
    case PTX_SPACE_SHARED:
        return watch_shared(w, &x);
    case PTX_SPACE_LOCAL:
        return watch_local(w, &x);
    case PTX_SPACE_PARAM:
        return check_window(w, &x, w->worker->grid->program->info->param_bytes);
    default:
        return watch_global(w, &x);
    }
}
