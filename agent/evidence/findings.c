#include "agent/evidence/findings.h"

#include "agent/evidence/failure.h"
#include "agent/evidence/rules.h"
#include "agent/evidence/where.h"
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { SHOWN_FINDINGS = 6, SHOWN_LAUNCHES = 8 };

static double seconds_of(const db_candidate *c)
{
    return !c ? (double)NAN : isnan(c->measured_s) ? c->modelled_s : c->measured_s;
}

static const char *kind_of(const db_candidate *c)
{
    return isnan(c->measured_s) ? "modelled" : "measured";
}

/* ---- time ---- */

/* "1.52 times as fast as generation 0 (12.3 us modelled)". Times of two kinds are not compared. */
static void compare_with(ev_facts *f, const char *what, const db_candidate *other, ws_buf *out)
{
    const db_candidate *c = f->subject->candidate;
    double ratio = seconds_of(other) / seconds_of(c);
    if (!other || !(ratio > 0) || !isfinite(ratio) || other->id == c->id)
        return;
    if (isnan(other->measured_s) != isnan(c->measured_s)) {
        ws_buf_printf(out, "; %s takes %s %s", what, ev_time(f, seconds_of(other)), kind_of(other));
        return;
    }
    ws_buf_adds(out, "; ");
    if (fabs(ratio - 1) < 0.005)
        ws_buf_printf(out, "as fast as %s", what);
    else if (ratio > 1)
        ws_buf_printf(out, "%.2f times as fast as %s", ratio, what);
    else
        ws_buf_printf(out, "%.2f times slower than %s", 1 / ratio, what);
    ws_buf_printf(out, " (%s)", ev_time(f, seconds_of(other)));
}

static void write_time(ev_facts *f, ws_buf *out)
{
    const findings_subject *s = f->subject;
    const db_candidate *c = s->candidate;
    double t = seconds_of(c);
    if (!c || !(t > 0))
        return;
    bool is_best = s->best && s->best->id == c->id, is_first = s->first && s->first->id == c->id;
    ws_buf_printf(out, "Time: %s %s on %s", ev_time(f, t), kind_of(c), s->gpu ? s->gpu : "?");
    if (is_first)
        ws_buf_adds(out, "; this is generation 0, the plain translation");
    else
        compare_with(f, "generation 0", s->first, out);
    if (is_best && !is_first)
        ws_buf_adds(out, "; the fastest so far");
    else if (s->best && (!s->first || s->best->id != s->first->id))
        compare_with(f, "the best so far", s->best, out);
    ws_buf_addc(out, '\n');
    if (!(f->written_s > 0))
        return;
    ws_buf_printf(
        out, "Roofline: the graph as written takes at least %s (%s to move, %s operations); ",
        ev_time(f, f->written_s), ev_bytes(f, f->cost.min_bytes), ev_count(f, f->cost.flops));
    if (t < f->written_s)
        ws_buf_adds(out, "this kernel takes less, as it may where an exact algorithm leaves work "
                         "out (masked pairs, shared sums)\n");
    else
        ws_buf_printf(out, "this kernel takes %.2f times it, %.0f %% of what the GPU can do\n",
                      t / f->written_s, 100 * f->written_s / t);
}

/* The model's words for what decides, as the parts are called here. */
static const char *bound_name(const char *bound)
{
    static const struct {
        const char *model, *name;
    } names[] = {{"dram", "DRAM"},
                 {"l2", "L2"},
                 {"shared", "shared memory"},
                 {"l1", "L1"},
                 {"compute", "instructions"},
                 {"latency", "waiting"},
                 {"launch", "launches"}};
    for (size_t i = 0; i < WS_COUNT(names); i++)
        if (strcmp(names[i].model, bound) == 0)
            return names[i].name;
    return bound;
}

static void write_parts(ev_facts *f, ws_buf *out)
{
    static const struct {
        const char *key, *name;
    } part[] = {{"memory_seconds", "DRAM"},
                {"l2_seconds", "L2"},
                {"shared_seconds", "L1 and shared memory"},
                {"compute_seconds", "instructions"},
                {"latency_seconds", "waiting"},
                {"launch_seconds", "launches"}};
    if (!(f->seconds > 0))
        return;
    ws_buf_printf(out, "Where it goes (modelled, parts overlap): bound by %s;",
                  bound_name(f->bound));
    for (size_t i = 0; i < WS_COUNT(part); i++)
        ws_buf_printf(out, "%s %s %s", i ? "," : "", part[i].name,
                      ev_time(f, ev_number(f, "modelled", part[i].key)));
    ws_buf_addc(out, '\n');
}

