/* Calls: of functions by name and through registers, of what the CUDA runtime supplies, and stack
 * memory (PTX ISA 7.1, 9.7.12, 9.7.9.7). */
#include "harness/ptx/alu.h"
#include "harness/ptx/lanes.h"

#include <string.h>

/* ---- functions of the module ---- */

static bool call_fits(const ptx_call *call, const ptx_func *f)
{
    bool fits = call->n_args == f->n_params && call->n_rets == f->n_rets;
    for (int p = 0; fits && p < f->n_params; p++)
        fits = call->arg[p].bytes == f->param[p]->bytes;
    for (int r = 0; fits && r < f->n_rets; r++)
        fits = call->ret[r].bytes == f->ret[r]->bytes;
    return fits;
}

static void x_call(ptx_warp *w, const ptx_insn *i)
{
    const ptx_call *c = i->aux;
    ptx_warp_call(w, c, c->callee);
}

/* NULL: no function with a body is there. */
static const ptx_code *code_at(const ptx_warp *w, u64 address)
{
    const ptx_program *p = w->worker->grid->program;
    u64 n = (address - PTX_FUNC_BASE) / PTX_FUNC_STEP;
    if (address < PTX_FUNC_BASE || (address - PTX_FUNC_BASE) % PTX_FUNC_STEP ||
        n >= (u64)p->n_by_func)
        return NULL;
    return p->by_func[n];
}

/* Lanes with another target execute the call again. */
static void x_call_indirect(ptx_warp *w, const ptx_insn *i)
{
    const ptx_call *c = i->aux;
    const u64 *target = IN(u64, i->a);
    u32 first = (u32)__builtin_ctz(w->exec), same = 0, rest;
    const ptx_code *code = code_at(w, target[first]);
    if (!code || !call_fits(c, code->fn)) {
        if (code)
            ptx_fault_simple(w, i, (int)first, HX_ILLEGAL,
                             "illegal: '%s' is called with parameters of other sizes",
                             code->fn->name);
        else
            ptx_fault_simple(w, i, (int)first, HX_ILLEGAL,
                             "illegal: call of address 0x%llx, where no function is",
                             (unsigned long long)target[first]);
        return;
    }
    EACH_SET(l, w->exec) same |= (u32)(target[l] == target[first]) << l;
    rest = w->exec & ~same;
    if (rest)
        ptx_warp_send(w, rest, ptx_group_pc(w) - 1);
    w->exec = same;
    ptx_warp_call(w, c, code);
}

/* Where a value of a call lives in this frame: a .param variable, or a register or constant of type
 * t. */
static bool place_value(ptx_decoder *d, const ptx_operand *o, ptx_type t, ptx_value *v)
{
    bool entry = false;
    v->slot = PTX_NO_SLOT;
    if (o->kind == PTX_OPD_VAR && o->var->space == PTX_SPACE_PARAM) {
        v->offset = ptx_frame_var(d, o->var, &entry);
        v->bytes = (u32)o->var->bytes;
        return !entry && !o->imm;
    }
    t = o->kind == PTX_OPD_REG ? ptx_reg_type(d, o) : t;
    v->bytes = ptx_type_bytes(t);
    return v->bytes && v->bytes <= 8 && ptx_alu_src(d, o, t, &v->slot);
}

/* `formal`: NULL when the callee is not known. */
static bool place_values(ptx_decoder *d, const ptx_operand *list, ptx_var **formal, int n_formal,
                         bool is_ret, ptx_value **out, int *n)
{
    *n = list ? list->n_elem : 0;
    *out = WS_ARENA_NEW(ptx_decoder_arena(d), ptx_value, (size_t)*n + 1);
    if (formal && *n != n_formal)
        return false;
    for (int k = 0; k < *n; k++) {
        ptx_type t = formal ? formal[k]->type : PTX_b32;
        if (!place_value(d, &list->elem[k], t, &(*out)[k]) ||
            (is_ret && list->elem[k].kind == PTX_OPD_IMM))
            return false;
    }
    return true;
}

static bool decode_direct(ptx_decoder *d, const ptx_code *callee, const ptx_operand *rets,
                          const ptx_operand *args, ptx_insn *i)
{
    const ptx_func *f = callee->fn;
    ptx_call *c = WS_ARENA_NEW(ptx_decoder_arena(d), ptx_call, 1);
    c->callee = callee;
    i->aux = c;
    i->run = x_call;
    return place_values(d, args, f->param, f->n_params, false, &c->arg, &c->n_args) &&
           place_values(d, rets, f->ret, f->n_rets, true, &c->ret, &c->n_rets) && call_fits(c, f);
}

