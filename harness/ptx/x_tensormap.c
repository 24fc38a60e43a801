/* Tensor maps in a kernel's hands: reading them, tensormap.replace, tensormap.cp_fenceproxy,
 * prefetch.tensormap, and the fences of the tensormap proxy, which have nothing to do here: a map
 * is read anew by every instruction. */
#include "harness/ptx/alu.h"
#include "harness/ptx/bulk.h"
#include "harness/ptx/x_matrix.h"
#include "harness/ptx/x_mem.h"
#include "harness/ptx/x_tensor.h"

#include <string.h>

enum { UNIT = 16 };

/* ---- reading ---- */

static bool is_outside(ptx_warp *w, const ptx_insn *i, u32 lane, u64 addr)
{
    ptx_fault_simple(w, i, (int)lane, HX_ILLEGAL,
                     "illegal: the tensor map at 0x%llx is not in .param, .const or .global memory",
                     (unsigned long long)addr);
    return false;
}

/* Its 128 bytes in the host's memory; NULL: a fault was reported. */
static const u8 *find_map(ptx_warp *w, const ptx_insn *i, const ptx_insn *at, u32 lane, u64 addr)
{
    const ptx_grid *g = w->worker->grid;
    u64 window = addr >> PTX_WINDOW_SHIFT, params = g->program->info->param_bytes;
    bool is_param = at->space == PTX_SPACE_PARAM || window << PTX_WINDOW_SHIFT == PTX_WINDOW_PARAM;
    if (is_param) {
        addr -= window << PTX_WINDOW_SHIFT;
        if (at->flags & PTX_IF_FRAME || addr > params || PTX_TM_BYTES > params - addr)
            return is_outside(w, i, lane, addr), NULL;
        return (const u8 *)g->args->params + addr;
    }
    const ptx_alloc *a = ptx_memory_find(g->mem, addr);
    if (at->space == PTX_SPACE_SHARED || at->space == PTX_SPACE_LOCAL ||
        !ptx_alloc_holds(a, addr, PTX_TM_BYTES))
        return is_outside(w, i, lane, addr), NULL;
    if (g->options->check_init && !ptx_all_init(a->state + (addr - a->lo), PTX_TM_BYTES)) {
        ptx_fault_simple(w, i, (int)lane, HX_UNINITIALIZED_READ,
                         "uninitialized read: the tensor map at byte %llu of '%s' was not written",
                         (unsigned long long)(addr - a->lo), a->name);
        return NULL;
    }
    return (const u8 *)(uintptr_t)addr;
}

static bool illegal(ptx_warp *w, const ptx_insn *i, u32 lane, const char *what, const char *why)
{
    ptx_fault_simple(w, i, (int)lane, HX_ILLEGAL, "illegal: %s%s", what, why);
    return false;
}

bool ptx_tensor_map_read(ptx_warp *w, const ptx_insn *i, const ptx_insn *at, u32 lane, u64 addr,
                         ptx_tensor_map *m)
{
    char why[200];
    const u8 *bytes = find_map(w, i, at, lane, addr);
    if (!bytes)
        return false;
    if (addr % PTX_TM_ALIGN) {
        ptx_fault_simple(w, i, (int)lane, HX_MISALIGNED,
                         "misaligned: a tensor map at 0x%llx, no multiple of %d",
                         (unsigned long long)addr, PTX_TM_ALIGN);
        return false;
    }
    memcpy(m, bytes, sizeof *m);
    if (m->magic != PTX_TM_MAGIC)
        return illegal(w, i, lane, "the operand is no tensor map, which cuTensorMapEncode* makes",
                       "");
    if (ptx_tm_invalid(m, why, sizeof why))
        return illegal(w, i, lane, "the tensor map is invalid: ", why);
    if (!ptx_tm_unsupported(m))
        return true;
    ptx_fault_simple(w, i, (int)lane, HX_UNSUPPORTED, "the CPU engine does not support %s",
                     ptx_tm_unsupported(m));
    return false;
}

static void x_prefetch(ptx_warp *w, const ptx_insn *i)
{
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    ptx_tensor_map m;
    ptx_mem_addresses(w, i, addr);
    EACH_SET(l, w->exec)
    if (!ptx_tensor_map_read(w, i, i, l, addr[l], &m))
        return;
}

static bool decode_prefetch(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->space = ptx_has(a, "param") ? PTX_SPACE_PARAM : PTX_SPACE_GENERIC;
    i->run = x_prefetch;
    return ptx_address(d, &a->operand[0], i);
}

/* ---- replacing ---- */

