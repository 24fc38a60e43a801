/* Which server a model's name, an address and the environment mean; addresses in all their forms;
 * keys, which leave the environment; what headers and errors say. No network. */
#include "agent/llm/provider.h"

#include "agent/llm/curl.h"
#include "agent/llm/error.h"
#include "agent/llm/header.h"
#include "base/file.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* Variables of the table, and no others, as "A=1;B=2". */
static void set_env(const char *text)
{
    static const char *const all[] = {
        "OPENAI_API_KEY",       "OPENAI_BASE_URL",    "OPENAI_API_BASE",  "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "DEEPSEEK_API_KEY", "GEMINI_API_KEY",
        "GOOGLE_API_KEY",       "OPENROUTER_API_KEY", "XAI_API_KEY",      "GROQ_API_KEY",
        "MISTRAL_API_KEY",      "TOGETHER_API_KEY",   "VLLM_API_KEY",     "LLAMA_API_KEY",
        "OLLAMA_API_KEY",       "OLLAMA_HOST"};
    for (size_t i = 0; i < WS_COUNT(all); i++)
        unsetenv(all[i]);
    for (const char *p = text; p && *p; p += strcspn(p, ";"), p += *p == ';') {
        char name[128], value[128];
        if (sscanf(p, "%127[^=]=%127[^;]", name, value) == 2)
            setenv(name, value, 1);
    }
}

/* ---- which server ---- */

