/* Device workers over the CPU driver: guarded memory, runs, a worker that misbehaves in every way
 * that we know, the pool's health checks, several devices, and the timing lane. */
#include "base/clock.h"
#include "harness/device/pool.h"
#include "harness/driver.h"
#include "tests/device_fixture.h"
#include "tests/tap.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { N = 1000 };
static fixture f;
static float a[N], b[N], c[N];
static uint8_t written[sizeof c];

/* ---- mappings ---- */

static void test_mappings(void)
{
    cu_device *d = NULL;
    cu_mapping m = {0};
    ws_err err = {0}, outside = {0};
    char byte = 1;
    if (!ok(!cu_open("cpu", &d, &err) && cu_can_map(d), "the CPU driver maps memory %s", err.msg))
        return;
    ok(!cu_map(d, 5000, "x", &m, &err) && m.bytes >= 5000 && m.bytes % m.granule == 0,
       "a mapping is whole granules %s", err.msg);
    ok(!cu_upload(d, m.ptr, &byte, 1, &err) && !cu_upload(d, m.ptr + m.bytes - 1, &byte, 1, &err),
       "its first and last byte can be written %s", err.msg);
    ok(cu_upload(d, m.ptr - 1, &byte, 1, &outside) != WS_OK, "the byte before it cannot");
    ok(cu_upload(d, m.ptr + m.bytes, &byte, 1, &outside) != WS_OK, "nor the one behind it");
    cu_unmap(d, &m);
    ok(cu_upload(d, m.ptr, &byte, 1, &outside) != WS_OK, "nor any once it is unmapped");
    cu_mapping again[20];
    for (int i = 0; i < 20; i++)
        if (cu_map(d, 1 << 20, "y", &again[i], &err))
            break;
    for (int i = 0; i < 20 && !err.status; i++)
        cu_unmap(d, &again[i]);
    is_str(err.msg, "", "mappings come and go");
    cu_close(d);
}

/* ---- runs ---- */

static const struct {
    const char *kernel, *reason, *text; /* reason "pass": the run is good */
    bool spent;
} runs[] = {
    {"good", "pass", "", false},
    {"wrong", "pass", "", false}, /* who compares will see */
    {"near", "out_of_bounds", "at byte 4008 of buffer 'c', past its end", false},
    {"below", "out_of_bounds", "", true},
    {"far", "out_of_bounds", "", true},
    {"bump", "input_modified", "input 'a'", false},
    {"odd", "misaligned", "", true},
    {"trap", "trap", "", true},
    {"spam", "pass", "", false},
};

static const unsigned char poisons[] = {0xA5, 0x5A};

/* The request's text is run's. */
static bool encode(fixture_run *run, const char *kernel, dev_bulk_memory *bulk)
{
    ws_err err = {0};
    fixture_run_init(run, &f, kernel, a, b, c, written, N);
    return ok(!dev_bulk_new(dev_run_bytes(&run->r), bulk, &err) &&
                  !dev_run_encode(&run->r, poisons, 2, bulk, &run->members, run->places, &err),
              "%s: a request %s", kernel, err.msg);
}

static void run_one(size_t i)
{
    static fixture_run run;
    dev_bulk_memory bulk = {0};
    ws_arena arena = {0};
    ws_err err = {0};
    dev_client *w = NULL;
    dev_answer got;
    const char *name = runs[i].kernel;
    if (!encode(&run, name, &bulk))
        return;
    const dev_client_options o = {.bulk = &bulk};
    if (!ok(!dev_client_start(&o, &arena, &w, NULL, &err), "%s: a worker %s", name, err.msg))
        return;
    dev_client_ask(w, ws_buf_z(&run.members), 60, &arena, &got);
    is_str(got.end == DEV_OK ? "pass" : hx_reason_name(got.reason), runs[i].reason, name);
    has_str(got.text, runs[i].text, "its text");
    is_int(got.spent, runs[i].spent, "whether the worker is spent");
    is_int(dev_client_alive(w), !runs[i].spent, "whether it can go on");
    if (got.end == DEV_OK) {
        dev_run_collect(&run.r, &bulk, run.places);
        ok(c[N - 1] == a[N - 1] + b[N - 1] && c[0] == a[0] + b[0] + (strcmp(name, "wrong") == 0),
           "the result is the kernel's");
        ok(!memchr(written, 0, sizeof written), "all of it was written");
        ok(jl_bool_or(got.json, "guarded", false) && jl_bool_or(got.json, "same", false),
           "buffers were guarded, both runs gave the same");
        has_str(jl_text_or(got.json, "printed", ""), strcmp(name, "spam") ? "" : "spam\n",
                "what it printed");
    }
    dev_client_stop(w);
    dev_bulk_release(&bulk);
    ws_buf_release(&run.members);
    ws_arena_release(&arena);
}

