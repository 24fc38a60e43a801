/* Every basics spec's emitted kernels and every good kernel of tests/kernels/ as headers of one
 * unit. */
#include "base/file.h"
#include "base/sha256.h"
#include "reference/emit.h"
#include "results/export.h"
#include "tests/tap.h"

#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct unit {
    char dir[32];
    ws_buf text; /* the including unit */
    int n;
} unit;

/* "tests/kernels/honest/x.cu" with "k_" gives "k_x" */
static void stem(const char *path, const char *prefix, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(out, size, "%s%s", prefix, slash ? slash + 1 : path);
    out[strcspn(out, ".")] = '\0';
}

static bool export_one(unit *u, const spec *s, const char *source, const char *name)
{
    ws_buf out = {0};
    ws_err err = {0};
    char path[256], sha[WS_SHA256_HEX];
    ws_sha256_of(source, strlen(source), sha);
    db_candidate c = {.origin = "submitted",
                      .source = source,
                      .source_sha256 = sha,
                      .reason = "pass",
                      .level = VFY_EMULATED,
                      .modelled_s = NAN,
                      .measured_s = NAN};
    exp_input in = {.spec = s, .candidate = &c, .name = name};
    ws_status st = exp_header(&in, &out, &err);
    if (!st) {
        snprintf(path, sizeof path, "%s/%s.cuh", u->dir, name);
        st = ws_write_file(path, out.p, out.n, &err);
    }
    if (!ok(st == WS_OK, "%s: a header", name))
        printf("# %s\n", err.msg);
    else
        ws_buf_printf(&u->text, "#include \"%s.cuh\"\n", name), u->n++;
    ws_buf_release(&out);
    return st == WS_OK;
}

static void export_emitted(unit *u, const char *path)
{
    spec *s = NULL;
    ref_graph *g = NULL;
    ws_buf source = {0};
    ws_err err = {0};
    char name[96];
    stem(path, "e_", name, sizeof name);
    if (spec_load(path, &s, &err) || ref_graph_new(s, &g, &err) || ref_emit(g, &source, &err)) {
        ok(false, "%s: emitted", path);
        printf("# %s\n", err.msg);
    } else {
        export_one(u, s, ws_buf_z(&source), name);
    }
    ws_buf_release(&source);
    ref_graph_free(g);
    spec_free(s);
}

static void export_kernel(unit *u, const char *path)
{
    spec *s = NULL;
    ws_buf source = {0};
    ws_err err = {0};
    char name[96], spec_name[128], spec_path[160];
    stem(path, "k_", name, sizeof name);
    if (ws_read_file(path, 1 << 20, &source, &err) ||
        sscanf(ws_buf_z(&source), "// spec: %127s", spec_name) != 1) {
        ok(false, "%s: read", path);
    } else {
        snprintf(spec_path, sizeof spec_path, "specs/%s.json", spec_name);
        if (ok(spec_load(spec_path, &s, &err) == WS_OK, "%s: its spec", path))
            export_one(u, s, ws_buf_z(&source), name);
    }
    ws_buf_release(&source);
    spec_free(s);
}

static void each(unit *u, const char *pattern, void (*export)(unit *u, const char *path))
{
    glob_t g = {0};
    ok(glob(pattern, 0, NULL, &g) == 0, "%s", pattern);
    for (size_t i = 0; i < g.gl_pathc; i++)
        export(u, g.gl_pathv[i]);
    globfree(&g);
}

static void compile(unit *u)
{
    char command[512], line[512], path[64];
    ws_err err = {0};
    int lines = 0;
    snprintf(path, sizeof path, "%s/all.cu", u->dir);
    snprintf(command, sizeof command,
             "nvcc -std=c++17 -gencode arch=compute_90a,code=sm_90a "
             "-Xcompiler -Wall,-Wextra -c -o %s/all.o %s/all.cu 2>&1",
             u->dir, u->dir);
    if (system("command -v nvcc >/dev/null 2>&1") != 0) {
        skip("nvcc accepts all headers in one unit", "nvcc is not on PATH");
        return;
    }
    FILE *p = ws_write_file(path, u->text.p, u->text.n, &err) ? NULL : popen(command, "r");
    while (p && fgets(line, sizeof line, p))
        if (lines++ < 20)
            printf("# %s", line);
    ok(p && pclose(p) == 0, "nvcc accepts %d headers in one unit", u->n);
    is_int(lines, 0, "without a warning");
}

int main(void)
{
    unit u = {.dir = "/tmp/ws-export-XXXXXX"};
    char command[64];
    if (!ok(mkdtemp(u.dir) != NULL, "a directory"))
        return tap_done();
    each(&u, "specs/basics/*.json", export_emitted);
    each(&u, "tests/kernels/honest/*.cu", export_kernel);
    compile(&u);
    if (!getenv("WS_KEEP")) {
        snprintf(command, sizeof command, "rm -rf %s", u.dir);
        ok(system(command) == 0, "removed");
    }
    ws_buf_release(&u.text);
    return tap_done();
}
