/* `prompt` prints what would be sent; `submit` judges a reply that was obtained elsewhere. */
#include "agent/cli.h"
#include "agent/llm/extract.h"
#include "agent/loop/loop.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "reference/emit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *gpu, *arch, *prompts, *archive, *run;
} options;

#define OPT(field) offsetof(options, field)
static const ws_opt prompt_options[] = {
    {.name = "run", .type = WS_OPT_STRING, .offset = OPT(run), .arg = "RUN",
     .help = "the next prompt of this run of the archive, in the place of a first one"},
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, .offset = OPT(archive),
     .fallback = "warpsmith.db", .arg = "FILE", .help = "the archive", .env = "WARPSMITH_ARCHIVE"},
    {.name = "prompts", .type = WS_OPT_STRING, .offset = OPT(prompts), .arg = "DIR",
     .help = "templates that replace the bundled ones"},
    {.name = "gpu", .type = WS_OPT_STRING, .offset = OPT(gpu), .fallback = "h100", .arg = "NAME",
     .help = "GPU of the cost model", .group = "Device"},
    {.name = "arch", .type = WS_OPT_STRING, .offset = OPT(arch), .fallback = "sm_90", .arg = "ARCH",
     .help = "compile for this architecture", .group = "Device"},
    CLI_COMMON_OPTIONS};

static const ws_opt submit_options[] = {
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, .offset = OPT(archive), .arg = "FILE",
     .help = "keep reply and verdict as a run of this archive"},
    {.name = "run", .type = WS_OPT_STRING, .offset = OPT(run), .arg = "RUN",
     .help = "with --archive: as the next round of this run"},
    {.name = "gpu", .type = WS_OPT_STRING, .offset = OPT(gpu), .fallback = "h100", .arg = "NAME",
     .help = "GPU of the cost model", .group = "Device"},
    {.name = "arch", .type = WS_OPT_STRING, .offset = OPT(arch), .fallback = "sm_90", .arg = "ARCH",
     .help = "compile for this architecture", .group = "Device"},
    CLI_COMMON_OPTIONS};

static void print_prompt(const prompt_text *p, bool json)
{
    if (!json) {
        printf("%s\n%s", p->system, p->user);
        return;
    }
    cJSON *o = cJSON_CreateObject(), *messages = cJSON_AddArrayToObject(o, "messages");
    const char *const role[] = {"system", "user"}, *const text[] = {p->system, p->user};
    for (int i = 0; i < 2; i++) {
        cJSON *m = cJSON_CreateObject();
        cJSON_AddStringToObject(m, "role", role[i]);
        cJSON_AddStringToObject(m, "content", text[i]);
        cJSON_AddItemToArray(messages, m);
    }
    cli_print_json(o);
}

/* Generation 0 as the loop judges it: its time stands in the first prompt. */
static ws_status time_translation(const options *o, const spec *s, const char *source,
                                  db_candidate *c, ws_buf *verdict, ws_err *err)
{
    comp_service *comp = NULL;
    vfy_session *session = NULL;
    vfy_verdict v;
    vfy_options vo = {.arch = o->arch, .gpu = o->gpu};
    ws_status st = comp_service_open(&(comp_service_options){0}, &comp, err);
    if (!st)
        st = vfy_session_open(s, comp, &session, err);
    if (!st)
        st = vfy_verify(session, source, strlen(source), &vo, &v, err);
    if (!st) {
        c->reason = hx_reason_name(v.reason);
        c->modelled_s = v.has_model ? v.model.seconds : (double)NAN;
        cJSON *json = vfy_verdict_json(&v);
        ws_json_print(json, false, verdict);
        cJSON_Delete(json);
    }
    vfy_session_close(session);
    comp_service_close(comp);
    return st;
}

