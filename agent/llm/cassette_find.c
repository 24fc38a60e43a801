#include "agent/llm/cassette_state.h"
#include "agent/llm/intake.h"

#include "base/json.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ws_status cassette_replay_open(const char *path, const cassette_options *o, cassette **out,
                               ws_err *err)
{
    int64_t whole;
    cassette *c = ws_calloc(1, sizeof *c);
    ws_err ignored = {0};
    c->path = ws_strdup(path);
    c->fd = -1;
    c->o = o ? *o : (cassette_options){0};
    ws_status st = cassette_load(c, &whole, err);
    if (!st && !c->header)
        st = ws_fail(err, WS_EINPUT, "'%s' is empty, not a cassette", path);
    if (!st) {
        *out = c;
        return WS_OK;
    }
    return cassette_close(c, &ignored) ? err->status : st;
}

double cassette_due_s(const cassette *c, double at_ms)
{
    return c->o.speed > 0 && c->fd < 0 ? at_ms * 1e-3 / c->o.speed : 0;
}

bool cassette_at_once(const cassette *c)
{
    return c && c->fd < 0 && !(c->o.speed > 0);
}

const cJSON *cassette_run(const cassette *c)
{
    return cJSON_GetObjectItemCaseSensitive(c->header, "run");
}

const char *cassette_url(const cassette *c)
{
    return c->n ? ws_buf_z(&c->x[0]->url) : NULL;
}

int cassette_count(const cassette *c)
{
    return c->n;
}

const cassette_exchange *cassette_get(const cassette *c, int i)
{
    return c->x[i];
}

/* A client's fault, which no retry mends. */
static bool is_refusal(const cassette_exchange *x)
{
    return x->end == CASSETTE_COMPLETE && x->status / 100 == 4 && x->status != 408 &&
           x->status != 409 && x->status != 425 && x->status != 429;
}

/* In full, on any wire. How the connection ended does not matter to a stream that told its end. */
static bool is_whole(const cassette_exchange *x)
{
    bool ended = x->end == CASSETTE_COMPLETE;
    return (ended || x->end == CASSETTE_CUT) &&
           intake_is_whole(ws_buf_z(&x->url), x->status, ws_buf_z(&x->bytes), x->bytes.n, ended);
}

bool cassette_is_answer(const cassette_exchange *x)
{
    return (x->end == CASSETTE_COMPLETE && x->status / 100 == 2) || is_whole(x);
}

bool cassette_has_turn(const cassette *c, int turn)
{
    bool turns = false;
    for (int i = 0; i < c->n; i++) {
        turns |= c->x[i]->turn >= 0;
        if (c->x[i]->turn == turn && (is_whole(c->x[i]) || is_refusal(c->x[i])))
            return true;
    }
    return !turns;
}

void cassette_rewind(cassette *c)
{
    for (int i = 0; i < c->n; i++)
        c->x[i]->used = false;
}

/* ---- matching ---- */

typedef struct wanted {
    char key[WS_SHA256_HEX], near[WS_SHA256_HEX];
    const char *model;
    int turn;
} wanted;

static bool same_key(const cassette_exchange *x, const wanted *w)
{
    return strcmp(x->key, w->key) == 0;
}

static bool same_turn(const cassette_exchange *x, const wanted *w)
{
    return w->turn >= 0 && x->turn == w->turn;
}

static bool exact_of_turn(const cassette_exchange *x, const wanted *w)
{
    return same_key(x, w) && same_turn(x, w);
}

static bool near_of_turn(const cassette_exchange *x, const wanted *w)
{
    return strcmp(x->near, w->near) == 0 && same_turn(x, w);
}

static bool left_behind(const cassette_exchange *x, const wanted *w)
{
    return cassette_is_answer(x) && near_of_turn(x, w);
}

bool cassette_has_answer(const cassette *c, const char *body, size_t n, int turn)
{
    wanted w = {.turn = turn};
    for (int i = 0; i < c->n; i++) {
        const cassette_exchange *x = c->x[i];
        if (x->used || !same_turn(x, &w))
            continue;
        cassette_key(ws_buf_z(&x->url), body, n, w.key, w.near);
        if (left_behind(x, &w))
            return true;
    }
    return false;
}

const cassette_exchange *cassette_request(const cassette *c, int turn, int i)
{
    for (int k = 0; k < c->n; k++)
        if (c->x[k]->turn == turn && i-- == 0)
            return c->x[k];
    return NULL;
}

bool cassette_is_sound(const cassette *c)
{
    return !c->broken;
}

/* A request that names no turn, or one that the recording does not know, takes any. */
static bool near(const cassette_exchange *x, const wanted *w)
{
    return strcmp(x->near, w->near) == 0;
}

static bool answer_of_turn(const cassette_exchange *x, const wanted *w)
{
    return cassette_is_answer(x) && strcmp(x->model, w->model) == 0 && same_turn(x, w);
}

static bool answer_of_model(const cassette_exchange *x, const wanted *w)
{
    return cassette_is_answer(x) && strcmp(x->model, w->model) == 0;
}