static void test_resolve(void)
{
    static const struct {
        const char *env, *provider, *url, *model;
        const char *want, *want_url, *want_model;
    } row[] = {
        {"", NULL, NULL, "gpt-5.4", "openai", "https://api.openai.com/v1", "gpt-5.4"},
        {"", NULL, NULL, "o4-mini", "openai", "https://api.openai.com/v1", "o4-mini"},
        {"", NULL, NULL, "claude-sonnet-5", "anthropic", "https://api.anthropic.com/v1",
         "claude-sonnet-5"},
        {"", NULL, NULL, "gemini-3.6-flash", "gemini",
         "https://generativelanguage.googleapis.com/v1beta/openai", "gemini-3.6-flash"},
        {"", NULL, NULL, "olmo", "openai", "https://api.openai.com/v1", "olmo"},
        {"", NULL, NULL, "anthropic/claude-sonnet-5", "anthropic", "https://api.anthropic.com/v1",
         "claude-sonnet-5"},
        {"", NULL, NULL, "openrouter/anthropic/claude-sonnet-5", "openrouter",
         "https://openrouter.ai/api/v1", "anthropic/claude-sonnet-5"},
        {"", "openrouter", NULL, "anthropic/claude-sonnet-5", "openrouter",
         "https://openrouter.ai/api/v1", "anthropic/claude-sonnet-5"},
        {"", "openrouter", NULL, "openrouter/auto", "openrouter", "https://openrouter.ai/api/v1",
         "openrouter/auto"},
        {"", "anthropic", NULL, "anthropic/claude-opus-5", "anthropic",
         "https://api.anthropic.com/v1", "claude-opus-5"},
        {"", "groq", NULL, "openai/gpt-oss-120b", "groq", "https://api.groq.com/openai/v1",
         "openai/gpt-oss-120b"},
        {"", NULL, NULL, "ollama/qwen3:8b", "ollama", "http://127.0.0.1:11434/v1", "qwen3:8b"},
        {"OLLAMA_HOST=0.0.0.0:1234", NULL, NULL, "ollama/qwen3", "ollama", "http://127.0.0.1:1234",
         "qwen3"},
        {"OLLAMA_HOST=gpu-box", NULL, NULL, "ollama/qwen3", "ollama", "http://gpu-box:11434",
         "qwen3"},
        {"OLLAMA_HOST=https://o.example.com", "ollama", NULL, "qwen3", "ollama",
         "https://o.example.com", "qwen3"},
        {"", NULL, "http://127.0.0.1:8000/v1", "openai/gpt-oss-20b", "custom",
         "http://127.0.0.1:8000/v1", "openai/gpt-oss-20b"},
        {"", NULL, "https://api.anthropic.com", "claude-opus-5", "anthropic",
         "https://api.anthropic.com", "claude-opus-5"},
        {"", NULL, "https://api.openai.com.example.org/v1", "m", "custom",
         "https://api.openai.com.example.org/v1", "m"},
        {"", NULL, "https://API.OpenAI.com:443/v1", "m", "openai", "https://API.OpenAI.com:443/v1",
         "m"},
        {"", NULL, "https://eu.openrouter.ai/api/v1", "a/b", "openrouter",
         "https://eu.openrouter.ai/api/v1", "a/b"},
        {"", NULL, "http://box:11434", "qwen3", "ollama", "http://box:11434", "qwen3"},
        {"", "vllm", "https://inference.example.com", "Qwen/Qwen3", "vllm",
         "https://inference.example.com", "Qwen/Qwen3"},
        {"OPENAI_BASE_URL=http://127.0.0.1:8000/v1", NULL, NULL, "openai/gpt-oss-20b", "custom",
         "http://127.0.0.1:8000/v1", "openai/gpt-oss-20b"},
        {"OPENAI_BASE_URL=http://127.0.0.1:4000", NULL, NULL, "claude-sonnet-5", "custom",
         "http://127.0.0.1:4000", "claude-sonnet-5"},
        {"OPENAI_BASE_URL=http://127.0.0.1:4000", NULL, NULL, "anthropic/claude-sonnet-5", "custom",
         "http://127.0.0.1:4000", "anthropic/claude-sonnet-5"},
        {"OPENAI_BASE_URL=http://127.0.0.1:4000;ANTHROPIC_API_KEY=k", NULL, NULL,
         "anthropic/claude-sonnet-5", "anthropic", "https://api.anthropic.com/v1",
         "claude-sonnet-5"},
        {"OPENAI_API_BASE=http://127.0.0.1:4000", NULL, NULL, "m", "custom",
         "http://127.0.0.1:4000", "m"},
        {"ANTHROPIC_BASE_URL=https://proxy.example.com", NULL, NULL, "claude-opus-5", "anthropic",
         "https://proxy.example.com", "claude-opus-5"},
        {"OPENAI_BASE_URL=https://openrouter.ai/api/v1", NULL, NULL, "anthropic/claude-sonnet-5",
         "openrouter", "https://openrouter.ai/api/v1", "anthropic/claude-sonnet-5"},
    };
    for (size_t i = 0; i < WS_COUNT(row); i++) {
        ws_arena a = {0};
        ws_err err = {0};
        llm_target t = {0};
        set_env(row[i].env);
        ws_status st =
            llm_provider_resolve(row[i].provider, row[i].url, row[i].model, NULL, &a, &t, &err);
        bool right = !st && strcmp(t.provider->name, row[i].want) == 0 &&
                     strcmp(t.base_url, row[i].want_url) == 0 &&
                     strcmp(t.model, row[i].want_model) == 0;
        if (!ok(right, "%s%s%s with '%s'", row[i].provider ? row[i].provider : "",
                row[i].url ? row[i].url : "", row[i].model, row[i].env))
            printf("# %s, %s, %s %s\n", st ? "-" : t.provider->name, st ? "-" : t.base_url,
                   st ? "-" : t.model, err.msg);
        ws_arena_release(&a);
    }
    set_env("");
    static const struct {
        const char *provider, *model, *text;
    } bad[] = {{"opneai", "m", "no provider is named 'opneai'"},
               {"custom", "m", "no address of its own"},
               {NULL, "", "no model is named"},
               {NULL, "anthropic/", "ends after its provider"}};
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        ws_arena a = {0};
        ws_err err = {0};
        llm_target t;
        ok(llm_provider_resolve(bad[i].provider, NULL, bad[i].model, NULL, &a, &t, &err) ==
               WS_EUSAGE,
           "refused: %s", bad[i].text);
        has_str(err.msg, bad[i].text, "in words");
        ws_arena_release(&a);
    }
}

