#include "agent/evidence/facts.h"

#include "base/json.h"
#include "harness/reason.h"
#include "verifier/counters.h"

#include <math.h>
#include <string.h>

const cJSON *ev_member(const ev_facts *f, const char *object, const char *key)
{
    const cJSON *o = object ? cJSON_GetObjectItemCaseSensitive(f->verdict, object) : f->verdict;
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

const char *ev_text(const ev_facts *f, const char *object, const char *key)
{
    const char *z = cJSON_GetStringValue(ev_member(f, object, key));
    return z ? z : "";
}

/* "nan" and "inf" stand as strings in JSON. */
static double number_of(const cJSON *v)
{
    const char *z = cJSON_GetStringValue(v);
    if (cJSON_IsNumber(v))
        return v->valuedouble;
    if (z && strstr(z, "inf"))
        return *z == '-' ? -(double)INFINITY : (double)INFINITY;
    return (double)NAN;
}

double ev_number(const ev_facts *f, const char *object, const char *key)
{
    return number_of(ev_member(f, object, key));
}

static int whole(const cJSON *o, const char *key, int missing)
{
    double v = number_of(cJSON_GetObjectItemCaseSensitive(o, key));
    return v >= -1 && v <= 0x7fffffff ? (int)v : missing;
}

static void read_size(const cJSON *o, const char *key, int64_t out[3])
{
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(o, key);
    for (int i = 0; i < 3; i++) {
        double v = number_of(cJSON_GetArrayItem(array, i));
        out[i] = v >= 1 && v < 0x1p40 ? (int64_t)v : 1;
    }
}

static void read_blocks(const cJSON *o, ev_launch *l)
{
    double min = number_of(cJSON_GetObjectItemCaseSensitive(o, "min"));
    double mean = number_of(cJSON_GetObjectItemCaseSensitive(o, "mean"));
    double max = number_of(cJSON_GetObjectItemCaseSensitive(o, "max"));
    if (!(min >= 0 && mean > 0 && min <= mean && mean <= max && max < 0x1p62))
        return;
    l->block_insns.min = min;
    l->block_insns.mean = mean;
    l->block_insns.max = max;
}

/* 0 where it is no number above 0. */
static double positive(const cJSON *o, const char *key)
{
    double v = number_of(cJSON_GetObjectItemCaseSensitive(o, key));
    return v > 0 && v < 0x1p62 ? v : 0;
}

static void read_launch(const ev_facts *f, const cJSON *o, ev_launch *l)
{
    const char *kernel = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "kernel"));
    double blocks = number_of(cJSON_GetObjectItemCaseSensitive(o, "blocks"));
    double scale = number_of(cJSON_GetObjectItemCaseSensitive(o, "scale"));
    double uneven = number_of(cJSON_GetObjectItemCaseSensitive(o, "uneven"));
    *l = (ev_launch){.index = whole(o, "index", 0),
                     .kernel = kernel ? kernel : "",
                     .spill_bytes = whole(o, "spill_bytes", -1)};
    read_size(o, "grid", l->grid);
    read_size(o, "block", l->block);
    int threads = whole(o, "threads_per_block", 1);
    l->counted = (tim_launch){.blocks = blocks >= 1 && blocks < 0x1p62 ? (uint64_t)blocks : 1,
                              .threads_per_block = threads > 0 ? (uint32_t)threads : 1,
                              .registers = whole(o, "registers", -1),
                              .shared_bytes = whole(o, "shared_bytes", -1),
                              .barriers = whole(o, "barriers", 0),
                              .scale = scale > 0 ? scale : 0,
                              .uneven = uneven > 0 ? uneven : 0,
                              .local_bytes = whole(o, "local_bytes", 0),
                              .small_bytes = positive(o, "small_bytes"),
                              .spill_requests = positive(o, "spill_requests"),
                              .chain_clocks = positive(o, "chain_clocks"),
                              .loads_together = positive(o, "loads_together"),
                              .machine_insns = positive(o, "machine_instructions"),
                              .machine_f64 = positive(o, "machine_f64")};
    vfy_counters_read(cJSON_GetObjectItemCaseSensitive(o, "counters"), &l->counted.counters);
    read_blocks(cJSON_GetObjectItemCaseSensitive(o, "block_instructions"), l);
    tim_model_launch(f->gpu, &l->counted, &l->time);
}

