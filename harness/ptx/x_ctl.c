/* Control flow: branches, returns, barriers, fences, trap. */
#include "harness/ptx/alu.h"
#include "harness/ptx/lanes.h"

#include <string.h>

/* ---- branches ---- */

static void x_bra(ptx_warp *w, const ptx_insn *i)
{
    ptx_warp_branch(w, i->target);
}

static bool decode_bra(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    if (a->n_operands != 1 || a->operand[0].kind != PTX_OPD_LABEL)
        return false;
    i->target = (u32)a->operand[0].target;
    i->run = x_bra;
    return true;
}

/* Indexed branch: the lanes go to their targets one target after the other. */
static void x_brx(ptx_warp *w, const ptx_insn *i)
{
    const ptx_operand *list = i->aux;
    const u32 *index = IN(u32, i->a);
    u32 pending = w->exec, chosen[PTX_LANES];
    memcpy(chosen, index, sizeof chosen);
    while (pending) {
        u32 first = (u32)__builtin_ctz(pending), same = 0;
        if (chosen[first] >= (u32)list->n_targets) {
            ptx_fault_simple(w, i, (int)first, HX_ILLEGAL,
                             "illegal: brx.idx with index %u of %d targets", chosen[first],
                             list->n_targets);
            return;
        }
        EACH_SET(l, pending) same |= chosen[l] == chosen[first] ? 1u << l : 0;
        pending &= ~same;
        ptx_warp_send(w, same, (u32)list->targets[chosen[first]]);
    }
}

static bool decode_brx(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    if (a->n_operands != 2 || a->operand[1].kind != PTX_OPD_TARGETS || !ptx_has(a, "idx"))
        return false;
    i->aux = &a->operand[1];
    i->run = x_brx;
    return ptx_alu_src(d, &a->operand[0], PTX_u32, &i->a);
}

static void x_ret(ptx_warp *w, const ptx_insn *i)
{
    (void)i;
    ptx_warp_return(w);
}

static void x_exit(ptx_warp *w, const ptx_insn *i)
{
    (void)i;
    ptx_warp_exit(w);
}

static bool decode_ret(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    bool leaves = ws_str_eqz(a->part[0], "exit") || ptx_decoder_func(d)->is_entry;
    i->flags |= leaves ? PTX_IF_EXIT : 0;
    i->run = ws_str_eqz(a->part[0], "exit") ? x_exit : x_ret;
    return true;
}

static void x_trap(ptx_warp *w, const ptx_insn *i)
{
    ptx_fault_simple(w, i, __builtin_ctz(w->exec), HX_TRAP, "trap executed");
}

static bool decode_trap(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    (void)a;
    i->run = x_trap;
    return true;
}

/* ---- barriers of a block ---- */

static u32 group_value(const ptx_group *g, u32 slot)
{
    const uint8_t *base = slot & 1 ? g->frame->code->konst : g->frame->regs;
    u32 v;
    memcpy(&v, base + (slot & ~1u) + 4 * (size_t)__builtin_ctz(g->mask), 4);
    return v;
}

static const ptx_barrier *barrier_of(const ptx_group *g)
{
    return g->frame->code->insn[g->pc].aux;
}

u32 ptx_barrier_id(const ptx_group *g)
{
    return group_value(g, barrier_of(g)->id) % PTX_BARRIERS;
}

u32 ptx_barrier_threads(const ptx_group *g)
{
    return barrier_of(g)->count == PTX_NO_SLOT ? 0 : group_value(g, barrier_of(g)->count);
}

void ptx_barrier_finish(const ptx_group *g, u32 value)
{
    const ptx_barrier *b = barrier_of(g);
    if (b->op != PTX_BAR_POPC) {
        g->frame->pred[b->d] = (g->frame->pred[b->d] & ~g->mask) | (value ? g->mask : 0);
    } else if (b->d != PTX_NO_SLOT) {
        for (u32 left = g->mask; left; left &= left - 1)
            memcpy(g->frame->regs + b->d + 4 * (size_t)__builtin_ctz(left), &value, 4);
    }
}

