/* Keys: out of the environment, in memory for as long as they are needed. */
#include "agent/llm/provider.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

static const char *env_text(const char *name)
{
    const char *z = name ? getenv(name) : NULL;
    return z && *z ? z : NULL;
}

/* The index of a variable in llm_keys: several providers may share one. */
static int n_variables(void)
{
    int n = 0;
    for (const llm_provider *p = llm_providers; p->name; p++)
        n += LLM_PROVIDER_NAMES;
    return n;
}

static int variable_at(const llm_provider *p, int i)
{
    return (int)(p - llm_providers) * LLM_PROVIDER_NAMES + i;
}

static void wipe(char *z)
{
    explicit_bzero(z, strlen(z));
}

/* While a key is in memory: no core dump has it, and no other process of this user reads it. */
static void protect_memory(bool yes)
{
    prctl(PR_SET_DUMPABLE, yes ? 0 : 1);
}

void llm_keys_take(llm_keys *k)
{
    *k = (llm_keys){ws_calloc((size_t)n_variables(), sizeof *k->value)};
    for (const llm_provider *p = llm_providers; p->name; p++)
        for (int i = 0; i < LLM_PROVIDER_NAMES && p->key_env[i]; i++) {
            const char *z = env_text(p->key_env[i]);
            if (z) {
                k->value[variable_at(p, i)] = ws_strdup(z);
                protect_memory(true);
            }
        }
    for (const llm_provider *p = llm_providers; p->name; p++)
        for (int i = 0; i < LLM_PROVIDER_NAMES && p->key_env[i]; i++) {
            char *z = getenv(p->key_env[i]);
            if (z)
                wipe(z);
            unsetenv(p->key_env[i]);
        }
}

void llm_keys_wipe(llm_keys *k)
{
    for (int i = 0; k->value && i < n_variables(); i++)
        if (k->value[i]) {
            wipe(k->value[i]);
            free(k->value[i]);
        }
    free(k->value);
    *k = (llm_keys){0};
    protect_memory(false);
}

static const char *key_value(const llm_keys *k, const llm_provider *p, int i)
{
    return k && k->value ? k->value[variable_at(p, i)] : env_text(p->key_env[i]);
}

static int key_index(const llm_keys *k, const llm_provider *p)
{
    for (int i = 0; i < LLM_PROVIDER_NAMES && p->key_env[i]; i++)
        if (key_value(k, p, i))
            return i;
    return -1;
}

const char *llm_key_variable(const llm_keys *k, const llm_provider *p)
{
    int i = key_index(k, p);
    return i < 0 ? NULL : p->key_env[i];
}

ws_status llm_key_find(const llm_keys *k, const llm_provider *p, const char *file, ws_buf *out,
                       llm_key_kind *kind, ws_err *err)
{
    int i = key_index(k, p);
    *kind = LLM_KEY_AUTO;
    ws_buf_reset(out);
    out->max = 4096;
    if (file) {
        protect_memory(true);
        if (ws_read_file(file, 4096, out, err))
            return ws_wrap(err, "--api-key-file");
    } else if (i >= 0) {
        ws_buf_adds(out, key_value(k, p, i));
        if (strstr(p->key_env[i], "AUTH_TOKEN"))
            *kind = LLM_KEY_BEARER;
    }
    while (out->n && strchr(" \t\r\n", out->p[out->n - 1]))
        out->p[--out->n] = '\0';
    if (file && !out->n)
        return ws_fail(err, WS_EINPUT, "--api-key-file '%s' is empty", file);
    return WS_OK;
}
