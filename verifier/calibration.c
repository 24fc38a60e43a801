#include "verifier/calibration.h"

#include "base/file.h"
#include "base/json.h"
#include "verifier/counters.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 256 << 20, MAX_LAUNCHES = 1024 };

/* ---- rows ---- */

void vfy_calibration_put(cJSON *row, const tim_launch *launch, int n, const ref_cost *cost)
{
    cJSON *list = cJSON_AddArrayToObject(row, "launches");
    for (int i = 0; i < n; i++) {
        const tim_launch *l = &launch[i];
        ws_buf counters = {0};
        cJSON *o = cJSON_CreateObject();
        ws_json_add_int(o, "blocks", (int64_t)l->blocks);
        cJSON_AddNumberToObject(o, "threads_per_block", l->threads_per_block);
        cJSON_AddNumberToObject(o, "registers", l->registers);
        cJSON_AddNumberToObject(o, "shared_bytes", l->shared_bytes);
        cJSON_AddNumberToObject(o, "barriers", l->barriers);
        ws_json_add_double(o, "uneven", l->uneven);
        cJSON_AddNumberToObject(o, "local_bytes", l->local_bytes);
        ws_json_add_double(o, "small_bytes", l->small_bytes);
        ws_json_add_double(o, "spill_requests", l->spill_requests);
        ws_json_add_double(o, "chain_clocks", l->chain_clocks);
        ws_json_add_double(o, "loads_together", l->loads_together);
        ws_json_add_double(o, "machine_instructions", l->machine_insns);
        ws_json_add_double(o, "machine_f64", l->machine_f64);
        vfy_counters_print(&l->counters, false, &counters);
        cJSON_AddItemToObject(o, "counters", cJSON_CreateRaw(ws_buf_z(&counters)));
        ws_buf_release(&counters);
        cJSON_AddItemToArray(list, o);
    }
    ws_json_add_double(row, "flops", cost->flops);
    ws_json_add_double(row, "min_bytes", cost->min_bytes);
}

