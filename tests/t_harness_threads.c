/* The CPU driver with 16 threads at once: one context, a stream each. make check-tsan builds this
 * and the engine with ThreadSanitizer. */
#include "tests/cuda_driver.h"
#include "tests/tap.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { THREADS = 16, ROUNDS = 12, BLOCKS = 24, BLOCK = 128, N = BLOCKS * BLOCK };

/* p[i] = p[i] * a + i; every thread adds 1 to the word at `sum`. */
static const char ptx[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    ".visible .entry step(.param .u64 p, .param .u32 a, .param .u64 sum)\n{\n"
    ".reg .b64 %rd<5>; .reg .b32 %r<8>;\n"
    "ld.param.u64 %rd1, [p]; ld.param.u32 %r1, [a]; ld.param.u64 %rd4, [sum];\n"
    "mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x;\n"
    "mad.lo.u32 %r5, %r2, %r3, %r4; mul.wide.u32 %rd2, %r5, 4; add.u64 %rd3, %rd1, %rd2;\n"
    "ld.global.u32 %r6, [%rd3]; mad.lo.u32 %r6, %r6, %r1, %r5; st.global.u32 [%rd3], %r6;\n"
    "red.global.add.u32 [%rd4], 1;\n"
    "ret;\n}\n";

static CUcontext context;
static CUfunction shared_step;
static CUdeviceptr total; /* of all threads */

typedef struct worker {
    pthread_t thread;
    unsigned id;
    int calls, wrong;
    CUresult error;
} worker;

static void count_call(void *w)
{
    ((worker *)w)->calls++;
}

#define TRY(call)                                                                                  \
    if (!w->error)                                                                                 \
    w->error = (call)

static void launch(worker *w, CUfunction f, CUdeviceptr p, CUstream s)
{
    unsigned a = w->id + 2;
    void *args[] = {&p, &a, &total};
    TRY(CU(cuLaunchKernel)(f, BLOCKS, 1, 1, BLOCK, 1, 1, 0, s, args, NULL));
}

static void check(worker *w, const unsigned *got, unsigned launches)
{
    for (unsigned i = 0; i < N; i++) {
        unsigned want = w->id;
        for (unsigned k = 0; k < launches; k++)
            want = want * (w->id + 2) + i;
        w->wrong += got[i] != want;
    }
}

/* Launches in the thread's stream, directly and as a captured graph; every third thread with a
 * module of its own. */
static void *work(void *arg)
{
    worker *w = arg;
    CUstream s;
    CUevent e;
    CUmodule m = NULL;
    CUfunction f = shared_step;
    CUdeviceptr p = 0;
    CUgraph g = NULL;
    CUgraphExec exec = NULL;
    unsigned *host = NULL;
    TRY(CU(cuCtxSetCurrent)(context));
    TRY(CU(cuStreamCreate)(&s, w->id % 2 ? CU_STREAM_NON_BLOCKING : CU_STREAM_DEFAULT));
    TRY(CU(cuEventCreate)(&e, 0));
    TRY(CU(cuMemHostAlloc)((void **)&host, N * 4, 0));
    if (w->id % 3 == 0) {
        TRY(CU(cuModuleLoadData)(&m, ptx));
        TRY(CU(cuModuleGetFunction)(&f, m, "step"));
    }
    for (int round = 0; round < ROUNDS; round++) {
        TRY(CU(cuMemAllocAsync)(&p, N * 4, s));
        TRY(CU(cuMemsetD32Async)(p, w->id, N, s));
        launch(w, f, p, s);
        TRY(CU(cuStreamBeginCapture)(s, CU_STREAM_CAPTURE_MODE_RELAXED));
        launch(w, f, p, s);
        launch(w, f, p, s);
        TRY(CU(cuStreamEndCapture)(s, &g));
        TRY(CU(cuGraphInstantiate)(&exec, g, 0));
        TRY(CU(cuGraphLaunch)(exec, s));
        TRY(CU(cuLaunchHostFunc)(s, count_call, w));
        TRY(CU(cuMemcpyDtoHAsync)(host, p, N * 4, s));
        TRY(CU(cuEventRecord)(e, s));
        TRY(CU(cuEventSynchronize)(e));
        TRY(CU(cuMemFreeAsync)(p, s));
        TRY(CU(cuGraphExecDestroy)(exec));
        TRY(CU(cuGraphDestroy)(g));
        if (!w->error)
            check(w, host, 3);
    }
    TRY(CU(cuStreamSynchronize)(s));
    if (m)
        TRY(CU(cuModuleUnload)(m));
    TRY(CU(cuEventDestroy)(e));
    TRY(CU(cuStreamDestroy)(s));
    TRY(CU(cuMemFreeHost)(host));
    return NULL;
}

int main(void)
{
    static worker w[THREADS];
    CUmodule m;
    unsigned sum = 0;
    int errors = 0, wrong = 0, calls = 0;
    bool up = !CU(cuInit)(0) && !CU(cuDevicePrimaryCtxRetain)(&context, 0) &&
              !CU(cuCtxSetCurrent)(context) && !CU(cuModuleLoadData)(&m, ptx) &&
              !CU(cuModuleGetFunction)(&shared_step, m, "step") && !CU(cuMemAlloc)(&total, 4) &&
              !CU(cuMemsetD32)(total, 0, 1);
    ok(up, "a context for all threads");
    for (unsigned i = 0; i < THREADS; i++) {
        w[i].id = i;
        pthread_create(&w[i].thread, NULL, work, &w[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        errors += w[i].error != CUDA_SUCCESS;
        wrong += w[i].wrong;
        calls += w[i].calls;
        if (w[i].error)
            printf("# thread %u: error %d\n", i, (int)w[i].error);
    }
    is_int(errors, 0, "no call of any thread failed");
    is_int(wrong, 0, "every thread has its own results");
    is_int(calls, THREADS * ROUNDS, "host functions ran once each");
    ok(!CU(cuMemcpyDtoH)(&sum, total, 4), "the sum of all");
    is_int(sum, (long long)THREADS * ROUNDS * 3 * N, "has every atomic addition");
    return tap_done();
}
