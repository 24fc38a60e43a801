/* A cassette: the HTTP exchanges of a run, recorded to be replayed without network, key and cost.
 *
 * The file is JSON lines. The first is {"cassette": 1, "run": {...}, "warpsmith": version}, each
 * other one exchange: the request without its secrets, the response as it arrived, in frames with
 * their times, or how it failed. An exchange is appended when it ends, with one write and a sync to
 * disk: a killed recorder leaves at most one torn line, which is not read, and is cut off when
 * recording goes on.
 *
 * A request is answered by the exchange with its key: the hash of wire path and body, without what
 * only concerns transport. Each exchange is used once; of several, the one of the same turn first,
 * then in the order in which they were sent. The reply's limit in tokens may differ where nothing
 * else does: it is what was left of a budget. A cassette that is recorded to again answers a
 * request whose answer arrived, but which the run never stored because it was killed: the same key
 * and the same turn. */
#ifndef AGENT_LLM_CASSETTE_H
#define AGENT_LLM_CASSETTE_H

#include "base/buf.h"
#include "base/sha256.h"

#include <cjson/cJSON.h>
#include <stdint.h>

typedef struct cassette cassette;

/* ---- one exchange ---- */
typedef enum cassette_end {
    CASSETTE_COMPLETE,
    CASSETTE_FAILED, /* no response: refused, no such host, ... */
    CASSETTE_CUT,
    CASSETTE_STALLED,
    CASSETTE_TOO_LARGE,
    CASSETTE_CANCELLED /* by this side; never replayed */
} cassette_end;

typedef struct cassette_frame {
    size_t end;   /* in `bytes`; a frame begins where the one before it ends */
    double at_ms; /* since the request was sent */
} cassette_frame;

typedef struct cassette_exchange {
    int64_t seq; /* in the order of sending, from 1 */
    int turn;    /* of the run, -1: none */
    char key[WS_SHA256_HEX], near[WS_SHA256_HEX];
    ws_buf method, url; /* without query */
    ws_buf body;
    ws_buf request_headers, headers; /* "Name: value\n" each, of the response in order of arrival */
    int status;                      /* 0: no response */
    ws_buf bytes;                    /* of the response's body */
    cassette_frame *frame;
    int n_frames, cap_frames;
    cassette_end end;
    ws_buf error;       /* why it is not complete */
    int worth_retrying; /* after CASSETTE_FAILED: retries that make sense */
    bool sent;          /* the request went out, so that it may be paid for */
    double end_ms;
    char *model; /* that was asked for, "" when the body names none */
    bool used;
} cassette_exchange;

/* ---- recording ---- */
/* `run_json` (NULL: {}) goes into the header. With `append` a file that exists goes on, one that
 * does not is begun; without, one that holds an exchange, or is no cassette, is an error. The file
 * is locked. */
ws_status cassette_record_open(const char *path, const char *run_json, bool append, cassette **out,
                               ws_err *err) WS_MUST_CHECK;
bool cassette_records(const cassette *c);
/* The exchange of a request that is sent now. The body is copied. */
cassette_exchange *cassette_begin(cassette *c, const char *method, const char *url,
                                  const char *body, size_t n, int turn);
void cassette_add_request_header(cassette_exchange *x, const char *line); /* "Name: value" */
void cassette_add_header(cassette_exchange *x, const char *line, size_t n);
void cassette_new_response(cassette_exchange *x); /* forgets the headers of a 1xx */
void cassette_add_frame(cassette_exchange *x, double at_ms, const char *bytes, size_t n);
/* Appends it, with `secret` (NULL: none) masked wherever it stands, and frees it. A failure to
 * write is logged once and reported by cassette_close. */
void cassette_record(cassette *c, cassette_exchange *x, const char *secret);

/* ---- replay ---- */
typedef struct cassette_options {
    double speed; /* 1: as recorded, 2: twice as fast; 0: all at once, no retry is waited for */
    bool loose;   /* without an exact match, the next unused answer of the same model and turn, then
                     of the same model */
} cassette_options;

ws_status cassette_replay_open(const char *path, const cassette_options *o, cassette **out,
                               ws_err *err) WS_MUST_CHECK;
/* The exchange that answers this request, from now on used; NULL: none, and in a replay `hint` says
 * which recorded prompt is nearest and where it differs. While recording: only an answer that a
 * killed run left behind. */
const cassette_exchange *cassette_find(cassette *c, const char *url, const char *body, size_t n,
                                       int turn, char *hint, size_t size);
/* Whether an answer of this turn, to this body, waits for cassette_find. */
bool cassette_has_answer(const cassette *c, const char *body, size_t n, int turn);
/* The turn's request number i, from 0, in the order of sending; NULL: there were fewer. */
const cassette_exchange *cassette_request(const cassette *c, int turn, int i);
/* A 2xx response that came whole, as far as HTTP goes. */
bool cassette_is_answer(const cassette_exchange *x);
/* Every request that left is in the recording: no keeper was killed before it had written them. */
bool cassette_is_sound(const cassette *c);
/* Seconds after the request at which what was recorded at `at_ms` is due. */
double cassette_due_s(const cassette *c, double at_ms);
bool cassette_at_once(const cassette *c);
const cJSON *cassette_run(const cassette *c); /* of the header */
const char *cassette_url(const cassette *c);  /* of the first request, NULL: none */
int cassette_count(const cassette *c);
const cassette_exchange *cassette_get(const cassette *c, int i); /* in order of sending */
/* Whether this turn's request was answered in the recorded run, or refused for good: not when it
 * was never sent, or ended before its last retry. A recording without turns has every one. */
bool cassette_has_turn(const cassette *c, int turn);
/* All of it may be used again. */
void cassette_rewind(cassette *c);

/* What failed to be recorded, if anything. NULL is fine. */
ws_status cassette_close(cassette *c, ws_err *err);

/* ---- keys ---- */
/* hex sha256 of {wire path, body without transport fields, members sorted}. A body that is not JSON
 * counts as it is. `near` (NULL: not wanted): the same without the reply's limit in tokens. */
void cassette_key(const char *url, const char *body, size_t n, char out[WS_SHA256_HEX],
                  char near[WS_SHA256_HEX]);

#endif
