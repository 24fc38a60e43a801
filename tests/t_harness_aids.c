/* The kernels that stand around what is timed: on the CPU driver, and ptxas takes them for every
 * GPU that we name. */
#include "base/mem.h"
#include "harness/timing/aids.h"
#include "tests/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CACHE = 1 << 16 };

static cu_device *d;

static void test_gate(tim_aids *a)
{
    ws_err err = {0};
    uint32_t late = 9;
    tim_aids_release(a);
    ok(!tim_aids_hold(a, &err), "a gate %s", err.msg);
    ok(!tim_aids_late(a, &late, &err), "how many were late %s", err.msg);
    is_int(late, 1, "a gate that nobody opens does so by itself");
}

static void test_sweep(tim_aids *a)
{
    ws_err err = {0};
    ptx_report r;
    const ptx_options o = {.count = true};
    cu_engine_configure(d, &o);
    ok(!tim_aids_sweep(a, &err) && !cu_synchronize(d, &err), "a sweep runs %s", err.msg);
    cu_engine_report(d, &r);
    is_int(r.n_faults, 0, "without a finding");
}

static void test_probes(tim_aids *a)
{
    ws_err err = {0};
    double hz[AIDS_PROBES];
    for (int i = 0; i < AIDS_PROBES; i++)
        if (tim_aids_probe(a, i, &err))
            break;
    ok(!err.status && !cu_synchronize(d, &err) && !tim_aids_hz(a, hz, &err), "probes run %s", err.msg);
    int same = 0;
    for (int i = 0; i < AIDS_PROBES; i++)
        same += isfinite(hz[i]) && hz[i] > 0 && fabs(hz[i] / hz[0] - 1) < 0.01;
    ok(same == AIDS_PROBES, "each reads the same clock: %g Hz", hz[0]);
}

/* The driver of a GPU compiles them; the toolkit's assembler stands for it. */
static void test_ptxas(void)
{
    static const char *const arch[] = {"sm_75", "sm_80", "sm_89", "sm_90", "sm_100", "sm_120"};
    static const char ptxas[] = WS_CUDA_HOME "/bin/ptxas";
    char path[] = "/tmp/t_aids_XXXXXX", command[512];
    const int fd = access(ptxas, X_OK) ? -1 : mkstemp(path);
    if (fd < 0) {
        skip("ptxas takes them", "there is no ptxas");
        return;
    }
    const bool written = write(fd, tim_aids_ptx, strlen(tim_aids_ptx)) > 0;
    close(fd);
    for (size_t i = 0; i < WS_COUNT(arch); i++) {
        snprintf(command, sizeof command, "%s -arch=%s -o /dev/null %s", ptxas, arch[i], path);
        ok(written && system(command) == 0, "ptxas takes them for %s", arch[i]);
    }
    unlink(path);
}

int main(void)
{
    ws_err err = {0};
    tim_aids *a = NULL;
    if (!ok(!cu_open("cpu", &d, &err) && !tim_aids_open(d, CACHE, &a, &err), "opened %s", err.msg))
        return tap_done();
    test_sweep(a);
    test_probes(a);
    test_gate(a);
    tim_aids_close(a);
    cu_close(d);
    test_ptxas();
    return tap_done();
}