static const cJSON *member(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

static const char *text(const cJSON *o, const char *key)
{
    const cJSON *v = member(o, key);
    return cJSON_IsString(v) ? v->valuestring : "";
}

static double number(const cJSON *o, const char *key, double otherwise)
{
    const cJSON *v = member(o, key);
    return cJSON_IsNumber(v) && isfinite(v->valuedouble) ? v->valuedouble : otherwise;
}

static int whole(const cJSON *o, const char *key, int otherwise)
{
    const double v = number(o, key, otherwise);
    return v >= INT32_MIN && v <= INT32_MAX ? (int)v : otherwise;
}

static void read_launch(const cJSON *o, tim_launch *out)
{
    const double blocks = number(o, "blocks", 1), uneven = number(o, "uneven", 1);
    const int threads = whole(o, "threads_per_block", 1);
    *out = (tim_launch){.blocks = blocks >= 1 && blocks < 0x1p62 ? (uint64_t)blocks : 1,
                        .threads_per_block = threads > 0 ? (uint32_t)threads : 1,
                        .registers = whole(o, "registers", -1),
                        .shared_bytes = whole(o, "shared_bytes", 0),
                        .barriers = whole(o, "barriers", 0),
                        .uneven = uneven > 1 ? uneven : 1,
                        .local_bytes = whole(o, "local_bytes", 0),
                        .small_bytes = number(o, "small_bytes", 0),
                        .spill_requests = number(o, "spill_requests", 0),
                        .chain_clocks = number(o, "chain_clocks", 0),
                        .loads_together = number(o, "loads_together", 0),
                        .machine_insns = number(o, "machine_instructions", 0),
                        .machine_f64 = number(o, "machine_f64", 0)};
    vfy_counters_read(member(o, "counters"), &out->counters);
}

/* false: the row says nothing that a fit could take. */
static bool read_row(const cJSON *row, ws_arena *a, tim_sample *out)
{
    const cJSON *o, *list = member(row, "launches");
    const int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    const double seconds = number(row, "measured_s", 0);
    if (strcmp(text(row, "result"), "pass") != 0 || n < 1 || n > MAX_LAUNCHES || !(seconds > 0))
        return false;
    tim_launch *l = WS_ARENA_NEW(a, tim_launch, n);
    int i = 0;
    cJSON_ArrayForEach(o, list) read_launch(o, &l[i++]);
    *out = (tim_sample){.name = ws_arena_printf(a, "%s/%s", text(row, "spec"), text(row, "name")),
                        .launch = l, .n = n, .flops = number(row, "flops", 0),
                        .min_bytes = number(row, "min_bytes", 0), .seconds = seconds};
    return true;
}

/* ---- the GPU ---- */

/* Letters and digits, small. */
static void squeeze(const char *z, char *out, size_t size)
{
    size_t n = 0;
    for (; *z && n + 1 < size; z++)
        if (isalnum((unsigned char)*z))
            out[n++] = (char)tolower((unsigned char)*z);
    out[n] = '\0';
}

/* The row whose name the device's has; of "h100" and "h100-pcie" the longer one that fits. */
static const tim_gpu *gpu_of(const char *device)
{
    char there[160], name[64];
    const tim_gpu *best = NULL;
    size_t longest = 0;
    int n;
    const tim_gpu *g = tim_gpu_list(&n);
    squeeze(device, there, sizeof there);
    for (int i = 0; i < n; i++) {
        squeeze(g[i].name, name, sizeof name);
        if (strlen(name) <= longest || !strstr(there, name))
            continue;
        longest = strlen(name);
        best = &g[i];
    }
    return best;
}

/* Of the part that has measured times beside modelled ones. */
static const cJSON *rows_of(const cJSON *root)
{
    return member(member(member(root, "parts"), "model"), "rows");
}

static ws_status choose_gpu(const cJSON *root, const tim_gpu *asked, vfy_calibration *out,
                            ws_err *err)
{
    snprintf(out->device, sizeof out->device, "%s", text(root, "device"));
    snprintf(out->date, sizeof out->date, "%s", text(root, "date"));
    snprintf(out->driver, sizeof out->driver, "%.0f", number(root, "driver", 0));
    if (!out->device[0] || !cJSON_IsArray(rows_of(root)))
        return ws_fail(err, WS_EINPUT,
                       "no report of 'make gpu-check' with its part 'model': it lacks 'device' or "
                       "'parts.model.rows'");
    if (strstr(out->device, "CPU"))
        return ws_fail(err, WS_EINPUT, "a report of the %s: its times are those of no GPU",
                       out->device);
    out->gpu = asked ? asked : gpu_of(out->device);
    if (out->gpu)
        return WS_OK;
    ws_fail(err, WS_EINPUT, "the cost model has no row for the GPU '%s'", out->device);
    return ws_hint(err, "name the nearest with --gpu");
}

static ws_status fit_rows(const cJSON *root, vfy_calibration *out, ws_err *err)
{
    const cJSON *row, *rows = rows_of(root);
    ws_arena a = {0};
    tim_sample *sample = ws_calloc((size_t)cJSON_GetArraySize(rows) + 1, sizeof *sample);
    cJSON_ArrayForEach(row, rows)
    {
        out->rows++;
        out->used += read_row(row, &a, &sample[out->used]);
    }
    ws_status st = tim_fit(out->gpu, sample, out->used, &out->fit, err);
    free(sample);
    ws_arena_release(&a);
    return st;
}

static ws_status read_json(const char *path, cJSON **out, ws_err *err)
{
    ws_buf file = {.max = MAX_FILE};
    ws_status st = ws_read_file(path, MAX_FILE, &file, err);
    if (!st)
        st = ws_json_parse(ws_buf_z(&file), file.n, out, err);
    ws_buf_release(&file);
    return st;
}

ws_status vfy_calibration_fit(const char *path, const tim_gpu *gpu, vfy_calibration *out,
                              ws_err *err)
{
    cJSON *root = NULL;
    *out = (vfy_calibration){0};
    ws_status st = read_json(path, &root, err);
    if (!st)
        st = choose_gpu(root, gpu, out, err);
    if (!st)
        st = fit_rows(root, out, err);
    cJSON_Delete(root);
    return st ? ws_wrap(err, "report '%s'", path) : WS_OK;
}

/* ---- constants as a file ---- */

static const struct {
    const char *name;
    size_t offset;
    double least, most;
} constants[] = {
    {"dram_efficiency", offsetof(tim_constants, dram_efficiency), 0.01, 1},
    {"l1_repeat_hit", offsetof(tim_constants, l1_repeat_hit), 0, 1},
    {"dependent_clocks", offsetof(tim_constants, dependent_clocks), 0.01, 1000},
    {"loads_in_flight", offsetof(tim_constants, loads_in_flight), 0.01, 1000},
    {"overlap", offsetof(tim_constants, overlap), 1, 1000},
    {"launch_s", offsetof(tim_constants, launch_s), 0, 1},
};

cJSON *vfy_calibration_json(const vfy_calibration *c)
{
    cJSON *o = cJSON_CreateObject(), *k, *e;
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddStringToObject(o, "kind", "calibration");
    cJSON_AddStringToObject(o, "gpu", c->gpu->name);
    cJSON_AddStringToObject(o, "device", c->device);
    cJSON_AddStringToObject(o, "driver", c->driver);
    cJSON_AddStringToObject(o, "date", c->date);
    k = cJSON_AddObjectToObject(o, "constants");
    for (size_t i = 0; i < WS_COUNT(constants); i++)
        ws_json_add_double(
            k, constants[i].name,
            *(const double *)((const char *)&c->fit.constants + constants[i].offset));
    e = cJSON_AddObjectToObject(o, "error"); /* median |ln(modelled / measured)| */
    ws_json_add_double(e, "estimates", c->fit.before);
    ws_json_add_double(e, "fitted", c->fit.after);
    ws_json_add_double(e, "left_out", c->fit.constants.error);
    cJSON_AddNumberToObject(o, "samples", c->used);
    return o;
}

ws_status vfy_calibration_use(const char *path, ws_err *err)
{
    cJSON *root = NULL;
    tim_constants c = {.calibrated = true};
    if (read_json(path, &root, err))
        return ws_wrap(err, "calibration '%s'", path);
    const tim_gpu *gpu = tim_gpu_find(text(root, "gpu"));
    const cJSON *k = member(root, "constants");
    if (strcmp(text(root, "kind"), "calibration") != 0 || !gpu)
        ws_fail(err, WS_EINPUT,
                "no calibration of a GPU that the cost model knows ('kind', 'gpu')");
    for (size_t i = 0; i < WS_COUNT(constants) && !err->status; i++) {
        const double v = number(k, constants[i].name, -1);
        if (!(v >= constants[i].least && v <= constants[i].most))
            ws_fail(err, WS_EINPUT, "constants.%s: expected a number from %g to %g",
                    constants[i].name, constants[i].least, constants[i].most);
        *(double *)((char *)&c + constants[i].offset) = v;
    }
    c.error = number(member(root, "error"), "left_out", -1);
    c.samples = whole(root, "samples", 0);
    if (!err->status && !(c.error >= 0))
        ws_fail(err, WS_EINPUT, "error.left_out: expected the error of the fit");
    if (!err->status)
        tim_constants_use(gpu, &c);
    cJSON_Delete(root);
    return err->status ? ws_wrap(err, "calibration '%s'", path) : WS_OK;
}
