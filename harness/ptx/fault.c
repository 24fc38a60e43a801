/* Findings: who, where, what, in the report and as one line of text. */
#include "harness/ptx/engine.h"
#include "harness/ptx/module.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ptx_place ptx_insn_place(const ptx_ast *ast, const ptx_ast_insn *a)
{
    ptx_place p = {0, ""};
    if (a && a->src_line > 0) {
        p.line = a->src_line;
        const char *file =
            a->src_file >= 0 && a->src_file < ast->n_files ? ast->file[a->src_file] : NULL;
        const char *slash = file ? strrchr(file, '/') : NULL;
        p.file = slash ? slash + 1 : file ? file : "";
    }
    return p;
}

void ptx_thread_of(const ptx_warp *w, int lane, uint32_t tid[3])
{
    for (int d = 0; d < 3; d++)
        tid[d] = w->tid[d][lane & 31];
}

/* The further copies of a finding are counted, not listed. An error is no copy of a warning with which the
 * launch went on. */
static int same_fault(const ptx_grid *g, hx_reason reason, const ptx_ast_insn *a, ptx_severity severity)
{
    const ptx_report *r = g->report;
    for (int i = 0; i < r->n_faults; i++)
        if (r->fault[i].reason == reason && r->fault[i].ptx_line == (a ? a->ptx_line : 0) &&
            (!g->options->lanes_warn || r->fault[i].severity == severity))
            return i;
    return -1;
}

static void copy_name(char *out, size_t size, const ptx_ast_insn *a)
{
    size_t at = 0;
    out[0] = 0;
    for (int p = 0; a && p < a->n_parts && at + 1 < size; p++)
        at += (size_t)snprintf(out + at, size - at, "%s%.*s", p ? "." : "", WS_STR_ARG(a->part[p]));
}

uint32_t ptx_insn_offset(const ptx_program *p, const ptx_insn *i)
{
    for (int c = 0; i && c < p->n_codes; c++)
        if (i >= p->code[c]->insn && i < p->code[c]->insn + p->code[c]->n)
            return (uint32_t)(i - p->code[c]->insn) * 16;
    return 0;
}

static void fill_place(ptx_fault *f, const ptx_grid *g, const ptx_insn *i)
{
    const ptx_ast_insn *a = i ? i->ast : NULL;
    f->offset = ptx_insn_offset(g->program, i);
    ptx_place place = ptx_insn_place(g->ast, a);
    snprintf(f->kernel, sizeof f->kernel, "%s", g->program->info->name);
    snprintf(f->file, sizeof f->file, "%s", place.file);
    f->line = place.line;
    f->ptx_line = a ? a->ptx_line : 0;
    copy_name(f->insn, sizeof f->insn, a);
}

/* The blocks from this turn on end. Where blocks may wait for each other, or the budget is spent,
 * all do. */
static void stop_from(ptx_grid *g, uint32_t turn, hx_reason reason)
{
    bool all = ptx_blocks_may_wait(g) || reason == HX_ENDLESS;
    turn = all ? 0 : turn;
    if (turn < atomic_load(&g->stop_at))
        atomic_store(&g->stop_at, turn);
}

static bool is_later(const ptx_grid *g, int at, uint32_t turn)
{
    return at >= g->first_fault && g->fault_turn[at] > turn;
}

static void remove_fault(ptx_grid *g, int at)
{
    for (g->report->n_faults--; at < g->report->n_faults; at++) {
        g->report->fault[at] = g->report->fault[at + 1];
        g->fault_turn[at] = g->fault_turn[at + 1];
    }
}

/* The place of a finding among those of this launch, by turn. A copy that an earlier block has
 * replaces the one that is there. NULL: it was counted, or there is no room. */
