/* The table of instruction forms: every form, with each of its words in turn, is made into an instruction that the
 * engine must execute and that ptxas must accept for some GPU. */
#include "base/file.h"
#include "base/proc.h"
#include "harness/ptx/engine.h"
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
    ws_buf_printf(out, ".version 9.0\n.target %s\n.address_size 64\n.visible .entry k(.param .u64 a)\n{\n", target);
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
    if (!ok(ptx_parse(&arena, ws_buf_z(&text), text.n, &ast, &err) == WS_OK, "samples of all forms parse"))
        printf("# %s\n", err.msg);
    ptx_program *p = ast ? ptx_program_new(ast, ptx_ast_find(ast, "k"), &info) : NULL;
    for (uint32_t i = 0; p && i < p->code[0]->n; i++)
        if (!p->code[0]->insn[i].match) {
            printf("# %.*s: %s\n", WS_STR_ARG(p->code[0]->insn[i].ast->text), (const char *)p->code[0]->insn[i].aux);
            bad++;
        }
    is_int(bad, 0, "the engine has all that the table says");
    ptx_program_free(p);
    ws_arena_release(&arena);
    ws_buf_release(&text);
}

/* Adds the lines that ptxas names in its errors about the others; how many, -1: it could not be run. */
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
        if (line > 0 && line < n_lines && (strncmp(what, "; error", 7) == 0 || strncmp(what, "; fatal", 7) == 0)) {
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

int main(void)
{
    make_samples();
    ok(n_samples > 1000, "%d samples; of %d words the operands are the decoder's own", n_samples, n_left_out);
    test_engine();
    test_ptxas();
    for (int s = 0; s < n_samples; s++)
        free(samples[s].text);
    return tap_done();
}
