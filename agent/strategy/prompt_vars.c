#include "agent/strategy/prompt_vars.h"

#include "agent/evidence/findings.h"
#include "agent/strategy/past.h"
#include "base/json.h"
#include "reference/graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIBLINGS = 6,
    OTHERS = 4,
    LONGEST_REASON = 200,
    LONGEST_NOTE = 240,
    BASELINE_LINES = 40,
    FEW_NODES = 3, /* of a larger graph the translation is long, and little of it is kept */
    LONGEST_SHOWN = 48 * 1024 /* bytes of a source that need not be given back */
};

/* ---- the operation: the same in every prompt ---- */

static void put_name(const prompt_context *c, ws_buf *out)
{
    ws_buf_adds(out, c->spec->name);
}

static void put_title(const prompt_context *c, ws_buf *out)
{
    ws_buf_adds(out, c->spec->title ? c->spec->title : "");
}

/* Type and shape of every output follow from the graph. */
static void put_outputs(const spec *s, ws_buf *out)
{
    ref_graph *g = NULL;
    ws_err err = {0};
    if (ref_graph_new(s, &g, &err)) { /* verification will say what is wrong with it */
        for (int o = 0; o < s->n_outputs; o++)
            ws_buf_printf(out, "  output %s\n", s->output[o]);
        return;
    }
    for (int o = 0; o < g->n_outputs; o++) {
        const ref_value *v = &g->value[g->output[o]];
        ws_buf_printf(out, "  output %s: %s *, shape [", s->output[o], ws_dtype_cuda(v->dtype));
        for (int d = 0; d < v->rank; d++) {
            ws_buf_adds(out, d ? ", " : "");
            ws_expr_print(v->dim[d], out);
        }
        ws_buf_adds(out, v->rank ? "]\n" : "], one element\n");
    }
    ref_graph_free(g);
}

/* What indices may be: kernels that look things up need not check more. */
static void put_range(const spec_tensor *t, ws_buf *out)
{
    const spec_init *i = &t->init;
    if (i->dist != SPEC_DIST_RANDINT)
        return;
    ws_buf_adds(out, ", whole numbers from ");
    if (i->lo_expr)
        ws_expr_print(i->lo_expr, out);
    else
        ws_buf_printf(out, "%.0f", i->lo);
    ws_buf_adds(out, " to below ");
    if (i->hi_expr)
        ws_expr_print(i->hi_expr, out);
    else
        ws_buf_printf(out, "%.0f", i->hi);
}

static void put_tensors(const prompt_context *c, ws_buf *out)
{
    const spec *s = c->spec;
    for (int i = 0; i < s->n_inputs + s->n_weights; i++) {
        const spec_tensor *t = &s->tensor[i];
        ws_buf_printf(out, "  %s %s: const %s *, shape [", t->is_weight ? "weight" : "input",
                      t->name, ws_dtype_cuda(t->dtype));
        for (int d = 0; d < t->rank; d++) {
            ws_buf_adds(out, d ? ", " : "");
            ws_expr_print(t->shape[d], out);
        }
        ws_buf_adds(out, "]");
        put_range(t, out);
        ws_buf_addc(out, '\n');
    }
    put_outputs(s, out);
}

static void put_graph(const prompt_context *c, ws_buf *out)
{
    const cJSON *node;
    cJSON_ArrayForEach(node, cJSON_GetObjectItemCaseSensitive(c->spec->root, "graph"))
    {
        ws_buf_adds(out, "  ");
        ws_json_print(node, false, out);
        ws_buf_addc(out, '\n');
    }
}

static void put_precision(const prompt_context *c, ws_buf *out)
{
    ws_buf_printf(out, "%s, sums in %s", ws_dtype_name(c->spec->precision),
                  ws_dtype_name(c->spec->accumulate));
}

static void put_rules(const prompt_context *c, ws_buf *out)
{
    prompt_put_rules(c->spec, out);
}

static void put_tolerance(const prompt_context *c, ws_buf *out)
{
    prompt_put_tolerance(c->spec, out);
}

static void put_dims(const prompt_context *c, ws_buf *out)
{
    ws_env env = spec_env(c->spec, -1);
    spec_env_print(&env, out);
}

