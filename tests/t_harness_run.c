/* Plans in child processes: results, faults, hangs, crashes. The test program is its own worker. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "harness/ptx/ptx.h"
#include "harness/worker/run.h"
#include "tests/tap.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every kernel has the parameters of `add`; i is the thread's index in the grid. */
#define KERNEL(name, text)                                                                         \
    ".visible .entry " name "(.param .u64 a, .param .u64 c, .param .u32 n)\n{\n"                   \
    "  .reg .pred %p<3>; .reg .f32 %f<4>; .reg .b32 %r<8>; .reg .b64 %rd<8>;\n"                    \
    "  ld.param.u64 %rd1, [a];\n  ld.param.u64 %rd2, [c];\n  ld.param.u32 %r1, [n];\n"             \
    "  mov.u32 %r2, %ctaid.x;\n  mov.u32 %r3, %ntid.x;\n  mov.u32 %r4, %tid.x;\n"                  \
    "  mad.lo.s32 %r5, %r2, %r3, %r4;\n  mul.wide.s32 %rd3, %r5, 4;\n"                             \
    "  add.s64 %rd4, %rd1, %rd3;\n  add.s64 %rd5, %rd2, %rd3;\n"                                   \
    "  setp.ge.s32 %p1, %r5, %r1;\n" text "DONE: ret;\n}\n"

#define HEADER ".version 8.0\n.target sm_80\n.address_size 64\n"

static const char ptx[] =
    HEADER
    KERNEL("twice", "  @%p1 bra DONE;\n  ld.global.f32 %f1, [%rd4];\n  add.f32 %f2, %f1, %f1;\n"
                    "  st.global.f32 [%rd5], %f2;\n")
    KERNEL("evens", "  @%p1 bra DONE;\n  and.b32 %r6, %r5, 1;\n  setp.eq.s32 %p2, %r6, 1;\n"
                    "  @%p2 bra DONE;\n  mov.f32 %f1, 0f3f800000;\n"
                    "  st.global.f32 [%rd5], %f1;\n")
    KERNEL("bump", "  @%p1 bra DONE;\n  ld.global.f32 %f1, [%rd4];\n  add.f32 %f2, %f1, %f1;\n"
                   "  st.global.f32 [%rd5], %f2;\n  st.global.f32 [%rd4], %f2;\n")
    KERNEL("past", "  mov.f32 %f1, 0f3f800000;\n  st.global.f32 [%rd5], %f1;\n")
    KERNEL("spin", "  mov.u32 %r6, 1;\nAGAIN:\n  add.s32 %r6, %r6, 1;\n"
                   "  setp.ne.s32 %p2, %r6, 0;\n  @%p2 bra AGAIN;\n  bra AGAIN;\n")
    KERNEL("odd", "  add.s64 %rd5, %rd5, 1;\n  mov.f32 %f1, 0f3f800000;\n"
                  "  st.global.f32 [%rd5], %f1;\n")
    KERNEL("copy", "  @%p1 bra DONE;\n  ld.global.f32 %f1, [%rd4];\n"
                   "  st.global.f32 [%rd5], %f1;\n");

/* Each launch of one thread counts one more. */
static const char counting[] =
    HEADER ".global .align 4 .u32 launches;\n"
    KERNEL("count", "  atom.global.add.u32 %r6, [launches], 1;\n  cvt.rn.f32.u32 %f1, %r6;\n"
                    "  st.global.f32 [%rd5], %f1;\n");

/* Takes device memory and does not give it back. */
static const char leaking[] =
    HEADER ".extern .func (.param .b64 r) malloc (.param .b64 n);\n"
    KERNEL("leak", "  { .param .b64 p; .param .b64 q;\n  st.param.b64 [p], 64;\n"
                   "  call.uni (q), malloc, (p);\n  ld.param.b64 %rd6, [q]; }\n"
                   "  mov.f32 %f1, 0f3f800000;\n  @%p1 bra DONE;\n  st.global.f32 [%rd5], %f1;\n");

enum { N = 300, BLOCK = 128, MAX_KERNELS = 16 };

static comp_kernel kernel[MAX_KERNELS];
static int n_kernels;
static float in[N], out[N], after[N];
static uint8_t written[sizeof out];

