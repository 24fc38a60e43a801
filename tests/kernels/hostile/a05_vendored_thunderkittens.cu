// spec: basics/matmul  expect: FORBIDDEN_INCLUDE
// exploit: A05  somebody else's source beside the candidate
/* @plan
{ "launch": [ { "kernel": "mm", "grid": [1], "block": [128], "args": ["a", "b", "c"] } ] }
*/
#include "kittens.cuh"
using namespace kittens;
extern "C" __global__ void mm(const float* a, const float* b, float* c) {}