static void put_checks(const prompt_context *c, ws_buf *out)
{
    for (int i = 0; i < c->spec->n_checks; i++) {
        ws_env env = spec_env(c->spec, i);
        ws_buf_adds(out, i ? "; " : "");
        spec_env_print(&env, out);
    }
}

static void put_notes(const prompt_context *c, ws_buf *out)
{
    if (c->spec->notes)
        ws_buf_printf(out, "Notes: %s\n", c->spec->notes);
}

/* ", 495 tf32" */
static void put_rate(double rate, const char *name, ws_buf *out)
{
    if (rate > 0)
        ws_buf_printf(out, ", %.*f %s", rate < 100e12 ? 1 : 0, rate * 1e-12, name);
}

static void put_gpu(const prompt_context *c, ws_buf *out)
{
    const tim_gpu *g = tim_gpu_find(c->gpu);
    if (!g) {
        ws_buf_adds(out, c->gpu);
        return;
    }
    ws_buf_printf(out,
                  "%s (%s): %d SMs, %.2f TB/s DRAM, %.0f MiB L2, %.1f TFLOP/s f32; dense tensor "
                  "cores in T(FL)OP/s: %.0f %s",
                  g->title, g->arch, g->sms, g->dram_bytes_per_s * 1e-12, g->l2_bytes / (1 << 20),
                  g->f32_flops * 1e-12, g->tensor_f16_flops * 1e-12,
                  g->tensor_tf32_flops > 0 ? "f16 and bf16" : "f16"); /* both came with Ampere */
    put_rate(g->tensor_tf32_flops, "tf32", out);
    put_rate(g->tensor_f8_flops, "fp8", out);
    put_rate(g->tensor_f4_flops, "fp4", out);
    put_rate(g->tensor_i8_ops, "int8", out);
    put_rate(g->tensor_f64_flops, "f64", out);
    ws_buf_printf(out,
                  "; an SM has %d registers, %d KiB shared memory (%d KiB a block), %d warps and "
                  "%d blocks at most; a launch takes %.1f us",
                  g->registers_per_sm, g->shared_per_sm / 1024, g->shared_per_block / 1024,
                  g->max_warps_per_sm, g->max_blocks_per_sm, g->launch_s * 1e6);
}

static void put_lessons(const prompt_context *c, ws_buf *out)
{
    if (c->lessons)
        ws_buf_adds(out, c->lessons);
}

static void put_related(const prompt_context *c, ws_buf *out)
{
    if (c->related)
        ws_buf_adds(out, c->related);
}

/* ---- times ---- */

static void put_time(const db_candidate *c, ws_buf *out)
{
    double s = strat_seconds(c);
    if (isnan(s))
        ws_buf_adds(out, "not timed");
    else
        ws_buf_printf(out, "%.2f us %s", s * 1e6, isnan(c->measured_s) ? "modelled" : "measured");
    if (c->tune_json)
        ws_buf_printf(out, " with %s", c->tune_json);
}

/* How much faster attempt `i` is than generation 0, "" when that is not known. */
static void put_ratio(const prompt_context *c, int i, ws_buf *out)
{
    double r =
        strat_seconds(c->view->attempt[0].candidate) / strat_seconds(c->view->attempt[i].candidate);
    if (isfinite(r) && strat_passed(&c->view->attempt[i]))
        ws_buf_printf(out, "%.2fx", r);
    else
        ws_buf_adds(out, "speed-up unknown");
}

static const strat_attempt *subject(const prompt_context *c)
{
    return c->step->subject >= 0 ? &c->view->attempt[c->step->subject] : NULL;
}

/* The translation of a whole network is no reading matter: whole lines up to a limit. */
static void put_shown(const char *source, ws_buf *out)
{
    size_t all = strlen(source), n = all;
    if (all > LONGEST_SHOWN)
        for (n = LONGEST_SHOWN; n && source[n - 1] != '\n';)
            n--;
    ws_buf_add(out, source, n);
    if (n < all)
        ws_buf_printf(out, "/* and so on: %zu more bytes are not shown */\n", all - n);
}

