/* Whether more model calls are worth their money, and what a run's kernel saves. Pure functions
 * over a run's calls and the times of its best kernel.
 *
 * A win is a call after which the best kernel is at least 1 % faster. Two things are expected of
 * the next one, both from the run's own history:
 *
 * What it costs. Wins come at some rate per dollar; with a Gamma prior and Poisson wins the rate's
 * mean is (1 + wins) / (10 calls' cost + cost): the prior says one win in ten calls, and weighs as
 * much. Wins become rare as a run goes on: of n independent tries the last is the best with
 * probability 1/n (Renyi 1962). So call i of n counts i/n, wins and dollars alike: exact where the
 * rate is constant; where it falls as 1/n the next win comes two to three times as late as said.
 *
 * What it gains. With h = ln(best / floor) what is left above the roofline's floor, a win takes a
 * share of h. If tries lay evenly between best and floor the share of a record would be uniform,
 * 1/2 on average, and what is left would halve with each win (records of the uniform distribution;
 * Arnold, Balakrishnan, Nagaraja, "Records", 1998). That is the prior, worth two wins: the share is
 * (1 + sum of the shares seen) / (2 + wins). Without a floor what is left is taken to be as much as
 * the last win gained, and ln 2 before the first. */
#ifndef AGENT_MONEY_WORTH_H
#define AGENT_MONEY_WORTH_H

#include "base/buf.h"
#include "specs/spec.h"

typedef struct worth_call { /* in order */
    double usd;             /* of this call; NaN: not known */
    double best_s;          /* of the fastest kernel after it; NaN: none but generation 0 */
} worth_call;

typedef struct worth_run {
    const worth_call *call;
    int n;
    double first_s; /* of generation 0 */
    double floor_s; /* of the roofline, 0: not known */
    bool measured;  /* the times are; else they are modelled, and called so */
} worth_run;

typedef struct worth_deal { /* 0: not told */
    double usd_per_gpu_hour;
    double calls;                 /* that the kernel will serve; 0: a GPU-year's of generation 0 */
    double tokens, calls_of_pass; /* economics: a call serves so many tokens, a pass makes so many
                                   * calls */
} worth_deal;

typedef struct worth_outlook {
    int wins;
    double usd, usd_per_win;         /* NaN: not known, no win yet */
    double calls_to_win, usd_to_win; /* expected; NaN: not known */
    double gain;                     /* expected part of the best kernel's time, 0..1 */
    double calls, value_usd;         /* that the kernel will serve; what that gain is worth then */
    bool stop; /* the next gain costs more than it is worth; never before the fifth call */
} worth_outlook;

/* The spec's economics at the benchmark shape, and the two numbers. */
ws_status worth_deal_of(const spec *s, double usd_per_gpu_hour, double calls, worth_deal *out,
                        ws_err *err) WS_MUST_CHECK;
void worth_look(const worth_run *r, const worth_deal *d, worth_outlook *out);
/* "next gain: ..." in one line, with what it is compared with. */
void worth_print_next(const worth_run *r, const worth_deal *d, ws_buf *out);
/* What the run cost and what its kernel saves, per million calls and per million tokens, and after
 * how many calls it has paid for itself: a few lines. */
void worth_print_end(const worth_run *r, const worth_deal *d, ws_buf *out);
/* Both as JSON; the caller frees. */
cJSON *worth_json(const worth_run *r, const worth_deal *d);

#endif
