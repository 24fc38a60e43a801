/* Plain files: the source, a PTX and cubin for each architecture and set of extents, and a manifest
 * that says how they are launched. */
#include "results/export_maps.h"
#include "results/export_parts.h"

#include "base/file.h"
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "softmax.sm_90.cubin", "softmax.sm_90.N257.ptx" */
static const char *image_file(exp_job *j, const exp_image *m)
{
    ws_buf name = {0};
    ws_buf_printf(&name, "%s.%s", j->name, m->arch);
    for (int i = 0; j->any_baked && i < j->in->spec->n_dims; i++)
        if (j->baked[i])
            ws_buf_printf(&name, "%c%s%" PRId64, name.n && strchr(ws_buf_z(&name), '-') ? '_' : '-',
                          j->in->spec->dim[i].name, j->variant[m->variant].dim[i]);
    ws_buf_adds(&name, m->is_ptx ? ".ptx" : ".cubin");
    const char *out = ws_arena_strdup(&j->arena, ws_buf_z(&name));
    ws_buf_release(&name);
    return out;
}

static void add_dims(cJSON *o, const spec *s, const ws_env *env)
{
    for (int i = 0; i < s->n_dims; i++) {
        int64_t v = 0;
        if (ws_env_find(env, s->dim[i].name, &v))
            ws_json_add_int(o, s->dim[i].name, v);
    }
}

static cJSON *three(const int64_t v[3])
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < 3; i++)
        cJSON_AddItemToArray(list, cJSON_CreateNumber((double)v[i]));
    return list;
}

/* ---- what is launched ---- */

static cJSON *argument(const exp_job *j, const plan_bound_launch *l, const plan_bound_arg *a)
{
    cJSON *o = cJSON_CreateObject();
    switch (a->kind) {
    case PLAN_ARG_TENSOR:
        cJSON_AddStringToObject(o, "tensor", j->tensor[a->index].name);
        break;
    case PLAN_ARG_SCRATCH:
        cJSON_AddStringToObject(o, "scratch", j->plan->scratch[a->index].name);
        break;
    case PLAN_ARG_INT:
        ws_json_add_int(o, "integer", a->integer);
        break;
    case PLAN_ARG_FLOAT:
        ws_json_add_double(o, "number", a->number);
        break;
    case PLAN_ARG_MAP:
        cJSON_AddStringToObject(o, "tensormap", l->map[a->index].name);
        break;
    }
    return o;
}

static void add_list(cJSON *o, const char *key, const double *v, int n)
{
    cJSON_AddItemToObject(o, key, cJSON_CreateDoubleArray(v, n));
}

/* As the driver takes it: strides and offset in bytes, all else in elements. */
static cJSON *tensor_map(const exp_job *j, const plan_bound_map *b, const plan_map *from)
{
    static const int swizzles[] = {0, 32, 64, 128}, promotions[] = {0, 64, 128, 256};
    const ptx_tensor_map *m = &b->map;
    double dim[PTX_TM_RANK], stride[PTX_TM_RANK] = {0}, step[PTX_TM_RANK], box[PTX_TM_RANK];
    double lower[PTX_TM_RANK - 2], upper[PTX_TM_RANK - 2];
    cJSON *o = cJSON_CreateObject();
    for (int d = 0; d < m->rank; d++) {
        dim[d] = (double)m->last[d] + 1;
        step[d] = m->step[d];
        box[d] = m->box[d];
        if (d)
            stride[d - 1] = (double)m->stride[d - 1];
    }
    for (int d = 0; d < PTX_TM_RANK - 2; d++) {
        lower[d] = m->lower[d];
        upper[d] = m->upper[d];
    }
    cJSON_AddStringToObject(o, "name", b->name);
    cJSON_AddStringToObject(o, b->is_scratch ? "scratch" : "tensor",
                            b->is_scratch ? j->plan->scratch[b->index].name
                                          : j->tensor[b->index].name);
    cJSON_AddStringToObject(o, "encode", from->is_im2col ? "cuTensorMapEncodeIm2col"
                                                         : "cuTensorMapEncodeTiled");
    ws_json_add_int(o, "data_type", exp_map_type(from));
    ws_json_add_int(o, "offset_bytes", (int64_t)m->address);
    add_list(o, "dims", dim, m->rank);
    add_list(o, "strides_bytes", stride, m->rank - 1);
    add_list(o, "element_strides", step, m->rank);
    if (from->is_im2col) {
        add_list(o, "lower", lower, m->rank - 2);
        add_list(o, "upper", upper, m->rank - 2);
        ws_json_add_int(o, "channels", m->channels);
        ws_json_add_int(o, "pixels", m->pixels);
    } else {
        add_list(o, "box", box, m->rank);
    }
    ws_json_add_int(o, "swizzle_bytes", swizzles[m->swizzle]);
    ws_json_add_int(o, "l2_promotion_bytes", promotions[m->promotion]);
    cJSON_AddStringToObject(o, "out_of_bounds", m->fill == PTX_TM_FILL_NAN ? "nan" : "zero");
    return o;
}

