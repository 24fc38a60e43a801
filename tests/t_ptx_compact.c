/* Places of registers (harness/ptx/compact.h): on random control flow against liveness found
 * plainly, one register and one instruction at a time, and on texts of which the count is known. */
#include "base/buf.h"
#include "harness/ptx/compact.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_INSNS = 200, MAX_REGS = 64 };

typedef struct fixture {
    ws_arena arena;
    ptx_func *f;
    uint16_t results[MAX_INSNS * 100];
    uint32_t place[MAX_INSNS * 100], count[PTX_PLACES];
} fixture;

static bool compact(fixture *x, const char *body)
{
    ws_buf text = {0};
    ws_err err = {0};
    ptx_ast *ast = NULL;
    memset(x, 0, sizeof *x);
    ws_buf_printf(&text,
                  ".version 8.7\n.target sm_90a\n.address_size 64\n.visible .entry k()\n{\n%s}\n",
                  body);
    bool good = ptx_parse(&x->arena, text.p, text.n, &ast, &err) == WS_OK;
    ws_buf_release(&text);
    if (!good)
        printf("# %s\n", err.msg);
    x->f = good ? ptx_ast_find(ast, "k") : NULL;
    for (int i = 0; good && i < x->f->n_insns; i++) {
        const ptx_ast_insn *a = &x->f->insn[i];
        x->results[i] = ws_str_eqz(a->part[0], "mov") || ws_str_eqz(a->part[0], "add") ||
                        ws_str_eqz(a->part[0], "setp");
    }
    if (good)
        ptx_compact(x->f, x->results, x->place, x->count);
    return good;
}

/* ---- plain liveness ---- */

static bool reads(const fixture *x, int i, int reg)
{
    const ptx_ast_insn *a = &x->f->insn[i];
    bool yes = a->guard == reg;
    for (int o = 0; o < a->n_operands; o++)
        yes |= a->operand[o].kind == PTX_OPD_REG && a->operand[o].reg == reg &&
               !(o == 0 && x->results[i]);
    return yes;
}

static bool writes(const fixture *x, int i, int reg)
{
    const ptx_ast_insn *a = &x->f->insn[i];
    return x->results[i] && a->operand[0].reg == reg;
}

/* wanted[i]: before instruction i. */
static void wanted(const fixture *x, int reg, bool *want)
{
    int n = x->f->n_insns;
    memset(want, 0, (size_t)n + 1);
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = n - 1; i >= 0; i--) {
            const ptx_ast_insn *a = &x->f->insn[i];
            bool bra = ws_str_eqz(a->part[0], "bra"), ret = ws_str_eqz(a->part[0], "ret");
            bool after = (a->guard >= 0 || !(bra || ret)) && want[i + 1];
            after |= bra && want[a->operand[0].target];
            bool before = reads(x, i, reg) || (after && !(writes(x, i, reg) && a->guard < 0));
            changed |= before != want[i];
            want[i] = before;
        }
    }
}

/* Registers of one class and place: while one is wanted after an instruction, that one does not
 * write the other. */
static int conflicts(const fixture *x)
{
    static bool want[MAX_REGS][MAX_INSNS + 1];
    int bad = 0, n = x->f->n_insns;
    for (int r = 0; r < x->f->n_regs; r++)
        wanted(x, r, want[r]);
    for (int r = 0; r < x->f->n_regs; r++)
        for (int q = 0; q < x->f->n_regs; q++) {
            if (r == q || x->place[r] != x->place[q] ||
                ptx_place_class(x->f->reg[r].type) != ptx_place_class(x->f->reg[q].type))
                continue;
            bool q_used = false;
            for (int i = 0; i < n; i++) {
                const ptx_ast_insn *a = &x->f->insn[i];
                bool jumps = ws_str_eqz(a->part[0], "bra");
                bool after = want[r][i + 1] || (jumps && want[r][a->operand[0].target]);
                q_used |= reads(x, i, q) || writes(x, i, q);
                bad += writes(x, i, q) && after;
            }
            bad += want[r][0] && q_used; /* undefined at the start: shares with none */
        }
    return bad;
}

static const char *random_register(char *out, int n)
{
    static const char *const letters[] = {"%r", "%d"};
    sprintf(out, "%s%d", letters[n & 1], rand() % 12);
    return out;
}

