/* Kernels c = a + b over n floats, right and wrong in many ways, as requests for the device worker;
 * and operations with which a worker of the tests misbehaves. A test program that uses this is its
 * own worker: `if (fixture_is_worker(argc, argv)) return dev_worker_main(fixture_ops);`. */
#ifndef TESTS_DEVICE_FIXTURE_H
#define TESTS_DEVICE_FIXTURE_H

#include "base/mem.h"
#include "harness/device/request.h"
#include "harness/device/worker.h"
#include "harness/ptx/ptx.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* i is the thread's index in the grid; %p1: i is past the end; %p2: i is 0. */
#define FIXTURE_KERNEL(name, text)                                                                 \
    ".visible .entry " name "(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n)\n{\n"    \
    "  .reg .pred %p<4>; .reg .f32 %f<6>; .reg .b32 %r<8>; .reg .b64 %rd<12>;\n"                   \
    "  ld.param.u64 %rd1, [a];\n  ld.param.u64 %rd2, [b];\n  ld.param.u64 %rd3, [c];\n"            \
    "  ld.param.u32 %r1, [n];\n"                                                                   \
    "  mov.u32 %r2, %ctaid.x;\n  mov.u32 %r3, %ntid.x;\n  mov.u32 %r4, %tid.x;\n"                  \
    "  mad.lo.s32 %r5, %r2, %r3, %r4;\n  mul.wide.s32 %rd7, %r5, 4;\n"                             \
    "  add.s64 %rd4, %rd1, %rd7;\n  add.s64 %rd5, %rd2, %rd7;\n  add.s64 %rd6, %rd3, %rd7;\n"      \
    "  setp.ge.s32 %p1, %r5, %r1;\n  setp.eq.s32 %p2, %r5, 0;\n" text "DONE: ret;\n}\n"

#define FIXTURE_SUM                                                                                \
    "  @%p1 bra DONE;\n  ld.global.f32 %f1, [%rd4];\n  ld.global.f32 %f2, [%rd5];\n"               \
    "  add.f32 %f3, %f1, %f2;\n"
#define FIXTURE_STORE "  st.global.f32 [%rd6], %f3;\n"
#define FIXTURE_FIRST "  @!%p2 bra DONE;\n" /* what follows is thread 0's alone */

static const char *const fixture_parts[] = {
    ".version 8.0\n.target sm_80\n.address_size 64\n"
    ".extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 v);\n"
    ".global .align 1 .b8 words[6] = {115, 112, 97, 109, 10, 0};\n" /* "spam\n" */,
    FIXTURE_KERNEL("good", FIXTURE_SUM FIXTURE_STORE),
    FIXTURE_KERNEL("wrong", FIXTURE_SUM "  @%p2 add.f32 %f3, %f3, 0f3f800000;\n" FIXTURE_STORE),
    FIXTURE_KERNEL("partial", FIXTURE_SUM "  @%p2 bra DONE;\n" FIXTURE_STORE),
    FIXTURE_KERNEL("hang", FIXTURE_SUM FIXTURE_STORE FIXTURE_FIRST
                   "AGAIN:\n  add.s32 %r6, %r5, 1;\n  bra AGAIN;\n"),
    /* Into the red zone behind c, into what is mapped nowhere before and behind it. */
    FIXTURE_KERNEL("near", FIXTURE_SUM FIXTURE_STORE FIXTURE_FIRST
                   "  mul.wide.s32 %rd8, %r1, 4;\n  add.s64 %rd8, %rd3, %rd8;\n"
                   "  st.global.f32 [%rd8+8], %f3;\n"),
    FIXTURE_KERNEL("below", FIXTURE_SUM FIXTURE_STORE FIXTURE_FIRST
                   "  st.global.f32 [%rd3+-4], %f3;\n"),
    FIXTURE_KERNEL("far", FIXTURE_SUM FIXTURE_STORE FIXTURE_FIRST
                   "  add.s64 %rd8, %rd3, 16777216;\n  st.global.f32 [%rd8], %f3;\n"),
    FIXTURE_KERNEL("bump", FIXTURE_SUM FIXTURE_STORE FIXTURE_FIRST
                   "  add.f32 %f4, %f1, 0f3f800000;\n  st.global.f32 [%rd4], %f4;\n"),
    FIXTURE_KERNEL("odd", FIXTURE_SUM "  st.global.f32 [%rd6+1], %f3;\n"),
    FIXTURE_KERNEL("trap", FIXTURE_SUM FIXTURE_STORE FIXTURE_FIRST "  trap;\n"),
    FIXTURE_KERNEL("spam", FIXTURE_SUM FIXTURE_STORE
                   "  mov.u32 %r6, 0;\n  mov.u64 %rd9, words;\n  cvta.global.u64 %rd9, %rd9;\n"
                   "  mov.u64 %rd10, 0;\nAGAIN:\n  {\n"
                   "    .param .b64 p0;\n    st.param.b64 [p0], %rd9;\n"
                   "    .param .b64 p1;\n    st.param.b64 [p1], %rd10;\n"
                   "    .param .b32 ret;\n    call (ret), vprintf, (p0, p1);\n  }\n"
                   "  add.s32 %r6, %r6, 1;\n  setp.lt.s32 %p3, %r6, 4;\n  @%p3 bra AGAIN;\n"),
};

