// spec: basics/relu  expect: PLAN_INVALID
// exploit: H11  a memory copy of the plan stands in for a kernel
/* @plan
{ "launch": [ { "copy": "x", "to": "y", "count": "N" } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n) {}