static void read_launches(ev_facts *f)
{
    const cJSON *array = ev_member(f, NULL, "launches"), *o;
    f->plan_launches = whole(f->verdict, "plan_launches", 0);
    if (!f->gpu)
        return;
    cJSON_ArrayForEach(o, array)
    {
        if (f->n_launches == VFY_MAX_LAUNCHES)
            return;
        ev_launch *l = &f->launch[f->n_launches++];
        const ptx_counters *c = &l->counted.counters;
        read_launch(f, o, l);
        f->total_sectors += (l->counted.scale > 0 ? l->counted.scale : 1) *
                            (double)(c->unique_ld_sectors + c->unique_st_sectors);
    }
}

static void read_cost(ev_facts *f)
{
    ref_graph *g = NULL;
    ref_bound *b = NULL;
    ws_err ignored = {0};
    if (!ref_graph_new(f->spec, &g, &ignored) && !ref_bind(g, &f->dims, &f->arena, &b, &ignored)) {
        ref_cost_of(b, &f->cost);
        f->has_cost = true;
        for (int o = 0; o < g->n_outputs; o++)
            f->outputs += (double)b->shape[g->output[o]].count;
    }
    ref_graph_free(g);
}

static hx_reason reason_named(const char *name)
{
    hx_reason r;
    return hx_reason_named(name, &r) ? r : HX_REASON_COUNT;
}

void ev_facts_init(ev_facts *f, const findings_subject *s)
{
    *f = (ev_facts){.subject = s, .spec = s->spec, .seconds = (double)NAN, .floor_s = (double)NAN};
    f->verdict = cJSON_Parse(s->verdict_json ? s->verdict_json : "{}");
    f->gpu = s->gpu ? tim_gpu_find(s->gpu) : NULL;
    f->dims = spec_env(s->spec, -1);
    f->reason = reason_named(*ev_text(f, NULL, "reason") ? ev_text(f, NULL, "reason")
                             : s->candidate              ? s->candidate->reason
                                                         : "");
    f->passed = f->reason == HX_PASS;
    f->seconds = ev_number(f, "modelled", "seconds");
    f->floor_s = ev_number(f, "modelled", "floor_seconds");
    f->written_s = ev_number(f, "modelled", "as_written_seconds");
    if (!(f->written_s > 0)) /* of a run before it was told */
        f->written_s = f->floor_s;
    f->occupancy = ev_number(f, "modelled", "occupancy");
    f->bound = ev_text(f, "modelled", "bound");
    read_cost(f);
    read_launches(f);
}

void ev_facts_release(ev_facts *f)
{
    cJSON_Delete(f->verdict);
    ws_arena_release(&f->arena);
    *f = (ev_facts){0};
}

bool ev_has_wide_types(const ev_facts *f)
{
    static const char *const wide[] = {"float4", "float2",   "int4",     "int2",    "double",
                                       "wmma",   "ldmatrix", "longlong", "uint64_t"};
    const char *source = f->subject->candidate ? f->subject->candidate->source : NULL;
    for (size_t k = 0; source && k < sizeof wide / sizeof *wide; k++)
        if (strstr(source, wide[k]))
            return true;
    return false;
}

double ev_limit(const ev_facts *f, double seconds)
{
    double most = f->seconds - (f->gpu ? tim_constants_of(f->gpu).launch_s : 0);
    return fmax(0, fmin(seconds, most));
}

double ev_saved(const ev_facts *f, int i, const tim_launch *instead)
{
    tim_launch_estimate then;
    tim_model_launch(f->gpu, instead, &then);
    return ev_limit(f, f->launch[i].time.seconds - then.seconds);
}

const char *ev_bytes(ev_facts *f, double n)
{
    static const char *const unit[] = {"bytes", "kB", "MB", "GB", "TB"};
    size_t u = 0;
    while (n >= 999.5 && u + 1 < WS_COUNT(unit)) {
        n /= 1000;
        u++;
    }
    if (u && n < 10)
        return ws_arena_printf(&f->arena, "%.2f %s", n, unit[u]);
    return ws_arena_printf(&f->arena, "%.*f %s", n < 100 && u ? 1 : 0, n, unit[u]);
}

const char *ev_count(ev_facts *f, double n)
{
    static const char *const unit[] = {"", " thousand", " million", " billion", " trillion"};
    size_t u = 0;
    while (n >= (u ? 999.5 : 9999.5) && u + 1 < WS_COUNT(unit)) {
        n /= 1000;
        u++;
    }
    return ws_arena_printf(&f->arena, "%.*f%s", n < 99.95 && n != floor(n) ? 1 : 0, n, unit[u]);
}

const char *ev_time(ev_facts *f, double seconds)
{
    double us = seconds * 1e6, ms = us / 1e3;
    if (us >= 999.5)
        return ws_arena_printf(&f->arena, "%.*f ms", ms < 99.95 ? 2 : 0, ms);
    return ws_arena_printf(&f->arena, "%.*f us", us < 99.95 ? 2 : 1, us);
}
