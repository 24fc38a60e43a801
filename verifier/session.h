/* Shared by the files of verifier/ that judge candidates; not for others. */
#ifndef VERIFIER_SESSION_H
#define VERIFIER_SESSION_H

#include "harness/plan/plan.h"
#include "harness/worker/run.h"
#include "verifier/cases.h"
#include "verifier/kept.h"
#include "verifier/names.h"
#include "verifier/verify.h"

enum { VFY_MAX_NAMES = 1024 };

struct vfy_session {
    const spec *spec;
    ref_graph *graph;
    comp_service *comp;
    uint64_t seed;
    plan_names names;
    const char *const *tensor_name; /* names.tensor */
    vfy_case *cases; /* n_checks x VFY_INPUTS_QUICK, filled when first needed */
    bool *have;
    uint64_t cases_seed;
    vfy_kept kept; /* those of full verification */
};

/* The case of one check shape with one kind of inputs, made when it is first asked for; cases of
 * another seed are forgotten. It lasts until then. */
ws_status vfy_session_case(vfy_session *s, int check, vfy_inputs kind, uint64_t seed,
                           vfy_case **out, ws_err *err) WS_MUST_CHECK;
bool vfy_session_has(const vfy_session *s, int slot,
                     uint64_t seed); /* slot: check x kinds + kind */
/* Whether the source may name dims as macros. One that does not compiles alike for every shape:
 * once. One that pastes names together may hide them. */
bool vfy_names_dims(const char *source, size_t n);
/* How the plan is compiled at one shape; without source, file and arch. */
comp_request vfy_request(ws_arena *a, const plan_bound *b, bool dims, bool cubin);
/* Registers, shared memory and spills of the kernels, and what the compile is known by. */
void vfy_record_resources(const comp_result *c, vfy_verdict *v);
/* A block's threads must find room in the register file: 65536, handed out to warps in units of 8 a
 * thread. false: `d` names the kernel. */
bool vfy_registers_fit(const plan_bound *b, const comp_result *c, hx_diag *d);
/* What a sample of the benchmark shape's blocks shows beyond doubt. Where kernels pass data on, a
 * block that did not run may have left out an index: then only launches that cannot be made
 * count. */
bool vfy_fails_at_benchmark(const plan *p, const run_report *r);

#endif
