/* Asynchronous copies and barrier objects of the PTX engine: right kernels compute what plain loops
 * do, wrong ones are found. */
#include "base/dtype.h"
#include "tests/ptx_run.h"

static bool reason_is(hx_reason r)
{
    return run_report.n_faults && run_report.fault[0].reason == r;
}

/* ---- cp.async ---- */

#define PIPE(commit_wait)                                                                          \
    "#include <cuda_pipeline.h>\n"                                                                 \
    "extern \"C\" __global__ void k(const float4 *a, float4 *b) {\n"                               \
    "  __shared__ float4 s[64]; int t = threadIdx.x;\n"                                            \
    "  __pipeline_memcpy_async(&s[t], &a[t], 16);\n" commit_wait "  b[t] = s[63 - t];\n}\n"

static void check_pipe(const char *what, const char *source, bool right, hx_reason reason)
{
    float a[256], b[256];
    for (int i = 0; i < 256; i++)
        a[i] = (float)i;
    run_case c = {.block = {64},
                  .n_buffers = 2,
                  .buffer = {{a, sizeof a, false, "a"}, {b, sizeof b, true, "b"}}};
    bool ran = run_cuda(source, "sm_90", &c);
    int bad = 0;
    for (int i = 0; ran && i < 256; i++)
        bad += b[i] != a[(63 - i / 4) * 4 + i % 4];
    if (right)
        ok(ran && !bad, "%s%s%s", what, ran ? "" : ": ", ran ? "" : run_fault());
    else
        ok(!ran && reason_is(reason), "%s: %s", what, run_fault());
}

static void test_cp_async(void)
{
    check_pipe("a copy that is waited for",
               PIPE("__pipeline_commit(); __pipeline_wait_prior(0); __syncthreads();"), true,
               HX_PASS);
    check_pipe("a copy without a wait", PIPE("__pipeline_commit(); __syncthreads();"), false,
               HX_UNINITIALIZED_READ);
    check_pipe("a copy that is waited for too late",
               PIPE("__pipeline_commit(); __pipeline_wait_prior(1); __syncthreads();"), false,
               HX_UNINITIALIZED_READ);
    check_pipe("a copy without a barrier", PIPE("__pipeline_commit(); __pipeline_wait_prior(0);"),
               false, HX_SHARED_RACE);
}

/* ---- mbarrier ---- */

static const char ring[] = /* a producer warp and a consumer warp, two stages */
    "__device__ unsigned addr(void *p) { return (unsigned)__cvta_generic_to_shared(p); }\n"
    "__device__ void init(unsigned long long *b, int n) { asm "
    "volatile(\"mbarrier.init.shared::cta.b64 [%0], %1;\" :: \"r\"(addr(b)), \"r\"(n)); }\n"
    "__device__ void arrive(unsigned long long *b) { asm "
    "volatile(\"mbarrier.arrive.shared::cta.b64 _, [%0];\" :: \"r\"(addr(b)) : \"memory\"); }\n"
    "__device__ void wait(unsigned long long *b, int parity) { asm volatile(\"{.reg .pred p;\\nW: "
    "mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\\n@!p bra W;}\" :: \"r\"(addr(b)), "
    "\"r\"(parity) : \"memory\"); }\n"
    "extern \"C\" __global__ void k(const float *a, float *b, int n) {\n"
    "  __shared__ float s[2][32]; __shared__ unsigned long long full[2], empty[2]; int l = "
    "threadIdx.x % 32;\n"
    "  if (threadIdx.x == 0) for (int i = 0; i < 2; i++) { init(&full[i], 32); init(&empty[i], "
    "32); }\n"
    "  __syncthreads();\n"
    "  if (threadIdx.x < 32) for (int i = 0; i < n; i++) { WAIT_EMPTY s[i % 2][l] = a[i * 32 + l]; "
    "ARRIVE_FULL }\n"
    "  else for (int i = 0; i < n; i++) { wait(&full[i % 2], i / 2 % 2); CONSUME }\n"
    "}\n";

