#include "agent/money/budget.h"

#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

/* ---- dollars as whole nano-dollars ---- */

/* More than any budget, and room to add a few without overflow. */
#define NANO_MAX ((int64_t)4000000 * 1000000000)

/* Rounded up, so that a sum of rounded amounts is never less than the sum of the amounts. What is
 * within a thousandth of a nano-dollar of a whole number is that number and a rounding error. */
static int64_t nano_up(double usd)
{
    if (!(usd > 0)) /* NaN too */
        return 0;
    double nano = ceil(usd * 1e9 - 1e-3);
    return nano < (double)NANO_MAX ? (int64_t)nano : NANO_MAX;
}

/* A limit is rounded down. */
static int64_t nano_down(double usd)
{
    double nano = floor(usd * 1e9 + 1e-3);
    return nano < (double)NANO_MAX ? (int64_t)nano : NANO_MAX;
}

/* The number that `usd` is kept for: both directions are exact below NANO_MAX. */
static int64_t nano_of(double usd)
{
    return llround(usd * 1e9);
}

static double usd_of(int64_t nano)
{
    return (double)nano / 1e9; /* the double nearest to it */
}

/* ---- the counts, one row each ---- */

static const struct count {
    const char *name;
    size_t offset;
} counts[] = {{"replies", offsetof(budget_amount, replies)},
              {"requests", offsetof(budget_amount, requests)},
              {"tokens", offsetof(budget_amount, tokens)},
              {"candidates", offsetof(budget_amount, candidates)}};

static int64_t get(const budget_amount *a, size_t i)
{
    return *(const int64_t *)(const void *)((const char *)a + counts[i].offset);
}

static void set(budget_amount *a, size_t i, int64_t v)
{
    *(int64_t *)(void *)((char *)a + counts[i].offset) = v;
}

static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t minus(int64_t a, int64_t b)
{
    return a > b ? a - b : 0; /* never below nothing: a claim is given back once */
}

/* ---- */

static budget_answer compare(int64_t limit, int64_t spent, int64_t claimed, int64_t most)
{
    if (plus(spent, most) > limit)
        return BUDGET_SPENT;
    return plus(plus(spent, claimed), most) > limit ? BUDGET_WAIT : BUDGET_YES;
}

static budget_answer count_answer(const budget *b, const budget_amount *most, size_t i, char *why,
                                  int size)
{
    int64_t limit = get(&b->limit.most, i), spent = get(&b->spent, i);
    int64_t claimed = get(&b->claimed, i), asked = get(most, i);
    budget_answer a = limit > 0 ? compare(limit, spent, claimed, asked) : BUDGET_YES;
    if (a != BUDGET_YES && spent >= limit)
        snprintf(why, (size_t)size, "all %" PRId64 " %s are spent", limit, counts[i].name);
    else if (a != BUDGET_YES)
        snprintf(why, (size_t)size,
                 "of %" PRId64 " %s %" PRId64 " are spent, %" PRId64
                 " are held for requests in flight, and one more may take %" PRId64,
                 limit, counts[i].name, spent, claimed, asked);
    return a;
}

static budget_answer usd_answer(const budget *b, const budget_amount *most, char *why, int size)
{
    if (!(b->limit.most.usd > 0))
        return BUDGET_YES;
    if (!isfinite(most->usd)) {
        snprintf(why, (size_t)size,
                 isnan(most->usd) ? "what a request costs is not known, so %g USD is no limit"
                                  : "a request's reply has no cap on its tokens, so %g USD "
                                    "is no limit",
                 b->limit.most.usd);
        return BUDGET_SPENT;
    }
    int64_t limit = nano_down(b->limit.most.usd), spent = nano_of(b->spent.usd);
    int64_t claimed = nano_of(b->claimed.usd), asked = nano_up(most->usd);
    budget_answer a = compare(limit, spent, claimed, asked);
    if (a != BUDGET_YES)
        snprintf(why, (size_t)size,
                 "of %.6g USD %.6f are spent, %.6f are held for requests in flight, and one more "
                 "may take %.6f",
                 b->limit.most.usd, usd_of(spent), usd_of(claimed), usd_of(asked));
    return a;
}

budget_answer budget_claim(budget *b, const budget_amount *most, char *why, int size)
{
    budget_answer worst = BUDGET_YES;
    char text[256];
    why[0] = '\0';
    if (b->limit.seconds > 0 && b->seconds >= b->limit.seconds) {
        snprintf(why, (size_t)size, "all %.0f seconds are spent", b->limit.seconds);
        return BUDGET_SPENT;
    }
    for (size_t i = 0; i <= WS_COUNT(counts); i++) {
        budget_answer a = i < WS_COUNT(counts) ? count_answer(b, most, i, text, sizeof text)
                                               : usd_answer(b, most, text, sizeof text);
        if (a > worst) {
            worst = a;
            snprintf(why, (size_t)size, "%s", text);
        }
    }
    if (worst != BUDGET_YES)
        return worst;
    for (size_t i = 0; i < WS_COUNT(counts); i++)
        set(&b->claimed, i, plus(get(&b->claimed, i), get(most, i)));
    b->claimed.usd = usd_of(nano_of(b->claimed.usd) + nano_up(isfinite(most->usd) ? most->usd : 0));
    return BUDGET_YES;
}

void budget_settle(budget *b, const budget_amount *most, const budget_amount *real)
{
    int64_t held = nano_up(isfinite(most->usd) ? most->usd : 0);
    int64_t took = isfinite(real->usd) ? nano_up(real->usd) : held;
    for (size_t i = 0; i < WS_COUNT(counts); i++) {
        set(&b->claimed, i, minus(get(&b->claimed, i), get(most, i)));
        set(&b->spent, i, plus(get(&b->spent, i), get(real, i)));
    }
    b->claimed.usd = usd_of(minus(nano_of(b->claimed.usd), held));
    int64_t spent = nano_of(b->spent.usd) + took;
    b->spent.usd = usd_of(spent < NANO_MAX ? spent : NANO_MAX);
}

budget_amount budget_left(const budget *b)
{
    budget_amount left = {.usd = (double)INFINITY};
    for (size_t i = 0; i < WS_COUNT(counts); i++) {
        int64_t limit = get(&b->limit.most, i);
        int64_t used = plus(get(&b->spent, i), get(&b->claimed, i));
        set(&left, i, limit > 0 ? minus(limit, used) : INT64_MAX);
    }
    if (b->limit.most.usd > 0)
        left.usd = usd_of(
            minus(nano_down(b->limit.most.usd), nano_of(b->spent.usd) + nano_of(b->claimed.usd)));
    return left;
}
