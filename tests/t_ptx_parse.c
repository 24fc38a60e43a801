/* The PTX front end: every construct of the grammar, compilers' output, messages, and broken
 * text. */
#include "base/file.h"
#include "base/mem.h"
#include "harness/ptx/ast.h"
#include "harness/ptx/info.h"
#include "harness/ptx/strip.h"
#include "tests/tap.h"

#include <dirent.h>
#include <stdlib.h>

#define HEAD ".version 8.4\n.target sm_90a\n.address_size 64\n"
#define KERNEL(body)                                                                               \
    HEAD ".visible .entry k(.param .u64 .ptr .global .align 4 p, .param .f32 q)\n{\n" body "\n}\n"

static ws_arena arena;
static ws_err err;

static ptx_ast *parse(const char *text)
{
    ptx_ast *ast = NULL;
    ws_arena_release(&arena);
    err = (ws_err){0};
    if (ptx_parse(&arena, text, strlen(text), &ast, &err))
        return NULL;
    return ast;
}

/* The only kernel of `text`; ends the test when the text does not parse. */
static const ptx_func *parse_kernel(const char *text, const char *what)
{
    const ptx_ast *ast = parse(text);
    const ptx_func *f = ast ? ptx_ast_find(ast, "k") : NULL;
    if (!ok(f, "%s parses", what)) {
        printf("# %s\n", err.msg);
        exit(1);
    }
    return f;
}

/* ---- what the AST says ---- */

static void test_operands(void)
{
    const ptx_func *f = parse_kernel(
        KERNEL(".reg .pred %p<3>; .reg .b32 %r<4000>; .reg .b64 %rd<9>; .reg .f32 x, y;\n"
               ".shared .align 16 .b8 buf[64];\n"
               "@!%p1 ld.global.nc.L1::no_allocate.v2.f32 {x, y}, [%rd8+-16];\n"
               "setp.lt.and.s32 %p1|%p2, %r3999, -7, !%p0;\n"
               "elect.sync _|%p2, 0xffffffff;\n"
               "mov.u32 %r1, %tid.x; mov.u64 %rd1, buf+8; mov.b32 %r2, WARP_SZ; mov.f32 x, "
               "0f3F800000;\n"
               "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%rd1], [%rd2, {%r1, 5}], [buf+32];\n"
               "st.shared.u8 [buf], 1; add.f32 y, x, 1.5; mov.b64 {%r1, _}, %rd3;"),
        "operands");
    const ptx_ast_insn *i = f->insn;
    is_int(f->n_insns, 11, "instructions");
    is_int(f->n_regs, 12, "only registers that are used are made");
    ok(i[0].guard >= 0 && i[0].guard_neg && f->reg[i[0].guard].type == PTX_pred, "guard @!%%p1");
    is_int(i[0].n_parts, 6, "parts of an opcode");
    ok(ws_str_eqz(i[0].part[3], "L1::no_allocate") && ws_str_eqz(i[0].part[0], "ld"),
       "parts by name");
    ok(ws_str_eqz(i[0].text, "@!%p1 ld.global.nc.L1::no_allocate.v2.f32 {x, y}, [%rd8+-16]"),
       "text of an instruction");
    ok(i[0].operand[0].kind == PTX_OPD_VEC && i[0].operand[0].n_elem == 2, "vector of two");
    ok(i[0].operand[1].kind == PTX_OPD_ADDR && i[0].operand[1].imm == -16 &&
           i[0].operand[1].reg >= 0,
       "[reg+-16]");
    is_str(f->reg[i[1].operand[0].reg2].name, "%p2", "a|b");
    ok(i[1].operand[2].kind == PTX_OPD_IMM && i[1].operand[2].imm == -7 && i[1].operand[3].neg_pred,
       "-7 and !p");
    ok(i[2].operand[0].kind == PTX_OPD_SINK && i[2].operand[0].reg2 >= 0, "_|p");
    is_str(i[3].operand[1].text, "%tid.x", "special register");
    ok(i[4].operand[1].kind == PTX_OPD_VAR && i[4].operand[1].imm == 8 &&
           i[4].operand[1].var == f->shared[0],
       "variable+8");
    ok(i[5].operand[1].kind == PTX_OPD_IMM && i[5].operand[1].imm == 32, "WARP_SZ");
    ok(i[6].operand[1].is_float && i[6].operand[1].imm == 0x3f800000 &&
           i[6].operand[1].float_bytes == 4,
       "0f3F800000");
    ok(i[7].operand[1].n_elem == 2 && i[7].operand[1].elem[1].imm == 5 && i[7].operand[2].var,
       "tensor address");
    ok(i[9].operand[2].is_float && i[9].operand[2].float_bytes == 8,
       "decimal constant is a double");
    ok(i[10].operand[0].elem[1].kind == PTX_OPD_SINK, "_ in a vector");
}

