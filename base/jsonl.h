/* JSON on one line, for the protocols between our own processes: a strict reader into an arena and
 * a writer. No library: the device worker links libc alone. Files that people write are read by
 * base/json.h, whose errors show the place. */
#ifndef BASE_JSONL_H
#define BASE_JSONL_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdint.h>

typedef enum jl_kind { JL_NULL, JL_BOOL, JL_INT, JL_NUMBER, JL_TEXT, JL_ARRAY, JL_OBJECT } jl_kind;

/* A value. Numbers without fraction and exponent that int64_t holds are JL_INT. */
typedef struct jl_value {
    jl_kind kind;
    bool yes;                     /* BOOL */
    int64_t whole;                /* INT */
    double number;                /* INT, NUMBER */
    const char *text;             /* TEXT: NUL-terminated, without NULs inside */
    int n;                        /* ARRAY, OBJECT: values below */
    const struct jl_value *child; /* the first of them */
    const char *key;              /* of a member */
    const struct jl_value *next;  /* in the same array or object */
} jl_value;

/* One value and nothing after it but white space. WS_EINPUT: it is not JSON, nests deeper than 16,
 * or an object has a key twice. */
ws_status jl_parse(ws_arena *a, const char *text, size_t n, const jl_value **out,
                   ws_err *err) WS_MUST_CHECK;

/* NULL: no such member, or `o` is NULL or no object. */
const jl_value *jl_get(const jl_value *o, const char *key);
/* Required members of the right kind; the error names the key. Integers are in [min, max]. */
ws_status jl_text(const jl_value *o, const char *key, const char **out, ws_err *err) WS_MUST_CHECK;
ws_status jl_int(const jl_value *o, const char *key, int64_t min, int64_t max, int64_t *out,
                 ws_err *err) WS_MUST_CHECK;
ws_status jl_number(const jl_value *o, const char *key, double *out, ws_err *err) WS_MUST_CHECK;
ws_status jl_array(const jl_value *o, const char *key, const jl_value **out,
                   ws_err *err) WS_MUST_CHECK;
/* The same, or `otherwise` when the member is absent or of another kind. */
int64_t jl_int_or(const jl_value *o, const char *key, int64_t otherwise);
bool jl_bool_or(const jl_value *o, const char *key, bool otherwise);
const char *jl_text_or(const jl_value *o, const char *key, const char *otherwise);

/* Writes into a buffer; commas come by themselves. `key` is NULL in arrays and at the top. */
typedef struct jl_writer {
    ws_buf *out;
    bool comma;
} jl_writer;
void jl_open(jl_writer *w, const char *key, char bracket); /* '{' or '[' */
void jl_close(jl_writer *w, char bracket);                 /* '}' or ']' */
void jl_put_text(jl_writer *w, const char *key, const char *z); /* what is not UTF-8 as U+FFFD */
void jl_put_int(jl_writer *w, const char *key, int64_t v);
void jl_put_bool(jl_writer *w, const char *key, bool v);
/* With 17 digits, so that it is read back exactly; NaN and infinities as "nan", "inf", "-inf". */
void jl_put_number(jl_writer *w, const char *key, double v);

#endif
