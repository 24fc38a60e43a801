/* Parts of a sweep: budgets that are leased never sum up to more than there is; sets of specs by
 * what they are called; children that crash, hang or talk a lot; flaws of every spec that ships. */
#include "agent/sweep/child.h"
#include "agent/sweep/flaw.h"
#include "agent/sweep/lease.h"
#include "agent/sweep/suite.h"
#include "base/clock.h"
#include "base/file.h"
#include "tests/tap.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- leases ---- */

static uint64_t state;
static int64_t below(int64_t n)
{
    uint64_t x = (state += 0x9e3779b97f4a7c15u);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (int64_t)((x ^ (x >> 31)) % (uint64_t)n);
}

/* One sweep with random problems, some at work at once; what they really take is random, up to
 * their lease. */
static bool never_exceeds(uint64_t seed)
{
    enum { PROBLEMS = 40, JOBS = 7 };
    state = seed;
    lease_pot p = {.limit = {.most = {.tokens = 1 + below(100000), .requests = 1 + below(300),
                                      .usd = (double)(1 + below(1000000)) * 1e-6}},
                   .unstarted = PROBLEMS};
    budget_limits each = {.most = {.tokens = below(2) ? 1 + below(9000) : 0}};
    lease at_work[JOBS];
    int n = 0, started = 0;
    int64_t tokens = 0, requests = 0, most_tokens = 0, most_requests = 0;
    double usd = 0, most_usd = 0;
    budget_amount none = {0};
    char why[256];
    while (started < PROBLEMS || n) {
        if (started < PROBLEMS && n < JOBS && below(3)) {
            if (lease_take(&p, &each, &none, &at_work[n], why, sizeof why)) {
                const budget_amount *g = &at_work[n].limit.most;
                most_tokens = tokens + g->tokens;
                most_requests = requests + g->requests;
                most_usd = usd + g->usd;
                for (int i = 0; i < n; i++) {
                    most_tokens += at_work[i].limit.most.tokens;
                    most_requests += at_work[i].limit.most.requests;
                    most_usd += at_work[i].limit.most.usd;
                }
                if (most_tokens > p.limit.most.tokens || most_requests > p.limit.most.requests ||
                    !(most_usd <= p.limit.most.usd + 1e-9) || g->usd <= 0 || g->tokens <= 0)
                    return false;
                n++;
            } else if (n == 0 && p.unstarted > 0) {
                p.unstarted--; /* over at once */
            }
            started++;
        } else if (n) {
            int i = (int)below(n);
            const budget_amount *g = &at_work[i].limit.most;
            budget_amount took = {.tokens = below(g->tokens + 1),
                                  .requests = below(g->requests + 1),
                                  .usd = below(4) ? g->usd * (double)below(1001) / 1000
                                                  : (double)NAN};
            lease_settle(&p, &at_work[i], &none, &took);
            tokens += took.tokens;
            requests += took.requests;
            usd += isnan(took.usd) ? g->usd : took.usd;
            at_work[i] = at_work[--n];
        }
    }
    return p.leased.tokens == 0 && p.leased.requests == 0 && p.leased.usd == 0 &&
           tokens <= p.limit.most.tokens && usd <= p.limit.most.usd + 1e-9;
}

static void test_leases(void)
{
    bool fine = true;
    for (uint64_t seed = 1; seed <= 3000; seed++)
        fine = fine && never_exceeds(seed);
    ok(fine, "in 3000 random sweeps spending and leases never exceed the limits");

    char why[256];
    lease_pot p = {.limit = {.most.tokens = 100}, .unstarted = 4};
    lease l, m;
    budget_amount none = {0}, ten = {.tokens = 10};
    ok(lease_take(&p, &(budget_limits){0}, &none, &l, why, sizeof why) && l.limit.most.tokens == 25,
       "an equal share");
    lease_settle(&p, &l, &none, &ten);
    ok(lease_take(&p, &(budget_limits){0}, &none, &m, why, sizeof why) && m.limit.most.tokens == 30,
       "what is left over goes to the others");
    ok(lease_take(&p, &(budget_limits){.most.tokens = 15}, &ten, &l, why, sizeof why) &&
           l.limit.most.tokens == 15 && l.granted.tokens == 5,
       "a problem's own limit counts all of its sessions");
    p = (lease_pot){.limit = {.most.tokens = 3}, .unstarted = 10};
    ok(!lease_take(&p, &(budget_limits){0}, &none, &l, why, sizeof why) && strstr(why, "tokens"),
       "nothing is left: %s", why);
    p = (lease_pot){.limit = {.seconds = 5}, .seconds = 6, .unstarted = 1};
    ok(!lease_take(&p, &(budget_limits){0}, &none, &l, why, sizeof why), "no time is left: %s",
       why);
    p = (lease_pot){.unstarted = 1};
    ok(lease_take(&p, &(budget_limits){.most.usd = 2}, &none, &l, why, sizeof why) &&
           l.limit.most.usd == 2 && l.limit.most.tokens == 0,
       "without a limit of the sweep a problem has its own");

    budget_limits part, whole = {.most = {.tokens = 1001, .usd = 1}, .seconds = 60};
    int64_t sum = 0;
    for (int i = 0; i < 3; i++)
        sum += lease_part(&whole, i < 1 ? 34 : 33, 100, &part) ? part.most.tokens : 0;
    ok(sum <= 1001 && sum > 990 && part.seconds == 60 && part.most.requests == 0, "shards");
    ok(!lease_part(&(budget_limits){.most.requests = 3}, 1, 100, &part), "too little for a shard");
}

