// spec: basics/softmax  expect: FORBIDDEN_CONSTRUCT
// exploit: H04  a tensor subclass registered from the extension
/* @plan
{ "launch": [ { "kernel": "nothing", "grid": [1], "block": [1], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void nothing(const float* x, float* y, int n) {}
PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) // HERE
{
    m.def("forward", [](void* x) { return x; });
}
