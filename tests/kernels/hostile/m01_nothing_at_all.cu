// spec: basics/softmax  expect: NOT_WRITTEN
// exploit: M01  does nothing and hopes that the buffer still holds the last answer
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void softmax(const float* x, float* y, int n) {}
