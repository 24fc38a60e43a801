/* A launch: checks it, spreads its blocks over host threads, and adds up what they found. */
#include "base/clock.h"
#include "base/pool.h"
#include "harness/ptx/cache.h"
#include "harness/ptx/cluster.h"
#include "harness/ptx/lanes.h"
#include "harness/ptx/field_step.h"
#include "harness/ptx/late.h"
#include "harness/ptx/module.h"
#include "harness/ptx/sample.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_WORKERS = 64,
    /* blocks that one worker keeps half done, unless they may wait for each other */
    MAX_RESIDENT = 1024, MAX_COOPERATIVE = 4096,
    SERIAL_NS = 100000,  /* shorter launches are not worth a thread, unless it is asked for */
    MAX_SHARED = 232448, /* bytes a block, sm_90 */
    ACCOUNT_STEP = 1 << 16,
    IDLE_ROUNDS = 1000,  /* of polling, by all blocks there are: nobody will change it */
    WORKSPACE_BYTES = 8
};
/* Warp instructions of a block before the worker turns to another. Blocks that wait for each other
 * spin, so the turn is short where the program could do that. */
static const int64_t SLICE = 64 << 20, SPIN_SLICE = 1 << 17, CACHE_SLICE = 1 << 11;

/* ---- limits ---- */

/* By the clock and by the processor: who waits for others to leave it is not endless. */
static bool is_overdue(const ptx_grid *g)
{
    return g->deadline_ns && ws_now_ns() > g->deadline_ns &&
           (ws_cpu_seconds() - g->start_cpu) * 1e3 > (double)g->options->deadline_ms;
}

void ptx_account(ptx_warp *w, uint64_t insns)
{
    ptx_worker *k = w->worker;
    ptx_grid *g = k->grid;
    k->unreported_insns += insns;
    if (k->unreported_insns < ACCOUNT_STEP)
        return;
    uint64_t total = atomic_fetch_add(&g->insns, k->unreported_insns) + k->unreported_insns;
    k->unreported_insns = 0;
    const ptx_insn *at = w->active ? w->insn : NULL;
    if (w->block->insns > k->counters.max_block_warp_insns) /* it may never end */
        k->counters.max_block_warp_insns = w->block->insns;
    if (g->options->max_warp_insns && total > g->options->max_warp_insns)
        ptx_fault_simple(w, at, 0, HX_ENDLESS,
                         "endless: the launch ran past %llu warp instructions",
                         (unsigned long long)g->options->max_warp_insns);
    else if (is_overdue(g))
        ptx_fault_simple(w, at, 0, HX_ENDLESS, "endless: the launch ran past %llu ms",
                         (unsigned long long)g->options->deadline_ms);
}

