/* Training data: which replies become rows, with what reward, in which split, and what never leaves.
 * With a path as argument: makes the archive of this test there, for tests/t_dataset.sh. */
#include "base/json.h"
#include "results/dataset.h"
#include "results/scrub.h"
#include "tests/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char key[] = "sk-proj-abcdefghijklmnopqrstuvwx0123456789";
static const char secret_path[] = "/home/jane/secret/project/kernel.cu";

static void must(ws_status st, const ws_err *err)
{
    if (st) {
        printf("Bail out! %s\n", err->msg);
        exit(1);
    }
}

/* ---- an archive ---- */

static int64_t add_run(db_archive *db, const char *name, const char *spec_name)
{
    ws_err err = {0};
    spec *s = NULL;
    ws_buf json = {0};
    int64_t id;
    must(spec_find(spec_name, &s, &err), &err);
    ws_json_print(s->root, false, &json);
    db_run r = {.spec_name = s->name, .spec_sha256 = s->sha256, .spec_json = ws_buf_z(&json),
                .model = "m", .base_url = "http://10.1.2.3:8000/v1", .strategy = "best-of",
                .gpu = "h100", .arch = "sm_90", .device = "cpu", .config_json = "{}"};
    snprintf(r.name, sizeof r.name, "%s", name);
    must(db_run_begin(db, &r, &id, &err), &err);
    ws_buf_release(&json);
    spec_free(s);
    return id;
}

static int64_t add_call(db_archive *db, int64_t run, int turn, const char *prompt_json,
                        const char *content, const char *step)
{
    ws_err err = {0};
    db_call c = {.run = run, .turn = turn, .purpose = "improve", .prompt_json = prompt_json,
                 .step_json = step, .state = "sent"};
    must(db_call_begin(db, &c, &c.id, &err), &err);
    c.state = "done";
    c.outcome = "ok";
    c.content = content;
    c.finish_reason = "stop";
    c.model = "m-1";
    c.cost_usd = (double)NAN;
    must(db_call_end(db, &c, &err), &err);
    return c.id;
}

typedef struct made {
    hx_reason reason;
    vfy_depth depth;
    double seconds; /* NaN: none */
    char ptx;       /* the fingerprint's letter */
} made;

static int64_t add_candidate(db_archive *db, int64_t run, int64_t call, int64_t parent,
                             const char *source, made m)
{
    ws_err err = {0};
    int64_t id;
    vfy_verdict v = {.reason = m.reason, .depth = m.depth, .seed = 7, .assembled = true,
                     .level = m.reason == HX_PASS ? VFY_EMULATED : VFY_COMPILES,
                     .has_model = isfinite(m.seconds), .model = {.seconds = m.seconds},
                     .compiler = "NVRTC 13.0.88"};
    char ptx[65] = "";
    memset(ptx, m.ptx, 64);
    db_candidate c = {.run = run, .call = call, .parent = parent, .round = call ? 1 : 0,
                      .origin = call ? "model" : "emitted", .source = source, .ptx_sha256 = ptx,
                      .reason = hx_reason_name(m.reason), .level = v.level, .gpu = "h100",
                      .modelled_s = m.seconds, .measured_s = (double)NAN};
    must(db_candidate_add(db, &c, &v, &id, &err), &err);
    return id;
}

#define CHAT(user)                                                                                 \
    "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"You write kernels.\"},"         \
    "{\"role\":\"user\",\"content\":\"" user "\"}]}"
static const char messages_body[] =
    "{\"max_tokens\":9,\"system\":[{\"type\":\"text\",\"text\":\"You write kernels.\"}],"
    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"write \"},"
    "{\"type\":\"text\",\"text\":\"relu\"}]}]}";
static const char responses_body[] = "{\"instructions\":\"You write kernels.\",\"input\":["
                                     "{\"role\":\"user\",\"content\":\"write relu again\"}]}";

