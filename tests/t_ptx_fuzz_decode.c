/* The decoder and the handlers: random instructions from the table of forms, most of their
 * modifiers and operands as the form wants them, some not, are decoded and run with all checkers
 * and a small budget. */
#include "tests/fuzz.h"

#include "harness/ptx/engine.h"
#include "tests/ptx_sample.h"

enum { REGISTERS = 24, MAX_INSNS = 12 };

static ptx_form *forms;
static int n_forms;

static const char module_head[] = ".version 9.0\n.target sm_90a\n.address_size 64\n"
                                  ".global .align 16 .b8 gv[256];\n.const .align 16 .b8 "
                                  "cv[64];\n.extern .shared .align 16 .b8 dyn[];\n"
                                  ".func (.param .b32 r) fn(.param .b32 x)\n{\n.reg .b32 "
                                  "%t<2>;\nld.param.b32 %t0, [x];\nst.param.b32 [r], %t0;\n"
                                  "ret;\n}\n"
                                  ".visible .entry k(.param .u64 a, .param .u32 n)\n{\n";

static const char *const numbers[] = {
    "0", "1", "-1", "2", "3", "4", "8", "16", "31", "32", "33", "63", "64", "127", "128", "255",
    "256", "0xffff", "0x10000", "0x7fffffff", "0x80000000", "0xffffffff", "0x100000000",
    "0x7fffffffffffffff", "0x8000000000000000", "-2147483648", "-9223372036854775808",
    "0f3f800000", "0f7fc00000", "0fff800000", "0d3ff0000000000000", "0d7ff8000000000000",
    "WARP_SZ"
};
static const char *const names[] = {
    "s", "gv", "cv", "l", "dyn", "a", "n", "L0", "L1", "fn", "k", "T", "_"
};
static const char *const specials[] = {
    "%tid.x", "%tid", "%ntid.y", "%laneid", "%warpid", "%ctaid.z", "%nctaid.x", "%clock",
    "%clock64", "%globaltimer", "%lanemask_lt", "%smid", "%gridid", "%dynamic_smem_size",
    "%total_smem_size", "%cluster_ctarank", "%envreg3", "%is_explicit_cluster", "%pm0", "%nwarpid"
};
static const char *const kinds[] = {
    "%p", "%b", "%h", "%r", "%q", "%x", "%f", "%g"
};

static const char *one_of(const char *const *list, size_t n)
{
    return list[pick((uint32_t)n)];
}
#define ONE_OF(list) one_of(list, WS_COUNT(list))

/* ---- instructions ---- */

/* Mostly what the form allows. */
static void random_words(ptx_form *f, ptx_match *m)
{
    *m = (ptx_match){.form = f, .first = PTX_TYPE_NONE, .last = PTX_TYPE_NONE};
    for (int p = 0; p < f->n_parts; p++) {
        const ptx_form_part *part = &f->part[p];
        if ((part->optional && pick(2)) || !pick(60))
            continue;
        int w = part->first_word + (int)pick((uint32_t)part->n_words);
        ptx_type t = f->word_type[w];
        m->words |= 1ull << w;
        if (t != PTX_TYPE_NONE) {
            m->first = m->first == PTX_TYPE_NONE ? t : m->first;
            m->last = t;
        }
        if (f->word[w].n == 2 && f->word[w].p[0] == 'v')
            m->vector = f->word[w].p[1] - '0';
    }
}

static void register_of(const char *kind, ws_buf *out)
{
    ws_buf_printf(out, "%s%u", kind, pick(REGISTERS));
}

static void address(ws_buf *out)
{
    ws_buf_adds(out, "[");
    switch (pick(8)) {
    case 0:
    case 1:
    case 2:
        register_of("%q", out);
        break;
    case 3:
    case 4:
        register_of("%r", out);
        break;
    case 5:
        ws_buf_adds(out, ONE_OF(numbers));
        break;
    default:
        ws_buf_adds(out, ONE_OF(names));
    }
    if (!pick(3))
        ws_buf_printf(out, "%s%s", pick(4) ? "+" : "", ONE_OF(numbers));
    ws_buf_adds(out, "]");
}

static void anything(ws_buf *out);

