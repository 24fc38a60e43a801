/* The page of a report: its skeleton, style and script (results/report/), as they are built into the
 * program, and what its writers share. */
#ifndef RESULTS_REPORT_PAGE_H
#define RESULTS_REPORT_PAGE_H

#include "results/report.h"

typedef enum rep_page_part { REP_PAGE_HTML, REP_PAGE_CSS, REP_PAGE_JS } rep_page_part;

ws_str rep_page(rep_page_part part);

/* Text that is not ours: nothing of it is markup, commands a screen or turns its direction. */
void rep_html_put(ws_buf *out, const char *z);
/* "1.31" and a times sign, or a dash. */
void rep_html_put_ratio(ws_buf *out, double v);
/* "91.85 us modelled", or a dash. */
void rep_html_put_time(ws_buf *out, const res_time *t);

/* ---- tables ---- */
/* Speed-ups of the problems that several arms have; nothing where there are none. */
void rep_html_put_beside(const rep_report *r, ws_buf *out);
void rep_html_put_problems(const rep_report *r, ws_buf *out);
void rep_html_put_failures(const rep_report *r, ws_buf *out);
void rep_html_put_costs(const rep_report *r, ws_buf *out);
/* A section; nothing where no spec tells its economics. */
void rep_html_put_economics(const rep_report *r, ws_buf *out);
void rep_html_put_economics_link(const rep_report *r, ws_buf *out);
void rep_html_put_method(const rep_report *r, ws_buf *out);

#endif
