/* The engine's inside: decoded code, warps, blocks, workers. Only files of harness/ptx include this.
 *
 * A warp executes one instruction for 32 lanes at a time. Registers are structures of arrays: a register
 * is a slot of 32 consecutive values, so that a handler is one loop which the compiler vectorises. Lanes
 * that diverge are kept as groups (pc, mask, frame); the runnable group with the deepest frame and then
 * the lowest pc runs, and groups merge where they meet, which reconverges structured code.
 *
 * Addresses: .global and .const are host addresses; .shared, .local and .param are offsets, which become
 * generic addresses by the window bases below (user space ends far under them). */
#ifndef HARNESS_PTX_ENGINE_H
#define HARNESS_PTX_ENGINE_H

#include "base/mem.h"
#include "harness/ptx/ast.h"
#include "harness/ptx/ptx.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

enum { PTX_LANES = 32, PTX_MAX_GROUPS = 32, PTX_BARRIERS = 16, PTX_MAX_CALL_DEPTH = 256,
       PTX_MAX_EXITS = 8, PTX_SHAPES = 32, PTX_SHAPE_PRIVATE = PTX_SHAPES - 1, PTX_SITES = 64,
       PTX_MAX_CLUSTER = 16 /* blocks */ };
#define PTX_FULL 0xffffffffu

#define PTX_WINDOW_SHIFT 56
#define PTX_RANK_SHIFT   24 /* in a shared address, see cluster.h */
#define PTX_WINDOW_SHARED (1ull << PTX_WINDOW_SHIFT)
#define PTX_WINDOW_LOCAL  (2ull << PTX_WINDOW_SHIFT)
#define PTX_WINDOW_PARAM  (3ull << PTX_WINDOW_SHIFT)

typedef struct ptx_warp ptx_warp;
typedef struct ptx_insn ptx_insn;
typedef struct ptx_block ptx_block;
typedef struct ptx_worker ptx_worker;
typedef void (*ptx_handler)(ptx_warp *w, const ptx_insn *i);

/* ---- decoded code ---- */

/* Unit classes, in the order of the class counters of ptx_counters (see count.c). */
typedef enum ptx_unit {
    PTX_UNIT_OTHER, PTX_UNIT_F32, PTX_UNIT_F64, PTX_UNIT_F16, PTX_UNIT_I32, PTX_UNIT_IMUL, PTX_UNIT_SFU,
    PTX_UNIT_CVT, PTX_UNIT_SELECT, PTX_UNIT_BRANCH, PTX_UNIT_MEM, PTX_UNIT_BARRIER, PTX_UNIT_SHUFFLE,
    PTX_UNIT_TENSOR, PTX_UNIT_COUNT
} ptx_unit;

/* Rounding and modifiers of arithmetic. */
enum { PTX_RN, PTX_RZ, PTX_RM, PTX_RP };
enum { PTX_FTZ = 4, PTX_SAT = 8, PTX_RELU = 16, PTX_NAN = 32, PTX_ABS = 64 };

#define PTX_NO_SLOT UINT32_MAX

/* Operands d, a, b, c are offsets in the frame, which holds the function's constants beside its registers. Predicate
 * operands are indices. */
struct ptx_insn {
    /* one line of the cache, which is all that most handlers look at */
    ptx_handler run;
    ptx_handler next;       /* what PTX_CHAIN goes on with */
    uint32_t d, a, b, c;
    int64_t imm;
    uint32_t d2;            /* second destination */
    uint32_t guard;         /* predicate + 1; 0: none */
    uint8_t guard_neg, leader; /* ptx_leader */
    uint8_t control, stop;  /* decides which lanes go on where (PTX_JUMPS: by `imm` instructions); that or a leader */
    uint8_t shape, site;    /* memory: see site.c */
    uint8_t ahead;          /* a load of shared memory that is counted with the first use of its shape */
    uint8_t space;          /* ptx_space */
    uint8_t esize, vec;     /* memory: bytes an element, elements */
    uint8_t dsize;          /* bytes a lane of the register(s) */
    uint8_t flags;          /* PTX_IF_* */
    uint8_t mods;           /* rounding | PTX_FTZ | ... */
    uint8_t op, type;       /* the handler's own selectors */
    uint8_t is_place;       /* leaders: the block is one of the kernel, and more than an exit */

    const void *aux;        /* description of the handler's kind, in the program's arena */
    uint32_t bb, bb_len, last_pc; /* leaders: basic block, its instructions, where it ends */
    uint32_t run_len, run_last;   /* the same of what is ahead of its run of blocks */
    union {
        uint32_t target;    /* branch */
        uint32_t tally;     /* any other: in ptx_worker.tally */
    };
    uint32_t uses;          /* of the shape's loads that are counted ahead: how many are left in the block */
    uint32_t place;         /* code << 24 | index */
    const struct ptx_match *match; /* the form that it is; NULL: none */
    const ptx_ast_insn *ast;
    uint16_t results;       /* a bit for each operand that is written and not read */
    uint8_t flow;           /* ptx_flow, see undef.h */
    uint8_t unit, fma;
    uint8_t quiet;          /* loads: with the shape's later ones in one stretch of loads and arithmetic; see site.c */
};
static_assert(offsetof(ptx_insn, aux) == 64 && sizeof(ptx_insn) == 128,
              "what handlers look at is in one line");
enum { PTX_CONTROLS = 1, PTX_JUMPS = 2 };
/* Whether a basic block begins, and why: lanes come there from elsewhere, or (ON) the one above goes on and was only
 * ended so that lanes can meet. A whole warp goes through such a run of blocks in one go. */
