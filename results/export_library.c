#include "results/export_library.h"

#include "base/file.h"
#include "results/export_c.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KERNELS = 20000 };

/* A header of the library. */
typedef struct entry {
    const char *spec, *sha256, *gpu, *arch, *file, *dims, *run, *level;
    double seconds;
    bool measured;
    int operation; /* index of its operation */
    exp_c_api api;
} entry;

/* Kernels that are called alike: one spec, whatever its dims are. */
typedef struct operation {
    const char *spec, *name; /* name: a C identifier */
    const exp_c_api *api;    /* of its first entry */
} operation;

typedef struct library {
    db_archive *db;
    const exp_library_options *o;
    ws_arena a;
    entry *entry;
    size_t n, cap;
    operation *op;
    size_t n_ops, ops_cap;
    ws_buf left_out; /* a line each */
    int n_left_out;
} library;

/* ---- choosing ---- */

static int already(const library *l, const char *sha, const char *gpu, const char *arch)
{
    int n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += strcmp(l->entry[i].sha256, sha) == 0 && strcmp(l->entry[i].gpu, gpu) == 0 &&
             strcmp(l->entry[i].arch, arch) == 0;
    return n;
}

static bool same_api(const exp_c_api *a, const exp_c_api *b)
{
    bool same = a->n == b->n;
    for (int i = 0; same && i < a->n; i++)
        same = strcmp(a->name[i], b->name[i]) == 0 && strcmp(a->type[i], b->type[i]) == 0 &&
               strcmp(a->comment[i], b->comment[i]) == 0;
    return same;
}

/* The whole name of a spec as an identifier; "op_" where it begins with a digit. */
static char *identifier(library *l, const char *spec_name)
{
    char *z = ws_arena_printf(&l->a, "op_%.100s", spec_name);
    exp_identifier(z);
    return z[3] >= '0' && z[3] <= '9' ? z : z + 3;
}

/* Specs of one name and other tensors are other operations. */
static int operation_of(library *l, const char *spec_name, const exp_c_api *api)
{
    int same_name = 0;
    for (size_t i = 0; i < l->n_ops; i++) {
        if (strcmp(l->op[i].spec, spec_name) != 0)
            continue;
        if (same_api(l->op[i].api, api))
            return (int)i;
        same_name++;
    }
    WS_GROW(l->op, l->n_ops, l->ops_cap);
    const char *name = identifier(l, spec_name);
    l->op[l->n_ops] =
        (operation){ws_arena_strdup(&l->a, spec_name),
                    same_name ? ws_arena_printf(&l->a, "%s_%d", name, same_name + 1) : name, api};
    return (int)l->n_ops++;
}

/* What outlives the job that `api` was made in. */
static void keep_api(library *l, exp_c_api *api)
{
    const char **lists[] = {api->type, api->name, api->comment};
    for (int k = 0; k < 3; k++) {
        const char **own = WS_ARENA_NEW(&l->a, const char *, api->n + 1);
        for (int i = 0; i < api->n; i++)
            own[i] = ws_arena_strdup(&l->a, lists[k][i]);
        *(k == 0 ? &api->type : k == 1 ? &api->name : &api->comment) = own;
    }
}

/* ---- one header ---- */

static ws_status write_header(library *l, exp_job *j, entry *e, ws_err *err)
{
    ws_buf text = {.max = EXP_MAX_BYTES}, path = {0}, dims = {0};
    ws_env env = spec_env(j->in->spec, -1);
    ws_status st = exp_write_c(j, &text, err);
    exp_c_describe(j, &e->api);
    keep_api(l, &e->api);
    spec_env_print(&env, &dims);
    e->dims = ws_arena_strdup(&l->a, dims.n ? ws_buf_z(&dims) : "");
    e->file = ws_arena_printf(&l->a, "%s.h", e->api.id);
    ws_buf_printf(&path, "%s/%s", l->o->dir, e->file);
    if (!st)
        st = ws_write_file(ws_buf_z(&path), text.p, text.n, err);
    ws_buf_release(&text);
    ws_buf_release(&path);
    ws_buf_release(&dims);
    return st;
}

