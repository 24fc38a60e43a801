/* The report as Markdown for people and review comments, and as CSV for spreadsheets. */
#include "results/report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- Markdown ---- */

/* What is not ours, in a table's cell: no markup of it, no line break. */
static void put_cell(const char *z, ws_buf *out)
{
    ws_buf safe = {0};
    ws_buf_add_foreign(&safe, z, "");
    for (const char *p = ws_buf_z(&safe); *p; p++) {
        if (strchr("\\`*[]|<>&", *p))
            ws_buf_addc(out, '\\');
        ws_buf_addc(out, *p == '\n' || *p == '\t' ? ' ' : *p);
    }
    ws_buf_release(&safe);
}

static void put_share(int n, int of, ws_buf *out)
{
    ws_buf_printf(out, "%d / %d (%.0f%%)", n, of, of ? 100.0 * n / of : 0);
}

static void put_headline(const rep_report *r, ws_buf *out)
{
    ws_buf_adds(out, "| | problems | right | fast_1 | geometric mean | median | times | tokens | cost "
                     "|\n|---|---|---|---|---|---|---|---|---|\n");
    for (int k = 0; k < r->n_arms; k++) {
        const rep_score *s = rep_headline(r, k);
        if (!s)
            continue;
        ws_buf_adds(out, "| ");
        put_cell(r->arm[k].label, out);
        ws_buf_printf(out, "%s%s | %d | ", r->arm[k].scripted ? " (scripted replies)" : "",
                      r->arm[k].imported ? " (imported)" : "", s->score.n);
        put_share(s->score.correct, s->score.n, out);
        ws_buf_adds(out, " | ");
        put_share(s->score.fast[3], s->score.n, out);
        ws_buf_adds(out, " | ");
        rep_put_ratio(s->score.geomean, out);
        ws_buf_printf(out, " of %d | ", s->score.compared);
        rep_put_ratio(s->score.median, out);
        ws_buf_adds(out, " | ");
        rep_time_label(&r->arm[k], out);
        ws_buf_adds(out, " | ");
        rep_put_count((double)s->score.tokens, out);
        ws_buf_adds(out, " | ");
        rep_put_usd(s->score.usd, out);
        ws_buf_adds(out, " |\n");
    }
}

static void put_scores(const rep_report *r, ws_buf *out)
{
    ws_buf_adds(out, "\n## fast_p\n\n| | baseline | problems |");
    for (int i = 0; i < RES_FAST; i++)
        ws_buf_printf(out, " fast_%g |", res_fast_p[i]);
    ws_buf_adds(out, " pass@1 | pass@5 | pass@10 |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (int i = 0; i < r->n_scores; i++) {
        const rep_score *s = &r->score[i];
        ws_buf_adds(out, "| ");
        put_cell(r->arm[s->arm].label, out);
        ws_buf_adds(out, s->flawed ? ", flawed specs" : s->group ? ", " : "");
        put_cell(s->group ? s->group : "", out);
        ws_buf_adds(out, " | ");
        put_cell(s->baseline, out);
        ws_buf_printf(out, " | %d |", s->score.n);
        for (int f = 0; f < RES_FAST; f++)
            ws_buf_printf(out, " %.3f |", (double)s->score.fast[f] / s->score.n);
        for (int k = 0; k < RES_PASS; k++)
            isnan(s->score.pass[k]) ? ws_buf_adds(out, " - |")
                                    : ws_buf_printf(out, " %.3f |", s->score.pass[k]);
        ws_buf_adds(out, "\n");
    }
}

