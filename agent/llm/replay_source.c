#include "agent/llm/replay_source.h"

#include "agent/llm/behave.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_SCRIPTS = 256 };

struct replay_source {
    script *script;
    int n_scripts;
    bool one_script; /* any model name means it */
    bool no_stream;
    const char *path; /* of the cassette */
    cassette *cassette;
    behave *behave;
    const char *behaviour;
    int64_t requests;
};

/* ---- scripts ---- */

bool replay_find_script(const char *spec_name, char *path, int size)
{
    ws_buf p = {0};
    ws_home_path(&p, "agent/replays/");
    for (const char *z = spec_name; *z; z++)
        ws_buf_addc(&p, *z == '/' ? '_' : *z);
    ws_buf_adds(&p, ".json");
    bool found = (int)p.n < size && ws_file_exists(ws_buf_z(&p));
    if (found)
        snprintf(path, (size_t)size, "%s", ws_buf_z(&p));
    ws_buf_release(&p);
    return found;
}

static bool ends_with(const char *z, const char *tail)
{
    size_t n = strlen(z), t = strlen(tail);
    return n >= t && strcmp(z + n - t, tail) == 0;
}

static int is_script(const struct dirent *e)
{
    return ends_with(e->d_name, ".json");
}

static ws_status load_all(replay_source *s, ws_err *err)
{
    ws_buf dir = {0};
    struct dirent **list = NULL;
    ws_home_path(&dir, "agent/replays");
    int n = scandir(ws_buf_z(&dir), &list, is_script, alphasort);
    ws_status st = WS_OK;
    if (n < 0)
        st = ws_fail_errno(err, WS_EENV, "cannot read '%s'", ws_buf_z(&dir));
    else if (n == 0 || n > MAX_SCRIPTS)
        st = ws_fail(err, WS_EENV, "'%s' has %d scripts, expected 1 to %d", ws_buf_z(&dir), n,
                     MAX_SCRIPTS);
    s->script = ws_calloc(n > 0 ? (size_t)n : 1, sizeof *s->script);
    size_t base = dir.n;
    for (int i = 0; i < n; i++) {
        dir.n = base;
        ws_buf_printf(&dir, "/%s", list[i]->d_name);
        if (!st && !(st = script_load(ws_buf_z(&dir), &s->script[s->n_scripts], err)))
            s->n_scripts++;
        free(list[i]);
    }
    free(list);
    ws_buf_release(&dir);
    return st;
}

static ws_status load_one(replay_source *s, const char *path, ws_err *err)
{
    s->script = ws_calloc(1, sizeof *s->script);
    s->one_script = true;
    if (script_load(path, s->script, err))
        return err->status;
    s->n_scripts = 1;
    return WS_OK;
}

static script *find_script(replay_source *s, const char *model)
{
    if (s->one_script)
        return s->script;
    for (int i = 0; i < s->n_scripts; i++)
        if (strcmp(s->script[i].model, model) == 0 ||
            (s->script[i].spec && strcmp(s->script[i].spec, model) == 0))
            return &s->script[i];
    return NULL;
}

/* A cassette is known by its first line. */
static bool is_cassette(const char *path)
{
    static const char start[] = "{\"cassette\":";
    char bytes[sizeof start] = "";
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(bytes, 1, sizeof start - 1, f) : 0;
    if (f)
        fclose(f);
    return n == sizeof start - 1 && strcmp(bytes, start) == 0;
}

ws_status replay_source_open(const replay_options *o, replay_source **out, ws_err *err)
{
    replay_source *s = ws_calloc(1, sizeof *s);
    ws_status st;
    s->no_stream = o->no_stream;
    if (o->behaviour) {
        s->behaviour = o->behaviour;
        st = behave_open(
            &(behave_options){
                .name = o->behaviour, .spec = o->spec, .seed = o->seed, .delay_ms = o->delay_ms},
            &s->behave, err);
    } else if (o->script && is_cassette(o->script)) {
        s->path = o->script;
        st = cassette_replay_open(o->script,
                                  &(cassette_options){.speed = o->speed, .loose = o->loose},
                                  &s->cassette, err);
    } else {
        st = o->script ? load_one(s, o->script, err) : load_all(s, err);
    }
    if (!st) {
        *out = s;
        return WS_OK;
    }
    replay_source_close(s);
    return st;
}