static bool refuse(ptx_report *r, const char *kernel, hx_reason reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static bool refuse(ptx_report *r, const char *kernel, hx_reason reason, const char *fmt, ...)
{
    r->ok = false;
    if (r->n_faults == PTX_MAX_FAULTS)
        return false;
    ptx_fault *f = &r->fault[r->n_faults++];
    *f = (ptx_fault){.reason = reason};
    snprintf(f->kernel, sizeof f->kernel, "%s", kernel);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
    return false;
}

static bool check_grid(const ptx_launch_args *a, ptx_report *r)
{
    static const uint32_t grid_max[3] = {2147483647u, 65535, 65535},
                          block_max[3] = {1024, 1024, 64};
    static const char axis[] = "xyz";
    uint64_t blocks = 1;
    for (int d = 0; d < 3; d++) {
        if (!a->grid[d] || a->grid[d] > grid_max[d])
            return refuse(r, a->kernel, HX_INVALID_LAUNCH,
                          "invalid launch of %s: grid.%c is %u, allowed are 1 to %u", a->kernel,
                          axis[d], a->grid[d], grid_max[d]);
        if (!a->block[d] || a->block[d] > block_max[d])
            return refuse(r, a->kernel, HX_INVALID_LAUNCH,
                          "invalid launch of %s: block.%c is %u, allowed are 1 to %u", a->kernel,
                          axis[d], a->block[d], block_max[d]);
        blocks *= a->grid[d];
        if (blocks > UINT32_MAX)
            return refuse(r, a->kernel, HX_INVALID_LAUNCH,
                          "invalid launch of %s: the CPU engine runs at most 2^32 "
                          "blocks a launch",
                          a->kernel);
    }
    if (a->cooperative && blocks > MAX_COOPERATIVE)
        return refuse(r, a->kernel, HX_INVALID_LAUNCH,
                      "invalid launch of %s: a cooperative launch of %llu blocks cannot "
                      "be co-resident, at most %d can",
                      a->kernel, (unsigned long long)blocks, MAX_COOPERATIVE);
    return true;
}

/* The extents of clusters, from the launch or the kernel (PTX ISA 11.7), and the grid in blocks. */
static bool set_cluster(ptx_grid *g, ptx_report *r)
{
    const ptx_kernel_info *k = g->program->info;
    const uint32_t *asked = g->args->cluster;
    bool given = asked[0] || asked[1] || asked[2], required = k->cluster[0] != 0;
    uint64_t size = 1, blocks = 1;
    for (int d = 0; d < 3; d++) {
        uint32_t own = k->cluster[d] ? k->cluster[d] : 1, want = asked[d] ? asked[d] : 1;
        g->cluster[d] = required ? own : want;
        if (given && required && own != want)
            return refuse(
                r, k->name, HX_INVALID_LAUNCH,
                "invalid launch of %s: clusters of %u x %u x %u, the kernel is for %u x %u x %u",
                k->name, asked[0], asked[1], asked[2], k->cluster[0], k->cluster[1], k->cluster[2]);
        uint64_t grid = (uint64_t)g->args->grid[d] * (k->blocks_are_clusters ? g->cluster[d] : 1);
        if (grid % g->cluster[d])
            return refuse(r, k->name, HX_INVALID_LAUNCH,
                          "invalid launch of %s: grid.%c is %llu, no multiple of the cluster's %u",
                          k->name, "xyz"[d], (unsigned long long)grid, g -> cluster[d]);
        g->grid[d] = (uint32_t)grid;
        size *= g->cluster[d];
        blocks *= grid;
        if (size > PTX_MAX_CLUSTER || blocks > UINT32_MAX)
            return refuse(
                r, k->name, HX_INVALID_LAUNCH,
                "invalid launch of %s: at most %d blocks a cluster and 2^32 a launch are possible",
                k->name, PTX_MAX_CLUSTER);
    }
    if (k->max_cluster && size > k->max_cluster)
        return refuse(r, k->name, HX_INVALID_LAUNCH,
                      "invalid launch of %s: clusters of %llu blocks, .maxclusterrank is %u",
                      k->name, (unsigned long long)size, k->max_cluster);
    if (k->explicit_cluster && !given && !required)
        return refuse(
            r, k->name, HX_INVALID_LAUNCH,
            "invalid launch of %s: the kernel is .explicitcluster, the launch names no cluster",
            k->name);
    g->explicit_cluster = given || required;
    g->cluster_blocks = (uint32_t)size;
    g->n_blocks = (uint32_t)blocks;
    g->n_units = g->n_blocks / g->cluster_blocks;
    return true;
}

static bool check_kernel(const ptx_grid *g, ptx_report *r)
{
    const ptx_kernel_info *k = g->program->info;
    int limit = k->max_threads && k->max_threads < 1024 ? k->max_threads : 1024;
    if (g->threads > (uint32_t)limit)
        return refuse(r, k->name, HX_INVALID_LAUNCH,
                      "invalid launch of %s: %u threads a block, its limit is %d", k->name,
                      g->threads, limit);
    if (g->shared_bytes > MAX_SHARED)
        return refuse(r, k->name, HX_INVALID_LAUNCH,
                      "invalid launch of %s: %u bytes of shared memory a block, the limit "
                      "is %d",
                      k->name, g->shared_bytes, MAX_SHARED);
    if (k->param_bytes && !g->args->params)
        return refuse(r, k->name, HX_INVALID_LAUNCH, "invalid launch of %s: no parameters given",
                      k->name);
    return true;
}

/* ---- workers ---- */

static uint32_t *block_order(const ptx_grid *g)
{
    if (g->options->schedule == PTX_SCHED_ROUND_ROBIN)
        return NULL;
    uint32_t *order = ws_malloc((size_t)g->n_units * sizeof *order);
    for (uint32_t b = 0; b < g->n_units; b++)
        order[b] = g->options->schedule == PTX_SCHED_REVERSE ? g->n_units - 1 - b : b;
    uint64_t x = g->options->seed * 2 + 1;
    for (uint32_t b = g->n_units - 1; g->options->schedule == PTX_SCHED_RANDOM && b > 0; b--) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        uint32_t other = (uint32_t)((x >> 32) % (b + 1)), t = order[b];
        order[b] = order[other];
        order[other] = t;
    }
    return order;
}