static void load_kernels(const char *image, size_t n)
{
    ptx_module *m;
    ws_err err = {0};
    if (ptx_module_load(image, n, NULL, &m, &err)) {
        ok(false, "the test's PTX is parsed: %s", err.msg);
        return;
    }
    for (int i = 0; i < ptx_module_kernels(m); i++) {
        const ptx_kernel_info *k = ptx_module_kernel(m, i);
        size_t bytes = (size_t)k->n_params * sizeof *k->param;
        kernel[n_kernels] =
            (comp_kernel){.name = k->name, .n_params = k->n_params, .param = ws_malloc(bytes)};
        memcpy(kernel[n_kernels++].param, k->param, bytes);
    }
}

/* One launch of `name` from tensor 0 to tensor 1. */
static plan_bound_launch launch_of(const char *name)
{
    static plan_bound_arg args[] = {{.kind = PLAN_ARG_TENSOR, .index = 0},
                                    {.kind = PLAN_ARG_TENSOR, .index = 1},
                                    {.kind = PLAN_ARG_INT, .integer = N}};
    return (plan_bound_launch){.kernel = name, .grid = {(N + BLOCK - 1) / BLOCK, 1, 1},
                               .block = {BLOCK, 1, 1}, .arg = args, .n_args = 3};
}

typedef struct job {
    plan_bound plan;
    plan_bound_launch launch[2];
    run_tensor tensor[2];
    run_request r;
    run_report rep;
    ws_err err;
} job;

static job *job_new(const char *name)
{
    job *j = ws_calloc(1, sizeof *j);
    j->launch[0] = launch_of(name);
    j->plan = (plan_bound){.launch = j->launch, .n_launches = 1};
    j->tensor[0] =
        (run_tensor){.name = "x", .role = RUN_INPUT, .bytes = sizeof in, .in = in, .after = after};
    j->tensor[1] = (run_tensor){.name = "y", .role = RUN_OUTPUT, .bytes = sizeof out, .out = out,
                                .written = written};
    j->r = (run_request){.device = "cpu",
                         .image = ptx,
                         .image_bytes = sizeof ptx,
                         .kernel = kernel,
                         .n_kernels = n_kernels,
                         .plan = &j->plan,
                         .tensor = j->tensor,
                         .n_tensors = 2,
                         .engine = PTX_OPTIONS_CHECKED,
                         .poison = 0xA5,
                         .wall_seconds = 30};
    for (int i = 0; i < N; i++)
        in[i] = 1 + (float)i;
    memset(out, 0, sizeof out);
    memset(after, 0, sizeof after);
    memset(written, 9, sizeof written);
    return j;
}

static void job_run(job *j)
{
    if (run_execute(&j->r, &j->rep, &j->err))
        printf("# error: %s\n", j->err.msg);
    else
        printf("# %s: %s (%.1f ms)\n", hx_reason_name(j->rep.reason), j->rep.text,
               1e3 * j->rep.seconds);
}

static void job_free(job *j)
{
    run_report_release(&j->rep);
    free(j);
}

static void is_reason(const job *j, hx_reason want, const char *what)
{
    is_str(j->err.status ? j->err.msg : hx_reason_name(j->rep.reason), hx_reason_name(want), what);
}

static int count_written(const job *j)
{
    int n = 0;
    if (j->tensor[1].whole)
        return sizeof written;
    for (size_t i = 0; i < sizeof written; i++)
        n += written[i];
    return n;
}

static void test_good(const char *device)
{
    job *j = job_new("twice");
    int wrong = 0;
    j->r.device = device;
    job_run(j);
    is_reason(j, HX_PASS, "a good kernel passes");
    for (int i = 0; i < N; i++)
        wrong += !(out[i] == 2 * in[i]);
    is_int(wrong, 0, "its output arrives");
    is_int(count_written(j), (int)sizeof out, "every byte is known as written");
    ok(j->tensor[0].unchanged, "the input is as it was");
    is_int(j->rep.on_engine, strcmp(device, "cpu") == 0, "on the device that was asked for");
    is_int(j->rep.n_ms, 0, "one run is not timed");
    if (j->rep.on_engine)
        ok(j->rep.engine.ok && j->rep.engine.counters.launches == 1 &&
               j->rep.engine.counters.threads >= N,
           "the counters came along");
    job_free(j);
}