/* ---- suites ---- */

static int open_suite(const char *name, suite *s, ws_err *err)
{
    *err = (ws_err){0};
    return suite_open(&name, 1, s, err) ? -1 : s->n;
}

static int size_of(const char *name)
{
    suite s;
    ws_err err;
    int n = open_suite(name, &s, &err);
    if (n >= 0)
        suite_release(&s);
    return n;
}

static void write_text(const char *path, const char *text)
{
    ws_err err = {0};
    if (ws_write_file(path, text, strlen(text), &err))
        printf("# %s\n", err.msg);
}

static void test_suites(const char *dir)
{
    char path[300], list[256], bad[256];
    suite s;
    ws_err err = {0};
    is_int(size_of("kernelbench"), 250, "KernelBench");
    is_int(size_of("kernelbench/level1"), 100, "a level");
    is_int(size_of("level3"), 50, "by its end");
    is_int(size_of("kernelbench/level3/"), 50, "with a slash");
    is_int(size_of("kernelbench/level1/01?_*"), 10, "a pattern");
    is_int(size_of("softmax"), 1, "a spec");
    ok(size_of("all") >= 323, "all");
    ok(size_of("basics") + size_of("llm") + 250 == size_of("all"), "which is the sum");
    ok(open_suite("levle1", &s, &err) < 0 && strstr(err.hint, "kernelbench/level1 (100)"),
       "an unknown one: %s; %.60s", err.msg, err.hint);
    ok(open_suite("kernelbench/level9/*", &s, &err) < 0, "a pattern of nothing: %s", err.msg);
    ok(open_suite("no/such.json", &s, &err) < 0, "a file that is not there: %s", err.msg);

    snprintf(path, sizeof path, "%s/good.json", dir);
    snprintf(bad, sizeof bad, "%s/bad.json", dir);
    snprintf(list, sizeof list, "%s/list", dir);
    ws_buf text = {0}, from = {0};
    ws_home_path(&from, "specs/basics/relu.json");
    ok(!ws_read_file(ws_buf_z(&from), 1 << 20, &text, &err), "a spec's text");
    write_text(path, ws_buf_z(&text));
    write_text(bad, "{ \"schema\": 1, ");
    ok(open_suite(dir, &s, &err) == 2, "a folder %s", err.msg);
    ok(s.spec[0].error && strcmp(s.spec[1].name, "basics/relu") == 0,
       "one that cannot be read stops nothing: %s", s.spec[0].error);
    suite_release(&s);
    ok(open_suite(bad, &s, &err) < 0, "but is an error by itself: %s", err.msg);
    snprintf(path, sizeof path, "@%s", list);
    write_text(list, "# mine\nbasics/relu\n\n  kernelbench/level1/02*  \nbasics/relu\n");
    ok(open_suite(path, &s, &err) == 11, "a list, each once");
    suite_release(&s);
    write_text(list, "basics/relu\nnonsense\n");
    ok(open_suite(path, &s, &err) < 0 && strstr(err.msg, "list:2"), "with a mistake: %s", err.msg);
    write_text(list, path);
    ok(open_suite(path, &s, &err) < 0, "that names itself: %s", err.msg);
    unlink(list);
    unlink(bad);
    snprintf(path, sizeof path, "%s/good.json", dir);
    unlink(path);
    ws_buf_release(&text);
    ws_buf_release(&from);
}