enum ptx_leader { PTX_LEADS = 1, PTX_LEADS_ON = 2 };
enum { PTX_IF_WIDE_ADDRESS = 1, /* address register has 64 bits */
       PTX_IF_NO_BASE = 2,      /* address is imm alone */
       PTX_IF_SIGNED = 4,
       PTX_IF_STRONG = 8,       /* volatile, relaxed, acquire, release, atomics */
       PTX_IF_ACQUIRE = 16, PTX_IF_RELEASE = 32, PTX_IF_FRAME = 64,      /* .param of a function: in the frame */
       PTX_IF_EXIT = 128 };
enum { PTX_SCOPE_CTA = 1 };  /* ptx_insn.mods of strong accesses and fences */
static inline bool ptx_is_narrow(const ptx_insn *i)
{
    return i->mods & PTX_SCOPE_CTA;
}

typedef struct ptx_code {
    const ptx_func *fn;
    ptx_insn *insn;
    uint32_t n;
    uint32_t frame_bytes;   /* registers, the place of `_`, constants, predicates; a multiple of 64 */
    uint32_t reg_bytes, pred_at, n_preds;
    uint32_t registers;     /* of 32 bits a lane, in reg_bytes */
    uint32_t const_at, const_bytes; /* in the frame */
    uint8_t *constants;
    const uint32_t *slot;   /* of each register: offset in reg_bytes, or index of the predicate */
    uint32_t local_bytes;   /* .local and .param variables of one call */
    int index;
    uint32_t *tally;        /* per instruction: in ptx_worker.tally; 0: it has none */
    struct ptx_field_step *field; /* per instruction, see field_step.h; NULL but in field mode */
} ptx_code;

typedef struct ptx_program { /* one kernel, ready to run */
    const ptx_kernel_info *info;
    ws_arena arena;
    ptx_code **code;
    int n_codes;
    ptx_code **by_func;     /* by the module's order of functions; NULL: not reached */
    int n_by_func;
    uint32_t shared_bytes, dynamic_offset;
    uint32_t n_bbs;
    uint32_t n_tallies;     /* of all functions, and number 0 of nobody */
    bool *begins_run;       /* per basic block, see ptx_leader */
    uint32_t (*mix)[PTX_UNIT_COUNT]; /* per basic block: instructions by unit */
    uint32_t (*fma_mix)[4];          /* per basic block: f32, f64, f16 lanes of fma (x2 packed) */
    bool serial;    /* blocks use the heap: one worker */
    bool takes_units; /* blocks take over others that have not started: one worker, and no samples */
    bool has_fence; /* or volatile and the like: blocks may wait for each other, one worker */
    bool has_local_fence; /* of the block or cluster */
    uint32_t granule;                /* least access size: of the race shadow */
    uint64_t store_roots;            /* parameters that stores can go through, a bit each */
    bool stores_unknown;             /* through others, too */
    const ptx_ast_insn *unsupported; /* the first instruction that the engine lacks, NULL: none */
    const ptx_ast_insn *field_mixed; /* field mode: uses bits of floating-point numbers, NULL: none does */
    atomic_uchar *field_local;       /* field mode: what bytes of local memory hold, PTX_HOLDS_* */
} ptx_program;

/* ---- memory ---- */
typedef struct ptx_alloc {
    uint64_t lo, hi;       /* [lo, hi) */
    uint8_t *raw;          /* mapped, with guard zones */
    size_t raw_bytes;
    uint8_t *state;        /* per byte: PTX_INIT | PTX_WRITTEN */
    char name[64];
    bool read_only;
    bool on_heap;          /* of the kernels' malloc */
    bool is_variable;      /* of a module */
    bool freed;            /* stays mapped, for nobody */
    uint64_t freed_turn;   /* by the host: when */
    bool all_init;         /* every byte is PTX_INIT */
    bool only_read;        /* the running launch cannot write it */
    uint8_t *kind;         /* per byte: PTX_HOLDS_*, see field.h; NULL: no launch was in field mode */
} ptx_alloc;
/* WRITTEN without INIT: a copy of bytes that nobody wrote; in local memory, that is COPIED. */
enum { PTX_INIT = 1, PTX_WRITTEN = 2, PTX_COPIED = 4 };

/* Whether the allocation holds all of [lo, lo + bytes). */
static inline bool ptx_alloc_holds(const ptx_alloc *a, uint64_t lo, uint64_t bytes)
{
    return a && lo >= a->lo && lo <= a->hi && bytes <= a->hi - lo;
}

/* Whether every byte was written by somebody. */
static inline bool ptx_all_init(const uint8_t *state, size_t n)
{
    const uint64_t ones = 0x0101010101010101ull * PTX_INIT;
    uint64_t all = ones, word;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&word, state + i, 8);
        all &= word;
    }
    for (; i < n; i++)
        all &= state[i] | ~(uint64_t)PTX_INIT;
    return all == ones;
}

/* What one instruction did, by one worker: of accesses, and of a branch, see count.c. Whole warps that
 * pass through fast.c add to few members; all else is told from the instruction at the end. */
typedef struct ptx_tally {
    uint64_t whole;          /* requests of global memory by 32 lanes in fast.c, */
    uint64_t sectors, excess; /* the sectors, and those beyond the fewest possible, of these and the next */
    uint64_t some;           /* requests that came another way; of .const instructions, all */
    uint64_t passes;         /* of atomics */
    uint64_t l1_hits, l2_hits, dram;   /* sectors, see cache.c */
    uint64_t shared, waves, conflicts; /* requests, wavefronts, those beyond the fewest possible */
    uint64_t ahead, ahead_waves; /* the same of each load of the shape from here to the end of the basic block */
    uint64_t local, local_sectors;
    uint64_t diverged;
} ptx_tally;
_Static_assert(sizeof(ptx_tally) == 128, "two lines of the cache, the first of global memory");

