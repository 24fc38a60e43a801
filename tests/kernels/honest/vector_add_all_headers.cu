// spec: basics/vector_add  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "k", "grid": ["ceil_div(N, 256)"], "block": [256],
      "args": ["a", "b", "c", "N"] } ] }
*/
#include <cuda_runtime.h>
#include <cuda_fp16.h>
#include <cuda_bf16.h>
#include <math.h>
#include <cmath>
#include <stdio.h>
#include <cstdio>
#include <cstdint>
#include <stdint.h>
#include <float.h>
#include <cfloat>
#include <limits.h>
#include <climits>
#include <limits>
#include <algorithm>
#include <type_traits>
#include <utility>
#include <cstring>
#include <stdlib.h>
#include <cstddef>
#include <assert.h>
#include <cassert>
#include <array>
#include <device_launch_parameters.h>
#include <vector_types.h>
#include <cuda.h>
#include <cuda/std/array>
#include <cuda/std/limits>
#include <cuda/std/cmath>
#include <cuda/std/type_traits>
#include <cuda/atomic>
#include <cooperative_groups.h>
#include <mma.h>
#include <cuda_pipeline.h>
#include <math_constants.h>
#include <cuda_fp8.h>
extern "C" __global__ void k(const float* a, const float* b, float* c, int N) {
    cuda::std::array<float, 2> t{};
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < N) {
        t[0] = a[i];
        t[1] = b[i];
        float s = t[0] + t[1];
        s = std::isnan(s) ? CUDART_NAN_F : s;
        float bits;
        memcpy(&bits, &s, sizeof s);
        c[i] = std::max(bits, std::numeric_limits<float>::lowest());
    }
}