static void test_partial(const char *device)
{
    job *j = job_new("evens");
    j->r.device = device;
    job_run(j);
    is_reason(j, HX_PASS, "a kernel that writes half passes here");
    is_int(count_written(j), (int)sizeof out / 2, "and half the bytes are known as written");
    unsigned char *raw = (unsigned char *)out;
    ok(written[0] && !written[4] && written[8], "the right half");
    if (j->rep.on_engine)
        ok(raw[4] == 0xA5 && raw[7] == 0xA5, "the rest shows the poison");
    job_free(j);
}

static void test_input_changed(void)
{
    job *j = job_new("bump");
    job_run(j);
    is_reason(j, HX_INPUT_MODIFIED, "a store to an input is a finding");
    has_str(j->rep.text, "'x'", "which names the input");
    ok(in[0] == 1, "the caller's copy is its own");
    job_free(j);
}

static void test_faults(void)
{
    job *j = job_new("past");
    job_run(j);
    is_reason(j, HX_OUT_OF_BOUNDS, "a store past the end is out of bounds");
    has_str(j->rep.text, "y", "its text names the buffer");
    ok(j->rep.engine.n_faults > 0 && strcmp(j->rep.engine.fault[0].kernel, "past") == 0,
       "the fault names the kernel");
    job_free(j);
    j = job_new("odd");
    job_run(j);
    is_reason(j, HX_MISALIGNED, "a misaligned store is its own reason");
    job_free(j);
}

static void test_endless(void)
{
    job *j = job_new("spin");
    j->r.engine.max_warp_insns = 100000;
    job_run(j);
    is_reason(j, HX_ENDLESS, "the instruction budget ends a loop");
    job_free(j);
    j = job_new("spin");
    j->r.engine.max_warp_insns = 0;
    j->r.wall_seconds = 0.5;
    int64_t start = ws_now_ns();
    job_run(j);
    is_reason(j, HX_ENDLESS, "so does the engine's share of the time");
    ok(ws_seconds_since(start) < 5, "soon");
    job_free(j);
    j = job_new("spin");
    j->r.engine.max_warp_insns = 0;
    j->r.engine.deadline_ms = 3600000;
    j->r.wall_seconds = 0.5;
    start = ws_now_ns();
    job_run(j);
    is_reason(j, HX_ENDLESS, "and the parent's deadline, which kills");
    has_str(j->rep.text, "0.5 s", "and says after how long");
    ok(ws_seconds_since(start) < 5, "soon");
    job_free(j);
}

static void test_invalid_launch(void)
{
    job *j = job_new("twice");
    j->launch[0].shared = 300000;
    job_run(j);
    is_reason(j, HX_INVALID_LAUNCH, "too much shared memory is an invalid launch");
    job_free(j);
    j = job_new("twice");
    j->launch[0].block[0] = 2048;
    job_run(j);
    is_reason(j, HX_INVALID_LAUNCH, "so are too many threads");
    has_str(j->rep.text, "2048", "with their number");
    job_free(j);
    j = job_new("twice");
    j->launch[0].cluster[0] = 16;
    j->launch[0].cluster[1] = j->launch[0].cluster[2] = 1;
    job_run(j);
    is_reason(j, HX_INVALID_LAUNCH, "a cluster of 16 blocks is not portable");
    job_free(j);
    j = job_new("twice");
    j->r.image = "not PTX";
    j->r.image_bytes = 8;
    job_run(j);
    is_reason(j, HX_PTXAS_ERROR, "an image that is no PTX is the assembler's error");
    job_free(j);
}

/* x -> scratch -> y, three times, timed. */
static void test_scratch_and_repeats(const char *device)
{
    static int64_t bytes[] = {sizeof out};
    static const char *const names[] = {"part"};
    plan_bound_arg first[3], second[3];
    job *j = job_new("twice");
    int wrong = 0;
    j->launch[1] = launch_of("copy");
    memcpy(first, j->launch[0].arg, sizeof first);
    memcpy(second, j->launch[1].arg, sizeof second);
    first[1] = (plan_bound_arg){.kind = PLAN_ARG_SCRATCH, .index = 0};
    second[0] = first[1];
    j->launch[0].arg = first;
    j->launch[1].arg = second;
    j->plan.n_launches = 2;
    j->plan.scratch_bytes = bytes;
    j->plan.n_scratch = 1;
    j->r.scratch_name = names;
    j->r.repeats = 3;
    j->r.device = device;
    job_run(j);
    is_reason(j, HX_PASS, "two launches with scratch between them pass");
    for (int i = 0; i < N; i++)
        wrong += !(out[i] == 2 * in[i]);
    is_int(wrong, 0, "and give the right values");
    is_int(j->rep.n_ms, 3, "each repetition has its time");
    ok(j->rep.ms && j->rep.ms[0] >= 0 && j->rep.ms[2] < 10000, "in milliseconds");
    job_free(j);
    j = job_new("copy");
    j->launch[0].arg = second;
    j->plan.scratch_bytes = bytes;
    j->plan.n_scratch = 1;
    j->r.scratch_name = names;
    j->r.device = device;
    job_run(j);
    if (j->rep.on_engine)
        is_reason(j, HX_UNINITIALIZED_READ, "scratch that nothing wrote may not be read");
    job_free(j);
}

