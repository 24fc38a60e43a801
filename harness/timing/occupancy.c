#include "harness/timing/occupancy.h"

#include "base/mem.h"
#include "harness/timing/arch.h"

enum {
    WARP = 32,
    MAX_THREADS = 1024,         /* of a block */
    MAX_REGISTERS = 256,        /* of a thread */
    REGISTER_UNIT = 256,        /* a warp gets whole ones */
    PARTITIONS = 4,             /* of an SM, each with a quarter of the registers */
    DEFAULT_SHARED = 48 * 1024, /* of a block that has not asked for more */
    BARRIERS_FROM = 90,         /* architectures where barriers limit the blocks */
};

static int64_t round_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static int by_warps(const tim_gpu *g, const tim_block *b, int warps)
{
    return b->threads > MAX_THREADS ? 0 : g->max_warps_per_sm / warps;
}

/* The check of a launch assumes that every partition gets the same number of warps. */
static int by_registers(const tim_gpu *g, const tim_block *b, int warps, int64_t *allocated)
{
    const int64_t of_warp = round_up((int64_t)b->registers * WARP, REGISTER_UNIT);
    *allocated = of_warp * warps;
    if (b->registers > MAX_REGISTERS || of_warp * round_up(warps, PARTITIONS) > g->registers_per_sm)
        return 0;
    if (!of_warp)
        return TIM_UNLIMITED;
    const int64_t in_partition = g->registers_per_sm / PARTITIONS / of_warp;
    return (int)(in_partition * PARTITIONS / warps);
}

/* Blocks above 48 KiB have asked for what they take, up to the most that the GPU allows. */
static int by_shared(const tim_gpu *g, const tim_arch *a, const tim_block *b, int64_t *allocated)
{
    const int64_t bytes = b->shared_bytes + a->shared_reserved;
    const int64_t most = (bytes > DEFAULT_SHARED ? g->shared_per_block : DEFAULT_SHARED) +
                         a->shared_reserved;
    *allocated = round_up(bytes, a->shared_unit);
    if (*allocated > most)
        return 0;
    return *allocated ? (int)(g->shared_per_sm / *allocated) : TIM_UNLIMITED;
}

static int by_barriers(const tim_gpu *g, const tim_arch *a, const tim_block *b)
{
    if (tim_arch_number(g->arch) < BARRIERS_FROM || b->barriers <= 0)
        return TIM_UNLIMITED;
    return g->max_blocks_per_sm * a->barriers_per_block / b->barriers;
}

void tim_occupancy_of(const tim_gpu *g, const tim_block *b, tim_occupancy *out)
{
    const tim_arch *a = tim_arch_of(g->arch);
    const int warps = b->threads > 0 ? (b->threads - 1) / WARP + 1 : 1;
    tim_occupancy o = {.warps = warps};
    o.limit.warps = by_warps(g, b, warps);
    o.limit.blocks = g->max_blocks_per_sm;
    o.limit.registers = by_registers(g, b, warps, &o.registers);
    o.limit.shared = by_shared(g, a, b, &o.shared_bytes);
    o.limit.barriers = by_barriers(g, a, b);
    const struct {
        const char *name;
        int blocks;
    } limit[] = {{"warps", o.limit.warps},
                 {"blocks", o.limit.blocks},
                 {"registers", o.limit.registers},
                 {"shared memory", o.limit.shared},
                 {"barriers", o.limit.barriers}};
    size_t least = 0;
    for (size_t i = 1; i < WS_COUNT(limit); i++)
        least = limit[i].blocks < limit[least].blocks ? i : least;
    o.blocks = limit[least].blocks;
    o.by = limit[least].name;
    o.fraction = (double)o.blocks * warps / g->max_warps_per_sm;
    *out = o;
}

int tim_clusters(const tim_gpu *g, int blocks, int size)
{
    const tim_arch *a = tim_arch_of(g->arch);
    if (!a->gpcs || size < 1 || size > a->max_cluster)
        return 0;
    return a->gpcs * (g->sms / a->gpcs * blocks / size);
}
