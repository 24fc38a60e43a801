#include "verifier/precision.h"

#include "verifier/place.h"

#include <string.h>

/* The opcode at p ends where its operands begin. */
static bool ends_with(const char *p, size_t n, const char *tail)
{
    size_t m = strlen(tail);
    return n >= m && memcmp(p + n - m, tail, m) == 0;
}

/* wmma.mma names the types of d and c last, mma.sync those of d, a, b, c, wgmma d first. */
static bool sums_in_half(const char *p, size_t n)
{
    static const char *const wgmma = "wgmma.mma_async.sync.aligned.";
    size_t head = strlen(wgmma);
    if (n > head && memcmp(p, wgmma, head) == 0) {
        const char *type = memchr(p + head, '.', n - head);
        return type && strncmp(type, ".f16.", 5) == 0;
    }
    if (strncmp(p, "wmma.mma.", 9) == 0)
        return ends_with(p, n, ".f16.f16");
    return strncmp(p, "mma.sync.", 9) == 0 && ends_with(p, n, ".f16.f16.f16.f16");
}

int vfy_half_sums(const spec *s, const char *ptx)
{
    vfy_place at = {0};
    if (ws_dtype_roundoff(s->accumulate) > ws_dtype_roundoff(WS_F32))
        return -1;
    for (const char *p = ptx; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        p += strspn(p, " \t{");
        if (strncmp(p, ".loc", 4) == 0) {
            vfy_place_follow(&at, p);
        } else if (sums_in_half(p, strcspn(p, " \t\n;"))) {
            return at.line;
        }
    }
    return -1;
}

bool vfy_uses_half(const spec *s, const char *ptx)
{
    static const char *const marks[] = {"cvt.rn.f16",  "cvt.rn.bf16", "fma.rn.f16", "fma.rn.bf16",
                                        "mul.f16",     "add.f16",     "mul{.f16",   ".f16x2",
                                        ".bf16x2",     "mul.bf16",    "add.bf16",   "cvt.rna.tf32",
                                        ".tf32"};
    if (ws_dtype_roundoff(s->precision) > ws_dtype_roundoff(WS_F32))
        return false;
    for (int i = 0; i < s->n_inputs + s->n_weights; i++)
        if (ws_dtype_is_float(s->tensor[i].dtype) &&
            ws_dtype_roundoff(s->tensor[i].dtype) > ws_dtype_roundoff(WS_F32))
            return false;
    for (size_t i = 0; i < WS_COUNT(marks); i++)
        if (strstr(ptx, marks[i]))
            return true;
    return false;
}
