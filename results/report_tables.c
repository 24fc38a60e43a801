/* Tables of the page: problems, failures, costs, economics. */
#include "results/report_page.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* A value to sort by; none sorts last. */
static void put_key(ws_buf *out, double v)
{
    if (isfinite(v))
        ws_buf_printf(out, " data-v=\"%.9g\"", v);
    else
        ws_buf_adds(out, " data-v=\"\"");
}

/* A name may break behind '/' and '_'. */
static void put_breaking(ws_buf *out, const char *z, size_t n)
{
    ws_buf part = {0};
    for (size_t i = 0; i < n; i++) {
        ws_buf_addc(&part, z[i]);
        if (z[i] != '/' && z[i] != '_' && i + 1 < n)
            continue;
        rep_html_put(out, ws_buf_z(&part));
        ws_buf_adds(out, i + 1 < n ? "<wbr>" : "");
        ws_buf_reset(&part);
    }
    ws_buf_release(&part);
}

/* "kernelbench/level1/" is set apart, and left out where there is no room. */
static void put_name(ws_buf *out, const char *z)
{
    const char *slash = strrchr(z, '/');
    const size_t group = slash && slash[1] ? (size_t)(slash - z) + 1 : 0;
    if (group) {
        ws_buf_adds(out, "<span class=\"pre\">");
        put_breaking(out, z, group);
        ws_buf_adds(out, "<wbr></span>");
    }
    put_breaking(out, z + group, strlen(z + group));
}

/* ---- problems ---- */

static const char *result_of(const res_problem *row, const char **mark, const char **key)
{
    const bool open = strcmp(row->status, "waiting") == 0 || strcmp(row->status, "running") == 0;
    *mark = row->correct ? "ok" : open ? "un" : "no";
    *key = row->correct ? "right" : open ? "open" : "none";
    if (row->correct)
        return "right";
    if (open || strcmp(row->status, "failed") == 0)
        return row->status;
    return row->first_failure ? row->first_failure : "none right";
}

static void put_problem_row(const rep_report *r, int i, ws_buf *out)
{
    const rep_problem *p = &r->problem[i];
    const res_problem *row = p->row;
    const res_baseline *b = rep_baseline_of(r, p);
    const char *mark, *key, *result = result_of(row, &mark, &key);
    ws_buf_printf(out, "<tr id=\"p%d\" data-p=\"%d\" data-result=\"%s\"><th scope=\"row\">", i, i, key);
    ws_buf_printf(out, "<a href=\"#problem-%d\">", i);
    put_name(out, row->spec_name);
    ws_buf_adds(out, "</a>");
    if (row->flawed)
        ws_buf_adds(out, " <span class=\"tag warn\">flawed</span>");
    ws_buf_adds(out, "</th>");
    if (r->n_arms > 1) {
        ws_buf_adds(out, "<td>");
        rep_html_put(out, r->arm[p->arm].label);
        ws_buf_adds(out, "</td>");
    }
    ws_buf_printf(out, "<td><span class=\"v %s\">", mark);
    rep_html_put(out, result);
    ws_buf_adds(out, "</span></td><td class=\"n\"");
    put_key(out, b ? b->speedup : (double)NAN);
    ws_buf_adds(out, ">");
    rep_html_put_ratio(out, b ? b->speedup : (double)NAN);
    ws_buf_adds(out, "</td><td class=\"n w3c\"");
    put_key(out, row->best_time.seconds);
    ws_buf_adds(out, ">");
    rep_html_put_time(out, &row->best_time);
    ws_buf_adds(out, "</td><td class=\"n opt\"");
    put_key(out, b ? b->time.seconds : (double)NAN);
    ws_buf_adds(out, ">");
    rep_html_put_time(out, b ? &b->time : NULL);
    ws_buf_printf(out, "</td><td class=\"n opt\" data-v=\"%d\">%d / %d</td>", row->attempts_correct,
                  row->attempts_correct, row->attempts);
    ws_buf_printf(out, "<td class=\"n opt\" data-v=\"%" PRId64 "\">",
                  row->prompt_tokens + row->completion_tokens);
    rep_put_count((double)(row->prompt_tokens + row->completion_tokens), out);
    ws_buf_adds(out, "</td><td class=\"n opt\"");
    put_key(out, row->usd);
    ws_buf_adds(out, ">");
    if (row->calls)
        isnan(row->usd) ? ws_buf_adds(out, "unknown") : ws_buf_printf(out, "%.4f", row->usd);
    else
        ws_buf_adds(out, "&ndash;");
    ws_buf_adds(out, "</td><td class=\"n opt\"");
    put_key(out, row->seconds);
    isnan(row->seconds) ? ws_buf_adds(out, ">&ndash;</td></tr>\n")
                        : ws_buf_printf(out, ">%.1f s</td></tr>\n", row->seconds);
}

