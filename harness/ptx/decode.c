/* AST to flat code. This file lays out registers, constants and variables and finds basic blocks; what an
 * opcode means is in the rows of the x_*.c files. */
#include "harness/ptx/alu.h"
#include "harness/ptx/compact.h"
#include "harness/ptx/field_step.h"
#include "harness/ptx/guess.h"
#include "harness/ptx/numbers.h"
#include "harness/ptx/ops.h"
#include "harness/ptx/undef.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MATCHES = 6, MNEMONIC_BUCKETS = 256 };
typedef struct mnemonic {
    struct mnemonic *next;
    ws_str text;
    ptx_match match[MAX_MATCHES];
    int n;
    char why[PTX_WHY]; /* when n is 0 */
    uint16_t results;  /* operands that are results and nothing else, as every form says that they may be */
    uint8_t flow;
    bool ends_block, is_convergent, goes_on;
} mnemonic;

struct ptx_decoder {
    const ptx_ast *ast;
    ptx_program *program;
    const ptx_func *fn;
    ptx_code *code;
    ptx_guesses *guesses;    /* of fn, and the next, too */
    ptx_numbers *numbers;
    uint32_t *slot;          /* as ptx_code.slot */
    ws_buf pool;             /* constants of this function */
    uint64_t *pool_bits;     /* value and width of each, to share equal ones */
    uint32_t *pool_key;
    uint32_t n_pool, cap_pool;
    mnemonic *mnemonics[MNEMONIC_BUCKETS];
    const mnemonic **of;     /* per instruction of the function */
};

enum { PRED_FALSE, PRED_TRUE, PRED_SINK, PRED_FIRST };

/* ---- operands ---- */

ws_arena *ptx_decoder_arena(ptx_decoder *d)
{
    return &d->program->arena;
}

ptx_program *ptx_decoder_program(ptx_decoder *d)
{
    return d->program;
}

const ptx_field *ptx_decoder_field(const ptx_decoder *d)
{
    return d->ast->field;
}

const ptx_func *ptx_decoder_func(const ptx_decoder *d)
{
    return d->fn;
}

const ptx_numbers *ptx_decoder_numbers(const ptx_decoder *d)
{
    return d->numbers;
}

const ptx_guesses *ptx_decoder_guesses(const ptx_decoder *d)
{
    return d->guesses;
}

static uint32_t slot_stride(uint32_t bytes)
{
    return bytes <= 2 ? 64 : bytes * PTX_LANES;
}

/* Constants are stored like registers: one value a lane, of up to 16 bytes. */
uint32_t ptx_const(ptx_decoder *d, uint64_t bits, uint32_t bytes)
{
    if (bytes < 8)
        bits &= (1ull << (8 * bytes)) - 1;
    for (uint32_t i = 0; i < d->n_pool; i++)
        if (d->pool_bits[i] == bits && (d->pool_key[i] & 15) == (bytes & 15))
            return d->code->const_at + (d->pool_key[i] & ~15u);
    if (d->n_pool == d->cap_pool) {
        d->cap_pool = d->cap_pool ? 2 * d->cap_pool : 32;
        d->pool_bits = ws_realloc(d->pool_bits, d->cap_pool * sizeof *d->pool_bits);
        d->pool_key = ws_realloc(d->pool_key, d->cap_pool * sizeof *d->pool_key);
    }
    uint32_t at = (uint32_t)d->pool.n;
    uint8_t lanes[PTX_LANES * 16] = {0};
    for (uint32_t l = 0; l < PTX_LANES; l++)
        memcpy(lanes + (size_t)l * bytes, &bits, bytes < 8 ? bytes : 8);
    ws_buf_add(&d->pool, lanes, slot_stride(bytes));
    d->pool_bits[d->n_pool] = bits;
    d->pool_key[d->n_pool++] = at | (bytes & 15);
    return d->code->const_at + at;
}