static void test_flow(void)
{
    const ptx_func *f = parse_kernel(
        KERNEL(".reg .pred %p<2>; .reg .b32 %r<3>;\n"
               "bra.uni L2;\nL1: mov.u32 %r1, 1;\n"
               "{ .reg .pred %p; .reg .b32 %r<2>; @%p bra DONE; mov.f32 %r1, 0f00000000; DONE: }\n"
               "{ .reg .pred %p; @%p bra DONE; bra L1; DONE: }\n"
               "L2:\nts: .branchtargets L1, L2, END;\nbrx.idx %r1, ts;\n@%p1 bra L1;\nEND:"),
        "control flow");
    const ptx_ast_insn *i = f->insn;
    is_int(f->n_insns, 8, "instructions");
    is_int(i[0].operand[0].target, 6, "forward label");
    is_int(i[2].operand[0].target, 4, "label of the first inner scope");
    is_int(i[4].operand[0].target, 6, "label of the second inner scope");
    is_int(i[5].operand[0].target, 1, "label of the outer scope");
    ok(i[1].operand[0].reg != i[3].operand[0].reg, "inner register hides the outer one");
    const ptx_operand *t = &i[6].operand[1];
    ok(t->kind == PTX_OPD_TARGETS && t->n_targets == 3 && t->targets[0] == 1 &&
           t->targets[1] == 6 && t->targets[2] == 8,
       "branch targets, one at the end of the body");
}

static void test_calls(void)
{
    const ptx_func *f = parse_kernel(
        HEAD
        ".extern .func (.param .b32 func_retval0) vprintf(.param .b64 a, .param .b64 b);\n"
        ".func (.reg .f32 r) sq(.reg .f32 x) { mul.f32 r, x, x; ret; }\n"
        ".weak .func nothing() .noreturn { trap; }\n"
        ".entry k() .maxntid 128, 2 .minnctapersm 3 .reqnctapercluster 2 { .reg .f32 %f<3>; .reg "
        ".b64 %rd<3>; .reg .b32 %r<3>;\n"
        "{ .param .b64 param0; .param .b64 param1; .param .b32 retval0; st.param.b64 [param0], "
        "%rd1;\n"
        "call.uni (retval0), vprintf, (param0, param1);\nld.param.b32 %r1, [retval0]; }\n"
        "{ .param .b64 param0; call (%f1), sq, (%f2); }\ncall nothing;\ncall.uni nothing, ();\n"
        "proto: .callprototype (.param .b32 _) _ (.param .b64 _);\nmov.u64 %rd1, nothing;\n"
        "{ .param .b32 r0; .param .b64 a0; call (r0), %rd1, (a0), proto; } ret; }\n",
        "calls");
    const ptx_ast_insn *c = &f->insn[1];
    ok(c->n_operands == 3 && c->operand[0].kind == PTX_OPD_VEC &&
           c->operand[1].kind == PTX_OPD_FUNC && c->operand[2].n_elem == 2 &&
           c->operand[2].elem[1].var == f->local[1],
       "call with parameters");
    is_str(c->operand[1].text, "vprintf", "name of the callee");
    ok(f->insn[3].operand[0].elem[0].kind == PTX_OPD_REG, "call with registers");
    ok(f->insn[4].n_operands == 1 && f->insn[4].operand[0].kind == PTX_OPD_FUNC,
       "call without anything");
    ok(f->insn[5].n_operands == 2 && f->insn[5].operand[1].n_elem == 0, "call with an empty list");
    ok(f->insn[6].operand[1].kind == PTX_OPD_FUNC, "address of a function");
    ok(f->insn[7].operand[1].kind == PTX_OPD_REG && f->insn[7].n_operands == 4, "indirect call");
    is_int(f->n_locals, 6, ".param variables of the body");
    ok(f->max_ntid[0] == 128 && f->max_ntid[1] == 2 && f->max_ntid[2] == 1 && f->min_ncta == 3 &&
           f->cluster[0] == 2,
       "directives");
}