/* Those that a page shows before it has loaded: more than fit on a screen. */
enum { FIRST_ROWS = 60 };

void rep_html_put_problems(const rep_report *r, ws_buf *out)
{
    static const struct {
        const char *name, *more;
    } column[] = {{"speed-up", " class=\"n w2\" data-first=\"down\""}, {"best time", " class=\"n w3\""},
                  {"baseline", " class=\"n w4 opt\""},
                  {"right of", " class=\"n w5 opt\" data-first=\"down\""},
                  {"tokens", " class=\"n w6 opt\" data-first=\"down\""},
                  {"USD", " class=\"n w7 opt\" data-first=\"down\""},
                  {"work", " class=\"n w8 opt\" data-first=\"down\""}};
    ws_buf_adds(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of problems\">"
                     "<table id=\"problem-table\" class=\"list\"><caption>A row a problem; the name "
                     "leads to its kernels. Speed-ups refer to '");
    rep_html_put(out, r->baseline);
    ws_buf_printf(out, "'.</caption><thead><tr><th scope=\"col\" class=\"w0\">"
                       "problem</th>%s<th scope=\"col\" class=\"w1\">result</th>",
                  r->n_arms > 1 ? "<th scope=\"col\" class=\"w9\">arm</th>" : "");
    for (size_t i = 0; i < WS_COUNT(column); i++)
        ws_buf_printf(out, "<th scope=\"col\"%s>%s</th>", column[i].more, column[i].name);
    ws_buf_adds(out, "</tr></thead><tbody>\n");
    for (int i = 0; i < r->n_problems; i++) {
        if (i == FIRST_ROWS)
            ws_buf_adds(out, "</tbody><tbody class=\"later\">\n");
        put_problem_row(r, i, out);
    }
    ws_buf_adds(out, "</tbody></table></div>\n");
}

/* ---- side by side ---- */

/* The problem of an arm with this spec; NULL: it has none. */
static const rep_problem *of_arm(const rep_report *r, int arm, const char *name)
{
    for (int i = 0; i < r->n_problems; i++)
        if (r->problem[i].arm == arm && strcmp(r->problem[i].row->spec_name, name) == 0)
            return &r->problem[i];
    return NULL;
}

/* Whether problem i is the first of its spec, and another arm has it, too. */
static bool is_compared(const rep_report *r, int i)
{
    const char *name = r->problem[i].row->spec_name;
    bool other = false;
    for (int k = 0; k < r->n_problems; k++) {
        if (strcmp(r->problem[k].row->spec_name, name) != 0)
            continue;
        if (k < i)
            return false;
        other |= r->problem[k].arm != r->problem[i].arm;
    }
    return other;
}

static double speedup_of(const rep_report *r, const rep_problem *p)
{
    const res_baseline *b = p ? rep_baseline_of(r, p) : NULL;
    return b ? b->speedup : (double)NAN;
}

/* The largest speed-up of a spec; NaN: none, or times of several kinds or GPUs, of which none leads. */
static double best_of(const rep_report *r, const char *name)
{
    const res_time *first = NULL;
    double best = (double)NAN;
    for (int k = 0; k < r->n_arms; k++) {
        const rep_problem *p = of_arm(r, k, name);
        const double x = speedup_of(r, p);
        if (!isfinite(x))
            continue;
        if (first && isnan(res_speedup(first, &p->row->best_time)))
            return (double)NAN;
        first = &p->row->best_time;
        best = fmax(best, x); /* fmax drops NaN */
    }
    return best;
}

