/* Names: interning, scopes, register ranges, and labels that are used before they are seen. */
#include "harness/ptx/parse.h"

#include <stdlib.h>
#include <string.h>

/* ---- interning ---- */

static uint32_t hash_of(const char *s, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h ^ h >> 15;
}

static ptx_name *find_name(const ptx_parser *p, const char *s, size_t n, uint32_t hash)
{
    if (!p->n_buckets)
        return NULL;
    for (ptx_name *e = p->bucket[hash & (p->n_buckets - 1)]; e; e = e->next)
        if (e->hash == hash && e->n == n && memcmp(e->z, s, n) == 0)
            return e;
    return NULL;
}

static void grow_buckets(ptx_parser *p)
{
    uint32_t n = p->n_buckets ? 2 * p->n_buckets : 1024;
    ptx_name **fresh = ws_calloc(n, sizeof *fresh);
    for (uint32_t i = 0; i < p->n_buckets; i++) {
        for (ptx_name *e = p->bucket[i], *next; e; e = next) {
            next = e->next;
            e->next = fresh[e->hash & (n - 1)];
            fresh[e->hash & (n - 1)] = e;
        }
    }
    free(p->bucket);
    p->bucket = fresh;
    p->n_buckets = n;
}

ptx_name *ptx_name_intern(ptx_parser *p, ws_str s)
{
    uint32_t hash = hash_of(s.p, s.n);
    ptx_name *e = find_name(p, s.p, s.n, hash);
    if (e)
        return e;
    if (p->n_names >= p->n_buckets)
        grow_buckets(p);
    e = WS_ARENA_NEW(p->arena, ptx_name, 1);
    e->hash = hash;
    e->n = (uint32_t)s.n;
    e->z = ws_arena_strndup(p->arena, s.p, s.n);
    e->next = p->bucket[hash & (p->n_buckets - 1)];
    p->bucket[hash & (p->n_buckets - 1)] = e;
    p->n_names++;
    return e;
}

/* ---- lists ---- */

void ptx_list_add(ptx_list *l, void *item)
{
    WS_GROW(l->item, l->n, l->cap);
    l->item[l->n++] = item;
}

void *ptx_list_finish(ptx_parser *p, ptx_list *l, int *n)
{
    void **copy = WS_ARENA_NEW(p->arena, void *, l->n);
    if (l->n)
        memcpy(copy, l->item, (size_t)l->n * sizeof *copy);
    *n = l->n;
    l->n = 0;
    return copy;
}

/* ---- scopes ---- */

void ptx_scope_enter(ptx_parser *p, const ptx_token *at)
{
    if (p->depth + 1 >= (int)WS_COUNT(p->scope))
        ptx_lex_fail(&p->lex, at, "scopes are nested more than %d deep", PTX_MAX_DEPTH);
    p->scope[++p->depth] =
        (ptx_scope){.first_fixup = p->n_fixups, .outer_range_depth = p->range_depth};
}

static bool resolve(ptx_fixup *f, const ptx_symbol *s)
{
    if (f->slot) {
        if (s->kind != PTX_SYM_LABEL)
            return false;
        *f->slot = s->index;
        return true;
    }
    ptx_operand *o = f->operand;
    switch (s->kind) {
    case PTX_SYM_LABEL:
        o->target = s->index;
        return true;
    case PTX_SYM_TARGETS:
        o->kind = PTX_OPD_TARGETS;
        o->targets = s->targets;
        o->n_targets = s->n_targets;
        return true;
    case PTX_SYM_PROTOTYPE:
    case PTX_SYM_FUNC:
        o->kind = PTX_OPD_FUNC;
        o->text = s->name->z;
        return true;
    default:
        return false;
    }
}

static void resolve_scope(ptx_parser *p)
{
    int keep = p->scope[p->depth].first_fixup;
    for (int i = keep; i < p->n_fixups; i++) {
        ptx_fixup *f = &p->fixup[i];
        const ptx_symbol *s = f->name->sym;
        if (s && (s->depth == p->depth || p->depth == 1)) {
            if (!resolve(f, s))
                ptx_lex_fail(&p->lex, &f->tok, "'%s' is not a label", f->name->z);
        } else if (p->depth == 1) {
            ptx_lex_fail(&p->lex, &f->tok, "unknown name '%.200s'", f->name->z);
        } else {
            p->fixup[keep++] = *f;
        }
    }
    p->n_fixups = keep;
}

void ptx_scope_leave(ptx_parser *p)
{
    resolve_scope(p);
    for (ptx_symbol *s = p->scope[p->depth].symbols; s; s = s->next_in_scope) {
        ptx_symbol **top = s->is_range ? &s->name->range : &s->name->sym;
        *top = s->shadowed;
    }
    p->range_depth = p->scope[p->depth].outer_range_depth;
    p->depth--;
}

/* ---- symbols ---- */

