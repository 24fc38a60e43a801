/* Precompiled headers. <cooperative_groups.h> costs NVRTC 1.7 s, read from what it made of the
 * header before 0.2 s; even the prelude is a tenth of a small kernel's compile. NVRTC's precompiled
 * headers hold addresses: they are good only where its heap for them lies at the same place, as it
 * does in children of one process that reserved it (comp_nvrtc_reserve). They lie in sealed memory,
 * which the children inherit and cannot change, and are made by children of their own, which see
 * header names of headers.c's lists and never a candidate. */
#include "harness/compile/internal.h"

#include "base/pool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* The prelude saves a compile some 8 ms and costs 50; a toolkit header is paid back by the next
 * compile but one. Where texts follow each other, more will come. */
enum { ASKED_PRELUDE = 8, ASKED_AMONG_OTHERS = 1, ASKED_HEADERS = 1 };

/* Little beside what judging needs, for the server of every core. */
static uint64_t affordable(void)
{
    const uint64_t most = UINT64_C(1) << 30;
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const int cores = ws_cpu_count();
    if (pages <= 0 || page <= 0)
        return 0;
    const uint64_t memory = (uint64_t)pages * (uint64_t)page;
    const uint64_t share = memory / 32 / (uint64_t)(cores > 0 ? cores : 1);
    return share < most ? share : most;
}

void comp_pch_open(comp_pch_store *s)
{
    /* A child that uses one may write as much as a heap is long: only where Landlock lets it make
     * no file. */
    *s = (comp_pch_store){.max_bytes = comp_sandbox_landlock_abi() > 0 ? affordable() : 0};
    for (int i = 0; i < COMP_MAX_PCH; i++)
        s->item[i].fd = -1;
}

void comp_pch_key(const comp_job *j, char key[WS_SHA256_HEX])
{
    ws_buf b = {0};
    comp_nvrtc_describe(j, &b);
    comp_prefix(j->source, &b);
    ws_sha256_of(b.p, b.n, key);
    ws_buf_release(&b);
}

static void clear(comp_pch *p)
{
    if (p->fd >= 0)
        close(p->fd);
    *p = (comp_pch){.fd = -1};
}

/* The place that nobody has used for longest; a child that uses it has its own descriptor. */
static comp_pch *oldest(comp_pch_store *s, bool ready_only)
{
    comp_pch *found = NULL;
    for (int i = 0; i < COMP_MAX_PCH; i++) {
        comp_pch *p = &s->item[i];
        if (p->state == COMP_PCH_MAKING || (ready_only && p->state != COMP_PCH_READY))
            continue;
        if (!found || p->last_use < found->last_use)
            found = p;
    }
    return found;
}

comp_pch *comp_pch_find(comp_pch_store *s, const comp_job *j)
{
    char key[WS_SHA256_HEX];
    comp_pch *p = NULL;
    if (!s->max_bytes || !j->compile)
        return NULL;
    comp_pch_key(j, key);
    for (int i = 0; i < COMP_MAX_PCH && !p; i++)
        if (strcmp(s->item[i].key, key) == 0)
            p = &s->item[i];
    if (!p && (p = oldest(s, false))) {
        clear(p);
        memcpy(p->key, key, sizeof p->key);
    }
    if (p)
        p->last_use = ++s->clock;
    return p;
}

bool comp_pch_is_worth(const comp_pch *p, const comp_job *j)
{
    ws_buf prefix = {0};
    comp_prefix(j->source, &prefix);
    int least = j->beside_others ? ASKED_AMONG_OTHERS : ASKED_PRELUDE;
    if (prefix.n)
        least = ASKED_HEADERS;
    ws_buf_release(&prefix);
    return p->state == COMP_PCH_ABSENT && p->asked >= least;
}

static void path_of(const comp_pch *p, char *out, size_t cap)
{
    snprintf(out, cap, "%s/prefix.pch", p->dir);
}

static bool reserve(comp_pch_store *s, const comp_pch *p)
{
    char path[sizeof p->dir + 16];
    path_of(p, path, sizeof path);
    if (!s->reserved) {
        s->reserved = comp_nvrtc_reserve(COMP_PCH_HEAP, path);
        unlink(path);
        if (!s->reserved)
            s->max_bytes = 0;
    }
    return s->reserved;
}

bool comp_pch_begin(comp_pch_store *s, comp_pch *p)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(p->dir, sizeof p->dir, "%.40s/warpsmith-pch-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    p->state = COMP_PCH_FAILED;
    if (!mkdtemp(p->dir))
        return false;
    p->fd = reserve(s, p) ? memfd_create("warpsmith-pch", MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;
    if (p->fd < 0) {
        rmdir(p->dir);
        return false;
    }
    p->state = COMP_PCH_MAKING;
    return true;
}

static bool copy(const char *path, int to)
{
    struct stat st;
    off_t at = 0;
    int from = open(path, O_RDONLY | O_CLOEXEC);
    bool good = from >= 0 && fstat(from, &st) == 0 && st.st_size > 0;
    while (good && at < st.st_size)
        good = sendfile(to, from, &at, (size_t)(st.st_size - at)) > 0;
    if (from >= 0)
        close(from);
    return good;
}

/* NVRTC wants to make the file itself, and a file of a directory is not what children in their
 * sandboxes can read. */
void comp_pch_make(const comp_toolkit *t, const comp_pch_store *s, const comp_job *j,
                   const comp_pch *p)
{
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    char path[sizeof p->dir + 16];
    path_of(p, path, sizeof path);
    prctl(PR_SET_NAME, "ws-pch"); /* in ps and top */
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    comp_sandbox_limit(j->memory_bytes, (uint64_t)j->wall_seconds + 2, s->max_bytes);
    _exit(comp_nvrtc_precompile(t, j, path) && copy(path, p->fd) &&
                  fcntl(p->fd, F_ADD_SEALS, seals) == 0
              ? 0
              : 1);
}

static uint64_t size_of(const comp_pch *p)
{
    const off_t n = p->state == COMP_PCH_READY ? lseek(p->fd, 0, SEEK_END) : 0;
    return n > 0 ? (uint64_t)n : 0;
}

/* Sets the oldest free until the rest is within bounds. */
static void shrink(comp_pch_store *s)
{
    for (;;) {
        uint64_t all = 0;
        for (int i = 0; i < COMP_MAX_PCH; i++)
            all += size_of(&s->item[i]);
        comp_pch *p = oldest(s, true);
        if (all <= s->max_bytes || !p)
            return;
        clear(p);
    }
}

void comp_pch_end(comp_pch_store *s, comp_pch *p, bool made)
{
    char path[sizeof p->dir + 16];
    path_of(p, path, sizeof path);
    unlink(path);
    rmdir(p->dir);
    if (made) {
        p->state = COMP_PCH_READY;
        shrink(s);
        return;
    }
    close(p->fd);
    p->fd = -1;
    p->state = COMP_PCH_FAILED;
}
