/* The client: text checks, keys, the cache, and what the worker's replies mean. */
#include "harness/compile/internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "harness/ptx/info.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- opening ---- */

/* Which compiler this is, by the identity of the library's file: asking it costs a compile. A bare
 * name has no identity; then the version itself stands for it. */
static void identify_compiler(comp_service *s)
{
    struct stat st = {0};
    ws_sha256 h;
    if (stat(s->toolkit.nvrtc, &st))
        return;
    int64_t id[] = {(int64_t)st.st_size, (int64_t)st.st_mtim.tv_sec, (int64_t)st.st_mtim.tv_nsec,
                    (int64_t)st.st_ino};
    ws_sha256_init(&h);
    ws_sha256_add_field(&h, "compiler", 8);
    ws_sha256_add_field(&h, s->toolkit.nvrtc, strlen(s->toolkit.nvrtc));
    ws_sha256_add_field(&h, id, sizeof id);
    ws_sha256_hex(&h, s->compiler_id);
}

static ws_status know_compiler(comp_service *s, ws_err *err)
{
    if (s->compiler_id[0])
        return WS_OK;
    if (comp_worker_ready(s, err))
        return err->status;
    ws_sha256_of(s->version, strlen(s->version), s->compiler_id);
    return WS_OK;
}

static ws_status know_version(comp_service *s, ws_err *err)
{
    ws_str found;
    if (s->version[0])
        return WS_OK;
    if (s->compiler_id[0] && comp_cache_get(s->cache, s->compiler_id, &found) &&
        found.n < sizeof s->version) {
        snprintf(s->version, sizeof s->version, "%.*s", WS_STR_ARG(found));
        return WS_OK;
    }
    if (!comp_toolkit_version(&s->toolkit, s->version, sizeof s->version) &&
        comp_worker_ready(s, err))
        return err->status;
    if (know_compiler(s, err))
        return err->status;
    comp_cache_put(s->cache, s->compiler_id, ws_str_of(s->version));
    return WS_OK;
}

/* A service whose worker is not started. */
static ws_status new_service(const comp_service_options *o, comp_service **out, ws_err *err)
{
    comp_toolkit t;
    ws_buf dir = {0};
    if (comp_toolkit_find(&t, err))
        return err->status;
    comp_service *s = ws_calloc(1, sizeof *s);
    s->toolkit = t;
    s->worker = (ws_proc){0, -1, -1};
    s->wall_seconds = o->wall_seconds > 0 ? o->wall_seconds : 30;
    s->memory_bytes = o->memory_bytes ? o->memory_bytes : UINT64_C(4) << 30;
    if (o->cache_dir) {
        ws_buf_adds(&dir, o->cache_dir);
    } else {
        ws_cache_dir(&dir);
        ws_buf_adds(&dir, "/compile");
    }
    s->cache = comp_cache_new(ws_buf_z(&dir));
    ws_buf_release(&dir);
    identify_compiler(s);
    *out = s;
    return WS_OK;
}

/* The service that is open, for comp_version() to ask before it starts a worker of its own. */
static comp_service *open_service;

ws_status comp_service_open(const comp_service_options *o, comp_service **out, ws_err *err)
{
    comp_service *s = NULL;
    if (new_service(o, &s, err))
        return err->status;
    /* Started, not waited for: it loads NVRTC while the caller does something else. */
    if (comp_worker_start(s, err)) {
        comp_service_close(s);
        return err->status;
    }
    *out = open_service = s;
    return WS_OK;
}

void comp_service_close(comp_service *s)
{
    if (!s)
        return;
    if (open_service == s)
        open_service = NULL;
    ws_proc_kill(&s->worker);
    while (s->n_pending)
        comp_pending_remove(s, s->pending[0]);
    comp_cache_free(s->cache);
    free(s);
}

