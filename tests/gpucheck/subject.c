#include "tests/gpucheck/subject.h"

#include "base/file.h"
#include "harness/device/request.h"
#include "reference/emit.h"
#include "verifier/names.h"
#include "verifier/policy.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *gc_spec_name(const char *path)
{
    const char *specs = strstr(path, "specs/");
    return specs ? specs + strlen("specs/") : path;
}

ws_status gc_open(gc_subject *s, gc_check *c, const char *spec_name, const char *file, hx_diag *d,
                  ws_err *err)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    *s = (gc_subject){.c = c, .source = {.max = GC_MAX_SOURCE}};
    *d = (hx_diag){0};
    snprintf(s->name, sizeof s->name, "%s", slash ? slash + 1 : file ? file : gc_spec_name(spec_name));
    if (spec_find(spec_name, &s->spec, err) || ref_graph_new(s->spec, &s->graph, err) ||
        (file ? ws_read_file(file, GC_MAX_SOURCE, &s->source, err)
              : ref_emit(s->graph, &s->source, err)))
        return ws_wrap(err, "%s", s->name);
    if (!file)
        snprintf(s->name, sizeof s->name, "emitted %.140s", s->spec->name);
    s->names = vfy_plan_names(s->graph);
    if (comp_check_source(s->source.p, s->source.n, d))
        (void)!plan_parse(&s->arena, ws_buf_z(&s->source), s->source.n, &s->names, &s->plan, d);
    return WS_OK;
}

void gc_close(gc_subject *s)
{
    ws_buf_release(&s->source);
    ws_arena_release(&s->arena);
    ref_graph_free(s->graph);
    spec_free(s->spec);
}

ws_status gc_build(gc_subject *s, const ws_env *env, gc_built *out, ws_err *err)
{
    *out = (gc_built){0};
    if (!plan_bind(&s->arena, s->plan, env, NULL, &out->plan, &out->why))
        return WS_OK;
    const plan_bound *b = out->plan;
    comp_macro *macro = WS_ARENA_NEW(&s->arena, comp_macro, b->n_macros + 1);
    for (size_t i = 0; i < b->n_macros; i++)
        macro[i] = (comp_macro){b->macro[i].name, b->macro[i].value};
    const comp_request q = {.source = ws_buf_z(&s->source),
                            .source_bytes = s->source.n,
                            .file = "kernel.cu",
                            .arch = s->c->arch,
                            .macro = macro,
                            .n_macros = b->n_macros,
                            .want_cubin = true,
                            .fmad = true};
    if (comp_compile(s->c->comp, &q, &s->arena, &out->compiled, err))
        return ws_wrap(err, "%s", s->name);
    if (!out->compiled.ok)
        out->why = out->compiled.diag;
    else if (vfy_check_ptx(out->compiled.ptx, ws_buf_z(&s->source), s->source.n, &out->why))
        (void)!plan_check_kernels(s->plan, out->compiled.kernel, out->compiled.n_kernels, &s->names,
                                  &out->why);
    return WS_OK;
}

/* ---- a run ---- */

static int make_tensors(const gc_subject *s, const vfy_case *k, run_tensor *t)
{
    const int n_in = s->spec->n_inputs + s->spec->n_weights;
    for (int i = 0; i < n_in; i++)
        t[i] = (run_tensor){
            .name = s->names.tensor[i], .role = RUN_INPUT, .bytes = k->in_bytes[i], .in = k->in[i]};
    for (int o = 0; o < s->graph->n_outputs; o++) {
        const ws_dtype dtype = s->graph->value[s->graph->output[o]].dtype;
        const size_t bytes = ws_dtype_size(dtype, (size_t)k->want[o].shape.count);
        t[n_in + o] = (run_tensor){.name = s->names.tensor[n_in + o],
                                   .role = RUN_OUTPUT,
                                   .bytes = bytes,
                                   .out = ws_calloc(bytes + 1, 1),
                                   .written = ws_calloc(bytes + 1, 1)};
    }
    return n_in + s->graph->n_outputs;
}

