#include "agent/cli.h"
#include "agent/cmd/archive_packet.h"
#include "agent/cmd/export_file.h"
#include "results/export.h"
#include "results/export_check.h"
#include "results/export_library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *archive, *output, *name, *packet, *format;
    ws_opt_list arch, shape;
    bool check;
    const char *all;
    int64_t best;
} options;

static const ws_opt option_table[] = {
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, .offset = offsetof(options, archive),
     .fallback = "warpsmith.db", .arg = "FILE", .help = "the archive", .env = "WARPSMITH_ARCHIVE"},
    {.name = "format", .letter = 'f', .type = WS_OPT_STRING, .offset = offsetof(options, format),
     .arg = "NAME", .help = "one of the formats above; by the suffix of --output, else header"},
    {.name = "output", .letter = 'o', .type = WS_OPT_STRING, .offset = offsetof(options, output),
     .fallback = "-", .arg = "FILE", .help = "where to write; - is standard output"},
    {.name = "name", .type = WS_OPT_STRING, .offset = offsetof(options, name), .arg = "ID",
     .help = "C identifier of the launcher; from the spec's name by default"},
    {.name = "arch", .type = WS_OPT_LIST, .offset = offsetof(options, arch), .arg = "SM,...",
     .help = "GPUs to hold machine code for, as sm_90a; by default the one that it was verified "
             "for"},
    {.name = "shape", .type = WS_OPT_LIST, .offset = offsetof(options, shape), .arg = "B=8,N=512",
     .help = "a further shape to compile for, where the kernel has extents compiled in; "
             "repeatable"},
    {.name = "all", .type = WS_OPT_STRING, .offset = offsetof(options, all), .arg = "DIR",
     .help = "write all winners of the archive, a header each, and dispatch.h, which chooses among "
             "them by GPU and shape"},
    {.name = "best", .type = WS_OPT_INT, .offset = offsetof(options, best), .fallback = "1",
     .arg = "N", .help = "with --all: so many kernels for each spec, GPU and set of dims", .min = 1,
     .max = 100},
    {.name = "check", .type = WS_OPT_FLAG, .offset = offsetof(options, check),
     .help = "read the export that is named and say whether its source and binaries have the "
             "hashes of its evidence"},
    {.name = "packet", .type = WS_OPT_STRING, .offset = offsetof(options, packet), .arg = "FILE",
     .help = "verify once more and write the evidence packet, whose hash the export names"},
    CLI_COMMON_OPTIONS};

/* The packet's file; a candidate that does not hold any more is not exported. */
static ws_status put_packet(const options *o, db_archive *db, const db_run *r,
                            const db_candidate *c, ws_arena *a, exp_input *in, ws_err *err)
{
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    cJSON *packet = NULL;
    ws_status st = archive_packet(db, r, c, v, &packet, err);
    if (!st && v->reason != HX_PASS)
        st = ws_fail(err, WS_EINPUT, "the candidate does not hold any more: %s: %.600s",
                     hx_reason_name(v->reason), v->text);
    if (!st)
        st = archive_packet_write(packet, o->packet, err);
    if (!st)
        in->packet_sha256 = ws_arena_strdup(
            a, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(packet, "sha256")));
    cJSON_Delete(packet);
    free(v);
    return st;
}

/* ---- reading one again ---- */

static ws_status run_check(const options *o, const char *path, int *exit_code, ws_err *err)
{
    cJSON *report = NULL, *part;
    if (exp_check(path, &report, err))
        return err->status;
    const bool holds = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(report, "holds"));
    *exit_code = holds ? 0 : 1;
    if (o->common.json) {
        cli_print_json(report);
        return WS_OK;
    }
    const cJSON *evidence = cJSON_GetObjectItemCaseSensitive(report, "evidence");
    const cJSON *verdict = cJSON_GetObjectItemCaseSensitive(evidence, "verdict");
    const char *symbol = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(evidence, "symbol"));
    const char *level =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(verdict, "level_name"));
    printf("%s, level %s\n", symbol ? symbol : "?", level ? level : "?");
    cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(report, "parts"))
    {
        const cJSON *good = cJSON_GetObjectItemCaseSensitive(part, "holds");
        const char *what = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "what"));
        if (cJSON_IsTrue(good))
            printf("%-40s holds\n", what);
        else
            printf("%-40s differs: sha256 %s, the evidence says %s\n", what,
                   cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "got")),
                   cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "want")));
    }
    puts(holds ? "all of it is as it was exported" : "it was changed since it was exported");
    cJSON_Delete(report);
    return WS_OK;
}

/* ---- writing one ---- */