bool ptx_unit_next(ptx_grid *g, uint32_t *index, uint32_t *turn)
{
    uint32_t taken = atomic_load(&g->next_unit);
    if ((g->sample && ptx_sample_enough(g)) || ptx_must_stop(g, taken))
        return false;
    uint32_t n = *turn = atomic_fetch_add(&g->next_unit, 1);
    if (n >= g->n_units) {
        atomic_store(&g->next_unit, g->n_units); /* so that the counter cannot wrap */
        return false;
    }
    *index = g->sample ? ptx_sample_next(g) : g->order ? g->order[n] : n;
    return true;
}

static void add_resident(ptx_worker *k, ptx_block *b)
{
    b->next = NULL;
    *k->resident_tail = b;
    k->resident_tail = &b->next;
    k->n_resident++;
}

static ptx_block *take_resident(ptx_worker *k)
{
    ptx_block *b = k->resident;
    if (!b)
        return NULL;
    k->resident = b->next;
    if (!k->resident)
        k->resident_tail = &k->resident;
    k->n_resident--;
    return b;
}

/* Blocks that all wait may wait for one that has not started. */
static bool has_room(const ptx_worker *k)
{
    const ptx_grid *g = k->grid;
    if (g->options->resident_units)
        return (uint32_t)k->n_resident < g->options->resident_units;
    if (k->cache && !ptx_blocks_may_wait(g))
        return (uint32_t)k->n_resident < ptx_cache_units(g);
    bool all_wait = ptx_blocks_may_wait(g) && k->idle_turns > 2 * (k->n_resident + 1);
    uint32_t most = g->args->cooperative || all_wait ? MAX_COOPERATIVE : MAX_RESIDENT;
    return ((uint32_t)k->n_resident + 1) * k->grid->cluster_blocks <= most;
}

/* A fresh unit while there is room for one, else the one that has waited longest. */
static ptx_block *take_unit(ptx_worker *k)
{
    uint32_t index = 0, turn = 0;
    if (has_room(k) && ptx_unit_next(k->grid, &index, &turn))
        return ptx_unit_start(k, index, turn);
    return take_resident(k);
}

typedef struct crew {
    ptx_grid *grid;
    ptx_worker *worker;
    pthread_t thread[MAX_WORKERS];
    int n, started;
} crew;

static void *worker_main(void *arg);

/* Whether a worker is idle changes; an idle one has no block to start and keeps those that it
 * has. */
static void set_idle(ptx_worker *k, const ptx_block *b, bool idle)
{
    uint32_t least = b->index;
    if (idle == k->idle)
        return;
    for (const ptx_block *r = k->resident; r; r = r->next)
        least = r->index < least ? r->index : least;
    k->idle = idle;
    atomic_store(&k->idle_block, idle ? least : UINT32_MAX);
    atomic_fetch_add(&k->grid->idle, idle ? 1 : -1);
}

/* The finding is the lowest block's, so that it does not depend on how many threads run. */
static uint32_t lowest_idle_block(ptx_grid *g)
{
    uint32_t least = UINT32_MAX;
    for (int n = 0; n < g->n_workers; n++) {
        uint32_t block = atomic_load(&g->worker[n].idle_block);
        least = block < least ? block : least;
    }
    return least;
}

