// spec: basics/relu  expect: FORBIDDEN_INCLUDE
// exploit: H03  a background thread that does the work after the clock stopped
/* @plan
{ "launch": [ { "kernel": "nothing", "grid": [1], "block": [1], "args": ["x", "y", "N"] } ] }
*/
#include <thread>
extern "C" __global__ void nothing(const float* x, float* y, int n) {}
void later(const float* x, float* y, int n)
{
    std::thread([=] { for (int i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : 0; }).detach();
}