static void test_addresses(void)
{
    static const struct {
        const char *url, *path;
        llm_wire wire;
        const char *want;
    } row[] = {
        {"https://h/v1", "/v1", LLM_WIRE_CHAT, "https://h/v1/chat/completions"},
        {"https://h/v1/", "/v1", LLM_WIRE_RESPONSES, "https://h/v1/responses"},
        {"https://h", "/v1", LLM_WIRE_CHAT, "https://h/v1/chat/completions"},
        {"https://h/", "/api/v1", LLM_WIRE_CHAT, "https://h/api/v1/chat/completions"},
        {"https://h/v1/chat/completions", "/v1", LLM_WIRE_CHAT, "https://h/v1/chat/completions"},
        {"https://h/v1/chat/completions/", "/v1", LLM_WIRE_RESPONSES, "https://h/v1/responses"},
        {"https://h/chat/completions", "/v1", LLM_WIRE_CHAT, "https://h/chat/completions"},
        {"https://h/v1beta/openai/", "/v1", LLM_WIRE_CHAT,
         "https://h/v1beta/openai/chat/completions"},
        {"https://h", "/v1", LLM_WIRE_MESSAGES, "https://h/v1/messages"},
        {"https://h/v1", "/v1", LLM_WIRE_MESSAGES, "https://h/v1/messages"},
        {"https://h/v1/messages", "/v1", LLM_WIRE_MESSAGES, "https://h/v1/messages"},
        {"https://h/anthropic", "/v1", LLM_WIRE_MESSAGES, "https://h/anthropic/v1/messages"},
        {"https://h/odd/messages", "/v1", LLM_WIRE_MESSAGES, "https://h/odd/messages"},
        {"https://h/openai/deployments/d?api-version=1", "/v1", LLM_WIRE_CHAT,
         "https://h/openai/deployments/d/chat/completions?api-version=1"},
        {"http://[::1]:80", "/v1", LLM_WIRE_CHAT, "http://[::1]:80/v1/chat/completions"},
    };
    for (size_t i = 0; i < WS_COUNT(row); i++) {
        char *got = llm_endpoint_address(row[i].url, row[i].path, row[i].wire);
        is_str(got, row[i].want, row[i].url);
        free(got);
    }
    is_int(llm_wire_of_url("https://h/v1/messages?x=1"), LLM_WIRE_MESSAGES,
           "an address names its wire");
    is_int(llm_wire_of_url("https://h/v1"), LLM_WIRE_AUTO, "or does not");
    llm_wire w;
    ws_err err = {0};
    ok(!llm_wire_parse("responses", &w, &err) && w == LLM_WIRE_RESPONSES &&
           !llm_wire_parse(NULL, &w, &err) && w == LLM_WIRE_AUTO &&
           llm_wire_parse("grpc", &w, &err) == WS_EUSAGE,
       "wires by name");
}

/* ---- keys ---- */

static bool in_environment(const char *text)
{
    for (char **e = environ; *e; e++)
        if (strstr(*e, text))
            return true;
    return false;
}

static void test_keys(void)
{
    char path[] = "/tmp/warpsmith-key-XXXXXX";
    llm_keys k;
    ws_buf key = {0};
    llm_key_kind kind;
    ws_err err = {0};
    set_env("OPENAI_API_KEY=canary-1;ANTHROPIC_AUTH_TOKEN=canary-2;GEMINI_API_KEY=canary-3;"
            "GOOGLE_API_KEY=canary-4;XAI_API_KEY=canary-5");
    is_str(llm_key_variable(NULL, llm_provider_find("gemini")), "GEMINI_API_KEY",
           "a key that is still in the environment");
    llm_keys_take(&k);
    ok(!in_environment("canary"), "no key is left in the environment");
    is_int(prctl(PR_GET_DUMPABLE), 0, "nor would a core dump have one");
    is_str(llm_key_variable(&k, llm_provider_find("gemini")), "GEMINI_API_KEY", "it was taken");
    ok(!llm_key_variable(&k, llm_provider_find("groq")), "another was not there");
    ok(!llm_key_find(&k, llm_provider_find("openai"), NULL, &key, &kind, &err) &&
           strcmp(ws_buf_z(&key), "canary-1") == 0 && kind == LLM_KEY_AUTO,
       "a provider's key");
    ok(!llm_key_find(&k, llm_provider_find("anthropic"), NULL, &key, &kind, &err) &&
           strcmp(ws_buf_z(&key), "canary-2") == 0 && kind == LLM_KEY_BEARER,
       "a token is sent as a bearer's");
    ok(!llm_key_find(&k, llm_provider_find("custom"), NULL, &key, &kind, &err) &&
           strcmp(ws_buf_z(&key), "canary-1") == 0,
       "another server's is OPENAI_API_KEY");
    ok(!llm_key_find(&k, llm_provider_find("deepseek"), NULL, &key, &kind, &err) && !key.n,
       "no key is no error");
    int fd = mkstemp(path);
    ok(fd >= 0 && write(fd, "canary-6\r\n", 10) == 10 &&
           !llm_key_find(&k, llm_provider_find("openai"), path, &key, &kind, &err) &&
           strcmp(ws_buf_z(&key), "canary-6") == 0,
       "a file goes first, without its line end");
    ok(ftruncate(fd, 0) == 0 &&
           llm_key_find(&k, llm_provider_find("openai"), path, &key, &kind, &err) == WS_EINPUT,
       "an empty file is an error");
    close(fd);
    unlink(path);
    ws_buf_release(&key);
    ws_arena a = {0};
    llm_target t;
    setenv("OPENAI_BASE_URL", "http://127.0.0.1:4000", 1);
    ok(!llm_provider_resolve(NULL, NULL, "xai/grok-4.5", &k, &a, &t, &err) &&
           strcmp(t.provider->name, "xai") == 0,
       "a key that was taken counts for a prefix");
    unsetenv("OPENAI_BASE_URL");
    ws_arena_release(&a);
    llm_keys_wipe(&k);
    ok(!llm_key_variable(&k, llm_provider_find("gemini")), "wiped");
    is_int(prctl(PR_GET_DUMPABLE), 1, "and then it may be dumped again");
}

