#include "agent/serve/specs.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "reference/emit.h"
#include "verifier/reward.h"
#include "verifier/verify.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MSG_FACTS = 1, MSG_ERROR, MAX_MESSAGE = 1 << 20, LONGEST_NAME = 200 };

typedef struct facts {
    double baseline_s;
    bool flawed;
    char flaw[256];
} facts;

/* A process that finds the facts of one spec. */
typedef struct finder {
    serve_spec *of; /* NULL: none */
    pid_t pid;
    int sock;
    int64_t since_ns;
} finder;

struct serve_specs {
    serve_specs_options o;
    serve_spec **item;
    int n, cap;
    finder *finder;
    int n_finders;
};

/* ---- the process ---- */

static ws_status find_baseline(const serve_specs_options *o, const spec *s, facts *f, ws_err *err)
{
    comp_service *comp = NULL;
    vfy_session *session = NULL;
    ref_graph *g = NULL;
    ws_buf source = {0};
    static vfy_verdict v;
    vfy_options vo = {.arch = o->arch, .gpu = o->gpu};
    ws_status st = comp_service_open(&(comp_service_options){0}, &comp, err);
    if (!st)
        st = vfy_session_open(s, comp, &session, err);
    if (!st)
        st = ref_graph_new(s, &g, err);
    if (!st)
        st = ref_emit(g, &source, err);
    if (!st)
        st = vfy_verify(session, ws_buf_z(&source), source.n, &vo, &v, err);
    f->baseline_s =
        !st && v.reason == HX_PASS && v.has_model ? v.model.seconds : (double)NAN;
    vfy_session_close(session);
    comp_service_close(comp);
    ref_graph_free(g);
    ws_buf_release(&source);
    return st;
}

static ws_status find_facts(const serve_specs_options *o, const spec *s, facts *f, ws_err *err)
{
    ws_arena a = {0};
    lint_report report;
    ws_status st = find_baseline(o, s, f, err);
    if (!st)
        st = vfy_lint(s, 1, o->lint_seconds, &a, &report, err);
    const lint_finding *flaw = st ? NULL : vfy_reward_flaw(s, &report);
    f->flawed = flaw != NULL;
    snprintf(f->flaw, sizeof f->flaw, "%.*s", (int)sizeof f->flaw - 1, flaw ? flaw->text : "");
    ws_arena_release(&a);
    return st;
}

static _Noreturn void child_main(int sock, const serve_specs *s, const spec *of)
{
    facts f = {.baseline_s = (double)NAN};
    ws_err err = {0}, sent = {0};
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "ws-facts");
    setpgid(0, 0);
    bool failed = find_facts(&s->o, of, &f, &err) != WS_OK;
    ws_status st = failed ? ws_msg_send(sock, MSG_ERROR, &err, sizeof err, &sent)
                          : ws_msg_send(sock, MSG_FACTS, &f, sizeof f, &sent);
    _exit(st != WS_OK);
}

static void fail(serve_spec *of, const char *why)
{
    of->known = SERVE_FAILED;
    snprintf(of->error, sizeof of->error, "%.*s", (int)sizeof of->error - 1, why);
    ws_log(WS_LOG_WARN, "serve: spec '%s': %s", of->spec->name, why);
}

static void start(const serve_specs *s, finder *f, serve_spec *of)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        fail(of, "cannot make a socket for its facts");
        return;
    }
    pid_t pid = fork();
    if (!pid) {
        ws_proc_keep_only(&pair[1]);
        child_main(pair[1], s, of->spec);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        fail(of, "cannot start a process for its facts");
        return;
    }
    of->known = SERVE_SOUGHT;
    *f = (finder){of, pid, pair[0], ws_now_ns()};
}

static void end(finder *f)
{
    if (!f->of)
        return;
    kill(-f->pid, SIGKILL);
    kill(f->pid, SIGKILL);
    while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close(f->sock);
    *f = (finder){0};
}

