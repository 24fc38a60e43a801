// spec: basics/row_sum  expect: FORBIDDEN_INCLUDE
// exploit: H07  an include whose path a macro puts together
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": [1], "block": [1], "args": ["y"] } ] }
*/
#define TEXT(x) #x
#define PATH(a, b) TEXT(/a/b)
#include PATH(etc, hostname)
extern "C" __global__ void row_sum(float* y) { y[0] = 0; }