ws_status comp_version(char *out, size_t n, ws_err *err)
{
    static char known[64];
    comp_service *own = NULL;
    ws_status st = WS_OK;
    if (!known[0]) {
        if (!open_service)
            st = new_service(&(comp_service_options){0}, &own, err);
        comp_service *s = open_service ? open_service : own;
        if (!st)
            st = know_version(s, err);
        if (!st)
            snprintf(known, sizeof known, "%s", s->version);
        comp_service_close(own);
    }
    if (!st)
        snprintf(out, n, "%s", known);
    return st;
}

/* ---- one request ---- */

/* Names are letters, digits and _; the macro is only passed on when the source can see it, so that
 * a source that does not look at its shape is compiled once for all of them. */
static bool mentions(const comp_request *r, const char *name)
{
    size_t n = strlen(name);
    const char *p = r->source, *end = r->source + r->source_bytes;
    for (; n && (p = memmem(p, (size_t)(end - p), name, n)); p++) {
        bool starts = p == r->source || !(isalnum((unsigned char)p[-1]) || p[-1] == '_');
        bool ends = p + n == end || !(isalnum((unsigned char)p[n]) || p[n] == '_');
        if (starts && ends)
            return true;
    }
    return false;
}

/* A name may also be pasted together or split by a backslash at a line's end. */
static bool may_hide_names(const comp_request *r)
{
    return memmem(r->source, r->source_bytes, "##", 2) ||
           memmem(r->source, r->source_bytes, "%:", 2) ||
           memmem(r->source, r->source_bytes, "\\\n", 2) ||
           memmem(r->source, r->source_bytes, "\\\r", 2) ||
           memmem(r->source, r->source_bytes, "\\ ", 2) ||
           memmem(r->source, r->source_bytes, "\\\t", 2);
}

/* A plain file name; anything else would show up in messages and in the PTX. */
static const char *display_name(ws_arena *a, const char *file)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    const char *base = slash ? slash + 1 : file;
    if (!base || !*base || strlen(base) > 100)
        return "kernel.cu";
    for (const char *p = base; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._+-", *p))
            return "kernel.cu";
    return ws_arena_strdup(a, base);
}

static ws_status check_arch(const char *arch, ws_err *err)
{
    size_t digits = strncmp(arch, "sm_", 3) == 0 ? strspn(arch + 3, "0123456789") : 0;
    const char *suffix = digits ? arch + 3 + digits : "?";
    if (digits >= 2 && digits <= 3 &&
        (!*suffix || strcmp(suffix, "a") == 0 || strcmp(suffix, "f") == 0))
        return WS_OK;
    ws_fail(err, WS_EUSAGE, "'%s' is not a GPU architecture", arch);
    return ws_hint(err, "write sm_ and the compute capability, e.g. sm_90 or sm_90a");
}

static ws_status make_job(comp_service *s, const comp_request *r, ws_arena *a, comp_job *j,
                          ws_err *err)
{
    const char *arch = r->arch ? r->arch : "sm_90";
    bool all = may_hide_names(r);
    if (check_arch(arch, err))
        return err->status;
    if (r->n_macros > COMP_MAX_MACROS)
        return ws_fail(err, WS_EINPUT, "%zu macros, at most %d", r->n_macros, COMP_MAX_MACROS);
    const char **define = WS_ARENA_NEW(a, const char *, r->n_macros + 1);
    *j = (comp_job){.compile = true,
                    .assemble = r->want_cubin,
                    .fmad = r->fmad,
                    .beside_others = r->beside_others,
                    .wall_seconds = s->wall_seconds,
                    .memory_bytes = s->memory_bytes,
                    .arch = ws_arena_strdup(a, arch),
                    .file = display_name(a, r->file),
                    .source = {r->source, r->source_bytes},
                    .define = define};
    for (size_t i = 0; i < r->n_macros; i++)
        if (all || mentions(r, r->macro[i].name))
            define[j->n_defines++] =
                ws_arena_printf(a, "%s %" PRId64, r->macro[i].name, r->macro[i].value);
    return WS_OK;
}

