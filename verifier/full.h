/* Full verification: what is tried beyond the runs that every candidate meets, once those are right
 * (docs/verify.md lists all of it). Only for job_full.c and the files that try
 * something. */
#ifndef VERIFIER_FULL_H
#define VERIFIER_FULL_H

#include "verifier/cases.h"
#include "verifier/session.h"

/* One execution of the candidate. */
typedef struct vfy_try {
    const vfy_case *c;
    ptx_schedule schedule;
    uint64_t seed;        /* of the schedule */
    int without;          /* this launch of the plan is left out, from 1; 0: none */
    const char *relation; /* what a wrong result breaks, for the verdict's text; NULL: nothing */
    bool judged;          /* a wrong result rejects the candidate */
    /* results */
    hx_reason reason; /* of the run, and of its outputs when it was not judged */
    void **out;       /* per output, in storage format; NULL: the run gave none */
    uint64_t insns;   /* warp instructions that it took */
} vfy_try;
void vfy_try_release(vfy_try *t, int n_outputs);

/* The candidate at one check shape. */
typedef struct vfy_full {
    vfy_session *s;
    vfy_verdict *v;
    const plan *plan;
    const plan_bound *bound;
    const char *ptx;
    int check;
    uint64_t seed;
    bool small;      /* the operation has little work here, and */
    bool affordable; /* a run is cheap enough for every kind of inputs, else for the main ones */
    bool main;       /* the shape at which launches and precision are looked at, and, */
    bool relates;    /* when a run is not too long, relations */
    bool repeats;    /* a run is cheap enough for another one of each launch */
    bool *needed;    /* per launch of the plan: something showed that it is; NULL: not asked */
    vfy_case base;   /* the random inputs, and */
    ref_tensor *in;  /* their values */
    vfy_try first;   /* what the candidate made of them in the usual order */
    /* Runs all of t and judges them in order; stops at the first that is wrong. */
    ws_status (*run)(void *ud, vfy_try *t, int n, ws_err *err);
    void *ud;
} vfy_full;

/* Each tries one thing and either rejects the candidate or notes in the verdict what it saw. */
ws_status vfy_full_inputs(vfy_full *f, ws_err *err) WS_MUST_CHECK;
ws_status vfy_full_schedules(vfy_full *f, ws_err *err) WS_MUST_CHECK;
ws_status vfy_full_relations(vfy_full *f, ws_err *err) WS_MUST_CHECK;
ws_status vfy_full_launches(vfy_full *f, ws_err *err) WS_MUST_CHECK;
ws_status vfy_full_faithful(vfy_full *f, ws_err *err) WS_MUST_CHECK;

/* Adds to the verdict of a candidate that is wrong with other inputs which tensor it ignores. */
ws_status vfy_full_name_ignored(vfy_full *f, ws_err *err) WS_MUST_CHECK;

/* All of them, at one check shape. */
ws_status vfy_full_shape(vfy_full *f, ws_err *err) WS_MUST_CHECK;

/* Plans with more launches are not looked at. */
enum { VFY_MOST_LAUNCHES = 16 };

/* `b` without launch `without`, counted from 1; in the arena. */
const plan_bound *vfy_plan_without(ws_arena *a, const plan_bound *b, int without);

/* Flat index of the first element of output o in which two results differ by a bit, -1: none. */
int64_t vfy_first_difference(const vfy_full *f, int o, const void *a, const void *b);

#endif
