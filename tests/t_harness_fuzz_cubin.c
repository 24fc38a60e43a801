/* The reader of cubins on cubins with changed bytes: whatever comes out, it must survive it. The
 * program is its own compiler's worker. */
#include "harness/compile/compile.h"
#include "harness/profile/cubin.h"
#include "tests/cubin_sources.h"
#include "tests/fuzz.h"

enum { N_CUBINS = 3 };
static ws_buf original[N_CUBINS];

/* A field of some header, or any word, becomes a number that offsets and counts break at. */
static void put_number(ws_buf *b)
{
    static const uint64_t numbers[] = {0, 1, 0xff, 0xffff, 0x7fffffff, 0xffffffff, INT64_MAX,
                                       UINT64_MAX, UINT64_MAX - 63, 1ull << 32};
    const uint32_t width = 1u << pick(4);
    uint64_t v = pick(3) ? numbers[pick(WS_COUNT(numbers))] : pick((uint32_t)b->n + 100);
    uint32_t at = pick((uint32_t)b->n);
    if (!pick(3))
        at = pick(64); /* the file's header */
    at -= at % width;
    if (at + width <= b->n)
        memcpy(b->p + at, &v, width);
}

static bool cubin_one(void)
{
    const ws_buf *from = &original[pick(N_CUBINS)];
    ws_buf text = {0};
    ws_arena a = {0};
    ws_err err = {0};
    cubin c;
    ws_buf_add(&text, from->p, from->n);
    for (uint32_t n = pick(6); n; n--)
        put_number(&text);
    if (!pick(4))
        change_bytes(&text);
    fuzz_keep(text.p, text.n);
    /* In a block of its own size, so that a sanitizer sees a read past its end. */
    char *exact = ws_malloc(text.n ? text.n : 1);
    memcpy(exact, text.p, text.n);
    const bool read = !cubin_read(exact, text.n, &a, &c, &err);
    for (int i = 0; read && i < c.n_kernels; i++)
        if (!cubin_find(&c, c.kernel[i].name) || c.kernel[i].shared_bytes < 0)
            ws_bug("kernel %d of a cubin that was read is unsound", i);
    free(exact);
    ws_buf_release(&text);
    ws_arena_release(&a);
    return read;
}

static ws_status make_cubins(ws_err *err)
{
    static const char *const arch[N_CUBINS] = {"sm_75", "sm_90a", "sm_100"};
    comp_service *service = NULL;
    if (comp_service_open(&(comp_service_options){.cache_dir = ""}, &service, err))
        return err->status;
    for (int i = 0; i < N_CUBINS && !err->status; i++) {
        ws_arena a = {0};
        comp_result r;
        const char *source = i == 1 ? cubin_cluster_source : cubin_source;
        const comp_request q = {.source = source, .source_bytes = strlen(source), .file = "k.cu",
                                .arch = arch[i], .want_cubin = true, .fmad = true};
        if (!comp_compile(service, &q, &a, &r, err)) {
            if (r.ok)
                ws_buf_add(&original[i], r.cubin, r.cubin_bytes);
            else
                ws_fail(err, WS_EENV, "%s: %.900s", arch[i], r.diag.text);
        }
        ws_arena_release(&a);
    }
    comp_service_close(service);
    return err->status;
}

int main(int argc, char **argv)
{
    ws_err err = {0};
    if (argc == 3 && strcmp(argv[1], "worker") == 0)
        return comp_worker_main();
    setenv("WARPSMITH_EXE", argv[0], 1);
    if (make_cubins(&err)) {
        skip("cubins with changed bytes", err.msg);
        return tap_done();
    }
    int rc = fuzz_main("cubin", argc, argv, cubin_one);
    for (int i = 0; i < N_CUBINS; i++)
        ws_buf_release(&original[i]);
    return rc;
}
