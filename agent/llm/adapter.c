#include "agent/llm/adapter.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_MOST_TOKENS = 16000 };

const llm_adapter *llm_adapter_of(llm_wire w)
{
    static const llm_adapter *const all[] = {&llm_chat, &llm_responses, &llm_messages};
    for (size_t i = 0; i < WS_COUNT(all); i++)
        if (all[i]->wire == w)
            return all[i];
    ws_bug("no adapter for wire %d", (int)w);
}

/* ---- requests ---- */

void llm_add_text(cJSON *o, const char *key, const char *text)
{
    char *clean = ws_utf8_valid(text ? text : "");
    cJSON_AddStringToObject(o, key, clean);
    free(clean);
}

bool llm_is_system(const llm_message *m)
{
    return strcmp(m->role, "system") == 0 || strcmp(m->role, "developer") == 0;
}

int64_t llm_most_tokens(const llm_request *r, const llm_quirks *q)
{
    int64_t n = r->max_tokens;
    if (q->most_tokens > 0 && n > q->most_tokens)
        n = q->most_tokens;
    return n > 0 && !(q->bits & LLM_Q_NO_MAX_TOKENS) ? n : 0;
}

static void add_part(cJSON *parts, const char *text, size_t n, bool breakpoint)
{
    cJSON *part = cJSON_CreateObject();
    char *copy = ws_strndup(text, n);
    cJSON_AddStringToObject(part, "type", "text");
    llm_add_text(part, "text", copy);
    if (breakpoint)
        cJSON_AddStringToObject(cJSON_AddObjectToObject(part, "cache_control"), "type",
                                "ephemeral");
    cJSON_AddItemToArray(parts, part);
    free(copy);
}

cJSON *llm_cached_parts(const llm_message *m)
{
    size_t n = strlen(m->content), prefix = m->cache_prefix < n ? m->cache_prefix : n;
    cJSON *parts = cJSON_CreateArray();
    while (prefix && ((unsigned char)m->content[prefix] & 0xc0) == 0x80) /* inside a character */
        prefix--;
    if (prefix)
        add_part(parts, m->content, prefix, true);
    if (prefix < n)
        add_part(parts, m->content + prefix, n - prefix, false);
    return parts;
}

/* The system texts lead the first message of the user. */
static llm_message *without_system(const llm_request *r, int *n)
{
    llm_message *out = ws_calloc((size_t)r->n_messages, sizeof *out);
    ws_buf system = {0};
    bool used = false;
    *n = 0;
    for (int i = 0; i < r->n_messages; i++)
        if (llm_is_system(&r->message[i]))
            ws_buf_printf(&system, "%s\n\n", r->message[i].content);
    for (int i = 0; i < r->n_messages; i++) {
        const llm_message *m = &r->message[i];
        if (llm_is_system(m))
            continue;
        bool first = !used && strcmp(m->role, "user") == 0;
        ws_buf text = {0};
        ws_buf_printf(&text, "%s%s", first ? ws_buf_z(&system) : "", m->content);
        out[*n] = (llm_message){m->role, ws_buf_take(&text),
                                m->cache_prefix ? m->cache_prefix + (first ? system.n : 0) : 0};
        ++*n;
        used |= first;
    }
    ws_buf_release(&system);
    return out;
}

void llm_adapter_body(const llm_adapter *w, const llm_request *r, const llm_quirks *q,
                      unsigned traits, ws_buf *out)
{
    cJSON *o = cJSON_CreateObject();
    llm_request plain = *r;
    llm_message *m = NULL;
    int n = 0;
    if (w->wire == LLM_WIRE_MESSAGES && plain.max_tokens <= 0)
        plain.max_tokens = DEFAULT_MOST_TOKENS;
    if (q->bits & LLM_Q_NO_SYSTEM) {
        plain.message = m = without_system(r, &n);
        plain.n_messages = n;
    }
    llm_add_text(o, "model", r->model);
    w->body(&plain, q, traits, o);
    ws_json_print(o, false, out);
    cJSON_Delete(o);
    for (int i = 0; i < n; i++)
        free((void *)(uintptr_t)m[i].content);
    free(m);
}

void llm_request_body(const llm_request *r, ws_buf *out)
{
    llm_adapter_body(&llm_chat, r, &(llm_quirks){0}, 0, out);
}

/* ---- replies ---- */

void llm_adapter_event(const llm_adapter *w, llm_answer *a, const char *data, size_t n)
{
    llm_error e;
    a->moved = a->events++ == 0;
    if (a->done)
        return;
    if (strcmp(data, "[DONE]") == 0) { /* only chat's end; elsewhere a proxy's habit */
        a->moved = true;
        if (w->wire == LLM_WIRE_CHAT)
            a->finished = a->done = true;
        return;
    }
    cJSON *o = cJSON_ParseWithLength(data, n);
    if (!o)
        a->malformed = true;
    else if (llm_error_read(o, &e))
        a->error = e;
    else
        w->event(a, o);
    cJSON_Delete(o);
}

/* Whether the text ends inside a string or an open bracket. */
static bool ends_early(const char *p, size_t n)
{
    bool quoted = false;
    int depth = 0;
    for (size_t i = 0; i < n; i++) {
        if (quoted && p[i] == '\\')
            i++;
        else if (p[i] == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += (p[i] == '{' || p[i] == '[') - (p[i] == '}' || p[i] == ']');
    }
    return quoted || depth > 0;
}

void llm_adapter_whole(const llm_adapter *w, llm_answer *a, const char *body, size_t n)
{
    llm_error e;
    cJSON *o = cJSON_ParseWithLength(body, n);
    a->partial = !o && ends_early(body, n);
    if (!o)
        a->malformed = true;
    else if (llm_error_read(o, &e))
        a->error = e;
    else if (!cJSON_IsObject(o))
        a->malformed = true;
    else
        w->whole(a, o);
    cJSON_Delete(o);
}
