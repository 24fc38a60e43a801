/* Takes out of texts that leave the machine what tells of it or opens doors: keys, tokens,
 * passwords, private keys, e-mail addresses, and absolute paths. Each is replaced by a word in
 * angle brackets. Texts are bytes; what is not UTF-8 passes unharmed. */
#ifndef RESULTS_SCRUB_H
#define RESULTS_SCRUB_H

#include "base/buf.h"

typedef struct data_scrub data_scrub;

/* Patterns of well-known keys, and by their values those that the environment holds now (variables
 * whose names end in _API_KEY, _TOKEN, _SECRET, _PASSWORD) and the home directory. */
ws_status data_scrub_open(data_scrub **out, ws_err *err) WS_MUST_CHECK;
void data_scrub_close(data_scrub *s);
/* Appends the text as it may leave to `out`. How much was replaced; -1: the text could not be
 * examined, and nothing was appended. */
int data_scrub_text(data_scrub *s, const char *text, ws_buf *out) WS_MUST_CHECK;

#endif
