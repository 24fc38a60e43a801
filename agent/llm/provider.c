#include "agent/llm/provider.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Addresses and variables as the vendors' own clients have them. */
const llm_provider llm_providers[] = {
    {.name = "openai",
     .base_url = "https://api.openai.com/v1",
     .path = "/v1",
     .key_env = {"OPENAI_API_KEY"},
     .url_env = {"OPENAI_BASE_URL", "OPENAI_API_BASE"},
     .host = "api.openai.com",
     .wire = LLM_WIRE_CHAT,
     .key_kind = LLM_KEY_BEARER,
     .traits = LLM_TRAIT_COMPLETION_TOKENS,
     .env_header = {{"OPENAI_ORG_ID", "OpenAI-Organization"},
                    {"OPENAI_PROJECT_ID", "OpenAI-Project"}},
     .family = {"gpt-", "o", "codex"}},
    {.name = "anthropic",
     .base_url = "https://api.anthropic.com/v1",
     .path = "/v1",
     .key_env = {"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"},
     .url_env = {"ANTHROPIC_BASE_URL"},
     .host = "api.anthropic.com",
     .wire = LLM_WIRE_MESSAGES,
     .key_kind = LLM_KEY_X_API_KEY,
     .family = {"claude"}},
    {.name = "deepseek",
     .base_url = "https://api.deepseek.com/v1",
     .path = "/v1",
     .key_env = {"DEEPSEEK_API_KEY"},
     .host = "api.deepseek.com",
     .wire = LLM_WIRE_CHAT,
     .key_kind = LLM_KEY_BEARER,
     .family = {"deepseek-"}},
    {.name = "gemini",
     .base_url = "https://generativelanguage.googleapis.com/v1beta/openai",
     .path = "/v1beta/openai",
     .key_env = {"GEMINI_API_KEY", "GOOGLE_API_KEY"},
     .host = "generativelanguage.googleapis.com",
     .wire = LLM_WIRE_CHAT,
     .key_kind = LLM_KEY_BEARER,
     .traits = LLM_TRAIT_THOUGHT_OUTSIDE,
     .family = {"gemini-"}},
    {.name = "openrouter",
     .base_url = "https://openrouter.ai/api/v1",
     .path = "/api/v1",
     .key_env = {"OPENROUTER_API_KEY"},
     .host = "openrouter.ai",
     .wire = LLM_WIRE_CHAT,
     .key_kind = LLM_KEY_BEARER,
     .traits = LLM_TRAIT_CACHE_PARTS | LLM_TRAIT_REASONING_OBJECT | LLM_TRAIT_SLASHES,
     .header = "X-Title: warpsmith"},
    {.name = "xai",
     .base_url = "https://api.x.ai/v1",
     .path = "/v1",
     .key_env = {"XAI_API_KEY"},
     .host = "api.x.ai",
     .wire = LLM_WIRE_CHAT,
     .key_kind = LLM_KEY_BEARER,
     .family = {"grok-"}},
    {.name = "groq",
     .base_url = "https://api.groq.com/openai/v1",
     .path = "/openai/v1",
     .key_env = {"GROQ_API_KEY"},
     .host = "api.groq.com",
     .wire = LLM_WIRE_CHAT,
     .key_kind = LLM_KEY_BEARER,
     .traits = LLM_TRAIT_SLASHES},
    {.name = "mistral",
     .base_url = "https://api.mistral.ai/v1",
     .path = "/v1",
     .key_env = {"MISTRAL_API_KEY"},
     .host = "api.mistral.ai",
     .wire = LLM_WIRE_CHAT,
     .key_kind = LLM_KEY_BEARER,
     .family = {"mistral-", "codestral-", "magistral-"}},
    {.name = "together",
     .base_url = "https://api.together.xyz/v1",
     .path = "/v1",
     .key_env = {"TOGETHER_API_KEY"},
     .host = "api.together.xyz",
     .wire = LLM_WIRE_CHAT,
     .key_kind = LLM_KEY_BEARER,
     .traits = LLM_TRAIT_SLASHES},
    {.name = "vllm",
     .base_url = "http://127.0.0.1:8000/v1",
     .path = "/v1",
     .key_env = {"VLLM_API_KEY"},
     .wire = LLM_WIRE_CHAT,
     .key_kind = LLM_KEY_BEARER,
     .traits = LLM_TRAIT_SLASHES | LLM_TRAIT_LOCAL},
    {.name = "llamacpp",
     .base_url = "http://127.0.0.1:8080/v1",
     .path = "/v1",
     .key_env = {"LLAMA_API_KEY"},
     .wire = LLM_WIRE_CHAT,
     .key_kind = LLM_KEY_BEARER,
     .traits = LLM_TRAIT_SLASHES | LLM_TRAIT_LOCAL},
    {.name = "ollama",
     .base_url = "http://127.0.0.1:11434/v1",
     .path = "/v1",
     .key_env = {"OLLAMA_API_KEY"},
     .url_env = {"OLLAMA_HOST"},
     .host = ":11434",
     .wire = LLM_WIRE_CHAT,
     .key_kind = LLM_KEY_BEARER,
     .traits = LLM_TRAIT_SLASHES | LLM_TRAIT_LOCAL},
    {.name = "custom",
     .path = "/v1",
     .key_env = {"OPENAI_API_KEY"},
     .wire = LLM_WIRE_CHAT,
     .key_kind = LLM_KEY_BEARER,
     .traits = LLM_TRAIT_SLASHES},
    {0},
};

/* ---- finding ---- */

static const llm_provider *find_n(const char *name, size_t n)
{
    for (const llm_provider *p = llm_providers; p->name; p++)
        if (strlen(p->name) == n && strncasecmp(p->name, name, n) == 0)
            return p;
    return NULL;
}