/* The part of an allocation that one worker has used in this launch, a bit a sector of 32 bytes. */
typedef struct ptx_sectors {
    struct ptx_sectors *next;
    const ptx_alloc *alloc;
    uint64_t line;         /* of its beginning in the caches' addresses */
    uint64_t *used[2];     /* read, written */
    uint8_t *parts[2];     /* of each PTX_PART_WORDS of `used`: 0, nothing is set there */
    uint64_t words, n_parts;
} ptx_sectors;
enum { PTX_PART_WORDS = 512, PTX_PART_SHIFT = 15 /* sectors of a part: a page of `used` */ };

/* Where a memory instruction of a worker was last. */
typedef struct ptx_site {
    uint64_t lo, bytes;    /* of alloc; 0: nowhere yet */
    ptx_alloc *alloc;
    ptx_sectors *sectors;  /* NULL: not counted */
    bool plain;            /* loads: initialised all over, and no race is looked for */
    uint8_t waves;         /* of shared memory, of the latest pattern, which is: */
    uint64_t pattern[2];   /* step, lanes of a group and size; how far groups are apart */
} ptx_site;

struct ptx_memory {
    ptx_alloc **alloc;     /* sorted by lo */
    int n, cap;
    uint64_t heap_used;    /* bytes of malloc that were not freed */
    uint64_t freed_turns;  /* by the host */
    uint64_t quarantined_bytes;
    int n_quarantined;
    pthread_mutex_t lock;  /* printf text */
    ws_buf printed;
};
/* The allocation whose [lo, hi) contains addr, or NULL. */
ptx_alloc *ptx_memory_find(const ptx_memory *m, uint64_t addr);
/* The allocation that holds all of [lo, lo + bytes), or NULL. An instruction mostly stays with one. */
ptx_alloc *ptx_alloc_at(ptx_warp *w, const ptx_insn *i, uint64_t lo, uint64_t bytes);
/* malloc of a kernel; 0: no room. And free: NULL when it is done, else what is wrong with the address. */
uint64_t ptx_heap_alloc(ptx_memory *m, uint64_t bytes);
const char *ptx_heap_free(ptx_memory *m, uint64_t addr);
/* Room for kind maps of all that is allocated, see field.h. */
void ptx_memory_make_kinds(ptx_memory *m);
/* The allocation nearest to addr, for messages; NULL when there is none. */
ptx_alloc *ptx_memory_nearest(const ptx_memory *m, uint64_t addr);

/* ---- execution ---- */
typedef struct ptx_frame {
    struct ptx_frame *parent, *next_free, *next_made;
    const ptx_code *code;
    uint8_t *regs;
    uint32_t *pred;
    uint32_t return_pc;
    uint32_t lanes;          /* lanes that have not returned */
    uint32_t local_base;     /* of this call in the lanes' local memory */
    uint32_t stack_bytes;    /* what alloca added to it */
    int depth;
    const struct ptx_call *call; /* to copy return values; NULL: kernel */
    size_t capacity;
    struct ptx_undef_frame *undef; /* which bits of the registers nobody wrote; NULL: never any */
} ptx_frame;

typedef enum ptx_wait {
    PTX_RUNNABLE, PTX_WAIT_LANES, PTX_WAIT_WARPSYNC, PTX_WAIT_BARRIER, PTX_WAIT_CLUSTER
} ptx_wait;
typedef struct ptx_group {
    uint32_t pc, mask, need; /* need: lanes that must arrive before a waiting group goes on */
    uint32_t last_pc;        /* see ptx_warp */
    ptx_frame *frame;
    ptx_wait wait;
} ptx_group;

/* How the 32 values of an address register lie, for accesses of one size: see shape.h. */
typedef enum ptx_shape_kind {
    PTX_SHAPE_UNIFORM, /* all alike */
    PTX_SHAPE_ROW,     /* consecutive elements */
    PTX_SHAPE_ROWS,    /* groups of 8 or 16 lanes, each of which is uniform, or each a row */
    PTX_SHAPE_STEPS,   /* the same distance from lane to lane within groups of 8, 16 or 32 */
    PTX_SHAPE_SCATTER
} ptx_shape_kind;
typedef struct ptx_shape {
    uint64_t lo, hi;         /* least and greatest */
    int32_t step;            /* from lane to lane of a group, but for SCATTER */
    uint8_t kind;            /* ptx_shape_kind; UNIFORM and ROW only when lo is aligned */
    uint8_t group;           /* lanes; 0: SCATTER */
    uint8_t low;             /* bits 0 to 7 that any of them has, at least */
    uint8_t waves;           /* wavefronts of shared memory, 0: not counted yet */
    uint64_t shared_room;    /* UNIFORM, ROW: where in shared memory it cannot begin any more */
    uint32_t known_from, known_room; /* the same: where it finds nothing unwritten, see known.h */
    bool ahead;              /* the loads that are counted with the first one are */
} ptx_shape;

/* What to watch: ptx_warp.checks. */
enum { PTX_CHECK_INIT = 1, PTX_CHECK_RACE = 2, PTX_CHECK_COUNT = 4, PTX_CHECK_CACHE = 8 };

/* SWITCH: the running group has no lanes left; another one is picked inside ptx_warp_run. UNDEFINED: a load has met
 * bytes that nobody wrote, or nothing is left of such; run takes the other way of stepping. */
typedef enum ptx_event {
    PTX_GO, PTX_EV_SWITCH, PTX_EV_UNDEFINED, PTX_EV_YIELD, PTX_EV_BARRIER, PTX_EV_CLUSTER, PTX_EV_DONE, PTX_EV_FAULT
} ptx_event;

/* What happened before some point, for race detection: accesses of warp v of the cluster's r-th block with a lower
 * clock than warp[r][v]. */
typedef struct ptx_past {
    uint32_t blocks; /* rows that are in use; 0: nothing happened before */
    uint32_t warp[PTX_MAX_CLUSTER][PTX_LANES];
} ptx_past;

