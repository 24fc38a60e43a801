/* The table of instruction forms: every form, with each of its words in turn, is made into an
 * instruction that the engine must execute and that ptxas must accept for some GPU. */
#include "base/file.h"
#include "base/proc.h"
#include "harness/ptx/engine.h"
#include "tests/ptx_run.h"
#include "tests/ptx_sample.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <unistd.h>

static const char ptxas[] = WS_CUDA_HOME "/bin/ptxas";
enum { MAX_SAMPLES = 8192 };

typedef struct sample {
    char *text;
    bool accepted; /* by ptxas, for some target */
} sample;
static sample samples[MAX_SAMPLES];
static int n_samples, n_left_out, first_line;

static void make_samples(void)
{
    int n;
    ptx_form *forms = ptx_forms(&n);
    for (int f = 0; f < n; f++)
        for (int w = -1; w < forms[f].n_words; w++)
            for (int other = 0; other < 2; other++) {
                ptx_match m;
                ws_buf text = {0};
                sample_words(&forms[f], w, other, &m);
                if (sample_text(&m, &text))
                    samples[n_samples++].text = ws_buf_take(&text);
                else
                    n_left_out += !other;
                ws_buf_release(&text);
            }
}

/* `left_out`: lines that are empty; NULL: none. */
static void module_text(const char *target, const bool *left_out, ws_buf *out)
{
    ws_buf_printf(
        out, ".version 9.0\n.target %s\n.address_size 64\n.visible .entry k(.param .u64 a)\n{\n",
        target);
    ws_buf_adds(out, sample_declarations);
    first_line = 1;
    for (const char *p = ws_buf_z(out); (p = strchr(p, '\n')); p++)
        first_line++;
    for (int s = 0; s < n_samples; s++)
        ws_buf_printf(out, "%s%s\n", left_out && left_out[first_line + s] ? "" : samples[s].text,
                      left_out && left_out[first_line + s] ? "" : ";");
    ws_buf_adds(out, "ret;\n}\n");
}

static void test_engine(void)
{
    ws_buf text = {0};
    ws_arena arena = {0};
    ws_err err = {0};
    ptx_ast *ast = NULL;
    ptx_kernel_info info = {.name = "k"};
    int bad = 0;
    module_text("sm_90a", NULL, &text);
    if (!ok(ptx_parse(&arena, ws_buf_z(&text), text.n, &ast, &err) == WS_OK,
            "samples of all forms parse"))
        printf("# %s\n", err.msg);
    ptx_program *p = ast ? ptx_program_new(ast, ptx_ast_find(ast, "k"), &info) : NULL;
    for (uint32_t i = 0; p && i < p->code[0]->n; i++)
        if (!p->code[0]->insn[i].match) {
            printf("# %.*s: %s\n", WS_STR_ARG(p->code[0]->insn[i].ast->text),
                   (const char *)p->code[0]->insn[i].aux);
            bad++;
        }
    is_int(bad, 0, "the engine has all that the table says");
    ptx_program_free(p);
    ws_arena_release(&arena);
    ws_buf_release(&text);
}

/* Adds the lines that ptxas names in its errors about the others; how many, -1: it could not be
 * run. */
static int assemble(const char *target, bool *bad_line, int n_lines)
{
    char path[] = "/tmp/warpsmith-ops-XXXXXX", option[32];
    ws_buf text = {0}, output = {0};
    ws_err err = {0};
    ws_proc p = {0};
    ws_proc_result r = {0};
    int fd = mkstemp(path), found = 0;
    if (fd < 0)
        return -1;
    module_text(target, bad_line, &text);
    snprintf(option, sizeof option, "-arch=%s", target);
    const char *argv[] = {ptxas, option, path, "-o", "/dev/null", NULL};
    bool ran = write(fd, text.p, text.n) == (ssize_t)text.n &&
               !ws_proc_spawn(&(ws_proc_options){.argv = argv, .keep_output = true}, &p, &err) &&
               !ws_proc_wait(&p, 0, &output, &r, &err);
    for (const char *at = ws_buf_z(&output); ran && (at = strstr(at, ", line ")); at += 7) {
        int line = atoi(at + 7);
        const char *what = at + 7 + strspn(at + 7, "0123456789");
        if (line > 0 && line < n_lines &&
            (strncmp(what, "; error", 7) == 0 || strncmp(what, "; fatal", 7) == 0)) {
            found += !bad_line[line];
            bad_line[line] = true;
        }
    }
    close(fd);
    unlink(path);
    ws_buf_release(&text);
    ws_buf_release(&output);
    return ran ? found : -1;
}

static void test_ptxas(void)
{
    static const char *const targets[] = {"sm_90a", "sm_100a", "sm_120a"};
    int n_lines = first_line + n_samples, bad = 0;
    if (access(ptxas, X_OK) != 0) {
        skip("ptxas accepts the forms", "there is no " WS_CUDA_HOME "/bin/ptxas");
        return;
    }
    for (size_t t = 0; t < WS_COUNT(targets); t++) {
        bool *bad_line = ws_calloc((size_t)n_lines, sizeof *bad_line);
        int found;
        do /* some errors it only looks for when there are no others */
            found = assemble(targets[t], bad_line, n_lines);
        while (found > 0);
        ok(found == 0, "ptxas ran for %s", targets[t]);
        for (int s = 0; s < n_samples; s++)
            samples[s].accepted |= !bad_line[first_line + s];
        free(bad_line);
    }
    for (int s = 0; s < n_samples; s += 2) /* a type may not go with itself: two are tried */
        if (!samples[s].accepted && !samples[s + 1].accepted) {
            printf("# %s; %s\n", samples[s].text, samples[s + 1].text);
            bad++;
        }
    is_int(bad, 0, "ptxas accepts all that the table says");
}

