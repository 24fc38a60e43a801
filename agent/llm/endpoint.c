#include "agent/llm/job.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Servers without keys are given words like EMPTY or local, which may stand in a kernel. */
enum { MIN_SECRET = 8 };

/* ---- opening ---- */

static bool is_printable(const char *z)
{
    while (*z >= ' ' && *z <= '~')
        z++;
    return !*z;
}

/* The key becomes a header line: printable ASCII only, so that it cannot end the line. */
static ws_status check_key(const llm_client_options *o, const http_url *u, ws_err *err)
{
    if (!o->api_key || !*o->api_key)
        return WS_OK;
    if (strchr(o->api_key, ' ') || !is_printable(o->api_key))
        return ws_fail(err, WS_EUSAGE,
                       "the API key holds a blank or a character that is not ASCII");
    if (!u->tls && !u->loopback && !o->allow_insecure) {
        ws_fail(err, WS_EUSAGE, "the base URL is plain http: the key would be sent in the clear");
        return ws_hint(err, "use https, or --insecure-http when the network is trusted");
    }
    return WS_OK;
}

/* A server that is not the vendor's own may look for the key of its wire in either place. */
static unsigned key_headers(const llm_client_options *o, const llm_provider *p, llm_wire wire,
                            const http_url *u)
{
    llm_key_kind kind = o->key_kind ? o->key_kind : p->key_kind;
    unsigned headers = kind == LLM_KEY_X_API_KEY ? HTTP_KEY_X_API_KEY : HTTP_KEY_BEARER;
    if (!o->key_kind && wire == LLM_WIRE_MESSAGES && p->wire != LLM_WIRE_MESSAGES)
        headers |= HTTP_KEY_X_API_KEY;
    return headers | (u->azure ? HTTP_KEY_AZURE : 0u);
}

static ws_status find_provider(const llm_client_options *o, const char *base,
                               const llm_provider **out, ws_err *err)
{
    if (!o->provider || !*o->provider) {
        *out = llm_provider_of_url(base);
        return WS_OK;
    }
    if (!(*out = llm_provider_find(o->provider)))
        return ws_fail(err, WS_EUSAGE, "no provider is named '%s'", o->provider);
    return WS_OK;
}

static void add_headers(endpoint *e, const llm_provider *p)
{
    int n = 0;
    if (p->header)
        e->header[n++] = ws_strdup(p->header);
    for (size_t i = 0; i < WS_COUNT(p->env_header) && n < LLM_PROVIDER_NAMES - 1; i++) {
        const char *z = p->env_header[i][0] ? getenv(p->env_header[i][0]) : NULL;
        ws_buf line = {0};
        if (!z || !*z || !is_printable(z))
            continue;
        ws_buf_printf(&line, "%s: %s", p->env_header[i][1], z);
        e->header[n++] = ws_buf_take(&line);
    }
}

static char *base_of(const char *url)
{
    char *address = llm_endpoint_address(url, "", LLM_WIRE_CHAT);
    address[strcspn(address, "?#")] = '\0';
    address[strlen(address) - strlen(llm_chat.path)] = '\0';
    return address;
}

static bool is_same(const endpoint *a, const endpoint *b)
{
    return a->provider == b->provider && a->wire == b->wire && a->may_switch == b->may_switch &&
           a->key_headers == b->key_headers && a->direct == b->direct &&
           strcmp(a->key, b->key) == 0 && strcmp(a->url[a->wire], b->url[b->wire]) == 0;
}

