/* Inside the race detector: race.c (accesses), race_ahead.c (loads of one shape together),
 * race_report.c (findings), race_merge.c (between workers). */
#ifndef HARNESS_PTX_RACE_H
#define HARNESS_PTX_RACE_H

#include "harness/ptx/lanes.h"

/* Who made an access: clock | warp | lane | flags; 0: nobody. */
#define KEY_WARP_SHIFT 19
#define KEY_LANE_SHIFT 24
#define KEY_CLOCK_MASK ((1u << KEY_WARP_SHIFT) - 1)
#define KEY_STRONG (1u << 29) /* volatile, relaxed and stronger, atomic */
#define KEY_NARROW (1u << 31) /* strong for the threads of its block only: .cta scope */
#define KEY_MANY   (1u << 30) /* reads: by more than one lane; the clock is the lowest of theirs */
#define KEY_FAR                                                                                    \
    KEY_MANY /* of the last write of shared memory: by another block of the cluster, see           \
                race_far_cell */

#define MANY_BLOCKS UINT32_MAX
enum { SHADOW_CHUNK = 4096 /* granules */ };

/* Of 32 granules of shared memory together, so that whole warps are dealt with in one step. A
 * full-warp read or write of consecutive values is kept here alone until something else happens to
 * the granules: then it is spread over them. */
typedef struct race_chunk {
    u32 w_max, r_max;     /* highest clock of a write, of a read that stands in the granules */
    u32 r_clock;          /* of the full-warp read, 0: none */
    u32 r_who, r_pc;      /* its warps, its place */
    u32 r_base, r_shift;  /* lane l read the granules from r_base + (l << r_shift) */
    u32 w_key, w_pc;      /* of the full-warp write, without the lane; 0: none. Like the reads': */
    u32 w_base, w_shift;
} race_chunk;
enum { RACE_CHUNK = 32 };

/* What other blocks of the cluster did with a granule of shared memory. */
typedef struct race_far_cell {
    u32 w_key;  /* of the write that ptx_shadow.w_key marks KEY_FAR, with its own clock */
    u32 r_key, r_pc; /* the last read, 0: none */
    u8 w_rank, r_rank;
} race_far_cell;
typedef struct race_far_cells {
    race_far_cell *cell;
    u8 *used; /* per RACE_CHUNK: such accesses were made; then granules are looked at one by one */
    u64 n;      /* granules */
} race_far_cells;

/* The loads of shared memory that a basic block makes through one shape, noted together by the first:
 * see race_ahead.c. */
typedef struct race_ahead {
    const ptx_insn *first; /* NULL: none */
    u64 lo;                /* the shape's */
    u32 clock, who;        /* the warps that made them at this clock */
    bool row;              /* else a lone place */
} race_ahead;
enum { RACE_AHEADS = 64 };

/* Of RACE_CHUNK granules of global memory together: the last row that a full warp wrote there, and the last
 * ones that were read. Lane l of the row has the granules at * RACE_CHUNK + g with g >> shift == l. Kept until
 * anything but such rows happens to the granules; then they are open, and the columns say it all. */
typedef struct race_kept {
    u32 w_key, w_pc, w_block; /* 0: no row; the key without the lane */
    u32 r_key, r_pc, r_who;
    u8 w_at, w_shift, r_at, r_shift;
    bool open;
} race_kept;

/* The last write and the last reads of every granule, each column an array. */
struct ptx_shadow {
    u32 *w_key, *w_pc, *r_key, *r_pc;
    u32 *r_who; /* shared memory: set of warps that read; global: the block, or MANY_BLOCKS */
    u32 *w_block;         /* global only, like the next three */
    u32 *w_value;         /* what was written: equal values do not race */
    u32 *w_time, *r_time; /* of the block, see order.c */
    race_chunk *chunk;    /* shared memory only, like the next six */
    race_far_cells *far;  /* NULL: no other block was here */
    race_ahead *ahead;    /* RACE_AHEADS */
    u32 ahead_max;        /* the highest clock of any of them, 0: there is none */
    u32 w_latest;         /* the highest clock of any write of this block */
    u32 proxied[PTX_LANES]; /* per warp: a fence.proxy.async stands behind its accesses with lower clocks */
    uint8_t *touched;     /* global only, like the next two; per SHADOW_CHUNK: 1 read, 2 written */
    race_kept *kept;      /* per RACE_CHUNK */
    bool alone;           /* one worker runs the launch: what was written to kept rows is in memory */
    u64 n;                /* granules; one more is the dummy of lanes that do not take part */
    void *map;
    size_t mapped;
    u32 shift;            /* log2 of the granule's bytes */
};

