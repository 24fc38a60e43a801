#include "agent/cli.h"
#include "agent/version.h"
#include "base/file.h"
#include "base/json.h"
#include "results/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *archive, *html, *baseline, *title, *traffic;
    double usd_per_hour;
    bool md, csv, has_price;
} options;

static const ws_opt option_table[] = {
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, .offset = offsetof(options, archive),
     .fallback = "warpsmith.db", .arg = "FILE", .help = "the archive", .env = "WARPSMITH_ARCHIVE"},
    {.name = "html", .type = WS_OPT_STRING, .offset = offsetof(options, html), .arg = "FILE",
     .help = "write one self-contained page; - is standard output"},
    {.name = "md", .type = WS_OPT_FLAG, .offset = offsetof(options, md),
     .help = "Markdown, to a FILE.md that is named too, else to standard output"},
    {.name = "csv", .type = WS_OPT_FLAG, .offset = offsetof(options, csv),
     .help = "a row a problem, to a FILE.csv that is named too, else to standard output"},
    {.name = "baseline", .type = WS_OPT_STRING, .offset = offsetof(options, baseline),
     .arg = "NAME", .help = "what speed-ups refer to; translation by default"},
    {.name = "title", .type = WS_OPT_STRING, .offset = offsetof(options, title), .arg = "TEXT",
     .help = "title of the report"},
    {.name = "price-per-hour", .type = WS_OPT_NUMBER, .offset = offsetof(options, usd_per_hour),
     .given = offsetof(options, has_price), .arg = "USD", .group = "Economics",
     .help = "of one GPU; by default a public on-demand price (docs/report.md lists them)"},
    {.name = "traffic", .type = WS_OPT_STRING, .offset = offsetof(options, traffic), .arg = "TOKENS",
     .group = "Economics",
     .help = "tokens per second that the operation serves: 20k, 2M/day, 5G/month; assumed: 10k"},
    CLI_COMMON_OPTIONS};

/* "20k", "2M/day" as tokens per second. */
static ws_status read_traffic(const char *text, double *out, ws_err *err)
{
    static const struct {
        const char *name;
        double seconds;
    } period[] = {{"", 1}, {"/s", 1}, {"/hour", 3600}, {"/day", 86400},
                  {"/month", 365.25 / 12 * 86400}, {"/year", 365.25 * 86400}};
    static const char suffix[] = "kMGT";
    char *end;
    if (!text)
        return WS_OK;
    double v = strtod(text, &end);
    const char *s = *end ? strchr(suffix, *end) : NULL;
    if (s) {
        v *= pow(1000, (double)(s - suffix + 1));
        end++;
    }
    for (size_t i = 0; end != text && i < WS_COUNT(period); i++)
        if (strcmp(end, period[i].name) == 0 && v > 0 && isfinite(v)) {
            *out = v / period[i].seconds;
            return WS_OK;
        }
    return ws_fail(err, WS_EUSAGE,
                   "--traffic '%s' is no number of tokens; write 20k (a second), 2M/day or 5G/month",
                   text);
}

static bool ends_in(const char *z, const char *end)
{
    const size_t n = strlen(z), m = strlen(end);
    return n > m && strcmp(z + n - m, end) == 0;
}

/* Takes the first of the arguments that ends so out of them; "-": there is none. */
static const char *take_file(const char *end, const char **args, int *n)
{
    for (int i = 0; i < *n; i++)
        if (ends_in(args[i], end)) {
            const char *file = args[i];
            for ((*n)--; i < *n; i++)
                args[i] = args[i + 1];
            return file;
        }
    return "-";
}

static void put_json(const rep_report *r, ws_buf *out)
{
    cJSON *o = rep_json(r);
    ws_json_print(o, true, out);
    ws_buf_addc(out, '\n');
    cJSON_Delete(o);
}

typedef struct output {
    const char *file; /* "-": stdout, NULL: not asked for */
    void (*write)(const rep_report *r, ws_buf *out);
} output;

static ws_status write_one(const rep_report *r, const output *o, ws_err *err)
{
    ws_buf text = {.max = (size_t)1 << 31};
    o->write(r, &text);
    ws_status st = text.overflow ? ws_fail(err, WS_ELIMIT, "the report is over 2 GiB")
                                 : ws_write_file(o->file, ws_buf_z(&text), text.n, err);
    ws_buf_release(&text);
    return st;
}

/* Which outputs were asked for, with the files named among the arguments; at most one to stdout. */
static ws_status choose_outputs(const options *o, const char **args, int *n, output out[4],
                                ws_err *err)
{
    int to_stdout = 0;
    out[0] = (output){o->html, rep_html};
    out[1] = (output){o->csv ? take_file(".csv", args, n) : NULL, rep_csv};
    out[2] = (output){o->common.json ? take_file(".json", args, n) : NULL, put_json};
    out[3] = (output){o->md ? take_file(".md", args, n) : NULL, rep_markdown};
    if (!out[0].file && !out[1].file && !out[2].file && !out[3].file)
        out[3].file = "-";
    for (int i = 0; i < 4; i++)
        to_stdout += out[i].file && strcmp(out[i].file, "-") == 0;
    return to_stdout > 1 ? ws_fail(err, WS_EUSAGE, "only one of --html -, --md, --csv and --json can "
                                                   "be standard output; name files for the others")
                         : WS_OK;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    rep_options how = {.tool = "warpsmith " WARPSMITH_VERSION, .title = o->title,
                       .baseline = o->baseline, .usd_per_hour = o->usd_per_hour};
    db_archive *db = NULL;
    ws_arena a = {0};
    rep_report r;
    output out[4];
    (void)exit_code;
    if (o->has_price && !(o->usd_per_hour > 0 && isfinite(o->usd_per_hour)))
        return ws_fail(err, WS_EUSAGE, "--price-per-hour is a positive number of USD");
    if (read_traffic(o->traffic, &how.traffic, err) ||
        choose_outputs(o, args, &nargs, out, err))
        return err->status;
    ws_status st = db_open(o->archive, true, &db, err);
    if (!st)
        st = rep_collect(db, args, nargs, &how, &a, &r, err);
    for (int i = 0; i < 4 && !st; i++)
        if (out[i].file)
            st = write_one(&r, &out[i], err);
    ws_arena_release(&a);
    db_close(db);
    return st;
}

const cli_command cmd_report = {
    .doc = {.name = "report",
            .summary = "what sweeps and runs achieved: one HTML page, Markdown, CSV, JSON",
            .usage = "[SWEEP | RUN ...] [options]",
            .details =
                "Without a name: the last sweep or run of the archive. Several are shown side by "
                "side.\nThe page needs no network and no server: headline and fast_p, a table of "
                "problems that can be sorted,\nbest so far against attempts, time and dollars, "
                "failures, costs, the lineage and the change of every\nwinner, samples of times, "
                "economics of specs that serve tokens, and how it was measured.\nModelled times "
                "are labelled and never compared with measured ones; so are scripted replies.",
            .examples = "warpsmith report --html report.html\n"
                        "warpsmith report level1-a level1-b --html both.html\n"
                        "warpsmith report last --md\n"
                        "warpsmith report --csv rows.csv --json report.json\n"
                        "warpsmith report --html r.html --price-per-hour 2.5 --traffic 2G/month",
            .options = option_table,
            .min_args = 0,
            .max_args = -1},
    .values_size = sizeof(options),
    .run = run,
};
