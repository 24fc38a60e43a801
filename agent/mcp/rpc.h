/* JSON-RPC 2.0 in lines: one message a line in either direction, as the Model Context Protocol's
 * stdio transport has it. */
#ifndef AGENT_MCP_RPC_H
#define AGENT_MCP_RPC_H

#include "base/buf.h"
#include "base/json.h"

/* JSON-RPC's codes, and the Model Context Protocol's for a revision that is not served. */
enum {
    RPC_PARSE_ERROR = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_METHOD_NOT_FOUND = -32601,
    RPC_INVALID_PARAMS = -32602,
    RPC_INTERNAL_ERROR = -32603,
    RPC_BUSY = -32000,
    RPC_UNSUPPORTED_VERSION = -32022
};

enum { RPC_MAX_LINE = 8 << 20 };

/* ---- reading ---- */

typedef struct rpc_reader {
    ws_buf line;
    bool skipping; /* the rest of a line that is too long */
} rpc_reader;

/* Takes bytes as they come and calls `line` for every whole line; `text` NULL: it was longer than
 * RPC_MAX_LINE. */
void rpc_feed(rpc_reader *r, const char *data, size_t n,
              void (*line)(void *ud, const char *text, size_t n), void *ud);
/* What stands without a newline at the end of the input is a line, too. */
void rpc_feed_end(rpc_reader *r, void (*line)(void *ud, const char *text, size_t n), void *ud);
void rpc_reader_release(rpc_reader *r);

typedef enum rpc_kind {
    RPC_REQUEST,
    RPC_NOTIFICATION,
    RPC_RESPONSE, /* to a request of ours: we send none */
    RPC_BAD       /* `code` and `why`; `id` when it could be read */
} rpc_kind;

typedef struct rpc_message {
    cJSON *root;
    const cJSON *id; /* a string or an integer; NULL: none */
    const char *method;
    const cJSON *params; /* an object, or NULL */
    int code;
    char why[200];
} rpc_message;

rpc_kind rpc_parse(const char *text, size_t n, rpc_message *out);
void rpc_message_release(rpc_message *m);
/* Equal in kind and value; an absent one equals none. */
bool rpc_same_id(const cJSON *a, const cJSON *b);

/* ---- writing: lines appended to `out` ---- */

/* `result` is consumed. */
void rpc_put_result(ws_buf *out, const cJSON *id, cJSON *result);
/* `params` is consumed. */
void rpc_put_notification(ws_buf *out, const char *method, cJSON *params);
/* `id` NULL: null. `data` is consumed and may be NULL. */
void rpc_put_error(ws_buf *out, const cJSON *id, int code, const char *message, cJSON *data);

#endif
