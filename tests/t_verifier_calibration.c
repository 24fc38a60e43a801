/* Constants of the cost model from a report: kernels whose times are the model's own under other
 * constants, with noise, must give those constants back, and be told as far off as they are. */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/philox.h"
#include "tests/tap.h"
#include "verifier/calibration.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { KERNELS = 30, EACH = 2 };
static const tim_constants truth = {.dram_efficiency = 0.75,
                                    .l1_repeat_hit = 0.3,
                                    .dependent_clocks = 3.5,
                                    .loads_in_flight = 9,
                                    .overlap = 3,
                                    .launch_s = 4e-6};
static uint64_t drawn;

static double draw(double lo, double hi)
{
    const double u = (double)(ws_philox_u64(5, 0, drawn++) >> 11) * 0x1p-53;
    return lo * pow(hi / lo, u);
}

/* Kernels of every kind: bound by memory, by arithmetic, by waiting, by launches. */
static tim_launch make_launch(void)
{
    const double blocks = floor(draw(1, 20000)), warps = blocks * 8, insns = warps * draw(20, 4000);
    const double loads = warps * draw(1, 200), sectors = loads * draw(4, 12);
    return (tim_launch){.blocks = (uint64_t)blocks,
                        .threads_per_block = 256,
                        .registers = (int)draw(16, 128),
                        .uneven = 1,
                        .counters = {.blocks = (uint64_t)blocks,
                                     .warps = (uint64_t)warps,
                                     .warp_insns = (uint64_t)insns,
                                     .thread_insns = (uint64_t)(32 * insns),
                                     .f32 = (uint64_t)(insns * draw(0.05, 0.6)),
                                     .i32 = (uint64_t)(insns * draw(0.05, 0.3)),
                                     .global_ld_requests = (uint64_t)loads,
                                     .global_ld_sectors = (uint64_t)sectors,
                                     .unique_ld_sectors = (uint64_t)(sectors / draw(1, 8)),
                                     .global_st_requests = (uint64_t)(loads / 3),
                                     .global_st_sectors = (uint64_t)(sectors / 3),
                                     .unique_st_sectors = (uint64_t)(sectors / 3),
                                     .max_warp_insns = (uint64_t)(insns / warps),
                                     .max_block_warp_insns = (uint64_t)(8 * insns / warps)}};
}

/* A row as gpu-check writes them, timed by the model under the true constants, within 3 %. */
static cJSON *make_row(const tim_gpu *gpu, int kernel)
{
    const tim_launch l = make_launch();
    const ref_cost cost = {.flops = 1e6, .min_bytes = 1e5};
    tim_estimate e;
    char name[32];
    cJSON *row = cJSON_CreateObject();
    snprintf(name, sizeof name, "kernel_%d.cu", kernel);
    cJSON_AddStringToObject(row, "spec", "t/spec");
    cJSON_AddStringToObject(row, "name", name);
    cJSON_AddStringToObject(row, "result", kernel % 10 == 9 ? "skipped" : "pass");
    tim_model(gpu, &l, 1, cost.flops, cost.min_bytes, &e);
    cJSON_AddNumberToObject(row, "measured_s", e.seconds * draw(0.97, 1.03));
    vfy_calibration_put(row, &l, 1, &cost);
    return row;
}

static void write_report(const char *path, const char *device, int kernels)
{
    const tim_gpu *gpu = tim_gpu_find("h200");
    ws_err err = {0};
    ws_buf text = {0};
    cJSON *report = cJSON_CreateObject(), *rows;
    cJSON_AddStringToObject(report, "device", device);
    cJSON_AddStringToObject(report, "date", "2026-01-02T03:04:05Z");
    cJSON_AddNumberToObject(report, "driver", 13000);
    rows = cJSON_AddArrayToObject(
        cJSON_AddObjectToObject(cJSON_AddObjectToObject(report, "parts"), "model"), "rows");
    drawn = 0;
    tim_constants_use(gpu, &truth);
    for (int k = 0; k < kernels; k++)
        for (int s = 0; s < EACH; s++)
            cJSON_AddItemToArray(rows, make_row(gpu, k));
    tim_constants_use(gpu, &(tim_constants){0});
    ws_json_print(report, false, &text);
    ok(!ws_write_file(path, text.p, text.n, &err), "a report of %s %s", device, err.msg);
    cJSON_Delete(report);
    ws_buf_release(&text);
}

static bool near(double got, double want, double share)
{
    return fabs(got / want - 1) <= share;
}

