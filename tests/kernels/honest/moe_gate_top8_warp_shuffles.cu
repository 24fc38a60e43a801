// spec: llm/moe_gate_top8  expect: PASS
// A warp a token: eight rounds of a maximum by shuffles over packed keys.
/* @plan
{ "launch": [ { "kernel": "gate", "grid": ["ceil_div(T, 4)"], "block": [128], "args": ["logits", "weight", "expert", "T", "E"] } ] }
*/
extern "C" __global__ void gate(const float* logits, float* weight, int* expert, int tokens, int experts)
{
    const int t = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (t >= tokens)
        return;
    float best[8], total = 0;
    int who[8];
    float last = INFINITY;
    int last_at = -1;
    for (int r = 0; r < 8; r++) {
        float v = -1;
        int at = experts;
        for (int e = lane; e < experts; e += 32) {
            float s = 1.f / (1.f + expf(-logits[(size_t)t * experts + e]));
            bool open = s < last || (s == last && e > last_at);
            if (open && (s > v || (s == v && e < at))) {
                v = s;
                at = e;
            }
        }
        for (int d = 16; d; d /= 2) {
            float ov = __shfl_xor_sync(~0u, v, d);
            int oat = __shfl_xor_sync(~0u, at, d);
            if (ov > v || (ov == v && oat < at)) {
                v = ov;
                at = oat;
            }
        }
        best[r] = last = v;
        who[r] = last_at = at;
        total += v;
    }
    for (int r = 0; r < 8; r++)
        if (lane == r) {
            weight[(size_t)t * 8 + r] = best[r] / total * 2.5f;
            expert[(size_t)t * 8 + r] = who[r];
        }
}