const llm_provider *llm_provider_find(const char *name)
{
    return find_n(name, strlen(name));
}

/* The host itself or one below it; a port (":11434") at any host. */
static bool is_at(const char *host, size_t n, const char *name)
{
    size_t k = strlen(name);
    const char *colon = memchr(host, ':', n);
    if (*name == ':')
        return n >= k && memcmp(host + n - k, name, k) == 0;
    if (colon)
        n = (size_t)(colon - host);
    return n >= k && strncasecmp(host + n - k, name, k) == 0 && (n == k || host[n - k - 1] == '.');
}

const llm_provider *llm_provider_of_url(const char *base_url)
{
    const llm_provider *p = llm_providers;
    const char *scheme = strstr(base_url, "://"), *host = scheme ? scheme + 3 : base_url;
    size_t n = strcspn(host, "/?#");
    for (; p[1].name; p++)
        if (p->host && is_at(host, n, p->host))
            return p;
    return p; /* custom */
}

/* "o3" and "o4-mini" are OpenAI's, "olmo" is not: a family of one letter goes before a digit. */
static bool in_family(const llm_provider *p, const char *model)
{
    for (int i = 0; i < LLM_PROVIDER_NAMES && p->family[i]; i++) {
        size_t n = strlen(p->family[i]);
        if (strncmp(model, p->family[i], n) == 0 && (n > 1 || (model[n] >= '0' && model[n] <= '9')))
            return true;
    }
    return false;
}

static const char *env_text(const char *name)
{
    const char *z = name ? getenv(name) : NULL;
    return z && *z ? z : NULL;
}

/* ---- which server ---- */

/* "0.0.0.0", "host:11434", "http://host": Ollama's variable names where the server listens. */
static const char *address_of_host(const char *z, ws_arena *a)
{
    if (strstr(z, "://"))
        return z;
    bool any = strncmp(z, "0.0.0.0", 7) == 0;
    const char *host = any ? "127.0.0.1" : z, *rest = any ? z + 7 : "";
    bool port = strrchr(z, ':') && (z[0] != '[' || strstr(z, "]:"));
    return ws_arena_printf(a, "http://%s%s%s", host, rest, port ? "" : ":11434");
}

static const char *url_of_env(const llm_provider *p, ws_arena *a)
{
    for (size_t i = 0; i < WS_COUNT(p->url_env); i++) {
        const char *z = env_text(p->url_env[i]);
        if (z)
            return strcmp(p->url_env[i], "OLLAMA_HOST") == 0 ? address_of_host(z, a) : z;
    }
    return NULL;
}

static const llm_provider *prefix_of(const char *model)
{
    const char *slash = strchr(model, '/');
    const llm_provider *p = slash ? find_n(model, (size_t)(slash - model)) : NULL;
    return p && p[1].name ? p : NULL; /* "custom" is no server */
}

/* Whose the model is when neither provider nor address is given. */
static const llm_provider *guess(const char *model, const llm_keys *keys, ws_arena *a, bool *strip,
                                 const char **url)
{
    const llm_provider *p = prefix_of(model);
    *strip = p != NULL;
    *url = NULL;
    if (p && ((p->traits & LLM_TRAIT_LOCAL) || llm_key_variable(keys, p)) && p != llm_providers)
        return p;
    if ((*url = url_of_env(llm_providers, a))) {
        *strip = false;
        return llm_provider_of_url(*url);
    }
    if (p)
        return p;
    for (p = llm_providers; p->name; p++)
        if (in_family(p, model))
            return p;
    return llm_providers;
}

static ws_status find_named(const char *name, const llm_provider **out, ws_err *err)
{
    ws_buf names = {0};
    if ((*out = llm_provider_find(name)))
        return WS_OK;
    for (const llm_provider *p = llm_providers; p->name; p++)
        ws_buf_printf(&names, "%s%s", names.n ? ", " : "", p->name);
    ws_fail(err, WS_EUSAGE, "no provider is named '%s'", name);
    ws_hint(err, "the providers: %s", ws_buf_z(&names));
    ws_buf_release(&names);
    return err->status;
}

ws_status llm_provider_resolve(const char *provider, const char *base_url, const char *model,
                               const llm_keys *keys, ws_arena *a, llm_target *out, ws_err *err)
{
    const llm_provider *p = NULL;
    const char *url = base_url && *base_url ? base_url : NULL;
    bool strip = false;
    if (!model || !*model) {
        ws_fail(err, WS_EUSAGE, "no model is named");
        return ws_hint(err, "give --model NAME, or set WARPSMITH_MODEL");
    }
    if (provider && *provider) {
        if (find_named(provider, &p, err))
            return err->status;
    } else if (url) {
        p = llm_provider_of_url(url);
    } else {
        p = guess(model, keys, a, &strip, &url);
    }
    /* "anthropic/claude-..." to Anthropic itself; OpenRouter's and a local server's names stay. */
    strip |= !(p->traits & LLM_TRAIT_SLASHES) && prefix_of(model) == p;
    if (!url)
        url = url_of_env(p, a);
    if (!url)
        url = p->base_url;
    if (!url) {
        ws_fail(err, WS_EUSAGE, "provider '%s' has no address of its own", p->name);
        return ws_hint(err, "give --base-url URL");
    }
    if (strip)
        model = strchr(model, '/') + 1;
    if (!*model)
        return ws_fail(err, WS_EUSAGE, "the model's name ends after its provider");
    *out = (llm_target){p, ws_arena_strdup(a, url), ws_arena_strdup(a, model)};
    return WS_OK;
}
