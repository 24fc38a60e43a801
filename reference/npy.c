#include "reference/npy.h"

#include "base/file.h"
#include "reference/ops.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "\x93NUMPY";

enum { MAGIC_BYTES = 6, ALIGNMENT = 64 };
static const size_t max_file_bytes = (size_t)64 << 30;

/* dtypes of NumPy that have one of ours */
static const struct {
    const char *descr;
    ws_dtype dtype;
} descrs[] = {{"<f8", WS_F64}, {"<f4", WS_F32}, {"<f2", WS_F16}, {"<i8", WS_I64}, {"<i4", WS_I32},
              {"<i2", WS_I16}, {"|i1", WS_I8},  {"|u1", WS_U8},  {"|b1", WS_BOOL}};

/* What a tensor of `t` is written as. */
static ws_dtype stored_as(ws_dtype t)
{
    for (size_t i = 0; i < WS_COUNT(descrs); i++)
        if (descrs[i].dtype == t)
            return t;
    return WS_F32; /* tf32, bf16 and fp8 are exact in it */
}

static const char *descr_of(ws_dtype t)
{
    for (size_t i = 0; i < WS_COUNT(descrs); i++)
        if (descrs[i].dtype == t)
            return descrs[i].descr;
    ws_bug("dtype %s has no npy descriptor", ws_dtype_name(t));
}

/* ---- the header, a Python dict: {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4)} ---- */

/* The text after 'key':, or NULL. */
static const char *find_key(const char *header, const char *key)
{
    char quoted[32];
    for (int q = 0; q < 2; q++) {
        snprintf(quoted, sizeof quoted, q ? "\"%s\"" : "'%s'", key);
        const char *p = strstr(header, quoted);
        if (!p)
            continue;
        p += strlen(quoted);
        p += strspn(p, " ");
        if (*p == ':')
            return p + 1 + strspn(p + 1, " ");
    }
    return NULL;
}

static ws_status parse_descr(const char *header, ws_dtype *out, ws_err *err)
{
    const char *p = find_key(header, "descr");
    if (!p || (*p != '\'' && *p != '"'))
        return ws_fail(err, WS_EINPUT, "the header has no plain 'descr'");
    size_t n = strcspn(p + 1, "'\"");
    for (size_t i = 0; i < WS_COUNT(descrs); i++)
        if (n == strlen(descrs[i].descr) && memcmp(p + 1, descrs[i].descr, n) == 0) {
            *out = descrs[i].dtype;
            return WS_OK;
        }
    ws_fail(err, WS_EINPUT, "elements of type '%.*s' are not supported", (int)(n < 40 ? n : 40),
            p + 1);
    return ws_hint(err, "little-endian f2 f4 f8 i1 i2 i4 i8 u1 b1 are");
}

static ws_status parse_shape(const char *header, ref_shape *out, ws_err *err)
{
    const char *p = find_key(header, "shape");
    *out = (ref_shape){.count = 1};
    if (!p || *p != '(')
        return ws_fail(err, WS_EINPUT, "the header has no 'shape'");
    for (p++; *p != ')';) {
        char *end;
        p += strspn(p, " ,");
        if (*p == ')')
            break;
        long long extent = strtoll(p, &end, 10);
        if (end == p || !isdigit((unsigned char)*p))
            return ws_fail(err, WS_EINPUT, "the header's 'shape' is malformed");
        if (out->rank == SPEC_MAX_RANK)
            return ws_fail(err, WS_EINPUT, "more than %d axes", SPEC_MAX_RANK);
        out->dim[out->rank++] = extent;
        if (__builtin_mul_overflow(out->count, (int64_t)extent, &out->count) ||
            out->count > INT64_C(1) << 40)
            return ws_fail(err, WS_EINPUT, "more than 2^40 elements");
        p = end;
    }
    return WS_OK;
}

static ws_status parse_header(const char *header, ws_dtype *dtype, ref_shape *shape, ws_err *err)
{
    const char *order = find_key(header, "fortran_order");
    if (parse_descr(header, dtype, err) || parse_shape(header, shape, err))
        return err->status;
    if (!order)
        return ws_fail(err, WS_EINPUT, "the header has no 'fortran_order'");
    if (strncmp(order, "False", 5) != 0 && shape->rank > 1) {
        ws_fail(err, WS_EINPUT, "the array is in Fortran order");
        return ws_hint(err, "save it through numpy.ascontiguousarray");
    }
    return WS_OK;
}

