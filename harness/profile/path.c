#include "harness/profile/path.h"

#include "harness/profile/loops.h"
#include "harness/ptx/ast.h"

#include <math.h>
#include <string.h>

/* Clocks from an instruction to one that takes its result, Ampere to Hopper: Abdelkhalik et al. 2022
 * (arXiv:2208.11174), rounded; shared memory: the same. */
enum { ALU = 4, SPECIAL = 18, SHARED = 29, SHUFFLE = 24, MATRIX = 33, DOUBLE = 8, ATOMIC = 200 };

/* Machine instructions and clocks of what is one instruction in PTX. The counts are estimates from
 * disassemblies of CUDA 12 and 13; they hold for sm_80 to sm_100 within a third. `type` "": any. */
static const struct {
    const char *op, *type, *mode; /* mode: a further part, "": any */
    double insns, clocks;
} sequences[] = {
    {"div", "f64", "", 26, 150},    {"div", "f32", "rn", 10, 40},  {"div", "f32", "", 4, 26},
    {"div", "u64", "", 75, 300},    {"div", "s64", "", 85, 320},   {"rem", "u64", "", 75, 300},
    {"rem", "s64", "", 85, 320},    {"div", "u32", "", 17, 70},    {"div", "s32", "", 23, 80},
    {"rem", "u32", "", 18, 75},     {"rem", "s32", "", 24, 85},    {"div", "u16", "", 9, 50},
    {"rem", "u16", "", 10, 50},     {"sqrt", "f64", "", 22, 140},  {"rcp", "f64", "", 18, 120},
    {"sqrt", "f32", "rn", 8, 40},   {"rcp", "f32", "rn", 6, 30},   {"sqrt", "f32", "", 2, 22},
    {"mul", "s64", "lo", 4, 12},    {"mul", "u64", "lo", 4, 12},   {"mul", "b64", "lo", 4, 12},
    {"mad", "s64", "lo", 4, 12},    {"mad", "u64", "lo", 4, 12},   {"mul", "s64", "hi", 9, 30},
    {"mul", "u64", "hi", 9, 30},    {"add", "s64", "", 2, 5},      {"add", "u64", "", 2, 5},
    {"sub", "s64", "", 2, 5},       {"sub", "u64", "", 2, 5},      {"shl", "b64", "", 2, 5},
    {"shr", "u64", "", 2, 5},       {"shr", "s64", "", 2, 5},      {"min", "s64", "", 4, 10},
    {"max", "s64", "", 4, 10},      {"sin", "f32", "", 2, 22},     {"cos", "f32", "", 2, 22},
};

typedef struct kind {
    bool global_load, nc, global_store, shared, barrier, no_result;
    double insns, clocks;
} kind;

static bool has_part(const ptx_ast_insn *i, const char *part)
{
    for (int k = 1; k < i->n_parts; k++)
        if (ws_str_eqz(i->part[k], part))
            return true;
    return false;
}

static bool is_op(const ptx_ast_insn *i, const char *op)
{
    return ws_str_eqz(i->part[0], op);
}

/* Moves, parameters and address spaces are no instructions of the machine, as a rule. */
static bool is_free(const ptx_ast_insn *i)
{
    return is_op(i, "mov") || is_op(i, "cvta") || (is_op(i, "ld") && has_part(i, "param"));
}

static void cost_of(const ptx_ast_insn *i, kind *k)
{
    k->insns = is_free(i) ? 0 : 1;
    k->clocks = is_free(i) ? 0 : ALU;
    for (size_t s = 0; s < sizeof sequences / sizeof *sequences; s++)
        if (is_op(i, sequences[s].op) && (!*sequences[s].type || has_part(i, sequences[s].type)) &&
            (!*sequences[s].mode || has_part(i, sequences[s].mode))) {
            k->insns = sequences[s].insns;
            k->clocks = sequences[s].clocks;
            return;
        }
    if (k->shared)
        k->clocks = SHARED;
    else if (is_op(i, "shfl") || is_op(i, "vote") || is_op(i, "redux") || is_op(i, "match"))
        k->clocks = SHUFFLE;
    else if (is_op(i, "mma") || is_op(i, "wmma"))
        k->clocks = MATRIX;
    else if (is_op(i, "ex2") || is_op(i, "lg2") || is_op(i, "rcp") || is_op(i, "rsqrt") ||
             is_op(i, "tanh"))
        k->clocks = SPECIAL;
    else if (is_op(i, "atom"))
        k->clocks = ATOMIC;
    else if (has_part(i, "f64"))
        k->clocks = DOUBLE;
}

