#include "agent/llm/script.h"

#include "base/file.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

enum { MAX_SCRIPT = 4 << 20, MAX_REPLY = 4 << 20, MAX_FAULTS = 64 };

typedef struct loader {
    script *s;
    const char *dir; /* with its slash, "" for the current one */
} loader;

static const cJSON *get(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

static ws_status read_whole(const cJSON *o, const char *where, const char *key, int64_t fallback,
                            int64_t *out, ws_err *err)
{
    const cJSON *v = get(o, key);
    *out = fallback;
    if (!v || (ws_json_whole(v, out) && *out >= 0))
        return WS_OK;
    return ws_fail(err, WS_EINPUT, "%s.%s: expected a whole number, not negative", where, key);
}

static ws_status read_text(loader *l, const cJSON *o, const char *where, const char *key,
                           const char **out, ws_err *err)
{
    const cJSON *v = get(o, key);
    *out = NULL;
    if (!v)
        return WS_OK;
    if (!cJSON_IsString(v))
        return ws_fail(err, WS_EINPUT, "%s.%s: expected a string", where, key);
    *out = ws_arena_strdup(&l->s->arena, v->valuestring);
    return WS_OK;
}

static ws_status read_file(loader *l, const cJSON *o, const char *where, const char **out,
                           ws_err *err)
{
    const char *name;
    ws_buf text = {0};
    if (ws_json_string(o, where, "file", &name, err))
        return err->status;
    if (*name == '/' || strstr(name, ".."))
        return ws_fail(err, WS_EINPUT, "%s.file: '%s' is not beside the script", where, name);
    const char *path = ws_arena_printf(&l->s->arena, "%s%s", l->dir, name);
    ws_status st = ws_read_file(path, MAX_REPLY, &text, err);
    if (!st)
        *out = ws_arena_strdup(&l->s->arena, ws_buf_z(&text));
    ws_buf_release(&text);
    return st;
}

/* {"Retry-After": "1"} as header lines. */
static ws_status read_headers(loader *l, const cJSON *o, const char *where, const char **out,
                              ws_err *err)
{
    const cJSON *h;
    ws_buf lines = {0};
    cJSON_ArrayForEach(h, get(o, "headers"))
    {
        if (!cJSON_IsString(h) || strpbrk(h->valuestring, "\r\n") || strpbrk(h->string, "\r\n:")) {
            ws_buf_release(&lines);
            return ws_fail(err, WS_EINPUT, "%s.headers: expected one-line strings by name", where);
        }
        ws_buf_printf(&lines, "%s: %s\r\n", h->string, h->valuestring);
    }
    *out = ws_arena_strdup(&l->s->arena, ws_buf_z(&lines));
    ws_buf_release(&lines);
    return WS_OK;
}

static void read_body(loader *l, const cJSON *o, const char **out)
{
    const cJSON *v = get(o, "body");
    ws_buf text = {0};
    if (cJSON_IsString(v)) {
        *out = ws_arena_strdup(&l->s->arena, v->valuestring);
    } else if (v) {
        ws_json_print(v, false, &text);
        *out = ws_arena_strdup(&l->s->arena, ws_buf_z(&text));
        ws_buf_release(&text);
    }
}

static ws_status read_answer(loader *l, const cJSON *o, const char *where, script_answer *a,
                             ws_err *err)
{
    static const char *const known[] = {"file",      "text",        "faults",      "status",
                                        "headers",   "body",        "chunk_bytes", "chunk_ms",
                                        "stall_ms",  "stall_after", "cut_after",   "finish_reason",
                                        "reasoning", "no_usage",    "clean",       NULL};
    int64_t status;
    if (!cJSON_IsObject(o))
        return ws_fail(err, WS_EINPUT, "%s: expected an object", where);
    if (ws_json_only(o, where, known, err) || read_text(l, o, where, "text", &a->text, err) ||
        read_text(l, o, where, "reasoning", &a->reasoning, err) ||
        read_text(l, o, where, "finish_reason", &a->finish_reason, err) ||
        read_headers(l, o, where, &a->headers, err) ||
        read_whole(o, where, "status", 0, &status, err) ||
        read_whole(o, where, "chunk_bytes", 64, &a->chunk_bytes, err) ||
        read_whole(o, where, "chunk_ms", 0, &a->chunk_ms, err) ||
        read_whole(o, where, "stall_ms", 0, &a->stall_ms, err) ||
        read_whole(o, where, "stall_after", -1, &a->stall_after, err) ||
        read_whole(o, where, "cut_after", -1, &a->cut_after, err))
        return err->status;
    read_body(l, o, &a->body);
    if (get(o, "file") && read_file(l, o, where, &a->text, err))
        return err->status;
    if (status && (status < 200 || status > 599))
        return ws_fail(err, WS_EINPUT, "%s.status: expected 200 to 599", where);
    a->status = (int)status;
    a->clean = cJSON_IsTrue(get(o, "clean"));
    a->no_usage = cJSON_IsTrue(get(o, "no_usage"));
    if (!a->body && a->status / 100 > 2)
        a->body = "";
    if (a->body)
        a->text = NULL;
    return WS_OK;
}

static ws_status read_turn(loader *l, const cJSON *o, int i, script_turn *t, ws_err *err)
{
    const cJSON *faults = get(o, "faults"), *f;
    const char *where = ws_arena_printf(&l->s->arena, "replies[%d]", i);
    if (read_answer(l, o, where, &t->answer, err))
        return err->status;
    if (!t->answer.text && !t->answer.body)
        return ws_fail(err, WS_EINPUT, "%s: expected 'file', 'text' or 'body'", where);
    if (faults && (!cJSON_IsArray(faults) || cJSON_GetArraySize(faults) > MAX_FAULTS))
        return ws_fail(err, WS_EINPUT, "%s.faults: expected an array of at most %d", where,
                       MAX_FAULTS);
    t->fault = WS_ARENA_NEW(&l->s->arena, script_answer, cJSON_GetArraySize(faults) + 1);
    cJSON_ArrayForEach(f, faults)
    {
        script_answer *a = &t->fault[t->n_faults];
        const char *place = ws_arena_printf(&l->s->arena, "%s.faults[%d]", where, t->n_faults);
        if (read_answer(l, f, place, a, err))
            return err->status;
        if (!a->text && !a->body) { /* a fault of the transport: of the reply's own text */
            a->text = t->answer.text;
            a->body = t->answer.body;
            a->reasoning = t->answer.reasoning;
            a->chunk_bytes = t->answer.chunk_bytes;
            a->chunk_ms = t->answer.chunk_ms;
        }
        t->n_faults++;
    }
    return WS_OK;
}

static ws_status read_root(loader *l, const cJSON *root, ws_err *err)
{
    static const char *const known[] = {"schema", "scripted", "spec", "model",
                                        "note",   "replies",  NULL};
    const cJSON *replies, *o;
    int64_t schema;
    script *s = l->s;
    if (ws_json_only(root, "script", known, err) ||
        read_whole(root, "script", "schema", 0, &schema, err) ||
        read_text(l, root, "script", "spec", &s->spec, err) ||
        read_text(l, root, "script", "model", &s->model, err) ||
        ws_json_array(root, "script", "replies", &replies, err))
        return err->status;
    if (schema != 1)
        return ws_fail(err, WS_EINPUT, "script.schema: expected 1");
    if (!cJSON_IsTrue(get(root, "scripted")))
        return ws_fail(err, WS_EINPUT,
                       "script.scripted: expected true, the label of scripted replies");
    if (!s->model)
        return ws_fail(err, WS_EINPUT, "script: missing 'model'");
    s->turn = WS_ARENA_NEW(&s->arena, script_turn, cJSON_GetArraySize(replies) + 1);
    cJSON_ArrayForEach(o, replies)
    {
        if (read_turn(l, o, s->n_turns, &s->turn[s->n_turns], err))
            return err->status;
        s->n_turns++;
    }
    return s->n_turns ? WS_OK : ws_fail(err, WS_EINPUT, "script.replies: expected at least one");
}

ws_status script_load(const char *path, script *out, ws_err *err)
{
    ws_buf text = {0};
    cJSON *root = NULL;
    *out = (script){0};
    const char *slash = strrchr(path, '/');
    loader l = {out, ws_arena_strndup(&out->arena, path, slash ? (size_t)(slash + 1 - path) : 0)};
    out->path = ws_arena_strdup(&out->arena, path);
    ws_status st = ws_read_file(path, MAX_SCRIPT, &text, err);
    if (!st)
        st = ws_json_parse(ws_buf_z(&text), text.n, &root, err);
    if (!st)
        st = read_root(&l, root, err);
    cJSON_Delete(root);
    ws_buf_release(&text);
    if (!st)
        return WS_OK;
    script_release(out);
    return ws_wrap(err, "script '%s'", path);
}

void script_release(script *s)
{
    ws_arena_release(&s->arena);
    *s = (script){0};
}

const script_answer *script_take(script *s, int turn)
{
    bool counted = turn < 0;
    int i = counted ? s->next % s->n_turns : turn;
    if (i >= s->n_turns)
        return NULL;
    script_turn *t = &s->turn[i];
    if (t->asked < t->n_faults)
        return &t->fault[t->asked++];
    if (counted) {
        s->next = (i + 1) % s->n_turns;
        t->asked = 0; /* the next round has the same faults */
    }
    return &t->answer;
}