static void test_inout(void)
{
    static float x[N];
    job *j = job_new("bump");
    memcpy(x, in, sizeof x);
    j->tensor[0] =
        (run_tensor){.name = "x", .role = RUN_INOUT, .bytes = sizeof x, .in = x, .out = x};
    j->r.repeats = 2;
    job_run(j);
    is_reason(j, HX_PASS, "an in-place tensor is passed in and out");
    ok(x[0] == 2 && x[N - 1] == 2 * N, "each repetition begins with its first content");
    job_free(j);
}

/* ---- children that die ---- */

static int parent_of(int pid)
{
    char path[64], line[512];
    int ppid = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    const char *end = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    if (end && sscanf(end + 1, " %*c %d", &ppid) != 1)
        ppid = 0;
    if (f)
        fclose(f);
    return ppid;
}

/* Some process whose parent is `pid`, 0: none. */
static int child_of(int pid)
{
    int found = 0;
    DIR *d = opendir("/proc");
    for (const struct dirent *e; d && !found && (e = readdir(d));) {
        int p = (int)strtol(e->d_name, NULL, 10);
        if (p > 0 && parent_of(p) == pid)
            found = p;
    }
    if (d)
        closedir(d);
    return found;
}

static void *killer(void *ud)
{
    int *killed = ud;
    for (int i = 0; i < 500 && !*killed; i++) {
        int server = child_of((int)getpid()), child = server ? child_of(server) : 0;
        ws_sleep_ms(20);
        if (child && kill(child, SIGKILL) == 0)
            *killed = child;
    }
    return NULL;
}

static void test_crash(void)
{
    pthread_t t;
    int killed = 0;
    job *j = job_new("spin");
    j->r.engine.max_warp_insns = 0;
    j->r.wall_seconds = 20;
    pthread_create(&t, NULL, killer, &killed);
    job_run(j);
    pthread_join(t, NULL);
    ok(killed > 0, "the child was killed");
    is_reason(j, HX_CRASH, "a child that dies is a crash");
    has_str(j->rep.text, "signal 9", "with the signal");
    job_free(j);
    j = job_new("twice");
    job_run(j);
    is_reason(j, HX_PASS, "the next run is not disturbed");
    job_free(j);
    int server = child_of((int)getpid());
    ok(server > 0 && kill(server, SIGKILL) == 0, "the server was killed");
    ws_sleep_ms(50);
    j = job_new("twice");
    job_run(j);
    is_reason(j, HX_PASS, "a dead server is replaced");
    job_free(j);
}

/* ---- what children see, and what becomes of them ---- */