/* Places outside the shared memory, and plans that do not fit themselves. */
static void test_bad_requests(void)
{
#define PLAN(tensors, kernels, launches)                                                           \
    "\"op\":\"run\",\"poisons\":[1],\"scratch\":[],\"image\":{\"at\":0,\"bytes\":8},\"tensors\":[" \
    tensors "],\"kernels\":[" kernels "],\"launches\":[" launches "]"
#define TENSOR(in, bytes)                                                                          \
    "{\"name\":\"a\",\"role\":\"input\",\"bytes\":" #bytes ",\"in\":" #in "}"
#define KERNEL "{\"name\":\"k\",\"params\":[[0,8,false]]}"
    static const struct {
        const char *members, *text;
    } bad[] = {
        {"\"op\":\"fly\"", "unknown operation 'fly'"},
        {"\"op\":7", "'op': expected a string"},
        {"\"op\":\"run\"", "missing 'image'"},
        {"\"op\":\"run\",\"image\":{\"at\":90,\"bytes\":11}", "not in the shared memory"},
        {"\"op\":\"run\",\"image\":{\"at\":9223372036854775807,\"bytes\":2}", "not in the shared"},
        {"\"op\":\"run\",\"image\":{\"at\":-1,\"bytes\":2}", "'at': -1 is not in"},
        {PLAN(TENSOR(40, 61), "", ""), "tensor 'a': 61 bytes at 40"},
        {PLAN(TENSOR(0, 8), "{\"name\":\"k\",\"params\":[[4090,8,false]]}", ""), "kernel 'k'"},
        {PLAN(TENSOR(0, 8), "{\"name\":\"k\",\"params\":[[0,3,false]]}", ""), "kernel 'k'"},
        {PLAN(TENSOR(0, 8), KERNEL, "{\"kernel\":1,\"args\":[]}"), "'kernel': 1 is not in 0..0"},
        {PLAN(TENSOR(0, 8), KERNEL, "{\"kernel\":0,\"args\":[]}"), "0 arguments for 1"},
        {PLAN(TENSOR(0, 8), KERNEL, "{\"kernel\":0,\"args\":[[\"t\",1]]}"), "tensor argument"},
        {PLAN(TENSOR(0, 8), KERNEL, "{\"kernel\":0,\"args\":[[\"s\",0]]}"), "scratch argument"},
        {PLAN(TENSOR(0, 8), KERNEL, "{\"kernel\":0,\"grid\":[1,0,1],\"args\":[[\"t\",0]]}"),
         "out of range"},
    };
    dev_bulk_memory bulk = {0};
    ws_arena arena = {0};
    ws_err err = {0};
    dev_client *w = NULL;
    dev_answer got;
    const dev_client_options o = {.bulk = &bulk};
    if (!ok(!dev_bulk_new(100, &bulk, &err) && !dev_client_start(&o, &arena, &w, NULL, &err),
            "a worker %s", err.msg))
        return;
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        dev_client_ask(w, bad[i].members, 60, &arena, &got);
        ok(got.end == DEV_FAILED && got.status == WS_EINPUT, "request %zu is refused", i);
        has_str(got.text, bad[i].text, "and the text says why");
    }
    dev_client_ask(w, "\"op\":\"health\"", 60, &arena, &got);
    ok(got.end == DEV_OK, "the worker is well after all of them: %s", got.text);
    dev_client_ask(w, "\"op\":\"profile\",\"tier\":1", 60, &arena, &got);
    ok(got.end == DEV_FAILED && got.status == WS_EENV, "counters of the CPU engine are not to be had");
    has_str(got.text, "the CPU engine has no performance counters", "and the text says why");
    dev_client_stop(w);
    dev_bulk_release(&bulk);
    ws_arena_release(&arena);
}

