/* Addresses of endpoints, and wires by name. */
#include "agent/llm/provider.h"

#include "agent/llm/adapter.h"

#include <string.h>

static bool ends_with(const char *s, size_t n, const char *tail)
{
    size_t k = strlen(tail);
    return n >= k && memcmp(s + n - k, tail, k) == 0;
}

static const llm_wire wires[] = {LLM_WIRE_CHAT, LLM_WIRE_RESPONSES, LLM_WIRE_MESSAGES};

/* The length of the URL without query, final slashes and an endpoint's path, and whose it was. */
static size_t base_length(const char *url, llm_wire *wire)
{
    size_t n = strcspn(url, "?#");
    *wire = LLM_WIRE_AUTO;
    while (n && url[n - 1] == '/')
        n--;
    for (size_t i = 0; i < WS_COUNT(wires); i++)
        if (ends_with(url, n, llm_adapter_of(wires[i])->path)) {
            *wire = wires[i];
            n -= strlen(llm_adapter_of(wires[i])->path);
            break;
        }
    while (n && url[n - 1] == '/')
        n--;
    return n;
}

llm_wire llm_wire_of_url(const char *base_url)
{
    llm_wire w;
    base_length(base_url, &w);
    return w;
}

char *llm_endpoint_address(const char *base_url, const char *path, llm_wire wire)
{
    llm_wire given;
    size_t n = base_length(base_url, &given);
    const char *scheme = strstr(base_url, "://"), *query = base_url + strcspn(base_url, "?#");
    const char *host = scheme ? scheme + 3 : base_url;
    bool bare = !memchr(host, '/', (size_t)(base_url + n - host));
    ws_buf out = {0};
    ws_buf_add(&out, base_url, n);
    if (bare && given == LLM_WIRE_AUTO)
        ws_buf_adds(&out, path);
    else if (wire == LLM_WIRE_MESSAGES && given != wire && !ends_with(base_url, n, "/v1"))
        ws_buf_adds(&out, "/v1"); /* ANTHROPIC_BASE_URL is without it */
    ws_buf_adds(&out, llm_adapter_of(wire)->path);
    if (*query == '?')
        ws_buf_adds(&out, query);
    return ws_buf_take(&out);
}

/* ---- wires ---- */

const char *llm_wire_name(llm_wire w)
{
    return w == LLM_WIRE_AUTO ? "auto" : llm_adapter_of(w)->name;
}

ws_status llm_wire_parse(const char *name, llm_wire *out, ws_err *err)
{
    *out = LLM_WIRE_AUTO;
    if (!name || !*name || strcmp(name, "auto") == 0)
        return WS_OK;
    for (size_t i = 0; i < WS_COUNT(wires); i++)
        if (strcmp(name, llm_wire_name(wires[i])) == 0) {
            *out = wires[i];
            return WS_OK;
        }
    return ws_fail(err, WS_EUSAGE, "the wire '%s' is not auto, chat, responses or messages", name);
}