static void add_z(ws_sha256 *h, const char *z)
{
    ws_sha256_add_field(h, z, strlen(z));
}

/* Everything that the PTX and the log depend on. */
static void front_key(const comp_service *s, const comp_job *j, char key[WS_SHA256_HEX])
{
    ws_sha256 h;
    ws_sha256_init(&h);
    add_z(&h, "ptx 2"); /* 2: the prefix before the macros */
    add_z(&h, s->compiler_id);
    add_z(&h, comp_headers_sha256());
    add_z(&h, j->arch);
    add_z(&h, j->file);
    add_z(&h, j->fmad ? "fmad" : "no fmad");
    if (j->beside_others) /* does not stand for a compile by itself */
        add_z(&h, "beside others");
    ws_sha256_add_field(&h, j->source.p, j->source.n);
    for (uint32_t i = 0; i < j->n_defines; i++)
        add_z(&h, j->define[i]);
    ws_sha256_hex(&h, key);
}

static void back_key(const comp_service *s, const char *arch, ws_str ptx, char key[WS_SHA256_HEX])
{
    ws_sha256 h;
    ws_sha256_init(&h);
    add_z(&h, "cubin 1");
    add_z(&h, s->compiler_id);
    add_z(&h, arch);
    ws_sha256_add_field(&h, ptx.p, ptx.n);
    ws_sha256_hex(&h, key);
}

/* ---- what is remembered ---- */

/* Limits depend on the machine's load, so their outcome is not. */
static void remember(comp_service *s, const char *key, const comp_phase *p)
{
    ws_buf b = {.max = COMP_MAX_REPLY};
    if (!key[0] || (p->outcome != COMP_DONE && p->outcome != COMP_REJECTED))
        return;
    comp_phase_write(&b, p);
    comp_cache_put(s->cache, key, (ws_str){ws_buf_z(&b), b.n});
    ws_buf_release(&b);
}

void comp_remember(comp_service *s, const comp_pending *p)
{
    comp_reply r;
    comp_job j;
    ws_arena a = {0};
    ws_buf plain = {.max = COMP_MAX_REPLY};
    char key[WS_SHA256_HEX];
    if (!comp_reply_read((ws_str){ws_buf_z(&p->reply), p->reply.n}, &r) ||
        !comp_job_read(&a, (ws_str){ws_buf_z(&p->request), p->request.n}, &j))
        return;
    remember(s, p->front_key, &r.front);
    snprintf(key, sizeof key, "%s", p->back_key);
    if (j.compile && r.front.outcome == COMP_DONE && r.back.outcome != COMP_NOT_RUN) {
        comp_ptx_without_lines(r.front.output.p, r.front.output.n, &plain);
        back_key(s, j.arch, (ws_str){ws_buf_z(&plain), plain.n}, key);
        ws_buf_release(&plain);
    }
    remember(s, key, &r.back);
    ws_arena_release(&a);
}

static bool recall(comp_service *s, ws_arena *a, const char *key, comp_phase *out)
{
    ws_str bytes;
    if (!comp_cache_get(s->cache, key, &bytes))
        return false;
    char *copy =
        ws_arena_strndup(a, bytes.p, bytes.n); /* the cache's bytes last until its next call */
    return comp_phase_read((ws_str){copy, bytes.n}, out);
}

/* ---- the two phases of a request ---- */

/* Outcomes that say nothing about the candidate. */
static ws_status check_world(const comp_job *j, const comp_phase *p, ws_err *err)
{
    if (p->outcome == COMP_BAD_ARCH)
        return ws_fail(err, WS_EUSAGE, "NVRTC does not know the architecture '%s'", j->arch);
    if (p->outcome == COMP_BROKEN)
        return ws_fail(err, WS_EENV, "NVRTC does not work: %.*s",
                       p->log.n > 600 ? 600 : (int)p->log.n, p->log.p);
    return WS_OK;
}