/* ---- workers that misbehave ---- */

static const struct {
    const char *op;
    dev_end end;
    const char *text;
} misdeeds[] = {
    {"crash", DEV_CRASHED, "died of signal 11 (Segmentation fault): the end is near"},
    {"abort", DEV_CRASHED, "died of signal 6"},
    {"quit", DEV_CRASHED, "ended with code 0"},
    {"half", DEV_CRASHED, "ended with code 3"},
    {"noise", DEV_GARBAGE, "JSON: no value at byte 0"},
    {"other", DEV_GARBAGE, "another request"},
    {"twice", DEV_GARBAGE, "more than one line"},
    {"vague", DEV_GARBAGE, "without 'ok'"},
    {"lie", DEV_GARBAGE, "without a reason"},
    {"flood", DEV_GARBAGE, "a line without end"},
    {"hang", DEV_DEADLINE, "no answer within 0.5 s"},
    {"chatter", DEV_OK, ""},
    {"sick", DEV_FAILED, "sick: the device is gone"},
};

static void test_misdeeds(void)
{
    for (size_t i = 0; i < WS_COUNT(misdeeds); i++) {
        ws_arena arena = {0};
        ws_err err = {0};
        dev_client *w = NULL;
        dev_answer got;
        char members[64];
        snprintf(members, sizeof members, "\"op\":\"%s\"", misdeeds[i].op);
        if (!ok(!dev_client_start(&(dev_client_options){0}, &arena, &w, NULL, &err),
                "a worker %s", err.msg))
            return;
        dev_client_ask(w, members, misdeeds[i].end == DEV_DEADLINE ? 0.5 : 60, &arena, &got);
        /* What is written twice may come in two parts; the rest is there before the next request.
         * */
        if (strcmp(misdeeds[i].op, "twice") == 0 && got.end == DEV_OK) {
            ws_sleep_ms(50);
            ok(!dev_client_alive(w), "a second answer ends the worker");
        } else {
            is_str(dev_end_name(got.end), dev_end_name(misdeeds[i].end), misdeeds[i].op);
            has_str(got.text, misdeeds[i].text, "its text");
        }
        dev_client_stop(w);
        ws_arena_release(&arena);
    }
}

/* ---- the parent's end ---- */

/* A process that asks for what never ends, and is killed: its worker goes with it. */
static void test_orphan(void)
{
    int tell[2];
    pid_t worker = 0;
    if (pipe(tell))
        return;
    const pid_t parent = fork();
    if (parent == 0) {
        ws_arena arena = {0};
        ws_err err = {0};
        dev_client *w;
        const jl_value *hello = NULL;
        dev_answer got;
        (void)!dev_client_start(&(dev_client_options){0}, &arena, &w, &hello, &err);
        worker = (pid_t)jl_int_or(hello, "pid", 0);
        (void)!write(tell[1], &worker, sizeof worker);
        dev_client_ask(w, "\"op\":\"hang\"", 600, &arena, &got);
        _exit(0);
    }
    ok(read(tell[0], &worker, sizeof worker) == sizeof worker && worker > 0, "a worker that hangs");
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    int tries = 0;
    while (tries++ < 3000 && waitpid(worker, NULL, WNOHANG) == 0)
        ws_sleep_ms(10);
    ok(kill(worker, 0) != 0, "goes when its parent is killed");
    close(tell[0]);
    close(tell[1]);
}

/* ---- scripts in the worker's place ---- */

#define HELLO                                                                                      \
    "read l; echo '{\"id\":1,\"ok\":true,\"protocol\":1,\"engine\":true,\"devices\":["             \
    "{\"uuid\":\"CPU-fake\",\"name\":\"fake\"}]}'; "

static void write_script(const char *path, const char *text)
{
    FILE *s = fopen(path, "w");
    fprintf(s, "#!/bin/sh\n%s\n", text);
    fclose(s);
    chmod(path, 0700);
}

