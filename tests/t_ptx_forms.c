/* Every form of the scalar instructions, with each of its words, on random and on special operands,
 * against the model of tests/ptx_model_ops.h: a kernel each, 128 threads, of which some do not
 * execute the instruction. */
#include "base/buf.h"
#include "base/mem.h"
#include "harness/ptx/ptx.h"
#include "tests/ptx_model_ops.h"
#include "tests/ptx_sample.h"
#include "tests/tap.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    THREADS = 128,
    SLOT = 16,
    /* slots of a thread's record: the registers by their numbers, then */
    IN_MEMORY = 56, IN_GUARD = 60, IN_CARRY = 61, IN_SLOTS = 64,
    /* what it stores: elements of the result, then */
    OUT_P = 8, OUT_Q = 9, OUT_CARRY = 10, OUT_MEMORY = 12, OUT_SLOTS = 16,
    MAX_SHOWN = 4
};

typedef struct sample {
    ptx_match m;
    char *text;
    bool (*run)(model *x);
    int bad, known;
} sample;
static sample *samples;
static int n_samples, cap_samples;

/* ---- which ---- */

static bool (*model_of(const ptx_form *f))(model *)
{
    for (size_t k = 0; k < WS_COUNT(model_ops); k++)
        if (ws_str_eqz(f->opcode, model_ops[k].opcode))
            return model_ops[k].run;
    return NULL;
}

/* Special registers, and registers of 8 bits: t_ptx_files. */
static bool has_others(const ptx_form *f)
{
    for (int k = 0; k < f->n_operands; k++)
        if (f->operand[k].kind == PTX_SPEC_SREG || sample_is_byte(&f->operand[k]))
            return true;
    return false;
}

/* Spaces that no thread can have a piece of its own in; stores that arrive at an mbarrier, or take
 * a range: tests/ptx/cluster_send.ptx, st_bulk.ptx. Pairs of f32: op_f32x2.ptx. */
static bool is_elsewhere(const ptx_match *m)
{
    return sample_is_param(m) || sample_has(m, "param::func") || sample_has(m, "const") ||
           sample_has(m, "async") || sample_has(m, "bulk") || sample_has(m, "f32x2");
}

static void make_samples(void)
{
    int n;
    ptx_form *form = ptx_forms(&n);
    for (int f = 0; f < n; f++)
        for (int w = -1; w < form[f].n_words; w++)
            for (int other = 0; other < 2; other++) {
                sample s = {.run = model_of(&form[f])};
                ws_buf text = {0};
                sample_words(&form[f], w, other, &s.m);
                if (s.run && !has_others(&form[f]) && !is_elsewhere(&s.m) &&
                    sample_text(&s.m, &text)) {
                    WS_GROW(samples, n_samples, cap_samples);
                    s.text = ws_buf_take(&text);
                    samples[n_samples++] = s;
                }
                ws_buf_release(&text);
            }
}

/* ---- the kernels ---- */

typedef struct place { /* a register of an operand */
    ptx_spec_kind kind;
    ptx_type type;
    int number; /* of the register */
} place;

/* The registers of operand k; returns how many. */
static int places(const ptx_match *m, int k, place out[SAMPLE_ELEMENTS])
{
    const ptx_spec *s = &m->form->operand[k];
    int n = s->vector && m->vector ? m->vector : 1;
    for (int e = 0; e < n; e++)
        out[e] = (place){s->kind, sample_type(s, m), SAMPLE_ELEMENTS * k + e};
    return n;
}

static void load(ws_buf *t, const place *p)
{
    int at = p->number * SLOT;
    const char *reg = sample_register(p->type);
    switch (p->kind) {
    case PTX_SPEC_PRED_DST: case PTX_SPEC_PRED_SRC:
        ws_buf_printf(t, "ld.global.u32 %%r90, [%%q90+%d];\nsetp.ne.u32 %%p%d, %%r90, 0;\n", at,
                      p->number);
        break;
    case PTX_SPEC_DST: case PTX_SPEC_SRC:
        if (reg[1] == 'x')
            ws_buf_printf(
                t,
                "ld.global.v2.b64 {%%q92, %%q93}, [%%q90+%d];\nmov.b128 %%x%d, {%%q92, %%q93};\n",
                at, p->number);
        else
            ws_buf_printf(t, "ld.global.b%u %s%d, [%%q90+%d];\n",
                          reg[1] == 'h' ? 16 : 8 * ptx_type_bytes(p->type), reg, p->number, at);
        break;
    default:
        break;
    }
}