ptx_type ptx_reg_type(const ptx_decoder *d, const ptx_operand *o)
{
    return o->kind == PTX_OPD_REG && o->reg >= 0 ? d->fn->reg[o->reg].type : PTX_TYPE_NONE;
}

static uint64_t immediate_bits(const ptx_operand *o, ptx_type t)
{
    uint64_t bits = (uint64_t)o->imm;
    if (!o->is_float)
        return bits;
    if (ptx_type_bytes(t) == 4 && o->float_bytes == 8) {
        double v;
        memcpy(&v, &bits, 8);
        float f = (float)v;
        uint32_t b;
        memcpy(&b, &f, 4);
        return b;
    }
    if (ptx_type_bytes(t) == 8 && o->float_bytes == 4) {
        uint32_t b = (uint32_t)bits;
        float f;
        memcpy(&f, &b, 4);
        double v = (double)f;
        memcpy(&bits, &v, 8);
    }
    return bits;
}

/* Predicates have numbers in place of slots. */
static bool is_pred(const ptx_decoder *d, const ptx_operand *o)
{
    return d->fn->reg[o->reg].type == PTX_pred;
}

uint32_t ptx_src(ptx_decoder *d, const ptx_operand *o, ptx_type t)
{
    uint32_t bytes = ptx_type_bytes(t);
    if (!bytes)
        return PTX_NO_SLOT;
    switch (o->kind) {
    case PTX_OPD_REG:
        return is_pred(d, o) ? PTX_NO_SLOT : d->slot[o->reg];
    case PTX_OPD_IMM:
        return ptx_const(d, immediate_bits(o, t), bytes);
    case PTX_OPD_VAR:
        return ptx_const(d, o->var->address + (uint64_t)o->imm, bytes);
    case PTX_OPD_FUNC: {
        const ptx_func *f = ptx_ast_find(d->ast, o->text);
        return f ? ptx_const(d, f->address, bytes) : PTX_NO_SLOT;
    }
    default:
        return PTX_NO_SLOT;
    }
}

uint32_t ptx_dst(ptx_decoder *d, const ptx_operand *o)
{
    return o->kind == PTX_OPD_REG && !is_pred(d, o) ? d->slot[o->reg] : PTX_NO_SLOT;
}

uint32_t ptx_sink(ptx_decoder *d)
{
    return d->code->reg_bytes;
}

uint32_t ptx_pred_src(ptx_decoder *d, const ptx_operand *o, bool *neg)
{
    *neg = o->neg_pred;
    if (o->kind == PTX_OPD_IMM)
        return o->imm ? PRED_TRUE : PRED_FALSE;
    return o->kind == PTX_OPD_REG ? d->slot[o->reg] : PRED_FALSE;
}

uint32_t ptx_pred_dst(ptx_decoder *d, const ptx_operand *o)
{
    return o->kind == PTX_OPD_REG ? d->slot[o->reg] : PRED_SINK;
}

bool ptx_has(const ptx_ast_insn *a, const char *part)
{
    for (int i = 1; i < a->n_parts; i++)
        if (ws_str_eqz(a->part[i], part))
            return true;
    return false;
}

void ptx_mods(const ptx_ast_insn *a, ptx_insn *i)
{
    static const struct {
        const char *name;
        uint8_t bits;
    } table[] = {{"rn", PTX_RN}, {"rz", PTX_RZ}, {"rm", PTX_RM}, {"rp", PTX_RP}, {"ftz", PTX_FTZ},
                 {"sat", PTX_SAT}, {"relu", PTX_RELU}, {"NaN", PTX_NAN}};
    for (int p = 1; p < a->n_parts; p++)
        for (size_t t = 0; t < WS_COUNT(table); t++)
            if (ws_str_eqz(a->part[p], table[t].name))
                i->mods |= table[t].bits;
}

