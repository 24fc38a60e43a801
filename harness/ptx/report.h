/* What the PTX engine says about launches: plain structs that cross the libcuda facade unchanged
 * (the facade and the worker are built from the same tree). */
#ifndef HARNESS_PTX_REPORT_H
#define HARNESS_PTX_REPORT_H

#include "harness/diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PTX_MAX_FAULTS = 16, PTX_NAME_MAX = 128 };

typedef enum ptx_severity { PTX_SEV_ERROR, PTX_SEV_WARNING } ptx_severity;

/* One finding. `reason` is one of UNSUPPORTED .. ILLEGAL of HX_REASON_LIST. */
typedef struct ptx_fault {
    hx_reason reason;
    char kernel[PTX_NAME_MAX];
    char file[64];   /* from .loc; "" when the PTX has no line information */
    int line;        /* source line, 0: not known */
    int ptx_line;    /* line in the PTX text */
    uint32_t offset; /* of the instruction in its function: 16 bytes each, as SASS counts */
    ptx_severity severity; /* a race between lanes of one warp is a warning */
    char sync[64]; /* misused synchronisation in synccheck's words: "Invalid arguments"; "": none */
    char insn[96];   /* "ld.global.f32" */
    uint32_t thread[3], block[3];
    /* memory accesses */
    char space[8];   /* "global" "shared" "local" "const" "param" */
    bool write, atomic;
    uint32_t size;            /* bytes */
    uint64_t address;         /* generic for global, offset in the window for shared and local */
    char buffer[64];          /* nearest named allocation, "" none */
    int64_t buffer_offset;    /* of address from its start; may be negative or past its end */
    uint64_t buffer_bytes;
    /* races: the earlier access */
    uint32_t other_thread[3], other_block[3];
    int other_line;
    uint32_t other_offset;
    bool other_write;
    bool async;              /* one side is an asynchronous copy */
    bool has_values;         /* of a write: what memory held, and what it is to hold */
    uint64_t current_value, incoming_value;
    uint64_t
        count; /* how many further findings of the same reason at the same place were dropped */
    char text[512];  /* the whole finding in one line, in compute-sanitizer's terms */
} ptx_fault;

/* Counted over all launches since the last configure; the input of the cost model. What each of them
 * is stands in counters.def. */
typedef struct ptx_counters {
#define X(name, metric, says) uint64_t name;
#include "harness/ptx/counters.def"
#undef X
} ptx_counters;

/* A source line, or one of its branches, over all launches. */
enum { PTX_MAX_COVER = 4096 };
typedef struct ptx_cover {
    int line;
    int ptx_line;     /* of the branch; 0: the line itself */
    uint64_t threads; /* that ran it: of a line the most that ran one of its instructions */
    uint64_t went_on; /* of a branch: those that did not jump */
    bool known;       /* went_on is */
} ptx_cover;

typedef struct ptx_coverage {
    int n;
    bool full; /* there was more */
    ptx_cover item[PTX_MAX_COVER];
} ptx_coverage;
/* Of its first n items and what is before them. */
static inline size_t ptx_coverage_bytes(const ptx_coverage *c)
{
    return offsetof(ptx_coverage, item) + (size_t)c->n * sizeof *c->item;
}

typedef enum ptx_schedule { PTX_SCHED_ROUND_ROBIN, PTX_SCHED_REVERSE,
                            PTX_SCHED_RANDOM } ptx_schedule;

/* The caches that loads go through, in counting runs (cache.c). */
typedef struct ptx_cache {
    uint32_t sms;              /* each with an L1; 0: caches are not looked at */
    uint32_t l1_bytes;         /* of a SM, shared memory included */
    uint32_t max_warps, max_blocks; /* of a SM */
    uint64_t l2_bytes;
} ptx_cache;

