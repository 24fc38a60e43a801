/* Evidence of several kernels in one prompt: what became slower and where, and whether the rules
 * see anything left to gain. */
#include "agent/strategy/prompt_vars.h"

#include "agent/evidence/rules.h"
#include "agent/strategy/past.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOWER_SHOWN = 3 };

static findings_subject evidence_of(const prompt_context *c, int i)
{
    const strat_view *v = c->view;
    return (findings_subject){.spec = c->spec,
                              .gpu = c->gpu,
                              .candidate = v->attempt[i].candidate,
                              .verdict_json = v->attempt[i].verdict_json,
                              .first = v->attempt[0].candidate,
                              .best = v->best >= 0 ? v->attempt[v->best].candidate : NULL};
}

void prompt_put_findings(const prompt_context *c, int i, int most, ws_buf *out)
{
    findings_subject s = evidence_of(c, i);
    findings_write(&s, most, out);
}

/* ---- what became slower ---- */

/* The first line of `text` that begins with `head`, n = 0: none. */
static ws_str line_with(const char *text, const char *head)
{
    size_t n = strlen(head);
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (strncmp(p, head, n) == 0)
            return (ws_str){p, strcspn(p, "\n")};
    return (ws_str){"", 0};
}

static ws_str next_line(ws_str line)
{
    const char *p = line.p + line.n;
    p += line.n && *p == '\n';
    return line.n ? (ws_str){p, strcspn(p, "\n")} : line;
}

static void put_indented(ws_str line, ws_buf *out)
{
    line = ws_str_trim(line);
    if (line.n)
        ws_buf_printf(out, "  %.*s\n", WS_STR_ARG(line));
}

/* ": bound by dram; DRAM 44.5 us, ..." and its longest launch. */
static void put_where(const prompt_context *c, int i, const char *text, ws_buf *out)
{
    char head[32];
    ev_facts f;
    int longest = 0;
    findings_subject s = evidence_of(c, i);
    ws_str where = line_with(text, "Where it goes");
    const char *begin = where.n ? memchr(where.p, ':', where.n) : NULL;
    if (begin)
        ws_buf_add(out, begin, (size_t)(where.p + where.n - begin));
    ws_buf_addc(out, '\n');
    ev_facts_init(&f, &s);
    for (int k = 1; k < f.n_launches; k++)
        if (f.launch[k].time.seconds > f.launch[longest].time.seconds)
            longest = k;
    if (f.n_launches) {
        snprintf(head, sizeof head, "  %d. ", f.launch[longest].index);
        ws_str launch = line_with(text, f.launch[longest].index ? head : "  all in one");
        put_indented(launch, out);
        put_indented(next_line(launch), out);
    }
    ev_facts_release(&f);
}

/* The rule that would gain most, and what it saw; what to do is the reader's to find. */
static void put_first_finding(const char *text, ws_buf *out)
{
    ws_str finding = line_with(text, "1. ");
    if (!finding.n)
        return;
    ws_str seen = ws_str_trim(next_line(finding));
    ws_buf_printf(out, "  its first finding: %.*s; %.*s\n", (int)finding.n - 3, finding.p + 3,
                  WS_STR_ARG(seen));
}

static void put_kernel(const prompt_context *c, int i, const char *name, ws_buf *out)
{
    ws_buf text = {0};
    ws_buf_printf(out, "- %s, %.2f us", name, strat_seconds(c->view->attempt[i].candidate) * 1e6);
    prompt_put_findings(c, i, 0, &text);
    put_where(c, i, ws_buf_z(&text), out);
    if (i != c->step->subject)
        put_first_finding(ws_buf_z(&text), out);
    ws_buf_release(&text);
}

/* The attempt that a turn set out to change: repairs go back to what was to be changed first. -1:
 * none. */
static int changed_by(const strat_view *v, const strat_turn *t)
{
    int of = t->step.subject;
    for (int i = v->n_turns - 1; i >= 0 && of >= 0 && !strat_passed(&v->attempt[of]); i--)
        if (v->turn[i].turn == v->attempt[of].turn)
            of = v->turn[i].step.subject;
    return of;
}

/* The turn's kernel when it changed `of` and is slower by more than noise, else -1. */
static int slower(const strat_view *v, const strat_turn *t, int of)
{
    if (t->step.reply != STRAT_KERNEL || changed_by(v, t) != of)
        return -1;
    int r = strat_result(v, t);
    double by =
        r >= 0 ? strat_seconds(v->attempt[r].candidate) / strat_seconds(v->attempt[of].candidate)
               : (double)NAN;
    return by > 1 + STRAT_GAIN ? r : -1;
}

void prompt_put_slower(const prompt_context *c, ws_buf *out)
{
    const strat_view *v = c->view;
    const int of = c->step->subject;
    int list[SLOWER_SHOWN], n = 0;
    if (of < 0 || !strat_passed(&v->attempt[of]))
        return;
    for (int i = v->n_turns - 1; i >= 0 && n < SLOWER_SHOWN; i--)
        if (slower(v, &v->turn[i], of) >= 0)
            list[n++] = i;
    if (!n)
        return;
    ws_buf_adds(out, "Where the slower ones lost, beside the kernel above:\n");
    put_kernel(c, of, "the kernel above", out);
    while (n) {
        const strat_turn *t = &v->turn[list[--n]];
        char name[32];
        snprintf(name, sizeof name, "round %d", t->turn + 1);
        put_kernel(c, slower(v, t, of), name, out);
    }
    ws_buf_addc(out, '\n');
}

/* ---- nothing left ---- */

#define LITTLE    0.01 /* of the time: no finding says more */
#define NEAR_ROOF 0.02 /* of the time, from what the best kernel of the graph would take */

/* The bytes at the rate that copies reach, or the operations, and one launch. */
static bool is_near_roof(const ev_facts *f, double seconds)
{
    if (!f->gpu || !f->has_cost || !(f->floor_s > 0))
        return false;
    double bytes = f->cost.min_bytes / (tim_constants_of(f->gpu).dram_efficiency * f->gpu->dram_bytes_per_s);
    double best = fmax(bytes, f->floor_s) + tim_constants_of(f->gpu).launch_s;
    return fabs(1 - best / seconds) <= NEAR_ROOF;
}

/* Only of the best: what is left to gain on another is known already. */
bool prompt_nothing_left(const prompt_context *c)
{
    ev_facts f;
    ev_finding x[EV_MAX_FINDINGS];
    const int i = c->step->subject;
    if (i < 0 || i != c->view->best)
        return false;
    findings_subject s = evidence_of(c, i);
    ev_facts_init(&f, &s);
    bool nothing = f.passed && is_near_roof(&f, strat_seconds(s.candidate));
    int n = nothing ? ev_findings(&f, x) : 0;
    for (int k = 0; k < n; k++)
        nothing &= x[k].gain <= LITTLE * f.seconds;
    ev_facts_release(&f);
    return nothing;
}