static void vector(const char *kind, uint32_t n, ws_buf *out)
{
    ws_buf_adds(out, "{");
    for (uint32_t e = 0; e < n; e++) {
        ws_buf_adds(out, e ? ", " : "");
        if (pick(30))
            register_of(kind, out);
        else
            ws_buf_adds(out, pick(2) ? "_" : ONE_OF(numbers));
    }
    ws_buf_adds(out, "}");
}

static void anything(ws_buf *out)
{
    switch (pick(8)) {
    case 0:
        ws_buf_adds(out, ONE_OF(numbers));
        break;
    case 1:
        ws_buf_adds(out, ONE_OF(names));
        break;
    case 2:
        ws_buf_adds(out, ONE_OF(specials));
        break;
    case 3:
        address(out);
        break;
    case 4:
        vector(ONE_OF(kinds), 1 + pick(8), out);
        break;
    case 5:
        ws_buf_adds(out, pick(2) ? "!" : "-");
        register_of("%p", out);
        break;
    default:
        register_of(ONE_OF(kinds), out);
    }
}

static void coordinates(ws_buf *out)
{
    ws_buf_adds(out, "[");
    register_of("%q", out);
    ws_buf_adds(out, ", ");
    vector("%r", 1 + pick(5), out);
    ws_buf_adds(out, "]");
}

static void value(const ptx_spec *s, const ptx_match *m, ws_buf *out)
{
    static const uint32_t lengths[] = {1, 2, 4, 8, 16, 32, 64, 128};
    const char *kind = sample_is_byte(s) ? "%b" : sample_register(sample_type(s, m));
    kind = kind ? kind : ONE_OF(kinds);
    if (s->any_count || (s->vector && m->vector))
        vector(kind, s->any_count ? lengths[pick(WS_COUNT(lengths))] : (uint32_t)m->vector, out);
    else if (s->kind == PTX_SPEC_SRC && !pick(4))
        ws_buf_adds(out, ONE_OF(numbers));
    else
        register_of(kind, out);
    if (s->pair && pick(2))
        ws_buf_printf(out, "|%%p%u", pick(REGISTERS));
}

static void operand(const ptx_spec *s, const ptx_match *m, ws_buf *out)
{
    if (!pick(40)) {
        anything(out);
        return;
    }
    switch (s->kind) {
    case PTX_SPEC_PRED_SRC:
        ws_buf_adds(out, pick(4) ? "" : "!");
        register_of("%p", out);
        break;
    case PTX_SPEC_PRED_DST:
        register_of("%p", out);
        if (s->pair && pick(2))
            ws_buf_printf(out, "|%%p%u", pick(REGISTERS));
        break;
    case PTX_SPEC_ADDRESS:
        if (s->coordinates)
            coordinates(out);
        else
            address(out);
        break;
    case PTX_SPEC_IMM:
        if (pick(4) && s->high >= s->low)
            ws_buf_printf(out, "%d", s->low + (int)pick((uint32_t)(s->high - s->low) + 1));
        else
            ws_buf_adds(out, ONE_OF(numbers));
        break;
    case PTX_SPEC_SREG:
        ws_buf_adds(out, ONE_OF(specials));
        break;
    case PTX_SPEC_POLICY:
        register_of("%q", out);
        break;
    case PTX_SPEC_LABEL:
        ws_buf_adds(out, ONE_OF(names));
        break;
    case PTX_SPEC_ANY:
        anything(out);
        break;
    default:
        value(s, m, out);
    }
}

static void instruction(ws_buf *out)
{
    ptx_match m;
    ptx_form *f = &forms[pick((uint32_t)n_forms)];
    random_words(f, &m);
    if (!pick(6))
        ws_buf_printf(out, "@%s%%p%u ", pick(2) ? "!" : "", pick(REGISTERS));
    ws_buf_printf(out, "%.*s", WS_STR_ARG(f->opcode));
    for (int w = 0; w < f->n_words; w++)
        if (m.words >> w & 1)
            ws_buf_printf(out, ".%.*s", WS_STR_ARG(f->word[w]));
    int n = f->n_operands - (f->takes_policy && !sample_has(&m, "L2::cache_hint"));
    if (f->n_required < n && pick(2))
        n = f->n_required + (int)pick((uint32_t)(n - f->n_required));
    for (int k = 0; k < n; k++) {
        ws_buf_adds(out, k ? ", " : " ");
        operand(&f->operand[k], &m, out);
    }
    for (uint32_t more = f->open_ended ? pick(6) : !pick(60); more; more--) {
        ws_buf_adds(out, n++ ? ", " : " ");
        anything(out);
    }
    ws_buf_adds(out, ";\n");
}