ws_status llm_endpoint_add(llm_client *c, const llm_client_options *o, int *out, ws_err *err)
{
    static const llm_wire wires[] = {LLM_WIRE_CHAT, LLM_WIRE_RESPONSES, LLM_WIRE_MESSAGES};
    http_url u;
    const llm_provider *p;
    bool replays = c->cassette && !cassette_records(c->cassette);
    const char *base = o->base_url;
    if (replays && (!base || !*base)) /* nothing is sent there, but its path is part of the key */
        base = cassette_url(c->cassette) ? cassette_url(c->cassette) : "http://127.0.0.1/v1";
    if ((!base || !*base) && o->provider && (p = llm_provider_find(o->provider)))
        base = p->base_url;
    if (!base || !*base)
        return ws_fail(err, WS_EUSAGE, "no base URL of a model server is given");
    if (http_url_parse(base, &u, err) || find_provider(o, base, &p, err) ||
        (!replays && check_key(o, &u, err)))
        return err->status;
    if (o->loopback_only && !u.loopback && !replays)
        return ws_fail(err, WS_EUSAGE, "the base URL is not on this machine");
    llm_wire told = o->wire ? o->wire : llm_wire_of_url(base);
    endpoint *e = ws_calloc(1, sizeof *e);
    e->provider = p;
    e->wire = told ? told : p->wire;
    e->may_switch = !o->wire && e->wire == LLM_WIRE_CHAT;
    e->base = base_of(base);
    for (size_t i = 0; i < WS_COUNT(wires); i++)
        e->url[wires[i]] = llm_endpoint_address(base, p->path, wires[i]);
    e->key = ws_strdup(o->api_key && !replays ? o->api_key : "");
    e->key_headers = key_headers(o, p, e->wire, &u);
    add_headers(e, p);
    e->direct = u.loopback; /* a proxy would see what must not leave this machine in the clear */
    e->names_turns = u.loopback;
    e->window = c->limits.max_in_flight;
    for (*out = 0; *out < c->n_endpoints; ++*out)
        if (is_same(c->endpoint[*out], e)) {
            endpoint_free(e);
            return WS_OK;
        }
    WS_GROW(c->endpoint, c->n_endpoints, c->cap_endpoints);
    c->endpoint[c->n_endpoints++] = e;
    return WS_OK;
}

void endpoint_free(endpoint *e)
{
    if (!e)
        return;
    if (e->key)
        explicit_bzero(e->key, strlen(e->key));
    for (int i = 0; i < e->n_known; i++)
        free(e->known[i].model);
    for (int i = 0; i < LLM_N_WIRES; i++)
        free(e->url[i]);
    for (int i = 0; i < LLM_PROVIDER_NAMES; i++)
        free(e->header[i]);
    free(e->known);
    free(e->key);
    free(e->base);
    free(e);
}

const char *llm_endpoint_url(const llm_client *c, int i)
{
    return i >= 0 && i < c->n_endpoints ? c->endpoint[i]->base : "";
}

const char *llm_endpoint_provider(const llm_client *c, int i)
{
    return i >= 0 && i < c->n_endpoints ? c->endpoint[i]->provider->name : "";
}

/* ---- the key never leaves ---- */

void client_redact(const llm_client *c, char *text, size_t n)
{
    for (int i = 0; text && i < c->n_endpoints; i++) {
        const char *key = c->endpoint[i]->key;
        size_t k = strlen(key);
        if (k < MIN_SECRET)
            continue;
        for (char *p = text; (p = memmem(p, n - (size_t)(p - text), key, k)); p += k)
            memset(p, '*', k);
    }
}

void client_redact_text(const llm_client *c, char *text)
{
    client_redact(c, text, strlen(text));
}

/* ---- quirks ---- */

llm_quirks *endpoint_quirks(llm_client *c, endpoint *e, const char *model)
{
    for (int i = 0; i < e->n_known; i++)
        if (strcmp(e->known[i].model, model) == 0)
            return &e->known[i].quirks;
    char *stored = c->store.load ? c->store.load(c->store.ud, e->base, model) : NULL;
    WS_GROW(e->known, e->n_known, e->cap_known);
    e->known[e->n_known] = (model_quirks){ws_strdup(model), llm_quirks_parse(stored)};
    free(stored);
    return &e->known[e->n_known++].quirks;
}

void endpoint_learn(llm_client *c, endpoint *e, const char *model, llm_quirks learned)
{
    llm_quirks *known = endpoint_quirks(c, e, model);
    *known = llm_quirks_join(*known, learned);
    if (!c->store.save || (!learned.bits && !learned.most_tokens))
        return;
    char *text = llm_quirks_print(known);
    c->store.save(c->store.ud, e->base, model, text);
    free(text);
}