static void put_beside_row(const rep_report *r, const char *name, ws_buf *out)
{
    const double best = best_of(r, name);
    ws_buf_adds(out, "<tr><th scope=\"row\">");
    put_name(out, name);
    ws_buf_adds(out, "</th>");
    for (int k = 0; k < r->n_arms; k++) {
        const rep_problem *p = of_arm(r, k, name);
        const double x = speedup_of(r, p);
        const bool leads = x >= best;
        ws_buf_adds(out, leads ? "<td class=\"n\"><strong>" : "<td class=\"n\">");
        if (isfinite(x))
            rep_html_put_ratio(out, x);
        else
            ws_buf_adds(out, !p ? "&ndash;" : p->row->correct ? "not comparable" : "none right");
        if (isfinite(x))
            ws_buf_printf(out, " <small>%s</small>", p->row->best_time.kind);
        ws_buf_adds(out, leads ? "<span class=\"vh\"> (largest)</span></strong></td>" : "</td>");
    }
    ws_buf_adds(out, "</tr>\n");
}

void rep_html_put_beside(const rep_report *r, ws_buf *out)
{
    ws_buf rows = {.max = out->max};
    for (int i = 0; i < r->n_problems && r->n_arms > 1; i++)
        if (is_compared(r, i))
            put_beside_row(r, r->problem[i].row->spec_name, &rows);
    if (rows.n) {
        ws_buf_adds(out, "<h3>Side by side</h3>\n<div class=\"scroll tall\" tabindex=\"0\" "
                         "role=\"region\" aria-label=\"Table of speed-ups side by side\"><table><caption>Speed-ups of "
                         "problems that several arms have; the largest is bold where times are of one kind and GPU.</caption><thead><tr>"
                         "<th scope=\"col\">problem</th>");
        for (int k = 0; k < r->n_arms; k++) {
            ws_buf_adds(out, "<th scope=\"col\" class=\"n\">");
            rep_html_put(out, r->arm[k].label);
            ws_buf_adds(out, "</th>");
        }
        ws_buf_printf(out, "</tr></thead><tbody>\n%s</tbody></table></div>\n", ws_buf_z(&rows));
    }
    ws_buf_release(&rows);
}

/* ---- failures and costs ---- */

static void put_bar(ws_buf *out, double share)
{
    ws_buf_printf(out, "<td class=\"bar\" aria-hidden=\"true\"><span style=\"width:%.1f%%\"></span></td>",
                  100 * share);
}

void rep_html_put_failures(const rep_report *r, ws_buf *out)
{
    if (!r->n_failures) {
        ws_buf_adds(out, "<p>No attempt was rejected.</p>\n");
        return;
    }
    ws_buf_adds(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of failure classes\">"
                     "<table><caption>Attempts that were rejected, by verdict.</caption><thead><tr>"
                     "<th scope=\"col\">verdict</th><th scope=\"col\" class=\"n\">attempts</th>"
                     "<td></td><th scope=\"col\" class=\"n\">problems</th>"
                     "<th scope=\"col\" class=\"opt\">for instance</th></tr></thead><tbody>\n");
    for (int i = 0; i < r->n_failures; i++) {
        const rep_failure *f = &r->failure[i];
        ws_buf_adds(out, "<tr><th scope=\"row\">");
        rep_html_put(out, f->reason);
        ws_buf_printf(out, "</th><td class=\"n\">%d</td>", f->n);
        put_bar(out, (double)f->n / r->failure[0].n);
        ws_buf_printf(out, "<td class=\"n\">%d</td><td class=\"wide opt\"><small>", f->problems);
        rep_html_put(out, f->example);
        ws_buf_adds(out, "</small></td></tr>\n");
    }
    ws_buf_adds(out, "</tbody></table></div>\n");
}

