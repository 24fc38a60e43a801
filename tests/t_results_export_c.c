/* C headers of honest kernels: compiled as C11 and C++17 by whoever is there without a warning, all
 * of them in one unit and each in its own, linked into one program, whose self-tests run over the
 * CPU driver.
 *
 *   t_results_export_c          some kernels, of each kind that launches differently
 *   t_results_export_c all      every honest kernel (make check-export) */
#include "base/file.h"
#include "base/sha256.h"
#include "results/export.h"
#include "tests/tap.h"

#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

/* A name before '=' is that of the export: two kernels of one spec share it. */
static const char *const sample[] = {
    "softmax=softmax_online",    "softmax=softmax_exp2",     "batch_norm_three_kernels",
    "layer_norm_cluster_shared", "row_sum_grid_sync",        "argmax_pairs",
    "matmul_f16_wgmma_shared",   "cache_append_grid_stride",
    "transpose_tma_tiles",       NULL};

typedef struct unit {
    char dir[64];
    comp_service *comp;
    ws_buf together; /* #include of each header */
    ws_buf calls;    /* of each self-test */
    int n;
} unit;

static int run_shell(const char *command, ws_buf *out)
{
    char part[4096];
    size_t n;
    FILE *p = popen(command, "r");
    if (!p)
        return -1;
    while ((n = fread(part, 1, sizeof part, p)) > 0)
        ws_buf_add(out, part, n);
    return pclose(p);
}

static bool has_tool(const char *name)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

static bool write_to(const unit *u, const char *name, const char *suffix, const ws_buf *text)
{
    char path[256];
    ws_err err = {0};
    snprintf(path, sizeof path, "%s/%s%s", u->dir, name, suffix);
    ws_status st = ws_write_file(path, text->p, text->n, &err);
    if (st)
        printf("# %s\n", err.msg);
    return !st;
}

/* The symbol in the header's evidence, "softmax_1a2b3c4d". */
static bool find_symbol(const char *header, char *out, size_t size)
{
    const char *p = strstr(header, "\"symbol\": \"");
    if (!p)
        return false;
    snprintf(out, size, "%.*s", (int)strcspn(p + 11, "\""), p + 11);
    return true;
}

/* The header, a unit that includes it, and its line in the program. */
static void add(unit *u, const spec *s, const char *source, const char *name, const char *file)
{
    ws_buf text = {.max = EXP_MAX_BYTES}, own = {0};
    ws_err err = {0};
    char sha[WS_SHA256_HEX], symbol[128] = "";
    const char *arch = strstr(source, "arch: sm_90a") ? "sm_90a" : "sm_90";
    ws_sha256_of(source, strlen(source), sha);
    db_run run = {.name = "a-run", .arch = arch};
    db_candidate c = {.origin = "submitted",
                      .source = source,
                      .source_sha256 = sha,
                      .reason = "pass",
                      .level = VFY_EMULATED,
                      .modelled_s = NAN,
                      .measured_s = NAN};
    exp_input in = {.spec = s, .candidate = &c, .run = &run, .name = name, .compiler = u->comp};
    bool good = exp_text(exp_format_named("header"), &in, &text, &err) == WS_OK &&
                find_symbol(ws_buf_z(&text), symbol, sizeof symbol);
    if (good) {
        ws_buf_printf(&own,
                      "#include \"%s.h\"\nint test_%s(char *text, size_t size)\n{\n"
                      "    return %s_selftest_report(text, size);\n}\n",
                      file, file, symbol);
        good = write_to(u, file, ".h", &text) && write_to(u, file, ".c", &own);
        ws_buf_printf(&u->together, "#include \"%s.h\"\n", file);
        ws_buf_printf(&u->calls, "X(%s)\n", file);
        u->n++;
    }
    if (!good)
        printf("# %s\n", err.msg);
    ok(good, "%s: a header", file);
    ws_buf_release(&text);
    ws_buf_release(&own);
}