typedef enum field {
    FIELD_ADDRESS, FIELD_RANK, FIELD_BOX, FIELD_DIM, FIELD_STRIDE, FIELD_STEP, FIELD_TYPE,
    FIELD_INTERLEAVE, FIELD_SWIZZLE, FIELD_ATOM, FIELD_FILL, FIELDS
} field;
static const struct {
    const char *name;
    u32 ordinals;     /* 0: the field has none */
    bool is_constant; /* the new value is a number in the text */
} fields[FIELDS] = {
    [FIELD_ADDRESS] = {"global_address", 0, false},
    [FIELD_RANK] = {"rank", 0, false},
    [FIELD_BOX] = {"box_dim", PTX_TM_RANK, false},
    [FIELD_DIM] = {"global_dim", PTX_TM_RANK, false},
    [FIELD_STRIDE] = {"global_stride", PTX_TM_RANK - 1, false},
    [FIELD_STEP] = {"element_stride", PTX_TM_RANK, false},
    [FIELD_TYPE] = {"elemtype", 0, true},
    [FIELD_INTERLEAVE] = {"interleave_layout", 0, true},
    [FIELD_SWIZZLE] = {"swizzle_mode", 0, true},
    [FIELD_ATOM] = {"swizzle_atomicity", 0, true},
    [FIELD_FILL] = {"fill_mode", 0, true},
};

typedef struct replacement {
    field field;
    u32 ordinal;
    u32 slot;     /* of the new value; PTX_NO_SLOT: it is `value` */
    u64 value;
} replacement;

static u16 clamp(u64 v, u16 most)
{
    return v > most ? most : (u16)v;
}

/* A value that no valid map has stays invalid, and is found when the map is used. */
static void set_field(ptx_tensor_map *m, const replacement *r, u64 v)
{
    u8 byte = (u8)clamp(v, UINT8_MAX);
    switch (r->field) {
    case FIELD_ADDRESS:
        m->address = v;
        break;
    case FIELD_RANK: /* counted from 0 */
        m->rank = byte < UINT8_MAX ? byte + 1 : byte;
        break;
    case FIELD_BOX:
        m->box[r->ordinal] = clamp(v, UINT16_MAX);
        break;
    case FIELD_DIM:
        m->last[r->ordinal] = (u32)v - 1;
        break;
    case FIELD_STRIDE:
        m->stride[r->ordinal] = v;
        break;
    case FIELD_STEP:
        m->step[r->ordinal] = byte;
        break;
    case FIELD_TYPE:
        m->type = byte;
        break;
    case FIELD_INTERLEAVE:
        m->interleave = byte;
        break;
    case FIELD_SWIZZLE:
        m->swizzle = byte;
        break;
    case FIELD_ATOM:
        m->atom = byte;
        break;
    default:
        m->fill = byte;
    }
}

static bool replace_one(ptx_warp *w, const ptx_insn *i, u32 lane, ptx_space space, u64 addr)
{
    const replacement *r = i->aux;
    ptx_tensor_map m;
    u64 v = r->slot == PTX_NO_SLOT                                   ? r->value
            : r->field == FIELD_ADDRESS || r->field == FIELD_STRIDE ? IN(u64, r->slot)[lane]
                                                                      : IN(u32, r->slot)[lane];
    if (space != PTX_SPACE_SHARED && space != PTX_SPACE_GLOBAL)
        return illegal(w, i, lane, "tensormap.replace outside shared and global memory", "");
    if (!ptx_bulk_watch(w, i, space, lane, addr, PTX_TM_BYTES, false, false, UNIT) ||
        !ptx_bulk_watch(w, i, space, lane, addr, PTX_TM_BYTES, true, false, UNIT))
        return false;
    u8 *at = space == PTX_SPACE_SHARED ? w->block->shared + addr : (u8 *)(uintptr_t)addr;
    memcpy(&m, at, sizeof m);
    if (m.magic != PTX_TM_MAGIC)
        return illegal(w, i, lane, "tensormap.replace of what is no tensor map", "");
    set_field(&m, r, v);
    memcpy(at, &m, sizeof m);
    return true;
}

static void x_replace(ptx_warp *w, const ptx_insn *i)
{
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    ptx_mem_addresses(w, i, addr);
    ptx_mem_part part;
    for (u32 left = w->exec; left;) {
        if (!ptx_mem_next(w, i, addr, &left, &part))
            return;
        EACH_SET(l, part.mask)
        if (part.block != w->block
                ? !illegal(w, i, l, "tensormap.replace in another block's shared memory", "")
                : !replace_one(w, i, l, part.space, addr[l]))
            return;
    }
}