static void x_barrier(ptx_warp *w, const ptx_insn *i)
{
    const ptx_barrier *b = i->aux;
    u32 first = (u32)__builtin_ctz(w->exec), id = IN(u32, b->id)[first];
    if (id >= PTX_BARRIERS) {
        ptx_fault_sync(w, i, (int)first, HX_ILLEGAL, "Invalid arguments",
                       "illegal: barrier %u, there are %d", id, PTX_BARRIERS);
        return;
    }
    u32 threads = b->count == PTX_NO_SLOT ? 0 : IN(u32, b->count)[first];
    if (threads % PTX_LANES || (b->op == PTX_BAR_ARRIVE && !threads)) {
        ptx_fault_sync(w, i, (int)first, HX_ILLEGAL, "Invalid arguments",
                       "illegal: barrier %u for %u threads, which is no multiple of %d", id, threads, PTX_LANES);
        return;
    }
    if (b->op == PTX_BAR_ARRIVE) {
        ptx_race_arrive(w, id);
        ptx_barrier_arrive(w, id, threads);
        return;
    }
    if (b->op >= PTX_BAR_AND)
        w->barrier_votes |= (w->pred[b->pred] ^ (b->pred_neg ? PTX_FULL : 0)) & w->exec;
    ptx_warp_wait(w, PTX_WAIT_BARRIER, 0);
}

static bool decode_barrier_op(const ptx_ast_insn *a, ptx_barrier *b)
{
    if (ptx_has(a, "sync"))
        b->op = PTX_BAR_SYNC;
    else if (ptx_has(a, "arrive"))
        b->op = PTX_BAR_ARRIVE;
    else if (ptx_has(a, "red"))
        b->op = ptx_has(a, "popc") ? PTX_BAR_POPC : ptx_has(a, "and") ? PTX_BAR_AND : PTX_BAR_OR;
    else
        return false;
    b->aligned = ws_str_eqz(a->part[0], "bar") || ptx_has(a, "aligned");
    return true;
}

static bool decode_barrier(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    ptx_barrier *b = WS_ARENA_NEW(ptx_decoder_arena(d), ptx_barrier, 1);
    if (ptx_has(a, "cluster") || ptx_has(a, "warp") || !decode_barrier_op(a, b))
        return false;
    bool reduces = b->op >= PTX_BAR_AND;
    int at = reduces ? 1 : 0, last = reduces ? a->n_operands - 1 : a->n_operands;
    b->count = PTX_NO_SLOT;
    i->aux = b;
    i->run = x_barrier;
    if (last - at < 1 || last - at > 2 || !ptx_alu_src(d, &a->operand[at], PTX_u32, &b->id) ||
        (last - at == 2 && !ptx_alu_src(d, &a->operand[at + 1], PTX_u32, &b->count)))
        return false;
    if (!reduces)
        return true;
    if (!ptx_alu_pred_src(d, &a->operand[last], &b->pred, &b->pred_neg))
        return false;
    return b->op == PTX_BAR_POPC ? ptx_alu_dst(d, &a->operand[0], 4, &b->d)
                                 : ptx_alu_pred_dst(d, &a->operand[0], &b->d);
}

/* ---- fences, sleep ---- */

static void x_fence(ptx_warp *w, const ptx_insn *i)
{
    ptx_order_fence(w, ptx_is_narrow(i));
}

static void x_nop(ptx_warp *w, const ptx_insn *i)
{
    (void)w;
    (void)i;
}

static bool decode_fence(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = x_fence;
    if (ptx_has(a, "proxy") || ptx_has(a, "mbarrier_init")) { /* what they order is in order here */
        i->run = x_nop;
        return true;
    }
    ptx_decoder_program(d)->has_fence = true;
    i->mods = ptx_has(a, "cta") ? PTX_SCOPE_CTA : 0;
    return true;
}

/* A sleeping warp gives the others their turn. */
static void x_nanosleep(ptx_warp *w, const ptx_insn *i)
{
    w->poll = i;
    ptx_warp_end_turn(w);
}

static bool decode_nanosleep(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    (void)a;
    i->run = x_nanosleep;
    return true;
}

static bool decode_nop(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    (void)a;
    i->run = x_nop;
    return true;
}

/* ---- calls ---- */