static void check_ring(const char *what, const char *wait_empty, const char *arrive_full,
                       const char *consume, bool right, hx_reason reason)
{
    enum { N = 9 };
    float a[N * 32], b[N * 32];
    static char source[8192];
    for (int i = 0; i < N * 32; i++)
        a[i] = (float)i;
    snprintf(source, sizeof source,
             "#define WAIT_EMPTY %s\n#define ARRIVE_FULL %s\n#define CONSUME %s\n%s", wait_empty,
             arrive_full, consume, ring);
    for (int schedule = 0; schedule < 3; schedule++) {
        run_case c = {.block = {64},
                      .n_buffers = 2,
                      .buffer = {{a, sizeof a, false, "a"}, {b, sizeof b, true, "b"}},
                      .word = {N},
                      .n_words = 1,
                      .schedule = (ptx_schedule)schedule};
        bool ran = run_cuda(source, "sm_90", &c);
        int bad = 0;
        for (int i = 0; ran && i < N * 32; i++)
            bad += b[i] != a[i / 32 * 32 + 31 - i % 32];
        if (right)
            ok(ran && !bad, "%s%s%s", what, ran ? "" : ": ", ran ? "" : run_fault());
        else
            ok(!ran && reason_is(reason), "%s: %s", what, run_fault());
    }
}

static void test_ring(void)
{
    const char *wait = "wait(&empty[i % 2], (i / 2 + 1) % 2);", *arrive = "arrive(&full[i % 2]);";
    const char *consume = "b[i * 32 + l] = s[i % 2][31 - l]; arrive(&empty[i % 2]);";
    check_ring("a ring of two stages", wait, arrive, consume, true, HX_PASS);
    check_ring("a producer that does not wait", "", arrive, consume, false, HX_DEADLOCK);
    check_ring("a producer that does not arrive", wait, "", consume, false, HX_DEADLOCK);
    check_ring("one that arrives twice", wait, "arrive(&full[i % 2]); arrive(&full[i % 2]);",
               consume, false, HX_DEADLOCK);
    check_ring("a consumer that gives the stage back too early", wait, arrive,
               "arrive(&empty[i % 2]); b[i * 32 + l] = s[i % 2][31 - l];", false, HX_SHARED_RACE);
}

static void test_cuda_barrier(void)
{
    static const char source[] =
        "#include <cuda/barrier>\n"
        "extern \"C\" __global__ void k(const float *a, float *b) {\n"
        "  using barrier = cuda::barrier<cuda::thread_scope_block>;\n"
        "  __shared__ barrier bar; __shared__ __align__(16) float s[128]; int t = threadIdx.x;\n"
        "  if (t == 0) init(&bar, blockDim.x);\n"
        "  __syncthreads();\n"
        "  cuda::memcpy_async(&s[t], &a[t], sizeof(float), bar);\n"
        "  bar.arrive_and_wait();\n"
        "  b[t] = s[127 - t];\n"
        "}\n";
    float a[128], b[128];
    for (int i = 0; i < 128; i++)
        a[i] = (float)i;
    run_case c = {.block = {128},
                  .n_buffers = 2,
                  .buffer = {{a, sizeof a, false, "a"}, {b, sizeof b, true, "b"}}};
    bool ran = run_cuda(source, "sm_90", &c);
    int bad = 0;
    for (int i = 0; ran && i < 128; i++)
        bad += b[i] != a[127 - i];
    ok(ran && !bad, "cuda::barrier with memcpy_async%s%s", ran ? "" : ": ", ran ? "" : run_fault());
}

/* ---- cp.async.bulk ---- */

static const char bulk[] =
    "__device__ unsigned addr(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }\n"
    "extern \"C\" __global__ void k(const float *a, float *b, float *sum) {\n"
    "  __shared__ __align__(128) float s[1024], r[1024]; __shared__ __align__(8) unsigned long "
    "long bar; int t = threadIdx.x;\n"
    "  if (t == 0) { asm volatile(\"mbarrier.init.shared::cta.b64 [%0], 1;\" :: "
    "\"r\"(addr(&bar)));\n"
    "    asm volatile(\"fence.proxy.async.shared::cta;\"); }\n"
    "  __syncthreads();\n"
    "  if (t == 0) {\n"
    "    asm volatile(\"mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\" :: "
    "\"r\"(addr(&bar)), \"r\"(EXPECT));\n"
    "    asm volatile(\"cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], "
    "[%1], %2, [%3];\"\n"
    "                 :: \"r\"(addr(s)), \"l\"(a + OFFSET), \"r\"(4096), \"r\"(addr(&bar)) : "
    "\"memory\");\n"
    "  }\n"
    "  if (WAIT) asm volatile(\"{.reg .pred p;\\nW: mbarrier.try_wait.parity.shared::cta.b64 p, "
    "[%0], 0;\\n@!p bra W;}\" :: \"r\"(addr(&bar)) : \"memory\");\n"
    "  for (int i = t; i < 1024; i += 64) r[i] = 2.0f * s[1023 - i];\n"
    "  asm volatile(\"fence.proxy.async.shared::cta;\");\n"
    "  __syncthreads();\n"
    "  if (t == 0) {\n"
    "    asm volatile(\"cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;\" :: \"l\"(b), "
    "\"r\"(addr(r)), \"r\"(4096) : \"memory\");\n"
    "    asm volatile(\"cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], "
    "%2;\" :: \"l\"(sum), \"r\"(addr(r)), \"r\"(4096) : \"memory\");\n"
    "    asm volatile(\"cp.async.bulk.commit_group; cp.async.bulk.wait_group 0;\");\n"
    "  }\n"
    "}\n";