static void store(ws_buf *t, const place *p, int slot)
{
    const char *reg = sample_register(p->type);
    if (p->kind == PTX_SPEC_PRED_DST)
        ws_buf_printf(t, "selp.u32 %%r90, 1, 0, %%p%d;\nst.global.u32 [%%q91+%d], %%r90;\n",
                      p->number, slot * SLOT);
    else if (reg[1] == 'x')
        ws_buf_printf(
            t, "mov.b128 {%%q92, %%q93}, %%x%d;\nst.global.v2.b64 [%%q91+%d], {%%q92, %%q93};\n",
            p->number, slot * SLOT);
    else
        ws_buf_printf(t, "st.global.b%u [%%q91+%d], %s%d;\n",
                      reg[1] == 'h' ? 16 : 8 * ptx_type_bytes(p->type), slot * SLOT, reg,
                      p->number);
}

static void copy_memory(ws_buf *t, const char *to_space, const char *to, int to_at,
                        const char *from_space, const char *from, int from_at)
{
    for (int b = 0; b < MODEL_MEMORY; b += 8)
        ws_buf_printf(t, "ld.%s.b64 %%q92, [%s+%d];\nst.%s.b64 [%s+%d], %%q92;\n", from_space, from,
                      from_at + b, to_space, to, to_at + b);
}

static const char *space_of(const ptx_match *m)
{
    return sample_has(m, "local") ? "local"
           : sample_has(m, "shared") || sample_has(m, "shared::cta") ||
                   sample_has(m, "shared::cluster")
               ? "shared"
               : "global";
}

static bool uses_carry(const ptx_match *m)
{
    ws_str o = m->form->opcode;
    return sample_has(m, "cc") || ws_str_eqz(o, "addc") || ws_str_eqz(o, "subc") ||
           ws_str_eqz(o, "madc");
}

static void write_kernel(ws_buf *t, const sample *s, int number)
{
    const ptx_match *m = &s->m;
    const ptx_form *f = m->form;
    const char *space = space_of(m);
    int address = -1;
    place p[SAMPLE_ELEMENTS];
    ws_buf_printf(t, ".visible .entry k%d(.param .u64 a, .param .u64 b)\n{\n%s", number,
                  sample_declarations);
    ws_buf_printf(t, ".shared .align 64 .b8 sm[%d];\n.local .align 64 .b8 lm[%d];\n",
                  THREADS * MODEL_MEMORY, MODEL_MEMORY);
    ws_buf_printf(t,
                  "mov.u32 %%r91, %%tid.x;\nld.param.u64 %%q90, [a];\nld.param.u64 %%q91, [b];\n"
                  "mad.wide.u32 %%q90, %%r91, %d, %%q90;\nmad.wide.u32 %%q91, %%r91, %d, %%q91;\n",
                  IN_SLOTS * SLOT, OUT_SLOTS * SLOT);
    for (int k = 0; k < f->n_operands; k++) {
        int n = places(m, k, p);
        for (int e = 0; e < n; e++)
            load(t, &p[e]);
        if (f->operand[k].kind == PTX_SPEC_ADDRESS)
            address = SAMPLE_ELEMENTS * k;
    }
    ws_buf_printf(t, "mov.pred %%p%d, 0;\nmov.u64 %%q94, 0;\n", SAMPLE_SECOND);
    if (address >= 0) {
        char name[16];
        snprintf(name, sizeof name, "%%q%d", address);
        if (strcmp(space, "shared") == 0)
            ws_buf_printf(t, "mov.u64 %s, sm;\nmad.wide.u32 %s, %%r91, %d, %s;\n", name, name,
                          MODEL_MEMORY, name);
        else if (strcmp(space, "local") == 0)
            ws_buf_printf(t, "mov.u64 %s, lm;\n", name);
        else
            ws_buf_printf(t, "add.u64 %s, %%q90, %d;\n", name, IN_MEMORY * SLOT);
        if (strcmp(space, "global") != 0)
            copy_memory(t, space, name, 0, "global", "%q90", IN_MEMORY * SLOT);
    }
    ws_buf_printf(t, "ld.global.u32 %%r90, [%%q90+%d];\nsetp.ne.u32 %%p94, %%r90, 0;\n",
                  IN_GUARD * SLOT);
    if (uses_carry(m))
        ws_buf_printf(t, "ld.global.u32 %%r90, [%%q90+%d];\nadd.cc.u32 %%r90, %%r90, -1;\n",
                      IN_CARRY * SLOT);
    ws_buf_printf(t, "@%%p94 %s;\n", s->text);
    if (uses_carry(m))
        ws_buf_printf(t, "addc.u32 %%r90, 0, 0;\nst.global.u32 [%%q91+%d], %%r90;\n",
                      OUT_CARRY * SLOT);
    for (int k = 0; k < f->n_operands; k++) {
        int n = places(m, k, p);
        for (int e = 0; e < n; e++)
            if (p[e].kind == PTX_SPEC_DST || p[e].kind == PTX_SPEC_PRED_DST)
                store(t, &p[e], p[e].kind == PTX_SPEC_DST ? e : OUT_P);
        if (f->operand[k].pair)
            store(t, &(place){PTX_SPEC_PRED_DST, PTX_pred, SAMPLE_SECOND}, OUT_Q);
    }
    if (address >= 0) {
        char name[16];
        snprintf(name, sizeof name, "%%q%d", address);
        copy_memory(t, "global", "%q91", OUT_MEMORY * SLOT, space, name, 0);
    }
    ws_buf_adds(t, "ret;\n}\n");
}

