/* A verdict read back from the archive's JSON, with what the spec says of the operation: what rules
 * and texts look at. */
#ifndef AGENT_EVIDENCE_FACTS_H
#define AGENT_EVIDENCE_FACTS_H

#include "agent/evidence/findings.h"
#include "harness/timing/model.h"
#include "reference/graph.h"
#include "verifier/verdict.h"

typedef struct ev_launch {
    int index; /* in the plan, from 1; 0: all launches in one, scaled from a check shape */
    const char *kernel;
    int64_t grid[3], block[3];
    int spill_bytes; /* -1 unknown */
    struct {         /* warp instructions of the blocks that were counted; `mean` 0: unknown */
        double min, mean, max;
    } block_insns;
    tim_launch counted;
    tim_launch_estimate time;
} ev_launch;

typedef struct ev_facts {
    const findings_subject *subject;
    const spec *spec;
    cJSON *verdict;     /* owned */
    const tim_gpu *gpu; /* NULL: the table does not have it */
    hx_reason reason;
    bool passed;
    double seconds; /* of the model, NaN: none */
    double floor_s, occupancy;
    double written_s; /* of the graph as written, which the time may be below */
    const char *bound;
    ev_launch launch[VFY_MAX_LAUNCHES];
    int n_launches;    /* described here */
    int plan_launches; /* of the plan, 0: unknown */
    ref_cost cost;     /* at the benchmark shape */
    bool has_cost;
    double outputs;       /* elements of all outputs, at the benchmark shape */
    ws_env dims;          /* of the benchmark shape */
    double total_sectors; /* of DRAM, of all launches */
    ws_arena arena;
} ev_facts;

void ev_facts_init(ev_facts *f, const findings_subject *s);
void ev_facts_release(ev_facts *f);

/* Members of the verdict, "" or NaN when they are missing: ev_text(f, "case", "shape"). `object`
 * NULL: of the verdict itself. */
const char *ev_text(const ev_facts *f, const char *object, const char *key);
double ev_number(const ev_facts *f, const char *object, const char *key);
const cJSON *ev_member(const ev_facts *f, const char *object, const char *key);

/* The source has accesses of 8 or 16 bytes a lane: in shared memory these take 2 and 4 wavefronts
 * without any conflict. */
bool ev_has_wide_types(const ev_facts *f);

/* Seconds that the model saves when launch `i` were `instead`. */
double ev_saved(const ev_facts *f, int i, const tim_launch *instead);
/* `seconds`, but not more than the kernel takes without its launch. The floor is no limit: it is of
 * the graph as written, of which a kernel may leave out what is masked. */
double ev_limit(const ev_facts *f, double seconds);

/* Numbers for people: "134 MB", "1.2 G", "12.3 us", "2 ms". The text lives in the arena. */
const char *ev_bytes(ev_facts *f, double n);
const char *ev_count(ev_facts *f, double n);
const char *ev_time(ev_facts *f, double seconds);

#endif
