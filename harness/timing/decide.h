/* From the pairs of one comparison to a verdict.
 *
 * Pure functions of the samples, the rule and a seed (of the bootstrap and of how readings are
 * spread within a step of the timer): an archived store gives the same verdict for ever.
 *
 * What is estimated is ln(tA / tB), the 10 % trimmed mean over the pairs. Samples are looked at
 * when 30, 60, 120, 240 and 480 pairs are there. Each look has its share of the error that the rule
 * allows, by the Pocock-type spending function of Lan and DeMets (Biometrika 70, 1983):
 * spent(t) = alpha ln(1 + (e - 1) t) with t = pairs / most pairs. The shares are used as levels of
 * their own, so that they add up to no more than alpha whatever looks have to do with each other;
 * the interval of the last look holds at all of them (repeated confidence intervals, Jennison and
 * Turnbull, J. R. Stat. Soc. B 51, 1989). */
#ifndef HARNESS_TIMING_DECIDE_H
#define HARNESS_TIMING_DECIDE_H

#include "harness/timing/pairs.h"
#include "harness/timing/stats.h"

enum { TIM_LOOKS = 5 };

/* The verdict on B, held against A; name in JSON. */
#define TIM_VERDICT_LIST(X)                                                                        \
    X(FASTER, "faster")         /* by more than what matters */                                    \
    X(SLOWER, "slower")         /* by more than what matters */                                    \
    X(SAME, "same")             /* the difference is smaller than what matters */                  \
    X(UNDECIDED, "undecided")   /* the samples do not say which of the three */                    \
    X(UNSTABLE, "unstable")     /* the machine's clock did not let anyone say */                   \
    X(IMPOSSIBLE, "impossible") /* less time than the work takes: not what it seems */

typedef enum tim_verdict {
#define X(name, json) TIM_##name,
    TIM_VERDICT_LIST(X)
#undef X
        TIM_VERDICT_COUNT
} tim_verdict;
const char *tim_verdict_name(tim_verdict v);

typedef struct tim_rule {
    double alpha;           /* chance of a wrong FASTER, and of a wrong SLOWER, that is accepted */
    double eps;             /* relative difference that matters: 0.005 */
    double mde;             /* of the sitting's A/A run (tim_mde); the larger of both is used */
    double floor_s;         /* roofline of a cold run, 0: none. Below 0.9 of it: IMPOSSIBLE */
    double clock_tolerance; /* clocks within a pair may differ by so much, or it does not count */
    double discard_limit;   /* share of pairs that may not count */
    int look[TIM_LOOKS];    /* pairs, ascending; the last is where it ends */
} tim_rule;
extern const tim_rule tim_rule_default;

/* Error spent when `pairs` pairs are there. */
double tim_spent(const tim_rule *rule, int pairs);

typedef struct tim_side {
    double median_s, p10_s, p90_s; /* of one launch */
} tim_side;

enum { TIM_REASON_MAX = 200 };
typedef struct tim_judgement {
    tim_verdict verdict;
    bool done;                /* more pairs would not be looked at */
    int next_pairs;           /* how many pairs there must be for the next look; 0 when done */
    double ratio;             /* speed-up tA / tB: 1.01 is 1 % faster */
    double ratio_lo,
        ratio_hi;             /* its interval, at all looks: 1 - 2 alpha. 0 and infinity: no look */
    double cycle_ratio;       /* of clock cycles instead of seconds; 0: clocks not known */
    double eps;               /* that was used */
    tim_side a, b;
    int pairs, used, discarded; /* of the latest look: those there, that count, that do not */
    int looks;
    double alike;             /* so many pairs in a row say as much as one (tim_spread) */
    char reason[TIM_REASON_MAX];
} tim_judgement;

/* `final`: no more pairs will come (the budget is spent), so that those after the latest look are
 * looked at too. Otherwise, with done == false, the caller measures up to next_pairs and asks
 * again: looks that were made come out as they did. Pairs beyond the last look are not used. */
void tim_decide(const tim_pairs *p, const tim_rule *rule, bool final, uint64_t seed,
                tim_judgement *out);

/* The least difference that this sitting can tell from nothing: how far from 0 the interval of an
 * A/A run reaches (baseline against its own second copy), as a relative difference. Fails when
 * fewer than look[0] pairs count. */
ws_status tim_mde(const tim_pairs *aa, const tim_rule *rule, uint64_t seed, double *out,
                  ws_err *err) WS_MUST_CHECK;

/* ---- several candidates in one sitting ---- */

/* Judges n comparisons, so that the chance that any of them is wrongly FASTER is alpha at most,
 * whatever they share (Holm, Scand. J. Stat. 6, 1979): each at alpha / n; when k are FASTER the
 * others at alpha / (n - k), until nobody follows. SLOWER and SAME are at the same levels. */
void tim_decide_set(const tim_pairs *const p[], int n, const tim_rule *rule, bool final,
                    uint64_t seed, tim_judgement out[]);

/* Who won among many won by luck too. `again` are pairs of a fresh process with another seed, in
 * which the candidate had the baseline's place (A) and the baseline the candidate's. *out is the
 * judgement on the candidate by these pairs alone: its ratio is what may be claimed, and verdict
 * FASTER means confirmed. The first verdict must have been FASTER; any other is handed back as it
 * is. */
void tim_confirm(const tim_judgement *first, const tim_pairs *again, const tim_rule *rule,
                 bool final, uint64_t seed, tim_judgement *out);

#endif
