#include "verifier/job.h"

#include "verifier/survey.h"
#include "verifier/wrong.h"

#include <string.h>

ws_status vfy_job_look_further(vfy_job *j, int check, ws_err *err)
{
    vfy_verdict *v = j->v, *first = WS_ARENA_NEW(&j->arena, vfy_verdict, 1);
    *first = *v;
    for (int c = check + 1; c < j->s->spec->n_checks; c++) {
        v->reason = HX_PASS;
        if (vfy_job_shape(j, c, err))
            return err->status;
        if (v->reason == HX_CONSTANT_OUTPUT)
            return WS_OK;
        if (v->reason != HX_PASS && v->checked > 1)
            break;
    }
    if (v->reason == HX_WRONG_RESULT && v->checked > 1)
        vfy_append_pattern(first, v);
    *v = *first;
    return WS_OK;
}

/* Whether another shape could tell more: it ends by itself, and soon. */
static bool worth_a_survey(const vfy_verdict *v)
{
    static const hx_reason by_shape[] = {HX_WRONG_RESULT, HX_NOT_WRITTEN,    HX_OUT_OF_BOUNDS,
                                         HX_MISALIGNED,   HX_SHARED_RACE,    HX_GLOBAL_RACE,
                                         HX_INPUT_MODIFIED, HX_UNINITIALIZED_READ};
    for (size_t i = 0; i < WS_COUNT(by_shape); i++)
        if (v->reason == by_shape[i])
            return strcmp(v->inputs, vfy_inputs_name(VFY_INPUTS_RANDOM)) == 0;
    return false;
}

ws_status vfy_job_survey(vfy_job *j, int failed, ws_err *err)
{
    int n = j->s->spec->n_checks;
    vfy_shape_state *state = WS_ARENA_NEW(&j->arena, vfy_shape_state, n + 1);
    vfy_verdict *v = j->v, *first = WS_ARENA_NEW(&j->arena, vfy_verdict, 1);
    if (!worth_a_survey(v))
        return WS_OK;
    *first = *v;
    j->steps = 1;
    for (int c = 0; c < n; c++) {
        if (!j->shape[c].plan || (c > failed && !vfy_job_is_small(j, c)))
            continue;
        state[c] = c < failed ? VFY_SHAPE_RIGHT : VFY_SHAPE_WRONG;
        if (c <= failed)
            continue;
        v->reason = HX_PASS;
        if (vfy_job_shape(j, c, err))
            return err->status;
        state[c] = v->reason == HX_PASS            ? VFY_SHAPE_RIGHT
                   : v->reason == HX_COMPILE_ERROR ? VFY_SHAPE_UNKNOWN
                                                   : VFY_SHAPE_WRONG;
    }
    *v = *first;
    vfy_survey_describe(j->s->spec, state, v->survey, sizeof v->survey);
    return WS_OK;
}
