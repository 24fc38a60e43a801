#include "agent/cmd/model_access.h"

#include "agent/llm/script.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

void model_access_init(model_access *m)
{
    *m = (model_access){0};
    llm_keys_take(&m->keys);
}

void model_access_release(model_access *m)
{
    replay_stop(m->server);
    for (int i = 0; i < LOOP_MAX_MODELS; i++) {
        if (m->key[i].p)
            explicit_bzero(m->key[i].p, m->key[i].cap);
        ws_buf_release(&m->key[i]);
    }
    ws_buf_release(&m->url);
    llm_keys_wipe(&m->keys);
    ws_arena_release(&m->arena);
}

static bool given(const char *z)
{
    return z && *z;
}

bool model_access_configured(const model_access *m, const model_wish *w)
{
    if (given(w->models) || given(w->base_url) || given(w->provider) || given(w->key_file))
        return true;
    for (const llm_provider *p = llm_providers; p->name; p++)
        if (llm_key_variable(&m->keys, p))
            return true;
    return false;
}

/* The next name of a list with commas, in the arena; NULL: none is left. */
static const char *next_name(const char **list, ws_arena *a)
{
    while (**list) {
        ws_str name = {*list, strcspn(*list, ",")};
        *list += name.n + ((*list)[name.n] == ',');
        name = ws_str_trim(name);
        if (name.n)
            return ws_arena_strndup(a, name.p, name.n);
    }
    return NULL;
}

/* A hosted model without a key would only be refused, after a run was begun. */
static ws_status check_key(const llm_target *t, const ws_buf *key, bool own_url, ws_err *err)
{
    const llm_provider *p = t->provider;
    if (key->n || own_url || !p->key_env[0] || (p->traits & LLM_TRAIT_LOCAL))
        return WS_OK;
    ws_fail(err, WS_EENV, "there is no key for '%s' of %s", t->model, p->name);
    return ws_hint(err, "set %s, or give --api-key-file FILE", p->key_env[0]);
}

static ws_status resolve_one(model_access *m, const model_wish *w, const char *name,
                             loop_options *l, ws_err *err)
{
    llm_target t;
    llm_key_kind kind;
    llm_wire wire;
    int i = l->n_models;
    if (i == LOOP_MAX_MODELS)
        return ws_fail(err, WS_EUSAGE, "more than %d models", LOOP_MAX_MODELS);
    if (llm_wire_parse(w->wire, &wire, err) ||
        llm_provider_resolve(w->provider, w->base_url, name, &m->keys, &m->arena, &t, err) ||
        llm_key_find(&m->keys, t.provider, w->key_file, &m->key[i], &kind, err))
        return err->status;
    bool own_url = !t.provider->base_url || strcmp(t.base_url, t.provider->base_url) != 0;
    if (check_key(&t, &m->key[i], own_url, err))
        return err->status;
    l->model[l->n_models++] = (loop_model){.name = t.model,
                                           .provider = t.provider->name,
                                           .base_url = t.base_url,
                                           .api_key = ws_buf_z(&m->key[i]),
                                           .key_kind = kind,
                                           .wire = wire};
    return WS_OK;
}

ws_status model_access_resolve(model_access *m, const model_wish *w, loop_options *l, ws_err *err)
{
    const char *list = w->models ? w->models : "", *name;
    l->n_models = 0;
    while ((name = next_name(&list, &m->arena)))
        if (resolve_one(m, w, name, l, err))
            return err->status;
    if (l->n_models)
        return WS_OK;
    ws_fail(err, WS_EUSAGE, "no model is named");
    return ws_hint(err, "give --model NAME, or set WARPSMITH_MODEL");
}

static const char *text_of(const cJSON *o, const char *key, ws_arena *a)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return ws_arena_strdup(a, cJSON_IsString(v) ? v->valuestring : "");
}

ws_status model_access_recorded(model_access *m, const cJSON *run, loop_options *l, ws_err *err)
{
    const cJSON *server;
    ws_buf names = {0};
    l->n_models = 0;
    cJSON_ArrayForEach(server, cJSON_GetObjectItemCaseSensitive(run, "servers"))
    {
        ws_arena *a = &m->arena;
        const char *provider = text_of(server, "provider", a),
                   *url = text_of(server, "base_url", a);
        loop_model x = {.name = text_of(server, "model", a),
                        .provider = *provider ? provider : NULL,
                        .base_url = *url ? url : NULL,
                        .quirks = text_of(server, "quirks", a)};
        if (l->n_models == LOOP_MAX_MODELS || !*x.name ||
            llm_wire_parse(text_of(server, "wire", a), &x.wire, err))
            break;
        ws_buf_printf(&names, "%s%s", names.n ? "," : "", x.name);
        l->model[l->n_models++] = x;
    }
    l->models = ws_arena_strdup(&m->arena, ws_buf_z(&names));
    ws_buf_release(&names);
    if (!l->n_models)
        return ws_fail(err, WS_EINPUT, "the recording's first line does not tell its models");
    return WS_OK;
}

ws_status model_access_script(model_access *m, const char *spec_name, loop_options *l, ws_err *err)
{
    static char path[4096];
    script replies = {0};
    if (!replay_find_script(spec_name, path, sizeof path)) {
        ws_fail(err, WS_EENV, "no model is configured, and '%s' has no bundled script", spec_name);
        return ws_hint(err, "set OPENAI_API_KEY and --model, or --base-url of a local server; "
                            "'warpsmith doctor' lists the scripts");
    }
    replay_options r = {.script = path};
    if (script_load(path, &replies, err))
        return err->status;
    l->script_replies = replies.n_turns;
    script_release(&replies);
    if (replay_start(&r, &m->server, err))
        return err->status;
    ws_buf_printf(&m->url, "http://127.0.0.1:%d/v1", replay_port(m->server));
    l->scripted = true;
    l->base_url = ws_buf_z(&m->url);
    l->models = "scripted";
    l->model[0] = (loop_model){.name = "scripted", .base_url = l->base_url};
    l->n_models = 1;
    if (ws_log_level() >= WS_LOG_WARN)
        fprintf(stderr,
                "no model is configured: scripted replies of '%s' answer over HTTP on loopback\n",
                path);
    return WS_OK;
}