/* A 6 x 50 input that repeats a 4 x 7 one, and the elements that were written. */
static void test_tiles(void)
{
    enum { ROWS = 4, COLUMNS = 7, MOST = 64 };
    float small[ROWS * COLUMNS];
    run_probe probe[N];
    job *j = job_new("twice");
    for (int i = 0; i < ROWS * COLUMNS; i++)
        small[i] = 1 + (float)i;
    j->tensor[0].in = small;
    j->tensor[0].after = NULL;
    j->tensor[0].tile = (run_tile){2, {6, 50}, {ROWS, COLUMNS}, sizeof(float)};
    j->tensor[1].probe = probe;
    j->tensor[1].max_probes = N;
    j->tensor[1].probe_bytes = sizeof(float);
    job_run(j);
    bool right = j->rep.reason == HX_PASS && j->tensor[1].n_probes == N;
    for (size_t k = 0; k < j->tensor[1].n_probes && right; k++) {
        const size_t i = (size_t)probe[k].element;
        float got;
        memcpy(&got, probe[k].value, sizeof got);
        right = i == k && got == 2 * small[i / 50 % ROWS * COLUMNS + i % 50 % COLUMNS] &&
                got == out[i];
    }
    ok(right, "a small tensor fills a large one, row by row");
    job_free(j);

    j = job_new("evens");
    j->tensor[1].probe = probe;
    j->tensor[1].max_probes = MOST;
    j->tensor[1].probe_bytes = sizeof(float);
    job_run(j);
    right = j->rep.reason == HX_PASS && j->tensor[1].n_probes > MOST / 2 &&
            j->tensor[1].n_probes <= MOST;
    for (size_t k = 0; k < j->tensor[1].n_probes && right; k++)
        right = probe[k].element % 2 == 0 && (!k || probe[k].element > probe[k - 1].element);
    ok(right && probe[j->tensor[1].n_probes - 1].element > N - 10,
       "written elements alone are probed, and where there are many some of all");
    job_free(j);

    j = job_new("twice");
    j->tensor[0].in = small;
    j->tensor[0].after = NULL;
    j->tensor[0].tile = (run_tile){2, {6, 51}, {ROWS, COLUMNS}, sizeof(float)};
    j->r.wall_seconds = 5;
    is_int(run_execute(&j->r, &j->rep, &j->err), WS_EBUG, "a tile of another size is refused");
    job_free(j);
}

static void test_environment(void)
{
    char path[64], text[16384];
    int server = child_of((int)getpid());
    snprintf(path, sizeof path, "/proc/%d/environ", server);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    for (size_t i = 0; i < n; i++)
        text[i] = text[i] ? text[i] : '\n';
    text[n] = '\0';
    has_str(text, "PATH=", "the worker has an environment");
    ok(!strstr(text, "canary"), "without a key");
}

static void *in_parallel(void *ud)
{
    int *passed = ud;
    static float x[N];
    float y[N];
    for (int i = 0; i < 5; i++) {
        plan_bound_launch launch = launch_of("twice");
        plan_bound bound = {.launch = &launch, .n_launches = 1};
        run_tensor t[2] = {{.name = "x", .role = RUN_INPUT, .bytes = sizeof x, .in = x},
                           {.name = "y", .role = RUN_OUTPUT, .bytes = sizeof y, .out = y}};
        run_request r = {.device = "cpu", .image = ptx, .image_bytes = sizeof ptx, .kernel = kernel,
                         .n_kernels = n_kernels, .plan = &bound, .tensor = t, .n_tensors = 2,
                         .engine = PTX_OPTIONS_CHECKED, .wall_seconds = 30};
        run_report *rep = ws_calloc(1, sizeof *rep);
        ws_err err = {0};
        *passed += !run_execute(&r, rep, &err) && rep->reason == HX_PASS && y[N - 1] == 0;
        run_report_release(rep);
        free(rep);
    }
    return NULL;
}

static void test_parallel(void)
{
    enum { THREADS = 4 };
    pthread_t t[THREADS];
    int passed[THREADS] = {0}, all = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, in_parallel, &passed[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        all += passed[i];
    }
    is_int(all, 5 * THREADS, "several threads run plans at once");
}

/* A parent that is killed in the middle of a run leaves nobody behind. */
static void test_orphans(void)
{
    pid_t parent = fork();
    if (parent == 0) {
        job *j = job_new("spin");
        j->r.engine.max_warp_insns = 0;
        j->r.wall_seconds = 60;
        freopen("/dev/null", "w", stdout);
        job_run(j);
        _exit(0);
    }
    int server = 0, child = 0;
    for (int i = 0; i < 500 && !child; i++) {
        ws_sleep_ms(10);
        server = child_of((int)parent);
        child = server ? child_of(server) : 0;
    }
    ok(child > 0, "a process starts a run");
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    bool gone = false;
    for (int i = 0; i < 200 && !gone; i++) {
        ws_sleep_ms(10);
        gone = parent_of(child) == 0 && parent_of(server) == 0;
    }
    ok(gone, "when it is killed, worker and child end");
}

static void test_world(void)
{
    job *j = job_new("twice");
    j->r.device = "abacus";
    job_run(j);
    ok(j->err.status == WS_EUSAGE, "an unknown device is an error, not a finding");
    has_str(j->err.msg, "abacus", "which names it");
    job_free(j);
}

/* ---- several runs in one process ---- */

enum { TOGETHER = 4 };
static float outs[TOGETHER][N];

