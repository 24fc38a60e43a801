#include "agent/cmd/profile_explain.h"

#include "base/json.h"
#include "harness/timing/explain.h"
#include "verifier/verdict.h"

#include <math.h>
#include <string.h>

/* How the launches make the time. */
typedef struct total {
    double shown,
        others; /* seconds of the launches that the verdict describes, and of further ones */
    int n_others;
    double each, overhead; /* launch cost, of one and of all */
    double least_bytes;    /* seconds that the operation's least bytes take at the DRAM peak */
    double seconds;
} total;

static total total_of(const profile_report *r)
{
    const vfy_verdict *v = r->v;
    total t = {.each = tim_constants_of(r->gpu).launch_s,
               .overhead = v->model.launch_s,
               .least_bytes = r->cost.min_bytes / r->gpu->dram_bytes_per_s,
               .seconds = v->model.seconds};
    for (int i = 0; i < v->n_launches; i++)
        t.shown += v->launch[i].time.seconds;
    if (v->model_sampled && v->plan_launches > v->n_launches) {
        t.n_others = v->plan_launches - v->n_launches;
        t.others = fmax(t.seconds - t.overhead - t.shown, 0);
    }
    return t;
}

/* ---- text ---- */

/* Three digits and a unit. */
static void write_seconds(double s, ws_buf *out)
{
    if (s >= 1e-3)
        ws_buf_printf(out, "%.4g ms", s * 1e3);
    else
        ws_buf_printf(out, "%.4g us", s * 1e6);
}

static void write_term(const tim_term *t, ws_buf *out)
{
    ws_buf_printf(out, "  %s: ", t->name);
    write_seconds(t->seconds, out);
    ws_buf_printf(out, "   %s\n", t->says);
    if (!t->n)
        return;
    ws_buf_printf(out, "    = %s\n", t->formula);
    for (int i = 0; i < t->n; i++) {
        const tim_input *in = &t->in[i];
        ws_buf_printf(out, "      %-17s %12.6g %-12s [%s]%s%s\n", in->name, in->value, in->unit,
                      tim_source_name(in->source), *in->note ? " " : "", in->note);
    }
}

/* Terms that are nothing are named in one line. */
static void write_nothing(const tim_breakdown *b, ws_buf *out)
{
    const char *before = "  nothing for ";
    for (int i = 0; i < TIM_TERMS; i++)
        if (!(b->term[i].seconds > 0)) {
            ws_buf_printf(out, "%s%s", before, b->term[i].name);
            before = ", ";
        }
    if (*before == ',')
        ws_buf_addc(out, '\n');
}

static void write_launch(const profile_report *r, const vfy_launch *l, ws_buf *out)
{
    tim_breakdown b;
    tim_explain_launch(r->gpu, &l->counted, &b);
    if (l->index)
        ws_buf_printf(out, "Model of launch %d, %s: ", l->index, l->kernel);
    else
        ws_buf_adds(out, "Model of all launches in one, scaled from a check shape: ");
    write_seconds(b.result.seconds, out);
    ws_buf_printf(out, "; %s decide%s\n", b.decides,
                  b.decides[strlen(b.decides) - 1] == 's' ? "" : "s");
    for (int i = 0; i < TIM_TERMS; i++)
        if (b.term[i].seconds > 0)
            write_term(&b.term[i], out);
    write_nothing(&b, out);
    ws_buf_printf(out,
                  "  together: (memory^%.3g + the others^%.3g)^(1/%.3g), memory = (DRAM^%d + "
                  "L2^%d)^(1/%d): ",
                  b.norm, b.norm, b.norm, TIM_MEMORY_NORM, TIM_MEMORY_NORM, TIM_MEMORY_NORM);
    write_seconds(b.overlapped_s, out);
    ws_buf_adds(out, ", as the terms overlap, but not perfectly");
    if (b.term[TIM_GRID_BARRIERS].seconds > 0)
        ws_buf_adds(out, "; grid barriers come on top");
    ws_buf_addc(out, '\n');
}

