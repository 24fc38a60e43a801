/* What a sweep shows while it works: a line for every problem that is over, on standard output, and
 * on a terminal a table below them that is drawn again and again; with --json an event a line. */
#include "agent/sweep/sweep.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NAME_WIDTH = 40, SHOWN_ROWS = 12, REDRAW_MS = 500, ERROR_WIDTH = 68 };

static bool json(const sweep *w)
{
    return w->o->given->common.json;
}

static bool on_terminal(const sweep *w)
{
    return !json(w) && ws_log_level() >= WS_LOG_WARN && isatty(STDERR_FILENO);
}

/* Text of a spec or an error, for a screen: no byte of it commands the terminal; of what is too
 * long the end of a name, the beginning of a sentence. */
static const char *fit(const char *text, size_t width, bool end, char out[128])
{
    size_t n = strlen(text), from = end && n > width ? n - width : 0;
    size_t m = n - from < width ? n - from : width;
    for (size_t i = 0; i < m; i++) {
        unsigned char c = (unsigned char)text[from + i];
        out[i] = c < ' ' || c >= 0x7f ? '?' : (char)c;
    }
    out[m] = '\0';
    if (n > width)
        memcpy(end ? out : out + width - 2, "..", 2);
    return out;
}

static void put_clock(double seconds, char out[32])
{
    long s = seconds > 0 ? lround(seconds) : 0;
    if (s >= 360000)
        snprintf(out, 32, "%ldd", s / 86400);
    else if (s >= 3600)
        snprintf(out, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, 32, "%ld:%02ld", s / 60, s % 60);
}

static void put_speedup(double x, char out[32])
{
    if (isfinite(x))
        snprintf(out, 32, x < 100 ? "%.2fx" : "%.0fx", x);
    else
        snprintf(out, 32, "-");
}

static void put_replies(const sweep_row *r, char out[24])
{
    if (r->attempts)
        snprintf(out, 24, "%d/%d", r->right, r->attempts);
    else
        snprintf(out, 24, "-");
}

/* ---- counts ---- */

typedef struct counts {
    int waiting, working, done, limit, failed;
    double seconds; /* of those that this session finished */
    int finished;
} counts;

static counts count(const sweep *w)
{
    counts c = {0};
    for (int i = 0; i < w->n; i++) {
        const sweep_row *r = &w->row[i];
        const char *s = r->p.status;
        c.working += r->child != NULL;
        c.waiting += r->mine && !r->child;
        c.done += strcmp(s, "done") == 0;
        c.limit += strcmp(s, "limit") == 0;
        c.failed += strcmp(s, "failed") == 0;
        if (r->start_ns && !r->mine) {
            c.finished++;
            c.seconds += r->p.seconds - r->seconds_before;
        }
    }
    return c;
}

/* ---- the table ---- */

static void erase(sweep *w)
{
    for (int i = 0; i < w->shown_lines; i++)
        fputs("\033[A\033[2K", stderr);
    w->shown_lines = 0;
}

static void put_summary(sweep *w, const counts *c)
{
    char spent[32], left[32];
    int over = c->done + c->limit + c->failed;
    put_clock(sweep_seconds(w), spent);
    fprintf(stderr, "%d of %d over, %d at work, %s", over, w->n, c->working, spent);
    if (c->finished > 1 && c->waiting + c->working) {
        put_clock(c->seconds / c->finished * (c->waiting + c->working) / w->jobs, left);
        fprintf(stderr, ", about %s to go", left);
    }
    if (c->failed)
        fprintf(stderr, "; %d failed", c->failed);
    if (w->pot.spent.usd > 0)
        fprintf(stderr, "; %.2f USD", w->pot.spent.usd);
    fputc('\n', stderr);
    w->shown_lines++;
}

static void put_working(sweep *w, const sweep_row *r)
{
    char name[128], time[32], speedup[32], replies[24];
    put_clock(ws_seconds_since(r->start_ns), time);
    put_speedup(r->speedup, speedup);
    put_replies(r, replies);
    fprintf(stderr, "%4d %-*s %-9s %7s %8s %7s\n", r->p.position, NAME_WIDTH,
            fit(r->p.spec_name, NAME_WIDTH, true, name), r->doing, replies, speedup, time);
    w->shown_lines++;
}

void sweep_show_now(sweep *w)
{
    int shown = 0;
    if (!on_terminal(w) || ws_seconds_since(w->shown_ns) * 1e3 < REDRAW_MS)
        return;
    counts c = count(w);
    w->shown_ns = ws_now_ns();
    erase(w);
    for (int i = 0; i < w->n && shown < SHOWN_ROWS; i++)
        if (w->row[i].child) {
            put_working(w, &w->row[i]);
            shown++;
        }
    put_summary(w, &c);
    fflush(stderr);
}

