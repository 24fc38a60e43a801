/* PTX that is nearly right: files of tests/ptx with a few words changed are loaded and launched.
 * Whatever comes out, an error, a finding or a result, the engine must survive it.
 *
 *   t_ptx_mutate [SEED [SECONDS]]      a crash names its seed; the mutant is in
 * build/fuzz/mutant.ptx then */
#include "base/clock.h"
#include "base/file.h"
#include "base/philox.h"
#include "harness/ptx/case.h"
#include "tests/tap.h"

#include <ctype.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILES = 400, MAX_WORDS = 4000, MAX_BYTES = 1 << 16 };

static uint64_t seed, drawn;
static ws_buf mutant;

static uint32_t pick(uint32_t n)
{
    return (uint32_t)(ws_philox_u64(seed, 0, drawn++) % (n ? n : 1));
}

static void on_crash(int sig)
{
    char text[80];
    int n = snprintf(text, sizeof text, "not ok 1 - seed %llu ends with signal %d\n",
                     (unsigned long long)seed, sig);
    ws_err err = {0};
    if (write(STDOUT_FILENO, text, (size_t)n) < 0 ||
        ws_write_file("build/fuzz/mutant.ptx", mutant.p, mutant.n, &err))
        _exit(2);
    _exit(1);
}

/* ---- mutation: words of the text change places, vanish, are doubled, or become others ---- */

