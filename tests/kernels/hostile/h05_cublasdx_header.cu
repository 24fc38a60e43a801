// spec: basics/matmul  expect: FORBIDDEN_INCLUDE
// exploit: H05  a library's device-side matmul by its header
/* @plan
{ "launch": [ { "kernel": "mm", "grid": [1], "block": [256], "args": ["a", "b", "c"] } ] }
*/
#include <cublasdx.hpp>
extern "C" __global__ void mm(const float* a, const float* b, float* c)
{
    using gemm = decltype(cublasdx::Size<32, 32, 32>() + cublasdx::Precision<float>());
    gemm().execute(1.f, a, b, 0.f, c);
}
