/* `prompt` prints what would be sent; `submit` judges a reply that a person or another agent obtained. */
#include "agent/cli.h"
#include "agent/llm/extract.h"
#include "agent/loop/loop.h"
#include "base/file.h"
#include "base/sha256.h"
#include "reference/emit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *gpu, *arch, *prompts;
} options;

static const ws_opt option_table[] = {
    {.name = "gpu", .type = WS_OPT_STRING, .offset = offsetof(options, gpu), .fallback = "h100",
     .arg = "NAME", .help = "GPU of the cost model", .group = "Device"},
    {.name = "arch", .type = WS_OPT_STRING, .offset = offsetof(options, arch), .fallback = "sm_90",
     .arg = "ARCH", .help = "compile for this architecture", .group = "Device"},
    {.name = "prompts", .type = WS_OPT_STRING, .offset = offsetof(options, prompts), .arg = "DIR",
     .help = "templates that replace the bundled ones"},
    CLI_COMMON_OPTIONS};

static void print_prompt(const loop_prompt *p, bool json)
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

static ws_status run_prompt(const void *values, const char **args, int nargs, int *exit_code,
                            ws_err *err)
{
    const options *o = values;
    spec *s = NULL;
    ref_graph *g = NULL;
    ws_buf source = {0};
    loop_prompt p = {0};
    (void)nargs, (void)exit_code;
    ws_status st = spec_find(args[0], &s, err);
    if (!st)
        st = ref_graph_new(s, &g, err);
    if (!st)
        st = ref_emit(g, &source, err);
    if (!st) {
        db_candidate c = {.origin = "emitted", .source = ws_buf_z(&source), .reason = "pass",
                          .modelled_s = (double)NAN, .measured_s = (double)NAN};
        loop_attempt attempt = {&c, "{}"};
        loop_history h = {&attempt, 1, 0};
        loop_step step = loop_refine.next(&h);
        st = loop_prompt_make(s, o->prompts, o->gpu, &h, &step, &p, err);
    }
    if (!st)
        print_prompt(&p, o->common.json);
    loop_prompt_release(&p);
    ws_buf_release(&source);
    ref_graph_free(g);
    spec_free(s);
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
    vfy_options vo = {.arch = o->arch, .gpu = o->gpu};
    st = vfy_verify(session, ws_buf_z(&code), code.n, &vo, v, err);
out:
    vfy_session_close(session);
    comp_service_close(comp);
    ws_buf_release(&code);
    return st;
}

static ws_status run_submit(const void *values, const char **args, int nargs, int *exit_code,
                            ws_err *err)
{
    const options *o = values;
    spec *s = NULL;
    ws_buf reply = {0}, text = {0};
    vfy_verdict v;
    (void)nargs;
    ws_status st = spec_find(args[0], &s, err);
    if (!st)
        st = ws_read_file(args[1], 4 << 20, &reply, err);
    if (!st)
        st = judge_reply(o, s, &reply, &v, err);
    if (!st && o->common.json) {
        cli_print_json(vfy_verdict_json(&v));
    } else if (!st) {
        vfy_verdict_print(&v, &text);
        fputs(ws_buf_z(&text), stdout);
    }
    if (!st)
        *exit_code = v.reason != HX_PASS;
    ws_buf_release(&text);
    ws_buf_release(&reply);
    spec_free(s);
    return st;
}

const cli_command cmd_prompt = {
    .doc = {.name = "prompt",
            .summary = "print the first prompt of a spec",
            .usage = "SPEC [options]",
            .examples = "warpsmith prompt softmax",
            .options = option_table,
            .min_args = 1,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run_prompt,
};

const cli_command cmd_submit = {
    .doc = {.name = "submit",
            .summary = "judge a reply that was obtained elsewhere",
            .usage = "SPEC REPLY.txt [options]",
            .examples = "warpsmith submit softmax reply.md",
            .options = option_table,
            .min_args = 2,
            .max_args = 2},
    .values_size = sizeof(options),
    .run = run_submit,
};
