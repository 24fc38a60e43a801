// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
// exploit: H03  work deferred to a host callback
/* @plan
{ "launch": [ { "kernel": "nothing", "grid": [1], "block": [1], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void nothing(const float* x, float* y, int n) {}
static void finish(void* what) {}
static void enqueue(void* stream)
{
    cudaLaunchHostFunc(stream, finish, nullptr); // HERE
}
