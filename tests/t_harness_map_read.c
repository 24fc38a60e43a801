/* Tensor maps in requests to the device worker: what was written is read back as it was, and what
 * no program of ours writes is refused before any driver sees it. */
#include "harness/device/program.h"
#include "tests/tap.h"

#include <stdio.h>
#include <string.h>

/* A program of one tensor and one scratch buffer of 4096 bytes. */
static ws_status read(dev_worker *w, const char *maps, plan_bound_launch *out, ws_err *err)
{
    dev_tensor tensor = {.name = "x", .bytes = 4096};
    int64_t scratch = 4096;
    const dev_program p = {
        .tensor = &tensor, .n_tensors = 1, .plan = {.scratch_bytes = &scratch, .n_scratch = 1}};
    char text[1200];
    const jl_value *launch = NULL;
    const int n = snprintf(text, sizeof text, "{\"maps\":%s}", maps);
    *out = (plan_bound_launch){0};
    if (jl_parse(&w->arena, text, (size_t)n, &launch, err))
        return err->status;
    return dev_maps_read(w, &p, launch, out, err);
}

#define MAP(rest) "[{\"name\":\"m\",\"of\":\"t\",\"index\":0,\"offset\":0," rest "}]"
#define TILED(rest)                                                                                \
    MAP("\"kinds\":[7,0,3,2,0],\"dims\":[32,32],\"strides\":[128],\"steps\":[1,1]," rest)

static const struct {
    const char *maps, *text;
} bad[] = {
    {"7", "maps"},
    {"[7]", "name"},
    {"[{\"name\":\"m\",\"of\":\"q\",\"index\":0}]", "a tensor map is of \"t\" or \"s\""},
    {"[{\"name\":\"m\",\"of\":\"t\",\"index\":1,\"offset\":0}]", "index"},
    {"[{\"name\":\"m\",\"of\":\"s\",\"index\":-1,\"offset\":0}]", "index"},
    {MAP("\"kinds\":[16,0,0,0,0]"), "'kinds': a number is out of range"},
    {MAP("\"kinds\":[13,0,0,0,0]"), "a type of packed elements"},
    {MAP("\"kinds\":[7,0,0,0]"), "'kinds': 4 numbers"},
    {MAP("\"kinds\":[7,0,0,0,2]"), "'kinds': a number is out of range"},
    {MAP("\"kinds\":[7,0,0,0,0],\"dims\":[]"), "'dims': 0 numbers"},
    {MAP("\"kinds\":[7,0,0,0,0],\"dims\":[1,1,1,1,1,1]"), "'dims': 6 numbers"},
    {MAP("\"kinds\":[7,0,0,0,0],\"dims\":[0],\"strides\":[],\"steps\":[1],\"box\":[4]"),
     "'dims': a number is out of range"},
    {MAP("\"kinds\":[7,0,0,0,0],\"dims\":[4294967297],\"strides\":[],\"steps\":[1],\"box\":[4]"),
     "'dims': a number is out of range"},
    {MAP("\"kinds\":[7,0,0,0,0],\"dims\":[4,4],\"strides\":[-16],\"steps\":[1,1],\"box\":[4,4]"),
     "'strides': a number is out of range"},
    {MAP("\"kinds\":[7,0,0,0,0],\"dims\":[4,4],\"strides\":[16],\"steps\":[1,256],\"box\":[4,4]"),
     "'steps': a number is out of range"},
    {TILED("\"box\":[32]"), "'box': 1 numbers"},
    {TILED("\"box\":[32,65536]"), "'box': a number is out of range"},
    {TILED("\"box\":[32,1.5]"), "'box': expected whole numbers"},
    {TILED("\"channels\":4"), "im2col in 2 dimensions"},
    {MAP("\"kinds\":[7,0,0,0,0],\"dims\":[4,4,4],\"strides\":[16,64],\"steps\":[1,1,1],\"lower\":[-"
         "32769],"
         "\"upper\":[0],\"channels\":4,\"pixels\":4"),
     "'lower': a number is out of range"},
    {MAP("\"kinds\":[7,0,0,0,0],\"dims\":[1025],\"strides\":[],\"steps\":[1],\"box\":[4]"),
     "tensor map 'm' reaches beyond its buffer"},
    {MAP("\"kinds\":[7,0,0,0,0],\"dims\":[4,4294967296,4294967296],\"strides\":[1099511627776,"
         "1099511627776],"
         "\"steps\":[1,1,1],\"box\":[4,1,1]"),
     "reaches beyond its buffer"},
};

int main(void)
{
    dev_worker w = {0};
    plan_bound_launch l;
    ws_err err = {0};
    ok(!read(&w, TILED("\"box\":[32,16]"), &l, &err) && l.n_maps == 1, "a tiled map %s", err.msg);
    const ptx_tensor_map want = {.magic = PTX_TM_MAGIC,
                                 .rank = 2,
                                 .type = PTX_TM_F32,
                                 .swizzle = PTX_TM_SWIZZLE_128,
                                 .promotion = 2,
                                 .step = {1, 1},
                                 .stride = {128},
                                 .last = {31, 31},
                                 .box = {32, 16}};
    ok(l.n_maps == 1 && memcmp(&l.map[0].map, &want, sizeof want) == 0, "its fields");
    is_str(l.n_maps ? l.map[0].name : "", "m", "its name");
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        err = (ws_err){0};
        if (!ok(read(&w, bad[i].maps, &l, &err) == WS_EINPUT && strstr(err.msg, bad[i].text),
                "refused: %s", bad[i].text))
            printf("# %s: %s\n", bad[i].maps, err.msg);
    }
    ws_arena_release(&w.arena);
    return tap_done();
}