static void fill(db_archive *db)
{
    const double none = (double)NAN;
    char prompt[1000], reply[1000];
    int64_t run = add_run(db, "softmax-1", "basics/softmax"), first, call, call2;
    first = add_candidate(db, run, 0, 0, "plain", (made){HX_PASS, VFY_QUICK, 1e-3, '0'});
    snprintf(prompt, sizeof prompt, CHAT("my key is %s, my file %s"), key, secret_path);
    snprintf(reply, sizeof reply, "```cuda\n// from %s\nk1\n```\nBearer %s", secret_path, key);
    call = add_call(db, run, 0, prompt, reply, "{\"reply\":\"kernel\"}");
    add_candidate(db, run, call, first, "k1", (made){HX_PASS, VFY_FULL, 5e-4, '1'});
    call = add_call(db, run, 1, prompt, "wrong", NULL);
    add_candidate(db, run, call, first, "k2", (made){HX_WRONG_RESULT, VFY_QUICK, none, '2'});
    call = add_call(db, run, 2, CHAT("write it"), "slow", NULL);
    add_candidate(db, run, call, first, "k3", (made){HX_PASS, VFY_QUICK, 2e-3, '3'});
    call = add_call(db, run, 3, CHAT("write it"), "nearly as fast", NULL);
    add_candidate(db, run, call, first, "k4", (made){HX_PASS, VFY_FULL, 5.5e-4, '4'});
    call = add_call(db, run, 4, CHAT("write it twice"), "the same binary", NULL);
    add_candidate(db, run, call, first, "k1", (made){HX_PASS, VFY_FULL, 5e-4, '1'});
    call = add_call(db, run, 5, CHAT("think"), "an idea", "{\"reply\":\"text\"}");
    call = add_call(db, run, 6, CHAT("write it"), "cut", NULL);
    add_candidate(db, run, call, first, "k5", (made){HX_TRUNCATED, VFY_QUICK, none, '5'});
    call = add_call(db, run, 7, CHAT("as basics/relu does it"), "unknown", NULL);
    add_candidate(db, run, call, first, "k6", (made){HX_UNSUPPORTED, VFY_QUICK, none, '6'});

    run = add_run(db, "relu-1", "basics/relu");
    first = add_candidate(db, run, 0, 0, "plain", (made){HX_PASS, VFY_QUICK, 1e-3, '7'});
    call = add_call(db, run, 0, messages_body, "fast relu", NULL);
    call2 = add_call(db, run, 1, responses_body, "wrong relu", NULL);
    add_candidate(db, run, call, first, "r1", (made){HX_PASS, VFY_FULL, 1e-4, '8'});
    add_candidate(db, run, call2, first, "r2", (made){HX_SHARED_RACE, VFY_QUICK, none, '9'});

    run = add_run(db, "flawed-1", "kernelbench/level2/080_gemm_max_subtract_gelu");
    first = add_candidate(db, run, 0, 0, "plain", (made){HX_PASS, VFY_QUICK, 1e-3, 'a'});
    call = add_call(db, run, 0, CHAT("write zeros"), "zeros", NULL);
    add_candidate(db, run, call, first, "z", (made){HX_PASS, VFY_FULL, 1e-6, 'b'});
}

/* ---- rows ---- */

typedef struct collected {
    cJSON *row[64];
    bool held_out[64];
    int n;
    ws_buf text;
} collected;

static ws_status collect(void *ud, bool held_out, const char *line, size_t n, ws_err *err)
{
    collected *c = ud;
    (void)err;
    c->held_out[c->n] = held_out;
    c->row[c->n++] = cJSON_ParseWithLength(line, n);
    ws_buf_add(&c->text, line, n);
    return WS_OK;
}

static void collected_release(collected *c)
{
    for (int i = 0; i < c->n; i++)
        cJSON_Delete(c->row[i]);
    ws_buf_release(&c->text);
}

static const char *family(const spec *s, ws_arena *a)
{
    return ws_arena_strdup(a, strstr(s->name, "relu")      ? "relu"
                              : strstr(s->name, "softmax") ? "softmax"
                                                           : "matmul+gelu");
}

static data_options options_of(const char *format)
{
    return (data_options){.format = data_format_find(format), .min_speedup = 1, .margin = 1.2,
                          .max_pairs = 10, .lint_seconds = 0.02, .tool_version = "test",
                          .family_of = family};
}

static collected make(db_archive *db, const data_options *o, data_result *r)
{
    ws_err err = {0};
    collected c = {0};
    must(data_make(db, o, collect, &c, r, &err), &err);
    return c;
}

static const cJSON *at(const cJSON *o, const char *path)
{
    char part[40];
    while (o && *path) {
        size_t n = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        o = part[0] >= '0' && part[0] <= '9' ? cJSON_GetArrayItem(o, atoi(part))
                                             : cJSON_GetObjectItemCaseSensitive(o, part);
        path += n + (path[n] != 0);
    }
    return o;
}

