#include "verifier/schedule.h"

#include "base/mem.h"
#include "verifier/compare.h"
#include "verifier/full.h"
#include "verifier/place.h"

#include <stdio.h>
#include <string.h>

/* ---- what the code has ---- */

typedef struct mark {
    const char *begins; /* the opcode does, and */
    const char *has;    /* has this further on; NULL: any */
    vfy_order_cause cause;
} mark;

static const mark marks[] = {
    {"atom.", ".add.f", VFY_ORDER_FLOAT_ATOMIC},
    {"atom.", ".add.bf", VFY_ORDER_FLOAT_ATOMIC},
    {"atom.", ".add.noftz.", VFY_ORDER_FLOAT_ATOMIC},
    {"red.", ".add.f", VFY_ORDER_FLOAT_ATOMIC},
    {"red.", ".add.bf", VFY_ORDER_FLOAT_ATOMIC},
    {"red.", ".add.noftz.", VFY_ORDER_FLOAT_ATOMIC},
    {"red.", ".v", VFY_ORDER_FLOAT_ATOMIC},
    {"cp.reduce.async.bulk.", ".add.", VFY_ORDER_FLOAT_ATOMIC},
    {"multimem.red", NULL, VFY_ORDER_FLOAT_ATOMIC},
    {"atom.", NULL, VFY_ORDER_ATOMIC},
    {"red.", NULL, VFY_ORDER_ATOMIC},
    {"clusterlaunchcontrol.", NULL, VFY_ORDER_ATOMIC},
    {"ld.volatile", NULL, VFY_ORDER_WAIT},
    {"ld.relaxed", NULL, VFY_ORDER_WAIT},
    {"ld.acquire", NULL, VFY_ORDER_WAIT},
    {"ld.mmio", NULL, VFY_ORDER_WAIT},
    {"mbarrier.test_wait", NULL, VFY_ORDER_WAIT},
    {"mbarrier.try_wait", NULL, VFY_ORDER_WAIT},
    {"activemask", NULL, VFY_ORDER_LANES},
    {"match.", NULL, VFY_ORDER_LANES},
};

const char *vfy_order_cause_name(vfy_order_cause c)
{
    static const char *const names[] = {"nothing in the code", "the set of active lanes",
                                        "waiting for another thread", "an atomic",
                                        "a floating-point atomic"};
    return names[c];
}

static vfy_order_cause cause_of(const char *op, size_t n)
{
    for (size_t i = 0; i < WS_COUNT(marks); i++) {
        size_t head = strlen(marks[i].begins);
        if (n >= head && memcmp(op, marks[i].begins, head) == 0 &&
            (!marks[i].has || memmem(op + head - 1, n - head + 1, marks[i].has,
                                     strlen(marks[i].has))))
            return marks[i].cause;
    }
    return VFY_ORDER_NONE;
}

vfy_order_cause vfy_order_of(const char *ptx, char *insn, size_t size, int *line)
{
    vfy_order_cause best = VFY_ORDER_NONE;
    vfy_place at = {0};
    *line = 0;
    snprintf(insn, size, "%s", "");
    for (const char *p = ptx; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        p += strspn(p, " \t{");
        if (strncmp(p, ".loc", 4) == 0)
            vfy_place_follow(&at, p);
        if (*p == '@')
            p += strcspn(p, " \t\n"), p += strspn(p, " \t");
        size_t n = strcspn(p, " \t\n;");
        vfy_order_cause c = cause_of(p, n);
        if (c <= best)
            continue;
        best = c;
        *line = at.line;
        snprintf(insn, size, "%.*s", (int)n, p);
    }
    return best;
}

/* ---- what other orders show ---- */

/* Bits that differ although nothing in the code lets the order of threads decide anything. */
static void reject_difference(vfy_full *f, int o, int64_t at, const vfy_try *t)
{
    const ref_graph *g = f->s->graph;
    ws_dtype type = g->value[g->output[o]].dtype;
    size_t size = ws_dtype_bytes(type), per_byte = (size_t)ws_dtype_per_byte(type);
    vfy_verdict *v = f->v;
    double was[2], is[2];
    size_t from = (size_t)at / per_byte * size;
    ws_dtype_load(type, was, (const char *)f->first.out[o] + from, per_byte);
    ws_dtype_load(type, is, (const char *)t->out[o] + from, per_byte);
    v->reason = HX_NONDETERMINISTIC;
    snprintf(v->tensor, sizeof v->tensor, "%s", f->s->spec->output[o]);
    vfy_element_name(&f->base.want[o].shape, at, v->element, sizeof v->element);
    snprintf(v->shape, sizeof v->shape, "%s", f->base.shape);
    snprintf(v->inputs, sizeof v->inputs, "%s", f->base.name);
    v->got = is[0];
    v->want = was[0];
    snprintf(v->text, sizeof v->text,
             "%s%s is %.9g with warps and blocks in one order and %.9g in another (schedule seed "
             "%llu), on the same inputs, and no atomic, flag or wait in the code explains it",
             v->tensor, v->element, was[0], is[0], (unsigned long long)t->seed);
}

/* true: the bits are those of the first order. */
static bool compare_orders(vfy_full *f, const vfy_try *t)
{
    char insn[96];
    int line;
    for (int o = 0; o < f->s->graph->n_outputs; o++) {
        int64_t at = vfy_first_difference(f, o, f->first.out[o], t->out[o]);
        if (at < 0)
            continue;
        vfy_order_cause c = vfy_order_of(f->ptx, insn, sizeof insn, &line);
        char element[128];
        if (c == VFY_ORDER_NONE) {
            reject_difference(f, o, at, t);
            return false;
        }
        f->v->schedule_dependent = true;
        vfy_element_name(&f->base.want[o].shape, at, element, sizeof element);
        snprintf(f->v->schedule, sizeof f->v->schedule,
                 "bits differ between orders of threads, first in %s%s, within tolerance: %s, "
                 "%s%s%.0d",
                 f->s->spec->output[o], element, vfy_order_cause_name(c), insn,
                 line ? " at line " : "", line);
        return false;
    }
    return true;
}

ws_status vfy_full_schedules(vfy_full *f, ws_err *err)
{
    enum { ORDERS = 4 };
    vfy_try t[ORDERS] = {0};
    bool same = true;
    if (!f->first.out)
        return WS_OK;
    for (int i = 0; i < ORDERS; i++)
        t[i] = (vfy_try){.c = &f->base, .judged = true, .seed = f->seed + (uint64_t)i + 1,
                         .schedule = i ? PTX_SCHED_RANDOM : PTX_SCHED_REVERSE,
                         .relation = VFY_OTHER_ORDER};
    ws_status st = f->run(f->ud, t, f->affordable && f->main ? ORDERS : 1, err);
    for (int i = 0; i < ORDERS && !st && f->v->reason == HX_PASS && same; i++)
        same = !t[i].out || compare_orders(f, &t[i]);
    if (!st && same && f->main && f->v->reason == HX_PASS && !f->v->schedule_dependent)
        snprintf(f->v->schedule, sizeof f->v->schedule, "the same bits in %d orders of threads",
                 (f->affordable ? ORDERS : 1) + 1);
    for (int i = 0; i < ORDERS; i++)
        vfy_try_release(&t[i], f->s->graph->n_outputs);
    return st;
}