/* The phase's bytes, moved to the arena. */
static void keep_phase(ws_arena *a, comp_phase *p)
{
    p->log.p = ws_arena_strndup(a, p->log.p ? p->log.p : "", p->log.n);
    p->output.p = ws_arena_strndup(a, p->output.p ? p->output.p : "", p->output.n);
}

/* Waits for `p`, submitting the job first when p is NULL, and keeps what it made. */
static ws_status take_reply(comp_service *s, comp_pending *p, const comp_job *j, const char *front,
                            const char *back, ws_arena *a, comp_reply *out, ws_err *err)
{
    while (!p && !(p = comp_submit(s, j, front, back))) {
        /* Too much in flight: what is there must be waited for. */
        comp_reply ignored;
        comp_pending *oldest = NULL;
        for (int i = 0; i < s->n_pending; i++)
            if (!s->pending[i]->done && (!oldest || s->pending[i]->id < oldest->id))
                oldest = s->pending[i];
        if (!oldest)
            ws_bug("no room for a compile job although none is waiting");
        if (comp_await(s, oldest, &ignored, err))
            return err->status;
    }
    ws_status st = comp_await(s, p, out, err);
    if (!st) {
        keep_phase(a, &out->front);
        keep_phase(a, &out->back);
    }
    comp_pending_remove(s, p);
    return st;
}

/* PTX, and the cubin too when it is wanted and the worker is asked anyway. */
static ws_status get_front(comp_service *s, comp_job *j, const char *key, ws_arena *a,
                           comp_reply *out, bool *cached, ws_err *err)
{
    comp_pending *p = comp_pending_find(s, key);
    *out = (comp_reply){0};
    *cached = !p && recall(s, a, key, &out->front);
    if (*cached)
        return WS_OK;
    if (take_reply(s, p, j, key, "", a, out, err))
        return err->status;
    return check_world(j, &out->front, err);
}

static ws_status get_back(comp_service *s, comp_job *j, ws_str plain, ws_arena *a, comp_phase *back,
                          bool *cached, ws_err *err)
{
    char key[WS_SHA256_HEX];
    comp_reply reply = {0};
    back_key(s, j->arch, plain, key);
    if (back->outcome == COMP_NOT_RUN && !recall(s, a, key, back)) {
        *cached = false;
        j->compile = false;
        j->assemble = true;
        j->ptx = plain;
        if (take_reply(s, NULL, j, "", key, a, &reply, err))
            return err->status;
        *back = reply.back;
    }
    return check_world(j, back, err);
}

/* The kernels of the PTX. PTX that our parser refuses is the engine's gap, not the compiler's. */
static bool list_kernels(ws_arena *a, comp_result *out)
{
    ws_err err = {0};
    ptx_ast *ast = NULL;
    ptx_kernel_info *info = NULL;
    int n = 0;
    if (ptx_parse(a, out->ptx, out->ptx_bytes, &ast, &err) ||
        ptx_info_collect(ast, a, &info, &n, &err))
        return hx_reject(&out->diag, HX_UNSUPPORTED, 0, 0,
                         "the compiled PTX cannot be read: %.800s", err.msg);
    out->kernel = WS_ARENA_NEW(a, comp_kernel, n + 1);
    out->n_kernels = n;
    for (int i = 0; i < n; i++) {
        comp_kernel *k = &out->kernel[i];
        ptx_param *param = WS_ARENA_NEW(a, ptx_param, info[i].n_params + 1);
        if (info[i].n_params)
            memcpy(param, info[i].param, (size_t)info[i].n_params * sizeof *param);
        *k = (comp_kernel){.name = info[i].name,
                           .n_params = info[i].n_params,
                           .param = param,
                           .registers = -1,
                           .shared_bytes = -1,
                           .stack_bytes = -1,
                           .spill_store_bytes = -1,
                           .spill_load_bytes = -1,
                           .barriers = -1};
    }
    return true;
}

