/* The parts of the compile stage and what passes between them.
 *
 *   source.c    text checks                     headers.c   which #include names exist, and as what
 *   prelude.c   our own device-side std         toolkit.c   where NVRTC and its headers are
 *   prefix.c    the headers at a source's head  pch.c       headers that are compiled once
 *   nvrtc.c     CUDA to PTX                     link.c      PTX to cubin
 *   sandbox.c   what a child may do             child.c     one source in a sandbox
 *   worker.c    the server that forks the children
 *   wire.c      jobs and replies as bytes       message.c   compiler text to comp_message
 *   ptx_text.c  line information out of PTX     cache.c     replies by key, on disk and in memory
 *   client.c    the worker's life, its jobs     service.c   comp_compile
 *
 * Everything that reads the candidate's text with somebody else's code (NVRTC, ptxas) runs in
 * the child. */
#ifndef HARNESS_COMPILE_INTERNAL_H
#define HARNESS_COMPILE_INTERNAL_H

#include "base/buf.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/sha256.h"
#include "harness/compile/compile.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COMP_MAX_SOURCE = 1 << 20,   /* bytes of a candidate */
    COMP_MAX_LOG = 16 << 10,
    COMP_MAX_REPLY = 128 << 20,
    COMP_MAX_MACROS = 1024
};

/* ---- toolkit.c ---- */
typedef struct comp_toolkit {
    char nvrtc[PATH_MAX];       /* a path, or a bare name for the dynamic loader */
    char jitlink[PATH_MAX];     /* "" where there is none */
    char include[2][PATH_MAX];  /* toolkit headers, then include/cccl where it exists */
    int n_includes;
} comp_toolkit;
/* $CUDA_HOME, the toolkit that the build saw, <home>/build/cuda, /usr/local/cuda, the loader's
 * path. */
ws_status comp_toolkit_find(comp_toolkit *out, ws_err *err) WS_MUST_CHECK;
/* "NVRTC 13.0.88", from the library's file; false: it is not to be found there. */
bool comp_toolkit_version(const comp_toolkit *t, char *out, size_t cap);

/* ---- headers.c, prelude.c ---- */
/* NVRTC's in-memory headers: text[i] answers #include of name[i]. The first is the prelude
 * itself. */
typedef struct comp_headers {
    const char *const *name, *const *text;
    int n;
} comp_headers;
const comp_headers *comp_headers_get(void);
const char *comp_prelude_name(void);
/* SHA-256 over every in-memory header: a part of the cache key. */
const char *comp_headers_sha256(void);
extern const char *const comp_prelude_part[]; /* NULL-terminated */
/* NULL: candidates may include it; else why not, a sentence without a full stop. */
const char *comp_include_refused(const char *name, size_t n);
/* Of the C and C++ standard library, whose names the prelude has: including it adds nothing. */
bool comp_include_is_empty(const char *name, size_t n);

/* ---- prefix.c ---- */
/* Appends the toolkit headers that a source includes before anything but comments, an #include line
 * each, in the source's order. */
void comp_prefix(ws_str source, ws_buf *out);

/* ---- wire.c ---- */
typedef struct comp_job {
    uint64_t id;                /* comes back with the reply */
    bool compile;               /* source to PTX */
    bool assemble;              /* the PTX (made by this job or given) to a cubin */
    bool fmad;
    bool beside_others;         /* in a child that may have met other texts */
    double wall_seconds;
    uint64_t memory_bytes;
    const char *arch, *file;
    ws_str source;
    ws_str ptx;                 /* when !compile; without line information */
    const char *const *define;  /* "NAME VALUE", as after #define */
    uint32_t n_defines;
} comp_job;

typedef enum comp_outcome {
    COMP_NOT_RUN,   /* the phase was not asked for */
    COMP_DONE,
    COMP_REJECTED,  /* the compiler says no; the log says why */
    COMP_BAD_ARCH,
    COMP_BROKEN,    /* the compiler cannot work here; the log says why */
    COMP_TIME, COMP_MEMORY, /* a limit ended it */
    COMP_CRASHED,   /* the compiler itself died: `code` is the signal */
    COMP_NO_REPLY   /* inside the worker only */
} comp_outcome;

typedef struct comp_phase { /* what one of the two phases left */
    comp_outcome outcome;
    int code;
    ws_str log;
    ws_str output;          /* PTX, with .loc; or cubin */
} comp_phase;

typedef struct comp_reply {
    comp_phase front, back;
} comp_reply;