/* ---- headers ---- */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void test_resets(void)
{
    static const struct {
        const char *text;
        double want;
    } row[] = {{"1s", 1},       {"120ms", 0.12}, {"6m0s", 360}, {"1h2m3.5s", 3723.5},
               {"7.66s", 7.66}, {"500us", 5e-4}, {"30", 30},    {"0.25", 0.25},
               {"0", 0}};
    static const char *const bad[] = {"", "soon", "-3", "1x", "5s6", "2026-13", "nan", "1e999"};
    for (size_t i = 0; i < WS_COUNT(row); i++)
        is_close(header_reset_seconds(row[i].text), row[i].want, 1e-9, row[i].text);
    for (size_t i = 0; i < WS_COUNT(bad); i++)
        ok(isnan(header_reset_seconds(bad[i])), "no reset: '%s'", bad[i]);
    char text[64], zone[64];
    time_t then = time(NULL) + 40;
    struct tm t;
    double left = (double)then - now_s();
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&then, &t));
    is_close(header_reset_seconds(text), left, 0.1, "RFC 3339");
    then += 3600;
    strftime(zone, sizeof zone, "%Y-%m-%dT%H:%M:%S.000+01:00", gmtime_r(&then, &t));
    is_close(header_reset_seconds(zone), left, 0.1, "in another zone");
    then -= 3600;
    snprintf(text, sizeof text, "%lld", (long long)then);
    is_close(header_reset_seconds(text), left, 0.1, "seconds since 1970");
    snprintf(text, sizeof text, "%lld000", (long long)then);
    is_close(header_reset_seconds(text), left, 0.1, "milliseconds since 1970");
}

static header_limits read_lines(const char *text)
{
    header_limits l;
    header_limits_init(&l);
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
        header_limits_read(&l, (ws_str){p, strcspn(p, "\n")});
    return l;
}

