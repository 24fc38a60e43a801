// spec: llm/embedding  expect: PASS
/* @plan
{ "launch": [ { "kernel": "lookup", "grid": ["T"], "block": [128], "args": ["token", "table", "y", "C"] } ] }
*/
extern "C" __global__ void lookup(const int* token, const unsigned short* table, unsigned short* y, int C)
{
    const unsigned short* from = table + (size_t)token[blockIdx.x] * C;
    unsigned short* to = y + (size_t)blockIdx.x * C;
    if (C % 8 == 0) {
        for (int i = threadIdx.x; i < C / 8; i += 128)
            reinterpret_cast<uint4*>(to)[i] = __ldg(reinterpret_cast<const uint4*>(from) + i);
    } else {
        for (int i = threadIdx.x; i < C; i += 128)
            to[i] = from[i];
    }
}