/* Readers point into the bytes; false: malformed. */
void comp_job_write(ws_buf *out, const comp_job *j);
bool comp_job_read(ws_arena *a, ws_str bytes, comp_job *out);
void comp_phase_write(ws_buf *out, const comp_phase *p);
bool comp_phase_read(ws_str bytes, comp_phase *out);
void comp_reply_write(ws_buf *out, const comp_reply *r);
bool comp_reply_read(ws_str bytes, comp_reply *out);
void comp_wire_put(ws_buf *out, const void *data, size_t n); /* length, bytes */
bool comp_wire_get(ws_str *rest, ws_str *out);

/* Message types on the worker's socket. HELLO: version, hash of the headers, Landlock ABI.
 * FAILED and JOB_FAILED: id, message and hint of a ws_err; the worker ends after FAILED. REPLY:
 * id, comp_reply. CANCEL, empty: the client waits for no job any more. */
enum {
    COMP_MSG_HELLO = 1, COMP_MSG_FAILED, COMP_MSG_JOB, COMP_MSG_JOB_FAILED, COMP_MSG_REPLY,
    COMP_MSG_CANCEL
};

/* ---- pch.c: only in the worker ---- */
typedef enum comp_pch_state {
    COMP_PCH_ABSENT, COMP_PCH_MAKING, COMP_PCH_READY, COMP_PCH_FAILED
} comp_pch_state;

/* What the compiles of one prefix have in common, compiled once. */
typedef struct comp_pch {
    char key[WS_SHA256_HEX]; /* "": a free place */
    comp_pch_state state;
    int asked;               /* compiles that did without it */
    int fd;                  /* MAKING, READY: memory, which children inherit; else -1 */
    char dir[64];            /* MAKING: of the maker's file */
    uint64_t last_use;
} comp_pch;

enum {
    COMP_MAX_PCH = 16,
    COMP_PCH_HEAP = 512 << 20 /* bytes of address space; <cub/cub.cuh> needs 170 MB of it */
};

typedef struct comp_pch_store {
    comp_pch item[COMP_MAX_PCH];
    uint64_t max_bytes; /* of all together; 0: there are none */
    bool reserved;      /* their place in the address space is known */
    uint64_t clock;
} comp_pch_store;

void comp_pch_open(comp_pch_store *s);
/* What the key is made of: the options of the job's compile and its prefix. */
void comp_pch_key(const comp_job *j, char key[WS_SHA256_HEX]);
/* The place of the job's key, a new one where there was none; NULL: there are none to be had. */
comp_pch *comp_pch_find(comp_pch_store *s, const comp_job *j);
/* Whether to make it now: often enough asked for, by what it saves. */
bool comp_pch_is_worth(const comp_pch *p, const comp_job *j);
/* What a maker fills; false: there is no memory or no place for a file. The first time it takes
 * 30 ms, and only children that are forked later can use what is made. */
bool comp_pch_begin(comp_pch_store *s, comp_pch *p);
/* The maker, a child that never meets a candidate: exits with 0 when the memory is complete and
 * sealed. */
_Noreturn void comp_pch_make(const comp_toolkit *t, const comp_pch_store *s, const comp_job *j,
                             const comp_pch *p);
void comp_pch_end(comp_pch_store *s, comp_pch *p, bool made);

/* ---- child.c ---- */
enum { COMP_EXIT_SANDBOX = 2, COMP_EXIT_JOB = 3, COMP_EXIT_LINKER = 4 };
/* For each COMP_MSG_JOB on fd it writes three frames: the two phases, and one byte, 1: it may be
 * asked again. Jobs with the key of `pch` (NULL: none) use it. */
_Noreturn void comp_child_main(const comp_toolkit *t, int fd, bool load_linker,
                               const comp_pch *pch);

/* ---- nvrtc.c, link.c: only in the worker ---- */
ws_status comp_nvrtc_load(const comp_toolkit *t, ws_err *err) WS_MUST_CHECK;
/* Compiles; log and PTX are appended to the buffers, which the phase points into. `pch`: the
 * precompiled prefix of this very job, in the file of this descriptor; -1: none. Whether it was
 * used; NVRTC does without one that it cannot use. */
bool comp_nvrtc_run(const comp_toolkit *t, const comp_job *j, int pch, ws_buf *log, ws_buf *ptx,
                    comp_phase *out);
/* Reserves address space for precompiled headers, at the same place in all children to come, by
 * making one in `path`; false: this NVRTC (before 12.8) has none, or they do not work here. */
bool comp_nvrtc_reserve(size_t bytes, const char *path);
/* What of a job's options decides what a prefix compiles to. */
void comp_nvrtc_describe(const comp_job *j, ws_buf *out);
/* Compiles the job's prefix alone into a new file. */
bool comp_nvrtc_precompile(const comp_toolkit *t, const comp_job *j, const char *path);
ws_status comp_link_load(const comp_toolkit *t, ws_err *err) WS_MUST_CHECK;
void comp_link_run(const char *arch, ws_str ptx, ws_buf *log, ws_buf *cubin, comp_phase *out);