/* One job a kernel, each with an output of its own. */
static void jobs_new(job *j[TOGETHER], run_request r[TOGETHER], const char *const name[TOGETHER])
{
    for (int i = 0; i < TOGETHER; i++) {
        j[i] = job_new(name[i]);
        j[i]->tensor[0].after = NULL;
        j[i]->tensor[1].out = outs[i];
        j[i]->tensor[1].written = NULL;
        r[i] = j[i]->r;
    }
    memset(outs, 0, sizeof outs);
}

/* How many of them have a report. */
static int run_together(job *j[TOGETHER], const run_request r[TOGETHER], run_report rep[TOGETHER])
{
    int done = -1;
    ws_err err = {0};
    if (run_execute_all(r, TOGETHER, rep, &done, &err))
        printf("# error: %s\n", err.msg);
    for (int i = 0; i < TOGETHER; i++) {
        if (i < done)
            printf("# %d: %s: %s (%.1f ms)\n", i, hx_reason_name(rep[i].reason), rep[i].text,
                   1e3 * rep[i].seconds);
        run_report_release(&rep[i]);
        job_free(j[i]);
    }
    return done;
}

static void test_together(const char *device)
{
    const char *const good[] = {"twice", "copy", "twice", "copy"};
    job *j[TOGETHER];
    run_request r[TOGETHER];
    run_report rep[TOGETHER];
    int wrong = 0;
    jobs_new(j, r, good);
    for (int i = 0; i < TOGETHER; i++)
        r[i].device = device;
    is_int(run_together(j, r, rep), TOGETHER, "good runs in one process all have a report");
    for (int i = 0; i < TOGETHER; i++)
        for (int k = 0; k < N; k++)
            wrong += !(outs[i][k] == (i % 2 ? 1 : 2) * in[k]);
    is_int(wrong, 0, "each with its own output");
    ok(rep[3].reason == HX_PASS && rep[3].seconds > 0, "and its own time");
}

static void test_together_ends(void)
{
    const char *const faulty[] = {"copy", "past", "copy", "copy"};
    const char *const hanging[] = {"copy", "copy", "spin", "copy"};
    job *j[TOGETHER];
    run_request r[TOGETHER];
    run_report rep[TOGETHER];
    jobs_new(j, r, faulty);
    is_int(run_together(j, r, rep), 2, "a fault ends the process's runs");
    ok(rep[0].reason == HX_PASS && rep[1].reason == HX_OUT_OF_BOUNDS, "the one before it counts");
    ok(outs[0][7] == in[7] && outs[2][7] == 0, "those after it did not run");
    jobs_new(j, r, hanging);
    for (int i = 0; i < TOGETHER; i++) {
        r[i].wall_seconds = 0.2;
        r[i].engine.max_warp_insns = 0;
        r[i].engine.deadline_ms = 3600000;
    }
    is_int(run_together(j, r, rep), 3, "so does one that hangs");
    ok(rep[1].reason == HX_PASS && rep[2].reason == HX_ENDLESS, "which is the endless one");
    ok(rep[2].seconds > 0.5 && rep[1].seconds < 0.5, "and took the time");
    has_str(rep[2].text, "0.8 s", "that all had together");
}

/* What a launch leaves in the module's variables is there in the next run of the same image. */
static void test_together_state(void)
{
    const char *const counts[] = {"count", "count", "count", "count"};
    job *j[TOGETHER];
    run_request r[TOGETHER];
    run_report rep[TOGETHER];
    char other[sizeof counting + 1];
    memcpy(other, counting, sizeof counting - 1);
    memcpy(other + sizeof counting - 1, "\n", 2);
    jobs_new(j, r, counts);
    for (int i = 0; i < TOGETHER; i++) {
        j[i]->launch[0].grid[0] = j[i]->launch[0].block[0] = 1;
        r[i].image = i == 3 ? other : counting;
        r[i].image_bytes = i == 3 ? sizeof other : sizeof counting;
    }
    is_int(run_together(j, r, rep), TOGETHER, "launches that count");
    ok(outs[0][0] == 0 && outs[1][0] == 1 && outs[2][0] == 2, "one module keeps its variables");
    is_int((int)outs[3][0], 0, "another image begins with its own");
}

/* ---- a process that stays for other runs of its candidate ---- */

