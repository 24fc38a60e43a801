/* Directions that a kernel has followed already, as its source and its counters show: it is not
 * sent there again. What cannot be seen counts as not done. */
#include "agent/strategy/angle_done.h"

#include "base/json.h"
#include "verifier/counters.h"

#include <math.h>
#include <string.h>

enum {
    LANES = 32,
    SECTOR = 32,
    MANY_BLOCKS = 264 /* twice the SMs of the GPUs that are modelled */
};

typedef struct seen {
    const char *source;
    ptx_counters sum; /* of all launches that the verdict holds */
    double blocks;    /* of the launch that has most */
    double launches;  /* of the plan, 0: unknown */
    double seconds, compute_s, latency_s;
} seen;

static double number(const cJSON *o, const char *key)
{
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(x) ? x->valuedouble : 0;
}

static void add_launch(const cJSON *o, seen *s)
{
    ptx_counters c = {0};
    vfy_counters_read(cJSON_GetObjectItemCaseSensitive(o, "counters"), &c);
    s->sum.f32_fma_lanes += c.f32_fma_lanes;
    s->sum.tensor += c.tensor;
    s->sum.shared_requests += c.shared_requests;
    s->sum.global_ld_requests += c.global_ld_requests;
    s->sum.global_st_requests += c.global_st_requests;
    s->sum.global_ld_sectors += c.global_ld_sectors;
    s->sum.global_st_sectors += c.global_st_sectors;
    s->sum.global_ld_bytes += c.global_ld_bytes;
    s->sum.global_st_bytes += c.global_st_bytes;
    s->sum.unique_ld_sectors += c.unique_ld_sectors;
    s->sum.shuffle_vote += c.shuffle_vote;
    s->blocks = fmax(s->blocks, number(o, "blocks"));
}

static void look(const strat_attempt *a, seen *s)
{
    cJSON *v = a->verdict_json ? cJSON_Parse(a->verdict_json) : NULL;
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(v, "modelled"), *o;
    *s = (seen){.source = a->candidate && a->candidate->source ? a->candidate->source : "",
                .launches = number(v, "plan_launches"),
                .seconds = number(model, "seconds"),
                .compute_s = number(model, "compute_seconds"),
                .latency_s = number(model, "latency_seconds")};
    cJSON_ArrayForEach(o, cJSON_GetObjectItemCaseSensitive(v, "launches")) add_launch(o, s);
    cJSON_Delete(v);
}

static bool is_fused(const seen *s)
{
    return s->launches == 1;
}

/* Four multiply-adds and more for each load. */
static bool is_tiled(const seen *s)
{
    double loads = (double)(s->sum.shared_requests + s->sum.global_ld_requests);
    double products = (double)s->sum.f32_fma_lanes / LANES;
    return s->sum.shared_requests && (s->sum.tensor || (products > 0 && products >= 4 * loads));
}

static bool uses_tensor_cores(const seen *s)
{
    return s->sum.tensor != 0;
}

static bool reads_once(const seen *s)
{
    return s->sum.unique_ld_sectors &&
           (double)s->sum.global_ld_bytes <= 1.3 * SECTOR * (double)s->sum.unique_ld_sectors;
}

static bool keeps_rows(const seen *s)
{
    return reads_once(s) && s->sum.shuffle_vote;
}

/* 12 bytes a lane on average, in no more sectors than they fill. */
static bool is_wide(const seen *s)
{
    double requests = (double)(s->sum.global_ld_requests + s->sum.global_st_requests);
    double bytes = (double)(s->sum.global_ld_bytes + s->sum.global_st_bytes);
    double sectors = (double)(s->sum.global_ld_sectors + s->sum.global_st_sectors);
    return requests > 0 && bytes >= 12 * LANES * requests && sectors * SECTOR <= 1.2 * bytes;
}

static bool copies_ahead(const seen *s)
{
    static const char *const words[] = {"cp.async", "memcpy_async", "cp_async"};
    for (size_t i = 0; i < WS_COUNT(words); i++)
        if (strstr(s->source, words[i]))
            return true;
    return false;
}

static bool fills_the_gpu(const seen *s)
{
    return s->blocks >= MANY_BLOCKS;
}

static bool waits_little(const seen *s)
{
    return s->seconds > 0 && s->latency_s < 0.3 * s->seconds;
}

static bool computes_little(const seen *s)
{
    return s->seconds > 0 && s->compute_s < 0.3 * s->seconds;
}

static bool has_tunables(const seen *s)
{
    return strstr(s->source, "\"tune\"") != NULL;
}

bool strat_angle_is_done(const strat_attempt *a, angle_test test)
{
    static bool (*const tests[])(const seen *) = {[ANGLE_FUSED] = is_fused,
                                                  [ANGLE_TILED] = is_tiled,
                                                  [ANGLE_TENSOR] = uses_tensor_cores,
                                                  [ANGLE_ROWS_KEPT] = keeps_rows,
                                                  [ANGLE_WIDE] = is_wide,
                                                  [ANGLE_READS_ONCE] = reads_once,
                                                  [ANGLE_COPIES_AHEAD] = copies_ahead,
                                                  [ANGLE_FILLS_GPU] = fills_the_gpu,
                                                  [ANGLE_WAITS_LITTLE] = waits_little,
                                                  [ANGLE_COMPUTES_LITTLE] = computes_little,
                                                  [ANGLE_TUNABLES] = has_tunables};
    seen s;
    if (test == ANGLE_NEVER_DONE)
        return false;
    look(a, &s);
    return tests[test](&s);
}
