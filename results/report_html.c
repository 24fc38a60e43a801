/* The report as one page: results/report/report.html with its marks filled. Headline and tables are
 * written here and in report_tables.c, so that they need no script; the script reads the same model
 * as JSON. */
#include "results/report_page.h"

#include "base/json.h"
#include "base/sha256.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rep_html_put(ws_buf *out, const char *z)
{
    static const struct {
        char c;
        const char *entity;
    } special[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    ws_buf safe = {0};
    ws_buf_add_foreign(&safe, z ? z : "", "");
    for (const char *p = ws_buf_z(&safe); *p; p++) {
        size_t i = 0;
        while (i < WS_COUNT(special) && special[i].c != *p)
            i++;
        if (i < WS_COUNT(special))
            ws_buf_adds(out, special[i].entity);
        else
            ws_buf_addc(out, *p);
    }
    ws_buf_release(&safe);
}

void rep_html_put_ratio(ws_buf *out, double v)
{
    ws_buf t = {0};
    rep_put_ratio(v, &t);
    ws_buf_add(out, ws_buf_z(&t), isfinite(v) ? t.n - 1 : 0);
    ws_buf_adds(out, isfinite(v) ? "&times;" : "&ndash;");
    ws_buf_release(&t);
}

void rep_html_put_time(ws_buf *out, const res_time *t)
{
    if (!t || !t->kind || !isfinite(t->seconds)) {
        ws_buf_adds(out, "&ndash;");
        return;
    }
    ws_buf text = {0};
    rep_put_time(t->seconds, &text);
    rep_html_put(out, ws_buf_z(&text));
    ws_buf_printf(out, " <small>%s</small>", t->kind);
    ws_buf_release(&text);
}

/* ---- top ---- */

static void put_title(const rep_report *r, ws_buf *out)
{
    rep_html_put(out, r->title);
}

static void put_label(const rep_arm *arm, ws_buf *out)
{
    ws_buf label = {0};
    rep_time_label(arm, &label);
    rep_html_put(out, ws_buf_z(&label));
    ws_buf_release(&label);
}

static void put_subtitle(const rep_report *r, ws_buf *out)
{
    ws_buf_adds(out, "<p class=\"subtitle\">");
    for (int i = 0; i < r->n_sets; i++) {
        const rep_set *s = &r->set[i];
        ws_buf_printf(out, "%s%s ", i ? "; " : "", strcmp(s->kind, "sweep") == 0 ? "Sweep" : "Run");
        rep_html_put(out, s->name);
        if (s->status) {
            ws_buf_adds(out, ", ");
            rep_html_put(out, s->status);
        }
        if (s->shards > 1)
            ws_buf_printf(out, ", shard %d of %d", s->shard, s->shards);
        if (s->started)
            ws_buf_printf(out, ", begun %.10s", s->started);
    }
    ws_buf_printf(out, ". Written %.10s by ", r->generated);
    rep_html_put(out, r->tool);
    ws_buf_adds(out, ".</p>\n<ul class=\"tags\">");
    for (int k = 0; k < r->n_arms; k++) {
        ws_buf_adds(out, "<li>");
        if (r->n_arms > 1 || *r->arm[k].model) {
            rep_html_put(out, r->arm[k].label);
            ws_buf_adds(out, ": ");
        }
        put_label(&r->arm[k], out);
        ws_buf_adds(out, "</li>");
        if (r->arm[k].scripted)
            ws_buf_adds(out, "<li class=\"warn\">scripted replies</li>");
        if (r->arm[k].imported)
            ws_buf_adds(out, "<li class=\"warn\">judged elsewhere</li>");
    }
    ws_buf_adds(out, "</ul>");
}

/* ---- headline ---- */

static void tile(ws_buf *out, const char *name, const char *big, const char *sub)
{
    ws_buf_printf(out, "<div><dt>%s</dt><dd class=\"big\">%s</dd><dd class=\"sub\">%s</dd></div>\n",
                  name, big, sub);
}

/* Of one problem. */
static void put_single(const rep_report *r, ws_buf *out)
{
    const rep_problem *p = &r->problem[0];
    const res_baseline *b = rep_baseline_of(r, p);
    ws_buf big = {0}, sub = {0};
    rep_html_put_ratio(&big, b ? b->speedup : (double)NAN);
    ws_buf_adds(&sub, "over the ");
    rep_html_put(&sub, r->baseline);
    tile(out, "Speed-up", ws_buf_z(&big), ws_buf_z(&sub));
    ws_buf_reset(&big), ws_buf_reset(&sub);
    rep_put_time(p->row->best_time.seconds, &big);
    rep_html_put(&sub, p->row->best_time.kind ? p->row->best_time.kind : "no right kernel");
    if (b && isfinite(b->time.seconds)) {
        ws_buf_adds(&sub, ", baseline ");
        rep_put_time(b->time.seconds, &sub);
    }
    tile(out, "Best time", ws_buf_z(&big), ws_buf_z(&sub));
    ws_buf_reset(&big), ws_buf_reset(&sub);
    ws_buf_printf(&big, "%d of %d", p->row->attempts_correct, p->row->attempts);
    ws_buf_printf(&sub, "%d compiled", p->row->attempts_compiled);
    tile(out, "Attempts right", ws_buf_z(&big), ws_buf_z(&sub));
    ws_buf_release(&big), ws_buf_release(&sub);
}

static void put_many(const rep_arm *arm, const res_score *s, ws_buf *out)
{
    ws_buf big = {0}, sub = {0};
    ws_buf_printf(&big, "%.0f %%", 100.0 * s->fast[3] / s->n);
    ws_buf_printf(&sub, "%d of %d problems, fast_1", s->fast[3], s->n);
    tile(out, "Faster than the baseline", ws_buf_z(&big), ws_buf_z(&sub));
    ws_buf_reset(&big), ws_buf_reset(&sub);
    ws_buf_printf(&big, "%.0f %%", 100.0 * s->correct / s->n);
    ws_buf_printf(&sub, "%d of %d problems", s->correct, s->n);
    tile(out, "Right", ws_buf_z(&big), ws_buf_z(&sub));
    ws_buf_reset(&big), ws_buf_reset(&sub);
    rep_html_put_ratio(&big, s->geomean);
    ws_buf_printf(&sub, "geometric mean of %d; median ", s->compared);
    rep_html_put_ratio(&sub, s->median);
    ws_buf_adds(&sub, "; ");
    put_label(arm, &sub);
    tile(out, "Speed-up", ws_buf_z(&big), ws_buf_z(&sub));
    ws_buf_release(&big), ws_buf_release(&sub);
}

static void put_spending(const rep_arm *arm, const res_score *s, ws_buf *out)
{
    ws_buf big = {0}, sub = {0};
    if (s->calls) {
        rep_put_usd(s->usd, &big);
        rep_put_count((double)s->tokens, &sub);
        ws_buf_printf(&sub, " tokens in %d call%s", s->calls, s->calls == 1 ? "" : "s");
    } else {
        ws_buf_adds(&big, arm->imported ? "unknown" : "0 USD");
        ws_buf_adds(&sub, arm->imported ? "made and judged elsewhere" : "no model was asked");
    }
    tile(out, "Spent", ws_buf_z(&big), ws_buf_z(&sub));
    ws_buf_reset(&big), ws_buf_reset(&sub);
    if (!(s->seconds > 0))
        ws_buf_adds(&big, "&ndash;");
    else if (s->seconds < 120)
        ws_buf_printf(&big, "%.1f s", s->seconds);
    else if (s->seconds < 7200)
        ws_buf_printf(&big, "%.1f min", s->seconds / 60);
    else
        ws_buf_printf(&big, "%.1f h", s->seconds / 3600);
    ws_buf_adds(&sub, "summed over the problems");
    tile(out, "Work", ws_buf_z(&big), ws_buf_z(&sub));
    ws_buf_release(&big), ws_buf_release(&sub);
}

/* One of several. */
static void put_arm(const rep_arm *arm, const res_score *s, ws_buf *out)
{
    ws_buf name = {0}, big = {0}, sub = {0};
    rep_html_put(&name, arm->label);
    ws_buf_printf(&big, "%.0f %%", 100.0 * s->fast[3] / s->n);
    ws_buf_printf(&sub, "%d of %d problems faster, %.0f %% right; geometric mean ", s->fast[3], s->n,
                  100.0 * s->correct / s->n);
    rep_html_put_ratio(&sub, s->geomean);
    ws_buf_adds(&sub, ", ");
    put_label(arm, &sub);
    ws_buf_adds(&sub, "; ");
    if (s->calls)
        rep_put_usd(s->usd, &sub);
    else
        ws_buf_adds(&sub, "no calls");
    tile(out, ws_buf_z(&name), ws_buf_z(&big), ws_buf_z(&sub));
    ws_buf_release(&name), ws_buf_release(&big), ws_buf_release(&sub);
}

static void put_headline(const rep_report *r, ws_buf *out)
{
    ws_buf_adds(out, "<dl class=\"tiles\">\n");
    for (int k = 0; k < r->n_arms; k++) {
        const rep_score *s = rep_headline(r, k);
        if (s && r->n_arms > 1) {
            put_arm(&r->arm[k], &s->score, out);
        } else if (s) {
            r->n_problems == 1 ? put_single(r, out) : put_many(&r->arm[k], &s->score, out);
            put_spending(&r->arm[k], &s->score, out);
        }
    }
    ws_buf_adds(out, "</dl>\n");
}

static bool has_baselines(const rep_report *r)
{
    for (int i = 0; i < r->n_scores; i++)
        if (strcmp(r->score[i].baseline, r->baseline) != 0)
            return true;
    return false;
}

static void put_score_row(const rep_report *r, const rep_score *s, ws_buf *out)
{
    const rep_arm *arm = &r->arm[s->arm];
    const bool part = s->group || s->flawed; /* of what the row before it counts, or beside it */
    ws_buf_printf(out, "<tr><th scope=\"row\"%s>", part ? " class=\"part\"" : "");
    if (r->n_arms > 1) {
        ws_buf_adds(out, part ? "<span class=\"vh\">" : "");
        rep_html_put(out, arm->label);
        ws_buf_adds(out, part ? ", </span>" : "");
    } else if (!part) {
        ws_buf_adds(out, "all");
    }
    if (s->group)
        rep_html_put(out, *s->group ? s->group : "no group");
    ws_buf_adds(out, s->flawed ? "<span class=\"tag warn\">flawed specs</span></th>" : "</th>");
    if (has_baselines(r)) {
        ws_buf_adds(out, "<td>");
        rep_html_put(out, s->baseline);
        ws_buf_adds(out, "</td>");
    }
    ws_buf_printf(out, "<td class=\"n\">%d</td>", s->score.n);
    for (int i = 0; i < RES_FAST; i++)
        ws_buf_printf(out, "<td class=\"n%s\">%.3f</td>", i == 1 || i == 2 ? " opt" : "",
                      (double)s->score.fast[i] / s->score.n);
    ws_buf_adds(out, "<td class=\"n\">");
    rep_html_put_ratio(out, s->score.geomean);
    for (int k = 0; k < RES_PASS; k += 2) { /* 1 and 10 */
        ws_buf_adds(out, "</td><td class=\"n opt\">");
        isnan(s->score.pass[k]) ? ws_buf_adds(out, "&ndash;")
                                : ws_buf_printf(out, "%.3f", s->score.pass[k]);
    }
    ws_buf_adds(out, "</td></tr>\n");
}

static void put_scores(const rep_report *r, ws_buf *out)
{
    if (r->n_problems == 1)
        return; /* shares of one problem say nothing */
    ws_buf_printf(out,
                  "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of scores\"><table>"
                  "<caption><span>fast<sub>p</sub>: share of all problems that are right (p = 0), or right and "
                  "more than p times as fast as the baseline. Flawed specs are "
                  "counted apart.</span></caption><thead><tr><td></td>%s"
                  "<th scope=\"col\" class=\"n\">problems</th>",
                  has_baselines(r) ? "<th scope=\"col\">baseline</th>" : "");
    for (int i = 0; i < RES_FAST; i++)
        ws_buf_printf(out, "<th scope=\"col\" class=\"n%s\">fast<sub>%g</sub></th>",
                      i == 1 || i == 2 ? " opt" : "", res_fast_p[i]);
    ws_buf_adds(out, "<th scope=\"col\" class=\"n\">geomean</th>");
    for (int k = 0; k < RES_PASS; k += 2)
        ws_buf_printf(out, "<th scope=\"col\" class=\"n opt\">pass@%d</th>", res_pass_k[k]);
    ws_buf_adds(out, "</tr></thead><tbody>\n");
    for (int i = 0; i < r->n_scores; i++)
        put_score_row(r, &r->score[i], out);
    ws_buf_adds(out, "</tbody></table></div>\n");
}

/* ---- data and script ---- */

/* JSON inside of a script element: no '<' of it ends or begins anything. */
static void put_data(const rep_report *r, ws_buf *out)
{
    cJSON *o = rep_json(r);
    char *text = cJSON_PrintUnformatted(o);
    if (!text)
        ws_bug("out of memory printing JSON");
    for (const char *p = text, *end; *p; p = end) {
        end = p + strcspn(p, "<>&\xe2");
        ws_buf_add(out, p, (size_t)(end - p));
        if (*end == '\xe2' && (unsigned char)end[1] - 0x80u < 2) { /* U+2000 to U+207F */
            ws_buf_printf(out, "\\u%04x",
                          0x2000u + (((unsigned char)end[1] & 63u) << 6) + ((unsigned char)end[2] & 63u));
            end += 3;
        } else if (*end == '\xe2') {
            ws_buf_addc(out, *end++);
        } else if (*end) {
            ws_buf_printf(out, "\\u%04x", (unsigned char)*end++);
        }
    }
    free(text);
    cJSON_Delete(o);
}

/* The policy names the one script that may run by its SHA-256 in base 64. */
static void put_script_hash(const rep_report *r, ws_buf *out)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const ws_str js = rep_page(REP_PAGE_JS);
    char hex[WS_SHA256_HEX];
    unsigned char byte[WS_SHA256_SIZE + 1] = {0};
    (void)r;
    ws_sha256_of(js.p, js.n, hex);
    for (int i = 0; i < WS_SHA256_SIZE; i++) {
        unsigned v = 0;
        sscanf(hex + 2 * i, "%2x", &v);
        byte[i] = (unsigned char)v;
    }
    ws_buf_adds(out, "sha256-");
    for (int i = 0; i < WS_SHA256_SIZE; i += 3) { /* 32 bytes are ten triples and two more */
        const unsigned v = (unsigned)byte[i] << 16 | (unsigned)byte[i + 1] << 8 |
                           (i + 2 < WS_SHA256_SIZE ? byte[i + 2] : 0);
        for (int k = 3; k >= 0; k--)
            ws_buf_addc(out, i + 2 >= WS_SHA256_SIZE && k == 0 ? '=' : digit[v >> 6 * k & 63]);
    }
}