static ws_status write_export(const options *o, const exp_format *f, const exp_input *in,
                              ws_err *err)
{
    if (f->is_folder) {
        if (exp_save(f, in, o->output, err))
            return err->status;
        if (o->common.json) {
            cJSON *v = cJSON_CreateObject();
            cJSON_AddNumberToObject(v, "schema", 1);
            cJSON_AddStringToObject(v, "folder", o->output);
            cli_print_json(v);
        }
        return WS_OK;
    }
    ws_buf text = {.max = EXP_MAX_BYTES};
    ws_status st = exp_text(f, in, &text, err);
    if (!st)
        st = cli_write_text(o->output, o->common.json, "header", &text, err);
    ws_buf_release(&text);
    return st;
}

/* ---- what is asked for ---- */

static ws_status choose_format(const options *o, const exp_format **out, ws_err *err)
{
    ws_buf names = {0};
    *out = o->format ? exp_format_named(o->format) : exp_format_of_file(o->output);
    if (!*out && !o->format)
        *out = exp_format_named("header");
    for (const exp_format *f = exp_formats; !*out && f->name; f++)
        ws_buf_printf(&names, "%s%s", names.n ? ", " : "", f->name);
    if (!*out) {
        ws_fail(err, WS_EUSAGE, "unknown format '%s'", o->format);
        ws_hint(err, "there are %s", ws_buf_z(&names));
    }
    ws_buf_release(&names);
    return err->status;
}

/* "sm_90a,sm_100" and repeated options are one list. */
static void read_archs(const options *o, ws_arena *a, exp_input *in)
{
    int n = 0;
    for (size_t i = 0; i < o->arch.n; i++)
        n += (int)strlen(o->arch.item[i]) + 1;
    const char **list = WS_ARENA_NEW(a, const char *, n + 1);
    n = 0;
    for (size_t i = 0; i < o->arch.n; i++)
        for (char *p = ws_arena_strdup(a, o->arch.item[i]), *word; (word = strsep(&p, ","));)
            if (*word)
                list[n++] = word;
    in->arch = list;
    in->n_archs = n;
}

/* The benchmark shape with the extents that the text names. */
static ws_status read_shape(const spec *s, const char *text, ws_arena *a, ws_env *out, ws_err *err)
{
    ws_opt_list dims = {0};
    int room = 1;
    for (const char *p = text; *p; p++)
        room += *p == ',';
    dims.item = WS_ARENA_NEW(a, const char *, room);
    for (char *p = ws_arena_strdup(a, text), *word; (word = strsep(&p, ","));)
        dims.item[dims.n++] = word;
    return cli_spec_env(s, -1, &dims, a, out, err);
}

static ws_status read_shapes(const options *o, ws_arena *a, exp_input *in, ws_err *err)
{
    ws_env *list = WS_ARENA_NEW(a, ws_env, o->shape.n + 1);
    for (size_t i = 0; i < o->shape.n; i++)
        if (read_shape(in->spec, o->shape.item[i], a, &list[i], err))
            return ws_wrap(err, "--shape %s", o->shape.item[i]);
    in->shape = list;
    in->n_shapes = (int)o->shape.n;
    return WS_OK;
}

/* ---- a library ---- */

static ws_status run_all(const options *o, const char *name, int *exit_code, ws_err *err)
{
    db_archive *db = NULL;
    comp_service *comp = NULL;
    exp_input in = {0};
    exp_library_result r = {0};
    ws_arena a = {0};
    read_archs(o, &a, &in);
    ws_status st = db_open(o->archive, true, &db, err);
    if (!st)
        st = comp_service_open(&(comp_service_options){0}, &comp, err);
    if (!st)
        st = exp_library(db,
                         &(exp_library_options){.dir = o->all,
                                                .compiler = comp,
                                                .arch = in.arch,
                                                .n_archs = in.n_archs,
                                                .best = (int)o->best,
                                                .name = name},
                         &r, err);
    if (!st && o->common.json) {
        cJSON *v = cJSON_CreateObject();
        cJSON_AddNumberToObject(v, "schema", 1);
        cJSON_AddStringToObject(v, "folder", o->all);
        cJSON_AddNumberToObject(v, "headers", r.headers);
        cJSON_AddNumberToObject(v, "operations", r.operations);
        cJSON_AddNumberToObject(v, "left_out", r.left_out);
        cli_print_json(v);
    } else if (!st) {
        printf("%s: %d headers for %d operations, dispatch.h and README.md", o->all, r.headers,
               r.operations);
        printf(r.left_out ? "; %d left out, README.md says why\n" : "\n", r.left_out);
    }
    *exit_code = !st && r.left_out ? 1 : 0;
    comp_service_close(comp);
    db_close(db);
    ws_arena_release(&a);
    return st;
}