uint32_t ptx_frame_var(ptx_decoder *d, const ptx_var *v, bool *entry)
{
    *entry = false;
    if (v->space == PTX_SPACE_PARAM && d->fn->is_entry)
        for (int p = 0; p < d->fn->n_params; p++)
            *entry |= d->fn->param[p] == v;
    return (uint32_t)v->address;
}

bool ptx_address(ptx_decoder *d, const ptx_operand *o, ptx_insn *i)
{
    if (o->kind != PTX_OPD_ADDR || o->n_elem)
        return false;
    i->imm = o->imm;
    if (o->reg >= 0) {
        ptx_type t = d->fn->reg[o->reg].type;
        i->a = d->slot[o->reg];
        i->flags |= ptx_type_bytes(t) == 8 ? PTX_IF_WIDE_ADDRESS : 0;
        return t != PTX_pred && (ptx_type_bytes(t) == 4 || ptx_type_bytes(t) == 8);
    }
    i->flags |= PTX_IF_NO_BASE;
    const ptx_var *v = o->var;
    if (!v)
        return true;
    bool entry = false;
    i->imm = (int64_t)((uint64_t)i->imm + v->address); /* any number can be written there */
    if (v->space == PTX_SPACE_LOCAL || v->space == PTX_SPACE_PARAM) {
        ptx_frame_var(d, v, &entry);
        if (!entry)
            i->flags |= PTX_IF_FRAME;
    }
    if (i->space == PTX_SPACE_GENERIC) /* the space of a named variable is known */
        i->space = (uint8_t)v->space;
    return true;
}

/* ---- functions ---- */

const ptx_code *ptx_decode_callee(ptx_decoder *d, const char *name)
{
    for (int c = 0; c < d->program->n_codes; c++)
        if (strcmp(d->program->code[c]->fn->name, name) == 0)
            return d->program->code[c];
    return NULL;
}

static uint64_t place_var(ptx_var *v, uint64_t at)
{
    uint32_t align = v->align ? v->align : 1;
    at = (at + align - 1) / align * align;
    v->address = at;
    return at + v->bytes;
}

/* Offsets of the variables of one call of `f`: .local and .param ones, and the parameters of a .func. */
static uint32_t layout_frame(const ptx_func *f)
{
    uint64_t at = 0;
    for (int v = 0; v < f->n_locals; v++)
        at = place_var(f->local[v], at);
    uint64_t block = 0; /* a kernel's parameters lie in the launch's own block */
    for (int p = 0; p < f->n_params; p++)
        *(f->is_entry ? &block : &at) = place_var(f->param[p], f->is_entry ? block : at);
    for (int r = 0; r < f->n_rets; r++)
        at = place_var(f->ret[r], at);
    return (uint32_t)((at + 15) & ~15ull);
}

/* The function that a direct call names, NULL: none. */
static const char *called_function(const ptx_ast_insn *a)
{
    for (int o = 0; o < a->n_operands && o < 2 && ws_str_eqz(a->part[0], "call"); o++)
        if (a->operand[o].kind == PTX_OPD_FUNC)
            return a->operand[o].text;
    return NULL;
}

/* What the engine lacks: a mnemonic, or the function of a call. */
static void name_of(const ptx_ast_insn *a, char *out, size_t n)
{
    const char *callee = called_function(a);
    int at = callee ? snprintf(out, n, "%s", callee) : 0;
    for (int part = 0; !callee && part < a->n_parts && at < (int)n; part++)
        at += snprintf(out + at, n - (size_t)at, "%s%.*s", part ? "." : "", WS_STR_ARG(a->part[part]));
}

static void x_unsupported(ptx_warp *w, const ptx_insn *i)
{
    char name[160];
    name_of(i->ast, name, sizeof name);
    ptx_fault_simple(w, i, __builtin_ctz(w->exec), HX_UNSUPPORTED, "the CPU engine does not support %s '%s' (%s)",
                     called_function(i->ast) ? "a call of" : "the instruction", name, (const char *)i->aux);
}

