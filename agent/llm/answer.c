#include "agent/llm/answer.h"

#include "base/json.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void llm_answer_init(llm_answer *a, size_t max_bytes)
{
    *a = (llm_answer){.prompt_tokens = -1,
                      .cached_tokens = -1,
                      .cache_write_tokens = -1,
                      .completion_tokens = -1,
                      .reasoning_tokens = -1,
                      .cost_usd = (double)NAN,
                      .content.max = max_bytes,
                      .reasoning.max = max_bytes,
                      .refusal.max = max_bytes};
    a->error.retry_after_s = (double)NAN;
}

void llm_answer_release(llm_answer *a)
{
    ws_buf_release(&a->content);
    ws_buf_release(&a->reasoning);
    ws_buf_release(&a->refusal);
    cJSON_Delete(a->usage);
    a->usage = NULL;
}

bool llm_answer_has_usage(const llm_answer *a)
{
    return a->prompt_tokens >= 0 && a->completion_tokens >= 0;
}

void llm_answer_finish(llm_answer *a, const char *reason)
{
    if (!reason || !*reason)
        return;
    llm_copy_text(a->finish_reason, sizeof a->finish_reason, reason);
    a->moved = true;
}

void llm_answer_name(llm_answer *a, const cJSON *o)
{
    if (*llm_get_text(o, "model"))
        llm_copy_text(a->model, sizeof a->model, llm_get_text(o, "model"));
}

void llm_add_parts(ws_buf *out, const cJSON *v)
{
    const cJSON *part;
    if (cJSON_IsString(v))
        ws_buf_adds(out, v->valuestring);
    else if (cJSON_IsArray(v))
        cJSON_ArrayForEach(part, v)
            ws_buf_adds(out, llm_get_text(part, llm_get(part, "text") ? "text" : "summary"));
}

/* ---- usage ---- */

/* Counts of a stream are cumulative, and some servers tell zeros in one of two events: the larger
 * one stands. */
static void merge(cJSON *into, const cJSON *from)
{
    const cJSON *v;
    cJSON_ArrayForEach(v, from)
    {
        cJSON *old = cJSON_GetObjectItemCaseSensitive(into, v->string);
        if (cJSON_IsNull(v) ||
            (cJSON_IsNumber(old) && cJSON_IsNumber(v) && old->valuedouble >= v->valuedouble))
            continue;
        cJSON *copy = cJSON_Duplicate(v, true);
        if (old)
            cJSON_ReplaceItemInObjectCaseSensitive(into, v->string, copy);
        else
            cJSON_AddItemToObject(into, v->string, copy);
    }
}

static bool read_count(const cJSON *o, const char *key, int64_t *out)
{
    int64_t n;
    if (!ws_json_whole(llm_get(o, key), &n) || n < 0)
        return false;
    *out = n;
    return true;
}

static int64_t at_least_0(int64_t n)
{
    return n > 0 ? n : 0;
}

void llm_answer_usage(llm_answer *a, const cJSON *usage)
{
    const cJSON *u, *cost;
    if (!cJSON_IsObject(usage))
        return;
    if (!a->usage)
        a->usage = cJSON_CreateObject();
    merge(a->usage, usage);
    u = a->usage;
    read_count(u, "cache_read_input_tokens", &a->cached_tokens);
    read_count(u, "cache_creation_input_tokens", &a->cache_write_tokens);
    if (!read_count(u, "prompt_tokens", &a->prompt_tokens) &&
        read_count(u, "input_tokens", &a->prompt_tokens)) /* Anthropic's is without the cache */
        a->prompt_tokens += at_least_0(a->cached_tokens) + at_least_0(a->cache_write_tokens);
    if (!read_count(u, "completion_tokens", &a->completion_tokens))
        read_count(u, "output_tokens", &a->completion_tokens);
    read_count(u, "prompt_cache_hit_tokens", &a->cached_tokens); /* DeepSeek */
    static const char *const in[] = {"prompt_tokens_details", "input_tokens_details"};
    static const char *const out[] = {"completion_tokens_details", "output_tokens_details"};
    for (int i = 0; i < 2; i++) {
        read_count(llm_get(u, in[i]), "cached_tokens", &a->cached_tokens);
        read_count(llm_get(u, in[i]), "cache_write_tokens", &a->cache_write_tokens);
        read_count(llm_get(u, out[i]), "reasoning_tokens", &a->reasoning_tokens);
        read_count(llm_get(u, out[i]), "thinking_tokens", &a->reasoning_tokens);
    }
    cost = llm_get(u, "cost");
    if (cJSON_IsNumber(cost) && cost->valuedouble >= 0)
        a->cost_usd = cost->valuedouble;
    a->moved = true;
}

/* ---- reasoning in the content ---- */

static const char *const tag_name[] = {"think", "thinking", "thought", "reasoning", "seed:think"};

/* The length of an opening (or closing) tag at p; 0: none. */
static size_t tag_at(const char *p, bool closing)
{
    size_t head = closing ? 2 : 1;
    if (strncmp(p, "</", head) != 0)
        return 0;
    for (size_t i = 0; i < WS_COUNT(tag_name); i++) {
        size_t n = strlen(tag_name[i]);
        if (strncasecmp(p + head, tag_name[i], n) == 0 && p[head + n] == '>')
            return head + n + 1;
    }
    return 0;
}

/* Templates that open the tag in the prompt leave only its end in the reply. A tag in the middle of
 * an answer that did not begin with one, after a fence, is the answer's own. */
void llm_answer_settle(llm_answer *a)
{
    const char *text = ws_buf_z(&a->content), *p = text + strspn(text, " \t\r\n"), *end = NULL;
    size_t open = tag_at(p, false), close = 0;
    for (const char *q = p; (q = strchr(q, '<')); q++)
        if ((close = tag_at(q, true))) {
            end = q;
            break;
        }
    if (!open && (!end || memmem(text, (size_t)(end - text), "```", 3)))
        return;
    const char *from = p + open;
    if (a->reasoning.n)
        ws_buf_addc(&a->reasoning, '\n');
    ws_buf_add(&a->reasoning, from, end ? (size_t)(end - from) : strlen(from));
    char *rest = ws_strdup(end ? end + close : "");
    ws_buf_reset(&a->content);
    ws_buf_adds(&a->content, rest + strspn(rest, "\r\n"));
    free(rest);
}