static bool decode_indirect(ptx_decoder *d, const ptx_operand *target, const ptx_operand *rets,
                            const ptx_operand *args, ptx_insn *i)
{
    ptx_call *c = WS_ARENA_NEW(ptx_decoder_arena(d), ptx_call, 1);
    i->aux = c;
    i->run = x_call_indirect;
    return ptx_alu_src(d, target, PTX_u64, &i->a) &&
           place_values(d, args, NULL, 0, false, &c->arg, &c->n_args) &&
           place_values(d, rets, NULL, 0, true, &c->ret, &c->n_rets);
}

/* ---- what the CUDA runtime supplies ---- */

typedef struct builtin_call {
    u32 arg[5], ret; /* offsets in the frame; of no result: PTX_NO_SLOT */
} builtin_call;

static u64 local_get(const ptx_warp *w, u32 lane, u32 offset, u32 bytes)
{
    u64 v = 0;
    for (u32 b = 0; b < bytes; b++)
        v |= (u64)*ptx_local_byte(w, (int)lane, w->frame->local_base + offset + b) << (8 * b);
    return v;
}

static void local_put(const ptx_warp *w, u32 lane, u32 offset, u32 bytes, u64 v)
{
    for (u32 b = 0; offset != PTX_NO_SLOT && b < bytes; b++)
        *ptx_local_byte(w, (int)lane, w->frame->local_base + offset + b) = (uint8_t)(v >> (8 * b));
}

static void x_vprintf(ptx_warp *w, const ptx_insn *i)
{
    const builtin_call *c = i->aux;
    EACH_SET(l, w->exec)
    local_put(w, l, c->ret, 4,
              ptx_printf(w, (int)l, local_get(w, l, c->arg[0], 8), local_get(w, l, c->arg[1], 8)));
}

static void x_assertfail(ptx_warp *w, const ptx_insn *i)
{
    const builtin_call *c = i->aux;
    int lane = __builtin_ctz(w->exec);
    char message[160], file[80];
    if (!ptx_read_string(w, lane, local_get(w, (u32)lane, c->arg[0], 8), message, sizeof message))
        strcpy(message, "?");
    if (!ptx_read_string(w, lane, local_get(w, (u32)lane, c->arg[1], 8), file, sizeof file))
        strcpy(file, "?");
    ptx_fault_simple(w, i, lane, HX_ASSERT_FAILED, "assertion '%s' failed at %s:%u", message, file,
                     (u32)local_get(w, (u32)lane, c->arg[2], 4));
}

static void x_malloc(ptx_warp *w, const ptx_insn *i)
{
    const builtin_call *c = i->aux;
    EACH_SET(l, w->exec)
    local_put(w, l, c->ret, 8, ptx_heap_alloc(w->worker->grid->mem, local_get(w, l, c->arg[0], 8)));
}

static void x_free(ptx_warp *w, const ptx_insn *i)
{
    const builtin_call *c = i->aux;
    EACH_SET(l, w->exec) {
        u64 addr = local_get(w, l, c->arg[0], 8);
        const char *wrong = addr ? ptx_heap_free(w->worker->grid->mem, addr) : NULL;
        if (wrong) {
            ptx_fault_simple(w, i, (int)l, HX_ILLEGAL, "illegal: free of 0x%llx, which %s",
                             (unsigned long long)addr, wrong);
            return;
        }
    }
    memset(w->worker->site, 0, sizeof w->worker->site);
}

static const struct {
    const char *name;
    ptx_handler run;
    int n_args;
    u8 bytes[5], ret;
    bool heap;
} builtins[] = {
    {"vprintf", x_vprintf, 2, {8, 8}, 4, false},
    {"__assertfail", x_assertfail, 5, {8, 8, 4, 8, 8}, 0, false},
    {"malloc", x_malloc, 1, {8}, 8, true},
    {"free", x_free, 1, {8}, 0, true},
};

static bool builtin_values(ptx_decoder *d, const ptx_operand *rets, const ptx_operand *args,
                           size_t b, builtin_call *c)
{
    ptx_value v;
    for (int k = 0; k < builtins[b].n_args; k++) {
        if (!place_value(d, &args->elem[k], PTX_TYPE_NONE, &v) || v.slot != PTX_NO_SLOT ||
            v.bytes != builtins[b].bytes[k])
            return false;
        c->arg[k] = v.offset;
    }
    c->ret = PTX_NO_SLOT;
    if (!rets || !rets->n_elem)
        return true;
    if (rets->n_elem != 1 || !place_value(d, &rets->elem[0], PTX_TYPE_NONE, &v) ||
        v.slot != PTX_NO_SLOT || v.bytes != builtins[b].ret)
        return false;
    c->ret = v.offset;
    return true;
}

