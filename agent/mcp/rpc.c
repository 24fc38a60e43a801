#include "agent/mcp/rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

void rpc_feed(rpc_reader *r, const char *data, size_t n,
              void (*line)(void *ud, const char *text, size_t n), void *ud)
{
    r->line.max = RPC_MAX_LINE + 1;
    while (n) {
        const char *end = memchr(data, '\n', n);
        size_t part = end ? (size_t)(end - data) : n;
        if (!r->skipping)
            ws_buf_add(&r->line, data, part);
        if (!r->skipping && (r->line.overflow || r->line.n > RPC_MAX_LINE)) {
            r->skipping = true;
            line(ud, NULL, 0);
            ws_buf_release(&r->line);
        }
        if (end) {
            if (!r->skipping)
                line(ud, ws_buf_z(&r->line), r->line.n);
            r->skipping = false;
            ws_buf_reset(&r->line);
        }
        part += end != NULL;
        data += part;
        n -= part;
    }
}

void rpc_feed_end(rpc_reader *r, void (*line)(void *ud, const char *text, size_t n), void *ud)
{
    if (!r->skipping && r->line.n)
        line(ud, ws_buf_z(&r->line), r->line.n);
    ws_buf_reset(&r->line);
}

void rpc_reader_release(rpc_reader *r)
{
    ws_buf_release(&r->line);
}

/* ---- messages ---- */

static rpc_kind bad(rpc_message *m, int code, const char *why)
{
    m->code = code;
    snprintf(m->why, sizeof m->why, "%s", why);
    return RPC_BAD;
}

static bool is_id(const cJSON *id)
{
    int64_t whole;
    return cJSON_IsString(id) || (cJSON_IsNumber(id) && ws_json_whole(id, &whole));
}

rpc_kind rpc_parse(const char *text, size_t n, rpc_message *m)
{
    const char *end = NULL;
    *m = (rpc_message){.root = cJSON_ParseWithLengthOpts(text, n, &end, false)};
    while (m->root && end < text + n && strchr(" \t\r\n", *end))
        end++;
    if (!m->root || end != text + n || memchr(text, 0, n))
        return bad(m, RPC_PARSE_ERROR, "the line is not one JSON document");
    if (cJSON_IsArray(m->root))
        return bad(m, RPC_INVALID_REQUEST, "batches are not part of this protocol");
    if (!cJSON_IsObject(m->root))
        return bad(m, RPC_INVALID_REQUEST, "the message is no object");
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(m->root, "id");
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(m->root, "jsonrpc");
    const cJSON *method = cJSON_GetObjectItemCaseSensitive(m->root, "method");
    const cJSON *params = cJSON_GetObjectItemCaseSensitive(m->root, "params");
    if (id && is_id(id))
        m->id = id;
    if (!cJSON_IsString(version) || strcmp(version->valuestring, "2.0") != 0)
        return bad(m, RPC_INVALID_REQUEST, "'jsonrpc' is not \"2.0\"");
    if (!method && (cJSON_GetObjectItemCaseSensitive(m->root, "result") ||
                    cJSON_GetObjectItemCaseSensitive(m->root, "error")))
        return RPC_RESPONSE;
    if (!cJSON_IsString(method))
        return bad(m, RPC_INVALID_REQUEST, "'method' is no string");
    if (id && !m->id)
        return bad(m, RPC_INVALID_REQUEST, "'id' is neither a string nor an integer");
    if (params && !cJSON_IsObject(params))
        return bad(m, RPC_INVALID_PARAMS, "'params' is no object");
    m->method = method->valuestring;
    m->params = params;
    return id ? RPC_REQUEST : RPC_NOTIFICATION;
}

void rpc_message_release(rpc_message *m)
{
    cJSON_Delete(m->root);
    *m = (rpc_message){0};
}

bool rpc_same_id(const cJSON *a, const cJSON *b)
{
    if (!a || !b || cJSON_IsString(a) != cJSON_IsString(b))
        return false;
    return cJSON_IsString(a) ? strcmp(a->valuestring, b->valuestring) == 0
                             : a->valuedouble == b->valuedouble;
}

/* ---- writing ---- */

static cJSON *envelope(const cJSON *id)
{
    cJSON *o = cJSON_CreateObject();
    int64_t whole;
    cJSON_AddStringToObject(o, "jsonrpc", "2.0");
    if (!id)
        cJSON_AddNullToObject(o, "id");
    else if (cJSON_IsString(id))
        cJSON_AddStringToObject(o, "id", id->valuestring);
    else if (ws_json_whole(id, &whole))
        ws_json_add_int(o, "id", whole);
    return o;
}

/* What models and compilers wrote may be no UTF-8; a message is. */
static void put(ws_buf *out, cJSON *message)
{
    char *text = cJSON_PrintUnformatted(message);
    if (!text)
        ws_bug("out of memory printing JSON");
    char *clean = ws_utf8_valid(text);
    ws_buf_adds(out, clean);
    ws_buf_addc(out, '\n');
    free(clean);
    free(text);
    cJSON_Delete(message);
}

void rpc_put_result(ws_buf *out, const cJSON *id, cJSON *result)
{
    cJSON *o = envelope(id);
    cJSON_AddItemToObject(o, "result", result);
    put(out, o);
}

void rpc_put_notification(ws_buf *out, const char *method, cJSON *params)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "jsonrpc", "2.0");
    cJSON_AddStringToObject(o, "method", method);
    cJSON_AddItemToObject(o, "params", params);
    put(out, o);
}

void rpc_put_error(ws_buf *out, const cJSON *id, int code, const char *message, cJSON *data)
{
    cJSON *o = envelope(id), *e = cJSON_AddObjectToObject(o, "error");
    cJSON_AddNumberToObject(e, "code", code);
    cJSON_AddStringToObject(e, "message", message);
    if (data)
        cJSON_AddItemToObject(e, "data", data);
    put(out, o);
}