struct ptx_warp {
    /* the running group */
    uint8_t *regs;           /* of the frame */
    uint32_t *pred;
    uint32_t exec;           /* active lanes whose guard holds */
    uint32_t whole;          /* the same, but 0 while instructions are stepped one by one: see PTX_CHAIN */
    uint32_t active;
    bool in_run;             /* what is ahead of the run of blocks is counted already */
    ptx_frame *frame;
    const ptx_insn *insn;    /* the next one */
    ptx_event event;
    uint32_t carry;          /* condition code register, a bit a lane */
    uint32_t shapes;         /* a bit for each that is told in this run of a basic block, */
    uint32_t easy_shapes;    /* and for those of rows and lone places, when no races are looked for, */
    uint32_t race_shapes;    /* and when they are */
    uint32_t checks, shared_bytes; /* as block, worker and launch have them, like the next two */
    uint8_t *shared, *shared_state;
    ptx_tally *tally;        /* of the worker */
    int64_t quantum;         /* instructions left before the warp yields */
    const ptx_insn *poll;    /* the last strong access that changed nothing, where, how often in a row, */
    uint64_t poll_addr;      /* and whether that ended the turn; the registers when it did the last time */
    uint64_t poll_state;
    int polls;
    bool polled;

    uint64_t insns;
    uint32_t live;           /* lanes that have not exited */
    uint32_t last_pc;        /* in the kernel: end of the last basic block that was more than an exit */
    int id;                  /* in the block */
    enum { PTX_WARP_READY, PTX_WARP_AT_BARRIER, PTX_WARP_AT_CLUSTER, PTX_WARP_DONE } state;
    uint32_t barrier;        /* AT_BARRIER: which, */
    uint32_t barrier_threads; /* and for how many; 0: all of the block */
    uint32_t barrier_votes;  /* lanes whose predicate holds at a bar.red */
    bool barrier_reduces;    /* it is one */
    int diverged_ticks, hold; /* fairness among diverged groups */
    int n_parked;
    ptx_group parked[PTX_MAX_GROUPS];

    /* race detection: see race.c */
    uint32_t clock;
    uint32_t floor;          /* least of seen */
    uint32_t seen[PTX_LANES]; /* accesses of warp v with a lower clock happen before this warp's next one */
    ptx_past *far;           /* the same of the cluster's other blocks; NULL: there are none */

    bool wgmma_fenced, wgmma_open; /* a fence came first; products that are in no group yet */
    uint32_t wgmma_groups;   /* that were not waited for */
    uint32_t wgmma_committed; /* all groups */
    uint32_t wgmma_seen[PTX_LANES]; /* what happened before the last commit, as seen */
    struct ptx_async *async; /* copies under way, NULL: none yet */
    struct ptx_bulk *bulk;   /* bulk copies to global memory under way, NULL: none yet */
    uint8_t *local;          /* words interleaved by lane */
    uint8_t *local_state;    /* per byte of it PTX_INIT; NULL: not checked */
    uint32_t local_bytes;    /* per lane */
    ptx_frame *free_frames, *frames; /* frames: all that were made */
    ptx_block *block;
    ptx_worker *worker;
    uint32_t tid[3][PTX_LANES];
    ptx_shape shape[PTX_SHAPES];
    struct ptx_undef *undef; /* undefined values in registers, see undef.h; NULL: none yet */
};
/* A value read from memory that nothing wrote, and used, of the kind that a missing barrier gives: it waits until the
 * block's next barrier or end, and is dropped when the late write shows up as a race. */
typedef struct ptx_held {
    ptx_warp *warp;
    const ptx_insn *insn; /* NULL: none */
    uint64_t addr;
    uint32_t size;
    int lane;
    ptx_space space;
    bool atomic;
    const ptx_insn *used; /* which instruction needs the value; NULL: the read itself */
} ptx_held;

typedef struct ptx_span {
    uint32_t from, n;
} ptx_span;
enum { PTX_KNOWN = 2 };

enum { PTX_BAR_SYNC, PTX_BAR_ARRIVE, PTX_BAR_AND, PTX_BAR_OR, PTX_BAR_POPC };

struct ptx_block {
    uint32_t index;          /* linear */
    uint32_t turn;           /* in the order of the launch; that of its cluster */
    uint32_t sm;             /* modulo the number of SMs: see cache.c */
    uint32_t ctaid[3];
    int n_warps, done;
    uint32_t threads;
    ptx_warp *warp;
    uint8_t *shared;
    uint8_t *shared_state;   /* per byte, as ptx_alloc.state */
    uint8_t *kind;           /* as ptx_alloc.kind, of shared memory */
    ptx_span written[PTX_KNOWN]; /* all over, see known.h */
    struct ptx_shadow *shared_shadow; /* NULL: not watched */
    struct ptx_mbarrier *mbarriers; /* barrier objects in shared memory */
    struct ptx_cluster *cluster;    /* NULL: it is alone, and has not used the cluster's barrier */
    uint32_t rank;                  /* in the cluster */
    ptx_past *arrived_far;          /* of bar.arrive, in clusters of several blocks; else NULL */
    struct ptx_visits *visits;      /* of other blocks to its shared memory, NULL: not watched */
    int arrived[PTX_BARRIERS]; /* threads of bar.arrive, and how many the barrier is for */
    uint32_t arrived_count[PTX_BARRIERS];
    uint32_t arrived_seen[PTX_BARRIERS][PTX_LANES]; /* and what happened before it, as ptx_warp.seen */
    uint32_t exit_pc[PTX_MAX_EXITS]; /* distinct last_pc of lanes that exited */
    int n_exits;
    bool fenced;             /* a thread has executed a fence; the next four: see order.c */
    uint32_t order_time, known[PTX_MAX_CLUSTER];
    struct ptx_locations *locations; /* of its unit, in the first block */
    int bulk_reads;          /* bulk copies that may still read shared memory */
    ptx_held held;
    struct ptx_undef_map *undef; /* where undefined values in memory come from, NULL: none yet */
    uint64_t insns;
    uint64_t rng;            /* of the schedule */
    ptx_block *next;
};