struct ptx_gshadow {
    struct ptx_gshadow *next;
    ptx_alloc *alloc;
    ptx_shadow *shadow; /* NULL: no memory for it */
};

typedef struct race_look { /* what the cells of one warp-wide access are held against */
    ptx_warp *w;
    const ptx_access *x;
    ptx_shadow *shadow;
    const ptx_alloc *alloc; /* NULL: shared memory */
    u64 base;
    u32 key;                /* without the lane */
    u32 me;                 /* the bit of the warp in shared memory, the block in global */
    u32 pc, time;
    bool each;              /* shared memory: other blocks of the cluster were there, too */
} race_look;

static inline u32 race_warp(u32 key)
{
    return key >> KEY_WARP_SHIFT & 31;
}
static inline u32 race_lane(u32 key)
{
    return key >> KEY_LANE_SHIFT & 31;
}
/* Of one thread; a read by many is nobody's own. */
static inline bool race_same_thread(u32 a, u32 b)
{
    return ((a ^ b) & ~(KEY_CLOCK_MASK | KEY_STRONG | KEY_NARROW)) == 0;
}
/* The plain reads of two keys as one by many: the lowest clock stands for all. */
static inline u32 race_merge_reads(u32 a, u32 b)
{
    u32 ca = a & KEY_CLOCK_MASK, cb = b & KEY_CLOCK_MASK;
    return (a & ~KEY_CLOCK_MASK) | (ca < cb ? ca : cb) | KEY_MANY | (b & KEY_NARROW);
}
/* The lane of the thread that makes lane `lane`'s part of an access. */
static inline u32 race_thread(const ptx_access *x, u32 lane)
{
    return x->by ? x->by - 1u : lane;
}
/* Morally strong, as the ISA says: such accesses do not race. */
static inline bool race_both_strong(u32 a, u32 b, bool same_block)
{
    return a & b & KEY_STRONG && (same_block || !((a | b) & KEY_NARROW));
}

/* race.c */
/* A write of the value that is there already, or that another lane writes in the same
 * instruction. */
bool race_same_value(const race_look *k, u64 g, u32 lane);
/* Before another block's access to the granules of chunk c. */
void race_open_far(ptx_shadow *s, u32 c, bool write);

/* A read of granule g is added to what stands there. Reads older than `floor` are ordered with all that
 * is to come. */
void race_add_read(ptx_shadow *s, u32 g, u32 key, u32 who, u32 pc, u32 floor);

ptx_shadow *race_shadow_of(ptx_worker *k, ptx_alloc *a); /* NULL: no memory for it */

/* race_rows.c: consecutive granules, 1 << shift a lane */
typedef struct race_row {
    u64 g0;
    u32 n, shift;
    u32 first;   /* key of the first lane */
    bool shared; /* else the granules' last users have to be of this block */
} race_row;
/* false: lanes have to be looked at one by one, and nothing was done. */
bool race_touch_row(const race_look *k, const race_row *r, bool write);
/* Before granules first to last of an allocation are looked at one by one. */
void race_open_chunk(ptx_shadow *s, const ptx_alloc *a, u64 chunk);
static inline void race_open_rows(ptx_shadow *s, const ptx_alloc *a, u64 first, u64 last)
{
    for (u64 c = first / RACE_CHUNK; c <= last / RACE_CHUNK; c++)
        if (!s->kept[c].open)
            race_open_chunk(s, a, c);
}

/* race_ahead.c */
/* Instruction i is the first to use shape *s, by a full warp; true: its reads and those of all others
 * that use it are noted. */
bool race_note_ahead(ptx_warp *w, const ptx_insn *i, const ptx_shape *s);
/* Those from clock `floor` on become reads of their granules. */
void race_spread_ahead(ptx_shadow *s, u32 floor);
void race_forget_ahead(ptx_shadow *s);
/* Before the warp writes to its block's shared memory. */
static inline void race_before_write(const ptx_warp *w, ptx_shadow *s)
{
    if (s->ahead_max >= w->floor)
        race_spread_ahead(s, w->floor);
    s->w_latest = w->clock > s->w_latest ? w->clock : s->w_latest;
}

