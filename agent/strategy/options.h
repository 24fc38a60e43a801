/* A strategy's options as text, "patience=6,diagnose=1", for the command line and the archive. */
#ifndef AGENT_STRATEGY_OPTIONS_H
#define AGENT_STRATEGY_OPTIONS_H

#include "agent/strategy/strategy.h"
#include "base/buf.h"

/* Sets what `text` names and leaves the rest; "" and NULL set nothing. WS_EUSAGE names what is
 * wrong, and the nearest option. */
ws_status strat_options_parse(const char *text, strat_options *o, ws_err *err) WS_MUST_CHECK;
/* What is not the default, in the order of the table; nothing when all is. */
void strat_options_print(const strat_options *o, ws_buf *out);
/* "name: what it is", one a line, for help. */
void strat_options_help(ws_buf *out);

#endif