static void put_css(const rep_report *r, ws_buf *out)
{
    (void)r;
    ws_buf_add(out, rep_page(REP_PAGE_CSS).p, rep_page(REP_PAGE_CSS).n);
}

static void put_js(const rep_report *r, ws_buf *out)
{
    (void)r;
    ws_buf_add(out, rep_page(REP_PAGE_JS).p, rep_page(REP_PAGE_JS).n);
}

static const struct {
    const char *name;
    void (*put)(const rep_report *r, ws_buf *out);
} marks[] = {{"title", put_title},
             {"subtitle", put_subtitle},
             {"headline", put_headline},
             {"scores", put_scores},
             {"beside", rep_html_put_beside},
             {"problems", rep_html_put_problems},
             {"failures", rep_html_put_failures},
             {"costs", rep_html_put_costs},
             {"economics", rep_html_put_economics},
             {"economics_link", rep_html_put_economics_link},
             {"method", rep_html_put_method},
             {"data", put_data},
             {"css", put_css},
             {"script", put_js},
             {"script_hash", put_script_hash}};

void rep_html(const rep_report *r, ws_buf *out)
{
    ws_str page = rep_page(REP_PAGE_HTML);
    while (page.n) {
        const char *open = memmem(page.p, page.n, "{{", 2);
        const char *close = open ? memmem(open, page.n - (size_t)(open - page.p), "}}", 2) : NULL;
        if (!close)
            break;
        ws_buf_add(out, page.p, (size_t)(open - page.p));
        const ws_str name = {open + 2, (size_t)(close - open - 2)};
        size_t i = 0;
        while (i < WS_COUNT(marks) && !ws_str_eqz(name, marks[i].name))
            i++;
        if (i == WS_COUNT(marks))
            ws_bug("report.html: no mark '%.*s'", WS_STR_ARG(name));
        marks[i].put(r, out);
        page.n -= (size_t)(close + 2 - page.p);
        page.p = close + 2;
    }
    ws_buf_add(out, page.p, page.n);
}
