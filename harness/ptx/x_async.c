/* cp.async: copies from global to shared memory that run beside the threads, until these wait for them.
 *
 * The bytes are read when the copy is issued, and written when its thread waits for it. Between, the target
 * counts as unwritten, so that a read without a wait is found; and as written by the thread at both ends, so
 * that the barrier which is missing before or after is found as a race. */
#include "harness/ptx/alu.h"
#include "harness/ptx/known.h"
#include "harness/ptx/undef.h"
#include "harness/ptx/x_mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_COPY = 16 /* bytes a lane */,
    MAX_PENDING = 1 << 14,
    UNWRITTEN_BYTE = 0xcb,
    WAIT_ALL = -1
};

/* One instruction of a warp. Groups are counted by every lane for itself. */
typedef struct copy {
    struct copy *next;
    const ptx_insn *insn;
    u32 mask;                /* lanes whose copy is not done */
    u32 group[PTX_LANES];
    u64 to[PTX_LANES];
    u8 bytes[PTX_LANES][MAX_COPY];
    ptx_taken *taken;        /* NULL: all of it was written by somebody */
} copy;

static void free_copy(copy *c)
{
    free(c->taken);
    free(c);
}

struct ptx_async {
    copy *first, **last;
    int n;
    u32 committed[PTX_LANES]; /* groups */
};

/* ptx_insn.aux of cp.async; the instruction itself holds the target. */
typedef struct source {
    ptx_insn at;
    u32 size;  /* slot of the bytes to read, the rest are zeros; PTX_NO_SLOT: all */
    u32 ignore; /* predicate that makes it zeros, + 1; 0: none */
    bool ignore_neg;
} source;

void ptx_async_release(ptx_warp *w)
{
    struct ptx_async *s = w->async;
    for (copy *c = s ? s->first : NULL, *next; c; c = next) {
        next = c->next;
        free_copy(c);
    }
    free(s);
    w->async = NULL;
}

static struct ptx_async *state_of(ptx_warp *w)
{
    if (!w->async) {
        w->async = ws_calloc(1, sizeof *w->async);
        w->async->last = &w->async->first;
    }
    return w->async;
}

/* ---- the end of a copy ---- */

static bool write_target(ptx_warp *w, const copy *c, u32 mask, bool counted)
{
    ptx_access x = {.insn = c->insn,
                    .space = PTX_SPACE_SHARED,
                    .mask = mask,
                    .size = c->insn->esize,
                    .write = true,
                    .quiet = counted,
                    .addr = c->to};
    return ptx_watch(w, &x);
}

static bool finish_copy(ptx_warp *w, copy *c, u32 mask)
{
    if (!mask)
        return true;
    if (!write_target(w, c, mask, true))
        return false;
    EACH_SET(l, mask) memcpy(w->block->shared + c->to[l], c->bytes[l], c->insn->esize);
    if (c->taken)
        ptx_undef_arrived(w, c->insn, c->taken, mask, c->to, c->insn->esize);
    c->mask &= ~mask;
    return true;
}

/* Finishes what the executing lanes have committed, but for their last `keep` groups. */
static bool wait_for(ptx_warp *w, s64 keep)
{
    struct ptx_async *s = state_of(w);
    for (copy **at = &s->first; *at;) {
        copy *c = *at;
        u32 due = 0;
        EACH_SET(l, c->mask & w->exec)
            due |= keep == WAIT_ALL || (s64)c->group[l] < (s64)s->committed[l] - keep ? 1u << l : 0;
        if (!finish_copy(w, c, due))
            return false;
        if (c->mask) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        if (s->last == &c->next)
            s->last = at;
        free_copy(c);
        s->n--;
    }
    return true;
}

bool ptx_async_finish(ptx_warp *w)
{
    return wait_for(w, WAIT_ALL);
}

/* ---- its beginning ---- */

/* Lanes may read fewer bytes than they write. Their number need not be a power of two, so that such reads are
 * checked in pieces. */
static bool read_source(ptx_warp *w, const ptx_insn *i, u32 mask, u32 bytes, const u64 *from, bool further,
                        ptx_taken **taken)
{
    const source *src = i->aux;
    u32 piece = bytes & -bytes;
    for (u32 b = 0; b < bytes; b += piece) {
        u64 addr[PTX_LANES];
        EACH_LANE(l) addr[l] = from[l] + b;
        ptx_access x = {.insn = &src->at,
                        .space = PTX_SPACE_GLOBAL,
                        .mask = mask,
                        .size = piece,
                        .read = true,
                        .counts = i,
                        .further = b || further,
                        .into_at = b,
                        .taken = taken,
                        .addr = addr};
        if (!ptx_watch(w, &x))
            return false;
    }
    return true;
}

/* The bytes that every lane reads; false: more than it copies. */
static bool source_bytes(ptx_warp *w, const ptx_insn *i, u32 bytes[PTX_LANES])
{
    const source *src = i->aux;
    const u32 *size = src->size == PTX_NO_SLOT ? NULL : IN(u32, src->size);
    u32 zeros = src->ignore ? w->pred[src->ignore - 1] ^ (src->ignore_neg ? PTX_FULL : 0) : 0;
    EACH_SET(l, w->exec)
    {
        bytes[l] = zeros >> l & 1 ? 0 : size ? size[l] : i->esize;
        if (bytes[l] > i->esize) {
            ptx_fault_simple(w, i, (int)l, HX_ILLEGAL, "illegal: cp.async of %u bytes reads %u",
                             i->esize, bytes[l]);
            return false;
        }
    }
    return true;
}