/* ---- results ----
 * The registers of what a form calls a result are free before it: it must not read them. */

static const struct {
    ptx_type type;
    const char *fill, *source, *store; /* of a register */
} places[] = {
    {PTX_b16, "mov.b16 %%h%d, %s;\n", "0x3c00", "st.global.b16 [%%q93+%d], %%h%d;\n"},
    {PTX_b32, "mov.b32 %%r%d, %s;\n", "-1", "st.global.b32 [%%q93+%d], %%r%d;\n"},
    {PTX_f32, "mov.b32 %%f%d, %s;\n", "0x3fc00000", "st.global.f32 [%%q93+%d], %%f%d;\n"},
    {PTX_b64, "mov.b64 %%q%d, %s;\n", "0x3ff8000000000000", "st.global.b64 [%%q93+%d], %%q%d;\n"},
    {PTX_f64, "mov.b64 %%g%d, %s;\n", "0x3ff8000000000000", "st.global.f64 [%%q93+%d], %%g%d;\n"},
    {PTX_b128, "mov.b128 %%x%d, %s;\n", "5", "st.global.b128 [%%q93+%d], %%x%d;\n"},
    {PTX_pred, "setp.ne.s32 %%p%d, %s, 0;\n", "1",
     "selp.b32 %%r95, 1, 2, %%p%2$d;\nst.global.b32 [%%q93+%1$d], %%r95;\n"},
};

static size_t place_of(const ptx_spec *s, const ptx_match *m)
{
    const char *name = s->kind == PTX_SPEC_PRED_DST ? "%p" : sample_register(sample_type(s, m));
    size_t k = 0;
    while (strcmp(sample_register(places[k].type), name) != 0)
        k++;
    return k;
}

/* What computes in registers alone, of which operand 0 is the result. */
static bool gives_result(const ptx_form *f)
{
    static const char *const others[] = {"mapa", "getctarank", "alloca", "stacksave",
                                         "createpolicy", NULL};
    bool good = f->n_operands > 0 && f->results == 1 && f->row->unit < PTX_UNIT_BARRIER &&
                f->row->unit != PTX_UNIT_BRANCH && f->row->unit != PTX_UNIT_MEM &&
                !sample_is_byte(&f->operand[0]);
    for (int o = 0; o < f->n_operands; o++)
        good &= f->operand[o].kind != PTX_SPEC_SREG;
    for (int o = 0; others[o]; o++)
        good &= !ws_str_eqz(f->opcode, others[o]);
    return good || f->row->unit == PTX_UNIT_SHUFFLE;
}

enum { RESULT_BYTES = 16, RESULT_MAX = 8192 };

/* The kernel that leaves every result in its buffer, with `fill` in the registers before. */
static int results_text(const char *fill, ws_buf *out)
{
    int n, count = 0;
    ptx_form *forms = ptx_forms(&n);
    ws_buf_printf(out, ".version 9.0\n.target sm_100a\n.visible .entry k(.param .u64 a)\n{\n%s",
                  sample_declarations);
    ws_buf_adds(out, "ld.param.u64 %q93, [a];\n");
    for (int r = 8; r < 80; r += 8)
        for (size_t k = 0; k < WS_COUNT(places); k++)
            ws_buf_printf(out, places[k].fill, r, places[k].source);
    for (int f = 0; f < n; f++)
        for (int w = -1; w < forms[f].n_words; w++) {
            ptx_match m;
            ws_buf text = {0};
            sample_words(&forms[f], w, 0, &m);
            if (gives_result(&forms[f]) && sample_text(&m, &text)) {
                size_t k = place_of(&forms[f].operand[0], &m);
                ws_buf_printf(out, places[k].fill, 0, fill);
                if (forms[f].operand[0].pair)
                    ws_buf_printf(out, places[6].fill, SAMPLE_SECOND, fill);
                ws_buf_printf(out, "%s;\n", ws_buf_z(&text));
                ws_buf_printf(out, places[k].store, RESULT_BYTES * count++, 0);
                if (forms[f].operand[0].pair)
                    ws_buf_printf(out, places[6].store, RESULT_BYTES * count++, SAMPLE_SECOND);
            }
            ws_buf_release(&text);
        }
    ws_buf_adds(out, "ret;\n}\n");
    return count;
}

static void test_results(void)
{
    static uint8_t got[2][RESULT_MAX][RESULT_BYTES];
    int count = 0, bad = 0;
    for (int k = 0; k < 2; k++) {
        ws_buf text = {0};
        count = results_text(k ? "0x1234" : "0", &text);
        run_case c = {.buffer = {{got[k], sizeof got[k], true, "got", true}}, .n_buffers = 1,
                      .unchecked = true};
        if (!ok(count < RESULT_MAX && run_ptx(ws_buf_z(&text), &c), "%d results", count))
            printf("# %s\n", run_fault());
        ws_buf_release(&text);
    }
    for (int r = 0; r < count; r++)
        if (memcmp(got[0][r], got[1][r], RESULT_BYTES) != 0) {
            printf("# result %d follows from what was in its register\n", r);
            bad++;
        }
    is_int(bad, 0, "no form reads what it calls a result");
}

int main(void)
{
    make_samples();
    ok(n_samples > 1000, "%d samples; of %d words the operands are the decoder's own", n_samples,
       n_left_out);
    test_engine();
    test_ptxas();
    test_results();
    for (int s = 0; s < n_samples; s++)
        free(samples[s].text);
    return tap_done();
}