void ptx_program_visit_unsupported(const ptx_program *p, ptx_lack_fn visit, void *ud)
{
    for (int c = 0; c < p->n_codes; c++)
        for (uint32_t i = 0; i < p->code[c]->n; i++) {
            const ptx_insn *in = &p->code[c]->insn[i];
            if (in->run != x_unsupported)
                continue;
            char name[160];
            name_of(in->ast, name, sizeof name);
            visit(ud, &(ptx_lack){.name = name,
                                  .is_call = called_function(in->ast) != NULL,
                                  .why = in->aux,
                                  .function = p->code[c]->fn->name,
                                  .line = in->ast->ptx_line,
                                  .column = in->ast->ptx_column});
        }
}

/* Instructions after which, and before which, a basic block ends. Convergent instructions begin one so
 * that groups of lanes can meet at them. */
static bool ends_block(const ptx_ast_insn *a)
{
    static const char *const names[] = {"bra", "brx", "ret", "exit", "call", "trap", NULL};
    for (int i = 0; names[i]; i++)
        if (ws_str_eqz(a->part[0], names[i]))
            return true;
    return false;
}

static bool is_convergent(const ptx_ast_insn *a)
{
    static const char *const names[] = {
        "bar",       "barrier", "shfl",  "vote",       "match", "redux",    "activemask",
        "elect",     "call",    "ret",   "exit",       "mma",   "ldmatrix", "stmatrix",
        "movmatrix", "wmma",    "wgmma", "setmaxnreg", NULL};
    for (int i = 0; names[i]; i++)
        if (ws_str_eqz(a->part[0], names[i]))
            return true;
    return ptx_has(a, "sync");
}

/* Convergent instructions that whole warps neither wait nor leave the kernel's text at. */
static bool goes_on(const ptx_ast_insn *a)
{
    static const char *const names[] = {"shfl",     "vote",     "match",     "redux", "activemask", "elect", "mma",
                                        "ldmatrix", "stmatrix", "movmatrix", "wmma",  NULL};
    for (int i = 0; names[i]; i++)
        if (ws_str_eqz(a->part[0], names[i]))
            return true;
    return false;
}

static uint16_t results_of(const mnemonic *m)
{
    uint16_t out = m->n ? m->match[0].form->results : 0;
    for (int k = 1; k < m->n; k++)
        out &= m->match[k].form->results;
    return out;
}

/* The forms of a mnemonic; instructions of a function have few different ones. */
static const mnemonic *find_mnemonic(ptx_decoder *d, const ptx_ast_insn *a)
{
    const ws_str *last = &a->part[a->n_parts - 1];
    ws_str text = {a->part[0].p, (size_t)(last->p + last->n - a->part[0].p)};
    uint32_t hash = 2166136261u;
    for (size_t c = 0; c < text.n; c++)
        hash = (hash ^ (uint8_t)text.p[c]) * 16777619u;
    mnemonic **link = &d->mnemonics[hash % MNEMONIC_BUCKETS];
    for (; *link; link = &(*link)->next)
        if ((*link)->text.n == text.n && memcmp((*link)->text.p, text.p, text.n) == 0)
            return *link;
    mnemonic *m = *link = WS_ARENA_NEW(&d->program->arena, mnemonic, 1);
    m->text = text;
    m->n = ptx_ops_match(a, m->match, MAX_MATCHES, m->why);
    m->results = results_of(m);
    m->flow = (uint8_t)ptx_flow_of(a);
    m->ends_block = ends_block(a);
    m->is_convergent = is_convergent(a);
    m->goes_on = goes_on(a);
    return m;
}

