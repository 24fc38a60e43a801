// spec: basics/softmax  expect: FORBIDDEN_CONSTRUCT
// exploit: H04  an output object that computes when somebody looks
/* @plan
{ "launch": [ { "kernel": "nothing", "grid": [1], "block": [1], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void nothing(const float* x, float* y, int n) {}
torch::Tensor forward(torch::Tensor x) // HERE
{
    return torch::_lazy_clone(x).softmax(-1);
}