static void put_stage_row(const rep_stage *t, double most, ws_buf *out)
{
    ws_buf_adds(out, "<tr><th scope=\"row\">");
    rep_html_put(out, t->purpose);
    ws_buf_adds(out, "</th><td>");
    rep_html_put(out, t->model);
    ws_buf_printf(out, "</td><td class=\"n\">%d</td><td class=\"n\">", t->calls);
    rep_put_count((double)t->prompt_tokens, out);
    ws_buf_adds(out, "</td><td class=\"n\">");
    rep_put_count((double)t->completion_tokens, out);
    ws_buf_adds(out, "</td><td class=\"n\">");
    rep_put_usd(t->unpriced == t->calls ? (double)NAN : t->usd, out);
    if (t->unpriced && t->unpriced < t->calls)
        ws_buf_printf(out, " <small>and %d unknown</small>", t->unpriced);
    ws_buf_adds(out, "</td>");
    const double cost = t->usd > 0 ? t->usd : (double)(t->prompt_tokens + t->completion_tokens);
    put_bar(out, most > 0 ? fmin(cost / most, 1) : 0);
    ws_buf_printf(out, "<td class=\"n\">%.1f s</td></tr>\n", t->seconds);
}

void rep_html_put_costs(const rep_report *r, ws_buf *out)
{
    double usd = 0, tokens = 0;
    for (int i = 0; i < r->n_stages; i++) {
        usd = fmax(usd, r->stage[i].usd);
        tokens = fmax(tokens, (double)(r->stage[i].prompt_tokens + r->stage[i].completion_tokens));
    }
    if (r->n_stages) {
        ws_buf_printf(out,
                      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of costs by stage "
                      "and model\"><table><caption>Calls by stage and model; the bars are %s."
                      "</caption><thead><tr><th scope=\"col\">stage</th><th scope=\"col\">model</th>"
                      "<th scope=\"col\" class=\"n\">calls</th><th scope=\"col\" class=\"n\">tokens in</th>"
                      "<th scope=\"col\" class=\"n\">tokens out</th><th scope=\"col\" class=\"n\">cost</th>"
                      "<td></td><th scope=\"col\" class=\"n\">waited</th></tr></thead><tbody>\n",
                      usd > 0 ? "dollars" : "tokens");
        for (int i = 0; i < r->n_stages; i++)
            put_stage_row(&r->stage[i], usd > 0 ? usd : tokens, out);
        ws_buf_adds(out, "</tbody></table></div>\n");
    } else {
        ws_buf_adds(out, "<p>No model was asked.</p>\n");
    }
    if (r->judge_seconds > 0)
        ws_buf_printf(out, "<p class=\"soft\" style=\"margin-top:.7rem\">Judging took %.1f s of "
                           "processes: %.1f s compiled, %.1f s ran kernels on the engine, the rest "
                           "computed references, compared and modelled.</p>\n",
                      r->judge_seconds, r->compile_seconds, r->run_seconds);
}

/* ---- economics ---- */

static bool has_economics(const rep_report *r)
{
    for (int i = 0; i < r->n_problems; i++)
        if (r->problem[i].worth)
            return true;
    return false;
}

void rep_html_put_economics_link(const rep_report *r, ws_buf *out)
{
    if (has_economics(r))
        ws_buf_adds(out, "<li><a href=\"#economics\">Economics</a></li>");
}

static void put_token_price(ws_buf *out, double usd)
{
    isnan(usd) ? ws_buf_adds(out, "unknown") : ws_buf_printf(out, "%.4g", usd);
}

