/* Coverage, from the counts of basic blocks: how many threads ran each source line, and which way they
 * went at each branch.
 *
 * Blocks are counted, not the ways between them. At a conditional branch one number is not known, how many
 * threads went on; as many enter a block as ran it, and for structured code that gives all of them, one after the
 * other. */
#include "harness/ptx/engine.h"
#include "harness/ptx/lanes.h"

#include <stdlib.h>

enum { ROUNDS = 64, NOWHERE = -1 };
#define UNKNOWN UINT64_MAX

typedef struct block {
    uint32_t first, last;   /* instructions */
    u64 lanes;
    int next, target;       /* blocks, NOWHERE: none */
    bool splits;            /* ends with a guarded jump or exit */
    bool open;              /* entered from elsewhere, too: a call, an indexed branch */
    u64 went_on;            /* of one that splits */
    /* in a round */
    u64 known;
    int unknown, from;
} block;

typedef struct graph {
    const ptx_code *code;
    block *b;
    int n;
    int *of;                /* per instruction: its block */
} graph;

static bool is_op(const ptx_insn *i, const char *name)
{
    return i->ast && ws_str_eqz(i->ast->part[0], name);
}

static void find_blocks(graph *g, const u64 *lanes)
{
    const ptx_code *c = g->code;
    g->b = ws_calloc(c->n + 1, sizeof *g->b);
    g->of = ws_calloc(c->n + 1, sizeof *g->of);
    for (uint32_t i = 0; i < c->n; i++) {
        if (!i || c->insn[i].leader)
            g->b[g->n++] = (block){.first = i, .lanes = lanes[c->insn[i].bb]};
        g->b[g->n - 1].last = i;
        g->of[i] = g->n - 1;
    }
}

static void open_targets(graph *g, const ptx_ast_insn *a)
{
    for (int o = 0; o < a->n_operands; o++)
        for (int t = 0; a->operand[o].kind == PTX_OPD_TARGETS && t < a->operand[o].n_targets; t++)
            g->b[g->of[a->operand[o].targets[t]]].open = true;
}

static void find_ways(graph *g)
{
    for (int k = 0; k < g->n; k++) {
        block *b = &g->b[k];
        const ptx_insn *i = &g->code->insn[b->last];
        const bool jumps = is_op(i, "bra"), ends = is_op(i, "exit") || is_op(i, "ret") || is_op(i, "trap"),
                   indexed = is_op(i, "brx");
        b->open |= !k;
        b->splits = i->guard && (jumps || ends || indexed);
        b->target = jumps ? g->of[i->target] : NOWHERE;
        b->next = ((jumps || ends || indexed) && !i->guard) || k + 1 == g->n ? NOWHERE : k + 1;
        b->went_on = UNKNOWN;
        if (indexed)
            open_targets(g, i->ast);
    }
}

static void enter(graph *g, int to, int from, u64 n)
{
    if (to == NOWHERE)
        return;
    if (n == UNKNOWN) {
        g->b[to].unknown++;
        g->b[to].from = from;
    } else {
        g->b[to].known += n;
    }
}

static void add_ways(graph *g)
{
    for (int k = 0; k < g->n; k++) {
        g->b[k].known = 0;
        g->b[k].unknown = 0;
    }
    for (int k = 0; k < g->n; k++) {
        const block *b = &g->b[k];
        const bool told = !b->splits || b->went_on != UNKNOWN;
        if (!b->splits) {
            enter(g, b->target != NOWHERE ? b->target : b->next, k, b->lanes);
        } else if (b->target == b->next) {
            enter(g, b->next, k, b->lanes);
        } else {
            enter(g, b->next, k, b->went_on);
            enter(g, b->target, k, told ? b->lanes - b->went_on : UNKNOWN);
        }
    }
}

