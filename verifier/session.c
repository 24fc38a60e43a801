#include "verifier/session.h"

#include "base/random.h"

#include <stdlib.h>
#include <string.h>

ws_status vfy_session_open(const spec *s, comp_service *comp, vfy_session **out, ws_err *err)
{
    uint64_t seed;
    if (ws_random(&seed, sizeof seed, err))
        return err->status;
    vfy_session *v = ws_calloc(1, sizeof *v);
    v->spec = s;
    v->comp = comp;
    v->seed = seed;
    int n = s->n_inputs + s->n_weights;
    if (n + s->n_outputs > VFY_MAX_NAMES || s->n_dims > VFY_MAX_NAMES) {
        free(v);
        return ws_fail(err, WS_EINPUT, "spec '%s' has more than %d tensors or dims", s->name,
                       VFY_MAX_NAMES);
    }
    if (ref_graph_new(s, &v->graph, err)) {
        free(v);
        return err->status;
    }
    for (int o = 0; o < s->n_outputs; o++) {
        if (spec_find_tensor(s, s->output[o])) {
            vfy_session_close(v);
            return ws_fail(err, WS_EINPUT,
                           "output '%s' is an input: in-place outputs cannot be verified yet",
                           s->output[o]);
        }
    }
    v->names = vfy_plan_names(v->graph);
    v->tensor_name = v->names.tensor;
    size_t slots = (size_t)s->n_checks * VFY_INPUTS_QUICK;
    v->cases = ws_calloc(slots, sizeof *v->cases);
    v->have = ws_calloc(slots, sizeof *v->have);
    *out = v;
    return WS_OK;
}

const plan_names *vfy_session_names(const vfy_session *s, const spec **of)
{
    *of = s->spec;
    return &s->names;
}

static void forget_cases(vfy_session *s)
{
    for (size_t i = 0; s->have && i < (size_t)s->spec->n_checks * VFY_INPUTS_QUICK; i++)
        if (s->have[i])
            vfy_case_release(&s->cases[i]);
    if (s->have)
        memset(s->have, 0, (size_t)s->spec->n_checks * VFY_INPUTS_QUICK * sizeof *s->have);
}

void vfy_session_close(vfy_session *s)
{
    if (!s)
        return;
    forget_cases(s);
    vfy_kept_release(&s->kept);
    free(s->cases);
    free(s->have);
    ref_graph_free(s->graph);
    free(s);
}

bool vfy_session_has(const vfy_session *s, int slot, uint64_t seed)
{
    return s->cases_seed == seed && s->have[slot];
}

ws_status vfy_session_case(vfy_session *s, int check, vfy_inputs kind, uint64_t seed,
                           vfy_case **out, ws_err *err)
{
    if (s->cases_seed != seed)
        forget_cases(s);
    s->cases_seed = seed;
    size_t slot = (size_t)check * VFY_INPUTS_QUICK + kind;
    if (!s->have[slot]) {
        if (vfy_case_init(&s->cases[slot], s->graph, check, kind, seed, err))
            return err->status;
        s->have[slot] = true;
    }
    *out = &s->cases[slot];
    return WS_OK;
}