/* ---- a kernel from a file ---- */

static ws_status run_file(const options *o, const exp_format *format, const char **args,
                          comp_service *comp, int *exit_code, ws_err *err)
{
    exp_input in = {.name = o->name, .compiler = comp};
    export_file f = {0};
    ws_arena a = {0};
    read_archs(o, &a, &in);
    ws_status st = export_file_verify(args[0], args[1], in.n_archs ? in.arch[0] : NULL, o->packet,
                                      comp, &f, err);
    if (!st && !f.passed) {
        ws_buf text = {0};
        vfy_verdict_print(f.verdict, &text);
        fputs(ws_buf_z(&text), stderr);
        ws_buf_release(&text);
        *exit_code = 1;
    } else if (!st) {
        in.spec = f.spec;
        in.candidate = &f.candidate;
        in.run = &f.run;
        in.verdict_json = f.verdict_json;
        in.packet_sha256 = f.packet_sha256;
        st = read_shapes(o, &a, &in, err);
        if (!st)
            st = write_export(o, format, &in, err);
    }
    export_file_release(&f);
    ws_arena_release(&a);
    return st;
}

/* ---- one of an archive ---- */

static ws_status run_candidate(const options *o, const exp_format *format, const char *which,
                               comp_service *comp, ws_err *err)
{
    db_archive *db = NULL;
    ws_arena a = {0};
    spec *s = NULL;
    db_run r = {0};
    db_candidate c = {0};
    exp_input in = {.candidate = &c, .run = &r, .name = o->name, .compiler = comp};
    ws_status st = db_open(o->archive, true, &db, err);
    if (!st)
        st = archive_choose(db, which, &a, &r, &c, err);
    if (!st)
        st = db_verdict_json(db, c.id, &a, &in.verdict_json, err);
    if (!st)
        st = spec_from_text(r.spec_json, ws_str_of(r.spec_json).n, r.spec_name, &s, err);
    in.spec = s;
    read_archs(o, &a, &in);
    if (!st)
        st = read_shapes(o, &a, &in, err);
    if (!st && o->packet)
        st = put_packet(o, db, &r, &c, &a, &in, err);
    if (!st)
        st = write_export(o, format, &in, err);
    spec_free(s);
    ws_arena_release(&a);
    db_close(db);
    return st;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    const exp_format *format = NULL;
    comp_service *comp = NULL;
    if (o->check)
        return nargs == 1
                   ? run_check(o, args[0], exit_code, err)
                   : ws_fail(err, WS_EUSAGE, "--check needs the file or folder of one export");
    if (o->all)
        return nargs < 2 ? run_all(o, nargs ? args[0] : NULL, exit_code, err)
                         : ws_fail(err, WS_EUSAGE, "--all takes one part of the names of specs");
    ws_status st = choose_format(o, &format, err);
    if (!st && (format->has_binaries || nargs == 2))
        st = comp_service_open(&(comp_service_options){0}, &comp, err);
    if (!st)
        st = nargs == 2 ? run_file(o, format, args, comp, exit_code, err)
                        : run_candidate(o, format, nargs ? args[0] : "last", comp, err);
    comp_service_close(comp);
    return st;
}

const cli_command cmd_export = {
    .doc = {.name = "export",
            .summary = "write a winner for use in other programs",
            .usage =
                "[RUN | #CANDIDATE | SPEC FILE.cu | --all DIR [NAME] | --check FILE] [options]",
            .details =
                "Of a run the winner, a candidate of the archive, or a kernel in a file, which is verified\n"
                "first (exit code 1: rejected). docs/export.md tells more.\n\n"
                "Formats:\n"
                "  header      .h, for C and C++, with the binaries; needs a CUDA driver alone\n"
                "  cuh         .cuh, a CUDA C++ header for nvcc\n"
                "  torch       .py, a Python module with a PyTorch operator\n"
                "  kernelbench a Python file with class ModelNew\n"
                "  flashinfer  .json, a flashinfer-bench solution\n"
                "  raw         a folder: source, PTX, cubins and a manifest",
            .examples = "warpsmith export last -o softmax.h\n"
                        "warpsmith export last -o softmax.py --arch sm_90a,sm_100\n"
                        "warpsmith export basics/row_sum mine.cu -o row_sum.h\n"
                        "warpsmith export last --format kernelbench -o solution.py\n"
                        "warpsmith export --all kernels/ --archive warpsmith.db\n"
                        "warpsmith export --check softmax.h",
            .options = option_table,
            .min_args = 0,
            .max_args = 2},
    .values_size = sizeof(options),
    .run = run,
};