static void write_total(const profile_report *r, ws_buf *out)
{
    const total t = total_of(r);
    char calibration[64];
    tim_calibration_text(r->gpu, calibration, sizeof calibration);
    ws_buf_adds(out, "Total: launches ");
    write_seconds(t.shown, out);
    if (t.n_others) {
        ws_buf_printf(out, " + %d shorter ones ", t.n_others);
        write_seconds(t.others, out);
    }
    ws_buf_adds(out, " + launching ");
    write_seconds(t.overhead, out);
    ws_buf_adds(out, " (");
    write_seconds(t.each, out);
    ws_buf_adds(out, " each) = ");
    write_seconds(t.seconds, out);
    if (t.shown + t.others < t.least_bytes) {
        ws_buf_adds(out, ", where launches count as at least ");
        write_seconds(t.least_bytes, out);
        ws_buf_adds(out, ", the operation's least bytes at the DRAM peak");
    }
    ws_buf_printf(
        out, "\nCalibration: %s%s\n", calibration,
        tim_constants_of(r->gpu).calibrated
            ? ", the median error on kernels that the fit did not see"
            : ": estimates are marked; what orders kernels is counted, absolute times may be off");
    ws_buf_adds(out, "Left out:\n");
    for (int i = 0; tim_left_out[i]; i++)
        ws_buf_printf(out, "  %s\n", tim_left_out[i]);
}

void profile_explain_text(const profile_report *r, ws_buf *out)
{
    if (!r->v->has_model)
        return;
    ws_buf_addc(out, '\n');
    for (int i = 0; i < r->v->n_launches; i++)
        write_launch(r, &r->v->launch[i], out);
    write_total(r, out);
}

/* ---- JSON ---- */

static cJSON *json_term(const tim_term *t)
{
    cJSON *o = cJSON_CreateObject(), *inputs;
    cJSON_AddStringToObject(o, "term", t->name);
    cJSON_AddStringToObject(o, "says", t->says);
    cJSON_AddStringToObject(o, "formula", t->formula);
    inputs = cJSON_AddArrayToObject(o, "inputs");
    for (int i = 0; i < t->n; i++) {
        cJSON *in = cJSON_CreateObject();
        cJSON_AddStringToObject(in, "name", t->in[i].name);
        ws_json_add_double(in, "value", t->in[i].value);
        cJSON_AddStringToObject(in, "unit", t->in[i].unit);
        cJSON_AddStringToObject(in, "source", tim_source_name(t->in[i].source));
        cJSON_AddStringToObject(in, "note", t->in[i].note);
        cJSON_AddItemToArray(inputs, in);
    }
    ws_json_add_double(o, "seconds", t->seconds);
    return o;
}

static cJSON *json_launch(const profile_report *r, const vfy_launch *l)
{
    cJSON *o = cJSON_CreateObject(), *terms;
    tim_breakdown b;
    tim_explain_launch(r->gpu, &l->counted, &b);
    cJSON_AddNumberToObject(o, "index", l->index);
    cJSON_AddStringToObject(o, "kernel", l->kernel);
    terms = cJSON_AddArrayToObject(o, "terms");
    for (int i = 0; i < TIM_TERMS; i++)
        cJSON_AddItemToArray(terms, json_term(&b.term[i]));
    ws_json_add_double(o, "norm", b.norm);
    cJSON_AddNumberToObject(o, "memory_norm", TIM_MEMORY_NORM);
    cJSON_AddNumberToObject(o, "overlapping_terms", TIM_OVERLAPPED);
    ws_json_add_double(o, "overlapped_seconds", b.overlapped_s);
    cJSON_AddStringToObject(o, "decides", b.decides);
    ws_json_add_double(o, "seconds", b.result.seconds);
    return o;
}

cJSON *profile_explain_json(const profile_report *r)
{
    cJSON *o, *launches, *left;
    char calibration[64];
    if (!r->v->has_model)
        return cJSON_CreateNull();
    const total t = total_of(r);
    o = cJSON_CreateObject();
    tim_calibration_text(r->gpu, calibration, sizeof calibration);
    cJSON_AddStringToObject(o, "gpu", r->gpu->name);
    cJSON_AddStringToObject(o, "calibration", calibration);
    launches = cJSON_AddArrayToObject(o, "launches");
    for (int i = 0; i < r->v->n_launches; i++)
        cJSON_AddItemToArray(launches, json_launch(r, &r->v->launch[i]));
    cJSON_AddNumberToObject(o, "other_launches", t.n_others);
    ws_json_add_double(o, "other_launches_seconds", t.others);
    ws_json_add_double(o, "launching_each_seconds", t.each);
    ws_json_add_double(o, "launching_seconds", t.overhead);
    ws_json_add_double(o, "least_bytes_seconds", t.least_bytes);
    ws_json_add_double(o, "seconds", t.seconds);
    left = cJSON_AddArrayToObject(o, "left_out");
    for (int i = 0; tim_left_out[i]; i++)
        cJSON_AddItemToArray(left, cJSON_CreateString(tim_left_out[i]));
    return o;
}