static void test_scripts(const char *dir)
{
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"exit 9", "ended with code 9"},
        {"read l; echo hello", "JSON: no value"},
        {"sleep 60", "no answer within 0.5 s"},
        {"read l; echo '{\"id\":1,\"ok\":true,\"protocol\":77}'; read l", "another version"},
        {"read l; echo '{\"id\":1,\"ok\":false,\"status\":\"environment\",\"text\":\"no GPU\"}'; "
         "read l", "no GPU"},
        {"kill -9 $$", "signal 9"},
    };
    char path[4096];
    ws_arena arena = {0};
    dev_client *w = NULL;
    snprintf(path, sizeof path, "%s/worker", dir);
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        ws_err err = {0};
        const bool sleeps = strncmp(bad[i].text, "sleep", 5) == 0;
        write_script(path, bad[i].text);
        ok(dev_client_start(&(dev_client_options){.worker = path,
                                                  .start_seconds = sleeps ? 0.5 : 60},
                            &arena, &w, NULL, &err) == WS_EENV,
           "a worker that does '%s' does not start", bad[i].text);
        has_str(err.msg, bad[i].error, "and the error says why");
    }
    ws_err err = {0};
    write_script(path, HELLO "trap '' TERM HUP PIPE; while :; do sleep 1; done");
    if (ok(!dev_client_start(&(dev_client_options){.worker = path}, &arena, &w, NULL, &err),
           "a worker that ignores the end of its input starts %s", err.msg)) {
        const int64_t start = ws_now_ns();
        ok(dev_client_stop(w), "and is stopped");
        ok(ws_seconds_since(start) < 30, "soon");
    }
    err = (ws_err){0};
    ok(dev_client_start(&(dev_client_options){.worker = "/nonexistent/worker"}, &arena, &w, NULL,
                        &err) == WS_EENV,
       "a worker that is not there: %s", err.msg);
    ws_arena_release(&arena);
}

/* ---- the pool ---- */

static void test_health(const char *dir)
{
    char path[4096];
    ws_err err = {0};
    ws_arena arena = {0};
    dev_pool *p = NULL;
    dev_request q[3] = {{.members = "\"op\":\"crash\""}, {.members = "\"op\":\"health\""},
                        {.members = "\"op\":\"health\""}};
    dev_batch batch = {.request = q, .n = 3, .arena = &arena};
    snprintf(path, sizeof path, "%s/worker", dir);
    write_script(path, HELLO "read l; exit 3"); /* says hello, and can do no more */
    if (!ok(!dev_pool_open(&(dev_pool_options){.worker = path}, &p, &err), "a pool %s", err.msg))
        return;
    dev_pool_run(p, 0, &batch);
    ok(q[0].answer.end == DEV_CRASHED && q[1].answer.end == DEV_NOT_RUN &&
           q[2].answer.end == DEV_NOT_RUN,
       "after a crash and two failed health checks the rest is not run");
    ok(dev_pool_device(p, 0)->aside, "the device is set aside");
    has_str(dev_pool_device(p, 0)->why, "failed its health check 2 times", "and says why");
    has_str(q[2].answer.text, "failed its health check", "in the answers, too");
    dev_pool_close(p);
    p = NULL;
    /* The next program hears of it, and asks for the health check first. */
    if (!ok(!dev_pool_open(&(dev_pool_options){.worker = path}, &p, &err), "again %s", err.msg))
        return;
    has_str(dev_pool_device(p, 0)->note, "failed its health check", "an earlier program's note");
    ok(!dev_pool_check(p, 0), "it fails still");
    dev_pool_close(p);
    write_script(path, HELLO "while read l; do echo '{\"id\":2,\"ok\":true}'; done");
    if (!ok(!dev_pool_open(&(dev_pool_options){.worker = path}, &p, &err), "again %s", err.msg))
        return;
    ok(dev_pool_check(p, 0), "once it passes");
    dev_pool_close(p);
    if (!ok(!dev_pool_open(&(dev_pool_options){.worker = path}, &p, &err), "again %s", err.msg))
        return;
    is_str(dev_pool_device(p, 0)->note, "", "the note is gone");
    dev_pool_close(p);
    ws_arena_release(&arena);
}