static void test_variables(void)
{
    const ptx_ast *ast = parse(
        HEAD ".extern .shared .align 16 .b8 dyn[];\n.extern .global .u32 later;\n.visible .global "
             ".u32 later = 9;\n"
             ".global .align 8 .u64 ptrs[3] = {generic(str), later+4, 0};\n.global .align 1 .b8 "
             "str[] = {104, 105, 0};\n"
             ".const .f32 tab[2][2] = {{0f3F800000}, {2.0, 1.0}};\n.global .f64 d = 0f40000000;\n"
             ".global .v2 .f32 pair[2] = {{1.0, 2.0}, {3.0}};\n.global .s8 neg = -1;\n.shared .b32 "
             "sh[1<<4];\n"
             ".global .attribute(.managed) .u32 m1, m2[2];\n.pragma \"nounroll\";\n.section "
             ".debug_str { L: .b8 1,2\n.b32 L+3 }\n");
    if (!ok(ast, "variables parse")) {
        printf("# %s\n", err.msg);
        return;
    }
    is_int(ast->n_vars, 11, "variables, the declared and defined one once");
    ok(ast->var[0]->bytes == 0 && ast->var[0]->is_extern, "dynamic shared memory");
    ok(!ast->var[1]->is_extern && ast->var[1]->init && ast->var[1]->init[0] == 9,
       "defined after .extern");
    const ptx_var *v = ast->var[2];
    ok(v->bytes == 24 && v->relocs && v->relocs->offset == 8 && v->relocs->addend == 4 &&
           !v->relocs->generic && v->relocs->next->generic,
       "addresses in an initialiser");
    is_int((long long)ast->var[3]->bytes, 3, "size from the initialiser");
    float t[4], pair[4];
    double d;
    memcpy(t, ast->var[4]->init, sizeof t);
    memcpy(&d, ast->var[5]->init, sizeof d);
    memcpy(pair, ast->var[6]->init, sizeof pair);
    ok(t[0] == 1 && t[1] == 0 && t[2] == 2, "rows of an initialiser");
    ok(d == 2.0, "f32 constant in an f64 variable");
    ok(pair[0] == 1 && pair[1] == 2 && pair[2] == 3 && pair[3] == 0 && ast->var[6]->align == 8,
       "vector variable");
    is_int(ast->var[7]->init[0], 255, "negative byte");
    is_int((long long)ast->var[8]->bytes, 64, "constant expression as size");
}

static void test_info(void)
{
    const ptx_ast *ast = parse(HEAD ".shared .align 4 .b8 used[6];\n.shared .b8 unused[100];\n"
                                    ".func f() { .local .align 8 .b8 l[24]; .shared .b32 own; "
                                    "st.shared.b8 [used+1], 1; ret; }\n"
                                    ".entry declared(.param .b32 a);\n"
                                    ".entry k(.param .u8 a, .param .u64 .ptr b, .param .s16 c, "
                                    ".param .align 16 .b8 d[20], .param .f64 e)\n"
                                    ".maxntid 64, 4 { .local .b8 x[3]; call f; ret; }\n");
    ptx_kernel_info *info = NULL;
    int n = 0;
    if (!ok(ast && !ptx_info_collect(ast, &arena, &info, &n, &err), "information of kernels")) {
        printf("# %s\n", err.msg);
        return;
    }
    is_int(n, 1, "one kernel with a body");
    static const unsigned offset[] = {0, 8, 16, 32, 56}, size[] = {1, 8, 2, 20, 8};
    for (int i = 0; i < 5; i++)
        ok(info->param[i].offset == offset[i] && info->param[i].size == size[i],
           "parameter %d at %u", i, offset[i]);
    ok(info->param[1].is_pointer && info->param[2].is_signed && info->param[3].is_aggregate &&
           info->param[4].is_float,
       "kinds of parameters");
    is_int(info->param_bytes, 64, "parameter bytes");
    is_int(info->static_shared_bytes, 10, "shared memory of what the kernel reaches");
    is_int(info->local_bytes, 48, "local memory of what the kernel reaches");
    ok(info->max_threads == 256 && info->max_ntid[1] == 4 && info->insns == 4,
       "limits and instructions");
}