/* race_report.c: a bulk copy reads granule g, which was written through the generic proxy without a
 * fence behind it; returns false. */
bool race_report_proxy(const race_look *k, u32 lane, u64 g);
/* Of copies and stores that the hardware makes on its own. */
bool race_is_async(const ptx_insn *i);

/* A fence between what threads did to shared memory and copies by the async proxy. */
void ptx_race_proxy_fence(ptx_warp *w);

/* race_cluster.c */
bool race_far(ptx_warp *w, const ptx_access *x,
              u32 pc); /* of another block's shared memory; false: a fault */
bool race_far_write_before(const race_look *k, u64 g, u32 lane);
bool race_far_reads_before(const race_look *k, u64 g,
                           u32 lane); /* false: a race, which was reported */
void race_far_forget(ptx_shadow *s); /* NULL is allowed */
void race_far_free(race_far_cells *f);
void race_cluster_barrier(ptx_block *b,
                          u32 id); /* what other blocks did, among the warps at barrier `id` */
/* A read of granule g by all lanes of the warp; no write there is unordered. */
static inline void race_uniform_read(ptx_warp *w, ptx_shadow *s, u32 g, u32 pc)
{
    u32 old = s->r_key[g], me = 1u << w->id,
        key = w->clock | (u32)w->id << KEY_WARP_SHIFT | KEY_MANY;
    race_chunk *c = &s->chunk[g / RACE_CHUNK];
    bool fresh = (old & KEY_CLOCK_MASK) < w->floor || old & KEY_STRONG;
    c->r_max = w->clock > c->r_max ? w->clock : c->r_max;
    s->r_key[g] = fresh ? key : race_merge_reads(old, key);
    s->r_who[g] = fresh ? me : s->r_who[g] | me;
    s->r_pc[g] = pc;
}

/* ptx_race_fast of reads, where it is mostly no more than this: every lane reads one granule, in a
 * chunk that nobody has written since. false: there is more to it, and nothing was noted. */
static inline bool race_note_read(ptx_warp *w, const ptx_insn *i, u64 first, u32 size, bool row)
{
    ptx_shadow *s = w->block->shared_shadow;
    u32 g = (u32)(first >> s->shift);
    race_chunk *c = &s->chunk[g / RACE_CHUNK];
    if (size >> s->shift != 1 || c->w_max >= w->floor)
        return false;
    if (!row) {
        race_uniform_read(w, s, g, i->place);
        return true;
    }
    bool again = c->r_clock == w->clock && c->r_base == g && !c->r_shift;
    if (g % RACE_CHUNK || (c->r_clock >= w->floor && !again))
        return false;
    c->r_who = (again ? c->r_who : 0) | 1u << w->id;
    c->r_clock = w->clock;
    c->r_pc = i->place;
    c->r_base = g;
    c->r_shift = 0;
    return true;
}

static inline bool race_quick_read(ptx_warp *w, const ptx_insn *i, u64 first, u32 size, bool row)
{
    return !w->block->shared_shadow || race_note_read(w, i, first, size, row) ||
           ptx_race_fast(w, i, first, size, row, false);
}

/* race_report.c; both record a finding. `lane` made the later access to granule g; what was there
 * before is the granule's last write or its reads. */
typedef enum race_other { RACE_READ, RACE_WRITE, RACE_FAR_READ } race_other;
/* true: a warning, with which the access goes on. */
bool race_report(const race_look *k, u32 lane, u64 g, race_other other);
/* No finding, but a warning: both by lanes of one warp, to shared memory. Atomics have none. */
void race_warn(const race_look *k, u64 g, race_other other);
/* Granule g of one allocation, accessed by blocks of two workers. */
void race_report_between(ptx_grid *grid, const ptx_alloc *a, u64 g, const ptx_shadow *now,
                         bool write, const ptx_shadow *before, bool other_write);

/* race_merge.c */
void race_merge(ptx_grid *g, ptx_worker *workers, int n);

#endif
