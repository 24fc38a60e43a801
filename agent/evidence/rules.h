/* The rules behind findings about speed. A rule looks at one launch, or at the whole plan, asks the
 * cost model what it would take without the fault that the rule is about, and says what was seen
 * and what to do. */
#ifndef AGENT_EVIDENCE_RULES_H
#define AGENT_EVIDENCE_RULES_H

#include "agent/evidence/facts.h"

typedef struct ev_finding {
    const char *rule, *says; /* as in ev_rule */
    int launch;              /* index in ev_facts.launch, -1: the plan as a whole */
    int more;                /* further launches with the same fault; this one gains most */
    double gain;             /* seconds that the model says would be saved, in all of them */
    double largest;          /* of them in `launch` */
    const char *evidence;    /* numbers; in the facts' arena */
    const char *action;      /* one concrete change */
    bool certain;            /* to be told even where other faults hide what it would save */
    bool uncounted;          /* the modelled time does not hold what it costs */
} ev_finding;

typedef struct ev_rule {
    const char *name;
    const char *says; /* the rule itself, for --json and the documentation */
    /* true: `out`'s gain, evidence and action are filled. `i` is -1 for rules of the whole plan. */
    bool (*look)(ev_facts *f, int i, ev_finding *out);
    bool of_plan;
} ev_rule;

/* NULL name: end */
extern const ev_rule ev_memory_rules[], ev_reuse_rules[], ev_machine_rules[], ev_resident_rules[],
    ev_unit_rules[];

enum { EV_MAX_FINDINGS = 64 };
/* Findings of a kernel that passed, the largest gain first; returns how many. */
int ev_findings(ev_facts *f, ev_finding out[EV_MAX_FINDINGS]);
const char *ev_severity(const ev_facts *f, const ev_finding *x);

#endif