struct ptx_worker {
    struct ptx_grid *grid;
    ptx_site site[PTX_SITES];
    ptx_sectors *sectors;    /* list, one an allocation */
    uint64_t *hits, *lanes;  /* per basic block; before ptx_count_finish only what entered it by itself */
    uint64_t *runs;          /* per basic block: whole warps that entered it, and went through to the end of its run */
    uint64_t *marked;        /* room for a copy of those three, see block.c, */
    ptx_tally *marked_tally; /* and of this: */
    ptx_tally *tally;        /* per instruction that has one; NULL: nothing is counted */
    struct ptx_cache_state *cache; /* NULL: caches are not looked at */
    ptx_counters counters;   /* memory, divergence, barriers */
    struct ptx_gshadow *gshadow; /* list, one an allocation */
    struct ptx_clocks *clocks;   /* NULL: the program has nothing that orders blocks, or warps beside barriers */
    struct ptx_late *late;       /* stores that others see late, NULL: there are none; see late.h */
    const ptx_insn *warned;      /* the last one with a warning */
    ptx_block *free_blocks;
    uint64_t unreported_insns;
    ptx_block *resident, **resident_tail; /* blocks that wait for another turn */
    int n_resident;
    int idle_turns;          /* of blocks, in a row, that only polled */
    bool idle;               /* counted in ptx_grid.idle */
    atomic_uint idle_block;  /* lowest of its blocks while idle, else UINT32_MAX */
    bool noted;              /* an undefined value of a shuffle */
};

typedef struct ptx_grid { /* one launch */
    const ptx_program *program;
    const ptx_ast *ast;
    ptx_memory *mem;
    const ptx_launch_args *args;
    const ptx_options *options;
    ptx_report *report;
    pthread_mutex_t lock;    /* report */
    atomic_uint stop_at;     /* units whose turn is this one or later end; UINT32_MAX: none */
    int first_fault;         /* of this launch in the report */
    uint32_t fault_turn[PTX_MAX_FAULTS]; /* when the blocks' turns were that have them */
    atomic_ullong insns;
    atomic_uint next_unit;
    atomic_int workers, idle; /* at work, and of them those whose threads all poll, or that have ended */
    ptx_worker *worker;
    int n_workers;
    uint32_t grid[3], n_blocks;
    uint32_t cluster[3], cluster_blocks; /* blocks of a cluster, 1: no clusters */
    bool explicit_cluster;
    uint32_t n_units;        /* what workers take: clusters, which are single blocks mostly */
    uint32_t shared_bytes;   /* static + dynamic */
    uint64_t workspace;      /* of grid-wide barriers in a cooperative launch, else 0 */
    uint32_t threads;        /* per block */
    int64_t start_ns, deadline_ns;
    double start_cpu; /* seconds of the process */
    uint32_t *order;         /* of units, NULL: 0, 1, ... */
    struct ptx_sample *sample; /* sample.c; NULL: all units run */
} ptx_grid;

/* No instruction, but the end of a chain of them: see PTX_CHAIN. */
void ptx_chain_end(ptx_warp *w, const ptx_insn *i);

/* ---- decode.c: what families of handlers offer to it ---- */
typedef struct ptx_decoder ptx_decoder;
typedef bool (*ptx_decode_fn)(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i);
typedef struct ptx_op_row {
    const char *form;        /* syntax line: see ops.h */
    ptx_decode_fn decode;    /* false: the engine lacks what the instruction asks for */
    uint8_t selector;        /* goes into ptx_insn.op before decode */
    uint8_t unit;
} ptx_op_row;
extern const ptx_op_row ptx_ops_cvt8[], ptx_ops_call[], ptx_ops_pairs[];
extern const ptx_op_row ptx_ops_int[], ptx_ops_fp[], ptx_ops_half[], ptx_ops_cvt[], ptx_ops_mov[], ptx_ops_mem[],
    ptx_ops_atom[], ptx_ops_warp[], ptx_ops_ctl[], ptx_ops_sreg[], ptx_ops_async[],
    ptx_ops_matrix[], ptx_ops_mma[], ptx_ops_wmma[], ptx_ops_mbarrier[], ptx_ops_bulk[],
    ptx_ops_wgmma[], ptx_ops_cluster[],
    ptx_ops_tensor[], ptx_ops_tensormap[], ptx_ops_st_async[], ptx_ops_launch[], ptx_ops_video[];

/* Builds the program of a kernel. An unsupported instruction is a fault when it is executed. */
ptx_program *ptx_program_new(const ptx_ast *ast, const ptx_func *kernel, const ptx_kernel_info *info);
void ptx_program_free(ptx_program *p);
void ptx_program_visit_unsupported(const ptx_program *p, ptx_lack_fn visit, void *ud); /* all, in order */

/* Operand access for decode functions. */
uint32_t ptx_src(ptx_decoder *d, const ptx_operand *o, ptx_type t); /* register, immediate or address of t */
uint32_t ptx_dst(ptx_decoder *d, const ptx_operand *o);   /* PTX_NO_SLOT for _ */
uint32_t ptx_sink(ptx_decoder *d); /* a slot of 16 bytes a lane that nobody reads */
uint32_t ptx_pred_src(ptx_decoder *d, const ptx_operand *o, bool *neg);
uint32_t ptx_pred_dst(ptx_decoder *d, const ptx_operand *o); /* index; scratch one for _ */
uint32_t ptx_const(ptx_decoder *d, uint64_t bits, uint32_t bytes);
ptx_type ptx_reg_type(const ptx_decoder *d, const ptx_operand *o);
bool ptx_has(const ptx_ast_insn *a, const char *part);    /* among the modifiers */
void ptx_mods(const ptx_ast_insn *a, ptx_insn *i);        /* rounding, ftz, sat into i->mods */
bool ptx_address(ptx_decoder *d, const ptx_operand *o, ptx_insn *i); /* a, imm, flags of [..] */
ws_arena *ptx_decoder_arena(ptx_decoder *d);
ptx_program *ptx_decoder_program(ptx_decoder *d);
const struct ptx_field *ptx_decoder_field(const ptx_decoder *d); /* NULL but in field mode */
const ptx_func *ptx_decoder_func(const ptx_decoder *d);
const struct ptx_numbers *ptx_decoder_numbers(const ptx_decoder *d);
const struct ptx_guesses *ptx_decoder_guesses(const ptx_decoder *d);
const ptx_code *ptx_decode_callee(ptx_decoder *d, const char *name); /* NULL: none */
uint32_t ptx_frame_var(ptx_decoder *d, const ptx_var *v, bool *entry); /* offset of a .param/.local variable */

