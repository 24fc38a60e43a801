/* What source lines do at the benchmark shape, as vfy_options.lines hands it out: the lines of each launch add up to its
 * counters, and those that load and store are the lines that do. */
#include "harness/compile/compile.h"
#include "specs/spec.h"
#include "tests/tap.h"
#include "verifier/verify.h"

#include <stdlib.h>
#include <string.h>

static const char source[] =
    "/* @plan\n"
    "{ \"launch\": [ { \"kernel\": \"k\", \"grid\": [\"ceil_div(N, 32)\", \"ceil_div(M, 32)\"], \"block\": [32, 8],\n"
    "  \"args\": [\"x\", \"y\"] } ] }\n"
    "*/\n"
    "extern \"C\" __global__ void k(const float *x, float *y)\n"
    "{\n"
    "    int col = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 32 + threadIdx.y;\n"
    "    for (int k = 0; k < 32; k += 8) {\n"
    "        if (row + k >= DIM_M || col >= DIM_N)\n"
    "            break;\n"
    "        float v = x[(size_t)(row + k) * DIM_N + col];\n"
    "        y[(size_t)col * DIM_M + row + k] = v;\n"
    "    }\n"
    "}\n";
enum { LOADS = 11, STORES = 12 };
static const char spec_text[] =
    "{\"schema\":1,\"name\":\"t\",\"title\":\"t\",\"dims\":{\"M\":1024,\"N\":2048},\"check\":[{\"M\":33,\"N\":65}],"
    "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"M\",\"N\"],\"init\":{\"dist\":\"uniform\",\"lo\":-1,"
    "\"hi\":1}}],\"weights\":[],\"graph\":[{\"out\":\"y\",\"op\":\"permute\",\"in\":[\"x\"],\"dims\":[1,0]}],"
    "\"outputs\":[\"y\"],\"precision\":\"f32\"}";

static void check(const vfy_verdict *v, const ptx_lines *lines)
{
    const ptx_counters *c = &v->launch[0].counted.counters;
    ptx_line_row sum = {0}, at[STORES + 1] = {0};
    for (int i = 0; i < lines->n; i++) {
        const ptx_line_row *l = &lines->line[i];
        sum.warp_insns += l->warp_insns;
        sum.global_requests += l->global_requests;
        sum.sectors += l->sectors;
        sum.launch |= l->launch;
        if (l->line <= STORES)
            at[l->line] = *l;
    }
    ok(v->reason == HX_PASS, "a transpose passes: %s", v->text);
    ok(lines->n > 3 && !lines->full && !sum.launch, "%d lines of launch 0", lines->n);
    ok(llabs((long long)(sum.warp_insns - c->warp_insns)) <= lines->n, "instructions add up");
    ok(llabs((long long)(sum.global_requests - c->global_ld_requests - c->global_st_requests)) <= 2,
       "and requests");
    ok(at[LOADS].global_requests == c->global_ld_requests && at[LOADS].sectors == 4 * c->global_ld_requests,
       "the load is coalesced");
    ok(at[STORES].global_requests == c->global_st_requests && at[STORES].sectors == 32 * c->global_st_requests &&
           at[STORES].ideal_sectors == 4 * c->global_st_requests,
       "the store is not");
    ok(c->dram_ld_bytes == 32 * c->unique_ld_sectors && c->l2_ld_sectors == c->global_ld_sectors,
       "what is read once comes from DRAM once");
}

int main(void)
{
    comp_service *compiler = NULL;
    vfy_session *session = NULL;
    spec *s = NULL;
    ws_err err = {0};
    ptx_lines *lines = calloc(1, sizeof *lines);
    vfy_verdict *v = calloc(1, sizeof *v);
    const vfy_options o = {.device = "cpu", .gpu = "h100", .arch = "sm_90", .seed = 1, .wall_seconds = 30,
                           .max_level = VFY_EMULATED, .lines = lines};
    if (!lines || !v || comp_service_open(&(comp_service_options){0}, &compiler, &err) ||
        spec_from_text(spec_text, strlen(spec_text), "t.json", &s, &err) ||
        vfy_session_open(s, compiler, &session, &err) ||
        vfy_verify(session, source, strlen(source), &o, v, &err))
        ok(false, "%s", err.msg);
    else
        check(v, lines);
    vfy_session_close(session);
    comp_service_close(compiler);
    spec_free(s);
    free(v);
    free(lines);
    return tap_done();
}
