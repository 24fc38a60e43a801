#include "agent/sweep/lease.h"

#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* Dollars as whole nano-dollars, rounded in the limit's favour. */
static int64_t nano(double usd, bool up)
{
    double n = usd > 0 ? usd * 1e9 : 0;
    n = up ? ceil(n - 1e-3) : floor(n + 1e-3);
    return n < 9e15 ? (int64_t)n : (int64_t)9e15;
}

/* The three things that are divided, as whole numbers. */
enum { REQUESTS, TOKENS, NANO, KINDS };
static const char *const kind_name[KINDS] = {"requests", "tokens", "dollars"};

static void unpack(const budget_amount *a, bool up, int64_t out[KINDS])
{
    out[REQUESTS] = a->requests;
    out[TOKENS] = a->tokens;
    out[NANO] = nano(a->usd, up);
}

static budget_amount pack(const int64_t v[KINDS])
{
    return (budget_amount){
        .requests = v[REQUESTS], .tokens = v[TOKENS], .usd = (double)v[NANO] / 1e9};
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

bool lease_take(lease_pot *p, const budget_limits *each, const budget_amount *before, lease *out,
                char *why, int size)
{
    int64_t limit[KINDS], spent[KINDS], leased[KINDS], own[KINDS], took[KINDS];
    int64_t granted[KINDS] = {0}, whole[KINDS] = {0};
    unpack(&p->limit.most, false, limit);
    unpack(&p->spent, true, spent);
    unpack(&p->leased, true, leased);
    unpack(&each->most, false, own);
    unpack(before, true, took);
    if (p->limit.seconds > 0 && p->seconds >= p->limit.seconds) {
        snprintf(why, (size_t)size, "all %.0f seconds of the sweep are spent", p->limit.seconds);
        return false;
    }
    for (int k = 0; k < KINDS; k++) {
        if (!limit[k]) {
            whole[k] = own[k];
            continue;
        }
        int64_t left = limit[k] - spent[k] - leased[k];
        granted[k] = left > 0 ? left / (p->unstarted > 0 ? p->unstarted : 1) : 0;
        if (own[k])
            granted[k] = least(granted[k], own[k] > took[k] ? own[k] - took[k] : 0);
        whole[k] = took[k] + granted[k];
        if (granted[k] <= 0) {
            snprintf(why, (size_t)size, "the sweep's %s are spent, or held by other problems",
                     kind_name[k]);
            return false;
        }
    }
    *out = (lease){.granted = pack(granted), .limit = {.most = pack(whole)}};
    out->limit.most.replies = each->most.replies;
    out->limit.most.candidates = each->most.candidates;
    out->limit.seconds = each->seconds;
    for (int k = 0; k < KINDS; k++)
        leased[k] += granted[k];
    p->leased = pack(leased);
    p->unstarted -= p->unstarted > 0;
    return true;
}

void lease_settle(lease_pot *p, const lease *l, const budget_amount *before,
                  const budget_amount *total)
{
    int64_t spent[KINDS], leased[KINDS], granted[KINDS], took[KINDS], all[KINDS];
    unpack(&p->spent, true, spent);
    unpack(&p->leased, true, leased);
    unpack(&l->granted, true, granted);
    unpack(before, true, took);
    unpack(total, true, all);
    if (!isfinite(total->usd))
        all[NANO] = took[NANO] + granted[NANO];
    for (int k = 0; k < KINDS; k++) {
        spent[k] += all[k] > took[k] ? all[k] - took[k] : 0;
        leased[k] -= least(granted[k], leased[k]);
    }
    p->spent = pack(spent);
    p->leased = pack(leased);
}

bool lease_part(const budget_limits *whole, int mine, int all, budget_limits *out)
{
    int64_t v[KINDS];
    unpack(&whole->most, false, v);
    for (int k = 0; k < KINDS; k++) {
        int64_t part = v[k] / all * mine + v[k] % all * mine / all;
        if (v[k] && !part)
            return false;
        v[k] = part;
    }
    *out = *whole;
    budget_amount most = pack(v);
    out->most.requests = most.requests;
    out->most.tokens = most.tokens;
    out->most.usd = most.usd;
    return true;
}