static void take(finder *f)
{
    serve_spec *of = f->of;
    uint32_t type;
    ws_buf text = {0};
    ws_err err = {0}, told;
    facts x;
    if (ws_msg_recv(f->sock, ws_now_ns() + 1000000000, MAX_MESSAGE, &type, &text, &err)) {
        fail(of, "the process that looked for its facts died");
    } else if (type == MSG_FACTS && text.n == sizeof x) {
        memcpy(&x, text.p, sizeof x);
        of->known = SERVE_KNOWN;
        of->baseline_s = x.baseline_s;
        of->flawed = x.flawed;
        snprintf(of->flaw, sizeof of->flaw, "%s", x.flaw);
        ws_log(WS_LOG_INFO, "serve: %s: plain translation %.3g s modelled%s%s", of->spec->name,
               of->baseline_s, x.flawed ? "; flawed: " : "", x.flaw);
    } else if (type == MSG_ERROR && text.n == sizeof told) {
        memcpy(&told, text.p, sizeof told);
        fail(of, told.msg);
    }
    ws_buf_release(&text);
    end(f);
}

/* What came, and what takes too long. */
static void watch(const serve_specs *s, finder *f)
{
    char none;
    if (!f->of)
        return;
    if (recv(f->sock, &none, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) {
        take(f);
    } else if (ws_seconds_since(f->since_ns) > s->o.facts_seconds) {
        fail(f->of, "looking for its facts took too long");
        end(f);
    }
}

static serve_spec *next_asked(const serve_specs *s)
{
    for (int i = 0; i < s->n; i++)
        if (s->item[i]->known == SERVE_ASKED)
            return s->item[i];
    return NULL;
}

void serve_specs_turn(serve_specs *s)
{
    for (int i = 0; i < s->n_finders; i++) {
        finder *f = &s->finder[i];
        serve_spec *of;
        watch(s, f);
        if (!f->of && (of = next_asked(s)))
            start(s, f, of);
    }
}

void serve_specs_ask(serve_specs *s, serve_spec *of)
{
    (void)s;
    if (of->known == SERVE_UNKNOWN || of->known == SERVE_FAILED)
        of->known = SERVE_ASKED;
}

int serve_specs_descriptors(const serve_specs *s, struct pollfd *fd, int max)
{
    int n = 0;
    for (int i = 0; i < s->n_finders && n < max; i++)
        if (s->finder[i].of)
            fd[n++] = (struct pollfd){.fd = s->finder[i].sock, .events = POLLIN};
    return n;
}

/* ---- names ---- */

static serve_spec *add(serve_specs *s, spec *x, bool own)
{
    serve_spec *made = ws_calloc(1, sizeof *made);
    *made = (serve_spec){.spec = x, .baseline_s = (double)NAN, .own = own};
    WS_GROW(s->item, s->n, s->cap);
    return s->item[s->n++] = made;
}

ws_status serve_specs_open(const serve_specs_options *o, serve_specs **out, ws_err *err)
{
    serve_specs *s = ws_calloc(1, sizeof *s);
    s->o = *o;
    s->n_finders = o->jobs > 0 ? o->jobs : 1;
    s->finder = ws_calloc((size_t)s->n_finders, sizeof *s->finder);
    for (int i = 0; i < o->n_files; i++) {
        spec *x = NULL;
        ref_graph *g = NULL;
        ws_status st = spec_load(o->file[i], &x, err);
        if (!st)
            st = ref_graph_new(x, &g, err);
        ref_graph_free(g);
        if (st) {
            spec_free(x);
            serve_specs_close(s);
            return st;
        }
        add(s, x, true);
    }
    *out = s;
    return WS_OK;
}

void serve_specs_close(serve_specs *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->n_finders; i++)
        end(&s->finder[i]);
    free(s->finder);
    for (int i = 0; i < s->n; i++) {
        spec_free(s->item[i]->spec);
        free(s->item[i]);
    }
    free(s->item);
    free(s);
}

/* What a client sends opens no file: letters of names alone, and nothing that spec_find takes for a
 * path. */
static bool is_name(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/.";
    size_t n = strlen(name);
    return n && n < LONGEST_NAME && strspn(name, letters) == n && name[0] != '/' &&
           name[0] != '.' && !strstr(name, "..") && !strstr(name, "//") &&
           !(n > 5 && strcmp(name + n - 5, ".json") == 0);
}

serve_spec *serve_specs_find(serve_specs *s, const char *name, ws_err *err)
{
    spec *x = NULL;
    if (!is_name(name)) {
        ws_fail(err, WS_EINPUT, "'%.60s' is no name of a spec", name);
        return NULL;
    }
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->item[i]->spec->name, name) == 0)
            return s->item[i];
    if (spec_find(name, &x, err))
        return NULL;
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->item[i]->spec->name, x->name) == 0) {
            spec_free(x);
            return s->item[i];
        }
    return add(s, x, false);
}