static bool decode_replace(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    replacement *r = WS_ARENA_NEW(ptx_decoder_arena(d), replacement, 1);
    const ptx_operand *o = a->operand;
    for (r->field = 0; !ptx_has(a, fields[r->field].name); r->field++)
        ;
    int last = a->n_operands - 1;
    i->space = ptx_has(a, "global")                                 ? PTX_SPACE_GLOBAL
               : ptx_has(a, "shared::cta") || ptx_has(a, "shared") ? PTX_SPACE_SHARED
                                                                     : PTX_SPACE_GENERIC;
    i->aux = r;
    i->run = x_replace;
    i->esize = UNIT;
    i->vec = 1;
    if (fields[r->field].ordinals)
        r->ordinal = (u32)o[1].imm;
    r->slot = PTX_NO_SLOT;
    r->value = (u64)o[last].imm;
    return ptx_address(d, &o[0], i) &&
           (fields[r->field].is_constant || ptx_alu_src(d, &o[last], i->match->last, &r->slot));
}

/* ---- from shared to global memory ---- */

typedef struct map_copy {
    ptx_insn to, from;
} map_copy;

static void x_copy(ptx_warp *w, const ptx_insn *i)
{
    const map_copy *c = i->aux;
    u64 to[PTX_LANES] __attribute__((aligned(64))), from[PTX_LANES] __attribute__((aligned(64)));
    if (!ptx_whole_warp(w, i))
        return;
    ptx_mem_addresses(w, &c->to, to);
    ptx_mem_addresses(w, &c->from, from);
    if (!ptx_bulk_watch(w, i, PTX_SPACE_SHARED, 0, from[0], PTX_TM_BYTES, false, false, UNIT) ||
        !ptx_bulk_watch(w, i, PTX_SPACE_GLOBAL, 0, to[0], PTX_TM_BYTES, true, false, UNIT))
        return;
    memcpy((void *)(uintptr_t)to[0], w->block->shared + from[0], PTX_TM_BYTES);
    ptx_order_fence(w, ptx_is_narrow(i));
}

static bool decode_copy(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    map_copy *c = WS_ARENA_NEW(ptx_decoder_arena(d), map_copy, 1);
    i->aux = c;
    i->run = x_copy;
    i->esize = UNIT;
    i->vec = 1;
    c->to.ast = c->from.ast = a;
    c->to.space = PTX_SPACE_GLOBAL;
    c->from.space = PTX_SPACE_SHARED;
    return ptx_address(d, &a->operand[0], &c->to) &&
           ptx_address(d, &a->operand[1], &c->from);
}

#define REPLACE "tensormap.replace.tile"
#define WHERE   "{.$map_space}.b1024"
#define PROXY   "fence.proxy.tensormap::generic"
const ptx_op_row ptx_ops_tensormap[] = {
    {REPLACE ".global_address" WHERE ".b64 [a], b", decode_replace, 0, PTX_UNIT_MEM},
    {REPLACE ".rank" WHERE ".b32 [a], b", decode_replace, 0, PTX_UNIT_MEM},
    {REPLACE ".(box_dim global_dim element_stride)" WHERE ".b32 [a], #b(0-4), c", decode_replace, 0,
     PTX_UNIT_MEM},
    {REPLACE ".global_stride" WHERE ".b64 [a], #b(0-3), c", decode_replace, 0, PTX_UNIT_MEM},
    {REPLACE ".elemtype" WHERE ".b32 [a], #b(0-15)", decode_replace, 0, PTX_UNIT_MEM},
    {REPLACE ".interleave_layout" WHERE ".b32 [a], #b(0-2)", decode_replace, 0, PTX_UNIT_MEM},
    {REPLACE ".swizzle_mode" WHERE ".b32 [a], #b(0-3)", decode_replace, 0, PTX_UNIT_MEM},
    {REPLACE ".swizzle_atomicity" WHERE ".b32 [a], #b(0-3)", decode_replace, 0, PTX_UNIT_MEM},
    {REPLACE ".fill_mode" WHERE ".b32 [a], #b(0-1)", decode_replace, 0, PTX_UNIT_MEM},
    {"tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release.$scope.sync.aligned "
     "[a], [b], #c(128-128)", decode_copy, 0, PTX_UNIT_MEM},
    {"prefetch{.(param const)}.tensormap [a]", decode_prefetch, 0, PTX_UNIT_MEM},
    {PROXY ".release.$scope", ptx_decode_nop, 0, PTX_UNIT_BARRIER},
    {PROXY ".acquire.$scope [a], #b(128-128)", ptx_decode_nop, 0, PTX_UNIT_BARRIER},
    {0},
};