/* ---- roots.c ---- */
uint64_t ptx_store_roots(const ptx_func *kernel, bool *unknown);

/* ---- warp.c ---- */
void ptx_warp_start(ptx_warp *w, uint32_t lanes);
/* Until every lane has left (DONE), all wait at barriers (BARRIER), the quantum is spent (YIELD), or a
 * fault. */
ptx_event ptx_warp_run(ptx_warp *w);
void ptx_warp_branch(ptx_warp *w, uint32_t target);      /* the executing lanes go to target, the rest on */
/* Lanes `mask` of the running group go to target; when none is left, another group runs. */
void ptx_warp_send(ptx_warp *w, uint32_t mask, uint32_t target);
void ptx_warp_exit(ptx_warp *w);
void ptx_warp_wait(ptx_warp *w, ptx_wait kind, uint32_t need); /* the executing lanes */
/* Leader i will be executed, and counted, anew by the executing lanes; any others go on by themselves. */
void ptx_warp_count_again(ptx_warp *w, const ptx_insn *i);
/* The only group of a warp that no other runs in goes on, when it waits no more. */
void ptx_warp_resume(ptx_warp *w);
void ptx_warp_call(ptx_warp *w, const struct ptx_call *call, const ptx_code *callee);
void ptx_warp_return(ptx_warp *w);
/* Adds to the running frame's local memory; `align` is a power of two. Its offset; UINT32_MAX: too much. */
uint32_t ptx_warp_alloca(ptx_warp *w, uint32_t bytes, uint32_t align);
void ptx_warp_release(ptx_warp *w); /* frames, local memory, copies under way */
void ptx_async_release(ptx_warp *w); /* x_async.c */
void ptx_bulk_release(ptx_warp *w);  /* bulk.c */
struct ptx_access;
/* Whether no bulk copy still reads what the access writes to the block's shared memory; else a fault was reported. */
bool ptx_bulk_may_write(ptx_warp *w, const struct ptx_access *x, const ptx_block *b);
void ptx_bulk_finish(ptx_warp *w, uint32_t lanes); /* their threads exit */
bool ptx_async_finish(ptx_warp *w);  /* all copies of the executing lanes; false: a fault was reported */
void ptx_mbarriers_free(ptx_block *b); /* x_mbarrier.c */
/* A strong access that changes nothing: a warp that does only that waits for others, and ends its turn, as a
 * sleeping one does at once. */
void ptx_warp_end_turn(ptx_warp *w);
void ptx_warp_poll(ptx_warp *w, const ptx_insn *i, uint64_t addr);
/* After an access through which threads talk to each other: where turns are shuffled it may end the warp's turn. */
void ptx_warp_pause(ptx_warp *w);
/* A block has its own numbers, so that its schedule does not depend on the host's threads. */
static inline uint64_t ptx_block_random(ptx_block *b)
{
    b->rng = b->rng * 6364136223846793005ull + 1442695040888963407ull;
    return b->rng >> 33;
}
static inline uint32_t ptx_group_pc(const ptx_warp *w)   /* of the next instruction */
{
    return (uint32_t)(w->insn - w->frame->code->insn);
}

/* ---- x_ctl.c ---- */
typedef struct ptx_barrier {
    uint8_t op;             /* PTX_BAR_* */
    bool aligned;
    uint32_t id, count;     /* slots; count PTX_NO_SLOT: all threads of the block */
    uint32_t pred, d;       /* bar.red */
    bool pred_neg;
} ptx_barrier;
uint32_t ptx_barrier_id(const ptx_group *g);
uint32_t ptx_barrier_threads(const ptx_group *g); /* 0: all */
/* The executing warp arrives at barrier `id` of so many threads and goes on. */
void ptx_barrier_arrive(ptx_warp *w, uint32_t id, uint32_t threads);
/* bar.red: `value` into the destination of the group's lanes. */
void ptx_barrier_finish(const ptx_group *g, uint32_t value);

/* Whether a block has to end because one that came before it, or itself, has a finding. Those before go on, so
 * that however many threads run a launch, the same finding comes first. */
static inline bool ptx_must_stop(const ptx_grid *g, uint32_t turn)
{
    return turn >= atomic_load_explicit(&g->stop_at, memory_order_relaxed);
}

/* Whether blocks of different clusters may wait for each other: then all must get their turn, on one worker. */
static inline bool ptx_blocks_may_wait(const ptx_grid *g)
{
    return g->program->has_fence || g->args->cooperative;
}

/* ---- fault.c: all are safe from several threads; the launch ends ---- */
ptx_fault *ptx_fault_new(ptx_warp *w, const ptx_insn *i, int lane, hx_reason reason); /* locked; NULL: full */
/* The same; the launch goes on. */
ptx_fault *ptx_fault_warn(ptx_warp *w, const ptx_insn *i, int lane, hx_reason reason);
void ptx_fault_done(ptx_warp *w, ptx_fault *f, const char *fmt, ...) WS_PRINTF(3, 4);
void ptx_fault_simple(ptx_warp *w, const ptx_insn *i, int lane, hx_reason reason, const char *fmt, ...) WS_PRINTF(5, 6);
/* The same for what synccheck finds: `sync` is its phrase. */
void ptx_fault_sync(ptx_warp *w, const ptx_insn *i, int lane, hx_reason reason, const char *sync, const char *fmt,
                    ...) WS_PRINTF(6, 7);
