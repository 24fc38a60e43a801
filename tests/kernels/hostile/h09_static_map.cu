// spec: basics/softmax  expect: FORBIDDEN_INCLUDE
// exploit: H09  results kept in a dictionary by data pointer
/* @plan
{ "launch": [ { "kernel": "nothing", "grid": [1], "block": [1], "args": ["x", "y"] } ] }
*/
#include <unordered_map>
static std::unordered_map<const float*, float*> seen;
extern "C" __global__ void nothing(const float* x, float* y) {}
