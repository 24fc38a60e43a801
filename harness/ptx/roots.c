/* Which kernel parameters the kernel's stores can go through.
 *
 * A register's roots are the parameters whose values went into it, over every instruction that
 * writes it, in any order. Memory that no store can reach is only read in a launch, and reads alone
 * do not race. Where a store's address comes from elsewhere (a pointer in memory, another function)
 * nothing is known. */
#include "harness/ptx/engine.h"
#include "harness/ptx/tensormap.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PARAMS = 63 };
#define ROOT_UNKNOWN (1ull << MAX_PARAMS)

typedef struct roots {
    const ptx_func *f;
    uint64_t *of;    /* per register: bit p for parameter p */
    bool changed;
} roots;

static uint64_t of_var(const ptx_func *f, const ptx_var *v)
{
    for (int p = 0; p < f->n_params && p < MAX_PARAMS; p++)
        if (f->param[p] == v)
            return 1ull << p;
    return 0; /* a module variable: such memory always counts as written */
}

static uint64_t of_operand(const roots *r, const ptx_operand *o)
{
    uint64_t m =
        o->reg >= 0 && (o->kind == PTX_OPD_REG || o->kind == PTX_OPD_ADDR) ? r->of[o->reg] : 0;
    if (o->var && (o->kind == PTX_OPD_VAR || o->kind == PTX_OPD_ADDR))
        m |= of_var(r->f, o->var);
    for (int e = 0; e < o->n_elem; e++)
        m |= of_operand(r, &o->elem[e]);
    return m;
}

static void add_to(roots *r, const ptx_operand *o, uint64_t m)
{
    for (int e = 0; e < o->n_elem; e++)
        add_to(r, &o->elem[e], m);
    if (o->kind != PTX_OPD_REG || o->reg < 0 || !(m & ~r->of[o->reg]))
        return;
    r->of[o->reg] |= m;
    r->changed = true;
}

static bool is_op(const ptx_ast_insn *a, const char *name)
{
    return ws_str_eqz(a->part[0], name);
}

/* The value has 8 bytes or more; wherever the type stands in the mnemonic. */
static bool may_be_pointer(const ptx_ast_insn *a)
{
    for (int p = 1; p < a->n_parts; p++)
        if (ptx_type_bytes(ptx_type_find(a->part[p])) >= 8)
            return true;
    return false;
}

/* What a load can bring in. Values of 4 bytes are indices: a pointer put together from two of them
 * has no root at all, and its store counts as unknown. */
static uint64_t of_load(const roots *r, const ptx_ast_insn *a)
{
    const ptx_operand *from = &a->operand[1];
    if (ptx_has(a, "param"))
        return of_operand(r, from);
    return may_be_pointer(a) ? ROOT_UNKNOWN : 0;
}

static void follow(roots *r, const ptx_ast_insn *a)
{
    uint64_t m = 0;
    if (a->n_operands < 2 || is_op(a, "st") || is_op(a, "red"))
        return;
    if (is_op(a, "ld") || is_op(a, "ldu")) {
        m = of_load(r, a);
    } else if (is_op(a, "atom")) {
        m = may_be_pointer(a) ? ROOT_UNKNOWN : 0;
    } else {
        for (int o = 1; o < a->n_operands; o++)
            m |= of_operand(r, &a->operand[o]);
    }
    add_to(r, &a->operand[0], m);
}

/* Bulk copies name the space that they write first, those that only bring something to L2 none. */
static bool copies_to_global(const ptx_ast_insn *a)
{
    if (!is_op(a, "cp") || !ptx_has(a, "bulk") || ptx_has(a, "prefetch"))
        return false;
    for (int p = 1; p < a->n_parts; p++) {
        const ws_str s = a->part[p];
        if (s.n >= 6 && memcmp(s.p, "shared", 6) == 0)
            return false;
        if (ws_str_eqz(s, "global"))
            return true;
    }
    return false; /* commit_group, wait_group */
}

static bool writes_memory(const ptx_ast_insn *a)
{
    static const char *const simple[] = {"st", "red", "atom", NULL};
    for (int i = 0; simple[i]; i++)
        if (is_op(a, simple[i]))
            return !ptx_has(a, "shared") && !ptx_has(a, "local") && !ptx_has(a, "param");
    return copies_to_global(a);
}

/* Instructions that can write global memory in ways that are not followed here. */
static bool is_opaque(const ptx_ast_insn *a)
{
    static const char *const names[] = {"call",     "cp",       "wmma",      "st.async",
                                        "stmatrix", "multimem", "tensormap", NULL};
    for (int i = 0; names[i]; i++)
        if (is_op(a, names[i]))
            return !(is_op(a, "cp") && ptx_has(a, "async"));
    return false;
}

/* Where a tensor copy writes: into what its map points to. A map is a parameter of its own; one that
 * lies in memory may point anywhere. */
static uint64_t of_map(const roots *r, const ptx_operand *map)
{
    ptx_operand plain = *map;
    plain.n_elem = 0; /* the coordinates */
    const uint64_t via = of_operand(r, &plain);
    for (int p = 0; p < r->f->n_params && p < MAX_PARAMS; p++)
        if (via >> p & 1 && r->f->param[p]->bytes < PTX_TM_BYTES)
            return ROOT_UNKNOWN;
    return via ? via : ROOT_UNKNOWN;
}

static uint64_t of_stores(const roots *r)
{
    uint64_t m = 0;
    for (int i = 0; i < r->f->n_insns; i++) {
        const ptx_ast_insn *a = &r->f->insn[i];
        if (is_opaque(a))
            return ROOT_UNKNOWN;
        if (!writes_memory(a))
            continue;
        int at = is_op(a, "atom") ? 1 : 0;
        if (a->n_operands <= at)
            return ROOT_UNKNOWN; /* it will not decode */
        const ptx_operand *to = &a->operand[at];
        if (copies_to_global(a) && ptx_has(a, "tensor")) {
            m |= of_map(r, to);
            continue;
        }
        uint64_t via = of_operand(r, to);
        bool variable = to->var && !of_var(r->f, to->var);
        if (!via && !variable && to->reg >= 0)
            via = ROOT_UNKNOWN;
        m |= via;
    }
    return m;
}

uint64_t ptx_store_roots(const ptx_func *kernel, bool *unknown)
{
    roots r = {
        .f = kernel, .of = ws_calloc((size_t)kernel->n_regs + 1, sizeof *r.of), .changed = true};
    *unknown = kernel->n_params > MAX_PARAMS;
    while (r.changed && !*unknown) {
        r.changed = false;
        for (int i = 0; i < kernel->n_insns; i++)
            follow(&r, &kernel->insn[i]);
    }
    uint64_t m = of_stores(&r);
    *unknown |= (m & ROOT_UNKNOWN) != 0;
    free(r.of);
    return m & ~ROOT_UNKNOWN;
}