static const char *text_at(const cJSON *o, const char *path)
{
    const char *z = cJSON_GetStringValue(at(o, path));
    return z ? z : "(none)";
}

static void test_winners(db_archive *db)
{
    data_options o = options_of("trl-sft");
    data_result r;
    collected c = make(db, &o, &r);
    is_int(c.n, 3, "winners: the right kernels that are fast enough, each binary once");
    is_str(text_at(c.row[1], "completion.0.content"), "nearly as fast", "in the archive's order");
    is_str(text_at(c.row[2], "prompt.1.content"), "write relu", "a prompt of parts is put together");
    is_close(cJSON_GetNumberValue(at(c.row[2], "provenance.reward")), 1, 1e-12,
             "ten times as fast is the whole reward");
    is_close(cJSON_GetNumberValue(at(c.row[0], "provenance.speedup")), 2, 1e-9, "the speed-up");
    is_str(text_at(c.row[0], "provenance.time_kind"), "modelled", "and what kind of time it is");
    is_str(text_at(c.row[0], "provenance.seed"), "7", "the seed");
    is_str(text_at(c.row[0], "provenance.license"), "not stated", "the license");
    is_int(r.left_out[DATA_OUT_FLAWED], 1, "none of a flawed spec");
    is_int(r.left_out[DATA_OUT_REPEATED], 1, "the same binary is left out");
    is_int(r.left_out[DATA_OUT_NO_REPLY], 1, "what was cut is left out");
    is_int(r.left_out[DATA_OUT_UNKNOWN], 2, "what is not decided is left out");
    collected_release(&c);
    data_result_release(&r);
}

static void test_secrets(db_archive *db)
{
    data_options o = options_of("trl-sft");
    data_result r;
    collected c = make(db, &o, &r);
    const char *all = ws_buf_z(&c.text);
    ok(!strstr(all, key) && !strstr(all, "jane") && !strstr(all, "10.1.2.3"),
       "no key, path or server in any row");
    has_str(text_at(c.row[0], "prompt.1.content"), "my key is <key>, my file <path>",
            "they are replaced in prompts");
    has_str(text_at(c.row[0], "completion.0.content"), "// from <path>\nk1", "and in replies");
    ok(cJSON_GetNumberValue(at(c.row[0], "provenance.scrubbed")) >= 2, "and counted");
    collected_release(&c);
    data_result_release(&r);
}

static void test_labels_and_pairs(db_archive *db)
{
    data_options o = options_of("trl-kto");
    data_result r;
    int right = 0;
    collected c = make(db, &o, &r);
    for (int i = 0; i < c.n; i++)
        right += cJSON_IsTrue(at(c.row[i], "label"));
    is_int(c.n, 6, "labels: what is decided");
    is_int(right, 4, "right and fast enough: true");
    collected_release(&c);
    data_result_release(&r);

    o = options_of("trl-dpo");
    c = make(db, &o, &r);
    bool sound = c.n > 0;
    for (int i = 0; i < c.n; i++)
        sound &= !strcmp(text_at(c.row[i], "provenance.reason"), "pass") &&
                 strcmp(text_at(c.row[i], "rejected.0.content"), "nearly as fast") != 0 &&
                 strcmp(text_at(c.row[i], "rejected.0.content"), "unknown") != 0;
    ok(sound, "pairs: the worse one is wrong or slower by the margin, and decided");
    is_str(text_at(c.row[0], "pair"), "prompt", "two replies to one prompt");
    is_str(text_at(c.row[0], "rejected.0.content"), "wrong", "the right one against the wrong one");
    int all = c.n;
    collected_release(&c);
    data_result_release(&r);
    o.max_pairs = 1;
    c = make(db, &o, &r);
    ok(c.n == 2 && r.left_out[DATA_OUT_MANY] == all - 2, "one of each spec, where no more is asked");
    collected_release(&c);
    data_result_release(&r);
}

static void test_prompts(db_archive *db)
{
    data_options o = options_of("verl");
    data_result r;
    collected c = make(db, &o, &r);
    is_int(c.n, 6, "prompts: each once, those for kernels alone");
    is_str(text_at(c.row[0], "reward_model.ground_truth"), "basics/softmax", "verl: the spec");
    is_int(r.left_out[DATA_OUT_NOT_KERNEL], 1, "a prompt for an idea is none");
    is_str(text_at(c.row[5], "prompt.0.content"), "You write kernels.",
           "instructions of Responses are the system message");
    collected_release(&c);
    data_result_release(&r);
}

