/* The CPU driver as programs by others use it: streams that wait, captures, graphs by hand, memory
 * of all kinds, images, wrong handles. */
#include "tests/cuda_driver.h"
#include "tests/tap.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { N = 256 };

/* p[i] = p[i] * a + b */
static const char ptx[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    ".visible .entry scale(.param .u64 p, .param .u32 a, .param .u32 b)\n{\n"
    ".reg .b64 %rd<4>; .reg .b32 %r<8>;\n"
    "ld.param.u64 %rd1, [p]; ld.param.u32 %r1, [a]; ld.param.u32 %r2, [b];\n"
    "mov.u32 %r3, %tid.x; mul.wide.u32 %rd2, %r3, 4; add.u64 %rd3, %rd1, %rd2;\n"
    "ld.global.u32 %r4, [%rd3]; mad.lo.u32 %r4, %r4, %r1, %r2; st.global.u32 [%rd3], %r4;\n"
    "ret;\n}\n"
    ".visible .entry bad()\n{\n.reg .b64 %rd<2>; .reg .b32 %r<2>;\n"
    "mov.u64 %rd1, 64; ld.global.u32 %r1, [%rd1]; st.global.u32 [%rd1], %r1; ret;\n}\n";

static CUfunction scale;
static CUcontext context;

static bool good(CUresult r, const char *what)
{
    const char *name = NULL;
    CU(cuGetErrorName)(r, &name);
    if (!ok(r == CUDA_SUCCESS, "%s", what))
        printf("# %s\n", name ? name : "an unknown error");
    return r == CUDA_SUCCESS;
}

static void fails(CUresult r, CUresult want, const char *what)
{
    if (!ok(r == want, "%s", what))
        printf("# got %d, want %d\n", (int)r, (int)want);
}

static CUdeviceptr array_of(unsigned value)
{
    CUdeviceptr p = 0;
    if (CU(cuMemAlloc)(&p, N * 4) || CU(cuMemsetD32)(p, value, N))
        printf("# no memory\n");
    return p;
}

/* All elements of p; 0xbad: they differ. */
static unsigned value_of(CUdeviceptr p)
{
    unsigned v[N];
    if (CU(cuMemcpyDtoH)(v, p, sizeof v))
        return 0xdead;
    for (int i = 1; i < N; i++)
        if (v[i] != v[0])
            return 0xbad;
    return v[0];
}

static CUresult launch(CUdeviceptr p, unsigned a, unsigned b, CUstream s)
{
    void *args[] = {&p, &a, &b};
    return CU(cuLaunchKernel)(scale, 1, 1, 1, N, 1, 1, 0, s, args, NULL);
}

static void bump(void *counter)
{
    ++*(int *)counter;
}

/* ---- streams ---- */

static void *write_soon(void *p)
{
    struct timespec t = {.tv_nsec = 20000000};
    nanosleep(&t, NULL);
    __atomic_store_n((uint32_t *)p, 7, __ATOMIC_RELEASE);
    return NULL;
}

static void test_waiting(void)
{
    CUstream a, b;
    CUevent e;
    uint32_t *flag = NULL;
    int calls = 0;
    pthread_t writer;
    CUdeviceptr p = array_of(1);
    good(CU(cuStreamCreate)(&a, CU_STREAM_NON_BLOCKING), "a stream");
    CU(cuStreamCreate)(&b, CU_STREAM_NON_BLOCKING);
    CU(cuEventCreate)(&e, 0);
    good(CU(cuMemHostAlloc)((void **)&flag, 4, CU_MEMHOSTALLOC_DEVICEMAP), "host memory");
    CUdeviceptr at = (CUdeviceptr)(uintptr_t)flag;
    good(CU(cuStreamWaitValue32)(a, at, 5, CU_STREAM_WAIT_VALUE_GEQ), "a stream waits for a value");
    good(launch(p, 2, 1, a), "what comes after it waits too");
    good(CU(cuEventRecord)(e, a), "an event behind it");
    good(CU(cuStreamWaitEvent)(b, e, 0), "for which another stream waits");
    good(launch(p, 10, 0, b), "with a kernel");
    CU(cuLaunchHostFunc)(b, bump, &calls);
    is_int(value_of(p), 1, "nothing ran");
    fails(CU(cuStreamQuery)(a), CUDA_ERROR_NOT_READY, "the stream is not ready");
    fails(CU(cuEventQuery)(e), CUDA_ERROR_NOT_READY, "nor is the event");
    pthread_create(&writer, NULL, write_soon, flag);
    good(CU(cuStreamSynchronize)(b), "another thread writes the value");
    pthread_join(writer, NULL);
    is_int(value_of(p), 30, "all ran in order");
    is_int(calls, 1, "and the host function once");
    good(CU(cuEventQuery)(e), "the event happened");
    CU(cuStreamWaitValue32)(a, at, 9, CU_STREAM_WAIT_VALUE_EQ);
    launch(p, 0, 4, a);
    good(CU(cuStreamWriteValue32)(b, at, 9, 0), "another stream writes the value");
    good(CU(cuStreamSynchronize)(a), "which the first one sees");
    is_int(value_of(p), 4, "and goes on");
    CU(cuStreamDestroy)(a);
    CU(cuStreamDestroy)(b);
    fails(CU(cuStreamQuery)(a), CUDA_ERROR_INVALID_HANDLE, "a destroyed stream is an error");
    CU(cuEventDestroy)(e);
    fails(CU(cuEventDestroy)(e), CUDA_ERROR_INVALID_HANDLE, "a destroyed event too");
    CU(cuMemFreeHost)(flag);
    CU(cuMemFree)(p);
}

/* ---- capture ---- */

static void test_capture(void)
{
    CUstream a, b;
    CUevent fork, join;
    CUgraph g = NULL;
    CUgraphExec e = NULL;
    CUstreamCaptureStatus status;
    size_t n = 0;
    int calls = 0;
    CUdeviceptr p = array_of(3), q = array_of(5), m = 0;
    CU(cuStreamCreate)(&a, 0);
    CU(cuStreamCreate)(&b, 0);
    CU(cuEventCreate)(&fork, CU_EVENT_DISABLE_TIMING);
    CU(cuEventCreate)(&join, CU_EVENT_DISABLE_TIMING);
    good(CU(cuStreamBeginCapture)(a, CU_STREAM_CAPTURE_MODE_RELAXED), "a capture begins");
    launch(p, 2, 0, a);
    CU(cuEventRecord)(fork, a);
    good(CU(cuStreamWaitEvent)(b, fork, 0), "another stream joins it");
    CU(cuStreamIsCapturing)(b, &status);
    is_int(status, CU_STREAM_CAPTURE_STATUS_ACTIVE, "and is captured too");
    CU(cuMemsetD32Async)(q, 9, N, b);
    CU(cuEventRecord)(join, b);
    CU(cuLaunchHostFunc)(a, bump, &calls);
    CU(cuStreamWaitEvent)(a, join, 0);
    good(CU(cuMemAllocAsync)(&m, N * 4, a), "memory of the graph");
    CU(cuMemcpyDtoDAsync)(m, q, N * 4, a);
    launch(m, 1, 1, a);
    CU(cuMemcpyDtoDAsync)(q, m, N * 4, a);
    CU(cuMemFreeAsync)(m, a);
    good(CU(cuStreamEndCapture)(a, &g), "the capture ends");
    is_int(value_of(p), 3, "nothing ran");
    good(CU(cuGraphGetNodes)(g, NULL, &n), "its nodes");
    is_int((long long)n, 8, "are eight");
    CU(cuGraphGetRootNodes)(g, NULL, &n);
    is_int((long long)n, 1, "one of them first");
    good(CU(cuGraphInstantiate)(&e, g, 0), "it is made executable");
    good(CU(cuGraphLaunch)(e, a), "and launched");
    good(CU(cuGraphLaunch)(e, a), "twice");
    CU(cuStreamSynchronize)(a);
    is_int(value_of(p), 12, "its kernel ran twice");
    is_int(value_of(q), 10, "its copies went through its memory");
    is_int(calls, 2, "its host function ran twice");
    fails(CU(cuStreamEndCapture)(a, &g), CUDA_ERROR_ILLEGAL_STATE, "no capture, no end");

    CU(cuStreamBeginCapture)(a, CU_STREAM_CAPTURE_MODE_GLOBAL);
    fails(CU(cuCtxSynchronize)(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
          "a capture forbids to wait");
    fails(CU(cuStreamEndCapture)(a, &g), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "and is lost then");
    CU(cuStreamBeginCapture)(a, CU_STREAM_CAPTURE_MODE_RELAXED);
    CU(cuEventRecord)(fork, a);
    CU(cuStreamWaitEvent)(b, fork, 0);
    launch(p, 1, 1, b);
    fails(CU(cuStreamEndCapture)(a, &g), CUDA_ERROR_STREAM_CAPTURE_UNJOINED,
          "a stream that is not joined is an error");
    CU(cuStreamBeginCapture)(a, CU_STREAM_CAPTURE_MODE_RELAXED);
    fails(launch(p, 1, 1, NULL), CUDA_ERROR_STREAM_CAPTURE_IMPLICIT,
          "so is work in the legacy stream");
    CU(cuStreamEndCapture)(a, &g);
    good(CU(cuGraphExecDestroy)(e), "the graph goes");
    CU(cuStreamDestroy)(a);
    CU(cuStreamDestroy)(b);
    CU(cuMemFree)(p);
    CU(cuMemFree)(q);
}

/* ---- graphs by hand ---- */

static void test_graph(void)
{
    CUgraph g, child, clone;
    CUgraphNode fill, kernel, copy, host, inner, node, from[8], to[8];
    CUgraphExec e;
    CUdeviceptr p = array_of(0), q = array_of(0);
    unsigned a = 3, b = 4, out[N];
    int calls = 0;
    size_t n = 8;
    void *args[] = {&p, &a, &b};
    CUDA_KERNEL_NODE_PARAMS k = {.func = scale, .gridDimX = 1, .gridDimY = 1, .gridDimZ = 1,
                                 .blockDimX = N, .blockDimY = 1, .blockDimZ = 1,
                                 .kernelParams = args}, got;
    const CUDA_MEMSET_NODE_PARAMS f = {p, 0, 2, 4, N, 1};
    const CUDA_HOST_NODE_PARAMS h = {bump, &calls};
    CUDA_MEMCPY3D c = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = p,
                       .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = out,
                       .WidthInBytes = sizeof out, .Height = 1, .Depth = 1};
    good(CU(cuGraphCreate)(&g, 0), "a graph by hand");
    good(CU(cuGraphAddMemcpyNode)(&copy, g, NULL, 0, &c, context), "a copy");
    good(CU(cuGraphAddMemsetNode)(&fill, g, NULL, 0, &f, context), "a fill");
    good(CU(cuGraphAddKernelNode)(&kernel, g, &fill, 1, &k), "a kernel behind it");
    good(CU(cuGraphAddDependencies)(g, &kernel, &copy, NULL, 1), "the copy behind the kernel");
    fails(CU(cuGraphAddDependencies)(g, &copy, &fill, NULL, 1), CUDA_ERROR_INVALID_VALUE,
          "a cycle is an error");
    CU(cuGraphCreate)(&child, 0);
    CU(cuGraphAddHostNode)(&host, child, NULL, 0, &h);
    good(CU(cuGraphAddChildGraphNode)(&inner, g, &copy, 1, child), "a child graph");
    good(CU(cuGraphGetEdges)(g, from, to, NULL, &n), "its edges");
    is_int((long long)n, 3, "are three");
    good(CU(cuGraphInstantiate)(&e, g, 0), "it is made executable");
    good(CU(cuGraphLaunch)(e, NULL), "and launched");
    is_int(out[N - 1], 10, "fill, kernel and copy in order");
    is_int(calls, 1, "the child too");

    a = 5;
    good(CU(cuGraphExecKernelNodeSetParams)(e, kernel, &k), "other parameters");
    good(CU(cuGraphNodeSetEnabled)(e, fill, 0), "no fill");
    CU(cuGraphLaunch)(e, NULL);
    is_int(out[0], 54, "change what it does");
    good(CU(cuGraphKernelNodeGetParams)(kernel, &got), "the graph's own node");
    is_int(*(unsigned *)got.kernelParams[1], 3, "kept its parameters");
    b = 100;
    good(CU(cuGraphKernelNodeSetParams)(kernel, &k), "until they are set");
    CUgraphExecUpdateResultInfo info;
    good(CU(cuGraphExecUpdate)(e, g, &info), "and the executable graph is updated");
    CU(cuGraphLaunch)(e, NULL);
    is_int(out[0], 54 * 5 + 100, "with what the graph has");

    good(CU(cuGraphClone)(&clone, g), "a clone");
    good(CU(cuGraphNodeFindInClone)(&node, kernel, clone), "has a node for each");
    good(CU(cuGraphDestroyNode)(node), "which can go");
    fails(CU(cuGraphExecUpdate)(e, clone, &info), CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE,
          "another topology is no update");
    CUgraphNodeParams np;
    memset(&np, 0, sizeof np);
    np.type = CU_GRAPH_NODE_TYPE_CONDITIONAL;
    fails(CU(cuGraphAddNode)(&node, clone, NULL, NULL, 0, &np), CUDA_ERROR_NOT_SUPPORTED,
          "conditional nodes are not supported");
    np.type = CU_GRAPH_NODE_TYPE_MEMSET;
    np.memset.dst = q;
    np.memset.value = 77;
    np.memset.elementSize = 4;
    np.memset.width = N;
    np.memset.height = 1;
    good(CU(cuGraphAddNode)(&node, clone, NULL, NULL, 0, &np), "any other by its type");
    CU(cuGraphExecDestroy)(e);
    good(CU(cuGraphInstantiate)(&e, clone, 0), "the clone is made executable");
    CU(cuGraphLaunch)(e, NULL);
    is_int(value_of(q), 77, "and runs");
    CU(cuGraphExecDestroy)(e);
    good(CU(cuGraphDestroy)(clone), "the graphs go");
    CU(cuGraphDestroy)(g);
    CU(cuGraphDestroy)(child);
    fails(CU(cuGraphDestroy)(g), CUDA_ERROR_INVALID_HANDLE, "once");
    CU(cuMemFree)(p);
    CU(cuMemFree)(q);
}

/* ---- memory ---- */

static void test_memory(void)
{
    static unsigned own[N];
    CUdeviceptr p = 0, q = 0;
    size_t pitch = 0;
    unsigned flags = 0, managed = 0, type = 0;
    CUmemoryPool pool;
    unsigned char box[4 * 3 * 2], back[4 * 3 * 2] = {0};
    good(CU(cuMemHostRegister)(own, sizeof own, 0), "memory of the program is registered");
    fails(CU(cuMemHostRegister)(own, 4, 0), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "once");
    good(CU(cuMemHostGetDevicePointer)(&p, own, 0), "and has an address on the device");
    for (int i = 0; i < N; i++)
        own[i] = 6;
    launch(p, 7, 0, NULL);
    CU(cuCtxSynchronize)();
    is_int(own[N - 1], 42, "where kernels write it");
    good(CU(cuMemHostUnregister)(own), "until it is unregistered");
    is_int(own[0], 42, "and it stays");
    fails(CU(cuMemHostUnregister)(own), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "once");
    good(CU(cuMemAllocManaged)(&p, N * 4, CU_MEM_ATTACH_GLOBAL), "managed memory");
    CU(cuPointerGetAttribute)(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, p);
    is_int(managed, 1, "is known as such");
    CUmemLocation where = {.type = CU_MEM_LOCATION_TYPE_DEVICE};
    good(CU(cuMemPrefetchAsync)(p, N * 4, where, 0, NULL), "is prefetched");
    good(CU(cuMemAdvise)(p, N * 4, CU_MEM_ADVISE_SET_READ_MOSTLY, where), "and advised on");
    CU(cuMemFree)(p);
    CU(cuMemHostAlloc)((void **)&p, 64, CU_MEMHOSTALLOC_PORTABLE);
    CU(cuPointerGetAttribute)(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p);
    is_int(type, CU_MEMORYTYPE_HOST, "host memory is known as such");
    good(CU(cuMemHostGetFlags)(&flags, (void *)(uintptr_t)p), "with its flags");
    ok(flags & CU_MEMHOSTALLOC_PORTABLE, "as they were given");
    fails(CU(cuMemFree)(p), CUDA_ERROR_INVALID_VALUE, "and is not freed as the device's");
    CU(cuMemFreeHost)((void *)(uintptr_t)p);

    good(CU(cuMemAllocPitch)(&p, &pitch, 4, 6, 4), "rows with a pitch");
    for (size_t i = 0; i < sizeof box; i++)
        box[i] = (unsigned char)i;
    CUDA_MEMCPY3D c = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = box, .srcPitch = 4,
                       .srcHeight = 3, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = p,
                       .dstPitch = pitch, .dstHeight = 3, .WidthInBytes = 4, .Height = 3,
                       .Depth = 2};
    good(CU(cuMemcpy3D)(&c), "a copy of three dimensions");
    CUDA_MEMCPY2D d = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = p, .srcPitch = pitch,
                       .srcXInBytes = 1, .srcY = 1, .dstMemoryType = CU_MEMORYTYPE_HOST,
                       .dstHost = back, .dstPitch = 3, .WidthInBytes = 3, .Height = 5};
    good(CU(cuMemcpy2D)(&d), "and back, a part of two");
    ok(back[0] == 5 && back[3] == 9 && back[14] == 23, "element for element");
    d.Height = 6;
    fails(CU(cuMemcpy2D)(&d), CUDA_ERROR_INVALID_VALUE, "past the end is an error");
    good(CU(cuMemsetD2D16)(p, pitch, 0x0102, 2, 3), "a fill of two dimensions");
    CU(cuMemcpyDtoH)(back, p + 2 * pitch, 4);
    ok(back[0] == 2 && back[3] == 1, "of 16 bits");
    fails(CU(cuMemsetD32)(p + 2, 0, 1), CUDA_ERROR_INVALID_VALUE, "must be aligned");
    CU(cuMemFree)(p);

    good(CU(cuDeviceGetDefaultMemPool)(&pool, 0), "a device's pool");
    good(CU(cuMemAllocFromPoolAsync)(&q, 64, pool, NULL), "gives memory");
    good(CU(cuMemFreeAsync)(q, NULL), "and takes it back");
    fails(CU(cuMemFreeAsync)(q, NULL), CUDA_ERROR_INVALID_VALUE, "once");
    fails(CU(cuMemcpyHtoD)(q, box, 4), CUDA_ERROR_INVALID_VALUE, "what was freed is no target");
}