static void check_bulk(const char *what, const char *macros, bool right, hx_reason reason)
{
    static float a[1024], b[1024], sum[1024];
    static char source[8192];
    for (int i = 0; i < 1024; i++)
        a[i] = (float)i, sum[i] = 5;
    snprintf(source, sizeof source, "%s%s", macros, bulk);
    run_case c = {.block = {64},
                  .n_buffers = 3,
                  .unchecked = false,
                  .buffer = {{a, sizeof a, false, "a"},
                             {b, sizeof b, true, "b"},
                             {sum, sizeof sum, true, "sum", true}}};
    bool ran = run_cuda(source, "sm_90", &c);
    int bad = 0;
    for (int i = 0; ran && i < 1024; i++)
        bad += b[i] != 2 * a[1023 - i] || sum[i] != b[i] + 5;
    if (right)
        ok(ran && !bad, "%s%s%s", what, ran ? "" : ": ", ran ? "" : run_fault());
    else
        ok(!ran && reason_is(reason), "%s: %s", what, run_fault());
}

static void test_bulk(void)
{
    check_bulk("bulk copies both ways", "#define EXPECT 4096\n#define OFFSET 0\n#define WAIT 1\n",
               true, HX_PASS);
    check_bulk("a bulk copy without a wait",
               "#define EXPECT 4096\n#define OFFSET 0\n#define WAIT 0\n", false, HX_SHARED_RACE);
    check_bulk("a wait for more bytes than come",
               "#define EXPECT 8192\n#define OFFSET 0\n#define WAIT 1\n", false, HX_DEADLOCK);
    check_bulk("a bulk copy past the end",
               "#define EXPECT 4096\n#define OFFSET 4\n#define WAIT 1\n", false, HX_OUT_OF_BOUNDS);
    check_bulk("a misaligned bulk copy", "#define EXPECT 4096\n#define OFFSET 1\n#define WAIT 1\n",
               false, HX_MISALIGNED);
}

/* ---- the library's pipelines ---- */

static void check_library(const char *what, const char *body)
{
    static float a[512], b[512];
    static char source[4096];
    int bad = 0;
    for (int i = 0; i < 512; i++)
        a[i] = (float)i, b[i] = -1;
    snprintf(
        source, sizeof source,
        "#include <cooperative_groups.h>\n#include <cooperative_groups/memcpy_async.h>\n"
        "#include <cuda/pipeline>\n#include <cuda/barrier>\nnamespace cg = cooperative_groups;\n"
        "extern \"C\" __global__ void k(const float *a, float *b) {\n  cg::thread_block g = "
        "cg::this_thread_block();\n"
        "  const int t = threadIdx.x;\n%s}\n",
        body);
    run_case c = {.block = {128},
                  .n_buffers = 2,
                  .buffer = {{a, sizeof a, false, "a", false}, {b, sizeof b, true, "b", false}}};
    bool ran = run_cuda(source, "sm_90", &c);
    for (int i = 0; ran && i < 512; i++)
        bad += b[i] != a[i / 128 * 128 + 127 - i % 128];
    ok(ran && !bad, "%s%s%s", what, ran ? "" : ": ", ran ? "" : run_fault());
}

