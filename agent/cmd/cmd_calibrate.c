#include "agent/cli.h"
#include "base/file.h"
#include "base/json.h"
#include "verifier/calibration.h"

#include <math.h>
#include <stdio.h>

typedef struct options {
    cli_common common;
    const char *gpu, *out;
} options;

static const ws_opt option_table[] = {
    {.name = "gpu",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, gpu),
     .arg = "NAME",
     .help = "the cost model's row to calibrate; without, the one that the report's device names",
     .group = "Device"},
    {.name = "out",
     .letter = 'o',
     .type = WS_OPT_STRING,
     .offset = offsetof(options, out),
     .arg = "FILE",
     .help = "write the constants there, for WARPSMITH_CALIBRATION",
     .group = "Output"},
    CLI_COMMON_OPTIONS};

static double percent(double log_ratio)
{
    return 100 * expm1(log_ratio);
}

static void print_text(const vfy_calibration *c)
{
    const tim_constants was = tim_constants_default(c->gpu), *now = &c->fit.constants;
    const struct {
        const char *name;
        double was, now;
    } row[] = {{"share of the DRAM peak", was.dram_efficiency, now->dram_efficiency},
               {"L1 hits of repeated loads", was.l1_repeat_hit, now->l1_repeat_hit},
               {"clocks of an instruction", was.dependent_clocks, now->dependent_clocks},
               {"loads in flight of a warp", was.loads_in_flight, now->loads_in_flight},
               {"overlap of the parts", was.overlap, now->overlap},
               {"microseconds of a launch", 1e6 * was.launch_s, 1e6 * now->launch_s}};
    printf("%s by %d of %d rows of %s, %s\n", c->gpu->name, c->used, c->rows, c->device, c->date);
    printf("%-28s %10s %10s\n", "", "estimate", "fitted");
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        printf("%-28s %10.4g %10.4g\n", row[i].name, row[i].was, row[i].now);
    printf("half of the kernels are modelled within %.0f %% by the estimates, %.0f %% by the fit; "
           "kernels that a "
           "fit did not see within %.0f %%\n",
           percent(c->fit.before), percent(c->fit.after), percent(now->error));
    if (now->error >= c->fit.before)
        printf("which is no better than the estimates: these constants are not worth using\n");
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    vfy_calibration c;
    (void)nargs, (void)exit_code;
    if ((o->gpu && cli_check_gpu(o->gpu, err)) ||
        vfy_calibration_fit(args[0], o->gpu ? tim_gpu_find(o->gpu) : NULL, &c, err))
        return err->status;
    cJSON *json = vfy_calibration_json(&c);
    if (o->out) {
        ws_buf text = {0};
        ws_json_print(json, true, &text);
        ws_buf_addc(&text, '\n');
        (void)!ws_write_file(o->out, text.p, text.n, err);
        ws_buf_release(&text);
    }
    if (!err->status && o->common.json) {
        cli_print_json(json);
        return WS_OK;
    }
    cJSON_Delete(json);
    if (!err->status)
        print_text(&c);
    return err->status;
}

const cli_command cmd_calibrate = {
    .doc =
        {.name = "calibrate",
         .summary = "fit the cost model's constants to a report of 'make gpu-check'",
         .usage = "REPORT.json [options]",
         .details =
             "Modelled times are uncalibrated until they are told what a GPU took. This fits the "
             "model's constants to the\nreport's kernels, and says how far from measured times "
             "kernels are that the fit did not see. The constants\nhold in programs that are run "
             "with WARPSMITH_CALIBRATION set to the file of --out.",
         .examples = "warpsmith calibrate gpu-check.json -o h200.json\n"
                     "WARPSMITH_CALIBRATION=h200.json warpsmith verify softmax mine.cu --gpu h200",
         .options = option_table,
         .min_args = 1,
         .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
