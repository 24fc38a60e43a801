/* cuTensorMapEncodeTiled and ...Im2col of the CPU driver: what the driver API's manual refuses is
 * refused, with the rule in the message. */
#include "harness/driver.h"
#include "tests/tap.h"

#include <string.h>

static cu_device *device;

static ptx_tensor_map tiled(void)
{
    ptx_tensor_map m = {.rank = 2, .type = PTX_TM_F16, .step = {1, 1}, .address = 4096,
                        .stride = {128},
                        .last = {63, 31}, .box = {64, 32}};
    return m;
}

static ptx_tensor_map im2col(void)
{
    ptx_tensor_map m = {.mode = PTX_TM_IM2COL, .rank = 4, .type = PTX_TM_F32, .step = {1, 1, 1, 1},
                        .address = 4096,
                        .stride = {32, 256, 2048}, .last = {7, 7, 7, 1}, .lower = {-1, -1},
                        .upper = {-1, -1},
                        .channels = 8, .pixels = 64};
    return m;
}

/* part NULL: the map is made. */
static void check(const char *what, const ptx_tensor_map *m, const char *part)
{
    _Alignas(PTX_TM_ALIGN) unsigned char out[PTX_TM_BYTES];
    ws_err err = {0};
    ws_status st = cu_tensor_map(device, m, out, &err);
    if (part ? !ok(st && strstr(err.msg, part), "refused: %s", what) : !ok(!st, "%s", what))
        printf("# %s\n", err.msg);
}

#define BAD(base, what, change, part)                                                              \
    do {                                                                                           \
        ptx_tensor_map m = base();                                                                 \
        change;                                                                                    \
        check(what, &m, part);                                                                     \
    } while (0)

static void test_tiled(void)
{
    BAD(tiled, "a tiled map", (void)0, NULL);
    BAD(tiled, "a stride of zero", m.stride[0] = 0, NULL);
    BAD(tiled, "a box larger than the tensor", m.last[0] = 9, NULL);
    BAD(tiled, "an address that is no multiple of 16", m.address += 8, "is not a multiple of 16");
    BAD(tiled, "a stride that is no multiple of 16", m.stride[0] = 136, "globalStrides[0] is 136");
    BAD(tiled, "a stride of 2^40", m.stride[0] = 1ull << 40, "the limit is 2^40");
    BAD(tiled, "rank 0", m.rank = 0, "rank is 0");
    BAD(tiled, "rank 6", m.rank = 6, "rank is 6");
    BAD(tiled, "a box of 257", m.box[1] = 257, "boxDim[1] is 257");
    BAD(tiled, "an empty box", m.box[1] = 0, "boxDim[1] is 0");
    BAD(tiled, "a row that is no multiple of 16 bytes", m.box[0] = 60, "no multiple of 16 bytes");
    BAD(tiled, "an element stride of 9", m.step[1] = 9, "elementStrides[1] is 9");
    BAD(tiled, "a row wider than its swizzle", m.swizzle = PTX_TM_SWIZZLE_64,
        "more than the swizzle's 64");
    BAD(tiled, "NaN for whole numbers", (m.type = PTX_TM_U16, m.fill = PTX_TM_FILL_NAN),
        "filled with NaN");
    BAD(tiled, "an interleave in two dimensions", m.interleave = 1, "rank is 2, allowed are 3");
    BAD(tiled, "an interleave of 32 bytes without its swizzle",
        (m.rank = 3, m.stride[1] = 4096, m.box[2] = m.step[2] = 1, m.interleave = 2),
        "needs the swizzle of 32 bytes");
    BAD(tiled, "an interleaved map, which the engine lacks",
        (m.rank = 3, m.stride[1] = 4096, m.box[2] = m.step[2] = 1, m.interleave = 1),
        "does not support interleaved");
    BAD(tiled, "packed elements, which the engine lacks", (m.type = PTX_TM_B4X16, m.stride[0] = 32),
        "does not support tensor maps of packed");
}

static void test_im2col(void)
{
    BAD(im2col, "an im2col map", (void)0, NULL);
    BAD(im2col, "im2col in two dimensions", m.rank = 2, "rank is 2, allowed are 3");
    BAD(im2col, "a corner that does not fit 8 bits", m.lower[0] = -129, "outside -128 to 127");
    BAD(im2col, "an empty pixel box", m.upper[1] = -9, "the pixel box is empty in dimension 2");
    BAD(im2col, "no channels", m.channels = 0, "channelsPerPixel is 0");
    BAD(im2col, "257 channels", m.channels = 257, "channelsPerPixel is 257");
    BAD(im2col, "1025 pixels", m.pixels = 1025, "pixelsPerColumn is 1025");
}

int main(void)
{
    ws_err err = {0};
    if (!ok(!cu_open("cpu", &device, &err), "the CPU driver opens%s%s", err.msg[0] ? ": " : "",
            err.msg))
        return tap_done();
    test_tiled();
    test_im2col();
    cu_close(device);
    return tap_done();
}
