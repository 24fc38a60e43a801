/* Random inputs, run in child processes, a batch to each: a child that crashes, hangs, leaks or
 * calls ws_bug costs the batch alone, and its input is kept. An input is a function of its seed.
 *
 *   t_MODULE_fuzz_NAME [SEED [SECONDS]]      SECONDS 0: the input of SEED alone
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/philox.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FUZZ_BATCH = 100, FUZZ_BYTES = 1 << 18, FUZZ_INPUT_SECONDS = 30, FUZZ_MAX_BAD = 20 };
static const double fuzz_default_seconds = 1.5;

/* What a child tells its parent. */
typedef struct fuzz_note {
    uint64_t seed;
    uint64_t accepted; /* inputs that got past the first check */
    size_t n;
    char text[FUZZ_BYTES];
} fuzz_note;
static fuzz_note *fuzz_now;

/* ---- what inputs are made of ---- */

static uint64_t fuzz_drawn;

static inline uint32_t pick(uint32_t n)
{
    return (uint32_t)(ws_philox_u64(fuzz_now->seed, 0, fuzz_drawn++) % (n ? n : 1));
}

/* The text that is about to run. */
static void fuzz_keep(const char *text, size_t n)
{
    fuzz_now->n = n < FUZZ_BYTES ? n : FUZZ_BYTES;
    memcpy(fuzz_now->text, text, fuzz_now->n);
}

/* Bytes change, runs of bytes vanish, are doubled, or the text ends early. */
static inline void change_bytes(ws_buf *text)
{
    for (uint32_t k = 1 + pick(4); k && text->n > 1; k--) {
        uint32_t at = pick((uint32_t)text->n), n = 1 + pick(pick(4) ? 4 : 200),
                 left = (uint32_t)text->n - at;
        n = n < left ? n : left;
        switch (pick(5)) {
        case 0:
            text->p[at] = (char)pick(256);
            break;
        case 1:
            text->p[at] = (char)(text->p[at] ^ 1 << pick(8));
            break;
        case 2:
            memmove(text->p + at, text->p + at + n, left - n);
            text->n -= n;
            break;
        case 3:
            memmove(text->p + at, text->p + pick((uint32_t)text->n - n + 1), n);
            break;
        default:
            if (!pick(4))
                text->n = at;
        }
    }
}

/* ---- running ---- */

/* Makes the input of fuzz_now->seed and runs it; true: it got past the first check. */
typedef bool (*fuzz_one)(void);

/* Of processor time, so that a busy machine makes no finding; one that sleeps has ten times that. */
static void fuzz_limit(void)
{
    const struct itimerval t = {.it_value.tv_sec = FUZZ_INPUT_SECONDS};
    setitimer(ITIMER_PROF, &t, NULL);
    alarm(10 * FUZZ_INPUT_SECONDS);
}

/* The child's wait status; seeds from `seed` on, `n` of them. */
static int fuzz_batch(fuzz_one one, uint64_t seed, int n)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (!child) {
        for (fuzz_now->seed = seed; fuzz_now->seed < seed + (uint64_t)n; fuzz_now->seed++) {
            fuzz_limit();
            fuzz_drawn = 0;
            fuzz_now->n = 0;
            fuzz_now->accepted += one();
        }
        fuzz_limit();
        exit(0); /* looks for leaks when built with a sanitizer */
    }
    while (waitpid(child, &status, 0) < 0)
        ;
    return status;
}

static const char *fuzz_end(int status, char out[64])
{
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGPROF || WTERMSIG(status) == SIGALRM))
        snprintf(out, 64, "runs for more than %d s", FUZZ_INPUT_SECONDS);
    else if (WIFSIGNALED(status))
        snprintf(out, 64, "ends with signal %d", WTERMSIG(status));
    else
        snprintf(out, 64, "ends with status %d", WEXITSTATUS(status));
    return out;
}

static void fuzz_report(const char *name, int status)
{
    char path[96], end[64];
    ws_err err = {0};
    snprintf(path, sizeof path, "build/fuzz/%s-%llu", name, (unsigned long long)fuzz_now->seed);
    printf("# seed %llu %s; its input: %s\n", (unsigned long long)fuzz_now->seed,
           fuzz_end(status, end), path);
    if (ws_make_dirs("build/fuzz", &err) || ws_write_file(path, fuzz_now->text, fuzz_now->n, &err))
        printf("# %s\n", err.msg);
    fflush(stdout);
}

/* Finds the one of a batch that does what the batch did: leaks are only seen at its end. */
static void fuzz_blame(const char *name, fuzz_one one, uint64_t seed, int n, int status)
{
    for (uint64_t s = seed; WIFEXITED(status) && s < seed + (uint64_t)n; s++) {
        int again = fuzz_batch(one, s, 1);
        if (again) {
            fuzz_now->seed = s;
            status = again;
            break;
        }
    }
    fuzz_report(name, status);
}

static int fuzz_main(const char *name, int argc, char **argv, fuzz_one one)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1, first = seed;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : fuzz_default_seconds;
    int64_t start = ws_now_ns();
    int bad = 0, batch = seconds > 0 ? FUZZ_BATCH : 1;
    fuzz_now =
        mmap(NULL, sizeof *fuzz_now, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (fuzz_now == MAP_FAILED)
        return 3;
    do {
        int status = fuzz_batch(one, seed, batch);
        if (status) {
            fuzz_blame(name, one, seed, batch, status);
            bad++;
            seed = WIFEXITED(status) ? seed + (uint64_t)batch : fuzz_now->seed + 1;
        } else {
            seed += (uint64_t)batch;
        }
    } while (ws_seconds_since(start) < seconds && bad < FUZZ_MAX_BAD);
    ok(!bad, "%llu inputs from seed %llu on, %llu of them accepted, %d bad",
       (unsigned long long)(seed - first), (unsigned long long)first,
       (unsigned long long)fuzz_now->accepted, bad);
    munmap(fuzz_now, sizeof *fuzz_now);
    return tap_done();
}

#endif