/* ---- the module ---- */

/* Registers get addresses of all spaces, and numbers. */
static void prologue(ws_buf *out)
{
    ws_buf_adds(out, sample_declarations);
    ws_buf_adds(out, ".shared .align 128 .b8 s[2048];\n.local .align 16 .b8 l[64];\n"
                     "mov.u32 %r0, %tid.x;\nld.param.u64 %q0, [a];\nmul.wide.u32 %q1, %r0, 16;\n");
    for (int k = 1; k < REGISTERS; k++) {
        switch (pick(6)) {
        case 0:
            ws_buf_printf(out, "add.s64 %%q%d, %%q0, %u;\n", k,
                          pick(4) ? 16 * pick(80) : pick(1300));
            break;
        case 1:
            ws_buf_printf(out, "mov.u64 %%q%d, %s;\n", k, pick(2) ? "s" : pick(2) ? "l" : "gv");
            break;
        case 2:
            ws_buf_printf(out, "cvta.%s.u64 %%q%d, %s;\n", k % 3 ? "shared" : "local", k,
                          k % 3 ? "s" : "l");
            break;
        case 3:
            ws_buf_printf(out, "mov.u64 %%q%d, %u;\n", k, pick(70));
            break;
        default:
            ws_buf_printf(out, "mov.b64 %%q%d, %s;\n", k, numbers[pick(WS_COUNT(numbers) - 6)]);
        }
        if (pick(2))
            ws_buf_printf(out, "mov.b32 %%r%d, %s;\n", k,
                          pick(2)   ? "%r0"
                          : pick(2) ? "s"
                                    : numbers[pick(22)]);
        if (!pick(3))
            ws_buf_printf(
                out,
                "mov.b16 %%h%d, %u;\ncvt.rn.f32.u32 %%f%d, %%r%d;\nsetp.lt.u32 %%p%d, %%r0, %u;\n",
                k, pick(65536), k, k, k, pick(40));
    }
}

static void module_text(ws_buf *out)
{
    ws_buf_adds(out, module_head);
    prologue(out);
    ws_buf_adds(out, "T: .branchtargets L0, L1;\nL0:\n");
    uint32_t n = 1 + pick(MAX_INSNS), label = pick(n);
    for (uint32_t k = 0; k < n; k++) {
        if (k == label)
            ws_buf_adds(out, "L1:\n");
        instruction(out);
    }
    ws_buf_adds(out, "ret;\n}\n");
}

static void launch(ptx_module *m, ptx_memory *mem)
{
    struct {
        uint64_t a;
        uint32_t n;
    } params = {ptx_memory_alloc(mem, 1024, "a"), 7};
    ptx_options o = PTX_OPTIONS_CHECKED;
    o.max_warp_insns = 4000;
    o.deadline_ms = 2000;
    o.threads = 1;
    o.schedule = (ptx_schedule)pick(3);
    o.check_race = pick(4);
    o.check_init = !pick(3);
    o.mma_model = (ptx_mma_model)pick(3);
    ptx_launch_args args = {.kernel = "k",
                            .grid = {1 + pick(3), 1, 1},
                            .block = {pick(4) ? 32 : 1 + pick(160), 1, 1},
                            .dynamic_shared_bytes = 256 * pick(3),
                            .params = &params,
                            .cooperative = !pick(4)};
    ptx_report *r = ws_calloc(1, sizeof *r);
    if (params.a && (pick(2) || ptx_memory_fill(mem, params.a, 0, 1024)))
        ptx_launch(m, mem, &args, &o, r);
    free(r);
}

static bool decode_one(void)
{
    ws_err err = {0};
    ws_buf text = {0};
    ptx_module *m = NULL;
    ptx_memory *mem = ptx_memory_new();
    module_text(&text);
    fuzz_keep(text.p, text.n);
    bool loads = !ptx_module_load(text.p, text.n, mem, &m, &err);
    if (loads)
        launch(m, mem);
    ptx_module_free(m);
    ptx_memory_free(mem);
    ws_buf_release(&text);
    return loads;
}

int main(int argc, char **argv)
{
    forms = ptx_forms(&n_forms);
    return fuzz_main("decode", argc, argv, decode_one);
}