static void put_problems(const rep_report *r, ws_buf *out)
{
    ws_buf_printf(out, "\n## Problems\n\n| problem | %sresult | speed-up | time | baseline | "
                       "attempts right | first failure | tokens | cost |\n"
                       "|---|%s---|---|---|---|---|---|---|---|\n",
                  r->n_arms > 1 ? "arm | " : "", r->n_arms > 1 ? "---|" : "");
    for (int i = 0; i < r->n_problems; i++) {
        const rep_problem *p = &r->problem[i];
        const res_problem *row = p->row;
        const res_baseline *b = rep_baseline_of(r, p);
        ws_buf_adds(out, "| ");
        put_cell(row->spec_name, out);
        ws_buf_adds(out, row->flawed ? " (flawed) | " : " | ");
        if (r->n_arms > 1) {
            put_cell(r->arm[p->arm].label, out);
            ws_buf_adds(out, " | ");
        }
        put_cell(row->correct ? "right" : strcmp(row->status, "done") ? row->status : "none right",
                 out);
        ws_buf_adds(out, " | ");
        rep_put_ratio(b ? b->speedup : (double)NAN, out);
        ws_buf_adds(out, " | ");
        rep_put_time(row->best_time.seconds, out);
        ws_buf_printf(out, " %s | ", row->best_time.kind ? row->best_time.kind : "");
        rep_put_time(b ? b->time.seconds : (double)NAN, out);
        ws_buf_printf(out, " %s | %d of %d | ", b && b->time.kind ? b->time.kind : "",
                      row->attempts_correct, row->attempts);
        put_cell(row->error ? row->error : row->first_failure ? row->first_failure : "", out);
        ws_buf_adds(out, " | ");
        rep_put_count((double)(row->prompt_tokens + row->completion_tokens), out);
        ws_buf_adds(out, " | ");
        rep_put_usd(row->usd, out);
        ws_buf_adds(out, " |\n");
    }
}

static void put_costs(const rep_report *r, ws_buf *out)
{
    if (r->n_failures)
        ws_buf_adds(out, "\n## Failure classes\n\n| verdict | attempts | problems |\n|---|---|---|\n");
    for (int i = 0; i < r->n_failures; i++) {
        ws_buf_adds(out, "| ");
        put_cell(r->failure[i].reason, out);
        ws_buf_printf(out, " | %d | %d |\n", r->failure[i].n, r->failure[i].problems);
    }
    if (r->n_stages)
        ws_buf_adds(out, "\n## Cost by stage and model\n\n| stage | model | calls | tokens in | "
                         "tokens out | cost | seconds |\n|---|---|---|---|---|---|---|\n");
    for (int i = 0; i < r->n_stages; i++) {
        const rep_stage *t = &r->stage[i];
        ws_buf_adds(out, "| ");
        put_cell(t->purpose, out);
        ws_buf_adds(out, " | ");
        put_cell(t->model, out);
        ws_buf_printf(out, " | %d | %" PRId64 " | %" PRId64 " | ", t->calls, t->prompt_tokens,
                      t->completion_tokens);
        rep_put_usd(t->unpriced == t->calls ? (double)NAN : t->usd, out);
        if (t->unpriced && t->unpriced < t->calls)
            ws_buf_printf(out, " and %d calls of unknown cost", t->unpriced);
        ws_buf_printf(out, " | %.1f |\n", t->seconds);
    }
}

static void put_break_even(const rep_worth *w, ws_buf *out)
{
    if (!(w->saved_usd_per_month > 0) && !isnan(w->saved_usd_per_month)) {
        ws_buf_adds(out, "nothing saved");
    } else if (isnan(w->break_even_tokens)) {
        ws_buf_adds(out, "unknown");
    } else if (!(w->break_even_tokens > 0)) {
        ws_buf_adds(out, "at once");
    } else {
        rep_put_count(w->break_even_tokens, out);
        ws_buf_adds(out, " tokens");
    }
}

static void put_economics(const rep_report *r, ws_buf *out)
{
    bool any = false;
    for (int i = 0; i < r->n_problems; i++) {
        const rep_worth *w = r->problem[i].worth;
        if (!w)
            continue;
        if (!any)
            ws_buf_printf(out,
                          "\n## Economics\n\nAt %.0f tokens per second%s. Cost of the operation "
                          "alone, in all calls of a pass of the model; times are labelled.\n\n"
                          "| problem | model | GPU | USD / h | before, USD per M tokens | after | "
                          "saved a month | spent | pays for itself after |\n"
                          "|---|---|---|---|---|---|---|---|---|\n",
                          r->traffic, r->traffic_given ? "" : " (assumed)");
        any = true;
        ws_buf_adds(out, "| ");
        put_cell(r->problem[i].row->spec_name, out);
        ws_buf_adds(out, " | ");
        put_cell(w->model, out);
        ws_buf_printf(out, ", %s | %s | ", w->phase, w->gpu ? w->gpu : "");
        isnan(w->usd_per_hour) ? ws_buf_adds(out, "unknown")
                               : ws_buf_printf(out, "%.2f (%s)", w->usd_per_hour, w->price_source);
        ws_buf_printf(out, " | %.6f %s | %.6f | ", w->before_usd,
                      r->problem[i].row->baseline[0].time.kind, w->after_usd);
        rep_put_usd(w->saved_usd_per_month, out);
        ws_buf_adds(out, " | ");
        rep_put_usd(w->spent_usd, out);
        ws_buf_adds(out, " | ");
        put_break_even(w, out);
        ws_buf_adds(out, " |\n");
    }
}

