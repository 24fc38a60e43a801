#include "agent/llm/cassette.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* The end of the path that names the wire format, so that one server's recording answers whatever
 * base URL is given. Other paths count whole. */
static ws_str wire_path(const char *url)
{
    static const char *const wire[] = {"/chat/completions", "/responses", "/messages"};
    const char *host = strstr(url, "://");
    const char *path = strchr(host ? host + 3 : url, '/');
    ws_str s = {path ? path : "", path ? strcspn(path, "?#") : 0};
    for (size_t i = 0; i < WS_COUNT(wire); i++) {
        size_t n = strlen(wire[i]);
        if (s.n >= n && memcmp(s.p + s.n - n, wire[i], n) == 0)
            return (ws_str){s.p + s.n - n, n};
    }
    return s;
}

/* Members that do not change what is asked. */
static bool is_transport(const char *name)
{
    static const char *const names[] = {"stream",   "stream_options",   "store",
                                        "metadata", "prompt_cache_key", "service_tier",
                                        "user",     "safety_identifier"};
    for (size_t i = 0; i < WS_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* The most tokens of a reply: what is left of a budget, which depends on what else is in flight. */
static bool is_limit(const char *name)
{
    return strcmp(name, "max_tokens") == 0 || strcmp(name, "max_completion_tokens") == 0 ||
           strcmp(name, "max_output_tokens") == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

static bool is_left_out(const char *name, bool near)
{
    return name && (is_transport(name) || (near && is_limit(name)));
}

static void add_value(ws_sha256 *h, const cJSON *v, int depth, bool near)
{
    if (!cJSON_IsObject(v) && !cJSON_IsArray(v)) {
        ws_buf text = {0};
        ws_json_print(v, false, &text);
        ws_sha256_add_field(h, ws_buf_z(&text), text.n);
        ws_buf_release(&text);
        return;
    }
    int n = cJSON_GetArraySize(v), kept = 0;
    const cJSON **member = ws_calloc((size_t)n + 1, sizeof *member), *m;
    cJSON_ArrayForEach(m, v)
    {
        if (depth > 0 || !is_left_out(m->string, near))
            member[kept++] = m;
    }
    if (cJSON_IsObject(v))
        qsort(member, (size_t)kept, sizeof *member, by_name);
    ws_sha256_add(h, cJSON_IsObject(v) ? "{" : "[", 1);
    for (int i = 0; i < kept; i++) {
        if (cJSON_IsObject(v))
            ws_sha256_add_field(h, member[i]->string, strlen(member[i]->string));
        add_value(h, member[i], depth + 1, near);
    }
    ws_sha256_add(h, cJSON_IsObject(v) ? "}" : "]", 1);
    free(member);
}

static void hash(ws_str path, const cJSON *root, ws_str body, bool near, char out[WS_SHA256_HEX])
{
    ws_sha256 h;
    ws_sha256_init(&h);
    ws_sha256_add_field(&h, path.p, path.n);
    if (root)
        add_value(&h, root, 0, near);
    else
        ws_sha256_add_field(&h, body.p, body.n);
    ws_sha256_hex(&h, out);
}

void cassette_key(const char *url, const char *body, size_t n, char out[WS_SHA256_HEX],
                  char near[WS_SHA256_HEX])
{
    cJSON *root = cJSON_ParseWithLength(body, n);
    hash(wire_path(url), root, (ws_str){body, n}, false, out);
    if (near)
        hash(wire_path(url), root, (ws_str){body, n}, true, near);
    cJSON_Delete(root);
}