static void test_places(void)
{
    const ptx_func *f = parse_kernel(
        KERNEL(".loc 1 10 3\nret;\n.loc 1 40 1, function_name $L0, inlined_at 1 11 5\nret;\n"
               ".loc 2 69 9, function_name $L0+14, inlined_at 1 40 1\nret;\n"
               ".loc 3 7 5, function_name $L1, inlined_at 2 69 9\nret;\n.loc 1 12 3\nret;"),
        "source positions");
    static const int line[] = {10, 40, 40, 40, 12};
    for (int i = 0; i < 5; i++)
        ok(f->insn[i].src_file == 1 && f->insn[i].src_line == line[i],
           "instruction %d is at line %d", i, line[i]);
}

/* ---- messages ---- */

static const struct {
    const char *text, *error;
} bad[] = {
    {"", "line 1, column 1: expected '.version', found the end of the text"},
    {".version x", "line 1, column 10: expected a version number, found 'x'"},
    {".version 8.4\n.target compute_x", "line 2, column 9: unknown target 'compute_x'"},
    {".version 8.4\n.target debug", "no architecture (sm_...) in .target"},
    {HEAD ".address_size 32", "only .address_size 64 is supported"},
    {KERNEL("frob"), "line 7, column 1: expected an operand or ';', found '}'\n}\n^"},
    {KERNEL("mov.u32 %r1, 2;"),
     "line 6, column 9: unknown register '%r1'\nmov.u32 %r1, 2;\n        ^"},
    {KERNEL(".reg .b32 %r<4>;\n\tmov.u32 %r4, 2;"),
     "line 7, column 10: register '%r4' is outside %r<4>\n mov.u32 %r4, 2;\n         ^"},
    {KERNEL("bra NOWHERE;"), "line 6, column 5: unknown name 'NOWHERE'"},
    {KERNEL("{ L: }\nbra L;"), "line 7, column 5: unknown name 'L'"},
    {KERNEL("L: L: ret;"), "line 6, column 4: 'L' is declared twice in this scope"},
    {KERNEL("T: .branchtargets p;"), "'p' is not a label"},
    {KERNEL(".reg .b32 r; @r ret;"), "'r' is not a predicate register"},
    {KERNEL(".reg .b32 r; setp.eq.u32 r|r, r, r;"), "'r' is not a predicate register"},
    {KERNEL(".reg .b32 r; mov.u32 r, 99999999999999999999;"), "needs more than 64 bits"},
    {KERNEL(".reg .b32 r; mov.u32 r, 1/0;"), "division by zero in a constant"},
    {KERNEL(".reg .b32 r; ld.global.u32 r, [zork];"), "unknown name 'zork'"},
    {KERNEL(".reg .b32 r; ld.global.u32 r, [k];"), "expected an address, found 'k'"},
    {KERNEL(".reg .b32 r; ld.global.u32 r [p];"), "expected ',' or ';', found '['"},
    {KERNEL(".reg .b99 r;"), "expected a type, found '.b99'"},
    {KERNEL("ret"), "expected an operand or ';', found '}'"},
    {HEAD ".entry k() { ret;", "expected an instruction or '}', found the end of the text"},
    {HEAD ".entry k() { ret; }\n.entry k() { ret; }", "line 5, column 8: 'k' is defined twice"},
    {HEAD ".global .texref t;", "textures and surfaces are not supported (.texref)"},
    {HEAD ".global .u32 a[2] = {1,2,3};", "more values than elements"},
    {HEAD ".global .u32 a = b;", "an address needs elements of .u64, not .u32"},
    {HEAD ".global .u64 a = b;", "line 4, column 18: unknown name 'b'"},
    {HEAD ".global .u32 a; .global .u32 a;", "'a' is declared twice"},
    {HEAD ".global .u32 a[];", "the size of 'a' is missing"},
    {HEAD ".global .align 3 .u32 a;", "the alignment must be a power of two, not 3"},
    {HEAD ".global .b8 a[1<<40];", "'a' has too many elements"},
    {HEAD ".shared .u32 a = 1;", "only .global and .const variables can have an initialiser"},
    {HEAD "/* no end", "comment without an end"},
    {HEAD "\x01", "stray byte 0x01"},
    {HEAD "wrong", "expected a function, a variable or a directive, found 'wrong'"},
};