static void test_libraries(void)
{
    check_library("cooperative_groups::memcpy_async",
                  "  __shared__ __align__(16) float s[512];\n  cg::memcpy_async(g, s, a, sizeof "
                  "s);\n  cg::wait(g);\n"
                  "  for (int i = 0; i < 4; i++) b[i * 128 + t] = s[i * 128 + 127 - t];\n");
    check_library(
        "cuda::pipeline of the block, two stages",
        "  __shared__ __align__(16) float s[2][128];\n"
        "  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, 2> state;\n"
        "  auto p = cuda::make_pipeline(g, &state);\n"
        "  p.producer_acquire(); cuda::memcpy_async(g, s[0], a, sizeof s[0], p); "
        "p.producer_commit();\n"
        "  for (int i = 0; i < 4; i++) {\n"
        "    if (i < 3) { p.producer_acquire(); cuda::memcpy_async(g, s[(i + 1) % 2], a + (i + 1) "
        "* 128, sizeof s[0], p); p.producer_commit(); }\n"
        "    p.consumer_wait(); b[i * 128 + t] = s[i % 2][127 - t]; p.consumer_release();\n  }\n");
    check_library("cuda::pipeline of the thread",
                  "  __shared__ __align__(16) float s[2][128];\n  auto p = cuda::make_pipeline();\n"
                  "  for (int i = 0; i < 4; i++) {\n"
                  "    p.producer_acquire(); cuda::memcpy_async(&s[i % 2][t], &a[i * 128 + t], 4, "
                  "p); p.producer_commit();\n"
                  "    cuda::pipeline_consumer_wait_prior<0>(p); __syncthreads(); b[i * 128 + t] = "
                  "s[i % 2][127 - t]; p.consumer_release();\n"
                  "    __syncthreads();\n  }\n");
    check_library(
        "a bulk copy by cuda::device::memcpy_async_tx",
        "  __shared__ __align__(128) float s[512]; __shared__ "
        "cuda::barrier<cuda::thread_scope_block> bar;\n"
        "  if (t == 0) { init(&bar, 128); "
        "cuda::device::experimental::fence_proxy_async_shared_cta(); }\n  __syncthreads();\n"
        "  cuda::barrier<cuda::thread_scope_block>::arrival_token tok;\n"
        "  if (t == 0) { cuda::device::memcpy_async_tx(s, a, cuda::aligned_size_t<16>(sizeof s), "
        "bar);\n"
        "    tok = cuda::device::barrier_arrive_tx(bar, 1, sizeof s); } else tok = bar.arrive();\n"
        "  bar.wait(std::move(tok));\n"
        "  for (int i = 0; i < 4; i++) b[i * 128 + t] = s[i * 128 + 127 - t];\n");
}

/* ---- clusters of one block ---- */

#define CLUSTER(attribute)                                                                         \
    "#include <cooperative_groups.h>\nnamespace cg = cooperative_groups;\n"                        \
    "extern \"C\" __global__ void " attribute "k(const float *a, float *b) {\n"                    \
    "  __shared__ float s[128]; cg::cluster_group c = cg::this_cluster(); int t = threadIdx.x;\n"  \
    "  s[t] = a[t]; c.sync(); float *r = c.map_shared_rank(s, 0); b[t] = r[127 - t] + "            \
    "c.block_rank(); c.sync();\n}\n"

static void test_cluster(void)
{
    float a[128], b[128];
    int bad = 0;
    for (int i = 0; i < 128; i++)
        a[i] = (float)i;
    run_case c = {.block = {128},
                  .n_buffers = 2,
                  .buffer = {{a, sizeof a, false, "a", false}, {b, sizeof b, true, "b", false}}};
    bool ran = run_cuda(CLUSTER(""), "sm_90", &c);
    for (int i = 0; ran && i < 128; i++)
        bad += b[i] != a[127 - i];
    ok(ran && !bad, "a cluster of one block%s%s", ran ? "" : ": ", ran ? "" : run_fault());
    ran = run_cuda(CLUSTER("__cluster_dims__(2, 1, 1) "), "sm_90", &c);
    ok(!ran && reason_is(HX_INVALID_LAUNCH), "a grid of one block in clusters of two: %s",
       run_fault());
}

int main(void)
{
    test_cp_async();
    test_ring();
    test_cuda_barrier();
    test_bulk();
    test_libraries();
    test_cluster();
    if (run_service)
        comp_service_close(run_service);
    return tap_done();
}