static ws_status export_kernel(library *l, const db_run *r, const db_kernel *k, ws_err *err)
{
    spec *s = NULL;
    exp_job j = {0};
    const db_candidate *c = &k->candidate;
    entry e = {.spec = r->spec_name,
               .sha256 = r->spec_sha256,
               .run = ws_arena_strdup(&l->a, r->name),
               .gpu = c->gpu ? c->gpu : "",
               .arch = r->arch ? r->arch : "sm_90",
               .measured = c->measured_s > 0,
               .level = vfy_level_name((vfy_level)c->level)};
    exp_input in = {.candidate = c,
                    .run = r,
                    .name = identifier(l, r->spec_name),
                    .compiler = l->o->compiler,
                    .arch = l->o->arch,
                    .n_archs = l->o->n_archs};
    e.seconds = e.measured ? c->measured_s : c->modelled_s;
    ws_status st = spec_from_text(r->spec_json, strlen(r->spec_json), r->spec_name, &s, err);
    in.spec = s;
    if (!st)
        st = db_verdict_json(l->db, c->id, &l->a, &in.verdict_json, err);
    if (!st) {
        st = exp_job_open(&j, &in, err);
        if (!st)
            st = write_header(l, &j, &e, err);
        exp_job_close(&j);
    }
    spec_free(s);
    if (st)
        return st;
    WS_GROW(l->entry, l->n, l->cap);
    exp_c_api *api = WS_ARENA_NEW(&l->a, exp_c_api, 1);
    *api = e.api;
    e.operation = operation_of(l, r->spec_name, api);
    l->entry[l->n++] = e;
    return WS_OK;
}

/* A kernel that cannot be exported does not stop the others; the world's failures do. */
static ws_status take_kernel(library *l, const db_kernel *k, ws_err *err)
{
    db_run *r = WS_ARENA_NEW(&l->a, db_run, 1);
    const int best = l->o->best > 0 ? l->o->best : 1;
    db_candidate c;
    if (db_run_find(l->db, k->run_name, &l->a, r, err) ||
        db_candidate_get(l->db, k->candidate.id, &l->a, &c, err))
        return err->status;
    const char *gpu = c.gpu ? c.gpu : "", *arch = r->arch ? r->arch : "sm_90";
    if (already(l, r->spec_sha256, gpu, arch) >= best)
        return WS_OK;
    db_kernel own = *k;
    own.candidate = c;
    ws_err why = {0};
    ws_status st = export_kernel(l, r, &own, &why);
    if (st != WS_EINPUT && st != WS_ELIMIT && st != WS_EUSAGE) {
        *err = why;
        return st;
    }
    ws_buf_printf(&l->left_out, "- %s on %s, candidate #%" PRId64 " of run %s: %s\n", r->spec_name,
                  gpu, c.id, r->name, why.msg);
    l->n_left_out++;
    return WS_OK;
}

/* ---- the order ---- */

/* By operation; there the measured before the modelled, and the fast ones first. */
static int by_speed(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->operation != y->operation)
        return x->operation - y->operation;
    if (x->measured != y->measured)
        return x->measured ? -1 : 1;
    if (x->seconds != y->seconds)
        return x->seconds < y->seconds || isnan(y->seconds) ? -1 : 1;
    return strcmp(x->api.id, y->api.id);
}

/* ---- dispatch.h ---- */

static void put_args(const operation *op, ws_buf *out)
{
    ws_buf_printf(out, "/* %s */\ntypedef struct best_%s_args {\n", op->spec, op->name);
    for (int i = 0; i < op->api->n; i++) {
        ws_buf_printf(out, "    %s%s;", op->api->type[i], op->api->name[i]);
        ws_buf_printf(out, *op->api->comment[i] ? " /* %s */\n" : "\n", op->api->comment[i]);
    }
    ws_buf_printf(
        out,
        "    void *workspace; /* best_%s_workspace() bytes of device memory, aligned to 256 */\n"
        "    size_t workspace_bytes;\n    void *stream;\n} best_%s_args;\n\n",
        op->name, op->name);
}

/* One kernel with the common arguments. `what`, of the text: 0 how well it fits the GPU, 1 whether
 * the extents are served, 2 its workspace, 3 the launch. */
static void put_entry(const operation *op, const entry *e, int index, ws_buf *out)
{
    ws_buf_printf(
        out,
        "/* %s on %s, %s at %s. `what`: 0 fit, 1 check, 2 workspace, 3 launch */\n"
        "WARPSMITH_DISPATCH int best_%s_%d(const best_%s_args *c, int what, size_t *bytes)\n{\n"
        "    %s_args a;\n",
        e->file, *e->gpu ? e->gpu : "an unnamed GPU", e->measured ? "measured" : "modelled",
        e->dims, op->name, index, op->name, e->api.id);
    ws_buf_adds(out, "    if (what == 0)\n");
    ws_buf_printf(out, "        return %s_fits();\n    memset(&a, 0, sizeof a);\n", e->api.id);
    for (int i = 0; i < op->api->n; i++)
        ws_buf_printf(out, "    a.%s = c->%s;\n", op->api->name[i], op->api->name[i]);
    if (e->api.has_workspace)
        ws_buf_adds(
            out, "    a.workspace = c->workspace;\n    a.workspace_bytes = c->workspace_bytes;\n");
    ws_buf_printf(out,
                  "    a.stream = c->stream;\n    *bytes = 0;\n"
                  "    return what == 1   ? %s_check(&a)\n"
                  "           : what == 2 ? %s_workspace(&a, bytes)\n"
                  "                       : %s_launch(&a);\n}\n\n",
                  e->api.id, e->api.id, e->api.id);
}