/* ---- lines and events ---- */

static void print_event(cJSON *o)
{
    ws_arena a = {0};
    puts(ws_json_text(o, &a));
    fflush(stdout);
    ws_arena_release(&a);
    cJSON_Delete(o);
}

static cJSON *event(const char *name, const sweep *w)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "event", name);
    cJSON_AddStringToObject(o, "sweep", w->w.name);
    return o;
}

void sweep_show_begin(const sweep *w)
{
    counts c = count(w);
    char shard[32] = "";
    int over = c.done + c.limit + c.failed;
    if (w->w.shards > 1)
        snprintf(shard, sizeof shard, " of shard %d/%d", w->w.shard, w->w.shards);
    if (json(w)) {
        cJSON *o = event("sweep", w);
        cJSON_AddStringToObject(o, "suite", w->w.suite);
        cJSON_AddNumberToObject(o, "problems", w->n);
        cJSON_AddNumberToObject(o, "over", over);
        cJSON_AddNumberToObject(o, "shard", w->w.shard);
        cJSON_AddNumberToObject(o, "shards", w->w.shards);
        cJSON_AddStringToObject(o, "gpu", w->o->l.gpu);
        cJSON_AddNumberToObject(o, "jobs", w->jobs);
        print_event(o);
        return;
    }
    if (ws_log_level() >= WS_LOG_WARN)
        fprintf(stderr, "sweep %s: %d problems%s, %d over; %d at a time, for %s\n", w->w.name,
                w->n, shard, over, w->jobs, w->o->l.gpu);
    printf("%4s %-*s %-9s %7s %8s %7s\n", "#", NAME_WIDTH, "problem", "status", "right",
           "speed-up", "time");
    fflush(stdout);
}

static void print_problem(const sweep *w, const sweep_row *r)
{
    cJSON *o = event("problem", w);
    cJSON_AddNumberToObject(o, "position", r->p.position);
    cJSON_AddStringToObject(o, "spec", r->p.spec_name);
    cJSON_AddStringToObject(o, "status", r->p.status);
    if (r->p.error)
        cJSON_AddStringToObject(o, "error", r->p.error);
    if (r->p.model)
        cJSON_AddStringToObject(o, "model", r->p.model);
    if (r->p.strategy)
        cJSON_AddStringToObject(o, "strategy", r->p.strategy);
    cJSON_AddBoolToObject(o, "flawed", r->p.flaw != NULL);
    cJSON_AddNumberToObject(o, "replies", r->attempts);
    cJSON_AddNumberToObject(o, "right", r->right);
    if (isfinite(r->speedup))
        cJSON_AddNumberToObject(o, "speedup_over_generation_0", r->speedup);
    if (isfinite(r->p.seconds))
        cJSON_AddNumberToObject(o, "seconds", r->p.seconds);
    ws_json_add_int(o, "tokens", r->p.tokens);
    cJSON_AddNumberToObject(o, "usd", r->p.usd);
    print_event(o);
}

void sweep_show_row(sweep *w, const sweep_row *r)
{
    char name[128], time[32], speedup[32], replies[24], error[128];
    if (json(w)) {
        print_problem(w, r);
        return;
    }
    if (on_terminal(w)) {
        erase(w);
        fflush(stderr);
    }
    put_clock(r->p.seconds, time);
    put_speedup(r->speedup, speedup);
    put_replies(r, replies);
    printf("%4d %-*s %-9s %7s %8s %7s\n", r->p.position, NAME_WIDTH,
           fit(r->p.spec_name, NAME_WIDTH, true, name), r->p.status, replies, speedup, time);
    if (r->p.error)
        printf("     %s\n", fit(r->p.error, ERROR_WIDTH, false, error));
    fflush(stdout);
    w->shown_ns = 0;
}

void sweep_show_line(sweep *w, const sweep_row *r, const char *line)
{
    cJSON *o = json(w) ? cJSON_Parse(line) : NULL;
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "event"));
    if (name && strcmp(name, "candidate") == 0) {
        cJSON_AddStringToObject(o, "spec", r->p.spec_name);
        cJSON_AddNumberToObject(o, "position", r->p.position);
        print_event(o);
    } else {
        cJSON_Delete(o);
    }
}

void sweep_show_over(sweep *w)
{
    if (on_terminal(w)) {
        erase(w);
        fflush(stderr);
    }
}