static void test_respawn(void)
{
    ws_err err = {0};
    ws_arena arena = {0};
    dev_pool *p = NULL;
    static const char *const ops[] = {"health", "crash", "health", "noise", "hang", "health"};
    static const dev_end want[] = {DEV_OK, DEV_CRASHED, DEV_OK, DEV_GARBAGE, DEV_DEADLINE, DEV_OK};
    dev_request q[WS_COUNT(ops)] = {0};
    char members[WS_COUNT(ops)][32];
    dev_batch batch = {.request = q, .n = WS_COUNT(ops), .arena = &arena};
    for (size_t i = 0; i < WS_COUNT(ops); i++) {
        snprintf(members[i], sizeof members[i], "\"op\":\"%s\"", ops[i]);
        q[i] = (dev_request){.members = members[i],
                             .deadline_seconds = want[i] == DEV_DEADLINE ? 0.5 : 60};
    }
    if (!ok(!dev_pool_open(&(dev_pool_options){0}, &p, &err), "a pool %s", err.msg))
        return;
    dev_pool_run(p, 0, &batch);
    for (size_t i = 0; i < WS_COUNT(ops); i++)
        is_str(dev_end_name(q[i].answer.end), dev_end_name(want[i]), ops[i]);
    ok(!dev_pool_device(p, 0)->aside && dev_pool_device(p, 0)->faults == 3,
       "three faults, and the device still works");
    ok(dev_pool_check(p, 0), "its health check passes");
    dev_pool_close(p);
    ws_arena_release(&arena);
}

static void is_devices(const char *visible, const char *const *last, int n)
{
    ws_err err = {0};
    dev_pool *p = NULL;
    setenv("WARPSMITH_ENGINE_DEVICES", "3", 1);
    setenv("CUDA_VISIBLE_DEVICES", visible, 1);
    const bool open = !dev_pool_open(&(dev_pool_options){0}, &p, &err);
    is_int(open ? dev_pool_count(p) : 0, n, visible);
    for (int i = 0; open && i < n && i < dev_pool_count(p); i++) {
        const char *uuid = dev_pool_device(p, i)->uuid;
        is_str(uuid + strlen(uuid) - 2, last[i], "which one it is");
    }
    dev_pool_close(p);
    unsetenv("CUDA_VISIBLE_DEVICES");
}

/* CUDA_VISIBLE_DEVICES; the devices' UUIDs end in 65, 66 and 67. */
static void test_visible(void)
{
    is_devices("2,0", (const char *const[]){"67", "65"}, 2);
    is_devices("1", (const char *const[]){"66"}, 1);
    is_devices("0,9,1", (const char *const[]){"65"}, 1);
    is_devices("CPU-77617270-736d-6974-682d-656e67696e66,0", (const char *const[]){"66", "65"}, 2);
    is_devices("9", NULL, 0);
}

/* Eight batches on three devices, of which the first takes a worker's life with each. */
static void test_many(void)
{
    enum { BATCHES = 8 };
    ws_err err = {0};
    dev_pool *p = NULL;
    dev_request q[BATCHES][2] = {0};
    dev_batch batch[BATCHES];
    ws_arena arena[BATCHES] = {0};
    int right = 0;
    setenv("WARPSMITH_ENGINE_DEVICES", "3", 1);
    if (!ok(!dev_pool_open(&(dev_pool_options){0}, &p, &err) && dev_pool_count(p) == 3,
            "three devices %s", err.msg))
        return;
    for (int i = 0; i < BATCHES; i++) {
        q[i][0].members = "\"op\":\"quit\"";
        q[i][1].members = "\"op\":\"health\"";
        batch[i] = (dev_batch){.request = q[i], .n = 2, .arena = &arena[i]};
    }
    dev_pool_run_all(p, batch, BATCHES);
    for (int i = 0; i < BATCHES; i++) {
        right += q[i][0].answer.end == DEV_CRASHED && q[i][1].answer.end == DEV_OK;
        ws_arena_release(&arena[i]);
    }
    is_int(right, BATCHES, "every batch got its answers");
    dev_pool_close(p);
}