static kind kind_of(const ptx_ast_insn *i)
{
    const bool global = has_part(i, "global"), load = is_op(i, "ld") || is_op(i, "ldu");
    kind k = {.global_load = load && global,
              .nc = has_part(i, "nc") || is_op(i, "ldu"),
              .global_store = is_op(i, "st") && global,
              .shared = ((load || is_op(i, "st")) &&
                         (has_part(i, "shared") || has_part(i, "shared::cta"))) ||
                        is_op(i, "ldmatrix") || is_op(i, "stmatrix"),
              .barrier = is_op(i, "bar") || is_op(i, "barrier"),
              .no_result = is_op(i, "st") || is_op(i, "red") || is_op(i, "bar") ||
                           is_op(i, "barrier") || is_op(i, "bra") || is_op(i, "stmatrix")};
    /* Weak generic accesses of kernels whose pointers the compiler could not place. */
    if (load && !global && !k.shared && !has_part(i, "param") && !has_part(i, "local") &&
        !has_part(i, "const") && !has_part(i, "shared::cluster"))
        k.global_load = true;
    cost_of(i, &k);
    return k;
}

/* ---- what waits for what ---- */

/* When a register's value is there: clocks since the stretch began, and global loads one after the
 * other. */
typedef struct ready {
    double clocks;
    int loads;
} ready;

typedef struct walk {
    const ptx_func *f;
    ready *reg;      /* of each register */
    ready stores;    /* what loads that may read stored memory wait for */
    bool *of_floats; /* predicate registers that compare floating-point numbers */
    ready longest;   /* of the stretch */
    double insns, machine, loads, f64, machine_f64;
} walk;

typedef struct totals {
    double insns, machine, clocks, loads, stages, f64, machine_f64;
    bool tests_floats;
} totals;

static void later(ready *to, ready from)
{
    to->clocks = fmax(to->clocks, from.clocks);
    to->loads = to->loads > from.loads ? to->loads : from.loads;
}

static void wait_for(const walk *w, const ptx_operand *o, ready *at)
{
    const bool reads = o->kind == PTX_OPD_REG || o->kind == PTX_OPD_ADDR;
    if (reads && o->reg >= 0 && o->reg < w->f->n_regs)
        later(at, w->reg[o->reg]);
    for (int k = 0; k < o->n_elem; k++)
        wait_for(w, &o->elem[k], at);
}

static void give(walk *w, const ptx_operand *o, ready at)
{
    if (o->kind == PTX_OPD_REG && o->reg >= 0 && o->reg < w->f->n_regs)
        w->reg[o->reg] = at;
    if (o->reg2 >= 0 && o->reg2 < w->f->n_regs)
        w->reg[o->reg2] = at;
    for (int k = 0; o->kind == PTX_OPD_VEC && k < o->n_elem; k++)
        give(w, &o->elem[k], at);
}

static void end_stretch(walk *w, double weight, totals *t)
{
    t->insns += weight * w->insns;
    t->machine += weight * w->machine;
    t->clocks += weight * fmax(w->longest.clocks, w->machine);
    t->loads += weight * w->loads;
    t->f64 += weight * w->f64;
    t->machine_f64 += weight * w->machine_f64;
    t->stages += weight * w->longest.loads;
    memset(w->reg, 0, (size_t)w->f->n_regs * sizeof *w->reg);
    w->stores = w->longest = (ready){0, 0};
    w->insns = w->machine = w->loads = w->f64 = w->machine_f64 = 0;
}

static void note_test(walk *w, const ptx_ast_insn *i, totals *t)
{
    const int guard = i->guard >= 0 && i->guard < w->f->n_regs ? i->guard : -1;
    if (is_op(i, "bra") && guard >= 0 && w->of_floats[guard])
        t->tests_floats = true;
    if (!i->n_operands || i->operand[0].kind != PTX_OPD_REG || i->operand[0].reg >= w->f->n_regs)
        return;
    bool *given = &w->of_floats[i->operand[0].reg];
    if (is_op(i, "setp"))
        *given = has_part(i, "f32") || has_part(i, "f64") || has_part(i, "f16") || has_part(i, "bf16");
    for (int o = 1; has_part(i, "pred") && o < i->n_operands; o++)
        if (i->operand[o].kind == PTX_OPD_REG && w->of_floats[i->operand[o].reg])
            *given = true;
}