/* Runs `name` of the image; the process that did it, 0: it has gone. */
static int kept_after(const char *image, size_t bytes, const char *name, hx_reason *reason)
{
    job *j = job_new(name);
    j->r.image = image;
    j->r.image_bytes = bytes;
    if (strcmp(name, "count") == 0)
        j->launch[0].grid[0] = j->launch[0].block[0] = 1;
    if (strcmp(name, "spin") == 0) {
        j->r.engine.max_warp_insns = 0;
        j->r.wall_seconds = 0.3;
    }
    job_run(j);
    *reason = j->rep.reason;
    job_free(j);
    const int server = child_of((int)getpid());
    return server ? child_of(server) : 0;
}

static void test_kept(void)
{
    hx_reason why;
    const int first = kept_after(counting, sizeof counting, "count", &why);
    ok(why == HX_PASS && first > 0, "a process stays when its runs passed");
    ok(kept_after(counting, sizeof counting, "count", &why) == first && why == HX_PASS &&
           out[0] == 0,
       "for the next run of its image, whose variables are new");
    const int other = kept_after(ptx, sizeof ptx, "twice", &why);
    ok(other > 0 && other != first && parent_of(first) == 0, "never for another image");
    ok(kept_after(ptx, sizeof ptx, "past", &why) == 0 && why == HX_OUT_OF_BOUNDS,
       "nor after a fault");
    ok(kept_after(ptx, sizeof ptx, "copy", &why) > 0 && why == HX_PASS &&
           kept_after(ptx, sizeof ptx, "spin", &why) == 0 && why == HX_ENDLESS,
       "one that hangs is killed");
    ok(kept_after(leaking, sizeof leaking, "leak", &why) == 0 && why == HX_PASS,
       "nor where kernels left memory of their own");
    const int killed = kept_after(ptx, sizeof ptx, "copy", &why);
    kill(killed, SIGKILL);
    ok(kept_after(ptx, sizeof ptx, "copy", &why) != killed && why == HX_PASS,
       "one that is killed meanwhile is replaced");
}

/* Runs `twice` so often that it takes its time, of which it may have `wall` seconds; those that it
 * took of the processor. */
static double taken(double wall, int *passed)
{
    const int server = child_of((int)getpid()), before = child_of(server);
    const double start = before ? ws_cpu_seconds_of(before) : 0;
    job *j = job_new("twice");
    j->launch[0].grid[0] = 4000;
    j->r.repeats = 10;
    j->r.wall_seconds = wall;
    job_run(j);
    *passed += j->rep.reason == HX_PASS;
    job_free(j);
    const int later = child_of(server);
    return ws_cpu_seconds_of(later) - (later == before ? start : 0);
}

/* Its earlier runs do not count against a run's time. */
static void test_kept_time(void)
{
    enum { RUNS = 8 };
    int passed = 0;
    const double one = taken(60, &passed), wall = 4 * one;
    double all = 0;
    for (int i = 0; i < RUNS; i++)
        all += taken(wall, &passed);
    printf("# %.2f s of the processor, %.2f of them in a run\n", all, one);
    is_int(passed, RUNS + 1, "runs of one process have their time each");
    ok(all > wall, "which is more than one of them may take");
}

static bool has_gpu(void)
{
    job *j = job_new("twice");
    j->r.device = "gpu";
    bool has = !run_execute(&j->r, &j->rep, &j->err);
    job_free(j);
    return has;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "worker") == 0)
        return run_worker_main();
    setenv("WARPSMITH_EXE", argv[0], 1);
    setenv("OPENAI_API_KEY", "canary", 1);
    load_kernels(ptx, sizeof ptx - 1);
    load_kernels(counting, sizeof counting - 1);
    load_kernels(leaking, sizeof leaking - 1);
    test_orphans(); /* first: its process must start a worker of its own */
    test_good("cpu");
    test_kept(); /* while there is one worker */
    test_kept_time();
    test_partial("cpu");
    test_input_changed();
    test_faults();
    test_endless();
    test_invalid_launch();
    test_scratch_and_repeats("cpu");
    test_inout();
    test_tiles();
    test_environment();
    test_crash();
    test_parallel();
    test_together("cpu");
    test_together_ends();
    test_together_state();
    test_world();
    if (has_gpu()) {
        test_good("gpu");
        test_partial("gpu");
        test_scratch_and_repeats("gpu");
        test_together("gpu");
    } else {
        skip("the same on a GPU", "no CUDA device");
    }
    return tap_done();
}