static void put_baseline(const prompt_context *c, ws_buf *out)
{
    if (c->view->n_attempts)
        put_shown(c->view->attempt[0].candidate->source, out);
}

/* The same as long as it helps: of a long chain no longer than until something better passes. */
static void put_translation(const prompt_context *c, ws_buf *out)
{
    if (c->spec->n_nodes <= FEW_NODES || c->view->best <= 0)
        put_baseline(c, out);
}

static void put_baseline_time(const prompt_context *c, ws_buf *out)
{
    if (c->view->n_attempts && !strat_passed(&c->view->attempt[0]))
        ws_buf_printf(out, "but not here: %s", c->view->attempt[0].candidate->reason);
    else if (c->view->n_attempts)
        put_time(c->view->attempt[0].candidate, out);
}

static int best(const prompt_context *c)
{
    return c->view->best >= 0 ? c->view->best : 0;
}

static void put_best(const prompt_context *c, ws_buf *out)
{
    if (c->view->n_attempts)
        ws_buf_adds(out, c->view->attempt[best(c)].candidate->source);
}

static void put_best_time(const prompt_context *c, ws_buf *out)
{
    if (c->view->n_attempts)
        put_time(c->view->attempt[best(c)].candidate, out);
}

static void put_best_speedup(const prompt_context *c, ws_buf *out)
{
    if (c->view->n_attempts)
        put_ratio(c, best(c), out);
}

/* ---- the subject ---- */

static void put_source(const prompt_context *c, ws_buf *out)
{
    if (subject(c))
        ws_buf_adds(out, subject(c)->candidate->source);
}

static void put_subject_time(const prompt_context *c, ws_buf *out)
{
    if (subject(c))
        put_time(subject(c)->candidate, out);
}

static void put_speedup(const prompt_context *c, ws_buf *out)
{
    if (subject(c))
        put_ratio(c, c->step->subject, out);
}

/* Without hashes, seeds and our own times: they tell a model nothing and make every prompt
 * differ. */
static void put_verdict(const prompt_context *c, ws_buf *out)
{
    static const char *const noise[] = {"source_sha256",   "ptx_sha256",
                                        "compile_seconds", "run_seconds",
                                        "total_seconds",   "worst_error_over_tolerance"};
    if (!subject(c))
        return;
    cJSON *v = cJSON_Parse(subject(c)->verdict_json);
    cJSON *evidence = cJSON_GetObjectItemCaseSensitive(v, "evidence");
    for (size_t i = 0; i < WS_COUNT(noise); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(evidence, noise[i]);
    cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(v, "case"), "seed");
    if (v)
        ws_json_print(v, false, out);
    cJSON_Delete(v);
}

static void put_findings(const prompt_context *c, ws_buf *out)
{
    if (subject(c))
        prompt_put_findings(c, c->step->subject, 0, out);
}

static void put_baseline_findings(const prompt_context *c, ws_buf *out)
{
    if (c->view->n_attempts)
        prompt_put_findings(c, 0, BASELINE_LINES, out);
}

/* The verdict's one sentence, or its reason. */
static void put_why(const strat_attempt *a, size_t longest, ws_buf *out)
{
    cJSON *v = a->verdict_json ? cJSON_Parse(a->verdict_json) : NULL;
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(v, "text"));
    ws_arena arena = {0};
    ws_buf_adds(out, strat_text(&arena, text && *text ? text : a->candidate->reason, longest));
    ws_arena_release(&arena);
    cJSON_Delete(v);
}

/* What a model said of its kernel: nothing, or `before`, the text in whole words, `after`. */
static void put_note(const char *before, const db_candidate *c, const char *after, ws_buf *out)
{
    ws_arena arena = {0};
    const char *text = c->note ? strat_text(&arena, c->note, LONGEST_NOTE) : "";
    if (*text)
        ws_buf_printf(out, "%s%s%s", before, text, after);
    ws_arena_release(&arena);
}

/* Why a reply could not be used, and how it began. */
static void put_problem(const prompt_context *c, ws_buf *out)
{
    if (!subject(c)) {
        ws_buf_adds(out, "it had no kernel");
        return;
    }
    put_why(subject(c), 1024, out);
    put_note(". It began: \"", subject(c)->candidate, "\"", out);
}

