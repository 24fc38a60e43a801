#include "agent/llm/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct frame_head {
    uint32_t type, id;
    uint64_t n;
} frame_head;

enum { PIECE = 64 << 10 };
static const size_t MOST_BUFFERED = (size_t)1 << 40; /* memory is the limit */

void channel_init(channel *c, int fd)
{
    *c = (channel){.fd = fd, .in.max = MOST_BUFFERED, .out.max = MOST_BUFFERED};
}

void channel_put(channel *c, uint32_t type, uint32_t id, const void *head, size_t n_head,
                 const void *data, size_t n_data)
{
    frame_head f = {type, id, n_head + n_data};
    if (c->ended)
        return;
    ws_buf_add(&c->out, &f, sizeof f);
    ws_buf_add(&c->out, head, n_head);
    ws_buf_add(&c->out, data, n_data);
}

/* What was read or sent is wiped, and its room used again. */
static void forget(ws_buf *b, size_t *at)
{
    if (!*at || (*at < b->n && *at < PIECE))
        return;
    size_t left = b->n - *at;
    memmove(b->p, b->p + *at, left);
    explicit_bzero(b->p + left, *at);
    b->n = left;
    *at = 0;
}

bool channel_has_more(const channel *c)
{
    return !c->ended && c->out_at < c->out.n;
}

void channel_flush(channel *c)
{
    while (channel_has_more(c)) {
        ssize_t n =
            send(c->fd, c->out.p + c->out_at, c->out.n - c->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            c->out_at += (size_t)n;
        else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        else if (n < 0 && errno != EINTR) /* what it has said may still be read */
            c->out_at = c->out.n;
    }
    forget(&c->out, &c->out_at);
}

/* Until there is no more, so that the end is seen together with the last words before it; but not
 * for ever. */
void channel_fill(channel *c)
{
    enum { MOST = 256 };
    char piece[PIECE];
    forget(&c->in, &c->in_at);
    for (int i = 0; i < MOST && !c->ended; i++) {
        ssize_t n = recv(c->fd, piece, sizeof piece, MSG_DONTWAIT);
        if (n > 0)
            ws_buf_add(&c->in, piece, (size_t)n);
        else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        else if (!n || errno != EINTR)
            c->ended = true;
    }
    explicit_bzero(piece, sizeof piece);
}

bool channel_get(channel *c, channel_message *out)
{
    frame_head f;
    size_t left = c->in.n - c->in_at;
    if (left < sizeof f)
        return false;
    memcpy(&f, c->in.p + c->in_at, sizeof f);
    if (left - sizeof f < f.n)
        return false;
    *out = (channel_message){f.type, f.id, c->in.p + c->in_at + sizeof f, f.n};
    c->in_at += sizeof f + f.n;
    return true;
}

bool channel_head(channel_message *m, void *out, size_t n)
{
    if (m->n < n)
        return false;
    memcpy(out, m->p, n);
    m->p += n;
    m->n -= n;
    return true;
}

static void wipe(ws_buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    ws_buf_release(b);
}

void channel_close(channel *c)
{
    if (c->fd >= 0)
        close(c->fd);
    wipe(&c->in);
    wipe(&c->out);
    c->fd = -1;
    c->ended = true;
}
