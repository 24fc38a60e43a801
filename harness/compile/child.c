/* The process that reads a candidate, in a sandbox: one source, and the jobs about it one after the
 * other. It writes what it made into its socket, phase by phase, so that one that dies while
 * assembling still leaves its PTX. */
#include "harness/compile/internal.h"

#include "base/file.h"
#include "harness/ptx/strip.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* A process that has grown beyond this is not used again: the next job would meet its memory limit
 * early. */
enum { MAX_KEPT_KIB = 256 << 10 };

static void write_frame(int fd, const void *data, size_t n)
{
    ws_buf framed = {.max = COMP_MAX_REPLY};
    comp_wire_put(&framed, data, n);
    if (!ws_write_all(fd, framed.p, framed.n))
        _exit(1); /* the server is gone */
    ws_buf_release(&framed);
}

static void write_phase(int fd, const comp_phase *p)
{
    ws_buf body = {.max = COMP_MAX_REPLY};
    comp_phase_write(&body, p);
    write_frame(fd, body.p, body.n);
    ws_buf_release(&body);
}

/* The PTX of `front` without what the kernels do not use; PTX that our parser refuses stays as it
 * is, for ptxas and the engine to say why. */
static void strip_globals(comp_phase *front, ws_buf *stripped)
{
    ws_err err = {0};
    stripped->max = COMP_MAX_REPLY;
    if (!ptx_strip_globals(front->output.p, front->output.n, stripped, &err))
        front->output = (ws_str){ws_buf_z(stripped), stripped->n};
}

static void run_job(const comp_toolkit *t, const comp_job *j, int pch, int fd)
{
    ws_buf log = {0}, ptx = {0}, stripped = {0}, plain = {0}, link_log = {0}, cubin = {0};
    comp_phase front = {0}, back = {0};
    struct rusage u = {0};
    if (j->compile) {
        comp_nvrtc_run(t, j, pch, &log, &ptx, &front);
        if (front.outcome == COMP_DONE)
            strip_globals(&front, &stripped);
    }
    write_phase(fd, &front);
    if (j->assemble && front.outcome <= COMP_DONE) {
        ws_str text = j->ptx;
        if (j->compile) {
            comp_ptx_without_lines(front.output.p, front.output.n, &plain);
            text = (ws_str){ws_buf_z(&plain), plain.n};
        }
        comp_link_run(j->arch, text, &link_log, &cubin, &back);
    }
    write_phase(fd, &back);
    getrusage(RUSAGE_SELF, &u);
    uint8_t again = front.outcome <= COMP_REJECTED && back.outcome <= COMP_REJECTED &&
                    u.ru_maxrss < MAX_KEPT_KIB;
    write_frame(fd, &again, sizeof again);
    ws_buf *all[] = {&log, &ptx, &stripped, &plain, &link_log, &cubin};
    for (size_t i = 0; i < WS_COUNT(all); i++)
        ws_buf_release(all[i]);
}

/* Whether `pch` is of this job: the text is always the same, its options may differ. */
static bool fits(const comp_pch *pch, const comp_job *j)
{
    char key[WS_SHA256_HEX];
    if (!pch || !j->compile)
        return false;
    comp_pch_key(j, key);
    return strcmp(key, pch->key) == 0;
}

void comp_child_main(const comp_toolkit *t, int fd, bool load_linker, const comp_pch *pch)
{
    const char *dirs[2] = {t->include[0], t->include[1]};
    ws_buf bytes = {.max = COMP_MAX_REPLY};
    ws_err err = {0};
    uint32_t type = 0;
    prctl(PR_SET_NAME, "ws-nvrtc"); /* in ps and top */
    if (load_linker && comp_link_load(t, &err))
        _exit(COMP_EXIT_LINKER);
    /* Nothing is read from a candidate outside its sandbox. */
    if (comp_sandbox_enter(dirs, t->n_includes) < 0)
        _exit(COMP_EXIT_SANDBOX);
    while (!ws_msg_recv(fd, 0, COMP_MAX_REPLY, &type, &bytes, &err)) {
        ws_arena a = {0};
        comp_job j;
        if (!comp_job_read(&a, (ws_str){ws_buf_z(&bytes), bytes.n}, &j))
            _exit(COMP_EXIT_JOB);
        comp_sandbox_limit(j.memory_bytes, (uint64_t)j.wall_seconds + 2,
                           pch ? COMP_PCH_HEAP : 0); /* the heap counts as a file */
        run_job(t, &j, fits(pch, &j) ? pch->fd : -1, fd);
        ws_arena_release(&a);
        ws_buf_reset(&bytes);
    }
    _exit(0);
}