static bool decode_builtin(ptx_decoder *d, const char *name, const ptx_operand *rets,
                           const ptx_operand *args, ptx_insn *i)
{
    for (size_t b = 0; b < WS_COUNT(builtins); b++) {
        if (strcmp(builtins[b].name, name) != 0 || !args || args->n_elem != builtins[b].n_args)
            continue;
        builtin_call *c = WS_ARENA_NEW(ptx_decoder_arena(d), builtin_call, 1);
        ptx_decoder_program(d)->serial |= builtins[b].heap;
        i->aux = c;
        i->run = builtins[b].run;
        return builtin_values(d, rets, args, b, c);
    }
    return false;
}

static bool decode_call(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    int at = 0;
    if (!a->n_operands)
        return false;
    const ptx_operand *rets = a->operand[0].kind == PTX_OPD_VEC ? &a->operand[at++] : NULL;
    if (at >= a->n_operands)
        return false;
    const ptx_operand *target = &a->operand[at++];
    const ptx_operand *args =
        at < a->n_operands && a->operand[at].kind == PTX_OPD_VEC ? &a->operand[at] : NULL;
    if (target->kind == PTX_OPD_REG)
        return decode_indirect(d, target, rets, args, i);
    if (target->kind != PTX_OPD_FUNC)
        return false;
    const ptx_code *callee = ptx_decode_callee(d, target->text);
    return callee ? decode_direct(d, callee, rets, args, i)
                  : decode_builtin(d, target->text, rets, args, i);
}

/* ---- stack memory ---- */

/* vec: bytes of an address; imm: alignment */
static void put_address(const ptx_warp *w, const ptx_insn *i, u32 lane, u32 at)
{
    if (i->dsize == 8)
        OUT(u64, i->d)[lane] = at;
    else
        OUT(u32, i->d)[lane] = at;
}

/* The lanes get room one after the other when their sizes differ. */
static void x_alloca(ptx_warp *w, const ptx_insn *i)
{
    u64 size[PTX_LANES];
    EACH_LANE(l) size[l] = i->dsize == 8 ? IN(u64, i->a)[l] : IN(u32, i->a)[l];
    for (u32 left = w->exec; left;) {
        u32 first = (u32)__builtin_ctz(left), same = 0;
        EACH_SET(l, left) same |= (u32)(size[l] == size[first]) << l;
        u32 at = size[first] > UINT32_MAX ? UINT32_MAX
                                          : ptx_warp_alloca(w, (u32)size[first], (u32)i->imm);
        if (at == UINT32_MAX) {
            ptx_fault_simple(w, i, (int)first, HX_ILLEGAL, "stack overflow: alloca of %llu bytes",
                             (unsigned long long)size[first]);
            return;
        }
        EACH_SET(l, same) put_address(w, i, l, at);
        left &= ~same;
    }
}

static void x_stacksave(ptx_warp *w, const ptx_insn *i)
{
    EACH_SET(l, w->exec) put_address(w, i, l, w->frame->stack_bytes);
}

/* What some lanes of a call give back stays until all do. */
static void x_stackrestore(ptx_warp *w, const ptx_insn *i)
{
    u64 to = 0;
    EACH_SET(l, w->exec) {
        u64 v = i->dsize == 8 ? IN(u64, i->a)[l] : IN(u32, i->a)[l];
        to = v > to ? v : to;
    }
    if (w->exec == (w->frame->lanes & w->live) && to < w->frame->stack_bytes)
        w->frame->stack_bytes = (u32)to;
}

static bool decode_stack(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const ptx_handler run[] = {x_alloca, x_stacksave, x_stackrestore};
    i->run = run[i->op];
    i->dsize = (uint8_t)ptx_type_bytes(i->match->last);
    i->imm = a->n_operands == 3 ? a->operand[2].imm : 8;
    if (i->imm < 1 || i->imm > 4096 || i->imm & (i->imm - 1))
        return false;
    return ptx_alu_operands(d, a, i);
}

const ptx_op_row ptx_ops_call[] = {
    {"call{.uni} ...", decode_call, 0, PTX_UNIT_BRANCH},
    {"alloca.(u32 u64) d, a", decode_stack, 0, PTX_UNIT_OTHER},
    {"alloca.(u32 u64) d, a, #b", decode_stack, 0, PTX_UNIT_OTHER},
    {"stacksave.(u32 u64) d", decode_stack, 1, PTX_UNIT_OTHER},
    {"stackrestore.(u32 u64) a", decode_stack, 2, PTX_UNIT_OTHER},
    {0},
};
