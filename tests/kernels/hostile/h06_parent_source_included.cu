// spec: basics/matmul  expect: FORBIDDEN_INCLUDE
// exploit: H06  includes the parent candidate's source
/* @plan
{ "launch": [ { "kernel": "matmul", "grid": ["ceil_div(M * N, 256)"], "block": [256], "args": ["a", "b", "c"] } ] }
*/
#include "../generation_0.cu" // HERE