uint32_t ptx_insn_offset(const ptx_program *p, const ptx_insn *i); /* see ptx_fault.offset */
typedef struct ptx_place {
    int line;
    const char *file;
} ptx_place;
ptx_place ptx_insn_place(const ptx_ast *ast, const ptx_ast_insn *a);
void ptx_thread_of(const ptx_warp *w, int lane, uint32_t tid[3]);

/* ---- watch.c: every access of the memory handlers goes through it ---- */
typedef struct ptx_access {
    const ptx_insn *insn;
    ptx_space space;         /* GLOBAL (also const), SHARED, LOCAL, PARAM */
    uint32_t mask, size;     /* bytes a lane */
    bool write, read, atomic, strong;
    bool is_object;          /* of a barrier, which orders by itself */
    bool marks;              /* loads: what nobody wrote makes registers undefined, and is no fault yet */
    const struct ptx_named *into; /* marks: the register that takes it, from byte into_at of a lane on; NULL: see undef.h */
    uint32_t into_at;
    struct ptx_taken **taken; /* asynchronous copies: notes what nobody wrote of it, from byte into_at on; else NULL */
    ptx_block *block;        /* whose shared memory; NULL: the warp's own block's */
    const uint64_t *addr;    /* 32: host address, or offset in the window */
    uint64_t lo, hi;         /* lowest and highest of addr; ptx_watch fills them in its own copy */
    const uint32_t *slot;    /* plain writes: registers of the elements (insn->esize, dsize); else NULL */
    const ptx_insn *counts;  /* whose tally it is, when not insn's; NULL: that */
    bool quiet;              /* not counted: a part of what was, or an access that no lane makes */
    bool further;            /* counted, but no request of its own: a part of one */
    uint8_t by;              /* 1 + the lane that makes all of these accesses, as bulk copies do; 0: each its own */
    const uint8_t *const *from; /* writes of bulk copies: what each lane writes; else NULL */
} ptx_access;
/* Bounds, alignment, initialisation, races, counters. false: a fault was reported. */
bool ptx_watch(ptx_warp *w, const ptx_access *x);
/* Reports what is held, if anything; true: there was something. */
bool ptx_watch_release(ptx_block *b);
struct ptx_origin;
/* `used` needs a value that comes from bytes which nobody wrote. */
void ptx_watch_undefined(ptx_warp *w, const struct ptx_origin *o, const ptx_insn *used);

/* ---- site.c ---- */
void ptx_sites_number(ptx_code *c, const ptx_func *f);

/* ---- fuse.c: several instructions in one step ---- */
void ptx_fuse(ptx_program *p, ptx_code *c, const ptx_func *f);
/* fuse_fma.c: of i and the next two, where `reads` has how often each register is read. */
void ptx_fuse_fma(ptx_insn *i, const uint32_t *reads);
/* fuse_shfl.c: of the shuffle i and the moves before and behind it. */
void ptx_fuse_shfl(ptx_program *p, const ptx_code *c, ptx_insn *i, const uint32_t *reads);
/* x_warp.c: a shuffle whose route is known; it takes its value from slot `from`, and gives it to the `moves` next
 * instruction, or has no such next one. */
bool ptx_is_shfl_route(const ptx_insn *i);
void ptx_shfl_with_moves(ptx_insn *i, uint32_t from, uint32_t moves);
bool ptx_is_fma_f32(const ptx_insn *i); /* to nearest, nothing else asked for */

/* ---- fast.c: loads and stores of whole warps ----
 * All checks, shadow and counters in a few steps. NULL: there is no such handler for the instruction. */
void ptx_fast_load(ptx_insn *i);
void ptx_fast_once(ptx_insn *i); /* a plain access that alone uses its shape: another handler, if there is one */
ptx_handler ptx_fast_store(const ptx_insn *i);

/* ---- race.c ---- */
typedef struct ptx_shadow ptx_shadow;
const ptx_insn *ptx_insn_at(const ptx_program *p, uint32_t pc); /* of a shadow; NULL: none */
ptx_shadow *ptx_shadow_new(uint64_t bytes, uint32_t granule, bool is_global); /* NULL: no memory for it */
void ptx_shadow_free(ptx_shadow *s);
void ptx_race_block(ptx_block *b);               /* its warps start */
bool ptx_race_block_end(ptx_block *b);           /* they have ended; false: a fault was reported */
void ptx_race_cluster(struct ptx_cluster *c);    /* after that of its blocks, when they are several */
void ptx_race_cluster_free(ptx_block *b);
bool ptx_race_shared(ptx_warp *w, const ptx_access *x); /* false: a fault was reported */
/* A full warp's plain access of consecutive elements from `first`, or a read of one address in shared memory (not
 * `row`). false: nothing that counts was done, and ptx_race_shared or ptx_race_global has to decide. After a write
 * to global memory its values are noted. */
