// spec: basics/softmax  expect: FORBIDDEN_CONSTRUCT
// exploit: H09  a captured graph replays the answer
/* @plan
{ "launch": [ { "kernel": "nothing", "grid": [1], "block": [1], "args": ["x", "y"] } ] }
*/
extern "C" __global__ void nothing(const float* x, float* y) {}
void replay(void* graph, void* stream)
{
    cudaGraphLaunch(graph, stream); // HERE
}
