// spec: llm/moe_gate_top2  expect: PASS
/* @plan
{ "launch": [ { "kernel": "gate", "grid": ["ceil_div(T, 64)"], "block": [64], "args": ["logits", "weight", "expert", "T", "E"] } ] }
*/
extern "C" __global__ void gate(const float* logits, float* weight, int* expert, int T, int E)
{
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    if (t >= T) return;
    const float* l = logits + (size_t)t * E;
    int i1 = -1, i2 = -1;
    float v1 = -INFINITY, v2 = -INFINITY;
    for (int e = 0; e < E; ++e) {
        float v = l[e];
        if (i1 < 0 || v > v1) {
            v2 = v1, i2 = i1;
            v1 = v, i1 = e;
        } else if (i2 < 0 || v > v2) {
            v2 = v, i2 = e;
        }
    }
    float w2 = expf(v2 - v1), inv = 1.f / (1.f + w2);
    weight[2 * t] = inv;
    weight[2 * t + 1] = w2 * inv;
    expert[2 * t] = i1;
    expert[2 * t + 1] = i2;
}