static ptx_symbol *push_symbol(ptx_parser *p, ptx_name *name, ptx_symbol_kind kind, int depth,
                               bool is_range)
{
    ptx_symbol *s = WS_ARENA_NEW(p->arena, ptx_symbol, 1);
    ptx_symbol **top = is_range ? &name->range : &name->sym;
    s->kind = kind;
    s->depth = depth;
    s->name = name;
    s->is_range = is_range;
    s->shadowed = *top;
    *top = s;
    s->next_in_scope = p->scope[depth].symbols;
    p->scope[depth].symbols = s;
    return s;
}

/* The range deeper than `deeper_than` that has a register `s`, trying every split of its digits:
 * "%a12" is %a<13> or %a1<3>. With any_number the number may be too large. */
static const ptx_symbol *find_range(const ptx_parser *p, ws_str s, int deeper_than, bool any_number)
{
    const ptx_symbol *best = NULL;
    uint64_t number = 0, scale = 1;
    for (size_t digits = 1; digits < s.n && digits <= 9; digits++, scale *= 10) {
        char c = s.p[s.n - digits];
        if (c < '0' || c > '9')
            break;
        number += (uint64_t)(c - '0') * scale;
        if (c == '0' && digits > 1)
            continue; /* no leading zeros: r01 is no register of r<2> */
        size_t n = s.n - digits;
        const ptx_name *e = find_name(p, s.p, n, hash_of(s.p, n));
        for (const ptx_symbol *r = e ? e->range : NULL; r && r->depth > deeper_than;
             r = r->shadowed)
            if ((any_number || number < r->count) && (!best || r->depth > best->depth))
                best = r;
    }
    return best;
}

ptx_symbol *ptx_symbol_declare(ptx_parser *p, const ptx_token *name, ptx_symbol_kind kind)
{
    ptx_name *e = ptx_name_intern(p, name->s);
    const ptx_symbol *range =
        kind == PTX_SYM_REG ? find_range(p, name->s, p->depth - 1, false) : NULL;
    if ((e->sym && e->sym->depth == p->depth) || range)
        ptx_lex_fail(&p->lex, name, "'%.200s' is declared twice in this scope%s%s", e->z,
                     range ? ", first in the range of " : "", range ? range->name->z : "");
    return push_symbol(p, e, kind, p->depth, false);
}

ptx_symbol *ptx_symbol_module(ptx_parser *p, const ptx_token *name, ptx_symbol_kind kind,
                              bool *made)
{
    ptx_name *e = ptx_name_intern(p, name->s);
    ptx_symbol **at = &e->sym;
    while (*at && (*at)->depth > 0)
        at = &(*at)->shadowed;
    *made = !*at;
    if (*at)
        return *at;
    ptx_symbol *s = WS_ARENA_NEW(p->arena, ptx_symbol, 1);
    s->kind = kind;
    s->name = e;
    s->next_in_scope = p->scope[0].symbols;
    p->scope[0].symbols = s;
    return *at = s;
}

void ptx_symbol_declare_range(ptx_parser *p, const ptx_token *name, ptx_type type, uint64_t count)
{
    ptx_name *e = ptx_name_intern(p, name->s);
    if (e->range && e->range->depth == p->depth)
        ptx_lex_fail(&p->lex, name, "'%.200s<...>' is declared twice in this scope", e->z);
    ptx_symbol *s = push_symbol(p, e, PTX_SYM_REG, p->depth, true);
    s->type = type;
    s->count = count;
    p->range_depth = p->depth;
}

ptx_symbol *ptx_symbol_find(ptx_parser *p, ws_str s)
{
    const ptx_name *e = find_name(p, s.p, s.n, hash_of(s.p, s.n));
    ptx_symbol *exact = e ? e->sym : NULL;
    int depth = exact ? exact->depth : -1;
    if (depth >= p->range_depth)
        return exact;
    const ptx_symbol *r = find_range(p, s, depth, false);
    if (!r)
        return exact;
    ptx_token at = {.s = s, .line = p->lex.tok.line};
    ptx_name *name = ptx_name_intern(p, s);
    ptx_symbol *made = push_symbol(p, name, PTX_SYM_REG, r->depth, false);
    made->index = ptx_reg_add(p, name->z, r->type, &at);
    return made;
}

const ptx_symbol *ptx_symbol_find_range(ptx_parser *p, ws_str s)
{
    return find_range(p, s, -1, true);
}

int ptx_reg_add(ptx_parser *p, const char *name, ptx_type type, const ptx_token *at)
{
    if (++p->total_regs > PTX_MAX_REGS)
        ptx_lex_fail(&p->lex, at, "more than %d registers", PTX_MAX_REGS);
    WS_GROW(p->reg, p->n_regs, p->cap_regs);
    p->reg[p->n_regs] = (ptx_reg){.name = name, .type = type};
    return p->n_regs++;
}

void ptx_fixup_add(ptx_parser *p, const ptx_token *name, ptx_operand *operand, int *slot)
{
    WS_GROW(p->fixup, p->n_fixups, p->cap_fixups);
    p->fixup[p->n_fixups++] = (ptx_fixup){
        .name = ptx_name_intern(p, name->s), .operand = operand, .slot = slot, .tok = *name};
}
