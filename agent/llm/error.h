/* Errors as model servers tell them, in any of the usual forms, and how they end a request. */
#ifndef AGENT_LLM_ERROR_H
#define AGENT_LLM_ERROR_H

#include "agent/llm/llm.h"

typedef struct llm_error {
    bool present;
    char message[512], type[64], param[64], code[64];
    int status;           /* a numeric code in HTTP's error range, 0: none */
    double retry_after_s; /* Gemini's RetryInfo, NaN: none */
} llm_error;

/* The error in a body of any status; false: none recognised, and `out` says nothing. */
bool llm_error_parse(const char *body, size_t n, llm_error *out);
bool llm_error_read(const cJSON *o, llm_error *out);
/* An error object itself, without the envelope. */
void llm_error_read_object(const cJSON *e, llm_error *out);
/* One of the NULL-terminated words stands in message, code or type; case does not matter. */
bool llm_error_says(const llm_error *e, const char *const *words);
/* The field is the error's param, or stands in the message as a whole word; `quoted`: only in
 * quotation marks, for names that are words of plain English. */
bool llm_error_names(const llm_error *e, const char *field, bool quoted);
/* The prompt, with or without its reply, is more than the model's context. */
bool llm_error_is_context(const llm_error *e);
/* How a response with this HTTP status ends the attempt. */
llm_outcome llm_error_outcome(int status, const llm_error *e);

/* The text of an HTML page, or of any bytes, on one line of valid UTF-8 without control characters.
 */
void llm_plain_text(const char *body, size_t n, char *out, size_t size);

/* A member; NULL and "" where there is none. */
const cJSON *llm_get(const cJSON *o, const char *key);
const char *llm_get_text(const cJSON *o, const char *key);
void llm_copy_text(char *to, size_t size, const char *from);

#endif
