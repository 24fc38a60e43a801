#include "harness/profile/lines.h"

#include "harness/profile/loops.h"
#include "harness/ptx/ast.h"

#include <stdlib.h>
#include <string.h>

enum { LAST_LINE = 1 << 20 /* beyond it a #line has lied */ };

static const char *const kind_names[] = {
#define X(id, name, what) name,
    PROF_KIND_LIST(X)
#undef X
};

const char *prof_kind_name(prof_kind k)
{
    return kind_names[k];
}

/* ---- kinds ---- */

static bool has_part(const ptx_ast_insn *i, const char *part)
{
    for (int k = 1; k < i->n_parts; k++)
        if (ws_str_eqz(i->part[k], part))
            return true;
    return false;
}

static bool is_op(const ptx_ast_insn *i, const char *const *list)
{
    for (; *list; list++)
        if (ws_str_eqz(i->part[0], *list))
            return true;
    return false;
}

static bool is_arithmetic(const ptx_ast_insn *i)
{
    static const char *const ops[] = {"add", "sub", "mul", "mad", "fma", "div", "neg", "abs", "min",
                                      "max", "setp", "set", "selp", "rcp", "sqrt", "rsqrt", "cvt",
                                      "rem", "shl", "shr", "and", "or", "xor", "not", "lop3", "shf",
                                      "bfe", "bfi", "popc", "clz", "dp4a", "mul24", "mad24", NULL};
    return is_op(i, ops);
}

/* The kinds of an instruction, a bit each. */
static unsigned kinds_of(const ptx_ast_insn *i)
{
    static const char *const load[] = {"ld", "ldu", NULL}, *const store[] = {"st", NULL},
                             *const matrix[] = {"ldmatrix", "stmatrix", NULL},
                             *const copy[] = {"cp", NULL}, *const atomic[] = {"atom", "red", NULL},
                             *const barrier[] = {"bar", "barrier", "mbarrier", NULL},
                             *const fma[] = {"fma", "mad", NULL},
                             *const branch[] = {"bra", "brx", NULL},
                             *const special[] = {"ex2", "lg2", "rcp",  "rsqrt", "sqrt",
                                                 "sin", "cos", "tanh", "div",   NULL};
    const bool is_float = has_part(i, "f32") || has_part(i, "f16") || has_part(i, "f16x2") ||
                          has_part(i, "bf16") || has_part(i, "bf16x2");
    const bool is_double = has_part(i, "f64");
    const bool global = has_part(i, "global") || has_part(i, "global::cluster");
    const bool shared = has_part(i, "shared") || has_part(i, "shared::cta");
    unsigned k = 1u << PROF_ANY;
    if ((is_op(i, load) && global) || (is_op(i, copy) && has_part(i, "async") && global))
        k |= 1u << PROF_GLOBAL_LOAD;
    if (is_op(i, store) && global)
        k |= 1u << PROF_GLOBAL_STORE;
    if (((is_op(i, load) || is_op(i, store)) && shared) || is_op(i, matrix))
        k |= 1u << PROF_SHARED;
    if ((is_op(i, load) || is_op(i, store)) && has_part(i, "local"))
        k |= 1u << PROF_LOCAL;
    if (is_op(i, atomic))
        k |= 1u << PROF_ATOMIC;
    if (is_op(i, barrier))
        k |= 1u << PROF_BARRIER;
    if (is_op(i, fma) && is_float)
        k |= 1u << PROF_F32_FMA;
    if (is_arithmetic(i) && is_double)
        k |= 1u << PROF_F64;
    if (is_op(i, special) && (is_float || is_double))
        k |= 1u << PROF_SPECIAL;
    if (is_arithmetic(i) && !is_float && !is_double)
        k |= 1u << PROF_INTEGER;
    if (is_op(i, branch))
        k |= 1u << PROF_BRANCH;
    return k;
}

/* ---- weights ---- */

/* One line of one kind. */
typedef struct tally {
    int line, count;
    double weight;
} tally;

static int heavier(const void *a, const void *b)
{
    const tally *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return x->line - y->line;
}

static void keep_top(tally *t, int n_lines, double all, prof_top *out)
{
    int n = 0;
    for (int i = 0; i < n_lines; i++)
        if (t[i].count)
            t[n++] = t[i];
    qsort(t, (size_t)n, sizeof *t, heavier);
    out->lines = n;
    out->n = n < PROF_TOP_LINES ? n : PROF_TOP_LINES;
    for (int i = 0; i < out->n; i++)
        out->line[i] = (prof_line){t[i].line, t[i].count, all > 0 ? t[i].weight / all : 0};
}

/* A function whose instructions count, with its loops. */
typedef struct part {
    const ptx_func *func;
    const int *depth;
} part;

static int line_of(const ptx_ast_insn *i)
{
    return i->src_line > 0 && i->src_line <= LAST_LINE ? i->src_line : 0;
}

static int last_line(const part *p, int n)
{
    int last = 0;
    for (int k = 0; k < n; k++)
        for (int i = 0; i < p[k].func->n_insns; i++)
            last = line_of(&p[k].func->insn[i]) > last ? line_of(&p[k].func->insn[i]) : last;
    return last;
}

static void read_kind(const part *p, int n, prof_kind kind, tally *t, int lines,
                      prof_kernel_lines *out)
{
    double all = 0;
    for (int line = 0; line < lines; line++)
        t[line] = (tally){.line = line};
    for (int k = 0; k < n; k++)
        for (int i = 0; i < p[k].func->n_insns; i++) {
            const ptx_ast_insn *insn = &p[k].func->insn[i];
            if (!(kinds_of(insn) & 1u << kind))
                continue;
            const double weight = prof_loop_weight(p[k].depth[i]);
            out->count[kind]++;
            all += weight;
            if (line_of(insn)) {
                t[line_of(insn)].count++;
                t[line_of(insn)].weight += weight;
            }
        }
    keep_top(t, lines, all, &out->top[kind]);
}

ws_status prof_lines_read(const char *ptx, size_t n, ws_arena *a, prof_lines *out, ws_err *err)
{
    ptx_ast *ast;
    if (ptx_parse(a, ptx, n, &ast, err))
        return ws_wrap(err, "PTX");
    part *p = WS_ARENA_NEW(a, part, ast->n_funcs + 1);
    int shared = 1; /* p[0] is the kernel's */
    *out = (prof_lines){.kernel = WS_ARENA_NEW(a, prof_kernel_lines, ast->n_funcs + 1)};
    for (int i = 0; i < ast->n_funcs; i++)
        if (!ast->func[i]->is_entry && !ast->func[i]->is_extern)
            p[shared++] = (part){ast->func[i], prof_loop_depths(ast->func[i], a)};
    for (int i = 0; i < ast->n_funcs; i++) {
        const ptx_func *f = ast->func[i];
        if (!f->is_entry)
            continue;
        prof_kernel_lines *k = &out->kernel[out->n++];
        k->kernel = ws_arena_strdup(a, f->name);
        p[0] = (part){f, prof_loop_depths(f, a)};
        const int lines = last_line(p, shared) + 1;
        tally *t = ws_calloc((size_t)lines, sizeof *t);
        for (int kind = 0; kind < PROF_KINDS; kind++)
            read_kind(p, shared, (prof_kind)kind, t, lines, k);
        free(t);
    }
    return WS_OK;
}

const prof_kernel_lines *prof_lines_of(const prof_lines *l, const char *kernel)
{
    for (int i = 0; l && i < l->n; i++)
        if (strcmp(l->kernel[i].kernel, kernel) == 0)
            return &l->kernel[i];
    return NULL;
}
