/* The reward of a kernel for training: a pure function of its verdict, its time and its spec's
 * flaws (docs/reward.md has the table). Archives, data sets and `warpsmith serve` use this one.
 *
 *   - bounded: 0 <= total <= 1, whatever the facts, NaN and infinity among them;
 *   - monotone: a higher level or a shorter time never gives less;
 *   - gated: what is not right gets 0. `shaped` adds small shares for format and compilation;
 *   - of a spec that can be passed without the work every kernel gets 0;
 *   - unknown is not 0: where the verdict does not decide, `known` is false. */
#ifndef VERIFIER_REWARD_H
#define VERIFIER_REWARD_H

#include "verifier/lint.h"
#include "verifier/verdict.h"

/* Changes whenever the same facts give another number. */
enum { VFY_REWARD_VERSION = 1 };

/* id, name in JSON, weight (they add up to 1), what it asks for */
#define VFY_REWARD_PARTS(X)                                                                        \
    X(FORMAT, "format", 0.05, "a source with a well-formed plan and nothing that is forbidden")    \
    X(COMPILE, "compile", 0.10, "NVRTC accepts it, and the plan fits its kernels")                 \
    X(CORRECT, "correct", 0.45, "full verification passes: level 2 or higher")                     \
    X(SPEED, "speed", 0.40, "of a right kernel: log(speed-up) / log(cap), within 0 and 1")
typedef enum vfy_reward_part {
#define X(id, name, weight, text) VFY_REWARD_##id,
    VFY_REWARD_PARTS(X)
#undef X
    VFY_REWARD_PART_COUNT
} vfy_reward_part;
const char *vfy_reward_part_name(vfy_reward_part p);
double vfy_reward_weight(vfy_reward_part p);

/* The speed-up over the plain translation from which on the speed share is whole. */
#define VFY_REWARD_CAP 10.0

/* GATED: all parts of a right kernel, nothing of any other. SHAPED: of one that is wrong the shares
 * of format and compilation, too, unless what is wrong is a way to pass without the work. */
#define VFY_REWARD_SCHEMES "gated|shaped"
typedef enum vfy_reward_scheme { VFY_REWARD_GATED, VFY_REWARD_SHAPED } vfy_reward_scheme;
const char *vfy_reward_scheme_name(vfy_reward_scheme s);
vfy_reward_scheme vfy_reward_scheme_of(const char *name); /* one of VFY_REWARD_SCHEMES */

typedef struct vfy_reward_facts {
    hx_reason reason;
    vfy_level level;
    vfy_depth depth;      /* of what was passed */
    double seconds;       /* of the kernel; NaN: no time */
    double baseline_s;    /* of the plain translation, the same kind of time; NaN: none */
    bool measured;        /* both times; else they are modelled */
    bool flawed;          /* the spec: vfy_reward_flaw */
} vfy_reward_facts;
/* Of a verdict; the time is the modelled one. */
vfy_reward_facts vfy_reward_facts_of(const vfy_verdict *v, double baseline_s, bool flawed);

typedef struct vfy_reward {
    bool known;                         /* false: this verdict decides nothing, total is 0 */
    double part[VFY_REWARD_PART_COUNT]; /* 0 to 1 each, before weights */
    double total;
    double speedup;                     /* NaN: no times, or the kernel is not right */
    bool measured;
    const char *why;                    /* a sentence, static */
} vfy_reward;
void vfy_reward_of(const vfy_reward_facts *f, vfy_reward_scheme scheme, vfy_reward *out);
/* {"version", "scheme", "total" or null, "parts", "speedup", "speedup_kind", "why"} */
cJSON *vfy_reward_json(const vfy_reward *r, vfy_reward_scheme scheme);

/* The reason that has this name in JSON; HX_REASON_COUNT: none has. */
hx_reason vfy_reason_of(const char *name);

/* The first finding of `warpsmith spec lint` for which no kernel of the spec is rewarded; NULL:
 * none. Zeros, a constant, a copy of a tensor, the answer for other inputs, or an input with any contents
 * pass with all inputs that the verifier tries. Weights that do not matter are no flaw (a bias in
 * front of a norm): who leaves them out is right. */
const lint_finding *vfy_reward_flaw(const spec *s, const lint_report *r);

#endif
