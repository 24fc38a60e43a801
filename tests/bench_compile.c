/* Sources compiled to PTX a second, as the loop's judges do it, when that is all that is done, on all
 * cores at once: what NVRTC alone allows them. Arguments: the sources. Prints one number. */
#include "base/clock.h"
#include "base/file.h"
#include "base/pool.h"
#include "harness/compile/compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const double WALL_S = 600;

static bool compile(comp_service *s, const char *path)
{
    ws_buf text = {0};
    ws_arena a = {0};
    ws_err err = {0};
    comp_result out = {0};
    bool ok = !ws_read_file(path, 1 << 20, &text, &err);
    comp_request r = {.source = ws_buf_z(&text), .source_bytes = text.n, .arch = "sm_90",
                      .fmad = true, .beside_others = true};
    ok = ok && !comp_compile(s, &r, &a, &out, &err) && out.ok;
    if (!ok)
        fprintf(stderr, "%s: %s\n", path, err.status ? err.msg : out.diag.text);
    ws_arena_release(&a);
    ws_buf_release(&text);
    return ok;
}

/* Every `step`th source from `first` on, once the service is warm and `go` is closed. */
static int worker(char **path, int n, int first, int step, int ready, int go)
{
    comp_service *s = NULL;
    ws_err err = {0};
    char byte = 0;
    /* In memory alone: what an earlier run compiled does not count. */
    if (comp_service_open(&(comp_service_options){.cache_dir = "", .wall_seconds = WALL_S}, &s,
                          &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    bool ok = compile(s, path[n - 1]);
    ok = write(ready, &byte, 1) == 1 && ok;
    while (read(go, &byte, 1) > 0)
        ;
    for (int i = first; i < n - 1 && ok; i += step)
        ok = compile(s, path[i]);
    comp_service_close(s);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    const int workers = ws_cpu_count(), n = argc - 1;
    int ready[2], go[2], bad = 0;
    char byte;
    if (n < 2 || pipe(ready) || pipe(go)) {
        fprintf(stderr, "bench_compile SOURCE SOURCE...\n");
        return 2;
    }
    for (int w = 0; w < workers; w++)
        if (fork() == 0) {
            close(go[1]);
            _exit(worker(argv + 1, n, w, workers, ready[1], go[0]));
        }
    for (int w = 0; w < workers; w++)
        if (read(ready[0], &byte, 1) != 1)
            return 1;
    const int64_t start = ws_now_ns();
    close(go[1]);
    for (int w = 0, status; w < workers; w++)
        bad |= wait(&status) < 0 || status;
    printf("%.2f\n", (n - 1) / ws_seconds_since(start));
    return bad ? 1 : 0;
}