static void test_split(db_archive *db)
{
    const char *const relu[] = {"relu"}, *const none[] = {"conv"};
    data_options o = options_of("trl-grpo");
    data_result r;
    ws_err err = {0};
    o.held_out = relu;
    o.n_held_out = 1;
    collected c = make(db, &o, &r);
    bool right = true;
    for (int i = 0; i < c.n; i++)
        right &= c.held_out[i] == !strcmp(text_at(c.row[i], "op_family"), "relu") &&
                 c.held_out[i] == !strcmp(text_at(c.row[i], "split"), "test");
    ok(right && r.rows[1] == 2, "a family that is named is held out, and nothing else");
    is_int(r.left_out[DATA_OUT_TELLS], 1, "a prompt for training that names its spec is left out");
    collected_release(&c);
    data_result_release(&r);
    o.held_out = none;
    c = (collected){0};
    ok(data_make(db, &o, collect, &c, &r, &err) == WS_EUSAGE && strstr(err.hint, "softmax"),
       "a family that is not there is an error that names those that are");
    collected_release(&c);
    data_result_release(&r);
}

/* ---- scrub ---- */

static void test_scrub(void)
{
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"x = a/b/c; y = n/tile/2; // half/full", NULL},
        {"/* @plan { \"grid\": [\"N/256\"] } */ <a/b> </think>", NULL},
        {"#include <cuda/std/array> #include \"cub/block/block_reduce.cuh\"", NULL},
        {"kernel.cu:45: a / b /c", NULL},
        {"asm volatile(\"@p bra L1;\"); token = bar.arrive(); auto sk = 1;", NULL},
        {"see https://docs.nvidia.com/cuda/parallel/index.html", NULL},
        {"in /usr/local/cuda/include/cuda_fp16.h(12)", "in <path>(12)"},
        {"/tmp/x/y.cu:3: error", "<path>:3: error"},
        {"at C:\\Users\\jane\\k.cu", "at <path>"},
        {"~/src/k.cu", "<path>"},
        {"HF_TOKEN=hf_abcdefghijklmnopqrst", "HF_TOKEN=<key>"},
        {"Authorization: Bearer abcdefgh12345678", "Authorization: Bearer <key>"},
        {"{\"api_key\": \"0123456789abcdef\"}", "{\"api_key\": \"<key>\"}"},
        {"AKIAABCDEFGHIJKLMNOP", "<key>"},
        {"ghp_abcdefghijklmnopqrstuvwxyz", "<key>"},
        {"https://jane:pass@host/x", "https://<login>@host/x"},
        {"mail jane.doe@example.com", "mail <email>"},
        {"-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----", "<private-key>"},
        {"a value of the environment: 12-known-by-value-34", "a value of the environment: <key>"},
    };
    data_scrub *s = NULL;
    ws_err err = {0};
    setenv("SOME_VENDORS_API_KEY", "12-known-by-value-34", 1);
    must(data_scrub_open(&s, &err), &err);
    unsetenv("SOME_VENDORS_API_KEY");
    for (size_t i = 0; i < WS_COUNT(cases); i++) {
        ws_buf out = {0};
        int n = data_scrub_text(s, cases[i].from, &out);
        is_str(ws_buf_z(&out), cases[i].to ? cases[i].to : cases[i].from,
               cases[i].to ? cases[i].to : "code and prose are left alone");
        if ((n > 0) != (cases[i].to != NULL))
            ok(false, "%d replaced", n);
        ws_buf_release(&out);
    }
    data_scrub_close(s);
}

int main(int argc, char **argv)
{
    char path[] = "/tmp/ws-dataset-XXXXXX";
    ws_err err = {0};
    db_archive *db = NULL;
    if (argc > 1) {
        must(db_open(argv[1], false, &db, &err), &err);
        fill(db);
        db_close(db);
        return 0;
    }
    int fd = mkstemp(path);
    close(fd);
    unlink(path);
    must(db_open(path, false, &db, &err), &err);
    fill(db);
    test_scrub();
    test_winners(db);
    test_secrets(db);
    test_labels_and_pairs(db);
    test_prompts(db);
    test_split(db);
    db_close(db);
    unlink(path);
    return tap_done();
}