static void put_operation(const library *l, int index, ws_buf *out)
{
    const operation *op = &l->op[index];
    int n = 0;
    put_args(op, out);
    for (size_t i = 0; i < l->n; i++)
        if (l->entry[i].operation == index)
            put_entry(op, &l->entry[i], n++, out);
    ws_buf_printf(out,
                  "WARPSMITH_DISPATCH int best_%s_call(int i, const best_%s_args *a, int what, "
                  "size_t *bytes)\n"
                  "{\n    switch (i) {\n",
                  op->name, op->name);
    for (int i = 0; i + 1 < n; i++)
        ws_buf_printf(out, "    case %d: return best_%s_%d(a, what, bytes);\n", i, op->name, i);
    ws_buf_printf(out, "    default: return best_%s_%d(a, what, bytes);\n    }\n}\n\n", op->name,
                  n - 1);
    ws_buf_printf(
        out,
        "/* The kernel that serves these extents best on the current GPU: machine code for it "
        "before other\n"
        " * binaries, then the faster one; -1: none, and *code says why the last one does not. */\n"
        "WARPSMITH_DISPATCH int best_%s_choose(const best_%s_args *a, int *code)\n{\n"
        "    size_t unused;\n"
        "    *code = WARPSMITH_E_IMAGE;\n"
        "    for (int want = 2; want > 0; want--)\n"
        "        for (int i = 0; i < %d; i++) {\n"
        "            const int fits = best_%s_call(i, a, 0, &unused);\n"
        "            if (fits < 0 || fits > 2) {\n"
        "                *code = fits < 0 ? fits : fits - 1000;\n"
        "                return -1;\n"
        "            }\n"
        "            if (fits != want)\n                continue;\n"
        "            *code = best_%s_call(i, a, 1, &unused);\n"
        "            if (!*code)\n                return i;\n"
        "        }\n"
        "    return -1;\n}\n\n",
        op->name, op->name, n, op->name, op->name);
    ws_buf_printf(
        out,
        "/* Bytes of workspace that it needs. */\n"
        "WARPSMITH_DISPATCH int best_%s_workspace(const best_%s_args *a, size_t *bytes)\n{\n"
        "    int code, i = best_%s_choose(a, &code);\n"
        "    *bytes = 0;\n"
        "    return i < 0 ? code : best_%s_call(i, a, 2, bytes);\n}\n\n"
        "/* Enqueues it; codes are those of the headers. */\n"
        "WARPSMITH_DISPATCH int best_%s_launch(const best_%s_args *a)\n{\n"
        "    size_t unused;\n"
        "    int code, i = best_%s_choose(a, &code);\n"
        "    return i < 0 ? code : best_%s_call(i, a, 3, &unused);\n}\n\n",
        op->name, op->name, op->name, op->name, op->name, op->name, op->name, op->name);
    ws_buf_printf(out,
                  "/* Its symbol, \"softmax_1a2b3c4d\"; a null pointer where none serves. */\n"
                  "WARPSMITH_DISPATCH const char *best_%s_which(const best_%s_args *a)\n{\n"
                  "    static const char *const names[] = {",
                  op->name, op->name);
    for (size_t i = 0, k = 0; i < l->n; i++)
        if (l->entry[i].operation == index)
            ws_buf_printf(out, "%s\"%s\"", k++ ? ", " : "", l->entry[i].api.id);
    ws_buf_printf(out,
                  "};\n    int code, i = best_%s_choose(a, &code);\n    return i < 0 ? NULL : "
                  "names[i];\n}\n\n",
                  op->name);
}