static void test_fit(const char *path, vfy_calibration *c)
{
    ws_err err = {0};
    write_report(path, "NVIDIA H200", KERNELS);
    if (!ok(!vfy_calibration_fit(path, NULL, c, &err), "it is fitted %s", err.msg))
        return;
    const tim_constants *k = &c->fit.constants;
    is_str(c->gpu->name, "h200", "the row that the device names");
    is_int(c->rows, KERNELS * EACH, "all rows were looked at");
    is_int(c->used, KERNELS * EACH * 9 / 10, "rows that were skipped are left out");
    ok(c->fit.before > 0.1, "the estimates are %.0f %% off", 100 * c->fit.before);
    ok(c->fit.after < 0.02, "the fit %.1f %%", 100 * c->fit.after);
    ok(k->error < 0.03 && k->calibrated, "kernels that it did not see %.1f %%", 100 * k->error);
    ok(near(k->dram_efficiency, truth.dram_efficiency, 0.1), "share of the DRAM peak: %.3f",
       k->dram_efficiency);
    ok(near(k->launch_s, truth.launch_s, 0.1), "seconds of a launch: %.2e", k->launch_s);
    ok(near(k->loads_in_flight, truth.loads_in_flight, 0.25), "loads in flight: %.2f",
       k->loads_in_flight);
    ok(near(k->dependent_clocks, truth.dependent_clocks, 0.25), "clocks of an instruction: %.2f",
       k->dependent_clocks);
    ok(!tim_constants_of(c->gpu).calibrated, "nothing is in force yet");
    vfy_calibration again;
    ok(!vfy_calibration_fit(path, tim_gpu_find("h200"), &again, &err) &&
           memcmp(&again.fit.constants, k, sizeof *k) == 0,
       "the same report gives the same constants");
}

static void test_file(const char *path, const vfy_calibration *c)
{
    ws_err err = {0};
    ws_buf text = {0};
    char how[64];
    cJSON *json = vfy_calibration_json(c);
    tim_calibration_text(c->gpu, how, sizeof how);
    is_str(how, "uncalibrated", "before, the model says so");
    ws_json_print(json, true, &text);
    cJSON_Delete(json);
    ok(!ws_write_file(path, text.p, text.n, &err) && !vfy_calibration_use(path, &err),
       "put in force %s", err.msg);
    const tim_constants k = tim_constants_of(c->gpu);
    ok(k.calibrated && k.samples == c->used &&
           near(k.dram_efficiency, c->fit.constants.dram_efficiency, 1e-12) &&
           near(k.overlap, c->fit.constants.overlap, 1e-12),
       "with the constants of the file");
    tim_calibration_text(c->gpu, how, sizeof how);
    ok(strncmp(how, "calibrated to ", 14) == 0, "it says: %s", how);
    ok(!tim_constants_of(tim_gpu_find("h100")).calibrated, "another GPU stays as it is");
    ws_buf_release(&text);
}

#define REPORT(device, rows)                                                                       \
    "{\"device\":\"" device "\",\"parts\":{\"model\":{\"rows\":[" rows "]}}}"

static void test_refused(const char *path)
{
    static const struct {
        const char *text, *says;
    } bad[] = {{"{}", "no report of 'make gpu-check'"},
               {"{\"device\":\"NVIDIA H200\",\"parts\":{}}",
                "no report of 'make gpu-check' with its part 'model'"},
               {REPORT("CPU engine", ""), "those of no GPU"},
               {REPORT("NVIDIA Z9", ""), "no row for the GPU 'NVIDIA Z9'"},
               {REPORT("NVIDIA H200", "1,{\"result\":\"pass\"},null"), "0 kernels with times"},
               {REPORT("NVIDIA H200", "{\"result\":\"pass\",\"measured_s\":1,\"launches\":[7]}"),
                "1 kernels with times are too few"}};
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"{\"kind\":\"calibration\",\"gpu\":\"h200\",\"constants\":{\"dram_efficiency\":2}}",
         "constants.dram_efficiency: expected a number from 0.01 to 1"},
        {"{\"kind\":\"calibration\",\"gpu\":\"z9\"}", "no calibration of a GPU"},
        {"{\"gpu\":\"h200\"}", "no calibration"}};
    vfy_calibration c;
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        ws_err err = {0};
        ok(!ws_write_file(path, bad[i].text, strlen(bad[i].text), &err) &&
               vfy_calibration_fit(path, NULL, &c, &err) == WS_EINPUT,
           "what is no report is refused");
        has_str(err.msg, bad[i].says, "and it is said why");
    }
    for (size_t i = 0; i < WS_COUNT(wrong); i++) {
        ws_err err = {0};
        ok(!ws_write_file(path, wrong[i].text, strlen(wrong[i].text), &err) &&
               vfy_calibration_use(path, &err) == WS_EINPUT,
           "what are no constants is refused");
        has_str(err.msg, wrong[i].says, "and it is said why");
    }
}

int main(void)
{
    char path[] = "/tmp/warpsmith-calibration-XXXXXX";
    vfy_calibration c = {0};
    const int fd = mkstemp(path);
    if (fd >= 0)
        close(fd);
    test_fit(path, &c);
    if (c.gpu)
        test_file(path, &c);
    test_refused(path);
    unlink(path);
    return tap_done();
}