static void layout_registers(ptx_decoder *d)
{
    static const struct {
        int place;
        uint32_t bytes;
    } classes[] = {{PTX_PLACE_1, 1}, {PTX_PLACE_2, 2}, {PTX_PLACE_4, 4}, {PTX_PLACE_8, 8}, {PTX_PLACE_16, 16}};
    const ptx_func *f = d->fn;
    uint16_t *results = ws_calloc((size_t)f->n_insns + 1, sizeof *results);
    uint32_t count[PTX_PLACES], start[PTX_PLACES] = {0}, stride[PTX_PLACES] = {[PTX_PLACE_PRED] = 1};
    for (int i = 0; i < f->n_insns; i++)
        results[i] = d->of[i]->results;
    ptx_compact(f, results, d->slot, count);
    start[PTX_PLACE_PRED] = PRED_FIRST;
    d->code->n_preds = PRED_FIRST + count[PTX_PLACE_PRED];
    d->code->reg_bytes = 0;
    for (size_t c = 0; c < WS_COUNT(classes); c++) {
        int p = classes[c].place;
        start[p] = d->code->reg_bytes;
        stride[p] = slot_stride(classes[c].bytes);
        d->code->reg_bytes += count[p] * stride[p];
        d->code->registers += count[p] * ((classes[c].bytes + 3) / 4);
    }
    d->code->const_at = d->code->reg_bytes + slot_stride(16); /* after the sink */
    for (int r = 0; r < f->n_regs; r++) {
        int p = ptx_place_class(f->reg[r].type);
        d->slot[r] = start[p] + d->slot[r] * stride[p];
    }
    free(results);
}

/* The instruction with its modifiers in the order of the form. */
static const ptx_ast_insn *in_order(ptx_decoder *d, const ptx_ast_insn *a, const ptx_match *m)
{
    if (m->in_order)
        return a;
    ptx_ast_insn *copy = WS_ARENA_NEW(&d->program->arena, ptx_ast_insn, 1);
    *copy = *a;
    copy->part = WS_ARENA_NEW(&d->program->arena, ws_str, (size_t)a->n_parts);
    copy->part[0] = a->part[0];
    for (int w = 0, p = 1; w < m->form->n_words; w++)
        if (m->words >> w & 1)
            copy->part[p++] = m->form->word[w];
    return copy;
}

static void decode_insn(ptx_decoder *d, const mnemonic *m, const ptx_ast_insn *a, ptx_insn *i)
{
    char why[PTX_WHY];
    i->ast = a;
    if (a->guard >= 0) {
        i->guard = d->slot[a->guard] + 1;
        i->guard_neg = a->guard_neg;
    }
    snprintf(why, sizeof why, "%s", m->why);
    for (int k = 0; k < m->n; k++) {
        const ptx_op_row *r = m->match[k].form->row;
        if (!ptx_ops_operands(&m->match[k], d->fn, a, why))
            continue;
        ptx_insn clean = *i;
        i->op = r->selector;
        i->unit = r->unit;
        i->match = &m->match[k];
        i->results = m->match[k].form->results;
        i->flow = m->flow;
        if (r->decode(d, in_order(d, a, i->match), i) && i->run)
            return;
        *i = clean;
        snprintf(why, sizeof why, "not in this variant of %s", r->form);
    }
    const char *callee = called_function(a);
    const ptx_func *f = callee ? ptx_ast_find(d->ast, callee) : NULL;
    if (f && f->is_extern)
        snprintf(why, sizeof why, "it has no body in this module, and no such parameters in the engine");
    i->run = x_unsupported;
    if (!d->program->unsupported)
        d->program->unsupported = a;
    i->aux = ws_arena_strdup(&d->program->arena, why);
}