static void random_body(ws_buf *b)
{
    int n = 10 + rand() % (MAX_INSNS - 40);
    ws_buf_adds(b, ".reg .pred %p<8>;\n.reg .b32 %r<12>;\n.reg .b64 %d<12>;\n");
    for (int i = 0; i < n; i++) {
        char d[8], s[8], t[8];
        int wide = rand() & 1, what = rand() % 10;
        ws_buf_printf(b, "L%d: ", i);
        if (rand() % 6 == 0)
            ws_buf_printf(b, "@%%p%d ", rand() % 8);
        if (what == 0)
            ws_buf_printf(b, "bra L%d;\n", rand() % n);
        else if (what == 1)
            ws_buf_printf(b, "setp.ne.b32 %%p%d, %s, 0;\n", rand() % 8, random_register(s, 0));
        else if (what < 5)
            ws_buf_printf(b, "mov.b%d %s, %d;\n", wide ? 64 : 32, random_register(d, wide), i);
        else
            ws_buf_printf(b, "add.u%d %s, %s, %s;\n", wide ? 64 : 32, random_register(d, wide),
                          random_register(s, wide), random_register(t, wide));
    }
    ws_buf_adds(b, "ret;\n");
}

static void test_random(void)
{
    static fixture x;
    int bad = 0, shared = 0;
    srand(5);
    for (int round = 0; round < 300; round++) {
        ws_buf body = {0};
        random_body(&body);
        if (!compact(&x, ws_buf_z(&body)) || conflicts(&x)) {
            bad++;
            printf("# round %d\n", round);
        }
        shared += (int)x.count[PTX_PLACE_4] < 12;
        ws_buf_release(&body);
        ws_arena_release(&x.arena);
    }
    ok(!bad, "random control flow: no register in another's place");
    ok(shared > 10, "and some share");
}

static void expect(const char *what, const char *body, uint32_t four, uint32_t eight)
{
    static fixture x;
    bool good = compact(&x, body);
    ok(good && x.count[PTX_PLACE_4] == four && x.count[PTX_PLACE_8] == eight, "%s: %u, %u", what,
       x.count[PTX_PLACE_4], x.count[PTX_PLACE_8]);
    ws_arena_release(&x.arena);
}

static void test_counts(void)
{
    ws_buf chain = {0};
    ws_buf_adds(&chain, ".reg .b32 %r<5001>;\nmov.b32 %r0, 1;\n");
    for (int i = 0; i < 5000; i++)
        ws_buf_printf(&chain, "add.u32 %%r%d, %%r%d, %%r%d;\n", i + 1, i, i);
    expect("a chain of 5000", ws_buf_z(&chain), 2, 0);
    ws_buf_release(&chain);
    expect("of two widths",
           ".reg .b32 %r<4>;\n.reg .b64 %d<3>;\nmov.b32 %r0, 1;\nmov.b32 %r1, %r0;\n"
           "mov.b32 %r2, %r1;\nmov.b64 %d0, 1;\nmov.b64 %d1, %d0;\nmov.b64 %d2, %d1;\n",
           2, 2);
    expect("read before it is written", ".reg .b32 %r<4>;\nmov.b32 %r1, %r0;\nmov.b32 %r2, %r1;\n"
                                        "mov.b32 %r3, %r2;\n", 3, 0);
    expect("written under a guard only",
           ".reg .b32 %r<4>;\n.reg .pred %p;\nsetp.ne.b32 %p, 1, 0;\nmov.b32 %r1, 1;\n"
           "mov.b32 %r2, %r1;\n@%p mov.b32 %r3, %r2;\nmov.b32 %r0, %r3;\n",
           3, 0);
    expect("around a loop",
           ".reg .b32 %r<4>;\n.reg .pred %p;\nmov.b32 %r0, 1;\nL: mov.b32 %r1, 2;\n"
           "mov.b32 %r2, %r1;\nadd.u32 %r0, %r0, %r2;\nsetp.ne.b32 %p, %r0, 0;\n@%p bra L;\n",
           3, 0);
}

int main(void)
{
    test_random();
    test_counts();
    return tap_done();
}