static size_t split(const char *text, ws_str *word)
{
    size_t n = 0;
    for (const char *p = text; *p && n < MAX_WORDS;) {
        size_t m =
            isalnum((unsigned char)*p) || strchr("%_$", *p)
                ? strspn(p, "%_$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
                : 1;
        word[n++] = (ws_str){p, m};
        p += m;
    }
    return n;
}

static const char *const spare[] = {"0",
                                    "1",
                                    "-1",
                                    "31",
                                    "32",
                                    "4294967295",
                                    "0x7fffffffffffffff",
                                    "18446744073709551615",
                                    "0f7FC00000",
                                    "0d7FF0000000000000",
                                    "f32",
                                    "f64",
                                    "u8",
                                    "s16",
                                    "u64",
                                    "b128",
                                    "f16x2",
                                    "pred",
                                    "v2",
                                    "v4",
                                    "v8",
                                    "global",
                                    "shared",
                                    "local",
                                    "param",
                                    "const",
                                    "volatile",
                                    "%r1",
                                    "%rd1",
                                    "%p1",
                                    "%f1",
                                    "%tid",
                                    "@",
                                    "!",
                                    "{",
                                    "}",
                                    "[",
                                    "]",
                                    ";",
                                    ",",
                                    "_",
                                    "|",
                                    "-",
                                    "+",
                                    "ret",
                                    "exit",
                                    "bra",
                                    "call",
                                    "bar",
                                    "sync",
                                    "atom",
                                    "add",
                                    "cas",
                                    "ld",
                                    "st",
                                    "mov",
                                    "cvta",
                                    "to",
                                    "sat",
                                    "ftz",
                                    "wide",
                                    "hi",
                                    "1048576",
                                    "0x40000000",
                                    ".align",
                                    ".reg",
                                    ".b8",
                                    "s",
                                    "k"};

static void mutate(const char *text)
{
    static ws_str word[MAX_WORDS];
    size_t n = split(text, word);
    for (uint32_t k = 1 + pick(4); k && n; k--) {
        size_t a = pick((uint32_t)n), b = pick((uint32_t)n);
        ws_str t = word[a];
        switch (pick(5)) {
        case 0:
            word[a] = word[b];
            word[b] = t;
            break;
        case 1:
            word[a].n = 0;
            break;
        case 2:
            word[a] = word[b];
            break;
        default:
            word[a] = ws_str_of(spare[pick(WS_COUNT(spare))]);
        }
    }
    ws_buf_reset(&mutant);
    for (size_t k = 0; k < n; k++)
        ws_buf_add(&mutant, word[k].p, word[k].n);
}

/* ---- running ---- */

static void launch(const ptx_case *c, ptx_module *m, ptx_memory *mem)
{
    const ptx_case_launch *l = &c->launch[0];
    const ptx_kernel_info *info = ptx_module_find(m, l->kernel);
    _Alignas(16) uint8_t params[4096] = {0};
    for (int p = 0; info && p < info->n_params; p++) {
        const ptx_case_arg *a = p < l->n_args ? &l->arg[p] : NULL;
        uint64_t ptr = a && a->buffer >= 0 ? ptx_memory_alloc(mem, c->buffer[a->buffer].bytes,
                                                              c->buffer[a->buffer].name)
                                           : 7;
        if (a && a->buffer >= 0 && c->buffer[a->buffer].init &&
            !ptx_memory_write(mem, ptr, c->buffer[a->buffer].init, c->buffer[a->buffer].bytes))
            return;
        const void *from = a && a->buffer < 0 ? a->value : (const void *)&ptr;
        size_t n = info->param[p].size < 8 ? info->param[p].size : 8;
        if (info->param[p].offset + n <= sizeof params)
            memcpy(params + info->param[p].offset, from, n);
    }
    if (!info || info->param_bytes > sizeof params)
        return;
    ptx_options o = PTX_OPTIONS_CHECKED;
    o.max_warp_insns = 20000;
    o.threads = 1;
    o.check_race = pick(4);
    o.check_init = pick(4);
    ptx_launch_args args = {.kernel = l->kernel,
                            .params = params,
                            .dynamic_shared_bytes = l->shared,
                            .cooperative = l->cooperative};
    memcpy(args.grid, l->grid, sizeof args.grid);
    memcpy(args.block, l->block, sizeof args.block);
    memcpy(args.cluster, l->cluster, sizeof args.cluster);
    ptx_report *r = ws_calloc(1, sizeof *r);
    ptx_launch(m, mem, &args, &o, r);
    free(r);
}

/* 0 refused, 1 launched */
static int try_mutant(const ptx_case *c)
{
    ws_err err = {0};
    ptx_module *m = NULL;
    ptx_memory *mem = ptx_memory_new();
    mutate(strchr(strstr(c->text.p, "\n.version"), '.'));
    int loads = !ptx_module_load(mutant.p, mutant.n, mem, &m, &err);
    if (loads)
        launch(c, m, mem);
    ptx_module_free(m);
    ptx_memory_free(mem);
    return loads;
}

int main(int argc, char **argv)
{
    static ptx_case cases[MAX_FILES];
    double seconds = argc > 2 ? atof(argv[2]) : 2;
    int64_t start = ws_now_ns();
    glob_t g = {0};
    size_t n = 0, loaded = 0, tried = 0;
    ws_err err = {0};
    if (glob("tests/ptx/*.ptx", 0, NULL, &g) || ws_make_dirs("build/fuzz", &err))
        return 1;
    for (size_t f = 0; f < g.gl_pathc && n < MAX_FILES; f++)
        if (!ptx_case_load(g.gl_pathv[f], &cases[n], &err) && cases[n].text.n < MAX_BYTES &&
            cases[n].n_launches)
            n++;
    int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL};
    for (size_t s = 0; s < WS_COUNT(crashes) && !getenv("ASAN_OPTIONS"); s++)
        signal(crashes[s], on_crash);
    for (seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
         !tried || ws_seconds_since(start) < seconds; seed++, tried++) {
        drawn = 0;
        loaded += (size_t)try_mutant(&cases[pick((uint32_t)n)]);
    }
    ok(tried > 0, "%zu mutants of %zu files, %zu of them ran", tried, n, loaded);
    for (size_t k = 0; k < n; k++)
        ptx_case_release(&cases[k]);
    ws_buf_release(&mutant);
    globfree(&g);
    return tap_done();
}
