#include "agent/evidence/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const ev_rule *const tables[] = {ev_memory_rules, ev_reuse_rules, ev_machine_rules,
                                        ev_resident_rules, ev_unit_rules};

/* What saves less than a hundredth is noise. */
static const double SMALLEST = 0.01;

static int larger_gain(const void *a, const void *b)
{
    const ev_finding *x = a, *y = b;
    return (x->gain < y->gain) - (x->gain > y->gain);
}

/* The same rule in several launches: the one that gains most speaks for all. */
static void join(const ev_facts *f, ev_finding *all, const ev_finding *x)
{
    ev_finding sum = x->largest > all->largest ? *x : *all;
    sum.gain = ev_limit(f, all->gain + x->gain);
    sum.more = all->more + 1;
    sum.certain = all->certain || x->certain;
    sum.uncounted = all->uncounted || x->uncounted;
    *all = sum;
}

static int add(ev_facts *f, const ev_rule *r, int launch, ev_finding *out, int n)
{
    ev_finding x = {.rule = r->name, .says = r->says, .launch = launch, .gain = (double)NAN};
    if (n == EV_MAX_FINDINGS || !r->look(f, launch, &x) || !(x.gain >= 0))
        return n;
    x.largest = x.gain;
    for (int i = 0; i < n; i++)
        if (out[i].rule == x.rule) {
            join(f, &out[i], &x);
            return n;
        }
    out[n] = x;
    return n + 1;
}

static int drop_small(const ev_facts *f, ev_finding *all, int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (all[i].certain || all[i].gain >= SMALLEST * f->seconds)
            all[kept++] = all[i];
    return kept;
}

/* Rules that say more about the same instructions. */
static bool is_explained(const ev_finding *x, const ev_finding *all, int n)
{
    static const char *const special[] = {
        "tensor-cores",      "register-tile", "index-arithmetic", "special-functions",
        "double-arithmetic", "idle-lanes",    "algorithm"};
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < WS_COUNT(special); k++)
            if (strcmp(all[i].rule, special[k]) == 0 && all[i].gain > 0.5 * x->gain)
                return true;
    return false;
}

static int drop_general(ev_finding *all, int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (strcmp(all[i].rule, "instructions") != 0 || !is_explained(&all[i], all, n))
            all[kept++] = all[i];
    return kept;
}

int ev_findings(ev_facts *f, ev_finding out[EV_MAX_FINDINGS])
{
    int n = 0;
    if (!f->passed || !f->gpu || !(f->seconds > 0))
        return 0;
    for (size_t t = 0; t < WS_COUNT(tables); t++)
        for (const ev_rule *r = tables[t]; r->name; r++)
            for (int i = r->of_plan ? -1 : 0; i < (r->of_plan ? 0 : f->n_launches); i++)
                n = add(f, r, i, out, n);
    n = drop_general(out, drop_small(f, out, n));
    qsort(out, (size_t)n, sizeof *out, larger_gain);
    return n;
}

const char *ev_severity(const ev_facts *f, const ev_finding *x)
{
    double share = x->gain / f->seconds;
    return share >= 0.2 ? "high" : share >= 0.05 ? "medium" : "low";
}