static void test_messages(void)
{
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        bool failed = !parse(bad[i].text);
        char what[40];
        snprintf(what, sizeof what, "message %d", (int)i + 1);
        has_str(failed ? err.msg : "(parsed)", bad[i].error, what);
    }
}

/* ---- compilers' output, whole and broken ---- */

static bool operand_sound(const ptx_func *f, const ptx_operand *o)
{
    bool good =
        o->reg < f->n_regs && o->reg2 < f->n_regs && (o->kind != PTX_OPD_REG || o->reg >= 0);
    good &= o->reg2 < 0 || f->reg[o->reg2].type == PTX_pred;
    good &= o->kind != PTX_OPD_LABEL || (o->target >= 0 && o->target <= f->n_insns);
    good &= (o->kind != PTX_OPD_VAR || o->var) &&
            ((o->kind != PTX_OPD_FUNC && o->kind != PTX_OPD_SREG) || o->text);
    for (int t = 0; t < o->n_targets; t++)
        good &= o->targets[t] >= 0 && o->targets[t] <= f->n_insns;
    for (int e = 0; e < o->n_elem; e++)
        good &= operand_sound(f, &o->elem[e]);
    return good;
}

static bool ast_sound(const ptx_ast *ast)
{
    bool good = true;
    for (int k = 0; k < ast->n_funcs; k++) {
        const ptx_func *f = ast->func[k];
        for (int i = 0; i < f->n_insns; i++) {
            good &= f->insn[i].guard < f->n_regs && f->insn[i].n_parts >= 1;
            for (int o = 0; o < f->insn[i].n_operands; o++)
                good &= operand_sound(f, &f->insn[i].operand[o]);
        }
    }
    return good;
}

/* Parses, and when that succeeds checks and collects; false: something is not as it must be. */
static bool survives(const char *text, size_t n)
{
    ws_arena a = {0};
    ws_err e = {0};
    ptx_ast *ast = NULL;
    ptx_kernel_info *info;
    int kernels;
    bool good;
    if (ptx_parse(&a, text, n, &ast, &e))
        good = e.status == WS_EINPUT && strncmp(e.msg, "line ", 5) == 0;
    else
        good = ast_sound(ast) && (!ptx_info_collect(ast, &a, &info, &kernels, &e) || e.msg[0]);
    ws_buf out = {0};
    e = (ws_err){0};
    good &= !ptx_strip_globals(text, n, &out, &e) || e.msg[0];
    ws_buf_release(&out);
    ws_arena_release(&a);
    return good;
}

static uint32_t rng = 1;
static uint32_t next_random(uint32_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 17;
    rng ^= rng << 5;
    return rng % below;
}

/* One to four edits: a byte, a copy of a span elsewhere, a removed span, a token that means
 * trouble. */
