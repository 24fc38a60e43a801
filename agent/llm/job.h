/* Inside the client: endpoints, and requests with their attempts. client.c (the calls and the
 * queue), endpoint.c (servers, keys, quirks), attempt.c (one HTTP exchange and what it was),
 * retry.c (what follows from it). A job goes QUEUED -> RUNNING -> (WAITING -> RUNNING)* ->
 * FINISHED; llm_poll moves it. */
#ifndef AGENT_LLM_JOB_H
#define AGENT_LLM_JOB_H

#include "agent/llm/intake.h"
#include "agent/llm/provider.h"

typedef struct model_quirks {
    char *model;
    llm_quirks quirks;
} model_quirks;

typedef struct endpoint {
    char *base, *key;
    char *url[LLM_N_WIRES];
    const llm_provider *provider;
    llm_wire wire; /* never AUTO */
    unsigned key_headers;
    char *header[LLM_PROVIDER_NAMES]; /* of the provider and the environment, NULL-terminated */
    bool may_switch;                  /* to the wire that a model needs */
    bool direct, names_turns;
    bool warned;     /* that its context is too short */
    int64_t gate_ns; /* nothing starts before: a 429, Retry-After, a limit that is used up */
    int64_t shut_ns; /* until then the server asks to wait longer than is waited: nothing is sent */
    int64_t limited_ns; /* of the last overload */
    int window; /* requests without an answer yet; 1 after an overload, doubled by each that is
                 * answered
                 */
    /* The key was refused or its quota spent: the requests that waited then are not sent. */
    llm_outcome dead; /* LLM_OK: no */
    int dead_below;   /* their numbers */
    char why[1024];
    model_quirks *known;
    int n_known, cap_known;
} endpoint;

typedef enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_WAITING, JOB_FINISHED } job_state;

typedef struct job {
    struct job *next;
    llm_client *client;
    endpoint *endpoint;
    int id;
    job_state state;
    llm_request q; /* owns its strings */
    llm_message *message;
    llm_intake in;              /* of the last attempt, with its wire */
    llm_quirks quirks, own;     /* of the attempt that runs; own: learned of this prompt only */
    int tries, protocol_errors; /* tries do not count resends for a quirk */
    int64_t first_ns, start_ns, not_before_ns;
    double waited_s; /* before the attempt that runs */
    http_transfer *transfer;
    ws_buf body;   /* as sent */
    bool accepted; /* a 2xx began */
    llm_attempt *attempt;
    int n_attempts, cap_attempts;
    llm_outcome outcome;
    char error[1024], hint[512];
    bool fatal;
} job;

struct llm_client {
    http_pool *pool;
    cassette *cassette;
    llm_limits limits;
    llm_quirk_store store;
    endpoint **endpoint;
    int n_endpoints, cap_endpoints;
    job *first;
    int next_id, n_running;
};

/* ---- endpoint.c ---- */
void endpoint_free(endpoint *e);
/* What is known of a model here; loaded when it is first asked for. */
llm_quirks *endpoint_quirks(llm_client *c, endpoint *e, const char *model);
void endpoint_learn(llm_client *c, endpoint *e, const char *model, llm_quirks learned);
/* Masks every key: some servers echo it in their error text. */
void client_redact(const llm_client *c, char *text, size_t n);
void client_redact_text(const llm_client *c, char *text);

/* ---- attempt.c ---- */
void attempt_start(job *j);
/* The adapter and the quirks that the job's next attempt takes. */
void attempt_plan(job *j);
/* How it ended; the answer is complete after. */
llm_outcome attempt_outcome(job *j, const http_response *h);
/* Adds it to the job's attempts. */
const llm_attempt *attempt_record(job *j, const http_response *h, llm_outcome o);
bool attempt_reached_limit(const llm_answer *a);

/* ---- retry.c ---- */
/* The transfer has ended: finished, or waiting for the next attempt. */
void job_end_attempt(job *j);
void job_finish(job *j, llm_outcome o, const llm_attempt *last);
/* What the headers of a response that is accepted say of the next one. */
void job_accepted(job *j);
/* Not to be sent: the server has asked for a longer wait than is waited, or the key is of no use
 * there. True: the job is finished. */
bool job_shut_out(job *j, int64_t now_ns);
/* When the job may start. */
int64_t job_start_ns(const job *j);
bool job_has_room(const job *j);

#endif