/* A block with one unknown way in tells it. */
static bool solve_round(graph *g)
{
    bool found = false;
    add_ways(g);
    for (int k = 0; k < g->n; k++) {
        const block *to = &g->b[k];
        block *from = &g->b[to->from];
        if (to->open || to->unknown != 1 || from->went_on != UNKNOWN || to->known > to->lanes)
            continue;
        const u64 n = to->lanes - to->known;
        if (n > from->lanes)
            continue;
        from->went_on = from->next == k ? n : from->lanes - n;
        found = true;
    }
    return found;
}

static void solve(graph *g)
{
    for (int k = 0; k < g->n; k++)
        if (g->b[k].splits && (!g->b[k].lanes || g->b[k].target == g->b[k].next))
            g->b[k].went_on = 0;
    for (int round = 0; round < ROUNDS && solve_round(g); round++)
        ;
}

/* ---- the report ---- */

static ptx_cover *entry(ptx_coverage *to, int line, int ptx_line)
{
    for (int i = 0; i < to->n; i++)
        if (to->item[i].line == line && to->item[i].ptx_line == ptx_line)
            return &to->item[i];
    if (to->n == PTX_MAX_COVER) {
        to->full = true;
        return NULL;
    }
    ptx_cover *c = &to->item[to->n++];
    *c = (ptx_cover){.line = line, .ptx_line = ptx_line, .known = true};
    return c;
}

/* The candidate's own file; a function of a header that was not inlined has lines of its own. */
static int own_file(const ptx_program *p)
{
    for (uint32_t i = 0; i < p->code[0]->n; i++) {
        const ptx_ast_insn *a = p->code[0]->insn[i].ast;
        if (a && a->src_line > 0)
            return a->src_file;
    }
    return NOWHERE;
}

/* What this launch adds to a line is what its most run instruction adds. */
static void add_lines(ptx_coverage *to, const graph *g, int file, u64 *most, int n_lines)
{
    for (uint32_t i = 0; i < g->code->n; i++) {
        const ptx_ast_insn *a = g->code->insn[i].ast;
        if (!a || a->src_line <= 0 || a->src_line >= n_lines || a->src_file != file)
            continue;
        ptx_cover *c = entry(to, a->src_line, 0);
        const u64 lanes = g->b[g->of[i]].lanes;
        if (c && lanes > most[a->src_line]) {
            c->threads += lanes - most[a->src_line];
            most[a->src_line] = lanes;
        }
    }
}

static void add_branches(ptx_coverage *to, const graph *g, int file)
{
    for (int k = 0; k < g->n; k++) {
        const block *b = &g->b[k];
        const ptx_ast_insn *a = g->code->insn[b->last].ast;
        if (!b->splits || a->src_line <= 0 || a->src_file != file || b->target == b->next)
            continue;
        ptx_cover *c = entry(to, a->src_line, a->ptx_line);
        if (!c)
            continue;
        c->threads += b->lanes;
        c->known &= b->went_on != UNKNOWN;
        c->went_on += b->went_on != UNKNOWN ? b->went_on : 0;
    }
}

void ptx_cover_finish(ptx_grid *g, const ptx_worker *workers, int n)
{
    enum { MAX_LINE = 1 << 16 };
    const ptx_program *p = g->program;
    const int file = own_file(p);
    u64 *lanes = ws_calloc(p->n_bbs + 1, sizeof *lanes), *most = ws_calloc(MAX_LINE, sizeof *most);
    for (int k = 0; k < n; k++)
        for (uint32_t b = 0; b < p->n_bbs; b++)
            lanes[b] += workers[k].lanes[b];
    for (int c = 0; c < p->n_codes; c++) {
        graph code = {.code = p->code[c]};
        find_blocks(&code, lanes);
        find_ways(&code);
        solve(&code);
        add_lines(g->report->coverage, &code, file, most, MAX_LINE);
        add_branches(g->report->coverage, &code, file);
        free(code.b);
        free(code.of);
    }
    free(most);
    free(lanes);
}