static void test_headers(void)
{
    header_limits l = read_lines("Retry-After: 9\nretry-after-ms: 250\nX-Should-Retry: false\n");
    ok(l.retry_after_s == 0.25 && l.should_retry == 0, "milliseconds stand before seconds");
    l = read_lines("retry-after-ms: 250\nRetry-After: 9\n");
    is_close(l.retry_after_s, 0.25, 0, "in either order");
    l = read_lines("retry-after-ms: soon\nRetry-After: 9\n");
    is_close(l.retry_after_s, 9, 0, "unless they are none");
    l = read_lines("Retry-After: -5\n");
    ok(isnan(l.retry_after_s), "a wait below zero is none");
    l = read_lines("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\n");
    is_close(l.retry_after_s, 0, 0, "a date in the past is now");
    l = read_lines("x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 2s\n"
                   "x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 6m0s\n"
                   "x-ratelimit-limit-tokens: 100\n");
    is_close(header_limits_wait(&l, false), 360, 1e-9,
             "the longest of the limits that are used up");
    l = read_lines("x-ratelimit-remaining-requests: 3\nx-ratelimit-reset-requests: 2s\n"
                   "anthropic-ratelimit-tokens-remaining: 0\n");
    is_close(header_limits_wait(&l, false), 0, 0, "none is used up with a reset");
    l = read_lines("X-RateLimit-Remaining: 0\nX-RateLimit-Reset: 5\n");
    is_close(header_limits_wait(&l, false), 5, 0, "OpenRouter's form");
    l = read_lines("anthropic-ratelimit-input-tokens-remaining: 0\n"
                   "anthropic-ratelimit-input-tokens-reset: 3s\n");
    is_close(header_limits_wait(&l, false), 3, 0, "Anthropic's form");
    l = read_lines("x-ratelimit-reset-requests: 4s\nx-ratelimit-remaining-tokens: 7\n"
                   "x-ratelimit-reset-tokens: 60s\n");
    is_close(header_limits_wait(&l, false), 0, 0, "what remains is not told");
    is_close(header_limits_wait(&l, true), 4, 1e-9, "unless the response refuses");
    ws_buf many = {0};
    for (int i = 0; i < 50; i++)
        ws_buf_printf(&many, "x-ratelimit-remaining-%d: 0\n", i);
    l = read_lines(ws_buf_z(&many));
    ok(l.n_buckets == HEADER_BUCKETS, "more limits than are kept do no harm");
    ws_buf_release(&many);
}

/* ---- errors ---- */

static void test_errors(void)
{
    static const struct {
        int status;
        const char *body;
        llm_outcome want;
    } row[] = {
        {400, "{\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\"}}", LLM_CONTEXT},
        {400, "{\"error\":{\"type\":\"exceed_context_size_error\",\"message\":\"m\"}}",
         LLM_CONTEXT},
        {500, "{\"error\":\"the input exceeds the context window\"}", LLM_CONTEXT},
        {400,
         "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
         "\"prompt is too long: 210000 tokens > 200000 maximum\"}}",
         LLM_CONTEXT},
        {400,
         "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your "
         "credit balance is too low\"}}",
         LLM_QUOTA},
        {400, "[{\"error\":{\"code\":400,\"message\":\"API key not valid.\"}}]", LLM_AUTH},
        {403, "{\"error\":{\"code\":403,\"message\":\"Input flagged\"}}", LLM_REFUSED},
        {429, "{\"error\":{\"message\":\"Rate limit reached\",\"code\":\"rate_limit_exceeded\"}}",
         LLM_RATE_LIMITED},
        {429, "{\"error\":{\"type\":\"billing_error\",\"message\":\"x\"}}", LLM_QUOTA},
        {429, "not JSON", LLM_RATE_LIMITED},
        {529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}", LLM_SERVER},
        {200, "{\"error\":{\"code\":429,\"message\":\"slow\"}}", LLM_RATE_LIMITED},
        {200, "{\"error\":{\"code\":\"502\",\"message\":\"bad gateway\"}}", LLM_SERVER},
        {200, "{\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}", LLM_SERVER},
        {200, "{\"error\":{\"type\":\"not_found_error\",\"message\":\"x\"}}", LLM_BAD_REQUEST},
        {200, "{\"error\":\"Too many requests, slow down\"}", LLM_RATE_LIMITED},
        {404, "{\"message\":{\"detail\":[{\"msg\":\"no model\"}]}}", LLM_BAD_REQUEST},
        {424, "{}", LLM_BAD_REQUEST},
        {302, "", LLM_BAD_REQUEST},
    };
    for (size_t i = 0; i < WS_COUNT(row); i++) {
        llm_error e;
        llm_error_parse(row[i].body, strlen(row[i].body), &e);
        llm_outcome got = llm_error_outcome(row[i].status, &e);
        if (!ok(got == row[i].want, "%d %s", row[i].status, row[i].body))
            printf("# %s\n", llm_outcome_name(got));
    }
}

int main(void)
{
    ws_err err = {0};
    test_resolve();
    test_addresses();
    test_keys();
    test_resets();
    test_errors();
    if (curl_load(&err)) /* dates are read by curl */
        skip("headers", err.msg);
    else
        test_headers();
    return tap_done();
}
