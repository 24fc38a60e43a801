/* Child processes with deadlines and a scrubbed environment. The candidate's source and its code
 * only ever meet such children. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include "base/buf.h"

#include <stdint.h>
#include <sys/types.h>

/* A running child connected by a stream socket on its descriptor 3; its stdin is /dev/null, its
 * stdout and stderr go to `log`'s pipe (read by ws_proc_wait) or /dev/null. */
typedef struct ws_proc {
    pid_t pid;      /* 0: not running */
    int sock;       /* our end, close-on-exec; -1: none */
    int output;     /* read end of stdout+stderr; -1: none */
} ws_proc;

typedef struct ws_proc_options {
    const char *const *argv;  /* argv[0] is the program's path; NULL-terminated */
    const char *const
        *env; /* whole environment of the child, NULL-terminated; NULL: ws_proc_clean_env() */
    const char *add_env; /* "NAME=value" beside it, NULL: none */
    const int *inherit_fds;   /* appear in the child as 4, 5, ... in this order */
    size_t n_inherit;
    bool on_stdio;            /* the socket is the child's 0 and 1, and its 3 is /dev/null */
    bool keep_output;         /* collect stdout+stderr; otherwise they are discarded */
    uint64_t max_address_bytes, max_cpu_seconds, max_file_bytes; /* rlimits; 0: none */
} ws_proc_options;

/* The path of the warpsmith program itself: $WARPSMITH_EXE, else this executable when it is called
 * warpsmith, else "<home>/warpsmith". */
const char *ws_proc_self(void);
/* A file that is built or installed with the program: in build/, ., or ../lib of the directory of
 * this executable or of warpsmith, or in <home>/build. */
bool ws_proc_beside(const char *name, ws_buf *out);
/* PATH, HOME, LANG, TMPDIR, LD_LIBRARY_PATH, CUDA_HOME, CUDA_VISIBLE_DEVICES, WARPSMITH_HOME,
 * _CACHE, _CALIBRATION and _CUDA_LIB only: no key, token or secret ever passes. */
const char *const *ws_proc_clean_env(void);

ws_status ws_proc_spawn(const ws_proc_options *o, ws_proc *out, ws_err *err) WS_MUST_CHECK;

typedef enum ws_proc_end { WS_PROC_EXITED, WS_PROC_SIGNALED, WS_PROC_DEADLINE } ws_proc_end;
typedef struct ws_proc_result {
    ws_proc_end how;
    int code;            /* exit code, or signal number */
    double cpu_seconds;
    long max_rss_kib;
} ws_proc_result;
/* Waits until the child ends or `deadline_ns` (monotonic; 0: none) passes, then SIGKILLs its
 * process group. Output, when kept, is appended to `output` (may be NULL). Closes the socket. */
ws_status ws_proc_wait(ws_proc *p, int64_t deadline_ns, ws_buf *output, ws_proc_result *out,
                       ws_err *err) WS_MUST_CHECK;
/* SIGKILL, and waits at most so long for the end; false: it hangs in the kernel, and is left
 * behind. */
bool ws_proc_kill_within(ws_proc *p, double seconds);
void ws_proc_kill(ws_proc *p); /* SIGKILL to the group, reap, close; fine on a stopped one */

/* In a child that was forked: closes all descriptors but 0 to 2 and *fd, which becomes 3. */
void ws_proc_keep_only(int *fd);

/* Length-prefixed messages over a socket: u32 type, u32 reserved, u64 length, bytes. Reading gives
 * up at `deadline_ns` (0: never) with WS_ELIMIT, at a closed peer with WS_EENV, over `max` bytes
 * with WS_EINPUT. */
ws_status ws_msg_send(int sock, uint32_t type, const void *data, size_t n,
                      ws_err *err) WS_MUST_CHECK;
ws_status ws_msg_recv(int sock, int64_t deadline_ns, size_t max, uint32_t *type, ws_buf *out,
                      ws_err *err) WS_MUST_CHECK;

#endif
