/* Lines of a candidate's source for a report. */
#ifndef AGENT_EVIDENCE_QUOTE_H
#define AGENT_EVIDENCE_QUOTE_H

#include "base/buf.h"

/* Bytes of `text`, at most `most`, that end at a whole character. */
size_t ev_cut(const char *text, size_t n, size_t most);

/* Line `line` (from 1) of `source` with `around` lines before and after it, each with its number,
 * the line itself marked:
 *      16 |     float s = 0;
 *   >  17 |     s += x[i];
 * Long lines are cut. Nothing when there is no such line. */
void ev_quote(const char *source, int line, int around, ws_buf *out);

#endif