static void step(walk *w, const ptx_ast_insn *i, totals *t)
{
    const kind k = kind_of(i);
    ready at = {0, 0};
    note_test(w, i, t);
    if (i->guard >= 0 && i->guard < w->f->n_regs)
        later(&at, w->reg[i->guard]);
    for (int o = k.no_result ? 0 : 1; o < i->n_operands; o++)
        wait_for(w, &i->operand[o], &at);
    if (!k.no_result && i->n_operands && i->operand[0].kind == PTX_OPD_ADDR)
        wait_for(w, &i->operand[0], &at);
    if (k.global_load && !k.nc)
        later(&at, w->stores);
    at.loads += k.global_load;
    at.clocks += k.global_load ? 0 : k.clocks;
    if (k.global_store)
        later(&w->stores, (ready){0, at.loads});
    if (!k.no_result && i->n_operands)
        give(w, &i->operand[0], at);
    later(&w->longest, at);
    w->insns++;
    w->machine += k.insns;
    w->loads += k.global_load;
    if (has_part(i, "f64") && k.insns > 0 && !is_op(i, "ld") && !is_op(i, "st")) {
        w->f64++;
        w->machine_f64 += k.insns;
    }
}

/* Where a stretch begins: after barriers, and where loops begin and end. */
static bool begins(const ptx_func *f, const int *depth, int i)
{
    const ptx_ast_insn *before = &f->insn[i - 1];
    return depth[i] != depth[i - 1] || is_op(before, "bar") || is_op(before, "barrier");
}

static void walk_func(const ptx_func *f, ws_arena *a, totals *t)
{
    const int *depth = prof_loop_depths(f, a);
    walk w = {.f = f, .reg = WS_ARENA_NEW(a, ready, f->n_regs + 1),
              .of_floats = WS_ARENA_NEW(a, bool, f->n_regs + 1)};
    for (int i = 0; i < f->n_insns; i++) {
        if (i && begins(f, depth, i))
            end_stretch(&w, prof_loop_weight(depth[i - 1]), t);
        step(&w, &f->insn[i], t);
    }
    if (f->n_insns)
        end_stretch(&w, prof_loop_weight(depth[f->n_insns - 1]), t);
}

static void describe(const ptx_ast *ast, const ptx_func *f, ws_arena *a, prof_path *out)
{
    totals t = {0};
    walk_func(f, a, &t);
    for (int i = 0; i < ast->n_funcs; i++)
        if (!ast->func[i]->is_entry && !ast->func[i]->is_extern)
            walk_func(ast->func[i], a, &t);
    *out = (prof_path){.kernel = ws_arena_strdup(a, f->name),
                       .chain_clocks = t.insns > 0 ? t.clocks / t.insns : 0,
                       .loads_together = t.stages > 0 ? t.loads / t.stages : 0,
                       .machine_insns = t.insns > 0 ? t.machine / t.insns : 1,
                       .machine_f64 = t.f64 > 0 ? t.machine_f64 / t.f64 : 0,
                       .tests_floats = t.tests_floats,
                       .insns = f->n_insns};
}

ws_status prof_paths_read(const char *ptx, size_t n, ws_arena *a, prof_paths *out, ws_err *err)
{
    ptx_ast *ast;
    if (ptx_parse(a, ptx, n, &ast, err))
        return ws_wrap(err, "PTX");
    *out = (prof_paths){.kernel = WS_ARENA_NEW(a, prof_path, ast->n_funcs + 1)};
    for (int i = 0; i < ast->n_funcs; i++)
        if (ast->func[i]->is_entry)
            describe(ast, ast->func[i], a, &out->kernel[out->n++]);
    return WS_OK;
}

const prof_path *prof_path_of(const prof_paths *p, const char *kernel)
{
    for (int i = 0; p && i < p->n; i++)
        if (strcmp(p->kernel[i].kernel, kernel) == 0)
            return &p->kernel[i];
    return NULL;
}