static void put_dispatch(const library *l, ws_buf *out)
{
    ws_buf_adds(
        out,
        "/* dispatch.h: the kernels of this folder by operation, exported by Warpsmith.\n"
        " *\n *     best_X_args a = {0}; ...\n"
        " *     best_X_workspace(&a, &a.workspace_bytes); a.workspace = ...;\n"
        " *     best_X_launch(&a);\n *\n"
        " * takes the fastest kernel whose guards hold at these extents and whose binaries fit "
        "the GPU of the current\n * context; those made for this GPU come first. C11 and C++17. "
        "README.md lists the kernels. */\n"
        "#ifndef WARPSMITH_DISPATCH_H\n#define WARPSMITH_DISPATCH_H\n\n#include <string.h>\n\n"
        "#ifndef WARPSMITH_NO_ALIASES\n#define WARPSMITH_NO_ALIASES\n"
        "#define WARPSMITH_DISPATCH_OWN_ALIASES\n#endif\n");
    for (size_t i = 0; i < l->n; i++)
        ws_buf_printf(out, "#include \"%s\"\n", l->entry[i].file);
    ws_buf_adds(out, "#ifdef WARPSMITH_DISPATCH_OWN_ALIASES\n#undef WARPSMITH_NO_ALIASES\n"
                     "#undef WARPSMITH_DISPATCH_OWN_ALIASES\n#endif\n\n"
                     "#define WARPSMITH_DISPATCH static inline __attribute__((unused))\n\n");
    for (size_t i = 0; i < l->n_ops; i++)
        put_operation(l, (int)i, out);
    ws_buf_adds(out, "#undef WARPSMITH_DISPATCH\n#endif\n");
}

/* ---- README.md ---- */

static void put_readme(const library *l, ws_buf *out)
{
    ws_buf_printf(
        out,
        "# Kernels exported by Warpsmith\n\n"
        "%zu headers for %zu operations. Each header stands alone; `dispatch.h` includes them all "
        "and "
        "has for each operation\n`best_<operation>_launch()`, which takes the fastest kernel that "
        "serves the extents on the GPU at hand. `warpsmith export --check FILE`\nsays whether a "
        "header is as it was exported. A *modelled* time is a cost model's estimate, no "
        "measurement.\n\n"
        "| operation | header | GPU | time | at | level | run |\n|---|---|---|---|---|---|---|\n",
        l->n, l->n_ops);
    for (size_t i = 0; i < l->n; i++) {
        const entry *e = &l->entry[i];
        ws_buf_printf(out, "| %s | [%s](%s) | %s, %s | ", e->spec, e->file, e->file,
                      *e->gpu ? e->gpu : "-", e->arch);
        if (e->seconds > 0)
            ws_buf_printf(out, "%.3f us %s", e->seconds * 1e6,
                          e->measured ? "measured" : "modelled");
        else
            ws_buf_addc(out, '-');
        ws_buf_printf(out, " | %s | %s | %s |\n", e->dims, e->level, e->run);
    }
    if (l->n_left_out)
        ws_buf_printf(out, "\nLeft out:\n\n%s", ws_buf_z(&l->left_out));
}

static ws_status save(const library *l, const char *name, const ws_buf *text, ws_err *err)
{
    ws_buf path = {0};
    ws_buf_printf(&path, "%s/%s", l->o->dir, name);
    ws_status st = ws_write_file(ws_buf_z(&path), text->p, text->n, err);
    ws_buf_release(&path);
    return st;
}

static ws_status write_index(library *l, ws_err *err)
{
    ws_buf text = {.max = EXP_MAX_BYTES};
    qsort(l->entry, l->n, sizeof *l->entry, by_speed);
    put_dispatch(l, &text);
    ws_status st = save(l, "dispatch.h", &text, err);
    ws_buf_reset(&text);
    put_readme(l, &text);
    if (!st)
        st = save(l, "README.md", &text, err);
    ws_buf_release(&text);
    return st;
}

ws_status exp_library(db_archive *db, const exp_library_options *o, exp_library_result *out,
                      ws_err *err)
{
    library l = {.db = db, .o = o, .left_out = {.max = EXP_MAX_BYTES}};
    db_kernel *kernel = NULL;
    int n = 0;
    ws_status st = db_kernel_list(db, "", o->name ? o->name : "", o->gpu ? o->gpu : "", MAX_KERNELS,
                                  &l.a, &kernel, &n, err);
    if (!st)
        st = ws_make_dirs(o->dir, err);
    for (int i = 0; !st && i < n; i++)
        st = take_kernel(&l, &kernel[i], err);
    if (!st && !l.n)
        st = l.n_left_out ? ws_fail(err, WS_EINPUT, "none of %d winners can be exported: %.600s",
                                    l.n_left_out, ws_buf_z(&l.left_out))
                          : ws_fail(err, WS_EINPUT, "the archive has no kernel that passed");
    if (!st)
        st = write_index(&l, err);
    *out = (exp_library_result){(int)l.n, (int)l.n_ops, l.n_left_out};
    free(l.entry);
    free(l.op);
    ws_buf_release(&l.left_out);
    ws_arena_release(&l.a);
    return st;
}