void rep_markdown(const rep_report *r, ws_buf *out)
{
    ws_buf line[REP_METHOD_LINES];
    ws_buf_adds(out, "# ");
    put_cell(r->title, out);
    ws_buf_adds(out, "\n\n");
    put_headline(r, out);
    put_scores(r, out);
    put_problems(r, out);
    put_costs(r, out);
    put_economics(r, out);
    ws_buf_adds(out, "\n## How it was measured\n");
    const int n = rep_method(r, line);
    for (int i = 0; i < n; i++) {
        ws_buf_printf(out, "\n%s\n", ws_buf_z(&line[i]));
        ws_buf_release(&line[i]);
    }
}

/* ---- CSV ---- */

/* Quoted; a text that a spreadsheet would compute begins with an apostrophe. */
static void put_text(const char *z, ws_buf *out)
{
    z = z ? z : "";
    ws_buf_adds(out, *z && strchr("=+-@\t\r", *z) ? "\"'" : "\"");
    for (; *z; z++) {
        if (*z == '"')
            ws_buf_addc(out, '"');
        ws_buf_addc(out, *z);
    }
    ws_buf_addc(out, '"');
}

static void put_number(double v, ws_buf *out)
{
    if (isfinite(v))
        ws_buf_printf(out, "%.9g", v);
}

void rep_csv(const rep_report *r, ws_buf *out)
{
    ws_buf_adds(out, "set,arm,spec,group,flawed,status,error,run,model,strategy,scripted,imported,"
                     "attempts,attempts_compiled,attempts_correct,compiled,correct,best_candidate,"
                     "best_seconds,time_kind,gpu,baseline,baseline_seconds,baseline_kind,speedup,"
                     "first_failure,calls,prompt_tokens,completion_tokens,usd,seconds\r\n");
    for (int i = 0; i < r->n_problems; i++) {
        const rep_problem *p = &r->problem[i];
        const res_problem *row = p->row;
        const res_baseline *b = rep_baseline_of(r, p);
        const char *const first[] = {r->set[r->arm[p->arm].set].name, r->arm[p->arm].label,
                                     row->spec_name, row->group, row->flawed ? "true" : "false",
                                     row->status, row->error, row->run_name, row->model,
                                     row->strategy, row->scripted ? "true" : "false",
                                     row->imported ? "true" : "false"};
        for (size_t k = 0; k < WS_COUNT(first); k++) {
            put_text(first[k], out);
            ws_buf_addc(out, ',');
        }
        ws_buf_printf(out, "%d,%d,%d,%s,%s,", row->attempts, row->attempts_compiled,
                      row->attempts_correct, row->compiled ? "true" : "false",
                      row->correct ? "true" : "false");
        if (row->best)
            ws_buf_printf(out, "%" PRId64, row->best);
        ws_buf_addc(out, ',');
        put_number(row->best_time.seconds, out);
        ws_buf_addc(out, ',');
        put_text(row->best_time.kind, out);
        ws_buf_addc(out, ',');
        put_text(row->best_time.gpu, out);
        ws_buf_addc(out, ',');
        put_text(b ? b->name : "", out);
        ws_buf_addc(out, ',');
        put_number(b ? b->time.seconds : (double)NAN, out);
        ws_buf_addc(out, ',');
        put_text(b ? b->time.kind : "", out);
        ws_buf_addc(out, ',');
        put_number(b ? b->speedup : (double)NAN, out);
        ws_buf_addc(out, ',');
        put_text(row->first_failure, out);
        ws_buf_printf(out, ",%d,%" PRId64 ",%" PRId64 ",", row->calls, row->prompt_tokens,
                      row->completion_tokens);
        put_number(row->usd, out);
        ws_buf_addc(out, ',');
        put_number(row->seconds, out);
        ws_buf_adds(out, "\r\n");
    }
}