static cJSON *launch(const exp_job *j, const plan_bound_launch *l, const plan_launch *from)
{
    cJSON *o = cJSON_CreateObject(), *args = cJSON_CreateArray();
    cJSON_AddStringToObject(o, "kernel", l->kernel);
    cJSON_AddItemToObject(o, "grid", three(l->grid));
    cJSON_AddItemToObject(o, "block", three(l->block));
    if (l->cluster[0])
        cJSON_AddItemToObject(o, "cluster", three(l->cluster));
    ws_json_add_int(o, "dynamic_shared_bytes", l->shared);
    cJSON_AddBoolToObject(o, "cooperative", l->cooperative);
    for (int i = 0; i < l->n_args; i++)
        cJSON_AddItemToArray(args, argument(j, l, &l->arg[i]));
    if (l->n_maps) {
        cJSON *maps = cJSON_AddArrayToObject(o, "tensormaps");
        for (int i = 0; i < l->n_maps; i++)
            cJSON_AddItemToArray(maps, tensor_map(j, &l->map[i], &from->map[i]));
    }
    cJSON_AddItemToObject(o, "args", args);
    return o;
}

/* The plan at one shape; a shape that it refuses says why. */
static cJSON *at_shape(exp_job *j, const ws_env *env, const char *what)
{
    cJSON *o = cJSON_CreateObject(), *list;
    plan_bound *b;
    hx_diag d = {0};
    cJSON_AddStringToObject(o, "shape", what);
    add_dims(cJSON_AddObjectToObject(o, "dims"), j->in->spec, env);
    if (!plan_bind(&j->arena, j->plan, env, j->tune, &b, &d)) {
        cJSON_AddStringToObject(o, "refused", d.text);
        return o;
    }
    list = cJSON_AddArrayToObject(o, "scratch");
    for (int i = 0; i < b->n_scratch; i++) {
        cJSON *s = cJSON_CreateObject();
        cJSON_AddStringToObject(s, "name", j->plan->scratch[i].name);
        ws_json_add_int(s, "bytes", b->scratch_bytes[i]);
        cJSON_AddItemToArray(list, s);
    }
    list = cJSON_AddArrayToObject(o, "launches");
    for (int i = 0; i < b->n_launches; i++)
        cJSON_AddItemToArray(list, launch(j, &b->launch[i], &j->plan->launch[i]));
    return o;
}

static void add_shapes(exp_job *j, cJSON *o)
{
    const spec *s = j->in->spec;
    cJSON *list = cJSON_AddArrayToObject(o, "launch_table");
    for (int i = -1; i < s->n_checks; i++) {
        ws_env env = spec_env(s, i);
        cJSON_AddItemToArray(list, at_shape(j, &env, i < 0 ? "benchmark" : "check"));
    }
    for (int i = 0; i < j->in->n_shapes; i++)
        cJSON_AddItemToArray(list, at_shape(j, &j->in->shape[i], "given"));
}

/* ---- what is passed ---- */

static void add_kernels(const exp_job *j, cJSON *o)
{
    cJSON *list = cJSON_AddArrayToObject(o, "kernels");
    for (int k = 0; k < j->n_kernels; k++) {
        cJSON *one = cJSON_CreateObject(), *params = cJSON_CreateArray();
        cJSON_AddStringToObject(one, "name", j->kernel[k].name);
        for (int i = 0; i < j->kernel[k].n_params; i++) {
            const ptx_param *p = &j->kernel[k].param[i];
            cJSON *row = cJSON_CreateObject();
            ws_json_add_int(row, "offset", p->offset);
            ws_json_add_int(row, "bytes", p->size);
            cJSON_AddStringToObject(row, "kind", p->is_float                ? "float"
                                    : p->size == PTX_TM_BYTES ? "tensor map"
                                                              : "pointer or integer");
            cJSON_AddItemToArray(params, row);
        }
        cJSON_AddItemToObject(one, "params", params);
        if (j->kernel[k].registers >= 0) {
            ws_json_add_int(one, "registers", j->kernel[k].registers);
            ws_json_add_int(one, "static_shared_bytes", j->kernel[k].shared_bytes);
            ws_json_add_int(one, "stack_bytes", j->kernel[k].stack_bytes);
        }
        cJSON_AddItemToArray(list, one);
    }
}