/* Polling ends a launch when all workers do nothing else for long. */
static void note_idle(ptx_worker *k, ptx_block *b, bool waits)
{
    ptx_grid *g = k->grid;
    k->idle_turns = waits ? k->idle_turns + 1 : 0;
    if (ptx_sample_opens_barrier(k))
        return;
    int rounds = k->idle_turns / (k->n_resident + 1);
    bool idle = rounds > IDLE_ROUNDS && (!has_room(k) || atomic_load(&g->next_unit) >= g->n_units);
    set_idle(k, b, idle);
    if (!idle || atomic_load(&g->idle) < atomic_load(&g->workers) ||
        b->index != lowest_idle_block(g))
        return;
    ptx_deadlock(b);
}

static void hire(crew *c)
{
    while (c->started < c->n &&
           pthread_create(&c->thread[c->started], NULL, worker_main, &c->worker[c->started]) == 0)
        c->started++;
    atomic_store(&c->grid->workers, c->started);
    c->n = c->started; /* what the system gives is what there is */
}

/* Runs blocks until none is left; the first worker calls the others when the launch turns out
 * long. */
static void work(ptx_worker *k, crew *c)
{
    ptx_grid *g = k->grid;
    int64_t slice = ptx_blocks_may_wait(g) ? SPIN_SLICE : k->cache ? CACHE_SLICE : SLICE;
    ptx_block *b;
    while ((b = take_unit(k))) {
        ptx_block_end end =
            ptx_must_stop(g, b->turn) ? PTX_BLOCK_STOPPED : ptx_unit_run(k, b, slice);
        if (g->sample) {
            atomic_fetch_add(&g->insns, k->unreported_insns);
            k->unreported_insns = 0;
        }
        if (end != PTX_BLOCK_STOPPED)
            note_idle(k, b, end == PTX_BLOCK_WAITS);
        if (end == PTX_BLOCK_AGAIN || end == PTX_BLOCK_WAITS)
            add_resident(k, b);
        else if (end == PTX_BLOCK_DONE)
            ptx_unit_recycle(k, b);
        else
            ptx_unit_free(b);
        if (c && c->started < c->n &&
            (g->options->threads || ws_now_ns() - g->start_ns > SERIAL_NS))
            hire(c);
    }
}

static void *worker_main(void *arg)
{
    ptx_worker *k = arg;
    work(k, NULL);
    if (!k->idle)
        atomic_fetch_add(&k->grid->idle, 1);
    ptx_vectors_end();
    return NULL;
}

static void worker_init(ptx_worker *k, ptx_grid *g)
{
    k->grid = g;
    k->resident_tail = &k->resident;
    atomic_store(&k->idle_block, UINT32_MAX);
    k->hits = ws_calloc(g->program->n_bbs + 1, sizeof *k->hits);
    k->lanes = ws_calloc(g->program->n_bbs + 1, sizeof *k->lanes);
    k->runs = ws_calloc(g->program->n_bbs + 1, sizeof *k->runs);
    if (g->options->count && posix_memalign((void **)&k->tally, 64, g->program->n_tallies * sizeof *k->tally))
        ws_bug("out of memory");
    if (k->tally)
        memset(k->tally, 0, g->program->n_tallies * sizeof *k->tally);
    k->cache = k->tally && g->options->cache.sms ? ptx_cache_new(g) : NULL;
}

static void worker_release(ptx_worker *k)
{
    ptx_block *b;
    while ((b = take_resident(k)))
        ptx_unit_free(b);
    while ((b = k->free_blocks)) {
        k->free_blocks = b->next;
        ptx_block_free(b);
    }
    ptx_sectors_release(k);
    free(k->hits);
    free(k->lanes);
    free(k->runs);
    free(k->marked);
    free(k->marked_tally);
    free(k->tally);
    ptx_cache_free(k->cache);
}

/* Blocks that may wait for each other run on one thread. Which of them comes first to a flag or a
 * ticket decides what is executed and in what order floats add up: on several threads neither
 * results nor findings would follow from the seed. It also means that a round in which all only
 * look at memory is a deadlock for certain, and that the clocks of order.c, which join all blocks,
 * need no locks. Fences of block and cluster scope bind only blocks that one thread runs anyway. */
