/* /evaluate in KernelGYM's shape, /run_code in a part of SandboxFusion's. */
#include "agent/serve/endpoint.h"

#include "base/clock.h"

#include <math.h>
#include <string.h>

/* ---- /evaluate ---- */

/* Fields that are absent, null, or one of the words. */
static ws_status one_of(const serve_call *c, const char *key, const char *const words[],
                        ws_err *err)
{
    const cJSON *v = serve_get(c, key);
    ws_buf list = {0};
    if (!v)
        return WS_OK;
    for (int i = 0; words[i]; i++) {
        if (cJSON_IsString(v) && strcmp(v->valuestring, words[i]) == 0) {
            ws_buf_release(&list);
            return WS_OK;
        }
        ws_buf_printf(&list, "%s'%s'", i ? ", " : "", words[i]);
    }
    ws_fail(err, WS_EUSAGE, "'%s': served is %s", key, ws_buf_z(&list));
    ws_buf_release(&list);
    return err->status;
}

/* What cannot be had here must not be taken for done. */
static ws_status refuse_others(const serve_call *c, ws_err *err)
{
    static const char *const backends[] = {"cuda", NULL};
    static const char *const kits[] = {"kernelbench", "warpsmith", NULL};
    static const char *const priorities[] = {"low", "normal", "high", NULL};
    bool yes = true, no = false;
    if (one_of(c, "backend", backends, err) || one_of(c, "toolkit", kits, err) ||
        one_of(c, "backend_adapter", kits, err) || one_of(c, "workflow", kits, err) ||
        one_of(c, "priority", priorities, err) ||
        serve_flag(c, "run_correctness", &yes, err) || serve_flag(c, "enable_profiling", &no, err))
        return err->status;
    if (!yes)
        return serve_refuse("run_correctness", "a kernel is always verified", err);
    if (no)
        return serve_refuse("enable_profiling", "no profiles are served", err);
    static const char *const lists[] = {"cases", "cases_code", "resources", "reference_backend"};
    for (size_t i = 0; i < WS_COUNT(lists); i++)
        if (serve_get(c, lists[i]))
            return serve_refuse(lists[i], "not served: inputs and baseline are those of the spec",
                                err);
    return WS_OK;
}

/* Counts are checked and change nothing: every kernel is verified in full, and modelled once. */
static ws_status check_counts(const serve_call *c, ws_err *err)
{
    double ignored;
    if (serve_number(c, "num_correct_trials", 1, 20, &ignored, err) ||
        serve_number(c, "num_perf_trials", 1, 1000, &ignored, err) ||
        serve_number(c, "num_warmup", 0, 100, &ignored, err))
        return err->status;
    return WS_OK;
}

static ws_status read_evaluate(serve_call *c, ws_err *err)
{
    const char *id, *code, *name;
    bool fresh = false;
    double seconds = 0;
    if (serve_text(c, "task_id", &id, err) || serve_text(c, "kernel_code", &code, err) ||
        refuse_others(c, err) || check_counts(c, err) ||
        serve_flag(c, "force_refresh", &fresh, err) ||
        serve_number(c, "timeout", 10, 3600, &seconds, err))
        return err->status;
    if (!*id || strlen(id) > 100)
        return ws_fail(err, WS_EINPUT, "'task_id': expected 1 to 100 characters");
    if (serve_text(c, serve_get(c, "spec") ? "spec" : "reference_code", &name, err))
        return err->status;
    if (strchr(name, '\n') || strchr(name, ' '))
        return serve_refuse("reference_code",
                            "expected the name of a spec, such as 'basics/softmax'; Python code is "
                            "not run",
                            err);
    if (serve_add_sample(c, name, code, err))
        return err->status;
    c->sample[0].fresh = fresh;
    c->sample[0].seconds = seconds;
    return serve_check_columns(c, err);
}

static const char *error_code(const serve_result *r)
{
    if (r->out_of_time)
        return "TIMEOUT_ERROR";
    if (!serve_compiled(r))
        return r->level < VFY_POLICY ? "VALIDATION_ERROR" : "COMPILATION_ERROR";
    return !r->reward.known ? "UNSUPPORTED" : "CORRECTNESS_ERROR";
}

static void add_ms(cJSON *o, const char *key, double seconds)
{
    if (isfinite(seconds))
        cJSON_AddNumberToObject(o, key, seconds * 1e3);
    else
        cJSON_AddNullToObject(o, key);
}

static bool wants_times(const serve_call *c)
{
    bool run = true, measure = true;
    ws_err ignored = {0};
    (void)!serve_flag(c, "run_performance", &run, &ignored);
    (void)!serve_flag(c, "measure_performance", &measure, &ignored);
    return run && measure;
}