static void find_leaders(const ptx_decoder *d, const ptx_func *f, ptx_code *c)
{
    c->insn[0].leader = PTX_LEADS;
    c->insn[f->n_insns].control = PTX_CONTROLS;
    for (int i = 0; i < f->n_insns; i++) {
        const ptx_ast_insn *a = &f->insn[i];
        const mnemonic *m = d->of[i];
        const uint8_t leads = m->goes_on ? PTX_LEADS_ON : PTX_LEADS;
        if (m->is_convergent)
            c->insn[i].leader |= leads;
        if (m->ends_block || m->is_convergent) {
            c->insn[i].control = PTX_CONTROLS;
            c->insn[i + 1].leader |= leads;
        }
        for (int o = 0; o < a->n_operands; o++) {
            const ptx_operand *p = &a->operand[o];
            if (p->kind == PTX_OPD_LABEL)
                c->insn[p->target].leader |= PTX_LEADS;
            if (p->kind == PTX_OPD_LABEL && ws_str_eqz(a->part[0], "bra")) {
                c->insn[i].control = PTX_JUMPS;
                c->insn[i].imm = p->target - i;
            }
            for (int t = 0; p->kind == PTX_OPD_TARGETS && t < p->n_targets; t++)
                c->insn[p->targets[t]].leader |= PTX_LEADS;
        }
    }
}

static bool is_in_run(const ptx_insn *i)
{
    return i->leader ? i->leader == PTX_LEADS_ON : !i->control;
}

/* What PTX_CHAIN goes on with; handlers are settled by then. */
static void chain(ptx_code *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        bool follows = i && is_in_run(&c->insn[i]) && !c->insn[i].guard && !c->insn[i - 1].guard;
        c->insn[i].next = ptx_chain_end;
        if (follows)
            c->insn[i - 1].next = c->insn[i].run;
    }
}

static void measure_runs(ptx_code *c)
{
    const ptx_insn *next = NULL; /* leader */
    for (uint32_t n = c->n; n-- > 0;) {
        ptx_insn *i = &c->insn[n];
        if (!i->leader)
            continue;
        bool on = next && next->leader == PTX_LEADS_ON;
        i->run_len = i->bb_len + (on ? next->run_len : 0);
        i->run_last = on ? next->run_last : i->last_pc;
        next = i;
    }
}

static uint32_t number_blocks(ptx_program *p, ptx_code *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        c->insn[i].stop = c->insn[i].leader || c->insn[i].control;
        if (!c->insn[i].leader)
            continue;
        uint32_t end = i + 1;
        while (end < c->n && !c->insn[end].leader)
            end++;
        c->insn[i].bb = p->n_bbs++;
        c->insn[i].bb_len = end - i;
        c->insn[i].last_pc = end - 1;
        c->insn[i].is_place = !c->index && !(end - i == 1 && c->insn[i].flags & PTX_IF_EXIT);
    }
    return p->n_bbs;
}

/* Falling off the end of a function is a return. */
static ptx_ast_insn *end_of_function(ws_arena *a, const ptx_func *f)
{
    ptx_ast_insn *ret = WS_ARENA_NEW(a, ptx_ast_insn, 1);
    ret->part = WS_ARENA_NEW(a, ws_str, 1);
    ret->part[0] = ws_str_of("ret");
    ret->n_parts = 1;
    ret->text = ws_str_of("ret");
    ret->guard = -1;
    if (f->n_insns) {
        ret->ptx_line = f->insn[f->n_insns - 1].ptx_line;
        ret->src_line = f->insn[f->n_insns - 1].src_line;
        ret->src_file = f->insn[f->n_insns - 1].src_file;
    }
    return ret;
}