static void put_worth_row(const rep_report *r, const rep_problem *p, ws_buf *out)
{
    const rep_worth *w = p->worth;
    ws_buf_adds(out, "<tr><th scope=\"row\">");
    rep_html_put(out, p->row->spec_name);
    if (r->n_arms > 1) {
        ws_buf_adds(out, " <small>");
        rep_html_put(out, r->arm[p->arm].label);
        ws_buf_adds(out, "</small>");
    }
    ws_buf_adds(out, "</th><td class=\"words opt\">");
    rep_html_put(out, w->model);
    ws_buf_adds(out, ", ");
    rep_html_put(out, w->phase);
    ws_buf_adds(out, "</td><td class=\"n\">");
    rep_html_put(out, w->gpu);
    if (isnan(w->usd_per_hour))
        ws_buf_adds(out, " <small>price unknown</small>");
    else
        ws_buf_printf(out, " <small>%.2f USD/h</small>", w->usd_per_hour);
    ws_buf_adds(out, "</td><td class=\"n\">");
    put_token_price(out, w->before_usd);
    ws_buf_printf(out, " <small>%s</small></td><td class=\"n\">", p->row->baseline[0].time.kind);
    put_token_price(out, w->after_usd);
    ws_buf_adds(out, "</td><td class=\"n\">");
    rep_put_usd(w->saved_usd_per_month, out);
    ws_buf_adds(out, "</td><td class=\"n\">");
    rep_put_usd(w->spent_usd, out);
    ws_buf_adds(out, "</td><td class=\"n\">");
    if (!(w->saved_usd_per_month > 0) && !isnan(w->saved_usd_per_month)) {
        ws_buf_adds(out, "nothing saved");
    } else if (isnan(w->break_even_tokens)) {
        ws_buf_adds(out, "unknown");
    } else if (!(w->break_even_tokens > 0)) {
        ws_buf_adds(out, "at once");
    } else {
        rep_put_count(w->break_even_tokens, out);
        ws_buf_printf(out, " tokens <small>%.3g days</small>",
                      w->break_even_tokens / w->traffic / 86400);
    }
    ws_buf_adds(out, "</td></tr>\n");
}

static void put_price_sources(const rep_report *r, ws_buf *out)
{
    const char *seen[16];
    int n = 0;
    for (int i = 0; i < r->n_problems; i++) {
        const rep_worth *w = r->problem[i].worth;
        int k = 0;
        if (!w || !w->price_source)
            continue;
        while (k < n && strcmp(seen[k], w->gpu) != 0)
            k++;
        if (k < n || n == 16)
            continue;
        seen[n++] = w->gpu;
        ws_buf_adds(out, n > 1 ? "; " : " Price of an hour: ");
        rep_html_put(out, w->gpu);
        ws_buf_printf(out, " %.2f USD, ", w->usd_per_hour);
        rep_html_put(out, w->price_source);
    }
    if (n)
        ws_buf_addc(out, '.');
}

void rep_html_put_economics(const rep_report *r, ws_buf *out)
{
    if (!has_economics(r))
        return;
    ws_buf_adds(out, "<section id=\"economics\" aria-labelledby=\"economics-h\"><h2 id=\"economics-h\">"
                     "Economics</h2>\n<p>What the operation alone costs in all its calls of one pass of "
                     "the model, with the plain translation before and the best kernel after.");
    put_price_sources(r, out);
    ws_buf_printf(out, " Savings at %.0f tokens per second%s.</p>\n", r->traffic,
                  r->traffic_given ? "" : ", an assumption that <code>--traffic</code> replaces");
    ws_buf_adds(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of economics\"><table>"
                     "<caption>USD per million tokens before and after, and when it pays for itself."
                     "</caption><thead><tr><th scope=\"col\">problem</th><th scope=\"col\" class=\"opt\">"
                     "model</th><th scope=\"col\" class=\"n\">GPU</th><th scope=\"col\" class=\"n\">before</th>"
                     "<th scope=\"col\" class=\"n\">after</th><th scope=\"col\" class=\"n\">saved a month"
                     "</th><th scope=\"col\" class=\"n\">spent</th><th scope=\"col\" class=\"n\">"
                     "breaks even after</th></tr></thead><tbody>\n");
    for (int i = 0; i < r->n_problems; i++)
        if (r->problem[i].worth)
            put_worth_row(r, &r->problem[i], out);
    ws_buf_adds(out, "</tbody></table></div></section>\n");
}

void rep_html_put_method(const rep_report *r, ws_buf *out)
{
    ws_buf line[REP_METHOD_LINES];
    const int n = rep_method(r, line);
    for (int i = 0; i < n; i++) {
        ws_buf_adds(out, "<p>");
        rep_html_put(out, ws_buf_z(&line[i]));
        ws_buf_adds(out, "</p>\n");
        ws_buf_release(&line[i]);
    }
}