void replay_source_close(replay_source *s)
{
    ws_err ignored = {0};
    if (!s)
        return;
    for (int i = 0; i < s->n_scripts; i++)
        script_release(&s->script[i]);
    free(s->script);
    behave_close(s->behave);
    if (cassette_close(s->cassette, &ignored))
        ws_log(WS_LOG_DEBUG, "%s", ignored.msg);
    free(s);
}

void replay_source_print(const replay_source *s)
{
    for (int i = 0; i < s->n_scripts; i++)
        printf("%s: %d scripted replies from %s\n", s->script[i].model, s->script[i].n_turns,
               s->script[i].path);
    if (s->cassette)
        printf("%d recorded exchanges from %s\n", cassette_count(s->cassette), s->path);
    if (s->behave)
        printf("%s: a played model, whatever model is named\n", s->behaviour);
}

/* ---- requests ---- */

static const cJSON *get(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

static const struct {
    const char *path, *prompt, *system; /* of the URL's end; members of the body */
} shapes[WIRE_SHAPES] = {[WIRE_CHAT] = {"/chat/completions", "messages", NULL},
                         [WIRE_RESPONSES] = {"/responses", "input", "instructions"},
                         [WIRE_MESSAGES] = {"/messages", "messages", "system"}};

/* Text, parts with text, or messages with either. */
static void add_text(const cJSON *v, ws_buf *out)
{
    const cJSON *m;
    if (cJSON_IsString(v))
        ws_buf_adds(out, v->valuestring);
    if (cJSON_IsObject(v)) {
        add_text(get(v, "content"), out);
        add_text(get(v, "text"), out);
    } else if (cJSON_IsArray(v)) {
        cJSON_ArrayForEach(m, v) add_text(m, out);
    }
}

typedef struct prompt {
    ws_buf all, user; /* all of it, and the last message */
} prompt;

static void read_prompt(const cJSON *body, wire_shape shape, prompt *out)
{
    const cJSON *list = get(body, shapes[shape].prompt);
    if (shapes[shape].system)
        add_text(get(body, shapes[shape].system), &out->all);
    add_text(list, &out->all);
    int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    add_text(n ? cJSON_GetArrayItem(list, n - 1) : list, &out->user);
}

static void prompt_release(prompt *p)
{
    ws_buf_release(&p->all);
    ws_buf_release(&p->user);
}

/* NULL: `out` has the error. */
static const script_answer *from_script(replay_source *s, const wire_request *q, const char *model,
                                        const char **name, wire_response *out)
{
    char text[256];
    script *sc = find_script(s, model);
    if (!sc) {
        snprintf(text, sizeof text, "no script answers for the model '%.100s'", model);
        wire_error(404, "model_not_found", text, q->keep_alive, out);
        return NULL;
    }
    const script_answer *a = script_take(sc, q->turn);
    ws_log(WS_LOG_INFO, "replay: %s, turn %d", sc->path, q->turn);
    *name = sc->model;
    if (!a) {
        snprintf(text, sizeof text, "the script's %d replies are used up", sc->n_turns);
        wire_error(402, "script_exhausted", text, q->keep_alive, out);
    }
    return a;
}

static const script_answer *from_behaviour(replay_source *s, const wire_request *q, const prompt *p,
                                           ws_arena *a)
{
    script_answer *answer = WS_ARENA_NEW(a, script_answer, 1);
    behave_prompt b = {ws_buf_z(&p->all), ws_buf_z(&p->user), q->turn};
    behave_answer(s->behave, &b, a, answer);
    return answer;
}

static void complete(replay_source *s, const wire_request *q, wire_shape shape, const cJSON *body,
                     wire_response *out, replay_note *note)
{
    const char *model = cJSON_GetStringValue(get(body, "model")), *name = model;
    char text[96];
    ws_arena arena = {0};
    prompt p = {0};
    read_prompt(body, shape, &p);
    if (!model || !p.all.n) {
        snprintf(text, sizeof text, "the body needs 'model' and '%s'", shapes[shape].prompt);
        wire_error(400, "invalid_request", text, q->keep_alive, out);
        prompt_release(&p);
        return;
    }
    const script_answer *a =
        s->behave ? from_behaviour(s, q, &p, &arena) : from_script(s, q, model, &name, out);
    note->status = a && a->status ? a->status : a ? 200 : 404;
    if (a && !a->text) {
        wire_json(a->body, note->status, a, q->keep_alive, out);
    } else if (a) {
        note->prompt_tokens = (int64_t)(p.all.n + 3) / 4;
        note->completion_tokens = wire_completion_tokens(a);
        note->answer = a->cut_after < 0;
        wire_completion c = {.shape = shape,
                             .model = name,
                             .id = ++s->requests,
                             .created_s = (int64_t)time(NULL),
                             .prompt_tokens = note->prompt_tokens,
                             .stream = cJSON_IsTrue(get(body, "stream")) && !s->no_stream,
                             .include_usage =
                                 cJSON_IsTrue(get(get(body, "stream_options"), "include_usage")),
                             .keep_alive = q->keep_alive};
        wire_complete(&c, a, out);
    }
    prompt_release(&p);
    ws_arena_release(&arena);
}

static void add_model(cJSON *list, const char *id, const char *owner)
{
    cJSON *m = cJSON_CreateObject();
    cJSON_AddStringToObject(m, "id", id);
    cJSON_AddStringToObject(m, "object", "model");
    cJSON_AddStringToObject(m, "owned_by", owner);
    cJSON_AddItemToArray(list, m);
}

static void list_models(replay_source *s, const wire_request *q, wire_response *out)
{
    ws_buf text = {0};
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "object", "list");
    cJSON *data = cJSON_AddArrayToObject(root, "data");
    for (int i = 0; i < s->n_scripts; i++)
        add_model(data, s->script[i].model, "scripted");
    if (s->behave)
        add_model(data, s->behaviour, "played");
    for (int i = 0; s->cassette && i < cassette_count(s->cassette); i++) {
        const char *model = cassette_get(s->cassette, i)->model;
        bool listed = false;
        for (int k = 0; k < i && !listed; k++)
            listed = strcmp(cassette_get(s->cassette, k)->model, model) == 0;
        if (!listed && *model)
            add_model(data, model, "recorded");
    }
    ws_json_print(root, false, &text);
    cJSON_Delete(root);
    wire_json(ws_buf_z(&text), 200, NULL, q->keep_alive, out);
    ws_buf_release(&text);
}