static void decode_function(ptx_decoder *d, ptx_code *c)
{
    const ptx_func *f = c->fn;
    ptx_program *p = d->program;
    d->fn = f;
    d->code = c;
    d->guesses = ptx_guesses_new(f);
    d->numbers = ptx_numbers_new(f);
    c->slot = d->slot = WS_ARENA_NEW(&p->arena, uint32_t, (size_t)f->n_regs + 1);
    d->pool = (ws_buf){0};
    d->pool_bits = NULL;
    d->pool_key = NULL;
    d->n_pool = d->cap_pool = 0;
    ptx_ast_insn *end = end_of_function(&p->arena, f);
    d->of = ws_calloc((size_t)f->n_insns + 1, sizeof *d->of);
    for (int i = 0; i <= f->n_insns; i++)
        d->of[i] = find_mnemonic(d, i < f->n_insns ? &f->insn[i] : end);
    layout_registers(d);
    c->n = (uint32_t)f->n_insns + 1;
    uintptr_t room = (uintptr_t)ws_arena_alloc(&p->arena, (c->n + 1) * sizeof *c->insn + 63);
    c->insn = (ptx_insn *)((room + 63) & ~(uintptr_t)63); /* lines of the cache */
    for (int i = 0; i < f->n_insns; i++)
        decode_insn(d, d->of[i], &f->insn[i], &c->insn[i]);
    decode_insn(d, d->of[f->n_insns], end, &c->insn[f->n_insns]);
    c->const_bytes = (uint32_t)d->pool.n;
    c->constants = ws_arena_alloc(&p->arena, d->pool.n + 1);
    if (d->pool.n)
        memcpy(c->constants, d->pool.p, d->pool.n);
    c->pred_at = c->const_at + c->const_bytes;
    c->frame_bytes = ((c->pred_at + 4 * c->n_preds) + 63) & ~63u;
    find_leaders(d, f, c);
    number_blocks(p, c);
    ptx_sites_number(c, f);
    ptx_tallies_number(p, c);
    if (d->ast->field)
        ptx_field_bind(p, c, d->ast->field);
    else
        ptx_fuse(p, c, f);
    chain(c);
    measure_runs(c);
    ws_buf_release(&d->pool);
    ptx_guesses_free(d->guesses);
    ptx_numbers_free(d->numbers);
    free(d->pool_bits);
    free(d->pool_key);
    free(d->of);
}

/* ---- programs ---- */

static bool in_program(const ptx_program *p, const ptx_func *f)
{
    for (int c = 0; c < p->n_codes; c++)
        if (p->code[c]->fn == f)
            return true;
    return false;
}

static void add_function(ptx_program *p, const ptx_func *f, int *cap)
{
    WS_GROW(p->code, p->n_codes, *cap);
    ptx_code *c = WS_ARENA_NEW(&p->arena, ptx_code, 1);
    c->fn = f;
    c->index = p->n_codes;
    c->local_bytes = layout_frame(f);
    p->code[p->n_codes++] = c;
}

static uint64_t place_shared(ptx_var *v, uint64_t at)
{
    return v->bytes ? place_var(v, at) : at;
}

/* A module-scope .shared variable takes room only in kernels that reach it. */
static uint64_t place_operand(const ptx_operand *o, uint64_t at, uint8_t *placed,
                              const ptx_ast *ast)
{
    if (o->var && o->var->space == PTX_SPACE_SHARED)
        for (int v = 0; v < ast->n_vars; v++)
            if (ast->var[v] == o->var && !placed[v]) {
                placed[v] = 1;
                at = place_shared(ast->var[v], at);
            }
    for (int e = 0; e < o->n_elem; e++)
        at = place_operand(&o->elem[e], at, placed, ast);
    return at;
}

static void reach(ptx_program *p, const ptx_ast *ast, const char *name, int *cap)
{
    const ptx_func *f = ptx_ast_find(ast, name);
    if (f && !f->is_extern && !f->is_entry && !in_program(p, f))
        add_function(p, f, cap);
}

/* All functions that the kernel reaches, and the layout of shared memory. One that calls through a pointer reaches
 * all that variables point to. */
