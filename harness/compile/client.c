/* The worker's life, and the jobs that it has. */
#include "harness/compile/internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { START_SECONDS = 60, GRACE_SECONDS = 5, MAX_IN_FLIGHT = 128 << 10 };

extern char **environ;

/* Without the program (a test before `make all`), the worker is a fork of this process that forgets
 * its environment and its descriptors before it does anything else. */
_Noreturn static void become_worker(int sock)
{
    int null = open("/dev/null", O_RDWR);
    setpgid(0, 0);
    for (char **e = environ; e && *e; e++) {
        static const char *const keep[] = {
            "CUDA_HOME=", "WARPSMITH_HOME=", "LD_LIBRARY_PATH=", "PATH=", "TMPDIR="};
        bool kept = false;
        for (size_t i = 0; i < WS_COUNT(keep); i++)
            kept |= strncmp(*e, keep[i], strlen(keep[i])) == 0;
        if (!kept)
            memset(*e, 0, strlen(*e)); /* the bytes behind /proc/self/environ too */
    }
    for (int i = 0; i < 3; i++)
        dup2(null, i);
    dup2(sock, 3);
    close_range(4, ~0u, 0);
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
    _exit(comp_worker_main());
}

static ws_status fork_worker(comp_service *s, ws_err *err)
{
    int sock[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
        return ws_fail_errno(err, WS_EENV, "cannot make a channel to the compile worker");
    pid_t pid = fork();
    if (pid < 0) {
        ws_fail_errno(err, WS_EENV, "cannot start the compile worker");
        close(sock[0]);
        close(sock[1]);
        return err->status;
    }
    if (pid == 0)
        become_worker(sock[1]);
    setpgid(pid, pid);
    close(sock[1]);
    s->worker = (ws_proc){pid, sock[0], -1};
    return WS_OK;
}

ws_status comp_worker_start(comp_service *s, ws_err *err)
{
    const char *const argv[] = {ws_proc_self(), "worker", "compile", NULL};
    /* A compile touches 18 MB once, and its children die soon: pages of 2 MB, and none handed back,
     * spare it more than half of its page faults. Other C libraries do not read this. */
    static const char *const memory =
        "GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=1073741824:"
        "glibc.malloc.trim_threshold=4294967296:glibc.malloc.top_pad=67108864";
    s->greeted = false;
    s->forked = s->forked || access(argv[0], X_OK);
    if (s->forked)
        return fork_worker(s, err);
    return ws_proc_spawn(&(ws_proc_options){.argv = argv, .add_env = memory}, &s->worker, err);
}

/* ---- what the worker says ---- */

static ws_status read_failure(ws_str bytes, uint64_t *id, ws_err *err)
{
    ws_str number, msg, hint;
    if (!comp_wire_get(&bytes, &number) || number.n != sizeof *id || !comp_wire_get(&bytes, &msg) ||
        !comp_wire_get(&bytes, &hint))
        return ws_fail(err, WS_EENV, "the compile worker failed without a reason");
    memcpy(id, number.p, sizeof *id);
    ws_fail(err, WS_EENV, "%.*s", WS_STR_ARG(msg));
    return hint.n ? ws_hint(err, "%.*s", WS_STR_ARG(hint)) : err->status;
}

static ws_status read_hello(comp_service *s, ws_str bytes, ws_err *err)
{
    ws_str version, headers, abi;
    int32_t n = 0;
    if (!comp_wire_get(&bytes, &version) || !comp_wire_get(&bytes, &headers) ||
        !comp_wire_get(&bytes, &abi) || abi.n != sizeof n ||
        !ws_str_eqz(headers, comp_headers_sha256()))
        return ws_fail(err, WS_EENV, "'%s' is from another build than this program",
                       ws_proc_self());
    memcpy(&n, abi.p, sizeof n);
    if (!n && !s->landlock_abi)
        ws_log(WS_LOG_WARN,
               "this kernel has no Landlock: the compiler's child is kept from files by the "
               "checks on the source alone");
    s->landlock_abi = n;
    snprintf(s->version, sizeof s->version, "%.*s", WS_STR_ARG(version));
    s->greeted = true;
    return WS_OK;
}

static comp_pending *find_id(comp_service *s, uint64_t id)
{
    for (int i = 0; i < s->n_pending; i++)
        if (s->pending[i]->id == id)
            return s->pending[i];
    return NULL;
}

static ws_status read_reply(comp_service *s, ws_str bytes, ws_err *err)
{
    ws_str number;
    uint64_t id;
    comp_reply r;
    if (!comp_wire_get(&bytes, &number) || number.n != sizeof id || !comp_reply_read(bytes, &r))
        return ws_fail(err, WS_EENV, "the compile worker sent a malformed reply");
    memcpy(&id, number.p, sizeof id);
    comp_pending *p = find_id(s, id);
    if (!p)
        return WS_OK;
    ws_buf_reset(&p->reply);
    ws_buf_add(&p->reply, bytes.p, bytes.n);
    p->done = true;
    comp_remember(s, p);
    return WS_OK;
}

/* One message. *final: the worker says that it cannot work at all. */
static ws_status receive(comp_service *s, int64_t deadline, bool *final, ws_err *err)
{
    ws_buf bytes = {.max = COMP_MAX_REPLY};
    uint32_t type = 0;
    uint64_t id = 0;
    ws_status st = ws_msg_recv(s->worker.sock, deadline, COMP_MAX_REPLY, &type, &bytes, err);
    ws_str text = {ws_buf_z(&bytes), bytes.n};
    if (!st && type == COMP_MSG_HELLO) {
        st = read_hello(s, text, err);
    } else if (!st && type == COMP_MSG_REPLY) {
        st = read_reply(s, text, err);
    } else if (!st && type == COMP_MSG_JOB_FAILED) {
        ws_err failure = {0};
        read_failure(text, &id, &failure);
        comp_pending *p = find_id(s, id);
        if (p) {
            p->failure = failure;
            p->done = true;
        }
    } else if (!st) {
        st = read_failure(text, &id, err);
        *final = true;
    }
    ws_buf_release(&bytes);
    return st;
}

/* ---- the worker's life, continued ---- */

static void stop(comp_service *s)
{
    ws_proc_kill(&s->worker);
    s->greeted = false;
}

/* Sends what has no reply yet; a failure shows when the reply is awaited. */
static ws_status start_and_resend(comp_service *s, ws_err *err)
{
    ws_err ignored = {0};
    if (comp_worker_start(s, err))
        return err->status;
    for (int i = 0; i < s->n_pending; i++) {
        const comp_pending *p = s->pending[i];
        if (!p->done &&
            ws_msg_send(s->worker.sock, COMP_MSG_JOB, p->request.p, p->request.n, &ignored))
            break;
    }
    return WS_OK;
}

/* Receives until *flag is set. A worker that dies is replaced, once by itself and, if it never said
 * a sensible hello (a program from another build, in the middle of development), by a fork of this
 * one. */
static ws_status receive_until(comp_service *s, const bool *flag, double seconds, ws_err *err)
{
    bool final = false;
    int replaced = 0;
    int64_t deadline = ws_now_ns() + (int64_t)((seconds + (s->greeted ? 0 : START_SECONDS)) * 1e9);
    while (!*flag) {
        if (!s->worker.pid && start_and_resend(s, err))
            return err->status;
        if (!receive(s, deadline, &final, err))
            continue;
        bool greeted = s->greeted;
        stop(s);
        if (final || err->status == WS_ELIMIT || replaced++ >= 2 || (!greeted && s->forked))
            return err->status;
        ws_log(WS_LOG_DEBUG, "%s; the compile worker is started again", err->msg);
        s->forked |= !greeted;
        *err = (ws_err){0};
    }
    return WS_OK;
}

/* A message of the worker's waits to be read, and it is not its last words, which comp_await reads.
 */
static bool has_message(const comp_service *s)
{
    uint32_t type = 0;
    return s->worker.pid &&
           recv(s->worker.sock, &type, sizeof type, MSG_PEEK | MSG_DONTWAIT) == sizeof type &&
           type != COMP_MSG_FAILED;
}

void comp_take_replies(comp_service *s)
{
    bool final = false;
    int64_t deadline = ws_now_ns() + GRACE_SECONDS * INT64_C(1000000000);
    while (has_message(s)) {
        ws_err err = {0};
        bool greeted = s->greeted;
        if (receive(s, deadline, &final, &err)) {
            stop(s); /* comp_await starts another */
            s->forked |= !greeted;
        }
    }
}

ws_status comp_worker_ready(comp_service *s, ws_err *err)
{
    if (s->greeted)
        return WS_OK;
    return receive_until(s, &s->greeted, GRACE_SECONDS, err) ? ws_wrap(err, "the compile worker")
                                                             : WS_OK;
}

/* ---- jobs ---- */

comp_pending *comp_pending_find(comp_service *s, const char *front_key)
{
    for (int i = 0; i < s->n_pending; i++)
        if (strcmp(s->pending[i]->front_key, front_key) == 0)
            return s->pending[i];
    return NULL;
}

void comp_pending_remove(comp_service *s, comp_pending *p)
{
    for (int i = 0; i < s->n_pending; i++)
        if (s->pending[i] == p) {
            s->pending[i] = s->pending[--s->n_pending];
            break;
        }
    ws_buf_release(&p->request);
    ws_buf_release(&p->reply);
    free(p);
}

/* Room for one more: the oldest reply that nobody took goes. */
static bool make_room(comp_service *s)
{
    comp_pending *oldest = NULL;
    if (s->n_pending < COMP_MAX_PENDING)
        return true;
    for (int i = 0; i < s->n_pending; i++)
        if (s->pending[i]->done && (!oldest || s->pending[i]->id < oldest->id))
            oldest = s->pending[i];
    if (oldest)
        comp_pending_remove(s, oldest);
    return oldest != NULL;
}

comp_pending *comp_submit(comp_service *s, const comp_job *j, const char *front_key,
                          const char *back_key)
{
    size_t in_flight = 0;
    comp_job numbered = *j;
    ws_err ignored = {0};
    if (!make_room(s))
        return NULL;
    for (int i = 0; i < s->n_pending; i++)
        in_flight += s->pending[i]->done ? 0 : s->pending[i]->request.n;
    comp_pending *p = ws_calloc(1, sizeof *p);
    numbered.id = p->id = ++s->last_id;
    p->wall_seconds = j->wall_seconds;
    snprintf(p->front_key, sizeof p->front_key, "%s", front_key);
    snprintf(p->back_key, sizeof p->back_key, "%s", back_key);
    p->request.max = p->reply.max = COMP_MAX_REPLY;
    comp_job_write(&p->request, &numbered);
    /* Both sides would block if this one sent more than the socket holds while the worker replies.
     */
    if (in_flight && in_flight + p->request.n > MAX_IN_FLIGHT) {
        comp_pending_remove(s, p);
        return NULL;
    }
    s->pending[s->n_pending++] = p;
    if (s->worker.pid &&
        ws_msg_send(s->worker.sock, COMP_MSG_JOB, p->request.p, p->request.n, &ignored))
        stop(s); /* comp_await starts another */
    return p;
}

void comp_cancel(comp_service *s)
{
    ws_err ignored = {0};
    bool running = false;
    comp_take_replies(s);
    while (s->n_pending) {
        running |= !s->pending[0]->done;
        comp_pending_remove(s, s->pending[0]);
    }
    if (running && s->worker.pid && ws_msg_send(s->worker.sock, COMP_MSG_CANCEL, "", 0, &ignored))
        stop(s);
}

ws_status comp_await(comp_service *s, comp_pending *p, comp_reply *out, ws_err *err)
{
    double seconds = GRACE_SECONDS;
    for (int i = 0; i < s->n_pending; i++)
        seconds += s->pending[i]->done ? 0 : s->pending[i]->wall_seconds;
    if (receive_until(s, &p->done, seconds, err) == WS_ELIMIT) {
        /* The worker's own deadline did not hold: the job's fault all the same. */
        comp_reply late = {.front = {.outcome = COMP_TIME}, .back = {.outcome = COMP_TIME}};
        comp_reply_write(&p->reply, &late);
        p->done = true;
        *err = (ws_err){0};
    }
    if (err->status)
        return err->status;
    if (p->failure.status) {
        *err = p->failure;
        return err->status;
    }
    if (!comp_reply_read((ws_str){ws_buf_z(&p->reply), p->reply.n}, out))
        return ws_fail(err, WS_EBUG, "a reply of the compile worker changed");
    return WS_OK;
}
