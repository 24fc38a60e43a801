/* What can be asked of the server, in the shapes that trainers speak (docs/serve.md). An endpoint
 * reads samples out of a body and writes the answer once all have their results. */
#ifndef AGENT_SERVE_ENDPOINT_H
#define AGENT_SERVE_ENDPOINT_H

#include "agent/serve/web.h"
#include "agent/serve/judge.h"
#include "base/json.h"

enum { SERVE_MAX_SAMPLES = 256, SERVE_MAX_SOURCE = 128 << 10, SERVE_MAX_SPECS = 512 };

/* One reply to judge. */
typedef struct serve_sample {
    serve_spec *spec;
    char *reply;           /* owned */
    double seconds;        /* of judging, 0: the server's */
    bool fresh;
    struct serve_call *of;
    serve_result *result;  /* NULL: not yet */
    serve_wait *wait;
} serve_sample;

typedef struct serve_endpoint serve_endpoint;

/* A request with its samples. */
typedef struct serve_call {
    const serve_endpoint *endpoint;
    const serve_judge_options *options;
    serve_specs *specs;
    cJSON *body;
    serve_sample *sample;
    int n, left; /* left: without a result yet */
    int64_t start_ns;
    web_request *request;
    void *server;
} serve_call;

struct serve_endpoint {
    const char *path;
    const char *const *fields; /* that a body may have, ended by NULL */
    ws_status (*read)(serve_call *c, ws_err *err);
    cJSON *(*write)(const serve_call *c);
};
extern const serve_endpoint *const serve_endpoints[]; /* ended by NULL */
extern const serve_endpoint serve_reward, serve_get_reward, serve_evaluate, serve_run_code;

/* ---- for the endpoints ---- */

/* Errors are told to the client: WS_EINPUT, something is wrong with the body; WS_EUSAGE, it asks
 * for what is not served. */
const cJSON *serve_get(const serve_call *c, const char *key); /* NULL: absent or null */
ws_status serve_text(const serve_call *c, const char *key, const char **out, ws_err *err);
/* Absent: *out stays. */
ws_status serve_number(const serve_call *c, const char *key, double min, double max, double *out,
                       ws_err *err);
ws_status serve_flag(const serve_call *c, const char *key, bool *out, ws_err *err);
/* The field would change what an answer means, and is not served. */
ws_status serve_refuse(const char *key, const char *why, ws_err *err);
/* Fields gpu, arch and spec_sha256 must fit what the server judges by. */
ws_status serve_check_columns(const serve_call *c, ws_err *err);
ws_status serve_add_sample(serve_call *c, const char *name, const char *reply, ws_err *err);
/* The text of a reply: a string, or messages of which the last is the assistant's. In a malloc'ed
 * string. */
ws_status serve_reply_text(const cJSON *v, const char *where, char **out, ws_err *err);

/* A reward as trainers take it: null where nothing is known. */
cJSON *serve_reward_number(const serve_result *r);
/* Everything about a result: reward with its parts, verdict, times. */
cJSON *serve_result_json(const serve_result *r);
bool serve_compiled(const serve_result *r);
bool serve_correct(const serve_result *r);

#endif