/* ---- launches ---- */

static double percent(uint64_t n, uint64_t of)
{
    return of ? 100.0 * (double)n / (double)of : 0;
}

static void write_size(const int64_t size[3], ws_buf *out)
{
    int n = size[2] > 1 ? 3 : size[1] > 1 ? 2 : 1;
    for (int i = 0; i < n; i++)
        ws_buf_printf(out, "%s%" PRId64, i ? "x" : "", size[i]);
}

static const char *bound_of(ev_facts *f, const tim_launch_estimate *e)
{
    const struct {
        const char *name;
        double s;
    } part[] = {{"DRAM", e->memory_s},
                {"L2", e->l2_s},
                {e->l1_is_global ? "L1" : "shared memory", e->shared_s},
                {"instructions", e->compute_s},
                {"waiting", e->latency_s}};
    size_t most = 0;
    for (size_t i = 1; i < WS_COUNT(part); i++)
        most = part[i].s > part[most].s ? i : most;
    if (part[most].s == e->compute_s)
        return ws_arena_printf(&f->arena, "instructions (%s)", e->unit);
    return part[most].name;
}

/* What one instruction in a hundred is spent on. */
static void write_mix(const ev_facts *f, const ptx_counters *c, ws_buf *out)
{
    const struct {
        const char *name;
        uint64_t n;
    } kind[] = {{"float", c->f32 + c->f64 + c->f16 + c->sfu + c->tensor},
                {"integer", c->i32 + c->imul + c->cvt},
                {"compare, minimum and maximum", c->cmp_sel},
                {"memory", c->mem_insns},
                {"shuffles", c->shuffle_vote},
                {"branches", c->branch}};
    const char *before = ": ";
    for (size_t i = 0; i < WS_COUNT(kind); i++) {
        if (percent(kind[i].n, c->warp_insns) < 0.5)
            continue;
        ws_buf_printf(out, "%s%.0f %% %s", before, percent(kind[i].n, c->warp_insns), kind[i].name);
        before = ", ";
    }
    if (c->shared_requests)
        ws_buf_printf(out, "; %.1f wavefronts a shared access (the least is 1%s)",
                      (double)c->shared_wavefronts / (double)c->shared_requests,
                      ev_has_wide_types(f) ? ", or 4 for 16 bytes a lane" : "");
}

static void write_launch(ev_facts *f, const ev_launch *l, ws_buf *out)
{
    const ptx_counters *c = &l->counted.counters;
    double warps = fmax((double)c->warps, 1);
    if (l->index) {
        ws_buf_printf(out, "  %d. %s<", l->index, l->kernel);
        write_size(l->grid, out);
        ws_buf_adds(out, " blocks of ");
        write_size(l->block, out);
        ws_buf_addc(out, '>');
    } else {
        ws_buf_adds(out, "  all in one, scaled from a check shape");
    }
    const bool assembled = l->counted.registers > 0;
    ws_buf_printf(out, ": %s, bound by %s; occupancy %s%.0f %% (%s limit it)",
                  ev_time(f, l->time.seconds), bound_of(f, &l->time), assembled ? "" : "at most ",
                  100 * l->time.occupancy, l->time.resident_by);
    if (assembled)
        ws_buf_printf(out, ", %d registers", l->counted.registers);
    if (l->counted.shared_bytes > 0)
        ws_buf_printf(out, ", %d bytes shared", l->counted.shared_bytes);
    if (l->spill_bytes > 0)
        ws_buf_printf(out, ", %d bytes spilled", l->spill_bytes);
    ws_buf_printf(out, "\n     %.0f instructions a warp", (double)c->warp_insns / warps);
    write_mix(f, c, out);
    if (c->barrier_waits)
        ws_buf_printf(out, "; %.1f barriers", (double)c->barrier_waits / warps);
    ws_buf_addc(out, '\n');
}

/* Whether launch i is among the SHOWN_LAUNCHES longest, and takes a hundredth of the time. */
static bool is_long(const ev_facts *f, int i)
{
    double s = f->launch[i].time.seconds;
    int longer = 0;
    for (int k = 0; k < f->n_launches; k++)
        longer += f->launch[k].time.seconds > s || (f->launch[k].time.seconds == s && k < i);
    return longer < SHOWN_LAUNCHES && (s >= 0.01 * f->seconds || longer == 0);
}