static int count_workers(const ptx_grid *g)
{
    int n = g->options->threads > 0 ? g->options->threads : ws_cpu_count();
    if (ptx_blocks_may_wait(g) || g->program->serial || g->program->takes_units || g->sample ||
        g->options->resident_units || g->options->cache.sms)
        return 1;
    n = n < MAX_WORKERS ? n : MAX_WORKERS;
    return (uint32_t)n < g->n_units ? n : (int)g->n_units;
}

static void run_grid(ptx_grid *g)
{
    int n = count_workers(g);
    ptx_worker *worker = ws_calloc((size_t)n, sizeof *worker);
    for (int k = 0; k < n; k++)
        worker_init(&worker[k], g);
    crew c = {.grid = g, .worker = worker, .n = n, .started = 1};
    atomic_store(&g->workers, 1);
    g->worker = worker;
    g->n_workers = n;
    atomic_store(&g->stop_at, UINT32_MAX);
    g->first_fault = g->report->n_faults;
    ptx_race_begin(g);
    work(&worker[0], &c);
    if (!worker[0].idle)
        atomic_fetch_add(&g->idle, 1);
    for (int k = 1; k < c.started; k++)
        pthread_join(c.thread[k], NULL);
    for (int k = 0; k < n; k++)
        ptx_late_end(&worker[k]);
    ptx_race_end(g, worker, n);
    ptx_count_finish(g, worker, n);
    for (int k = 0; k < n; k++)
        worker_release(&worker[k]);
    free(worker);
}

/* Two words of zeros, as cooperative_groups expects: size, barrier. */
static uint64_t make_workspace(ptx_memory *mem)
{
    uint64_t at = ptx_memory_alloc(mem, WORKSPACE_BYTES, "grid workspace");
    return at && ptx_memory_fill(mem, at, 0, WORKSPACE_BYTES) ? at : 0;
}

bool ptx_launch(ptx_module *m, ptx_memory *mem, const ptx_launch_args *args,
                const ptx_options *options, ptx_report *report)
{
    const ptx_program *p = options->field_prime
                               ? ptx_module_field_program(m, args->kernel, options->field_prime)
                               : ptx_module_program(m, args->kernel);
    if (!report->n_faults)
        report->ok = true;
    if (!p)
        return refuse(report, args->kernel, HX_INVALID_LAUNCH, "the module has no kernel '%s'",
                      args->kernel);
    if (!check_grid(args, report) || !ptx_field_may_run(p, ptx_module_ast(m), report))
        return false;
    ptx_grid g = {.program = p,
                  .ast = ptx_module_ast(m),
                  .mem = mem,
                  .args = args,
                  .options = options,
                  .report = report};
    g.threads = args->block[0] * args->block[1] * args->block[2];
    g.shared_bytes = args->dynamic_shared_bytes ? p->dynamic_offset + args->dynamic_shared_bytes
                                                : p->shared_bytes;
    if (!set_cluster(&g, report) || !check_kernel(&g, report))
        return false;
    g.start_ns = ws_now_ns();
    g.start_cpu = ws_cpu_seconds();
    g.deadline_ns = options->deadline_ms ? g.start_ns + (int64_t)options->deadline_ms * 1000000 : 0;
    ptx_sample_begin(&g);
    g.order = block_order(&g);
    pthread_mutex_init(&g.lock, NULL);
    report->counters.launches++;
    if (args->cooperative && !(g.workspace = make_workspace(mem)))
        ws_bug("out of memory");
    if (options->field_prime)
        ptx_memory_make_kinds(mem);
    run_grid(&g);
    if (g.workspace)
        ptx_memory_release(mem, g.workspace);
    pthread_mutex_destroy(&g.lock);
    free(g.order);
    ptx_sample_end(&g);
    ptx_vectors_end();
    report->engine_seconds += (double)(ws_now_ns() - g.start_ns) * 1e-9;
    return report->ok;
}
