/* What each opcode does with undefined sources: see undef.h. */
#include "harness/ptx/undef.h"

static const struct {
    const char *name;
    ptx_flow flow;
} flows[] = {
    {"mov", PTX_FLOW_COPY}, {"selp", PTX_FLOW_COPY}, {"slct", PTX_FLOW_COPY}, {"shl", PTX_FLOW_COPY},
    {"shr", PTX_FLOW_COPY}, {"shf", PTX_FLOW_COPY}, {"and", PTX_FLOW_COPY}, {"or", PTX_FLOW_COPY},
    {"bfi", PTX_FLOW_COPY}, {"bfe", PTX_FLOW_COPY}, {"prmt", PTX_FLOW_COPY}, {"cvta", PTX_FLOW_COPY},
    {"add", PTX_FLOW_COMPUTE}, {"addc", PTX_FLOW_COMPUTE}, {"sub", PTX_FLOW_COMPUTE}, {"subc", PTX_FLOW_COMPUTE},
    {"mul", PTX_FLOW_COMPUTE}, {"mad", PTX_FLOW_COMPUTE}, {"madc", PTX_FLOW_COMPUTE}, {"mul24", PTX_FLOW_COMPUTE},
    {"mad24", PTX_FLOW_COMPUTE}, {"div", PTX_FLOW_COMPUTE}, {"rem", PTX_FLOW_COMPUTE}, {"min", PTX_FLOW_COMPUTE},
    {"max", PTX_FLOW_COMPUTE}, {"neg", PTX_FLOW_COMPUTE}, {"abs", PTX_FLOW_COMPUTE}, {"sad", PTX_FLOW_COMPUTE},
    {"popc", PTX_FLOW_COMPUTE}, {"clz", PTX_FLOW_COMPUTE}, {"bfind", PTX_FLOW_COMPUTE}, {"fns", PTX_FLOW_COMPUTE},
    {"brev", PTX_FLOW_COMPUTE}, {"bmsk", PTX_FLOW_COMPUTE}, {"szext", PTX_FLOW_COMPUTE}, {"lop3", PTX_FLOW_COMPUTE},
    {"xor", PTX_FLOW_COMPUTE}, {"not", PTX_FLOW_COMPUTE}, {"cnot", PTX_FLOW_COMPUTE}, {"dp4a", PTX_FLOW_COMPUTE},
    {"dp2a", PTX_FLOW_COMPUTE}, {"fma", PTX_FLOW_COMPUTE}, {"rcp", PTX_FLOW_COMPUTE}, {"sqrt", PTX_FLOW_COMPUTE},
    {"rsqrt", PTX_FLOW_COMPUTE}, {"ex2", PTX_FLOW_COMPUTE}, {"lg2", PTX_FLOW_COMPUTE}, {"sin", PTX_FLOW_COMPUTE},
    {"cos", PTX_FLOW_COMPUTE}, {"tanh", PTX_FLOW_COMPUTE}, {"copysign", PTX_FLOW_COMPUTE},
    {"testp", PTX_FLOW_COMPUTE}, {"mapa", PTX_FLOW_COMPUTE}, {"getctarank", PTX_FLOW_COMPUTE},
    {"setp", PTX_FLOW_COMPARE}, {"set", PTX_FLOW_COMPARE},
    {"shfl", PTX_FLOW_SHUFFLE}, {"movmatrix", PTX_FLOW_LANES}, {"vote", PTX_FLOW_LANES}, {"redux", PTX_FLOW_LANES},
    {"mma", PTX_FLOW_LANES},
    {"stmatrix", PTX_FLOW_MEMORY},
    {"ld", PTX_FLOW_LOAD}, {"ldu", PTX_FLOW_LOAD}, {"ldmatrix", PTX_FLOW_MATRIX},
    {"prefetch", PTX_FLOW_NONE}, {"prefetchu", PTX_FLOW_NONE}, {"applypriority", PTX_FLOW_NONE},
    {"discard", PTX_FLOW_NONE}, {"nanosleep", PTX_FLOW_NONE},
};

static bool has_part(const ptx_ast_insn *a, const char *part)
{
    for (int p = 1; p < a->n_parts; p++)
        if (ws_str_eqz(a->part[p], part))
            return true;
    return false;
}

static bool is_integer(ptx_type t)
{
    return t == PTX_u8 || t == PTX_s8 || t == PTX_u16 || t == PTX_s16 || t == PTX_u32 || t == PTX_s32 || t == PTX_u64 ||
           t == PTX_s64;
}

ptx_flow ptx_flow_of(const ptx_ast_insn *a)
{
    if (ws_str_eqz(a->part[0], "st")) /* st.async and st.bulk are no plain stores */
        return has_part(a, "async") || has_part(a, "bulk") ? PTX_FLOW_USE : PTX_FLOW_STORE;
    if (ws_str_eqz(a->part[0], "wmma"))
        return has_part(a, "mma") ? PTX_FLOW_LANES : PTX_FLOW_MEMORY;
    if (ws_str_eqz(a->part[0], "cvt")) {
        bool copies = a->n_parts > 2 && is_integer(ptx_type_find(a->part[a->n_parts - 1])) &&
                      is_integer(ptx_type_find(a->part[a->n_parts - 2])) && !has_part(a, "sat");
        return copies ? PTX_FLOW_COPY : PTX_FLOW_COMPUTE;
    }
    if (ws_str_eqz(a->part[0], "prefetch") && has_part(a, "tensormap"))
        return PTX_FLOW_USE;
    if (a->part[0].p[0] == 'v' && !ws_str_eqz(a->part[0], "vote")) /* video instructions: vadd, vset4, ... */
        return PTX_FLOW_COMPUTE;
    for (size_t k = 0; k < WS_COUNT(flows); k++)
        if (ws_str_eqz(a->part[0], flows[k].name))
            return flows[k].flow;
    return PTX_FLOW_USE;
}
