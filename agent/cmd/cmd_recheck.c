#include "agent/cli.h"
#include "agent/version.h"
#include "base/file.h"
#include "base/json.h"
#include "verifier/packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *output;
} options;

static const ws_opt option_table[] = {
    {.name = "output", .letter = 'o', .type = WS_OPT_STRING, .offset = offsetof(options, output),
     .arg = "FILE", .help = "write the new packet here"},
    CLI_COMMON_OPTIONS};

enum { MAX_PACKET = 256 << 20, SHOWN = 100, SHOWN_CHARS = 120 };

/* A packet that cannot be read is bad input, whatever the part that says so makes of it. */
static ws_status bad(const char *path, ws_err *err)
{
    if (err->status == WS_EUSAGE)
        err->status = WS_EINPUT;
    return ws_wrap(err, "packet '%s'", path);
}

static ws_status repeat(const char *path, const cJSON *then, cJSON **now, ws_err *err)
{
    vfy_packet_request q;
    const char *name, *text;
    spec *s = NULL;
    comp_service *comp = NULL;
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    ws_status st = vfy_packet_read(then, &q, &name, &text, err);
    if (!st)
        st = spec_from_text(text, strlen(text), name, &s, err);
    if (st)
        (void)!bad(path, err);
    if (!st) /* nothing out of a cache: the compile is repeated, too */
        st = comp_service_open(&(comp_service_options){.cache_dir = ""}, &comp, err);
    q.spec = s;
    q.tool_version = WARPSMITH_VERSION;
    if (!st && (st = vfy_packet_make(&q, comp, v, now, err)) == WS_EINPUT)
        (void)!bad(path, err);
    comp_service_close(comp);
    spec_free(s);
    free(v);
    return st;
}

static void print_side(const char *z)
{
    ws_buf b = {0};
    size_t n = z ? strlen(z) : 0;
    char shown[SHOWN_CHARS + 4];
    snprintf(shown, sizeof shown, "%.*s%s", (int)SHOWN_CHARS, z ? z : "nothing",
             n > SHOWN_CHARS ? "..." : "");
    ws_buf_add_foreign(&b, shown, "");
    fputs(ws_buf_z(&b), stdout);
    ws_buf_release(&b);
}

static void print_text(const vfy_differences *d)
{
    for (int i = 0; i < d->n && i < SHOWN; i++) {
        print_side(d->item[i].path);
        fputs(": then ", stdout);
        print_side(d->item[i].then);
        fputs(", now ", stdout);
        print_side(d->item[i].now);
        putchar('\n');
    }
    if (d->n > SHOWN)
        printf("and %d more\n", d->n - SHOWN);
    if (d->other_compiler)
        puts("the compiler is another version: PTX, cubin and coverage were not compared");
    if (!d->n)
        puts(d->other_compiler ? "verdict and outputs are the same" : "the same");
}

static void print_json(const vfy_differences *d)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddBoolToObject(o, "same", !d->n);
    cJSON_AddBoolToObject(o, "other_compiler", d->other_compiler);
    cJSON *array = cJSON_AddArrayToObject(o, "differences");
    for (int i = 0; i < d->n; i++) {
        cJSON *x = cJSON_CreateObject();
        cJSON_AddStringToObject(x, "path", d->item[i].path);
        cJSON_AddItemToObject(x, "then", d->item[i].then ? cJSON_Parse(d->item[i].then) : NULL);
        cJSON_AddItemToObject(x, "now", d->item[i].now ? cJSON_Parse(d->item[i].now) : NULL);
        cJSON_AddItemToArray(array, x);
    }
    cli_print_json(o);
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    ws_buf text = {.max = MAX_PACKET};
    cJSON *then = NULL, *now = NULL;
    (void)nargs;
    ws_status st = ws_read_file(args[0], MAX_PACKET, &text, err);
    if (!st && ws_json_parse(ws_buf_z(&text), text.n, &then, err))
        st = bad(args[0], err);
    if (!st)
        st = repeat(args[0], then, &now, err);
    if (!st && o->output) {
        ws_buf_reset(&text);
        ws_json_print(now, true, &text);
        ws_buf_addc(&text, '\n');
        st = ws_write_file(o->output, text.p, text.n, err);
    }
    if (!st) {
        vfy_differences d;
        vfy_packet_compare(then, now, &d);
        if (o->common.json)
            print_json(&d);
        else
            print_text(&d);
        *exit_code = d.n ? 1 : d.other_compiler ? ws_status_exit_code(WS_EENV) : 0;
        vfy_differences_release(&d);
    }
    cJSON_Delete(then);
    cJSON_Delete(now);
    ws_buf_release(&text);
    return st;
}

const cli_command cmd_recheck = {
    .doc = {.name = "recheck",
            .summary = "repeat the verification of an evidence packet and say what differs",
            .usage = "PACKET [options]",
            .details =
            "Compiles, runs and judges again what 'verify --packet' wrote down, with the same "
            "seeds, and compares all\nbut the circumstances: a line a difference, with what it was "
            "and what it is. Exit code 0: the same,\n1: something differs, 3: the same as far as "
            "another version of the compiler lets one tell, 4: no packet.",
            .examples = "warpsmith verify softmax softmax.cu --packet softmax.packet.json\n"
                        "warpsmith recheck softmax.packet.json",
            .options = option_table,
            .min_args = 1,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
