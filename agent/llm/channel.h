/* Messages over a socket between two processes of this program, neither of which ever waits for the
 * other: what cannot be written yet, or is not whole yet, stays in a buffer. */
#ifndef AGENT_LLM_CHANNEL_H
#define AGENT_LLM_CHANNEL_H

#include "base/buf.h"

#include <stdint.h>

typedef struct channel {
    int fd;
    ws_buf in, out;
    size_t in_at, out_at; /* read, and sent, up to here */
    bool ended;           /* the other side is gone; what it said before is still in `in` */
} channel;

typedef struct channel_message {
    uint32_t type, id;
    const char *p; /* until the next channel_fill */
    size_t n;
} channel_message;

void channel_init(channel *c, int fd);
/* `head` (a struct) and then `data`, as one message. It leaves with channel_flush. */
void channel_put(channel *c, uint32_t type, uint32_t id, const void *head, size_t n_head,
                 const void *data, size_t n_data);
void channel_flush(channel *c);
bool channel_has_more(const channel *c); /* to write */
void channel_fill(channel *c);
bool channel_get(channel *c, channel_message *out);
/* The message's head into `out`; false: it is too short, which no message of this program is. */
bool channel_head(channel_message *m, void *out, size_t n);
/* Wiped: keys pass through it. */
void channel_close(channel *c);

#endif