static void write_launches(ev_facts *f, ws_buf *out)
{
    int shown = 0;
    if (!f->n_launches)
        return;
    ws_buf_adds(out, "Launches:\n");
    for (int i = 0; i < f->n_launches; i++) {
        if (!is_long(f, i))
            continue;
        write_launch(f, &f->launch[i], out);
        shown++;
    }
    if (f->plan_launches > shown && f->launch[0].index)
        ws_buf_printf(out, "  and %d shorter one%s\n", f->plan_launches - shown,
                      f->plan_launches - shown == 1 ? "" : "s");
}

/* ---- findings ---- */

static const char *kernel_of(const ev_facts *f, const ev_finding *x)
{
    return x->launch >= 0 && f->plan_launches > 1 ? f->launch[x->launch].kernel : "";
}

static void write_findings(ev_facts *f, ws_buf *out)
{
    ev_finding x[EV_MAX_FINDINGS];
    int n = ev_findings(f, x);
    if (!n && f->passed && f->seconds > 0) {
        ws_buf_adds(out, "Findings: none of the rules sees more than 1 % to gain.\n");
        return;
    }
    if (!n)
        return;
    ws_buf_adds(out,
                "Findings, the largest modelled gain first (gains overlap, they do not add up):\n");
    for (int i = 0; i < n && i < SHOWN_FINDINGS; i++) {
        const char *kernel = kernel_of(f, &x[i]);
        ws_buf_printf(out, "%d. %s%s%s", i + 1, x[i].rule, *kernel ? " in " : "", kernel);
        if (x[i].more)
            ws_buf_printf(out, " and %d more launch%s", x[i].more, x[i].more == 1 ? "" : "es");
        if (x[i].gain >= 0.005 * f->seconds)
            ws_buf_printf(out, ", up to %s (%.0f %%) less\n", ev_time(f, x[i].gain),
                          100 * x[i].gain / f->seconds);
        else
            ws_buf_adds(out, x[i].uncounted ? ", which the modelled time leaves out\n"
                                            : ", which the faults above hide\n");
        ws_buf_printf(out, "   seen: %s\n", x[i].evidence);
        ev_where_write(f, &x[i], out);
        ws_buf_printf(out, "   do: %s\n", x[i].action);
    }
}

/* What the best kernel of this graph would take: the bytes at the rate that copies reach, or the
 * operations, and one launch. */
static double reachable(const ev_facts *f)
{
    double bytes =
        f->cost.min_bytes / (tim_constants_of(f->gpu).dram_efficiency * f->gpu->dram_bytes_per_s);
    return fmax(bytes, f->floor_s) + tim_constants_of(f->gpu).launch_s;
}

static void write_roof(ev_facts *f, ws_buf *out)
{
    if (!f->gpu || !f->has_cost || !(f->seconds > 0) || !(f->floor_s > 0))
        return;
    double left = 1 - reachable(f) / f->seconds;
    if (f->seconds < f->written_s)
        return;
    if (left < 0.08)
        ws_buf_printf(
            out,
            "Near the roof: %s would be %.0f %% less (one launch, DRAM at the %.0f %% of its peak "
            "that copies reach). More needs fewer bytes or operations than the graph has as "
            "written.\n",
            ev_time(f, reachable(f)), fmax(100 * left, 0),
            100 * tim_constants_of(f->gpu).dram_efficiency);
    else if (f->seconds < 3 * tim_constants_of(f->gpu).launch_s * fmax(f->plan_launches, 1))
        ws_buf_printf(
            out, "Launches take %.0f %% of the time: at this shape little else can be gained.\n",
            100 * tim_constants_of(f->gpu).launch_s * f->plan_launches / f->seconds);
}

static void write_passed(ev_facts *f, ws_buf *out)
{
    ws_buf_printf(out, "Verified: %s\n", ev_text(f, NULL, "text"));
    if (cJSON_IsTrue(ev_member(f, "evidence", "schedule_dependent")))
        ws_buf_adds(
            out, "  the last bits depend on the order in which threads run (atomics on floats)\n");
    if (ev_member(f, "warning", "text"))
        ws_buf_printf(out, "  warning: %s\n", ev_text(f, "warning", "text"));
    write_time(f, out);
    write_parts(f, out);
    write_findings(f, out);
    write_roof(f, out);
    write_launches(f, out);
}

/* The first `most` lines of `text`. */
static void add_lines(const char *text, int most, ws_buf *out)
{
    int lines = 0, all = 0;
    for (const char *p = text; *p; p++)
        all += *p == '\n';
    for (const char *p = text; *p; p++) {
        if (lines == most - 1 && all > most) {
            ws_buf_printf(out, "(%d more lines)\n", all - lines);
            return;
        }
        ws_buf_addc(out, *p);
        lines += *p == '\n';
    }
}