/* A kernel of tests/kernels/honest, exported as `name` (NULL: as its file). */
static void add_kernel(unit *u, const char *path, const char *name)
{
    spec *s = NULL;
    ws_buf source = {0};
    ws_err err = {0};
    char file[96], spec_name[128], spec_path[160];
    const char *slash = strrchr(path, '/');
    snprintf(file, sizeof file, "k_%s", slash ? slash + 1 : path);
    file[strcspn(file, ".")] = '\0';
    if (ws_read_file(path, 1 << 20, &source, &err) ||
        sscanf(ws_buf_z(&source), "// spec: %127s", spec_name) != 1) {
        ok(false, "%s: read", path);
    } else {
        snprintf(spec_path, sizeof spec_path, "specs/%s.json", spec_name);
        if (ok(spec_load(spec_path, &s, &err) == WS_OK, "%s: its spec", file))
            add(u, s, ws_buf_z(&source), name ? name : file, file);
    }
    ws_buf_release(&source);
    spec_free(s);
}

static void add_sample(unit *u)
{
    for (int i = 0; sample[i]; i++) {
        char path[160], name[64];
        const char *equals = strchr(sample[i], '=');
        snprintf(path, sizeof path, "tests/kernels/honest/%s.cu", equals ? equals + 1 : sample[i]);
        snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - sample[i]) : 0, sample[i]);
        add_kernel(u, path, equals ? name : NULL);
    }
}

static void add_all(unit *u)
{
    glob_t g = {0};
    ok(glob("tests/kernels/honest/*.cu", 0, NULL, &g) == 0, "the honest kernels");
    for (size_t i = 0; i < g.gl_pathc; i++)
        add_kernel(u, g.gl_pathv[i], NULL);
    globfree(&g);
}

/* ---- compilers ---- */

static void check_quiet(const char *command, const char *what)
{
    ws_buf out = {0};
    int status = run_shell(command, &out);
    if (!ok(status == 0 && out.n == 0, "%s", what))
        printf("# status %d\n# %.2000s\n", status, ws_buf_z(&out));
    ws_buf_release(&out);
}

/* All headers in one unit, twice, among macros that other programs have. */
static void check_compilers(unit *u)
{
    static const struct {
        const char *tool, *flags;
    } compilers[] = {{"gcc", "-std=c11 -pedantic -Wshadow"},
                     {"clang", "-std=c11 -pedantic -Wshadow"},
                     {"g++", "-std=c++17 -x c++"},
                     {"clang++", "-std=c++17 -x c++"}};
    ws_buf text = {0};
    char command[1024], what[160];
    ws_buf_printf(&text,
                  "#define N 77\n#define B 5\n#define WS_API broken\n%s%s#if N != 77 || B != 5\n"
                  "#error \"a macro leaked\"\n#endif\nint nothing(void);\n",
                  ws_buf_z(&u->together), ws_buf_z(&u->together));
    ok(write_to(u, "together", ".c", &text), "written");
    for (size_t i = 0; i < WS_COUNT(compilers); i++) {
        snprintf(what, sizeof what, "%s %s takes %d headers in one unit without a warning",
                 compilers[i].tool, compilers[i].flags, u->n);
        snprintf(command, sizeof command,
                 "%s %s -Wall -Wextra -Werror -fsyntax-only %s/together.c 2>&1", compilers[i].tool,
                 compilers[i].flags, u->dir);
        if (has_tool(compilers[i].tool))
            check_quiet(command, what);
        else
            skip(what, "it is not installed");
    }
    ws_buf_release(&text);
}

/* ---- the program ---- */