static cJSON *write_evaluate(const serve_call *c)
{
    const serve_result *r = c->sample[0].result;
    const bool right = serve_correct(r), timed = wants_times(c) && right;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "task_id", serve_get(c, "task_id")->valuestring);
    cJSON_AddStringToObject(o, "status", r->out_of_time ? "timeout" : "completed");
    cJSON_AddBoolToObject(o, "compiled", serve_compiled(r));
    cJSON_AddBoolToObject(o, "correctness", right);
    cJSON_AddBoolToObject(o, "decoy_kernel",
                          r->reason == HX_IDLE_LAUNCH || r->reason == HX_CONSTANT_OUTPUT ||
                              r->reason == HX_STATE_KEPT || r->reason == HX_UNVERIFIED_PATH);
    add_ms(o, "reference_runtime", timed ? r->spec->baseline_s : (double)NAN);
    add_ms(o, "kernel_runtime", timed ? r->seconds : (double)NAN);
    if (timed && isfinite(r->reward.speedup))
        cJSON_AddNumberToObject(o, "speedup", r->reward.speedup);
    else
        cJSON_AddNullToObject(o, "speedup");
    cJSON_AddItemToObject(o, "reward", serve_reward_number(r));
    cJSON *m = serve_result_json(r);
    cJSON_AddStringToObject(m, "gpu_name", c->options->gpu);
    cJSON_AddStringToObject(m, "backend", "cuda");
    cJSON_AddItemToObject(o, "metadata", m);
    if (right) {
        cJSON_AddNullToObject(o, "error_message");
        cJSON_AddNullToObject(o, "error_code");
    } else {
        cJSON_AddStringToObject(o, "error_message", r->text);
        cJSON_AddStringToObject(o, "error_code", error_code(r));
    }
    cJSON_AddNumberToObject(o, "processing_time", ws_seconds_since(c->start_ns));
    return o;
}

static const char *const evaluate_fields[] = {
    "task_id", "reference_code", "kernel_code", "spec", "spec_sha256", "gpu", "arch", "toolkit",
    "backend_adapter", "backend", "num_correct_trials", "num_perf_trials", "num_warmup", "timeout",
    "priority", "device_preference", "force_refresh", "entry_point", "reference_backend", "uuid",
    "use_reference_cache", "is_valid", "verbose_errors", "enable_profiling",
    "enable_triton_detection", "measure_performance", "run_correctness", "run_triton_detection",
    "run_performance", "cases_code", "cases", "workflow", "resources", NULL};
const serve_endpoint serve_evaluate = {"/evaluate", evaluate_fields, read_evaluate, write_evaluate};

/* ---- /run_code ---- */

static bool is_empty(const cJSON *v)
{
    return !v || (cJSON_IsString(v) && !*v->valuestring) ||
           ((cJSON_IsArray(v) || cJSON_IsObject(v)) && !cJSON_GetArraySize(v));
}

static ws_status read_run_code(serve_call *c, ws_err *err)
{
    static const char *const unserved[] = {"stdin", "files", "fetch_files"};
    const char *language, *code, *name;
    double compile = 0, run = 0, memory = -1;
    if (serve_text(c, "language", &language, err) || serve_text(c, "code", &code, err))
        return err->status;
    if (strcmp(language, "cuda") != 0)
        return serve_refuse("language", "served is 'cuda' alone", err);
    if (!serve_get(c, "spec"))
        return ws_fail(err, WS_EUSAGE,
                       "missing 'spec': programs are not run here; a kernel is judged by the spec "
                       "that this field names");
    for (size_t i = 0; i < WS_COUNT(unserved); i++)
        if (!is_empty(serve_get(c, unserved[i])))
            return serve_refuse(unserved[i], "a kernel has no files and no standard input", err);
    if (serve_text(c, "spec", &name, err) ||
        serve_number(c, "compile_timeout", 1, 3600, &compile, err) ||
        serve_number(c, "run_timeout", 1, 3600, &run, err) ||
        serve_number(c, "memory_limit_MB", -1, 1e9, &memory, err))
        return err->status;
    if (memory > 0)
        return serve_refuse("memory_limit_MB", "the limit on memory is the server's", err);
    if (serve_add_sample(c, name, code, err))
        return err->status;
    if (run > 0)
        c->sample[0].seconds = (compile > 0 ? compile : 10) + run;
    return serve_check_columns(c, err);
}

static cJSON *command_result(const char *status, double seconds, int code, const char *out,
                             const char *error)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "status", status);
    cJSON_AddNumberToObject(o, "execution_time", seconds);
    if (code >= 0)
        cJSON_AddNumberToObject(o, "return_code", code);
    else
        cJSON_AddNullToObject(o, "return_code");
    cJSON_AddStringToObject(o, "stdout", out);
    cJSON_AddStringToObject(o, "stderr", error);
    return o;
}

static cJSON *write_run_code(const serve_call *c)
{
    const serve_result *r = c->sample[0].result;
    const bool right = serve_correct(r), compiled = serve_compiled(r);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "status", right ? "Success" : "Failed");
    cJSON_AddStringToObject(o, "message", right ? "" : r->text);
    cJSON_AddItemToObject(o, "compile_result",
                          command_result(r->out_of_time ? "TimeLimitExceeded" : "Finished",
                                         r->compile_seconds,
                                         r->out_of_time ? -1 : !compiled, "",
                                         compiled        ? ""
                                         : *r->log ? r->log
                                                   : r->text));
    if (compiled)
        cJSON_AddItemToObject(o, "run_result",
                              command_result("Finished", r->judge_seconds - r->compile_seconds,
                                             !right, r->report, right ? "" : r->text));
    else
        cJSON_AddNullToObject(o, "run_result");
    cJSON_AddNullToObject(o, "executor_pod_name");
    cJSON_AddObjectToObject(o, "files");
    cJSON_AddItemToObject(o, "reward", serve_reward_number(r));
    return o;
}

static const char *const run_code_fields[] = {
    "code", "language", "spec", "spec_sha256", "gpu", "arch", "compile_timeout", "run_timeout",
    "memory_limit_MB", "stdin", "files", "fetch_files", NULL};
const serve_endpoint serve_run_code = {"/run_code", run_code_fields, read_run_code, write_run_code};