/* As a run of one lane begins. */
static ws_status make_first(const options *o, const spec *s, const db_candidate *c,
                            const char *verdict, prompt_text *p, ws_err *err)
{
    ws_arena a = {0};
    strat_attempt attempt = {.candidate = c, .verdict_json = verdict, .turn = -1, .same_as = -1};
    strat_model model = {"", (double)NAN, (double)NAN};
    strat_view v = {.attempt = &attempt,
                    .n_attempts = 1,
                    .model = &model,
                    .n_models = 1,
                    .lanes = 1,
                    .spec = s};
    strat_step step = {.subject = -1};
    ws_status st = WS_OK;
    if (strategies[0]->next(&v, 0, 0, &a, &step) != STRAT_ASK)
        ws_bug("'%s' has no first step", strategies[0]->name);
    prompt_context x = {.spec = s, .dir = o->prompts, .gpu = o->gpu, .view = &v, .step = &step};
    st = prompt_make(&x, p, err);
    ws_arena_release(&a);
    return st;
}

static ws_status first_prompt(const options *o, const char *name, prompt_text *p, ws_err *err)
{
    spec *s = NULL;
    ref_graph *g = NULL;
    ws_buf source = {0}, verdict = {0};
    db_candidate c = {.origin = "emitted", .measured_s = (double)NAN};
    ws_status st = spec_find(name, &s, err);
    if (!st)
        st = ref_graph_new(s, &g, err);
    if (!st)
        st = ref_emit(g, &source, err);
    if (!st)
        st = time_translation(o, s, ws_buf_z(&source), &c, &verdict, err);
    if (!st) {
        c.source = ws_buf_z(&source);
        st = make_first(o, s, &c, ws_buf_z(&verdict), p, err);
    }
    ws_buf_release(&source);
    ws_buf_release(&verdict);
    ref_graph_free(g);
    spec_free(s);
    return st;
}

static ws_status run_prompt(const void *values, const char **args, int nargs, int *exit_code,
                            ws_err *err)
{
    const options *o = values;
    prompt_text p = {0};
    (void)exit_code;
    if (cli_check_gpu(o->gpu, err))
        return err->status;
    if (!nargs && !o->run)
        return ws_fail(err, WS_EUSAGE, "prompt needs a SPEC, or --run RUN");
    if (nargs && o->run)
        return ws_fail(err, WS_EUSAGE, "prompt takes a SPEC or --run RUN, not both");
    ws_status st = o->run ? loop_prompt_next(o->archive, o->run, o->prompts, &p, err)
                          : first_prompt(o, args[0], &p, err);
    if (!st)
        print_prompt(&p, o->common.json);
    prompt_release(&p);
    return st;
}

static ws_status judge_reply(const options *o, const spec *s, const ws_buf *reply, vfy_verdict *v,
                             ws_err *err)
{
    ws_buf code = {0};
    comp_service *comp = NULL;
    vfy_session *session = NULL;
    ws_status st = WS_OK;
    llm_extract_status found = llm_extract_cuda(ws_buf_z(reply), reply->n, &code);
    *v = (vfy_verdict){.level = VFY_NONE, .registers = -1, .shared_bytes = -1, .spill_bytes = -1};
    if (found == LLM_EXTRACT_NONE || found == LLM_EXTRACT_TRUNCATED) {
        v->reason = found == LLM_EXTRACT_NONE ? HX_NO_CODE : HX_TRUNCATED;
        snprintf(v->text, sizeof v->text, "%s", hx_reason_text(v->reason));
        ws_sha256_of(reply->p, reply->n, v->source_sha256);
        goto out;
    }
    if ((st = comp_service_open(&(comp_service_options){0}, &comp, err)) ||
        (st = vfy_session_open(s, comp, &session, err)))
        goto out;
    vfy_options vo = {.arch = o->arch, .gpu = o->gpu, .depth = VFY_FULL,
                      .max_level = VFY_ALGEBRAIC};
    st = vfy_verify(session, ws_buf_z(&code), code.n, &vo, v, err);
out:
    vfy_session_close(session);
    comp_service_close(comp);
    ws_buf_release(&code);
    return st;
}

