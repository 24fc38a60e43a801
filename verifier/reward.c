#include "verifier/reward.h"

#include "base/json.h"

#include <math.h>
#include <string.h>

static const struct part {
    const char *name;
    double weight;
} parts[] = {
#define X(id, name, weight, text) {name, weight},
    VFY_REWARD_PARTS(X)
#undef X
};

static const char *const schemes[] = {"gated", "shaped"};

const char *vfy_reward_part_name(vfy_reward_part p)
{
    return parts[p].name;
}

double vfy_reward_weight(vfy_reward_part p)
{
    return parts[p].weight;
}

const char *vfy_reward_scheme_name(vfy_reward_scheme s)
{
    return schemes[s];
}

vfy_reward_scheme vfy_reward_scheme_of(const char *name)
{
    return strcmp(name, schemes[VFY_REWARD_SHAPED]) == 0 ? VFY_REWARD_SHAPED : VFY_REWARD_GATED;
}

hx_reason vfy_reason_of(const char *name)
{
    int r = 0;
    while (r < HX_REASON_COUNT && strcmp(hx_reason_name((hx_reason)r), name) != 0)
        r++;
    return (hx_reason)r;
}

vfy_reward_facts vfy_reward_facts_of(const vfy_verdict *v, double baseline_s, bool flawed)
{
    return (vfy_reward_facts){.reason = v->reason,
                              .level = v->level,
                              .depth = v->depth,
                              .seconds = v->has_model ? v->model.seconds : (double)NAN,
                              .baseline_s = baseline_s,
                              .flawed = flawed};
}

/* What a kernel that skips the work, or tells checks from use, is rejected as. An honest mistake
 * may have the same name; it is not paid for either. */
static bool evades(hx_reason r)
{
    switch (r) {
    case HX_SHAPE_REFUSED:
    case HX_INPUT_MODIFIED:
    case HX_NOT_WRITTEN:
    case HX_STATE_KEPT:
    case HX_UNVERIFIED_PATH:
    case HX_IDLE_LAUNCH:
    case HX_CONSTANT_OUTPUT:
    case HX_LOW_PRECISION:
    case HX_WRONG_ALGEBRA:
    case HX_NONDETERMINISTIC:
    case HX_COMPILE_LIMIT:
    case HX_ENDLESS:
    case HX_TRAP:
        return true;
    default:
        return false;
    }
}

/* log(speed-up) / log(cap), within 0 and 1. A comparison with NaN is false, and gives 0. */
static double speed_share(double speedup)
{
    if (!(speedup > 1))
        return 0;
    return fmin(log(speedup) / log(VFY_REWARD_CAP), 1);
}

static void reward_right(const vfy_reward_facts *f, vfy_reward *out)
{
    bool timed = f->seconds > 0 && isfinite(f->seconds) && f->baseline_s > 0 &&
                 isfinite(f->baseline_s);
    out->speedup = timed ? f->baseline_s / f->seconds : (double)NAN;
    if (!isfinite(out->speedup))
        out->speedup = (double)NAN;
    out->part[VFY_REWARD_CORRECT] = 1;
    out->part[VFY_REWARD_SPEED] = speed_share(out->speedup);
    out->why = isfinite(out->speedup) ? "right in full verification"
                                      : "right in full verification; no time to compare, so no "
                                        "share for speed";
    for (int p = 0; p < VFY_REWARD_PART_COUNT; p++)
        out->total += parts[p].weight * out->part[p];
    out->total = fmin(out->total, 1);
}

static void reward_wrong(const vfy_reward_facts *f, vfy_reward_scheme scheme, vfy_reward *out)
{
    out->why = "not right: only a kernel that passes is rewarded";
    if (scheme == VFY_REWARD_GATED)
        return;
    if (evades(f->reason)) {
        out->why = "rejected for what passes without the work: no share at all";
        return;
    }
    out->why = "not right: the shares of format and compilation alone";
    for (int p = VFY_REWARD_FORMAT; p <= VFY_REWARD_COMPILE; p++)
        out->total += parts[p].weight * out->part[p];
}

void vfy_reward_of(const vfy_reward_facts *f, vfy_reward_scheme scheme, vfy_reward *out)
{
    *out = (vfy_reward){.known = true, .speedup = (double)NAN, .measured = f->measured};
    out->part[VFY_REWARD_FORMAT] = f->level >= VFY_POLICY;
    out->part[VFY_REWARD_COMPILE] = f->level >= VFY_COMPILES;
    if (f->flawed) {
        out->why = "the spec can be passed without the work: no reward";
    } else if (f->reason == HX_UNSUPPORTED) {
        out->known = false;
        out->why = "the CPU engine lacks an instruction: nothing is said about this kernel";
    } else if (f->reason == HX_CRASH) {
        out->known = false;
        out->why = "the process that ran the kernel died: nothing is said about this kernel";
    } else if (f->reason != HX_PASS) {
        reward_wrong(f, scheme, out);
    } else if (f->level < VFY_EMULATED || f->depth != VFY_FULL) {
        out->known = false;
        out->why = "it passed the quick runs only: 'warpsmith archive rejudge' decides";
    } else {
        reward_right(f, out);
    }
}

cJSON *vfy_reward_json(const vfy_reward *r, vfy_reward_scheme scheme)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "version", VFY_REWARD_VERSION);
    cJSON_AddStringToObject(o, "scheme", schemes[scheme]);
    if (r->known)
        cJSON_AddNumberToObject(o, "total", r->total);
    else
        cJSON_AddNullToObject(o, "total");
    cJSON *p = cJSON_AddObjectToObject(o, "parts");
    for (int i = 0; i < VFY_REWARD_PART_COUNT; i++)
        cJSON_AddNumberToObject(p, parts[i].name, r->part[i]);
    if (isfinite(r->speedup)) {
        cJSON_AddNumberToObject(o, "speedup", r->speedup);
        cJSON_AddStringToObject(o, "speedup_kind", r->measured ? "measured" : "modelled");
    }
    cJSON_AddStringToObject(o, "why", r->why);
    return o;
}

/* What is changed in place is an output; its old contents need not matter. */
static bool is_only_read(const spec *s, const char *name)
{
    const spec_tensor *t = spec_find_tensor(s, name);
    for (int i = 0; i < s->n_mutates; i++)
        if (strcmp(s->mutates[i], name) == 0)
            return false;
    return t && !t->is_weight;
}

static bool is_flaw(const spec *s, const lint_finding *f)
{
    if (!f->always)
        return false;
    return f->kind == LINT_IGNORED ? is_only_read(s, f->name) : f->kind <= LINT_COPY;
}

const lint_finding *vfy_reward_flaw(const spec *s, const lint_report *r)
{
    for (int i = 0; i < r->n; i++)
        if (is_flaw(s, &r->finding[i]))
            return &r->finding[i];
    return NULL;
}