/* ---- images ---- */

static void test_images(void)
{
    CUmodule m;
    CUlinkState link;
    CUfunction f;
    void *image = NULL;
    size_t size = 0;
    char log[512] = "";
    CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *values[] = {log, (void *)(uintptr_t)sizeof log};
    struct { /* a fat binary with one entry of PTX, not compressed */
        uint32_t magic;
        uint16_t version, header;
        uint64_t bytes;
        uint16_t kind, entry_version;
        uint32_t entry_header;
        uint64_t payload;
        uint32_t rest[12];
        char text[sizeof ptx];
    } fat = {.magic = 0xba55ed50, .version = 1, .header = 16, .bytes = 64 + sizeof ptx, .kind = 1,
             .entry_version = 0x101, .entry_header = 64, .payload = sizeof ptx};
    memcpy(fat.text, ptx, sizeof ptx);
    fat.rest[3] = 70; /* architecture */
    good(CU(cuModuleLoadData)(&m, &fat), "a fat binary with PTX");
    good(CU(cuModuleGetFunction)(&f, m, "scale"), "has its kernels");
    CU(cuModuleUnload)(m);
    fails(CU(cuLaunchKernel)(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL), CUDA_ERROR_INVALID_HANDLE,
          "until it is unloaded");
    fat.bytes = 1u << 30;
    fat.payload = 1u << 31;
    fails(CU(cuModuleLoadData)(&m, &fat), CUDA_ERROR_INVALID_IMAGE, "a damaged one is an error");
    fat.bytes = 64 + sizeof ptx;
    fat.payload = sizeof ptx;
    fat.kind = 2;
    fails(CU(cuModuleLoadData)(&m, &fat), CUDA_ERROR_INVALID_IMAGE, "so is one without code");
    fails(CU(cuModuleLoadDataEx)(&m, ".version 7.0\n.target sm_70\nnonsense", 2, options, values),
          CUDA_ERROR_INVALID_PTX, "bad PTX is an error");
    has_str(log, "nonsense", "with a log");
    is_int((long long)(uintptr_t)values[1], (long long)strlen(log), "and its length");
    good(CU(cuLinkCreate)(0, NULL, NULL, &link), "a link");
    good(CU(cuLinkAddData)(link, CU_JIT_INPUT_PTX, (void *)(uintptr_t)ptx, sizeof ptx, "a", 0, NULL,
                           NULL),
         "of one text");
    good(CU(cuLinkComplete)(link, &image, &size), "is completed");
    good(CU(cuModuleLoadData)(&m, image), "and loaded");
    CU(cuLinkDestroy)(link);
    CU(cuModuleUnload)(m);
    fails(CU(cuArrayCreate)(NULL, NULL), CUDA_ERROR_NOT_SUPPORTED, "arrays are not supported");
}