enum { FIXTURE_MAX_KERNELS = 16, FIXTURE_BLOCK = 128 };

typedef struct fixture {
    comp_kernel kernel[FIXTURE_MAX_KERNELS];
    int n_kernels;
    ws_buf ptx;
    ws_arena arena;
} fixture;

__attribute__((unused)) static bool fixture_init(fixture *f)
{
    ptx_module *m;
    ws_err err = {0};
    *f = (fixture){0};
    for (size_t i = 0; i < WS_COUNT(fixture_parts); i++)
        ws_buf_adds(&f->ptx, fixture_parts[i]);
    if (ptx_module_load(f->ptx.p, f->ptx.n, NULL, &m, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return false;
    }
    for (int i = 0; i < ptx_module_kernels(m); i++) {
        const ptx_kernel_info *k = ptx_module_kernel(m, i);
        comp_kernel *out = &f->kernel[f->n_kernels++];
        out->name = ws_arena_strdup(&f->arena, k->name);
        out->n_params = k->n_params;
        out->param = WS_ARENA_NEW(&f->arena, ptx_param, k->n_params);
        memcpy(out->param, k->param, (size_t)k->n_params * sizeof *k->param);
    }
    ptx_module_free(m);
    return true;
}

__attribute__((unused)) static void fixture_release(fixture *f)
{
    ws_buf_release(&f->ptx);
    ws_arena_release(&f->arena);
}

/* One run of `kernel`; keep it where it is, its parts point to each other. */
typedef struct fixture_run {
    plan_bound_arg arg[4];
    plan_bound_launch launch;
    plan_bound plan;
    run_tensor tensor[3];
    run_request r;
    dev_places places[3];
    ws_buf members;
} fixture_run;

__attribute__((unused)) static void fixture_run_init(fixture_run *x, const fixture *f,
                                                     const char *kernel, const float *a,
                                                     const float *b, float *c, uint8_t *written,
                                                     int n)
{
    const size_t bytes = (size_t)n * sizeof(float);
    *x = (fixture_run){
        .arg = {{.kind = PLAN_ARG_TENSOR, .index = 0},
                {.kind = PLAN_ARG_TENSOR, .index = 1},
                {.kind = PLAN_ARG_TENSOR, .index = 2},
                {.kind = PLAN_ARG_INT, .integer = n}},
        .launch = {.kernel = kernel, .grid = {(n + FIXTURE_BLOCK - 1) / FIXTURE_BLOCK, 1, 1},
                   .block = {FIXTURE_BLOCK, 1, 1}, .arg = x->arg, .n_args = 4},
        .plan = {.launch = &x->launch, .n_launches = 1},
        .tensor = {{.name = "a", .role = RUN_INPUT, .bytes = bytes, .in = a},
                   {.name = "b", .role = RUN_INPUT, .bytes = bytes, .in = b},
                   {.name = "c", .role = RUN_OUTPUT, .bytes = bytes, .out = c,
                    .written = written}},
        .r = {.image = f->ptx.p, .image_bytes = f->ptx.n + 1, .kernel = f->kernel,
              .n_kernels = f->n_kernels, .plan = &x->plan, .tensor = x->tensor, .n_tensors = 3},
    };
}

/* ---- a worker that misbehaves ---- */

/* The worker's own end of the channel: it has moved to a high descriptor. */
static inline int fixture_channel(void)
{
    int type;
    socklen_t size = sizeof type;
    for (int fd = 16; fd < 64; fd++)
        if (!getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size))
            return fd;
    return -1;
}

