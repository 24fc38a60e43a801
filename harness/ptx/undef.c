/* Undefined values in registers: where they are and come from. */
#include "harness/ptx/undef.h"

#include "harness/ptx/lanes.h"

#include <stdlib.h>
#include <string.h>

/* ---- which registers ---- */

static void note_register(void *ud, int at, int reg, ptx_reg_use use)
{
    ptx_names *out = ud;
    const ptx_code *c = out->code;
    u32 size = ptx_type_bytes(c->fn->reg[reg].type), slot = c->slot[reg];
    (void)at;
    if (out->n == PTX_MAX_NAMED)
        return;
    if (c->fn->reg[reg].type == PTX_pred)
        out->reg[out->n++] = (ptx_named){c->pred_at + 4 * slot, 4, 0, use};
    else
        out->reg[out->n++] = (ptx_named){slot, size * PTX_LANES, size, use};
}

void ptx_undef_names(const ptx_code *c, const ptx_insn *i, ptx_names *out)
{
    const ptx_ast_insn *a = i->ast;
    bool gives = i->unit == PTX_UNIT_BRANCH && a->n_operands && a->operand[0].kind == PTX_OPD_VEC; /* call (ret), ... */
    out->n = 0;
    out->code = c;
    ptx_visit_registers(a, gives ? 1 : i->results, 0, note_register, out);
}

/* ---- bits ---- */

u32 ptx_undef_lanes(const ptx_frame *f, const ptx_named *r)
{
    const u8 *bits = f->undef->bits + r->at;
    u32 lanes = 0;
    if (!r->lane_bytes) {
        memcpy(&lanes, bits, sizeof lanes);
        return lanes;
    }
    if (r->lane_bytes == 1) {
        EACH_LANE(l) lanes |= (u32)(bits[l] != 0) << l;
        return lanes;
    }
    for (u32 at = 0; at < r->bytes; at += 2) {
        u16 some;
        memcpy(&some, bits + at, sizeof some);
        lanes |= some ? 1u << at / r->lane_bytes : 0;
    }
    return lanes;
}

/* One for every 2 bytes of the registers and of the place of `_`, of which that of a lane's first two counts; then 32 for
 * every predicate. */
u16 *ptx_undef_origin(const ptx_frame *f, const ptx_named *r, u32 lane)
{
    u32 at = r->lane_bytes ? (r->at + lane * r->lane_bytes) / 2
                           : f->code->const_at / 2 + (r->at - f->code->pred_at) / 4 * PTX_LANES + lane;
    return f->undef->origin + at;
}

void ptx_undef_clear(const ptx_frame *f, const ptx_named *r, u32 lanes)
{
    u8 *bits = f->undef->bits + r->at;
    if (!r->lane_bytes) {
        u32 old;
        memcpy(&old, bits, sizeof old);
        old &= ~lanes;
        memcpy(bits, &old, sizeof old);
    } else if (lanes == PTX_FULL) {
        memset(bits, 0, r->bytes);
    } else {
        EACH_SET(l, lanes) memset(bits + l * r->lane_bytes, 0, r->lane_bytes);
    }
}

u16 ptx_undef_first(u16 a, u16 b)
{
    u16 flag = (a | b) & PTX_ORIGIN_COMPUTED, x = a & PTX_MAX_ORIGINS, y = b & PTX_MAX_ORIGINS;
    return flag | (!x || (y && y < x) ? y : x);
}

/* ---- frames ---- */

void ptx_undef_frame_reset(ptx_frame *f)
{
    if (f->undef)
        memset(f->undef->bits, 0, f->undef->capacity);
}

void ptx_undef_frame_free(ptx_frame *f)
{
    if (f->undef) {
        free(f->undef->bits);
        free(f->undef->origin);
    }
    free(f->undef);
    f->undef = NULL;
}

static void frame_begin(ptx_frame *f)
{
    size_t origins = f->code->const_at / 2 + (size_t)f->code->n_preds * PTX_LANES;
    if (!f->undef) {
        ptx_undef_frame *u = f->undef = ws_calloc(1, sizeof *u);
        u->capacity = f->capacity;
        if (posix_memalign((void **)&u->bits, 64, f->capacity))
            ws_bug("out of memory");
        memset(u->bits, 0, u->capacity);
    }
    if (f->undef->origins < origins) {
        f->undef->origin = ws_realloc(f->undef->origin, origins * sizeof *f->undef->origin);
        memset(f->undef->origin + f->undef->origins, 0, (origins - f->undef->origins) * sizeof *f->undef->origin);
        f->undef->origins = origins;
    }
}

static bool frame_has_some(const ptx_frame *f)
{
    u64 some = 0, word;
    if (!f->undef || !f->lanes)
        return false;
    for (u32 at = 0; at < f->code->frame_bytes; at += 8) {
        memcpy(&word, f->undef->bits + at, 8);
        some |= word;
    }
    return some != 0;
}

/* ---- warps ---- */

void ptx_undef_begin(ptx_warp *w)
{
    if (!w->undef)
        w->undef = ws_calloc(1, sizeof *w->undef);
    w->undef->on = true;
    frame_begin(w->frame);
    if (w->event == PTX_GO)
        w->event = PTX_EV_UNDEFINED;
}

bool ptx_undef_left(ptx_warp *w)
{
    bool left = w->undef->on && w->undef->carry;
    for (const ptx_frame *f = w->frames; f && w->undef->on && !left; f = f->next_made)
        left = frame_has_some(f);
    if (!left)
        ptx_undef_reset(w);
    return left;
}

void ptx_undef_reset(ptx_warp *w)
{
    struct ptx_undef *u = w->undef;
    if (!u)
        return;
    u->on = false;
    u->n = 0;
    u->carry = 0;
    for (ptx_frame *f = w->frames; f; f = f->next_made)
        ptx_undef_frame_reset(f);
}

void ptx_undef_release(ptx_warp *w)
{
    if (w->undef)
        free(w->undef->origin);
    free(w->undef);
    w->undef = NULL;
}

/* When there are too many, the last one stands for the rest. */
u16 ptx_undef_new(ptx_warp *w, const ptx_origin *o)
{
    struct ptx_undef *u = w->undef;
    if (u->n == PTX_MAX_ORIGINS)
        u->n--;
    WS_GROW(u->origin, u->n, u->cap);
    u->origin[u->n++] = *o;
    return (u16)u->n;
}

const ptx_origin *ptx_undef_named(const ptx_warp *w, u16 origin)
{
    int n = origin & PTX_MAX_ORIGINS;
    return n && n <= w->undef->n ? &w->undef->origin[n - 1] : NULL;
}

/* What is found once is enough. */
void ptx_undef_use(ptx_warp *w, const ptx_insn *i, u16 origin)
{
    const ptx_origin *found = ptx_undef_named(w, origin);
    if (!found)
        return;
    ptx_origin o = *found;
    ptx_undef_reset(w);
    ptx_watch_undefined(w, &o, i);
}