static bool fetch(ptx_warp *w, const ptx_insn *i, copy *c)
{
    const source *src = i->aux;
    u64 from[PTX_LANES];
    u32 bytes[PTX_LANES] = {0};
    bool further = false; /* one request, however many bytes each lane wants */
    if (!source_bytes(w, i, bytes))
        return false;
    ptx_mem_addresses(w, &src->at, from);
    for (u32 left = w->exec; left;) {
        u32 size = bytes[__builtin_ctz(left)], same = 0;
        EACH_SET(l, left) same |= bytes[l] == size ? 1u << l : 0;
        left &= ~same;
        if (size && !read_source(w, i, same, size, from, further, &c->taken))
            return false;
        further |= size != 0;
        if (size)
            EACH_SET(l, same) memcpy(c->bytes[l], (const void *)(uintptr_t)from[l], size);
    }
    return true;
}

static void x_copy(ptx_warp *w, const ptx_insn *i)
{
    struct ptx_async *s = state_of(w);
    if (s->n >= MAX_PENDING && !wait_for(w, WAIT_ALL))
        return;
    copy *c = ws_calloc(1, sizeof *c);
    c->insn = i;
    c->mask = w->exec;
    ptx_mem_addresses(w, i, c->to);
    if (!fetch(w, i, c) || !write_target(w, c, c->mask, false)) {
        free_copy(c);
        return;
    }
    u64 lo = UINT64_MAX, hi = 0;
    EACH_SET(l, c->mask)
    {
        c->group[l] = s->committed[l];
        lo = c->to[l] < lo ? c->to[l] : lo;
        hi = c->to[l] > hi ? c->to[l] : hi;
        memset(w->block->shared_state + c->to[l], 0, i->esize);
        memset(w->block->shared + c->to[l], UNWRITTEN_BYTE, i->esize);
    }
    ptx_known_forget(w, w->block, (u32)lo, (u32)(hi - lo) + i->esize);
    *s->last = c;
    s->last = &c->next;
    s->n++;
}

static void x_commit(ptx_warp *w, const ptx_insn *i)
{
    (void)i;
    struct ptx_async *s = state_of(w);
    EACH_SET(l, w->exec) s->committed[l]++;
}

static void x_wait(ptx_warp *w, const ptx_insn *i)
{
    wait_for(w, i->imm);
}

/* ---- decoding ---- */

static bool decode_rest(ptx_decoder *d, const ptx_ast_insn *a, source *src)
{
    src->size = PTX_NO_SLOT;
    int hint = ptx_has(a, "L2::cache_hint") ? 1 : 0;
    if (a->n_operands == 3 + hint)
        return true;
    const ptx_operand *o = &a->operand[3];
    if (o->kind != PTX_OPD_REG || ptx_reg_type(d, o) != PTX_pred)
        return ptx_alu_src(d, o, PTX_b32, &src->size);
    src->ignore = ptx_pred_src(d, o, &src->ignore_neg) + 1;
    return true;
}

static bool decode_copy(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    ptx_program *p = ptx_decoder_program(d);
    source *src = WS_ARENA_NEW(ptx_decoder_arena(d), source, 1);
    int64_t size = a->operand[2].imm;
    if (size & (size - 1))
        return false;
    i->esize = (uint8_t)size;
    i->vec = 1;
    i->space = PTX_SPACE_SHARED;
    src->at = *i;
    src->at.ast = a;
    src->at.space = PTX_SPACE_GLOBAL;
    i->aux = src;
    i->run = x_copy;
    p->granule = p->granule > 4 ? 4 : p->granule;
    return ptx_address(d, &a->operand[0], i) && ptx_address(d, &a->operand[1], &src->at) &&
           decode_rest(d, a, src);
}

static bool decode_commit(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    (void)a;
    i->run = x_commit;
    return true;
}

/* wait_group N, wait_all */
static bool decode_wait(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    i->imm = a->n_operands ? a->operand[0].imm : WAIT_ALL;
    i->run = x_wait;
    return true;
}

const ptx_op_row ptx_ops_async[] = {
    {"cp.async.ca.(shared shared::cta).global{.$cache_hint}{.$fetch} [a], [b], #n(4-16){, ?c}, h",
     decode_copy, 0, PTX_UNIT_MEM},
    {"cp.async.cg.(shared shared::cta).global{.$cache_hint}{.$fetch} [a], [b], #n(16-16){, ?c}, h",
     decode_copy, 0, PTX_UNIT_MEM},
    {"cp.async.commit_group", decode_commit, 0, PTX_UNIT_MEM},
    {"cp.async.wait_group #n", decode_wait, 0, PTX_UNIT_MEM},
    {"cp.async.wait_all", decode_wait, 0, PTX_UNIT_MEM},
    {0},
};