static inline void fixture_say(const char *text)
{
    (void)!write(fixture_channel(), text, strlen(text));
}

/* The last words: no answer follows. */
static inline void fixture_stop(const char *text)
{
    fixture_say(text);
    for (;;)
        pause();
}

#define FIXTURE_OP(name, ...)                                                                      \
    static ws_status name(dev_worker *w, const jl_value *q, jl_writer *a, ws_err *err)             \
    {                                                                                              \
        (void)w, (void)q, (void)a, (void)err;                                                      \
        __VA_ARGS__                                                                                \
        return WS_OK;                                                                              \
    }
FIXTURE_OP(fixture_crash, fputs("the end is near\n", stderr); raise(SIGSEGV);)
FIXTURE_OP(fixture_abort, abort();)
FIXTURE_OP(fixture_quit, _exit(0);)
FIXTURE_OP(fixture_half, fixture_say("{\"id\":2,\"ok\":tr"); _exit(3);)
FIXTURE_OP(fixture_noise, fixture_stop("\x01\xff what is this\n");)
FIXTURE_OP(fixture_other, fixture_stop("{\"id\":999,\"ok\":true}\n");)
FIXTURE_OP(fixture_twice, fixture_stop("{\"id\":2,\"ok\":true}\n{\"id\":2,\"ok\":true}\n");)
FIXTURE_OP(fixture_vague, fixture_stop("{\"id\":2}\n");)
FIXTURE_OP(fixture_lie, fixture_stop("{\"id\":2,\"ok\":false,\"reason\":\"because\"}\n");)
FIXTURE_OP(fixture_flood,
           for (char line[4096] = {0};;) {
               memset(line, 'x', sizeof line - 1);
               fixture_say(line);
           })
FIXTURE_OP(fixture_hang, for (;;) pause();)
FIXTURE_OP(fixture_chatter, for (int i = 0; i < 100000; i++) {
    printf("a driver that talks\n");
    fprintf(stderr, "and complains\n");
})
FIXTURE_OP(fixture_sick, return ws_fail(err, WS_EENV, "the device is gone");)

__attribute__((unused)) static const dev_op fixture_ops[] = {
    {"crash", fixture_crash}, {"abort", fixture_abort},     {"quit", fixture_quit},
    {"half", fixture_half},   {"noise", fixture_noise},     {"other", fixture_other},
    {"twice", fixture_twice}, {"vague", fixture_vague},     {"lie", fixture_lie},
    {"flood", fixture_flood}, {"hang", fixture_hang},       {"chatter", fixture_chatter},
    {"sick", fixture_sick},   {NULL, NULL},
};

__attribute__((unused)) static bool fixture_is_worker(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], "serve") == 0;
}

/* This program is the worker from now on, on `devices` devices of the CPU driver. */
__attribute__((unused)) static void fixture_be_worker(int devices)
{
    char exe[4096], count[16];
    const ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    snprintf(count, sizeof count, "%d", devices);
    setenv("WARPSMITH_WORKER", exe, 1);
    setenv("WARPSMITH_DEVICE", "cpu", 1);
    setenv("WARPSMITH_ENGINE_DEVICES", count, 1);
    unsetenv("CUDA_VISIBLE_DEVICES");
}

#endif