static void add_tensors(const exp_job *j, cJSON *o)
{
    cJSON *list = cJSON_AddArrayToObject(o, "tensors");
    for (int i = 0; i < j->n_tensors; i++) {
        cJSON *one = cJSON_CreateObject(), *shape = cJSON_CreateArray();
        cJSON_AddStringToObject(one, "name", j->tensor[i].name);
        cJSON_AddStringToObject(one, "role", j->tensor[i].role);
        cJSON_AddStringToObject(one, "dtype", ws_dtype_name(j->tensor[i].dtype));
        for (int a = 0; a < j->tensor[i].rank; a++) {
            ws_buf text = {0};
            ws_expr_print(j->tensor[i].dim[a], &text);
            cJSON_AddItemToArray(shape, cJSON_CreateString(ws_buf_z(&text)));
            ws_buf_release(&text);
        }
        cJSON_AddItemToObject(one, "shape", shape);
        cJSON_AddItemToArray(list, one);
    }
}

static void add_plan(const exp_job *j, cJSON *o)
{
    cJSON *json = cJSON_Parse(j->plan->json), *require = cJSON_AddArrayToObject(o, "requires");
    for (int i = 0; i < j->plan->n_require; i++)
        cJSON_AddItemToArray(require, cJSON_CreateString(j->plan->require[i].text));
    if (json)
        cJSON_AddItemToObject(o, "plan", json);
}

ws_status exp_write_manifest(exp_job *j, ws_buf *out, ws_err *err)
{
    cJSON *o = NULL;
    if (exp_compile(j, err) || exp_evidence_json(j, &o, err))
        return err->status;
    cJSON *images = cJSON_GetObjectItemCaseSensitive(o, "images");
    for (int i = 0; i < j->n_images; i++)
        cJSON_AddStringToObject(cJSON_GetArrayItem(images, i), "file", image_file(j, &j->image[i]));
    cJSON_AddStringToObject(o, "source", ws_arena_printf(&j->arena, "%s.cu", j->name));
    add_tensors(j, o);
    add_kernels(j, o);
    add_plan(j, o);
    add_shapes(j, o);
    ws_buf printed = {.max = EXP_MAX_BYTES};
    ws_json_print(o, true, &printed);
    exp_put_lines(ws_buf_z(&printed), "", out);
    ws_buf_addc(out, '\n');
    ws_buf_release(&printed);
    cJSON_Delete(o);
    return WS_OK;
}

static ws_status save(const char *dir, const char *name, const void *data, size_t n, ws_err *err)
{
    ws_buf path = {0};
    ws_buf_printf(&path, "%s/%s", dir, name);
    ws_status st = ws_write_file(ws_buf_z(&path), data, n, err);
    ws_buf_release(&path);
    return st;
}

ws_status exp_save_raw(exp_job *j, const char *dir, ws_err *err)
{
    const char *source = j->in->candidate->source;
    ws_buf manifest = {.max = EXP_MAX_BYTES};
    if (strcmp(dir, "-") == 0)
        return ws_fail(err, WS_EUSAGE, "the raw format is a folder: name it with --output");
    ws_status st = exp_write_manifest(j, &manifest, err);
    if (!st)
        st = ws_make_dirs(dir, err);
    if (!st)
        st = save(dir, ws_arena_printf(&j->arena, "%s.cu", j->name), source, strlen(source), err);
    for (int i = 0; !st && i < j->n_images; i++)
        st = save(dir, image_file(j, &j->image[i]), j->image[i].data, j->image[i].n, err);
    if (!st) /* last: a folder with a manifest is whole */
        st = save(dir, "manifest.json", manifest.p, manifest.n, err);
    ws_buf_release(&manifest);
    return st;
}