/* Offset of the data; the header's text, NUL-terminated, in *header (caller frees). */
static ws_status split_file(const ws_buf *file, char **header, size_t *data, ws_err *err)
{
    const unsigned char *p = (const unsigned char *)file->p;
    if (file->n < MAGIC_BYTES + 4 || memcmp(p, magic, MAGIC_BYTES))
        return ws_fail(err, WS_EINPUT, "not a .npy file");
    if (p[6] < 1 || p[6] > 3)
        return ws_fail(err, WS_EINPUT, "format version %d is not supported", p[6]);
    size_t at = p[6] == 1 ? 10 : 12, length = p[8] | (size_t)p[9] << 8;
    if (p[6] > 1 && file->n >= 12)
        length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (file->n < at || file->n - at < length)
        return ws_fail(err, WS_EINPUT, "the header is cut short");
    *header = ws_strndup(file->p + at, length);
    *data = at + length;
    return WS_OK;
}

static ws_status decode(ws_buf *file, const char *path, ref_tensor *out, ws_err *err)
{
    char *header = NULL;
    size_t data = 0;
    ws_dtype dtype = WS_F64;
    ref_tensor t = {0};
    ws_status st = split_file(file, &header, &data, err);
    if (!st)
        st = parse_header(header, &dtype, &t.shape, err);
    free(header);
    if (st)
        return st;
    size_t want = (size_t)t.shape.count * ws_dtype_bytes(dtype);
    if (file->n - data < want)
        return ws_fail(err, WS_EINPUT, "%zu bytes of data, expected %zu", file->n - data, want);
    if (ref_tensor_alloc(&t, false, path, err))
        return err->status;
    memmove(file->p, file->p + data, want); /* a header may leave the data unaligned */
    ws_dtype_load(dtype, t.v, file->p, (size_t)t.shape.count);
    *out = t;
    return WS_OK;
}

ws_status ref_npy_read(const char *path, ref_tensor *out, ws_err *err)
{
    ws_buf file = {.max = max_file_bytes};
    ws_status st = ws_read_file(path, max_file_bytes, &file, err);
    if (!st && (st = decode(&file, path, out, err)))
        ws_wrap(err, "'%s'", path);
    ws_buf_release(&file);
    return st;
}

/* ---- writing ---- */

static void add_header(const ref_shape *s, ws_dtype dtype, ws_buf *out)
{
    ws_buf text = {0};
    ws_buf_printf(&text, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr_of(dtype));
    for (int d = 0; d < s->rank; d++)
        ws_buf_printf(&text, "%s%" PRId64, d ? ", " : "", s->dim[d]);
    ws_buf_adds(&text, s->rank == 1 ? ",), }" : "), }");
    while ((MAGIC_BYTES + 4 + text.n + 1) % ALIGNMENT)
        ws_buf_addc(&text, ' ');
    ws_buf_addc(&text, '\n');
    const char lead[4] = {1, 0, (char)(text.n & 0xff), (char)(text.n >> 8)};
    ws_buf_add(out, magic, MAGIC_BYTES);
    ws_buf_add(out, lead, sizeof lead);
    ws_buf_add(out, text.p, text.n);
    ws_buf_release(&text);
}

ws_status ref_npy_write(const char *path, const ref_tensor *t, ws_dtype dtype, ws_err *err)
{
    ws_dtype as = stored_as(dtype);
    size_t bytes = (size_t)t->shape.count * ws_dtype_bytes(as);
    ws_buf file = {.max = max_file_bytes};
    ref_tensor packed = {.shape = {.count = (int64_t)(bytes / sizeof(double) + 1)}};
    if (ref_tensor_alloc(&packed, false, path, err))
        return err->status;
    ws_dtype_store(as, packed.v, t->v, (size_t)t->shape.count);
    add_header(&t->shape, as, &file);
    ws_buf_add(&file, packed.v, bytes);
    ws_status st = file.overflow ? ws_fail(err, WS_ELIMIT, "'%s': over 64 GiB", path)
                                 : ws_write_file(path, file.p, file.n, err);
    ref_tensor_release(&packed);
    ws_buf_release(&file);
    return st;
}