void findings_write(const findings_subject *s, int max_lines, ws_buf *out)
{
    ev_facts f;
    ws_buf text = {0};
    ev_facts_init(&f, s);
    if (f.passed)
        write_passed(&f, &text);
    else
        ev_failure_write(&f, &text);
    if (s->tuning && *s->tuning)
        ws_buf_printf(&text, "Tunables:\n%s%s", s->tuning,
                      s->tuning[strlen(s->tuning) - 1] == '\n' ? "" : "\n");
    add_lines(ws_buf_z(&text), max_lines > 0 ? max_lines : FINDINGS_MAX_LINES, out);
    ws_buf_release(&text);
    ev_facts_release(&f);
}

/* ---- JSON ---- */

static void json_verdict(ev_facts *f, cJSON *o)
{
    cJSON *v = cJSON_AddObjectToObject(o, "verdict");
    ws_buf shapes = {0};
    cJSON_AddBoolToObject(v, "accepted", f->passed);
    cJSON_AddStringToObject(v, "reason",
                            f->reason < HX_REASON_COUNT ? hx_reason_name(f->reason) : "unknown");
    cJSON_AddStringToObject(v, "text", ev_text(f, NULL, "text"));
    static const char *const copied[] = {"place", "case", "pattern"};
    for (size_t i = 0; i < WS_COUNT(copied); i++) {
        cJSON *part = cJSON_Duplicate(ev_member(f, NULL, copied[i]), true);
        if (part)
            cJSON_AddItemToObject(v, copied[i], part);
    }
    if (!f->passed) {
        cJSON_AddStringToObject(v, "advice", ev_failure_advice(f));
        ev_failure_shapes(f, &shapes);
        cJSON_AddStringToObject(v, "shapes", ws_buf_z(&shapes));
        if (*ev_text(f, NULL, "log"))
            cJSON_AddStringToObject(v, "log", ev_text(f, NULL, "log"));
    }
    ws_buf_release(&shapes);
}

static void json_time(const ev_facts *f, cJSON *o)
{
    const findings_subject *s = f->subject;
    double t = seconds_of(s->candidate);
    if (!s->candidate || !(t > 0))
        return;
    cJSON *j = cJSON_AddObjectToObject(o, "time");
    cJSON_AddNumberToObject(j, "seconds", t);
    cJSON_AddStringToObject(j, "kind", kind_of(s->candidate));
    cJSON_AddStringToObject(j, "gpu", s->gpu ? s->gpu : "");
    if (f->floor_s > 0)
        cJSON_AddNumberToObject(j, "over_floor", t / f->floor_s);
    if (seconds_of(s->first) > 0)
        cJSON_AddNumberToObject(j, "speedup_over_generation_0", seconds_of(s->first) / t);
    if (seconds_of(s->best) > 0)
        cJSON_AddNumberToObject(j, "speedup_over_best", seconds_of(s->best) / t);
    if (*f->bound)
        cJSON_AddStringToObject(j, "bound", f->bound);
}

cJSON *findings_json(const findings_subject *s)
{
    ev_facts f;
    ev_finding x[EV_MAX_FINDINGS];
    cJSON *o = cJSON_CreateObject();
    ev_facts_init(&f, s);
    cJSON_AddNumberToObject(o, "schema", 1);
    json_verdict(&f, o);
    json_time(&f, o);
    cJSON *array = cJSON_AddArrayToObject(o, "findings");
    int n = ev_findings(&f, x);
    for (int i = 0; i < n; i++) {
        cJSON *j = cJSON_CreateObject();
        cJSON_AddStringToObject(j, "rule", x[i].rule);
        cJSON_AddStringToObject(j, "rule_says", x[i].says);
        cJSON_AddStringToObject(j, "severity", ev_severity(&f, &x[i]));
        if (x[i].launch >= 0)
            cJSON_AddStringToObject(j, "kernel", f.launch[x[i].launch].kernel);
        cJSON_AddNumberToObject(j, "further_launches", x[i].more);
        cJSON_AddStringToObject(j, "evidence", x[i].evidence);
        cJSON_AddStringToObject(j, "action", x[i].action);
        if (s->lines)
            cJSON_AddItemToObject(j, "where", ev_where_json(&f, &x[i]));
        ws_json_add_double(j, "gain_seconds", x[i].gain);
        ws_json_add_double(j, "gain", x[i].gain / f.seconds);
        cJSON_AddItemToArray(array, j);
    }
    if (s->tuning && *s->tuning)
        cJSON_AddStringToObject(o, "tuning", s->tuning);
    ev_facts_release(&f);
    return o;
}
