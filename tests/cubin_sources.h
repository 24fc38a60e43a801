/* Kernels whose cubins have something of everything that harness/profile/cubin reads. */
#ifndef TESTS_CUBIN_SOURCES_H
#define TESTS_CUBIN_SOURCES_H

static const char cubin_source[] =
    "__device__ float table[16];\n"
    "__device__ int counter = 5;\n"
    "__constant__ float scale[4];\n"
    "struct wide { double a; char b; float x[3]; };\n"
    "struct large { char c[9000]; };\n"
    "extern \"C\" __global__ void __launch_bounds__(256)\n"
    "mixed(const float *x, float *y, int n, double d, wide s, char ch)\n"
    "{\n"
    "    __shared__ float tile[128];\n"
    "    tile[threadIdx.x % 128] = x[threadIdx.x];\n"
    "    __syncthreads();\n"
    "    y[threadIdx.x] = tile[(threadIdx.x + 1) % 128] + n + (float)d + s.x[2] + s.b + ch +\n"
    "                     table[n & 15] + scale[n & 3];\n"
    "    asm volatile(\"bar.sync 3;\");\n"
    "}\n"
    "extern \"C\" __global__ void local(float *y, const int *at)\n"
    "{\n"
    "    float a[100];\n"
    "    for (int i = 0; i < 100; i++)\n"
    "        a[i] = y[i];\n"
    "    for (int i = 0; i < 100; i++)\n"
    "        y[i] = a[at[i]];\n"
    "}\n"
    "extern \"C\" __global__ void talks(float *y)\n"
    "{\n"
    "    void *p = malloc(8);\n"
    "    printf(\"%p\\n\", p);\n"
    "    atomicAdd(&counter, 1);\n"
    "    table[3] = y[0];\n"
    "}\n"
    "extern \"C\" __global__ void params(int *p, const large b, short q)\n"
    "{\n"
    "    *p = b.c[q];\n"
    "}\n";

/* Clusters are of sm_90. */
static const char cubin_cluster_source[] =
    "extern \"C\" __global__ void __cluster_dims__(2, 1, 1) pairs(float *y)\n"
    "{\n"
    "    asm volatile(\"barrier.cluster.arrive; barrier.cluster.wait;\");\n"
    "    y[blockIdx.x] = 1;\n"
    "}\n";

#endif