/* Where a value of a call lives in this frame: a .param variable, or a register or constant. */
static bool place_value(ptx_decoder *d, const ptx_operand *o, const ptx_var *formal, ptx_copy *c)
{
    bool entry = false;
    c->slot = PTX_NO_SLOT;
    if (o->kind == PTX_OPD_VAR && o->var->space == PTX_SPACE_PARAM) {
        c->from = ptx_frame_var(d, o->var, &entry) + (u32)o->imm;
        return !entry;
    }
    c->slot = ptx_src(d, o, formal->type);
    c->slot_bytes = c->bytes;
    return c->slot != PTX_NO_SLOT && c->bytes <= 8;
}

/* Registers have slots that only their own function's decoder knows; .reg parameters are rare. */
static bool decode_copies(ptx_decoder *d, const ptx_operand *list, ptx_var **formal, const int *reg,
                          int n, bool is_ret, ptx_copy **out)
{
    if ((list ? list->n_elem : 0) != n)
        return false;
    ptx_copy *c = WS_ARENA_NEW(ptx_decoder_arena(d), ptx_copy, (size_t)n + 1);
    for (int k = 0; k < n; k++) {
        c[k].bytes = (u32)formal[k]->bytes;
        c[k].to_slot = PTX_NO_SLOT;
        c[k].to = (u32)formal[k]->address;
        if ((reg && reg[k] >= 0) || !place_value(d, &list->elem[k], formal[k], &c[k]) ||
            (is_ret && c[k].slot != PTX_NO_SLOT))
            return false;
        if (is_ret) { /* the other way round */
            u32 from = c[k].to;
            c[k].to = c[k].from;
            c[k].from = from;
        }
    }
    *out = c;
    return true;
}

static void x_call(ptx_warp *w, const ptx_insn *i)
{
    ptx_warp_call(w, i->aux);
}

/* Functions that the CUDA runtime supplies: printf and assert. */
typedef struct builtin_call {
    u32 arg[5]; /* offsets of the arguments in the frame */
    u32 ret;    /* offset of the result, PTX_NO_SLOT: none */
} builtin_call;

static u64 local_u64(const ptx_warp *w, u32 lane, u32 offset)
{
    u64 v = 0;
    for (u32 b = 0; b < 8; b++)
        v |= (u64)*ptx_local_byte(w, (int)lane, w->frame->local_base + offset + b) << (8 * b);
    return v;
}

static void x_vprintf(ptx_warp *w, const ptx_insn *i)
{
    const builtin_call *c = i->aux;
    EACH_SET(l, w->exec)
    {
        u32 n = ptx_printf(w, (int)l, local_u64(w, l, c->arg[0]), local_u64(w, l, c->arg[1]));
        for (u32 b = 0; c->ret != PTX_NO_SLOT && b < 4; b++)
            *ptx_local_byte(w, (int)l, w->frame->local_base + c->ret + b) = (uint8_t)(n >> (8 * b));
    }
}

static void x_assertfail(ptx_warp *w, const ptx_insn *i)
{
    const builtin_call *c = i->aux;
    int lane = __builtin_ctz(w->exec);
    char message[160], file[80];
    if (!ptx_read_string(w, lane, local_u64(w, (u32)lane, c->arg[0]), message, sizeof message))
        strcpy(message, "?");
    if (!ptx_read_string(w, lane, local_u64(w, (u32)lane, c->arg[1]), file, sizeof file))
        strcpy(file, "?");
    ptx_fault_simple(w, i, lane, HX_ASSERT_FAILED, "assertion '%s' failed at %s:%u", message, file,
                     (u32)local_u64(w, (u32)lane, c->arg[2]));
}

static const struct {
    const char *name;
    int n_args;
    ptx_handler run;
} builtins[] = {{"vprintf", 2, x_vprintf}, {"__assertfail", 5, x_assertfail}};

static bool decode_builtin(ptx_decoder *d, const char *name, const ptx_operand *rets,
                           const ptx_operand *args, ptx_insn *i)
{
    bool entry = false;
    for (size_t b = 0; b < WS_COUNT(builtins); b++) {
        if (strcmp(builtins[b].name, name) != 0 || !args || args->n_elem != builtins[b].n_args)
            continue;
        builtin_call *c = WS_ARENA_NEW(ptx_decoder_arena(d), builtin_call, 1);
        for (int k = 0; k < args->n_elem; k++) {
            if (args->elem[k].kind != PTX_OPD_VAR)
                return false;
            c->arg[k] = ptx_frame_var(d, args->elem[k].var, &entry);
        }
        c->ret = rets && rets->n_elem && rets->elem[0].kind == PTX_OPD_VAR
                     ? ptx_frame_var(d, rets->elem[0].var, &entry)
                     : PTX_NO_SLOT;
        i->aux = c;
        i->run = builtins[b].run;
        return true;
    }
    return false;
}