/* As a round of a run: the verdict, its tuning, and what it is compared with are archived. */
static ws_status submit_to_run(const options *o, const char *spec_name, const spec *s,
                               const char *reply, int *exit_code, ws_err *err)
{
    ws_arena a = {0};
    db_archive *db = NULL;
    db_run r = {0};
    loop_options l = {.spec = spec_name,
                      .models = "submitted",
                      .archive = o->archive,
                      .gpu = o->gpu,
                      .arch = o->arch,
                      .reply = reply,
                      .json = o->common.json,
                      .tune_max = 16,
                      .temperature = -1,
                      .model = {{.name = "submitted"}},
                      .n_models = 1};
    ws_status st = WS_OK;
    if (o->run) {
        if (!(st = db_open(o->archive, true, &db, err)))
            st = db_run_find(db, o->run, &a, &r, err);
        db_close(db);
        if (!st && strcmp(r.spec_name, s->name) != 0)
            st = ws_fail(err, WS_EUSAGE, "run '%s' is of '%s', not of '%s'", r.name, r.spec_name,
                         s->name);
        if (!st)
            st = loop_options_of_run(&r, &a, &l, err);
        l.resume = r.name;
    }
    if (!st)
        st = loop_run(&l, exit_code, err);
    ws_arena_release(&a);
    return st;
}

static ws_status submit_alone(const options *o, const spec *s, const ws_buf *reply, int *exit_code,
                              ws_err *err)
{
    ws_buf text = {0};
    vfy_verdict v;
    if (judge_reply(o, s, reply, &v, err))
        return err->status;
    if (o->common.json) {
        cli_print_json(vfy_verdict_json(&v));
    } else {
        vfy_verdict_print(&v, &text);
        fputs(ws_buf_z(&text), stdout);
    }
    *exit_code = v.reason != HX_PASS;
    ws_buf_release(&text);
    return WS_OK;
}

static ws_status run_submit(const void *values, const char **args, int nargs, int *exit_code,
                            ws_err *err)
{
    const options *o = values;
    spec *s = NULL;
    ws_buf reply = {0};
    (void)nargs;
    if (cli_check_gpu(o->gpu, err))
        return err->status;
    if (o->run && !o->archive)
        return ws_fail(err, WS_EUSAGE, "--run needs --archive FILE");
    ws_status st = spec_find(args[0], &s, err);
    if (!st)
        st = ws_read_file(args[1], 4 << 20, &reply, err);
    if (!st)
        st = o->archive ? submit_to_run(o, args[0], s, ws_buf_z(&reply), exit_code, err)
                        : submit_alone(o, s, &reply, exit_code, err);
    ws_buf_release(&reply);
    spec_free(s);
    return st;
}

const cli_command cmd_prompt = {
    .doc = {.name = "prompt",
            .summary = "print what would be sent to a model",
            .usage = "SPEC [options], or --run RUN [options]",
            .details = "The first prompt of a spec, or the next one of a run.",
            .examples = "warpsmith prompt softmax\nwarpsmith prompt --run last",
            .options = prompt_options,
            .min_args = 0,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run_prompt,
};

const cli_command cmd_submit = {
    .doc = {.name = "submit",
            .summary = "judge a reply that was obtained elsewhere",
            .usage = "SPEC REPLY.txt [options]",
            .details =
                "With --archive the reply becomes a round of a run, 'warpsmith prompt --run' "
                "prints\nwhat to ask next, and 'warpsmith export' writes the winner.",
            .examples = "warpsmith submit softmax reply.md\n"
                        "warpsmith submit softmax reply.md --archive a.db --run last",
            .options = submit_options,
            .min_args = 2,
            .max_args = 2},
    .values_size = sizeof(options),
    .run = run_submit,
};
