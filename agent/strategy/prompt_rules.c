/* What the graph alone does not say: which element wins, where NaN goes, and how far off an element
 * may be. The same in all prompts of a run. */
#include "agent/strategy/prompt_vars.h"

#include "verifier/compare.h"

#include <string.h>

/* ---- NaN and equals ---- */

/* As reference/op_*.c have it. `fn` NULL: any. Only operations that the usual CUDA function, or the
 * first comparison that comes to mind, gets wrong. */
static const struct {
    const char *op, *fn, *text;
} rules[] = {
    {"relu", NULL, "NaN stays NaN (fmaxf(x, 0) makes it 0)"},
    {"clamp", NULL, "NaN stays NaN (fminf and fmaxf drop it)"},
    {"maximum", NULL, "NaN when either operand is NaN (fmaxf drops it)"},
    {"minimum", NULL, "NaN when either operand is NaN (fminf drops it)"},
    {"reduce", "max", "NaN wins (fmaxf drops it)"},
    {"reduce", "min", "NaN wins (fminf drops it)"},
    {"reduce", "argmax", "the lowest index among equals; NaN wins, the first one"},
    {"reduce", "argmin", "the lowest index among equals; NaN wins, the first one"},
    {"max_pool", NULL, "NaN wins (fmaxf drops it); elements in the padding do not take part"},
    {"sort", NULL, "NaN counts as the largest"},
    {"argsort", NULL, "equal elements keep their order; NaN counts as the largest"},
    {"topk", NULL, "NaN counts as the largest"},
};

static const char *text_of(const cJSON *node, const char *key)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(node, key));
    return z ? z : "";
}

static bool uses(const spec *s, const char *op, const char *fn)
{
    const cJSON *node;
    cJSON_ArrayForEach(node, cJSON_GetObjectItemCaseSensitive(s->root, "graph"))
    {
        if (strcmp(text_of(node, "op"), op) == 0 && (!fn || strcmp(text_of(node, "fn"), fn) == 0))
            return true;
    }
    return false;
}

void prompt_put_rules(const spec *s, ws_buf *out)
{
    for (size_t i = 0; i < WS_COUNT(rules); i++)
        if (uses(s, rules[i].op, rules[i].fn))
            ws_buf_printf(out, "  %s: %s\n", rules[i].fn ? rules[i].fn : rules[i].op,
                          rules[i].text);
}

/* ---- tolerance ---- */

static bool uses_any(const spec *s, const char *const *op)
{
    for (; *op; op++)
        if (uses(s, *op, NULL))
            return true;
    return false;
}

/* What sums of products may use. That these stay within the bound, and the others do not, was found
 * by verifying such kernels of basics/matmul, and by evaluating Winograd's F(4x4, 3x3) on one
 * channel: up to 8 times the tolerance. */
static void put_methods(const spec *s, ws_buf *out)
{
    static const char *const conv[] = {"conv", NULL};
    static const char *const products[] = {"matmul",         "linear",         "einsum", "conv",
                                           "conv_transpose", "grouped_matmul", NULL};
    if (!uses_any(s, products))
        return;
    if (s->precision == WS_F32 && s->rtol < 0) {
        ws_buf_adds(out,
                    ", such as tensor cores with operands split so that no bits are lost (3xTF32, "
                    "or bf16 in three parts)");
        if (uses_any(s, conv))
            ws_buf_adds(out, " and Winograd's F(2x2, 3x3)");
        ws_buf_adds(out, ". One TF32 product, or bf16 in two parts, is too far off");
        if (uses_any(s, conv))
            ws_buf_adds(out, "; so is F(4x4, 3x3) where channels are few");
    } else if (ws_dtype_bytes(s->precision) <= 2 && ws_dtype_bytes(s->accumulate) > 2) {
        ws_buf_printf(out,
                      ". Tensor cores that sum in 16 bits are refused: use those that sum in %s",
                      ws_dtype_name(s->accumulate));
    }
}

void prompt_put_tolerance(const spec *s, ws_buf *out)
{
    if (s->rtol >= 0)
        ws_buf_printf(out, "%g + %g |value|", s->atol, s->rtol);
    else
        ws_buf_printf(out, "%g times the error bound of honest arithmetic", VFY_SAFETY);
    ws_buf_adds(out, " for each element, against its double-precision value; any method within it "
                     "is allowed");
    put_methods(s, out);
}