static ptx_fault *insert_fault(ptx_grid *g, uint32_t turn, hx_reason reason, const ptx_ast_insn *a,
                               ptx_severity severity)
{
    ptx_report *r = g->report;
    int same = same_fault(g, reason, a, severity), at;
    uint64_t count = 0;
    if (same >= 0) {
        count = ++r->fault[same].count;
        if (!is_later(g, same, turn))
            return NULL;
        remove_fault(g, same);
    }
    if (r->n_faults == PTX_MAX_FAULTS) {
        if (!is_later(g, r->n_faults - 1, turn))
            return NULL;
        r->n_faults--;
    }
    for (at = r->n_faults++; at > 0 && is_later(g, at - 1, turn); at--) {
        r->fault[at] = r->fault[at - 1];
        g->fault_turn[at] = g->fault_turn[at - 1];
    }
    g->fault_turn[at] = turn;
    r->fault[at] = (ptx_fault){.reason = reason, .count = count, .severity = severity};
    return &r->fault[at];
}

/* With the grid locked; NULL: not locked any more. */
static ptx_fault *find_room(ptx_warp *w, const ptx_insn *i, int lane, hx_reason reason, ptx_severity severity)
{
    ptx_grid *g = w->worker->grid;
    ptx_fault *f = insert_fault(g, w->block->turn, reason, i ? i->ast : NULL, severity);
    if (!f) {
        pthread_mutex_unlock(&g->lock);
        return NULL;
    }
    fill_place(f, g, i);
    ptx_thread_of(w, lane, f->thread);
    memcpy(f->block, w->block->ctaid, sizeof f->block);
    return f;
}

ptx_fault *ptx_fault_new(ptx_warp *w, const ptx_insn *i, int lane, hx_reason reason)
{
    ptx_grid *g = w->worker->grid;
    w->event = PTX_EV_FAULT;
    if (reason == HX_SHARED_RACE || reason == HX_GLOBAL_RACE)
        w->block->held.insn = NULL;
    ptx_watch_release(w->block);
    pthread_mutex_lock(&g->lock);
    stop_from(g, w->block->turn, reason);
    g->report->ok = false;
    return find_room(w, i, lane, reason, PTX_SEV_ERROR);
}

ptx_fault *ptx_fault_warn(ptx_warp *w, const ptx_insn *i, int lane, hx_reason reason)
{
    pthread_mutex_lock(&w->worker->grid->lock);
    return find_room(w, i, lane, reason, PTX_SEV_WARNING);
}

static size_t append_place(const ptx_fault *f, char *out, size_t size)
{
    int n = snprintf(out, size, " by thread (%u,%u,%u) in block (%u,%u,%u) at ", f->thread[0],
                     f->thread[1], f->thread[2], f->block[0], f->block[1], f->block[2]);
    if (n < 0 || (size_t)n >= size)
        return size - 1;
    size_t at = (size_t)n;
    if (f->line)
        n = snprintf(out + at, size - at, "%s:%d", f->file[0] ? f->file : "line", f->line);
    else
        n = snprintf(out + at, size - at, "PTX line %d", f->ptx_line);
    at += n < 0 ? 0 : (size_t)n;
    n = at < size ? snprintf(out + at, size - at, " in %s", f->kernel) : 0;
    at += n < 0 ? 0 : (size_t)n;
    return at < size ? at : size - 1;
}

void ptx_fault_done(ptx_warp *w, ptx_fault *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
    size_t at = n < 0 ? 0 : (size_t)n < sizeof f->text ? (size_t)n : sizeof f->text - 1;
    append_place(f, f->text + at, sizeof f->text - at);
    pthread_mutex_unlock(&w->worker->grid->lock);
}

/* `sync`: NULL when synccheck has no phrase for it */
static void report(ptx_warp *w, const ptx_insn *i, int lane, hx_reason reason, const char *sync,
                   const char *fmt, va_list ap)
{
    char text[400];
    vsnprintf(text, sizeof text, fmt, ap);
    ptx_fault *f = ptx_fault_new(w, i, lane, reason);
    if (!f)
        return;
    if (sync)
        snprintf(f->sync, sizeof f->sync, "%s", sync);
    ptx_fault_done(w, f, "%s", text);
}

void ptx_fault_simple(ptx_warp *w, const ptx_insn *i, int lane, hx_reason reason, const char *fmt,
                      ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(w, i, lane, reason, NULL, fmt, ap);
    va_end(ap);
}

void ptx_fault_sync(ptx_warp *w, const ptx_insn *i, int lane, hx_reason reason, const char *sync,
                    const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(w, i, lane, reason, sync, fmt, ap);
    va_end(ap);
}