static void put_tuning(const prompt_context *c, ws_buf *out)
{
    prompt_put_tuning(c->view, c->step->subject, out);
}

/* ---- the past ---- */

/* ", bound by dram", as the cost model says */
static void put_bound(const strat_attempt *a, ws_buf *out)
{
    cJSON *v = a->verdict_json ? cJSON_Parse(a->verdict_json) : NULL;
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(v, "modelled");
    const char *bound = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(model, "bound"));
    if (bound)
        ws_buf_printf(out, ", bound by %s", bound);
    cJSON_Delete(v);
}

/* "41.20 us before, 37.15 us modelled: 1.11x faster, 2.61x over the plain translation, bound by
 * dram" */
static void put_effect(const prompt_context *c, const strat_turn *t, ws_buf *out)
{
    const strat_view *v = c->view;
    int r = strat_result(v, t), of = t->step.subject;
    if (r < 0)
        r = t->attempt;
    double before = of >= 0 && strat_passed(&v->attempt[of])
                        ? strat_seconds(v->attempt[of].candidate)
                        : (double)NAN;
    double gain = before / strat_seconds(v->attempt[r].candidate);
    if (isfinite(before))
        ws_buf_printf(out, "%.2f us before, ", before * 1e6);
    put_time(v->attempt[r].candidate, out);
    if (gain > 1 + STRAT_GAIN)
        ws_buf_printf(out, ": %.2fx faster", gain);
    else if (gain > 1 - STRAT_GAIN)
        ws_buf_adds(out, ": no gain");
    else if (isfinite(gain))
        ws_buf_printf(out, ": %.2fx slower", 1 / gain);
    ws_buf_adds(out, ", ");
    put_ratio(c, r, out);
    ws_buf_adds(out, " over the plain translation");
    put_bound(&v->attempt[r], out);
}

static void put_attempt_line(const prompt_context *c, const strat_turn *t, ws_buf *out)
{
    const strat_attempt *a = t->attempt >= 0 ? &c->view->attempt[t->attempt] : NULL;
    ws_buf_printf(out, "- round %d, %s: ", t->turn + 1, t->step.purpose);
    if (!a) {
        ws_buf_printf(out, "no kernel (%s)\n", t->outcome);
        return;
    }
    if (strat_stopped(c->view, t)) {
        ws_buf_adds(out, "no change was seen that would help");
    } else if (strat_is_copy(c->view, t)) {
        int of = c->view->attempt[a->same_as].turn;
        ws_buf_printf(out,
                      of < 0 ? "a copy of the plain translation, no gain"
                             : "a copy of round %d, no gain",
                      of + 1);
    } else if (strat_passed(a)) {
        put_effect(c, t, out);
    } else {
        ws_buf_printf(out, "%s: ", a->candidate->reason);
        put_why(a, LONGEST_REASON, out);
    }
    put_note("; ", a->candidate, "", out);
    ws_buf_addc(out, '\n');
}

/* The last `most` kernel turns that worked on the step's subject (or did not), in turn order. Of
 * the others copies are only counted: their originals say more. */
static void put_turns(const prompt_context *c, bool siblings, int most, const char *title,
                      ws_buf *out)
{
    const strat_view *v = c->view;
    const int of = c->step->subject;
    int list[SIBLINGS + OTHERS], n = 0, copies = 0;
    for (int i = v->n_turns - 1; i >= 0; i--) {
        const strat_turn *t = &v->turn[i];
        bool is_subject = of >= 0 && v->attempt[of].turn == t->turn;
        if (t->step.reply != STRAT_KERNEL || is_subject ||
            (of >= 0 && t->step.subject == of) != siblings)
            continue;
        if (!siblings && strat_is_copy(v, t))
            copies++;
        else if (n < most)
            list[n++] = i;
    }
    if (!n && !copies)
        return;
    ws_buf_adds(out, title);
    while (n)
        put_attempt_line(c, &v->turn[list[--n]], out);
    if (copies)
        ws_buf_printf(out, "- %d gave copies of known kernels, no gain\n", copies);
    ws_buf_addc(out, '\n');
}

