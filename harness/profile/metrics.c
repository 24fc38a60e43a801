#include "harness/profile/metrics.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
#define PEAK  ".avg.pct_of_peak_sustained_active"
#define STALL(what) "smsp__average_warps_issue_stalled_" what "_per_issue_active.ratio"

const prof_metric prof_metrics[] = {
    {1, "seconds",              "gpu__time_duration.sum",                        "s",     1e-9, "time on the GPU", NULL},
    {1, "cycles",               "gpc__cycles_elapsed.max",                       "",      1, "clock cycles", NULL},
    {1, "dram_read_bytes",      "dram__bytes_read.sum",                          "bytes", 1, "read from DRAM", " GB202 GB203 GB205 GB206 GB207 "},
    {1, "dram_written_bytes",   "dram__bytes_write.sum",                         "bytes", 1, "written to DRAM", " GB202 GB203 GB205 GB206 GB207 "},
    {1, "dram_busy",            "dram__throughput.avg.pct_of_peak_sustained_elapsed", "%", 1, "of the DRAM's peak", NULL},
    {1, "l2_read_bytes",        "lts__t_sectors_op_read.sum",                    "bytes", 32, "read from L2", NULL},
    {1, "load_sectors",         "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum", "",     1, "sectors of global loads", NULL},
    {1, "load_sectors_hit",     "l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_hit.sum", "", 1, "of them hits in L1", NULL},
    {1, "warps_active",         "sm__warps_active" PEAK,                         "%",     1, "of the warps resident (occupancy reached)", NULL},
    {1, "sm_active",            "sm__cycles_active.avg.pct_of_peak_sustained_elapsed", "%", 1, "of the time SMs had work", NULL},
    {1, "issue_active",         "smsp__issue_active" PEAK,                       "%",     1, "of the issue slots used", NULL},
    {1, "warps_eligible",       "smsp__warps_eligible.avg.per_cycle_active",     "",      1, "warps ready in a cycle", NULL},
    {1, "fma_busy",             "sm__inst_executed_pipe_fma" PEAK,               "%",     1, "of the multiply-add pipe", NULL},

    {2, "l2_misses",            "lts__t_sectors_lookup_miss.sum",                "",      1, "sectors that missed L2", NULL},
    {2, "load_requests",        "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum", "",    1, "requests of global loads", NULL},
    {2, "local_load_sectors",   "l1tex__t_sectors_pipe_lsu_mem_local_op_ld.sum", "",      1, "sectors of local loads", NULL},
    {2, "lanes_active",         "smsp__thread_inst_executed_per_inst_executed.ratio", "", 1, "lanes that work in an instruction", NULL},
    {2, "tensor_busy",          "sm__inst_executed_pipe_tensor" PEAK,            "%",     1, "of the tensor pipe", NULL},
    {2, "alu_busy",             "sm__inst_executed_pipe_alu" PEAK,               "%",     1, "of the integer and logic pipe", NULL},
    {2, "special_busy",         "sm__inst_executed_pipe_xu" PEAK,                "%",     1, "of the pipe of special functions", NULL},
    {2, "load_store_busy",      "sm__inst_executed_pipe_lsu" PEAK,               "%",     1, "of the load and store pipe", NULL},

    {3, "shared_conflicts",     "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum", "", 1, "bank conflicts", NULL},
    {3, "shared_wavefronts",    "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum", "",     1, "wavefronts of shared memory", NULL},
    {3, "stall_memory",         STALL("long_scoreboard"),                        "",      1, "warps that wait for L2 or DRAM, per issue", NULL},
    {3, "stall_shared",         STALL("short_scoreboard"),                       "",      1, "warps that wait for shared memory or special functions", NULL},
    {3, "stall_barrier",        STALL("barrier"),                                "",      1, "warps that wait at a barrier", NULL},
    {3, "stall_pipe",           STALL("math_pipe_throttle"),                     "",      1, "warps that wait for a busy pipe", NULL},
    {3, "stall_queue",          STALL("mio_throttle"),                           "",      1, "warps that wait for the queue to shared memory", NULL},
    {3, "stall_requests",       STALL("lg_throttle"),                            "",      1, "warps that wait for the queue to global memory", NULL},
    {3, "stall_fixed",          STALL("wait"),                                   "",      1, "warps that wait for a fixed latency", NULL},
    {3, "stall_fence",          STALL("membar"),                                 "",      1, "warps that wait at a fence", NULL},
    {0, NULL, NULL, NULL, 0, NULL, NULL},
};
/* clang-format on */

int prof_metrics_of(int tier, const char *chip, const prof_metric *out[PROF_MAX_METRICS])
{
    char name[64];
    int n = 0;
    snprintf(name, sizeof name, " %s ", chip ? chip : "");
    for (const prof_metric *m = prof_metrics; m->name && n < PROF_MAX_METRICS; m++)
        if (m->tier <= tier && !(m->not_on && strstr(m->not_on, name)))
            out[n++] = m;
    return n;
}