static void mutate(char *text, size_t *n)
{
    static const char *const tokens[] = {"{", "}", "(", ";", ".reg", ".global", "%r1", "99999999",
                                         "-", "[", "]", "<",
                                         ":", "@", "\"", "/*", "0f", ".entry", "=", ",", "call",
                                         "_", "|", "{1,2}"};
    for (uint32_t edits = 1 + next_random(4); edits && *n > 200; edits--) {
        size_t at = next_random((uint32_t)*n - 100), from = next_random((uint32_t)*n - 100),
               len = 1 + next_random(60);
        const char *t = tokens[next_random(WS_COUNT(tokens))];
        switch (next_random(4)) {
        case 0:
            text[at] = (char)next_random(256);
            break;
        case 1:
            memmove(text + at, text + from, len);
            break;
        case 2:
            memmove(text + at, text + at + len, *n - at - len);
            *n -= len;
            break;
        default:
            memcpy(text + at, t, strlen(t));
        }
    }
}

static void test_file(const char *path)
{
    ws_buf text = {0};
    ws_err e = {0};
    if (ws_read_file(path, 1 << 20, &text, &e)) {
        ok(false, "%s: %s", path, e.msg);
        return;
    }
    ptx_ast *ast = parse(ws_buf_z(&text));
    if (!ok(ast && ast_sound(ast), "%s", path))
        printf("# %s\n", err.msg);
    ws_buf out = {0};
    ok(!ptx_strip_globals(text.p, text.n, &out, &e) && out.n == text.n &&
           !memcmp(out.p, text.p, out.n),
       "%s: everything in it is needed", path);
    bool good = true;
    for (int i = 0; i < 100; i++)
        good &= survives(text.p, next_random((uint32_t)text.n));
    ok(good, "%s: cut anywhere", path);
    char *copy = ws_malloc(text.n + 1);
    good = true;
    for (int i = 0; i < 300 && good; i++) {
        size_t n = text.n;
        memcpy(copy, text.p, n);
        mutate(copy, &n);
        good = survives(copy, n);
    }
    ok(good, "%s: damaged", path);
    free(copy);
    ws_buf_release(&out);
    ws_buf_release(&text);
}

static void test_files(void)
{
    static const char dir[] = "tests/ptx/front";
    DIR *d = opendir(dir);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[300];
        if (!strstr(e->d_name, ".ptx"))
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        test_file(path);
        n++;
    }
    if (d)
        closedir(d);
    ok(n >= 5, "compilers' output was there");
}

/* ---- the stripper ---- */

static void test_strip(void)
{
    static const char text[] = HEAD
        "// comment\n.global .u32 dead;\n.visible .const .align 4 .b8 dead2[4] = {1, 2, 3, 4};\n"
        ".global .u64 chain = generic(chained);\n.global .u32 chained;\n.global .u32 a, b; .global "
        ".u32 gone;\n"
        "\t.global .u32 indented;\n.global .u64 root = leaf;\n.global .u32 leaf;\n.extern .global "
        ".u32 x;\n.global .u32 x;\n"
        ".entry k() { .reg .u64 r; .global .u32 inner; mov.u64 r, b; mov.u64 r, root; }\n";
    static const char want[] = HEAD "// comment\n.global .u32 a, b; \n.global .u64 root = "
                                    "leaf;\n.global .u32 leaf;\n.extern .global .u32 x;\n"
                                    ".global .u32 x;\n.entry k() { .reg .u64 r; .global .u32 "
                                    "inner; mov.u64 r, b; mov.u64 r, root; }\n";
    ws_buf out = {0};
    ws_err e = {0};
    ok(!ptx_strip_globals(text, sizeof text - 1, &out, &e), "strips");
    is_str(ws_buf_z(&out), want, "what nothing names is gone, the rest is as it was");
    ws_buf_release(&out);
    ok(ptx_strip_globals(".global .u32 a", 14, &out, &e) && strstr(e.msg, "expected ';'"),
       "a statement without an end");
    ws_buf_release(&out);
}

int main(void)
{
    test_operands();
    test_flow();
    test_calls();
    test_variables();
    test_info();
    test_places();
    test_messages();
    test_strip();
    test_files();
    ws_arena_release(&arena);
    return tap_done();
}