int main(void)
{
    CUmodule m;
    int n = 0;
    fails(CU(cuDeviceGetCount)(&n), CUDA_ERROR_NOT_INITIALIZED, "nothing works before cuInit");
    good(CU(cuInit)(0), "cuInit");
    good(CU(cuDevicePrimaryCtxRetain)(&context, 0), "a context");
    CU(cuCtxSetCurrent)(context);
    good(CU(cuModuleLoadData)(&m, ptx), "a module");
    good(CU(cuModuleGetFunction)(&scale, m, "scale"), "a kernel");
    test_waiting();
    test_capture();
    test_graph();
    test_memory();
    test_images();

    CUfunction f;
    CUcontext second;
    CU(cuModuleGetFunction)(&f, m, "bad");
    CU(cuLaunchKernel)(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL);
    fails(CU(cuCtxSynchronize)(), CUDA_ERROR_ILLEGAL_ADDRESS, "a fault stays");
    CU(cuDevicePrimaryCtxRelease)(0);
    fails(CU(cuCtxSynchronize)(), CUDA_ERROR_CONTEXT_IS_DESTROYED, "until the context goes");
    good(CU(cuCtxCreate)(&second, NULL, 0, 0), "another context");
    good(CU(cuCtxSynchronize)(), "has none of it");
    good(CU(cuCtxDestroy)(second), "and goes");
    return tap_done();
}