static void collect(ptx_program *p, const ptx_ast *ast, const ptx_func *kernel)
{
    bool pointed = false; /* what variables point to is there */
    int cap = 0;
    uint64_t shared = 0;
    uint8_t *placed = ws_calloc((size_t)ast->n_vars + 1, 1);
    add_function(p, kernel, &cap);
    for (int c = 0; c < p->n_codes; c++) {
        const ptx_func *f = p->code[c]->fn;
        for (int v = 0; v < f->n_shared; v++)
            shared = place_shared(f->shared[v], shared);
        for (int i = 0; i < f->n_insns; i++)
            for (int o = 0; o < f->insn[i].n_operands; o++) {
                const ptx_operand *opd = &f->insn[i].operand[o];
                shared = place_operand(opd, shared, placed, ast);
                if (opd->kind == PTX_OPD_FUNC)
                    reach(p, ast, opd->text, &cap);
            }
        if (pointed || !ptx_func_calls_pointer(f))
            continue;
        pointed = true;
        for (int v = 0; v < ast->n_vars; v++)
            for (const ptx_reloc *r = ast->var[v]->relocs; r; r = r->next)
                reach(p, ast, r->symbol, &cap);
    }
    p->by_func = WS_ARENA_NEW(&p->arena, ptx_code *, (size_t)ast->n_funcs + 1);
    p->n_by_func = ast->n_funcs;
    for (int c = 0; c < p->n_codes; c++)
        p->by_func[(p->code[c]->fn->address - PTX_FUNC_BASE) / PTX_FUNC_STEP] = p->code[c];
    free(placed);
    p->shared_bytes = (uint32_t)shared;
    p->dynamic_offset = (uint32_t)((shared + 127) & ~127ull);
    for (int v = 0; v < ast->n_vars; v++)
        if (ast->var[v]->space == PTX_SPACE_SHARED && !ast->var[v]->bytes)
            ast->var[v]->address = p->dynamic_offset;
    for (int c = 0; c < p->n_codes; c++)
        for (int v = 0; v < p->code[c]->fn->n_shared; v++)
            if (!p->code[c]->fn->shared[v]->bytes)
                p->code[c]->fn->shared[v]->address = p->dynamic_offset;
}

/* Which units each basic block keeps busy, so that execution counts blocks only. */
static void tabulate_mix(ptx_program *p)
{
    p->mix = ws_arena_alloc(&p->arena, (p->n_bbs + 1) * sizeof *p->mix);
    p->fma_mix = ws_arena_alloc(&p->arena, (p->n_bbs + 1) * sizeof *p->fma_mix);
    p->begins_run = ws_arena_alloc(&p->arena, p->n_bbs + 1);
    for (int c = 0; c < p->n_codes; c++) {
        uint32_t bb = 0;
        for (uint32_t i = 0; i < p->code[c]->n; i++) {
            const ptx_insn *in = &p->code[c]->insn[i];
            if (in->leader) {
                bb = in->bb;
                p->begins_run[bb] = in->leader != PTX_LEADS_ON;
            }
            p->mix[bb][in->unit]++;
            if (in->fma)
                p->fma_mix[bb][in->unit == PTX_UNIT_F64   ? 1
                               : in->unit == PTX_UNIT_F16 ? 2
                                                          : 0] += in->fma;
        }
    }
}

ptx_program *ptx_program_new(const ptx_ast *ast, const ptx_func *kernel,
                             const ptx_kernel_info *info)
{
    ptx_program *p = ws_calloc(1, sizeof *p);
    p->info = info;
    p->granule = 4;
    collect(p, ast, kernel);
    ptx_decoder d = {.ast = ast, .program = p};
    for (int c = 0; c < p->n_codes; c++)
        decode_function(&d, p->code[c]);
    tabulate_mix(p);
    if (ast->field)
        p->field_local = WS_ARENA_NEW(&p->arena, atomic_uchar, PTX_FIELD_LOCAL);
    p->store_roots = ptx_store_roots(kernel, &p->stores_unknown);
    return p;
}

void ptx_program_free(ptx_program *p)
{
    if (!p)
        return;
    free(p->code);
    ws_arena_release(&p->arena);
    free(p);
}