bool ptx_race_fast(ptx_warp *w, const ptx_insn *i, uint64_t first, uint32_t size, bool row, bool write);
bool ptx_race_row(ptx_warp *w, const ptx_insn *i, ptx_alloc *alloc, uint64_t first, uint32_t size, bool write);
/* The block that last wrote there, as far as this worker knows; false: none. */
bool ptx_race_last_writer(const ptx_worker *k, const ptx_alloc *a, uint64_t addr, uint32_t *block);
void ptx_race_note_values(ptx_warp *w, ptx_alloc *alloc, uint64_t first, uint32_t bytes);
bool ptx_race_global(ptx_warp *w, const ptx_access *x, ptx_alloc *alloc);
void ptx_race_warp_sync(ptx_warp *w);             /* of lanes of one warp */
void ptx_race_arrive(ptx_warp *w, uint32_t id); /* bar.arrive */
/* What the warp did so far is added to `past`, or what is there happened before its next access. */
void ptx_race_release(ptx_warp *w, ptx_past *past);
void ptx_race_acquire(ptx_warp *w, const ptx_past *past);
static inline void ptx_past_clear(ptx_past *p)
{
    memset(p->warp, 0, p->blocks * sizeof p->warp[0]);
}
void ptx_past_join(ptx_past *to, const ptx_past *from);
void ptx_race_barrier(ptx_block *b, uint32_t id);    /* warps that wait at `id` are about to go on */
void ptx_race_begin(ptx_grid *g);
void ptx_race_end(ptx_grid *g, ptx_worker *workers, int n); /* conflicts between workers, then frees */

/* ---- order.c: what fences, with atomics and strong accesses, put in order ---- */
/* Of more than 8192 blocks none is followed: everything counts as ordered. */
struct ptx_clocks *ptx_clocks_new(const ptx_grid *g);
void ptx_clocks_free(struct ptx_clocks *c);
void ptx_order_start(ptx_block *b); /* nothing happened before; drops what it has */
void ptx_order_fence(ptx_warp *w, bool narrow); /* narrow: .cta scope */
/* A strong access or atomic at addr: acquires what was released there, and releases after a fence. */
void ptx_order_access(ptx_warp *w, const ptx_insn *i, uint64_t addr, bool write);
/* An arrival or a wait at an mbarrier, by its address as in ptx_order_access, or at the cluster's barrier: orders what
 * the blocks of a cluster do in global memory. */
void ptx_order_barrier(ptx_warp *w, uint64_t addr, bool release);
void ptx_order_cluster(ptx_warp *w, bool release);
uint32_t ptx_order_time(const ptx_warp *w);      /* of the block's accesses now */
bool ptx_order_has_times(const ptx_worker *k);   /* of all blocks: */
uint32_t ptx_order_time_of(const ptx_worker *k, uint32_t block);
/* Whether the access of another block at `time` happened before this warp's next one. */
bool ptx_order_before(const ptx_warp *w, uint32_t block, uint32_t time);

/* ---- count.c ---- */
void ptx_count_global(ptx_warp *w, const ptx_access *x, ptx_alloc *alloc);
/* A whole warp's access to sectors that it finds itself, by offsets in the allocation. */
void ptx_count_lanes(ptx_warp *w, const ptx_insn *i, ptx_sectors *s, const uint64_t *offset, uint32_t size, bool write);
void ptx_count_shared(ptx_warp *w, const ptx_access *x);
uint32_t ptx_count_wavefronts(const ptx_access *x); /* of shared memory */
void ptx_count_local(ptx_warp *w, const ptx_access *x);
/* Of an access of that size without conflicts, by a whole warp. */
static inline uint32_t ptx_least_wavefronts(uint32_t size)
{
    return size <= 4 ? 1 : size / 4;
}
ptx_sectors *ptx_sectors_of(ptx_worker *k, const ptx_alloc *alloc);
/* Uses the sectors first + b for every bit b of `bits`. */
static inline void ptx_sectors_use(ptx_sectors *s, uint64_t first, uint64_t bits, bool write)
{
    uint64_t *word = s->used[write] + (first >> 6), shift = first & 63;
    if (~word[0] & bits << shift) {
        word[0] |= bits << shift;
        s->parts[write][first >> PTX_PART_SHIFT] = 1;
    }
    if (shift && bits >> (64 - shift)) {
        word[1] |= bits >> (64 - shift);
        s->parts[write][(first + 64) >> PTX_PART_SHIFT] = 1;
    }
}
void ptx_sectors_release(ptx_worker *k);

/* ---- tally.c ---- */
void ptx_tallies_number(ptx_program *p, ptx_code *c);
/* The worker's tallies into its counters. */
void ptx_tallies_add(ptx_worker *k);
/* Whether all that was done between the two is loads from global memory. */
bool ptx_tallies_are_of_loads(const ptx_program *p, const ptx_tally *was, const ptx_tally *is);
/* All workers' tallies into the table of lines. */
void ptx_tallies_by_line(const ptx_grid *g, const ptx_worker *workers, int n, double scale);
void ptx_count_finish(ptx_grid *g, ptx_worker *workers, int n);


/* cover.c: adds a launch, whose blocks are counted, to the report's coverage. */
void ptx_cover_finish(ptx_grid *g, const ptx_worker *workers, int n);

/* ---- ops_cover.c ---- */
/* Notes the forms in basic blocks that were executed. */
void ptx_ops_executed_blocks(const ptx_program *p, const uint64_t *hits);

/* ---- printf.c ---- */
/* `args`: address of the argument buffer. The number of conversions printed, ~0 for a bad format. */
uint32_t ptx_printf(ptx_warp *w, int lane, uint64_t format, uint64_t args);
/* The C string at a generic address as seen by `lane`, at most size - 1 bytes. */
bool ptx_read_string(ptx_warp *w, int lane, uint64_t addr, char *out, size_t size);

/* ---- local memory ---- */
static inline uint8_t *ptx_local_byte(const ptx_warp *w, int lane, uint32_t off)
{
    return w->local + ((size_t)(off >> 2) * PTX_LANES + (size_t)lane) * 4 + (off & 3);
}

/* ---- calls ---- */
typedef struct ptx_value { /* what a call passes or takes, in the caller's frame */
    uint32_t bytes;
    uint32_t offset;            /* of a .param variable */
    uint32_t slot;              /* register or constant; PTX_NO_SLOT: the variable */
} ptx_value;
typedef struct ptx_call {
    const ptx_code *callee;     /* NULL: indirect */
    ptx_value *arg, *ret;       /* in the order of the callee's parameters */
    int n_args, n_rets;
} ptx_call;

#endif