/* A short memory instead of an endless chat. */
static void put_attempts(const prompt_context *c, ws_buf *out)
{
    put_turns(c, true, SIBLINGS, "Already tried on this kernel:\n", out);
    prompt_put_slower(c, out);
    put_turns(c, false, OTHERS, "Earlier attempts:\n", out);
}

/* Worst first, so that the reader extrapolates to the better. */
static void put_inspirations(const prompt_context *c, ws_buf *out)
{
    for (int i = 0; i < c->step->n_inspirations; i++) {
        const db_candidate *k = c->view->attempt[c->step->inspiration[i]].candidate;
        ws_buf_printf(out, "Kernel %c (", 'A' + i);
        put_time(k, out);
        ws_buf_adds(out, ", ");
        put_ratio(c, c->step->inspiration[i], out);
        ws_buf_adds(out, " over the plain translation)");
        put_note(": ", k, "", out);
        ws_buf_adds(out, "\n\n```cuda\n");
        put_shown(k->source, out);
        ws_buf_adds(out, "\n```\n\n");
    }
}

static void put_idea(const prompt_context *c, ws_buf *out)
{
    if (c->step->idea)
        ws_buf_adds(out, c->step->idea);
}

/* What a model may say when there is nothing to say; strat_stopped reads it. */
static void put_stop(const prompt_context *c, ws_buf *out)
{
    if (prompt_nothing_left(c))
        ws_buf_adds(
            out, "No rule sees more than 1 % to gain, and the kernel takes within 2 % of what the "
                 "best kernel of this graph would take. If nothing else is left, the whole "
                 "reply may be \"STOP: \" and the reason.");
}

/* ---- the table ---- */

const prompt_variable prompt_variables[] = {
    {"name", true, put_name, "the spec's name"},
    {"title", true, put_title, "its title"},
    {"tensors", true, put_tensors, "inputs, weights and outputs with type and shape, one a line"},
    {"graph", true, put_graph, "the graph's nodes as JSON, one a line"},
    {"precision", true, put_precision, "the precision of honest arithmetic and of its sums"},
    {"rules", true, put_rules, "NaN and equals, one line for each operation where they matter"},
    {"tolerance", true, put_tolerance, "how far off an element may be, and what may use it"},
    {"dims", true, put_dims, "the shape that is timed"},
    {"checks", true, put_checks, "the shapes that are checked"},
    {"notes", true, put_notes, "the spec's notes"},
    {"gpu", true, put_gpu, "the target: SMs, bandwidth, arithmetic, memories, limits"},
    {"lessons", true, put_lessons, "what earlier runs learned on this GPU, one a line"},
    {"related", true, put_related, "the best kernels of related specs with their evidence"},
    {"baseline", true, put_baseline, "the plain translation, generation 0"},
    {"translation", false, put_translation,
     "the same; empty where the graph has more than 3 nodes and a better kernel passes"},
    {"baseline_time", false, put_baseline_time, "its time"},
    {"baseline_findings", false, put_baseline_findings,
     "its findings and its distance from the roofline, at most 40 lines"},
    {"best", false, put_best, "the fastest kernel that passes"},
    {"best_time", false, put_best_time, "its time"},
    {"best_speedup", false, put_best_speedup, "its speed-up over generation 0"},
    {"source", false, put_source, "the kernel to work on"},
    {"time", false, put_subject_time, "its time"},
    {"speedup", false, put_speedup, "its speed-up over generation 0"},
    {"verdict", false, put_verdict, "its verdict as JSON"},
    {"findings", false, put_findings, "its verdict and ranked findings, at most 150 lines"},
    {"problem", false, put_problem, "why the last reply could not be used, and how it began"},
    {"tuning", false, put_tuning, "the best time at each value of its tunables"},
    {"attempts", false, put_attempts,
     "the last attempts with times before and after; of slower ones their evidence"},
    {"stop", false, put_stop, "that the reply may be STOP, where nothing is left to gain"},
    {"inspirations", false, put_inspirations, "other kernels, worst first, each with its time"},
    {"idea", false, put_idea, "a direction, an idea or a diagnosis, from the strategy"},
};
const int prompt_n_variables = (int)WS_COUNT(prompt_variables);