static ws_status compile(comp_service *s, const comp_request *r, ws_arena *a, comp_result *out,
                         ws_err *err)
{
    comp_job j;
    comp_reply reply;
    ws_buf plain = {.max = COMP_MAX_REPLY};
    if (make_job(s, r, a, &j, err) || know_compiler(s, err))
        return err->status;
    front_key(s, &j, out->key);
    if (get_front(s, &j, out->key, a, &reply, &out->cached, err))
        return err->status;
    out->log = comp_log_clean(a, &s->toolkit, reply.front.log);
    comp_log_messages(a, out->log, r, j.file, out);
    if (reply.front.outcome != COMP_DONE) {
        comp_diagnose_front(&reply.front, s->wall_seconds, out);
        return WS_OK;
    }
    comp_ptx_without_lines(reply.front.output.p, reply.front.output.n, &plain);
    ws_sha256_of(ws_buf_z(&plain), plain.n, out->ptx_sha256);
    ws_str text = {ws_arena_strndup(a, ws_buf_z(&plain), plain.n), plain.n};
    ws_buf_release(&plain);
    out->ptx = r->line_info ? reply.front.output.p : text.p;
    out->ptx_bytes = r->line_info ? reply.front.output.n : text.n;
    bool readable = list_kernels(a, out);
    if (!r->want_cubin) {
        out->ok = readable;
        return WS_OK;
    }
    if (get_back(s, &j, text, a, &reply.back, &out->cached, err))
        return err->status;
    if (reply.back.outcome != COMP_DONE) {
        out->log = comp_log_clean(a, &s->toolkit, reply.back.log);
        comp_diagnose_back(&reply.back, reply.front.output, r, s->wall_seconds, out);
        return WS_OK;
    }
    comp_log_resources(reply.back.log, out->kernel, out->n_kernels);
    out->cubin = reply.back.output.p;
    out->cubin_bytes = reply.back.output.n;
    out->ok = readable;
    return WS_OK;
}

ws_status comp_compile(comp_service *s, const comp_request *r, ws_arena *a, comp_result *out,
                       ws_err *err)
{
    int64_t start = ws_now_ns();
    ws_status st = WS_OK;
    *out = (comp_result){.log = "", .ptx = ""};
    if (comp_check_source(r->source, r->source_bytes, &out->diag))
        st = compile(s, r, a, out, err);
    out->seconds = ws_seconds_since(start);
    return st ? ws_wrap(err, "compile") : WS_OK;
}

/* The key of a request's PTX; false: comp_compile refuses it, or does not know the compiler yet. */
static bool request_key(comp_service *s, const comp_request *r, ws_arena *a, comp_job *j,
                        char key[WS_SHA256_HEX])
{
    ws_err ignored = {0}; /* comp_compile meets it again and reports it */
    hx_diag d;
    if (!comp_check_source(r->source, r->source_bytes, &d) || make_job(s, r, a, j, &ignored) ||
        know_compiler(s, &ignored))
        return false;
    front_key(s, j, key);
    return true;
}

void comp_prefetch(comp_service *s, const comp_request *r)
{
    ws_arena a = {0};
    comp_job j;
    comp_phase known;
    char key[WS_SHA256_HEX];
    if (request_key(s, r, &a, &j, key) && !comp_pending_find(s, key) && !recall(s, &a, key, &known))
        comp_submit(s, &j, key, "");
    ws_arena_release(&a);
}

bool comp_ready(comp_service *s, const comp_request *r)
{
    ws_arena a = {0};
    comp_job j;
    char key[WS_SHA256_HEX];
    const comp_pending *p = NULL;
    comp_take_replies(s);
    if (request_key(s, r, &a, &j, key))
        p = comp_pending_find(s, key);
    ws_arena_release(&a);
    return !p || p->done;
}