/* Of two devices one loses every worker; what it was given and did not do, the other does. */
static void test_handing_over(const char *dir)
{
    enum { BATCHES = 4 };
    static const char two[] = "{\"uuid\":\"CPU-bad\",\"name\":\"a\"},"
                              "{\"uuid\":\"CPU-well\",\"name\":\"b\"}";
    static const char script[] =
        "hello() { read l\n"
        "    echo '{\"id\":1,\"ok\":true,\"protocol\":1,\"devices\":['\"$1\"']}'; }\n"
        "case \"$CUDA_VISIBLE_DEVICES\" in\n"
        "CPU-bad) hello '{\"uuid\":\"CPU-bad\"}'; read l; exit 3 ;;\n"
        "CPU-well) hello '{\"uuid\":\"CPU-well\"}'\n"
        "    while read l; do l=${l#*:}; echo '{\"id\":'\"${l%%,*}\"',\"ok\":true}'; done ;;\n"
        "*) hello '%s' ;;\nesac";
    char path[4096], text[2048];
    ws_err err = {0};
    dev_pool *p = NULL;
    dev_request q[BATCHES][2] = {0};
    dev_batch batch[BATCHES];
    ws_arena arena[BATCHES] = {0};
    int good = 0, crashed = 0;
    snprintf(path, sizeof path, "%s/worker", dir);
    snprintf(text, sizeof text, script, two);
    write_script(path, text);
    if (!ok(!dev_pool_open(&(dev_pool_options){.worker = path}, &p, &err) &&
                dev_pool_count(p) == 2,
            "two devices %s", err.msg))
        return;
    for (int i = 0; i < BATCHES; i++) {
        q[i][0].members = q[i][1].members = "\"op\":\"work\"";
        batch[i] = (dev_batch){.request = q[i], .n = 2, .arena = &arena[i]};
    }
    dev_pool_run_all(p, batch, BATCHES);
    for (int i = 0; i < 2 * BATCHES; i++) {
        good += q[i / 2][i % 2].answer.end == DEV_OK;
        crashed += q[i / 2][i % 2].answer.end == DEV_CRASHED;
    }
    ok(good + crashed == 2 * BATCHES && crashed <= 1, "%d good, %d lost", good, crashed);
    is_int(dev_pool_device(p, 0)->aside, crashed, "the device that lost one is set aside");
    ok(!dev_pool_device(p, 1)->aside, "the other is not");
    for (int i = 0; i < BATCHES; i++)
        ws_arena_release(&arena[i]);
    dev_pool_close(p);
}

/* ---- the timing lane ---- */

static void test_lane(void)
{
    ws_err err = {0};
    dev_lock l, other;
    int ready[2];
    char byte;
    if (!ok(!dev_lock_take("CPU-x/..", 1, &l, &err), "a lane is free %s", err.msg))
        return;
    dev_lock_give(&l);
    if (pipe(ready))
        return;
    const pid_t pid = fork();
    if (pid == 0) {
        (void)!write(ready[1], dev_lock_take("GPU-1", 10, &l, &err) ? "n" : "y", 1);
        for (;;)
            pause();
    }
    ok(read(ready[0], &byte, 1) == 1 && byte == 'y', "another process takes one");
    ok(dev_lock_take("GPU-1", 0.1, &l, &err) == WS_ELIMIT, "it cannot be taken: %s", err.msg);
    char holder[64];
    snprintf(holder, sizeof holder, "process %d", (int)pid);
    has_str(err.msg, holder, "the holder is named");
    err = (ws_err){0};
    ok(!dev_lock_take("GPU-2", 0.1, &other, &err), "that of another device can %s", err.msg);
    dev_lock_give(&other);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ok(!dev_lock_take("GPU-1", 10, &l, &err), "it is free when its holder dies %s", err.msg);
    dev_lock_give(&l);
    close(ready[0]);
    close(ready[1]);
}

int main(int argc, char **argv)
{
    if (fixture_is_worker(argc, argv))
        return dev_worker_main(fixture_ops);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans come here */
    char dir[] = "/tmp/warpsmith-device-XXXXXX", command[64];
    if (!ok(mkdtemp(dir) && fixture_init(&f), "kernels and a directory"))
        return tap_done();
    fixture_be_worker(1);
    setenv("WARPSMITH_CACHE", dir, 1);
    for (int i = 0; i < N; i++) {
        a[i] = (float)i;
        b[i] = 2 + (float)i;
    }
    test_mappings();
    for (size_t i = 0; i < WS_COUNT(runs); i++)
        run_one(i);
    test_bad_requests();
    test_misdeeds();
    test_orphan();
    test_scripts(dir);
    test_health(dir);
    test_respawn();
    test_visible();
    test_many();
    test_handing_over(dir);
    test_lane();
    fixture_release(&f);
    snprintf(command, sizeof command, "rm -r %s", dir);
    ok(system(command) == 0, "nothing is left");
    return tap_done();
}