static cassette_exchange *first(cassette *c, const wanted *w,
                                bool (*fits)(const cassette_exchange *, const wanted *))
{
    for (int i = 0; i < c->n; i++)
        if (!c->x[i]->used && c->x[i]->end != CASSETTE_CANCELLED && fits(c->x[i], w))
            return c->x[i];
    return NULL;
}

static cassette_exchange *match(cassette *c, const wanted *w)
{
    if (c->fd >= 0)
        return first(c, w, left_behind);
    static bool (*const exact[])(const cassette_exchange *,
                                 const wanted *) = {exact_of_turn, near_of_turn, same_key, near};
    static bool (*const loose[])(const cassette_exchange *, const wanted *) = {answer_of_turn,
                                                                               answer_of_model};
    cassette_exchange *x = NULL;
    for (size_t i = 0; !x && i < WS_COUNT(exact); i++)
        x = first(c, w, exact[i]);
    for (size_t i = 0; !x && c->o.loose && i < WS_COUNT(loose); i++)
        x = first(c, w, loose[i]);
    return x;
}

/* ---- what is nearest ---- */

/* The words of a request, all strings of its prompt in order, a line end after each. */
static void add_words(const cJSON *v, ws_buf *out)
{
    const cJSON *m;
    if (cJSON_IsString(v)) {
        ws_buf_adds(out, v->valuestring);
        ws_buf_addc(out, '\n');
    }
    cJSON_ArrayForEach(m, v)
    {
        if (!m->string || (strcmp(m->string, "role") != 0 && strcmp(m->string, "type") != 0))
            add_words(m, out);
    }
}

static void words_of(const char *body, size_t n, ws_buf *out)
{
    static const char *const members[] = {"system", "instructions", "messages", "input"};
    cJSON *o = cJSON_ParseWithLength(body, n);
    for (size_t i = 0; i < WS_COUNT(members); i++)
        add_words(cJSON_GetObjectItemCaseSensitive(o, members[i]), out);
    cJSON_Delete(o);
}

/* Bytes that two texts have in common at their start. */
static size_t common(const ws_buf *a, const ws_buf *b)
{
    size_t n = a->n < b->n ? a->n : b->n, i = 0;
    while (i < n && a->p[i] == b->p[i])
        i++;
    return i;
}

static ws_str line_at(const ws_buf *text, size_t at, int *number)
{
    size_t from = at < text->n ? at : text->n;
    while (from > 0 && text->p[from - 1] != '\n')
        from--;
    *number = 1;
    for (size_t i = 0; i < from; i++)
        *number += text->p[i] == '\n';
    const char *p = ws_buf_z(text) + from;
    return (ws_str){p, strcspn(p, "\n")};
}

static void say_difference(const cassette_exchange *x, const ws_buf *asked, const ws_buf *recorded,
                           size_t at, char *hint, size_t size)
{
    int number, other;
    if (at == asked->n && at == recorded->n) {
        snprintf(hint, size, "recorded exchange %" PRId64 " has the same prompt, but %s", x->seq,
                 x->used ? "it is used already" : "other parameters, or another path");
        return;
    }
    ws_str now = line_at(asked, at, &number), then = line_at(recorded, at, &other);
    enum { MOST = 120 };
    snprintf(hint, size,
             "nearest is recorded exchange %" PRId64 " (turn %d), which differs in line %d of the "
             "prompt: recorded '%.*s', asked '%.*s'",
             x->seq, x->turn, number, (int)(then.n < MOST ? then.n : MOST), then.p,
             (int)(now.n < MOST ? now.n : MOST), now.p);
}

/* That which has most of its beginning in common, of several one that is not used. */
static void say_nearest(const cassette *c, const char *body, size_t n, char *hint, size_t size)
{
    ws_buf asked = {0}, recorded = {0};
    const cassette_exchange *best = NULL;
    size_t most = 0;
    words_of(body, n, &asked);
    for (int i = 0; i < c->n; i++) {
        const cassette_exchange *x = c->x[i];
        ws_buf_reset(&recorded);
        words_of(ws_buf_z(&x->body), x->body.n, &recorded);
        size_t same = common(&asked, &recorded);
        if (!best || same > most || (same == most && best->used && !x->used)) {
            best = x;
            most = same;
        }
    }
    if (best) {
        ws_buf_reset(&recorded);
        words_of(ws_buf_z(&best->body), best->body.n, &recorded);
        say_difference(best, &asked, &recorded, most, hint, size);
    } else {
        snprintf(hint, size, "the recording holds no exchange");
    }
    ws_buf_release(&asked);
    ws_buf_release(&recorded);
}

const cassette_exchange *cassette_find(cassette *c, const char *url, const char *body, size_t n,
                                       int turn, char *hint, size_t size)
{
    wanted w = {.turn = turn};
    if (c->fd >= 0 && !first(c, &w, same_turn))
        return NULL; /* as nearly always while recording, and a key takes a while */
    cJSON *o = cJSON_ParseWithLength(body, n);
    const char *model = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "model"));
    w.model = model ? model : "";
    cassette_key(url, body, n, w.key, w.near);
    cassette_exchange *x = match(c, &w);
    if (x)
        x->used = true;
    else if (c->fd < 0 && size)
        say_nearest(c, body, n, hint, size);
    cJSON_Delete(o);
    return x;
}
