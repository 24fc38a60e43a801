// spec: basics/matmul  expect: PLAN_MISMATCH
// exploit: H06  the plan launches the baseline's kernel and brings none of its own
/* @plan
{ "launch": [ { "kernel": "node_c", "grid": ["ceil_div(M * N, 256)"], "block": [256], "args": ["a", "b", "c"] } ] }
*/
extern "C" __global__ void unused(const float* a, const float* b, float* c) {}