static bool decode_call(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    int at = 0;
    if (!a->n_operands)
        return false;
    const ptx_operand *rets = a->operand[0].kind == PTX_OPD_VEC ? &a->operand[at++] : NULL;
    if (at >= a->n_operands || a->operand[at].kind != PTX_OPD_FUNC)
        return false;
    const char *name = a->operand[at++].text;
    const ptx_operand *args =
        at < a->n_operands && a->operand[at].kind == PTX_OPD_VEC ? &a->operand[at] : NULL;
    const ptx_code *callee = ptx_decode_callee(d, name);
    if (!callee)
        return decode_builtin(d, name, rets, args, i);
    const ptx_func *f = callee->fn;
    ptx_call *c = WS_ARENA_NEW(ptx_decoder_arena(d), ptx_call, 1);
    c->callee = callee;
    c->n_args = f->n_params;
    c->n_rets = f->n_rets;
    i->aux = c;
    i->run = x_call;
    return decode_copies(d, args, f->param, f->param_reg, f->n_params, false, &c->arg) &&
           decode_copies(d, rets, f->ret, f->ret_reg, f->n_rets, true, &c->ret);
}

const ptx_op_row ptx_ops_ctl[] = {
    {"bra{.uni} @l", decode_bra, 0, PTX_UNIT_BRANCH},
    {"brx.idx{.uni} a:u32, @l", decode_brx, 0, PTX_UNIT_BRANCH},
    {"ret{.uni}", decode_ret, 0, PTX_UNIT_BRANCH},
    {"exit", decode_ret, 0, PTX_UNIT_BRANCH},
    {"call{.uni} ...", decode_call, 0, PTX_UNIT_BRANCH},
    {"trap", decode_trap, 0, PTX_UNIT_BRANCH},
    {"bar{.cta}.sync a:u32{, b:u32}", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"bar{.cta}.arrive a:u32, b:u32", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"bar{.cta}.red.popc.u32 d, a, !b", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"bar{.cta}.red.popc.u32 d, a, b, !c", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"bar{.cta}.red.(and or).pred p, a:u32, !b", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"bar{.cta}.red.(and or).pred p, a:u32, b:u32, !c", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"barrier{.cta}.sync{.aligned} a:u32{, b:u32}", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"barrier{.cta}.arrive{.aligned} a:u32, b:u32", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"barrier{.cta}.red.popc{.aligned}.u32 d, a, !b", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"barrier{.cta}.red.popc{.aligned}.u32 d, a, b, !c", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"barrier{.cta}.red.(and or){.aligned}.pred p, a:u32, !b", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"barrier{.cta}.red.(and or){.aligned}.pred p, a:u32, b:u32, !c",
     decode_barrier, 0, PTX_UNIT_BARRIER},
    {"membar.(cta gl sys)", decode_fence, 0, PTX_UNIT_BARRIER},
    {"membar.proxy.alias", decode_fence, 0, PTX_UNIT_BARRIER},
    {"fence{.(sc acq_rel acquire release)}.$scope", decode_fence, 0, PTX_UNIT_BARRIER},
    {"fence.mbarrier_init.release.cluster", decode_fence, 0, PTX_UNIT_BARRIER},
    {"fence.proxy.alias", decode_fence, 0, PTX_UNIT_BARRIER},
    {"fence.proxy.async{.(global shared::cta shared::cluster)}",
     decode_fence, 0, PTX_UNIT_BARRIER},
    {"nanosleep.u32 a", decode_nanosleep, 0, PTX_UNIT_OTHER},
    {"griddepcontrol.(launch_dependents wait)", decode_nop, 0, PTX_UNIT_OTHER},
    {"pmevent #a", decode_nop, 0, PTX_UNIT_OTHER},
    {"pmevent.mask #a", decode_nop, 0, PTX_UNIT_OTHER},
    {0},
};