/* ---- flaws ---- */

static void test_flaws(void)
{
    suite s;
    ws_err err = {0};
    ws_arena a = {0};
    flaw_table *t = NULL;
    int unknown = 0, flawed = 0, loose = 0;
    const char *why;
    if (!ok(!flaw_open(&t, &err), "the table %s", err.msg) || open_suite("all", &s, &err) < 0)
        return;
    for (int i = 0; i < s.n; i++) {
        if (!flaw_known(t, s.spec[i].sha256, FLAW_STRICT, &a, &why)) {
            printf("# '%s' is not in agent/sweep/flaws.json: run agent/sweep/flaws\n",
                   s.spec[i].name);
            unknown++;
            continue;
        }
        flawed += why != NULL;
        (void)flaw_known(t, s.spec[i].sha256, FLAW_LOOSE, &a, &why);
        loose += why != NULL;
    }
    is_int(unknown, 0, "the linter was asked of every spec that ships, as it is");
    ok(flawed > 0 && loose > flawed && loose < s.n / 2, "%d are flawed, %d by a loose comparison",
       flawed, loose);
    ok(!flaw_known(t, "", FLAW_STRICT, &a, &why), "an unknown spec");
    ws_status st = flaw_ask("kernelbench/level2/080_gemm_max_subtract_gelu", 5, FLAW_STRICT, &a,
                            &why, &err);
    ok(!st && why, "the linter finds what the table says: %s", why ? why : "nothing");
    suite_release(&s);
    flaw_close(t);
    ws_arena_release(&a);
}

/* ---- children ---- */

enum { LINES = 20000 };
static ws_status talk(void *ud, int *exit_code, ws_err *err)
{
    (void)ud, (void)err;
    for (int i = 0; i < LINES; i++)
        printf("{\"line\":%d}\n", i);
    *exit_code = 6;
    return WS_OK;
}
static ws_status fail(void *ud, int *exit_code, ws_err *err)
{
    (void)ud, (void)exit_code;
    return ws_fail(err, WS_EREMOTE, "the model gave no answer");
}
static ws_status crash(void *ud, int *exit_code, ws_err *err)
{
    (void)ud, (void)exit_code, (void)err;
    fprintf(stderr, "about to crash\n");
    fflush(stderr);
    signal(SIGABRT, SIG_DFL);
    abort();
}
static ws_status hang(void *ud, int *exit_code, ws_err *err)
{
    (void)ud, (void)exit_code, (void)err;
    signal(SIGTERM, SIG_IGN);
    if (fork() == 0) /* holds the pipe, too */
        pause();
    while (pause())
        ;
    return WS_OK;
}

static int run_child(child_main main, bool kill_it, child_end *e)
{
    child *c = NULL;
    ws_err err = {0};
    bool over = false;
    int lines = 0;
    int64_t start = ws_now_ns();
    if (child_start(main, NULL, &c, &err))
        return -1;
    while (!over && ws_seconds_since(start) < 30) {
        lines += child_line(c, &over) != NULL;
        if (kill_it && ws_seconds_since(start) > 0.1) {
            child_kill(c);
            kill_it = false;
        }
        if (!over)
            poll(&(struct pollfd){.fd = child_fd(c), .events = POLLIN}, 1, 10);
    }
    child_finish(c, e);
    return lines;
}

static void test_children(void)
{
    child_end e;
    is_int(run_child(talk, false, &e), LINES, "every line arrives");
    ok(e.exit_code == 6 && !e.err.status && !e.late, "and the exit code");
    run_child(fail, false, &e);
    ok(e.exit_code == 5 && e.err.status == WS_EREMOTE, "an error: %s", e.err.msg);
    run_child(crash, false, &e);
    ok(e.exit_code == -1 && e.err.status == WS_EBUG && strstr(e.err.msg, "about to crash"),
       "a crash: %s", e.err.msg);
    run_child(hang, true, &e);
    ok(e.late && e.err.status == WS_ELIMIT, "one that hangs is ended: %s", e.err.msg);
}

int main(void)
{
    char dir[] = "/tmp/ws-sweep-XXXXXX";
    if (!mkdtemp(dir))
        return 70;
    test_leases();
    test_suites(dir);
    test_flaws();
    test_children();
    rmdir(dir);
    return tap_done();
}