/* ---- operands ---- */

static uint64_t next_random(void)
{
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static uint64_t random_float(const format *f)
{
    static const double special[] = {0, 1, 2, 0.5, 1.5, 3, 1e-3, 100, 255, 256, 65504, 1e9, 1e-40,
                                     6e-8, 2147483648.0, 4294967296.0, 9.3e18, 1e30, 1e38};
    uint64_t r = next_random(), sign = (r >> 20 & 1) << (f->bits - 1),
             top = (1ull << (f->bits - 1)) - 1;
    uint64_t inf = model_encode(f, INFINITY);
    switch (r % 8) {
    case 0: case 1:
        return sign | model_encode(
                          f, model_round(f, special[(r >> 8) % WS_COUNT(special)], ROUND_NEAREST));
    case 2: {
        const uint64_t edges[] = {0, 1, (1ull << (f->digits - 1)) - 1, 1ull << (f->digits - 1),
                                  inf - 1, inf, inf | 1, top};
        return sign | edges[(r >> 8) % WS_COUNT(edges)];
    }
    case 3:
        return next_random();
    default: /* of everyday size */
        return sign |
               model_encode(
                   f, model_round(f, ldexp((double)(next_random() >> 11), -53 + (int)(r >> 8) % 6),
                                  ROUND_NEAREST));
    }
}

static uint64_t random_value(ptx_type t)
{
    const format *f = model_format(t);
    uint64_t r = next_random(), bits = 8 * ptx_type_bytes(t);
    if (f && model_is_pair(t))
        return (random_float(f) & 0xffff) | random_float(f) << 16;
    if (f)
        return random_float(f);
    switch (r % 4) {
    case 0:
        return (r >> 8) % 70;
    case 1: {
        const uint64_t top = 1ull << ((bits - 1) & 63);
        const uint64_t edges[] = {0, 1, UINT64_MAX, top, top - 1,
                                  UINT64_MAX - 1, 0x80, 0xffff};
        return edges[(r >> 8) % WS_COUNT(edges)];
    }
    default:
        return next_random();
    }
}

static void fill(const sample *s, uint64_t *in)
{
    place p[SAMPLE_ELEMENTS];
    for (int t = 0; t < THREADS; t++) {
        uint64_t (*slot)[2] = (void *)(in + (size_t)t * IN_SLOTS * 2);
        for (int k = 0; k < IN_SLOTS; k++)
            slot[k][0] = slot[k][1] = next_random();
        for (int k = 0; k < s->m.form->n_operands; k++)
            for (int e = 0, n = places(&s->m, k, p); e < n; e++)
                if (p[e].kind == PTX_SPEC_DST || p[e].kind == PTX_SPEC_SRC)
                    slot[p[e].number][0] = random_value(p[e].type);
                else
                    slot[p[e].number][0] &= 1;
        for (uint32_t b = 0, n = ptx_type_bytes(s->m.last); n && n <= 8 && b < MODEL_MEMORY;
             b += n) {
            uint64_t v = random_value(s->m.last);
            memcpy((uint8_t *)slot[IN_MEMORY] + b, &v, n);
        }
        slot[IN_GUARD][0] = next_random() % 4 != 0;
        slot[IN_CARRY][0] = next_random() & 1;
    }
}

/* ---- comparison ---- */

static uint64_t register_mask(ptx_type t)
{
    return model_mask(t == PTX_pred ? 1 : 8 * (int)(ptx_type_bytes(t) < 2 ? 2 : ptx_type_bytes(t)));
}

/* Results of one format, which may be NaNs of any payload; pairs half by half. */
static bool same_float(const format *f, uint64_t got, uint64_t want, bool pair)
{
    for (int k = 0; k < 1 + pair; k++) {
        uint64_t g = model_half_of(got, k, f), w = model_half_of(want, k, f);
        if (g != w && !(isnan(model_decode(f, g)) && isnan(model_decode(f, w))))
            return false;
    }
    return true;
}

static bool same_result(const model *x, ptx_type t, int e, const uint64_t got[2])
{
    const format *f = model_format(t);
    uint64_t mask = register_mask(t), want = x->d[e][0] & mask, g = got[0] & mask;
    if (f && x->any_nan)
        return isnan(model_decode(f, g));
    if (f && x->is_range) {
        double v = model_decode(f, f->bits == 16 ? g & 0xffff : g);
        return v >= x->low && v <= x->high;
    }
    if (f && t != PTX_tf32)
        return same_float(f, g, want, model_is_pair(t));
    return g == want && (t != PTX_b128 || got[1] == x->d[e][1]);
}

/* Bytes of memory that are a format's: NaNs of any payload. */
static bool same_memory(const model *x, const uint8_t *got)
{
    const format *f = model_format(x->m->last);
    uint32_t n = ptx_type_bytes(x->m->last);
    for (uint32_t b = 0; f && b < MODEL_MEMORY; b += n) {
        uint64_t g = 0, w = 0;
        memcpy(&g, got + b, n);
        memcpy(&w, x->memory + b, n);
        if (!same_float(f, g, w, model_is_pair(x->m->last)))
            return false;
    }
    return f || memcmp(got, x->memory, MODEL_MEMORY) == 0;
}

static void take_sources(const sample *s, uint64_t (*slot)[2], model *x)
{
    place p[SAMPLE_ELEMENTS];
    for (int k = 0; k < s->m.form->n_required; k++)
        for (int e = 0, n = places(&s->m, k, p); e < n; e++)
            if (p[e].kind == PTX_SPEC_SRC || p[e].kind == PTX_SPEC_PRED_SRC)
                memcpy(x->src[x->n_src++], slot[p[e].number], SLOT);
    x->imm = 16;
    memcpy(x->memory, slot[IN_MEMORY], MODEL_MEMORY);
    x->carry = slot[IN_CARRY][0];
}

/* Of a thread that does not execute the instruction. */
static void keep_all(const sample *s, uint64_t (*slot)[2], model *x)
{
    place p[SAMPLE_ELEMENTS];
    for (int k = 0; k < s->m.form->n_operands; k++)
        for (int e = 0, n = places(&s->m, k, p); e < n; e++)
            if (p[e].kind == PTX_SPEC_DST)
                memcpy(x->d[e], slot[p[e].number], SLOT);
            else if (p[e].kind == PTX_SPEC_PRED_DST)
                x->p = slot[p[e].number][0];
}

static bool compare(const sample *s, const model *x, uint64_t (*out)[2])
{
    place p[SAMPLE_ELEMENTS];
    bool good = true, memory = false;
    for (int k = 0; k < s->m.form->n_operands; k++) {
        memory |= s->m.form->operand[k].kind == PTX_SPEC_ADDRESS;
        for (int e = 0, n = places(&s->m, k, p); e < n; e++)
            if (p[e].kind == PTX_SPEC_DST)
                good &= same_result(x, p[e].type, e, out[e]);
            else if (p[e].kind == PTX_SPEC_PRED_DST)
                good &= (out[OUT_P][0] & 1) == x->p;
        if (s->m.form->operand[k].pair)
            good &= (out[OUT_Q][0] & 1) == x->q;
    }
    if (uses_carry(&s->m))
        good &= (out[OUT_CARRY][0] & 1) == x->carry;
    return good && (!memory || same_memory(x, (const uint8_t *)out[OUT_MEMORY]));
}

static void show(const sample *s, const model *x, uint64_t (*slot)[2], uint64_t (*out)[2],
                 bool executed)
{
    printf("# %s%s:", s->text, executed ? "" : " (guarded off)");
    for (int k = 0; k < x->n_src; k++)
        printf(" %" PRIx64, x->src[k][0]);
    printf(" memory %" PRIx64 ": got %" PRIx64 " p %d q %d memory %" PRIx64 " carry %d",
           slot[IN_MEMORY][0], out[0][0], (int)out[OUT_P][0] & 1, (int)out[OUT_Q][0] & 1,
           out[OUT_MEMORY][0], (int)out[OUT_CARRY][0] & 1);
    if (x->is_range)
        printf(", want %g to %g\n", x->low, x->high);
    else
        printf(", want %" PRIx64 " p %d q %d memory %02x%02x carry %d%s\n", x->d[0][0], x->p, x->q,
               x->memory[1], x->memory[0], x->carry, x->any_nan ? ", a NaN" : "");
}

static void check_thread(sample *s, uint64_t (*slot)[2], uint64_t (*out)[2])
{
    model x = {.m = &s->m};
    bool executed = slot[IN_GUARD][0] & 1;
    take_sources(s, slot, &x);
    if (!executed)
        keep_all(s, slot, &x);
    else if (!s->run(&x))
        return;
    s->known += executed;
    if (!compare(s, &x, out) && s->bad++ < MAX_SHOWN)
        show(s, &x, slot, out, executed);
}

/* ---- running ---- */

static void run_sample(ptx_module *mod, ptx_memory *mem, int number, uint64_t in_at,
                       uint64_t out_at)
{
    static uint64_t in[THREADS * IN_SLOTS * 2], out[THREADS * OUT_SLOTS * 2];
    static ptx_report report;
    sample *s = &samples[number];
    char name[16];
    uint64_t params[] = {in_at, out_at};
    ptx_launch_args args = {.kernel = name, .grid = {1, 1, 1}, .block = {THREADS, 1, 1},
                            .params = params};
    ptx_options options = PTX_OPTIONS_CHECKED;
    options.threads = 1;
    snprintf(name, sizeof name, "k%d", number);
    memset(&report, 0, sizeof report);
    fill(s, in);
    if (!ptx_memory_write(mem, in_at, in, sizeof in) ||
        !ptx_memory_fill(mem, out_at, 0, sizeof out)) {
        s->bad++;
        return;
    }
    if (!ptx_launch(mod, mem, &args, &options, &report)) {
        printf("# %s: %s\n", s->text, report.fault[0].text);
        s->bad++;
        return;
    }
    s->bad += !ptx_memory_read(mem, out, out_at, sizeof out);
    for (int t = 0; t < THREADS; t++)
        check_thread(s, (void *)(in + (size_t)t * IN_SLOTS * 2),
                     (void *)(out + (size_t)t * OUT_SLOTS * 2));
}

static void run_all(void)
{
    ws_buf text = {0};
    ws_err err = {0};
    ptx_module *mod = NULL;
    ptx_memory *mem = ptx_memory_new();
    ws_buf_adds(&text, ".version 9.0\n.target sm_100a\n.address_size 64\n");
    for (int k = 0; k < n_samples; k++)
        write_kernel(&text, &samples[k], k);
    bool loaded = ptx_module_load(ws_buf_z(&text), text.n, mem, &mod, &err) == WS_OK;
    if (!ok(loaded, "%d kernels load", n_samples))
        printf("# %s\n", err.msg);
    uint64_t in = ptx_memory_alloc(mem, (size_t)THREADS * IN_SLOTS * SLOT, "in");
    uint64_t out = ptx_memory_alloc(mem, (size_t)THREADS * OUT_SLOTS * SLOT, "out");
    for (int k = 0; loaded && k < n_samples; k++)
        run_sample(mod, mem, k, in, out);
    ptx_module_free(mod);
    ptx_memory_free(mem);
    ws_buf_release(&text);
}

/* One line an opcode. */
static void judge(void)
{
    for (int k = 0; k < n_samples;) {
        ws_str opcode = samples[k].m.form->opcode;
        int bad = 0, known = 0, from = k;
        for (; k < n_samples && samples[k].m.form->opcode.n == opcode.n &&
               memcmp(samples[k].m.form->opcode.p, opcode.p, opcode.n) == 0; k++) {
            bad += samples[k].bad != 0;
            known += samples[k].known;
        }
        ok(!bad, "%.*s: %d variants, %d results", WS_STR_ARG(opcode), k - from, known);
    }
}

int main(void)
{
    make_samples();
    run_all();
    judge();
    for (int k = 0; k < n_samples; k++)
        free(samples[k].text);
    free(samples);
    return tap_done();
}