static bool find_shape(const char *path, wire_shape *out)
{
    ws_str p = {path, strcspn(path, "?")};
    for (int i = 0; i < WIRE_SHAPES; i++) {
        size_t n = strlen(shapes[i].path);
        if (p.n >= n && memcmp(p.p + p.n - n, shapes[i].path, n) == 0) {
            *out = (wire_shape)i;
            return true;
        }
    }
    return false;
}

void replay_source_answer(replay_source *s, const wire_request *q, wire_response *out,
                          replay_note *note)
{
    wire_shape shape;
    *note = (replay_note){.turn = q->turn, .status = 400};
    if (ends_with(q->path, "/models") && strcmp(q->method, "GET") == 0) {
        list_models(s, q, out);
        note->status = 200;
    } else if (strcmp(q->method, "POST") != 0) {
        wire_error(405, "method_not_allowed", "use POST", q->keep_alive, out);
    } else if (s->cassette) {
        replay_tape_answer(s->cassette, q, out, note);
    } else if (!find_shape(q->path, &shape)) {
        wire_error(404, "not_found",
                   "this server knows /v1/chat/completions, /v1/responses, /v1/messages and "
                   "/v1/models",
                   q->keep_alive, out);
        note->status = 404;
    } else {
        cJSON *body = cJSON_ParseWithLength(q->body.p, q->body.n);
        if (body)
            complete(s, q, shape, body, out, note);
        else
            wire_error(400, "invalid_json", "the body is not JSON", q->keep_alive, out);
        cJSON_Delete(body);
    }
}
