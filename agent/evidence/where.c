#include "agent/evidence/where.h"

#include "agent/evidence/quote.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH = 100, IN_PLAN = PROF_KINDS, IN_HEAD, SHOWN = 2 };

/* What a rule's instructions are; IN_PLAN: the launch, IN_HEAD: the kernel's first line. A rule that is not here has no place. */
static const struct {
    const char *rule;
    int kind;
} places[] = {
    {"uncoalesced-loads", PROF_GLOBAL_LOAD},
    {"uncoalesced-stores", PROF_GLOBAL_STORE},
    {"rewrites", PROF_GLOBAL_STORE},
    {"narrow-accesses", PROF_GLOBAL_LOAD},
    {"re-reads", PROF_GLOBAL_LOAD},
    {"bank-conflicts", PROF_SHARED},
    {"local-memory", PROF_LOCAL},
    {"atomics", PROF_ATOMIC},
    {"shared-atomics", PROF_ATOMIC},
    {"few-blocks", IN_PLAN},
    {"idle-warps", IN_PLAN},
    {"ragged-waves", IN_PLAN},
    {"occupancy", IN_PLAN},
    {"uneven-blocks", IN_PLAN},
    {"serial-threads", PROF_ANY},
    {"dependent-loads", PROF_GLOBAL_LOAD},
    {"dependent-chain", PROF_ANY},
    {"spills", IN_HEAD},
    {"imbalance", PROF_BRANCH},
    {"idle-lanes", PROF_BRANCH},
    {"barriers", PROF_BARRIER},
    {"double-arithmetic", PROF_F64},
    {"index-arithmetic", PROF_INTEGER},
    {"special-functions", PROF_SPECIAL},
    {"tensor-cores", PROF_F32_FMA},
    {"register-tile", PROF_F32_FMA},
    {"algorithm", PROF_ANY},
    {"instructions", PROF_ANY},
};

/* The line of the source in which the kernel is defined, 0: not found. */
static int head_of(const ev_facts *f, const char *kernel)
{
    const char *source = f->subject->candidate ? f->subject->candidate->source : NULL;
    const char *p = source ? strstr(source, "__global__") : NULL;
    const size_t n = strlen(kernel);
    for (; n && p && (p = strstr(p, kernel)); p++) {
        const char *after = p + n + strspn(p + n, " \t");
        if (*after != '(')
            continue;
        int line = 1;
        for (const char *q = source; q < p; q++)
            line += *q == '\n';
        return line;
    }
    return 0;
}

void ev_where_of(const ev_facts *f, const ev_finding *x, ev_where *out)
{
    const findings_subject *s = f->subject;
    *out = (ev_where){0};
    if (x->launch < 0)
        return;
    const ev_launch *l = &f->launch[x->launch];
    const prof_kernel_lines *k = prof_lines_of(s->lines, l->kernel);
    for (size_t i = 0; i < WS_COUNT(places); i++) {
        if (strcmp(places[i].rule, x->rule) != 0)
            continue;
        if (places[i].kind == IN_PLAN && l->index > 0 && l->index <= s->n_launch_lines) {
            *out = (ev_where){.line = {{.line = s->launch_line[l->index - 1], .count = 1}},
                              .n = 1, .lines = 1, .what = "the launch"};
        } else if (places[i].kind == IN_HEAD && head_of(f, l->kernel)) {
            *out = (ev_where){.line = {{.line = head_of(f, l->kernel), .count = 1}},
                              .n = 1, .lines = 1, .what = "the kernel"};
        } else if (places[i].kind < PROF_KINDS && k) {
            const prof_top *top = &k->top[places[i].kind];
            *out = (ev_where){.n = top->n, .lines = top->lines,
                              .what = prof_kind_name((prof_kind)places[i].kind)};
            memcpy(out->line, top->line, sizeof out->line);
        }
    }
}

/* The line without the white space around it, cut. */
static const char *text_of(const ev_facts *f, int line, ws_arena *a)
{
    const char *p = f->subject->candidate ? f->subject->candidate->source : NULL;
    for (int at = 1; p && at < line; at++)
        p = (p = strchr(p, '\n')) ? p + 1 : NULL;
    if (!p)
        return "";
    const ws_str text = ws_str_trim((ws_str){p, strcspn(p, "\n")});
    return ws_arena_strndup(a, text.p, ev_cut(text.p, text.n, WIDTH));
}

void ev_where_write(const ev_facts *f, const ev_finding *x, ws_buf *out)
{
    ws_arena a = {0};
    ev_where w;
    ev_where_of(f, x, &w);
    for (int i = 0; i < w.n && i < SHOWN; i++) {
        ws_buf_printf(out, "   %s line %d", i ? "      " : "where:", w.line[i].line);
        if (w.lines > 1)
            ws_buf_printf(out, " (about %.0f %% of the %s)", 100 * w.line[i].share, w.what);
        ws_buf_adds(out, ": ");
        ws_buf_add_foreign(out, text_of(f, w.line[i].line, &a), "");
        ws_buf_addc(out, '\n');
    }
    ws_arena_release(&a);
}

cJSON *ev_where_json(const ev_facts *f, const ev_finding *x)
{
    ws_arena a = {0};
    ev_where w;
    cJSON *array = cJSON_CreateArray();
    ev_where_of(f, x, &w);
    for (int i = 0; i < w.n; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "line", w.line[i].line);
        cJSON_AddStringToObject(o, "of", w.what);
        cJSON_AddNumberToObject(o, "count", w.line[i].count);
        if (w.line[i].share > 0)
            ws_json_add_double(o, "share", w.line[i].share);
        char *text = ws_utf8_valid(text_of(f, w.line[i].line, &a));
        cJSON_AddStringToObject(o, "text", text);
        free(text);
        cJSON_AddItemToArray(array, o);
    }
    ws_arena_release(&a);
    return array;
}
