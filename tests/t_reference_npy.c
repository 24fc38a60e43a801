/* .npy files: what is written reads back, and what cannot be read is refused by name. */
#include "base/file.h"
#include "reference/npy.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <unistd.h>

static char path[256];

static const double values[] = {0, 1, -2, 0.5, 3, 7};

static void test_round_trip(ws_dtype dtype, const char *descr)
{
    double v[6];
    ws_err err = {0};
    ws_buf file = {0};
    ref_tensor t = {.shape = {.rank = 2, .dim = {2, 3}, .count = 6}, .v = v}, back = {0};
    for (int i = 0; i < 6; i++)
        v[i] = ws_dtype_round(dtype, values[i]);
    ok(ref_npy_write(path, &t, dtype, &err) == WS_OK && ref_npy_read(path, &back, &err) == WS_OK &&
           back.shape.rank == 2 && back.shape.dim[0] == 2 && back.shape.dim[1] == 3 &&
           memcmp(back.v, v, sizeof v) == 0, "%s there and back", ws_dtype_name(dtype));
    ok(ws_read_file(path, 1 << 20, &file, &err) == WS_OK && strstr(file.p + 10, descr),
       "stored as %s", descr);
    unsigned header = (unsigned char)file.p[8] | (unsigned)(unsigned char)file.p[9] << 8;
    is_int((10 + header) % 64, 0, "the data is aligned");
    ref_tensor_release(&back);
    ws_buf_release(&file);
}

/* Writes version 1.0 with `header` and `bytes` zero bytes of data, and reads it. */
static ws_status read_header(const char *header, size_t bytes, ref_tensor *out, ws_err *err)
{
    ws_buf file = {0};
    ws_buf_add(&file, "\x93NUMPY\x01\x00", 8);
    ws_buf_addc(&file, (char)strlen(header));
    ws_buf_addc(&file, 0);
    ws_buf_adds(&file, header);
    for (size_t i = 0; i < bytes; i++)
        ws_buf_addc(&file, 0);
    ws_status st = ws_write_file(path, file.p, file.n, err);
    ws_buf_release(&file);
    return st ? st : ref_npy_read(path, out, err);
}

static const struct {
    const char *header;
    size_t bytes;
    const char *error; /* NULL: is read */
} headers[] = {
    {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n", 16, NULL},
    {"{\"shape\":(2,1),\"fortran_order\":False,\"descr\":\"<i4\"}", 8, NULL},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 4, NULL},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", 0, NULL},
    {"{'descr': '<f4', 'fortran_order': True, 'shape': (4,), }", 16, NULL},
    {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", 16, "Fortran order"},
    {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", 8,
     "elements of type '>f4' are not supported"},
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }", 16, "elements of type '<c8'"},
    {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8, "no plain 'descr'"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 20,
     "20 bytes of data, expected 24"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", 8, "'shape' is malformed"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2", 8, "'shape' is malformed"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4,
     "more than 8 axes"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 4,
     "more than 2^40"},
    {"{'descr': '<f4', 'shape': (1,), }", 4, "no 'fortran_order'"},
    {"{'descr': '<f4', 'fortran_order': False}", 4, "no 'shape'"},
};

static void test_headers(void)
{
    for (size_t i = 0; i < WS_COUNT(headers); i++) {
        ws_err err = {0};
        ref_tensor t = {0};
        ws_status st = read_header(headers[i].header, headers[i].bytes, &t, &err);
        if (!headers[i].error)
            ok(st == WS_OK, "reads %s", headers[i].header);
        else if (ok(st == WS_EINPUT, "refuses %s", headers[i].header))
            has_str(err.msg, headers[i].error, headers[i].error);
        ref_tensor_release(&t);
    }
}

static void test_files(void)
{
    static const struct {
        const char *data;
        size_t n;
        const char *error;
    } rows[] = {{"hello, world", 12, "not a .npy file"},
                {"", 0, "not a .npy file"},
                {"\x93NUMPY\x01\x00\x40\x00{'descr'", 18, "the header is cut short"},
                {"\x93NUMPY\x09\x00\x40\x00{'descr'", 18, "version 9"}};
    for (size_t i = 0; i < WS_COUNT(rows); i++) {
        ws_err err = {0};
        ref_tensor t = {0};
        ok(ws_write_file(path, rows[i].data, rows[i].n, &err) == WS_OK &&
               ref_npy_read(path, &t, &err) == WS_EINPUT, "refused");
        has_str(err.msg, rows[i].error, rows[i].error);
        ref_tensor_release(&t);
    }
    ws_err err = {0};
    ref_tensor t = {0};
    ok(ref_npy_read("/nonexistent/x.npy", &t, &err) != WS_OK, "a missing file");
    has_str(err.msg, "/nonexistent/x.npy", "is named");
}

int main(void)
{
    const char *dir = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/t_reference_npy.%ld.npy", dir ? dir : "/tmp", (long)getpid());
    test_round_trip(WS_F64, "'<f8'");
    test_round_trip(WS_F32, "'<f4'");
    test_round_trip(WS_TF32, "'<f4'");
    test_round_trip(WS_F16, "'<f2'");
    test_round_trip(WS_BF16, "'<f4'");
    test_round_trip(WS_E4M3, "'<f4'");
    test_round_trip(WS_I64, "'<i8'");
    test_round_trip(WS_I32, "'<i4'");
    test_round_trip(WS_I16, "'<i2'");
    test_round_trip(WS_I8, "'|i1'");
    test_round_trip(WS_U8, "'|u1'");
    test_round_trip(WS_BOOL, "'|b1'");
    test_headers();
    test_files();
    unlink(path);
    return tap_done();
}
