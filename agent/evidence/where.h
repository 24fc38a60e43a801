/* Where in the source a finding is: the lines whose instructions its rule is about, or the launch
 * in the plan, for rules about the grid and what is resident. */
#ifndef AGENT_EVIDENCE_WHERE_H
#define AGENT_EVIDENCE_WHERE_H

#include "agent/evidence/rules.h"
#include "harness/profile/lines.h"

typedef struct ev_where {
    prof_line
        line[PROF_TOP_LINES]; /* the likeliest first; its share is 0 for a place in the plan */
    int n, lines;             /* lines: how many have such instructions; 0: nothing is known */
    const char *what;               /* "global loads", "the launch" */
} ev_where;

/* `subject->lines` and `launch_line` of the facts' subject tell; without them nothing is known. */
void ev_where_of(const ev_facts *f, const ev_finding *x, ev_where *out);
/* "line 27 (71 % of the global loads): s += x[i];", a line each, indented; nothing where nothing is
 * known. */
void ev_where_write(const ev_facts *f, const ev_finding *x, ws_buf *out);
/* [{"line", "count", "share", "text"}], empty where nothing is known. */
cJSON *ev_where_json(const ev_facts *f, const ev_finding *x);

#endif