static const char main_head[] =
    "#include <stdio.h>\n#include <stddef.h>\n"
    "#define X(name) int test_##name(char *text, size_t size);\n#include \"list.h\"\n#undef X\n"
    "static int one(const char *name, int (*test)(char *, size_t))\n{\n"
    "    char text[400];\n    int code = test(text, sizeof text);\n"
    "    printf(\"%s %d %s\\n\", name, code, text);\n    return code != 0;\n}\n"
    "int main(void)\n{\n    int failed = 0;\n"
    "#define X(name) failed += one(#name, test_##name);\n#include \"list.h\"\n"
    "    return failed ? 1 : 0;\n}\n";

/* One of the units is C++: both languages share what the headers define. */
static bool build_program(unit *u)
{
    char command[2048];
    ws_buf text = {0};
    ws_buf_adds(&text, main_head);
    bool good = write_to(u, "main", ".c", &text) && write_to(u, "list", ".h", &u->calls);
    ws_buf_reset(&text);
    ws_buf_printf(&text, "%s\nint everything(void) { return 0; }\n", ws_buf_z(&u->together));
    good = good && write_to(u, "other", ".cc", &text);
    ws_buf_release(&text);
    ok(good, "the program's source");
    snprintf(command, sizeof command,
             "cd %s && rm together.c && for f in *.c; do gcc -std=c11 -O1 -Wall -Wextra -Werror -c "
             "$f || exit 1;"
             " done 2>&1 && g++ -std=c++17 -Wall -Wextra -Werror -c other.cc 2>&1 && "
             "g++ -o all *.o -ldl 2>&1",
             u->dir);
    check_quiet(command, "gcc and g++ compile the units, and they link");
    return tap_failed == 0;
}

static void check_selftests(unit *u)
{
    ws_buf out = {0}, driver = {0};
    char command[512];
    ws_home_path(&driver, "build/libwarpsmith-cuda.so");
    if (access(ws_buf_z(&driver), R_OK) != 0) {
        skip("the self-tests pass over the CPU driver", "it is not built");
    } else {
        snprintf(command, sizeof command, "WARPSMITH_CUDA_DRIVER=%s %s/all 2>&1", ws_buf_z(&driver),
                 u->dir);
        int status = run_shell(command, &out), right = 0;
        for (char *p = out.p, *line; (line = strsep(&p, "\n"));) {
            char name[128];
            int code;
            if (sscanf(line, "%127s %d", name, &code) != 2)
                continue;
            right += code == 0 && strstr(line, "elements are right");
            if (code)
                printf("# %s\n", line);
        }
        is_int(status, 0, "the program ends well");
        is_int(right, u->n, "every self-test passes over the CPU driver");
    }
    snprintf(command, sizeof command, "WARPSMITH_CUDA_DRIVER=/nonexistent.so %s/all 2>&1", u->dir);
    ws_buf_reset(&out);
    ok(run_shell(command, &out) != 0, "without a driver they fail");
    has_str(ws_buf_z(&out), "-1 no CUDA driver: libcuda.so.1", "and say why");
    ws_buf_release(&out);
    ws_buf_release(&driver);
}

int main(int argc, char **argv)
{
    unit u = {
        .dir = "/tmp/ws-export-XXXXXX", .together = {.max = 1 << 24}, .calls = {.max = 1 << 24}};
    ws_err err = {0};
    char command[128];
    if (!ok(mkdtemp(u.dir) && comp_service_open(&(comp_service_options){0}, &u.comp, &err) == WS_OK,
            "a directory and the compiler")) {
        printf("# %s\n", err.msg);
        return tap_done();
    }
    if (argc > 1 && strcmp(argv[1], "all") == 0)
        add_all(&u);
    else
        add_sample(&u);
    check_compilers(&u);
    if (build_program(&u))
        check_selftests(&u);
    comp_service_close(u.comp);
    if (!getenv("WS_KEEP")) {
        snprintf(command, sizeof command, "rm -rf %s", u.dir);
        ok(system(command) == 0, "removed");
    }
    ws_buf_release(&u.together);
    ws_buf_release(&u.calls);
    return tap_done();
}
