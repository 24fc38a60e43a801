/* A flashinfer-bench solution: one JSON document whose source is the Python launcher. Its schema is
 * in flashinfer_bench/data/solution.py of flashinfer-ai/flashinfer-bench. */
#include "results/export_python.h"

#include "base/json.h"

#include <string.h>

/* `run` takes the inputs, then the outputs, in the order of the definition: destination passing. */
static void put_run(exp_job *j, ws_buf *out)
{
    ws_buf_adds(out, "\n\ndef run(");
    for (int i = 0; i < j->n_tensors; i++)
        ws_buf_printf(out, "%s%s", i ? ", " : "", exp_py_name(j, j->tensor[i].name));
    ws_buf_printf(
        out,
        "):\n    \"\"\"The entry point: outputs are written to the last arguments.\"\"\"\n    %s(",
        exp_py_name(j, j->name));
    const int n = exp_given_count(j);
    for (int i = 0; i < n; i++)
        ws_buf_printf(out, "%s%s", i ? ", " : "", exp_py_name(j, j->tensor[i].name));
    if (j->n_tensors > n)
        ws_buf_adds(out, n ? ", out=(" : "out=(");
    for (int i = n; i < j->n_tensors; i++)
        ws_buf_printf(out, "%s, ", exp_py_name(j, j->tensor[i].name));
    ws_buf_adds(out, j->n_tensors > n ? "))\n" : ")\n");
}

static const char *definition_name(exp_job *j)
{
    char *z = ws_arena_strdup(&j->arena, j->in->spec->name);
    for (char *p = z; *p; p++)
        *p = *p == '/' ? '_' : *p;
    return z;
}

/* The GPUs that the binaries are for, as the schema has free words for hardware. */
static cJSON *hardware(const exp_job *j)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < j->n_images; i++) {
        bool again = false;
        for (int k = 0; k < i; k++)
            again |= strcmp(j->image[k].arch, j->image[i].arch) == 0;
        if (!again)
            cJSON_AddItemToArray(list, cJSON_CreateString(j->image[i].arch));
    }
    return list;
}

static cJSON *make(exp_job *j, const char *text)
{
    const exp_input *in = j->in;
    cJSON *o = cJSON_CreateObject(), *build, *sources, *file = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name",
                            ws_arena_printf(&j->arena, "warpsmith_%s_%s", j->name, j->tag));
    cJSON_AddStringToObject(o, "definition", definition_name(j));
    cJSON_AddStringToObject(o, "author",
                            in->run && in->run->model && *in->run->model && !in->run->scripted
                                ? ws_arena_printf(&j->arena, "warpsmith (%s)", in->run->model)
                                : "warpsmith");
    cJSON_AddStringToObject(
        o, "description",
        ws_arena_printf(
            &j->arena, "%s. Verified at level %d (%s). Spec sha256 %s, source sha256 %s.",
            exp_safe(j, in->spec->title ? in->spec->title : in->spec->name), in->candidate->level,
            vfy_level_name((vfy_level)in->candidate->level), in->spec->sha256, j->source_sha256));
    build = cJSON_AddObjectToObject(o, "spec");
    cJSON_AddStringToObject(build, "language", "python");
    cJSON_AddItemToObject(build, "target_hardware", hardware(j));
    cJSON_AddStringToObject(build, "entry_point", "main.py::run");
    cJSON_AddItemToObject(build, "dependencies", cJSON_CreateArray());
    cJSON_AddBoolToObject(build, "destination_passing_style", true);
    sources = cJSON_AddArrayToObject(o, "sources");
    cJSON_AddStringToObject(file, "path", "main.py");
    cJSON_AddStringToObject(file, "content", text);
    cJSON_AddItemToArray(sources, file);
    return o;
}

ws_status exp_write_flashinfer(exp_job *j, ws_buf *out, ws_err *err)
{
    ws_buf text = {.max = EXP_MAX_BYTES};
    ws_status st = exp_compile(j, err);
    if (!st)
        st = exp_py_head(j, "main.py", "It is the source of a flashinfer-bench solution.\n", &text,
                         err);
    if (!st)
        st = exp_py_launcher(j, &text, err);
    if (!st) {
        put_run(j, &text);
        cJSON *o = make(j, ws_buf_z(&text));
        ws_json_print(o, true, out);
        ws_buf_addc(out, '\n');
        cJSON_Delete(o);
    }
    ws_buf_release(&text);
    return st;
}