/* ---- sandbox.c ---- */
/* Irrevocable: no new privileges, no network, no new programs, and no file but for reading below
 * `dirs`. Returns the Landlock ABI, 0 where the kernel has none (then the text checks alone
 * guard files), -1 where it failed. */
int comp_sandbox_enter(const char *const *dirs, int n_dirs);
/* For the job that begins now: address space, processor time from now on, and bytes that it may
 * write to a file. */
void comp_sandbox_limit(uint64_t memory_bytes, uint64_t cpu_seconds, uint64_t file_bytes);
int comp_sandbox_landlock_abi(void);

/* ---- ptx_text.c ---- */
/* Without .loc, .file and debug sections: what is assembled, and what identifies a kernel. */
void comp_ptx_without_lines(const char *ptx, size_t n, ws_buf *out);
/* The candidate's line behind line `number` of the text without lines; 0: not known. */
int comp_ptx_source_line(const char *ptx, size_t n, int number);
/* "NVRTC 13.0.88" from the head of a PTX text. */
bool comp_ptx_version(const char *ptx, size_t n, char *out, size_t cap);

/* ---- message.c ---- */
/* The log with the directories of `t` removed, cut to COMP_MAX_LOG at a line. */
const char *comp_log_clean(ws_arena *a, const comp_toolkit *t, ws_str log);
void comp_log_messages(ws_arena *a, const char *log, const comp_request *r, const char *file,
                       comp_result *out);
/* Fills registers and the rest from "ptxas -v" lines. */
void comp_log_resources(ws_str log, comp_kernel *kernel, int n_kernels);
/* The diagnosis of a phase that did not end well. */
void comp_diagnose_front(const comp_phase *p, double wall_seconds, comp_result *out);
void comp_diagnose_back(const comp_phase *p, ws_str ptx, const comp_request *r, double wall_seconds,
                        comp_result *out); /* ptx: with its lines */

/* ---- cache.c ---- */
typedef struct comp_cache comp_cache;
comp_cache *comp_cache_new(const char *dir); /* "": memory only */
void comp_cache_free(comp_cache *c);
/* The bytes stay valid until the next call with the same cache. */
bool comp_cache_get(comp_cache *c, const char *key, ws_str *out);
void comp_cache_put(comp_cache *c, const char *key, ws_str bytes);

/* ---- service.c, client.c ---- */

/* A job that the worker has, or whose reply waits to be taken. */
typedef struct comp_pending {
    uint64_t id;
    /* Under which to remember the phases; "" */
    char front_key[WS_SHA256_HEX], back_key[WS_SHA256_HEX];
    double wall_seconds;
    ws_buf request, reply;
    bool done;
    ws_err failure;         /* when done: the world's fault, WS_OK: none */
} comp_pending;

enum { COMP_MAX_PENDING = 64 };

struct comp_service {
    comp_toolkit toolkit;
    double wall_seconds;
    uint64_t memory_bytes;
    ws_proc worker;
    bool forked;            /* the worker is a fork of this process: no program to start */
    bool greeted;
    int landlock_abi;
    char version[64];       /* "" until known */
    char compiler_id[WS_SHA256_HEX]; /* which NVRTC this is, for keys; "" until known */
    comp_cache *cache;
    uint64_t last_id;
    comp_pending *pending[COMP_MAX_PENDING];
    int n_pending;
};

/* Starts the worker and does not wait for it. */
ws_status comp_worker_start(comp_service *s, ws_err *err) WS_MUST_CHECK;
/* Waits for a worker that has said hello; starts one where there is none. */
ws_status comp_worker_ready(comp_service *s, ws_err *err) WS_MUST_CHECK;
/* Queues a job and does not wait; NULL: there are too many. */
comp_pending *comp_submit(comp_service *s, const comp_job *j, const char *front_key,
                          const char *back_key);
comp_pending *comp_pending_find(comp_service *s, const char *front_key);
void comp_pending_remove(comp_service *s, comp_pending *p);
/* Waits for the job and takes its reply, which points into p. */
ws_status comp_await(comp_service *s, comp_pending *p, comp_reply *out, ws_err *err) WS_MUST_CHECK;
/* Takes what the worker has said so far, without waiting for more. */
void comp_take_replies(comp_service *s);
/* Called with each reply as it arrives: puts the phases into the cache. */
void comp_remember(comp_service *s, const comp_pending *p);

#endif