/* What the instructions of a source line did, over all launches: the lines add up to the counters. */
enum { PTX_MAX_LINES = 4096 };
typedef struct ptx_line_row {
    int launch;                /* in run_report: of the plan; else 0 */
    char file[64];             /* as in ptx_fault; "": instructions without a line */
    int line;
    uint64_t warp_insns, thread_insns;
    uint64_t global_requests, sectors, ideal_sectors; /* loads, stores and atomics */
    uint64_t l1_hits, l2_hits, dram_sectors;          /* of loads and atomics, with the cache model */
    uint64_t shared_requests, wavefronts, conflicts;
    uint64_t divergent_branches;
    uint64_t atomic_passes;    /* of global and shared memory */
    uint64_t local_requests;
} ptx_line_row;
typedef struct ptx_lines {
    int n;
    bool full;                 /* there were more */
    ptx_line_row line[PTX_MAX_LINES]; /* by file and line */
} ptx_lines;
static inline size_t ptx_lines_bytes(const ptx_lines *l)
{
    return offsetof(ptx_lines, line) + (size_t)l->n * sizeof *l->line;
}

/* How sums of matrix products round: as the named GPU's tensor cores (mma.h), or exactly. Without a
 * name the module's .target tells: Hopper's from sm_90 on, before that Ampere's. */
typedef enum ptx_mma_model { PTX_MMA_BY_TARGET, PTX_MMA_HOPPER, PTX_MMA_AMPERE,
                             PTX_MMA_EXACT,
                             PTX_MMA_FIELD /* with field_prime */ } ptx_mma_model;

typedef struct ptx_options {
    uint64_t max_warp_insns;   /* per launch; 0: no limit */
    uint64_t deadline_ms;      /* per launch, by the clock and of the processor; 0: none */
    int threads;               /* host threads for blocks; 0: one a core */
    ptx_schedule schedule;     /* order of warps and blocks */
    uint64_t seed;             /* for PTX_SCHED_RANDOM */
    /* Blocks, or clusters, that are on the machine at once, the next one starting when one ends; 0:
     * as many as wait for each other. With one of them, blocks may only wait for earlier ones. */
    uint32_t resident_units;
    /* Bounds and alignment are always checked: what the engine runs is not trusted. */
    bool check_init;           /* reads of memory that nothing wrote */
    bool check_race;           /* shared and global */
    bool lanes_warn;           /* races between lanes of one warp alone do not end the launch */
    bool count;                /* fill the counters */
    ptx_cache cache;           /* with count: of this GPU; all 0: none */
    bool lines;                /* with count: add to the report's table of source lines */
    bool cover;                /* add to the report's coverage */
    /* For counting alone: run blocks spread over the grid until so many are done, or so many warp
     * instructions, and scale the counters to the whole grid. 0: all blocks. Blocks that differ
     * make the sample larger. Programs whose blocks may wait for each other by fences of their own
     * run whole; of cooperative launches a few blocks run, and grid-wide barriers open for them. */
    uint32_t sample_blocks;
    uint64_t sample_insns;
    ptx_mma_model mma_model;
    /* Runs over this prime field in place of the floating-point numbers (field.h); 0: does not.
     * Instructions without meaning there are faults UNSUPPORTED, or give what is no element, which
     * the report's note names. */
    uint32_t field_prime;
    uint64_t field_floats, field_ints; /* a bit for each tensor of the run that has such */
} ptx_options;
extern const ptx_options
    PTX_OPTIONS_CHECKED; /* every check and counter on, 200 M warp instructions */

typedef struct ptx_report {
    bool ok; /* no fault */
    int n_faults;
    ptx_fault fault[PTX_MAX_FAULTS]; /* in the order found; the first is the one to show */
    ptx_counters counters;
    double engine_seconds; /* in launches */
    /* What is no fault, but may explain a wrong result: the first shuffle from a lane that takes no
     * part. */
    char note[192];
    int note_line;         /* of the source, 0: not known */
    /* What is right only as long as the lanes of a warp run in step: the one of the first lines. */
    char warning[256];
    int warning_line, warning_other_line; /* of the source, 0: not known */
    /* Where options.cover adds to. Its memory is the caller's, or behind libcuda the facade's until it
     * is configured again. NULL: coverage is lost. */
    ptx_coverage *coverage;
    ptx_lines *lines;          /* the same of options.lines */
} ptx_report;

#endif
