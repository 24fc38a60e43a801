/* Inside the writer of C headers. */
#ifndef RESULTS_EXPORT_C_PARTS_H
#define RESULTS_EXPORT_C_PARTS_H

#include "results/export_case.h"

/* String literals of at most 4095 bytes are what every C compiler takes. */
enum { EXP_C_PIECE = 2048 };

typedef struct exp_c_header {
    exp_job *j;
    exp_case test;
    char id[160], upper[160]; /* name_tag */
    const char **kernel;      /* the names of those that are launched, each once */
    int n_kernels;
    ws_expr_style style;
} exp_c_header;

/* Members of the struct of arguments; a name that C++ or the struct itself has gets another one. */
const char *exp_c_field_of_tensor(const exp_c_header *h, int i);
const char *exp_c_field_of_dim(const exp_c_header *h, int i);
const char *exp_c_type_of_tensor(const exp_c_header *h, int i);  /* "const float *" */
const char *exp_c_dims_text(exp_c_header *h, const ws_env *env); /* "B=3 N=257" */
void exp_c_put_float(double v, ws_buf *out);                     /* a constant expression */
void exp_c_put_string(const char *z, ws_buf *out);               /* a string literal */

/* What the template's self-test asks for. */
void exp_c_put_test_tables(const exp_c_header *h, ws_buf *out);
void exp_c_put_test_dims(const exp_c_header *h, ws_buf *out);
void exp_c_put_test_pointers(const exp_c_header *h, ws_buf *out);
void exp_c_put_host_bytes(const exp_c_header *h, ws_buf *out);
void exp_c_put_passed(exp_c_header *h, ws_buf *out);
void exp_c_put_notest(exp_c_header *h, ws_buf *out);
void exp_c_put_test_shape(exp_c_header *h, ws_buf *out);

#endif