static void judge(const gc_subject *s, const vfy_case *k, const run_tensor *t, gc_ran *out)
{
    const int n_in = s->spec->n_inputs + s->spec->n_weights;
    for (int o = 0; o < s->graph->n_outputs && out->reason == HX_PASS; o++) {
        vfy_comparison cmp;
        const uint8_t *unwritten = memchr(t[n_in + o].written, 0, t[n_in + o].bytes);
        vfy_compare(k, o, t[n_in + o].out, &cmp);
        out->worst = cmp.worst_ratio > out->worst ? cmp.worst_ratio : out->worst;
        if (unwritten) {
            out->reason = HX_NOT_WRITTEN;
            snprintf(out->text, sizeof out->text, "byte %zu of '%s' was never written",
                     (size_t)(unwritten - t[n_in + o].written), t[n_in + o].name);
        } else if (cmp.wrong) {
            out->reason = HX_WRONG_RESULT;
            snprintf(out->text, sizeof out->text, "%lld of %lld elements wrong: %g for %g",
                     (long long)cmp.wrong, (long long)cmp.checked, cmp.got, cmp.want);
        }
    }
}

static ws_status ask(gc_subject *s, const run_request *r, const vfy_case *k, gc_ran *out,
                     ws_err *err)
{
    static const unsigned char poison[] = {0xA5, 0xFF};
    dev_places *places = WS_ARENA_NEW(&s->arena, dev_places, r->n_tensors + 1);
    dev_bulk_memory bulk = {.fd = -1};
    ws_buf members = {0};
    ws_arena answers = {0};
    if (!dev_bulk_new(dev_run_bytes(r), &bulk, err) &&
        !dev_run_encode(r, poison, 2, &bulk, &members, places, err)) {
        dev_request q = {.members = ws_buf_z(&members), .deadline_seconds = 20};
        dev_batch b = {.request = &q, .n = 1, .bulk = &bulk, .arena = &answers};
        dev_pool_run(s->c->pool, 0, &b);
        out->seconds = q.answer.seconds;
        out->reason = q.answer.end == DEV_OK ? HX_PASS : q.answer.reason;
        snprintf(out->text, sizeof out->text, "%.590s", q.answer.text);
        if (q.answer.end == DEV_FAILED || q.answer.end == DEV_NOT_RUN)
            ws_fail(err, WS_EENV, "%s: %.590s", s->name, q.answer.text);
        dev_run_collect(r, &bulk, places);
        if (!err->status)
            judge(s, k, r->tensor, out);
    }
    dev_bulk_release(&bulk);
    ws_buf_release(&members);
    ws_arena_release(&answers);
    return err->status;
}

ws_status gc_run(gc_subject *s, const gc_built *b, const vfy_case *k, gc_ran *out, ws_err *err)
{
    run_tensor *t = WS_ARENA_NEW(&s->arena, run_tensor, GC_MAX_TENSORS);
    const int n = make_tensors(s, k, t);
    const comp_result *c = &b->compiled;
    const run_request r = {.image = s->c->engine ? (const void *)c->ptx : c->cubin,
                           .image_bytes = s->c->engine ? c->ptx_bytes + 1 : c->cubin_bytes,
                           .kernel = c->kernel,
                           .n_kernels = c->n_kernels,
                           .plan = b->plan,
                           .scratch_name = plan_scratch_names(s->plan, &s->arena),
                           .tensor = t,
                           .n_tensors = n};
    *out = (gc_ran){.reason = HX_PASS};
    const ws_status st = ask(s, &r, k, out, err);
    for (int i = n - s->graph->n_outputs; i < n; i++) {
        free(t[i].out);
        free(t[i].written);
    }
    return st;
}

/* ---- files ---- */

/* "// spec: basics/softmax  expect: WRONG_RESULT" */
static bool named_spec(const char *file, char spec_name[128], char expect[64])
{
    FILE *f = fopen(file, "r");
    char line[256] = "";
    bool found = f && fgets(line, sizeof line, f) && sscanf(line, "// spec: %127s", spec_name) == 1;
    const char *word = strstr(line, "expect: ");
    expect[0] = '\0';
    if (word)
        sscanf(word, "expect: %63s", expect);
    if (f)
        fclose(f);
    return found;
}

void gc_each_file(gc_check *c, const char *dir, gc_file_fn call)
{
    struct dirent **list = NULL;
    const int n = scandir(dir, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[512], name[128], expect[64];
        snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
        if (strstr(path, ".cu") && named_spec(path, name, expect) &&
            !(gc_leaves_out(c, path) && gc_leaves_out(c, name)) && !gc_over(c, list[i]->d_name))
            call(c, path, name, expect);
        free(list[i]);
    }
    free(list);
}
