/* What the compilers print, as data. NVRTC (the EDG front end) writes
 *     kernel.cu(12): error: identifier "x" is undefined
 *         float y = x;
 *                   ^
 * and ptxas writes
 *     ptxas info    : Compiling entry function 'k' for 'sm_90'
 *         0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
 *     ptxas info    : Used 14 registers, used 1 barriers, 1024 bytes smem */
#include "harness/compile/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ws_str take_line(ws_str *rest)
{
    const char *newline = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    size_t n = newline ? (size_t)(newline - rest->p) : rest->n;
    ws_str line = {rest->p, n};
    size_t used = newline ? n + 1 : n;
    rest->p += used;
    rest->n -= used;
    return line;
}

static const char *find(ws_str s, const char *part)
{
    return s.n ? memmem(s.p, s.n, part, strlen(part)) : NULL;
}

/* ---- cleaning ---- */

/* Length of the toolkit directory that `p` begins with, its slash included; 0: none. */
static size_t directory_at(const comp_toolkit *t, const char *p, size_t left)
{
    size_t best = 0;
    for (int i = 0; i < t->n_includes; i++) {
        size_t n = strlen(t->include[i]);
        if (n > best && left > n && memcmp(p, t->include[i], n) == 0 && p[n] == '/')
            best = n + 1;
    }
    return best;
}

/* Length of the printable character or tab at p, 0: it is none. Candidates may be any bytes,
 * reports are text. A log never ends in the last byte that may be read: lengths or a NUL follow. */
static size_t text_length(const char *p, size_t left)
{
    unsigned char c = (unsigned char)*p;
    size_t n = ws_utf8_length(p);
    return n > left || (c < ' ' && c != '\t') || c == 0x7f ? 0 : n;
}

const char *comp_log_clean(ws_arena *a, const comp_toolkit *t, ws_str log)
{
    ws_buf out = {.max = COMP_MAX_LOG + 4096};
    while (log.n && out.n < COMP_MAX_LOG) {
        ws_str line = take_line(&log);
        if (out.n + line.n > COMP_MAX_LOG)
            break;
        for (size_t i = 0; i < line.n;) {
            size_t skip = line.p[i] == '/' ? directory_at(t, line.p + i, line.n - i) : 0;
            size_t n = text_length(line.p + i, line.n - i);
            if (!skip)
                ws_buf_add(&out, n ? line.p + i : "?", n ? n : 1);
            i += skip ? skip : n ? n : 1;
        }
        ws_buf_addc(&out, '\n');
    }
    if (log.n)
        ws_buf_adds(&out, "(the rest of the compiler's output is cut)\n");
    const char *z = ws_arena_strdup(a, ws_buf_z(&out));
    ws_buf_release(&out);
    return z;
}

/* ---- messages ---- */

typedef struct head { /* "file(12): error #20-D: text" */
    ws_str file, text;
    int line;
    bool is_error;
} head;

static bool parse_severity(ws_str rest, head *h)
{
    static const struct {
        const char *word;
        bool is_error;
    } kinds[] = {{"catastrophic error", true}, {"error", true}, {"warning", false}};
    for (size_t i = 0; i < WS_COUNT(kinds); i++) {
        size_t n = strlen(kinds[i].word);
        if (rest.n <= n || memcmp(rest.p, kinds[i].word, n) != 0)
            continue;
        const char *colon = memchr(rest.p + n, ':', rest.n - n);
        if (!colon || colon - rest.p > (long)n + 12) /* " #20-D" may stand between */
            continue;
        h->text = ws_str_trim((ws_str){colon + 1, rest.n - (size_t)(colon + 1 - rest.p)});
        h->is_error = kinds[i].is_error;
        return true;
    }
    return false;
}

static bool parse_head(ws_str line, head *h)
{
    *h = (head){0};
    if (line.n && !isspace((unsigned char)line.p[0]) && parse_severity(line, h))
        return true;
    const char *mark = find(line, "): ");
    if (!mark || isspace((unsigned char)line.p[0]))
        return false;
    const char *open = mark;
    while (open > line.p && isdigit((unsigned char)open[-1]))
        open--;
    if (open == mark || open == line.p || open[-1] != '(')
        return false;
    h->line = (int)strtol(open, NULL, 10);
    h->file = (ws_str){line.p, (size_t)(open - 1 - line.p)};
    return parse_severity((ws_str){mark + 3, line.n - (size_t)(mark + 3 - line.p)}, h);
}

/* The start of source line `number`. */
static ws_str source_line(const comp_request *r, int number)
{
    ws_str rest = {r->source, r->source_bytes}, line = {0};
    for (int i = 0; i < number && rest.n; i++)
        line = take_line(&rest);
    return line;
}

static size_t leading_blanks(ws_str s)
{
    size_t n = 0;
    while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t'))
        n++;
    return n;
}

/* The two lines after a head echo the source, indented anew, and a caret; 0: they do not. */
static int column_of(ws_str rest, const comp_request *r, int line)
{
    ws_str echo = take_line(&rest), caret = take_line(&rest);
    size_t at = leading_blanks(caret), indent = leading_blanks(echo);
    if (at >= caret.n || caret.p[at] != '^' || at < indent)
        return 0;
    return (int)(at - indent + leading_blanks(source_line(r, line))) + 1;
}

/* An error inside a template or header names the place in the candidate further down ("at line
 * 9"). */
static int line_of_context(ws_str rest)
{
    head h;
    for (int i = 0; i < 40 && rest.n; i++) {
        ws_str line = take_line(&rest);
        if (parse_head(line, &h))
            return 0;
        const char *at = find(line, " at line ");
        if (!at)
            continue;
        char *end;
        long n = strtol(at + strlen(" at line "), &end, 10);
        ws_str after = {end, (size_t)(line.p + line.n - end)};
        if (!find(after, " of")) /* "of" names another file, here or on the next line */
            return (int)n;
    }
    return 0;
}

static bool is_candidate(ws_str file, const char *name)
{
    const char *slash = file.n ? memrchr(file.p, '/', file.n) : NULL;
    if (slash)
        file = (ws_str){slash + 1, file.n - (size_t)(slash + 1 - file.p)};
    return ws_str_eqz(file, name);
}

void comp_log_messages(ws_arena *a, const char *log, const comp_request *r, const char *file,
                       comp_result *out)
{
    ws_str rest = ws_str_of(log);
    comp_message *m = NULL;
    int n = 0, cap = 0;
    head h;
    while (rest.n && n < 1000) {
        ws_str line = take_line(&rest);
        if (!parse_head(line, &h))
            continue;
        WS_GROW(m, n, cap);
        bool own = is_candidate(h.file, file);
        m[n].is_error = h.is_error;
        m[n].line = own ? h.line : line_of_context(rest);
        m[n].column = own ? column_of(rest, r, h.line) : 0;
        m[n].text = own || !h.file.n
                        ? ws_arena_strndup(a, h.text.p, h.text.n)
                        : ws_arena_printf(a, "in %.*s, line %d: %.*s", WS_STR_ARG(h.file), h.line,
                                          WS_STR_ARG(h.text));
        n++;
    }
    out->message = WS_ARENA_NEW(a, comp_message, n + 1);
    if (n)
        memcpy(out->message, m, (size_t)n * sizeof *m);
    out->n_messages = n;
    free(m);
}

/* ---- resources ---- */

/* The number in front of `unit`: "12 bytes spill stores"; -1: it is not there. */
static int number_before(ws_str line, const char *unit)
{
    const char *p = find(line, unit);
    if (!p)
        return -1;
    while (p > line.p && isspace((unsigned char)p[-1]))
        p--;
    const char *digits = p;
    while (digits > line.p && isdigit((unsigned char)digits[-1]))
        digits--;
    return digits == p ? -1 : (int)strtol(digits, NULL, 10);
}

static comp_kernel *kernel_after(ws_str line, const char *mark, comp_kernel *k, int n)
{
    const char *p = find(line, mark);
    if (!p)
        return NULL;
    ws_str name = {p + strlen(mark), (size_t)(line.p + line.n - p) - strlen(mark)};
    size_t end = 0;
    while (end < name.n && (isalnum((unsigned char)name.p[end]) || strchr("_$", name.p[end])))
        end++;
    name.n = end;
    for (int i = 0; i < n; i++)
        if (ws_str_eqz(name, k[i].name))
            return &k[i];
    return NULL;
}

/* ptxas leaves out what is zero ("bytes smem", barriers). */
static void read_usage(ws_str line, comp_kernel *k)
{
    int smem = number_before(line, " bytes smem"), barriers = number_before(line, " barriers");
    k->registers = number_before(line, " registers");
    k->shared_bytes = smem < 0 ? 0 : smem;
    k->barriers = barriers < 0 ? 0 : barriers;
}

void comp_log_resources(ws_str log, comp_kernel *kernel, int n_kernels)
{
    comp_kernel *current = NULL;    /* whose "Used" line comes next */
    comp_kernel *properties = NULL; /* whose stack line comes next; a called function has one too */
    while (log.n) {
        ws_str line = take_line(&log);
        if (find(line, "Compiling entry function '"))
            current = kernel_after(line, "Compiling entry function '", kernel, n_kernels);
        else if (find(line, "Function properties for "))
            properties = kernel_after(line, "Function properties for ", kernel, n_kernels);
        else if (properties && find(line, " bytes stack frame")) {
            properties->stack_bytes = number_before(line, " bytes stack frame");
            properties->spill_store_bytes = number_before(line, " bytes spill stores");
            properties->spill_load_bytes = number_before(line, " bytes spill loads");
        } else if (current && find(line, " registers")) {
            read_usage(line, current);
        }
    }
}

/* ---- diagnoses ---- */

static bool diagnose_limit(const comp_phase *p, const char *who, double wall_seconds, hx_diag *d)
{
    switch (p->outcome) {
    case COMP_TIME:
        hx_reject(d, HX_COMPILE_LIMIT, 0, 0, "%s did not end within %g seconds", who, wall_seconds);
        return true;
    case COMP_MEMORY:
        hx_reject(d, HX_COMPILE_LIMIT, 0, 0, "%s needs more memory than it may have", who);
        return true;
    case COMP_CRASHED:
        hx_reject(d, HX_COMPILE_LIMIT, 0, 0, "%s died on this source (%s)", who,
                  strsignal(p->code));
        return true;
    default:
        return false;
    }
}

/* What to do where the compiler's own words lead astray. */
static const char *advice(const char *text)
{
    if (strstr(text, "annotation on lambda"))
        return "; leave __device__ off the lambda: all code here is device code";
    if (strstr(text, "identifier \"half") || strstr(text, "identifier \"__half") ||
        strstr(text, "identifier \"__float2half"))
        return "; #include <cuda_fp16.h>";
    if (strstr(text, "identifier \"__nv_bfloat16") || strstr(text, "identifier \"nv_bfloat16"))
        return "; #include <cuda_bf16.h>";
    return "";
}

/* A header that passed the text check but could not be opened, e.g. a cuda/ name that does not
 * exist. */
static bool is_missing_header(const char *text)
{
    return strstr(text, "open source file") != NULL;
}

void comp_diagnose_front(const comp_phase *p, double wall_seconds, comp_result *out)
{
    hx_diag *d = &out->diag;
    const comp_message *first = NULL;
    int errors = 0;
    if (diagnose_limit(p, "NVRTC", wall_seconds, d))
        return;
    for (int i = 0; i < out->n_messages; i++) {
        if (!out->message[i].is_error)
            continue;
        errors++;
        if (!first || (!first->line && out->message[i].line))
            first = &out->message[i];
    }
    if (!first) {
        hx_reject(d, HX_COMPILE_ERROR, 0, 0, "NVRTC failed without an error message: %.400s",
                  out->log);
        return;
    }
    hx_reject(d, is_missing_header(first->text) ? HX_FORBIDDEN_INCLUDE : HX_COMPILE_ERROR,
              first->line, first->column, "%.700s%s", first->text, advice(first->text));
    size_t used = strlen(d->text);
    if (errors > 1)
        snprintf(d->text + used, sizeof d->text - used, " (and %d more error%s)", errors - 1,
                 errors > 2 ? "s" : "");
}

/* Where the source defines `name`, at the best guess: its first appearance in front of a '('. */
static int line_of_kernel(const comp_request *r, ws_str name)
{
    ws_str rest = {r->source, r->source_bytes};
    for (int number = 1; rest.n; number++) {
        ws_str line = take_line(&rest);
        for (const char *p = line.p; (p = memmem(p, (size_t)(line.p + line.n - p), name.p, name.n));
             p++) {
            const char *end = p + name.n;
            bool starts = p == line.p || !(isalnum((unsigned char)p[-1]) || strchr("_\"", p[-1]));
            if (starts && end < line.p + line.n && *end == '(')
                return number;
        }
    }
    return 0;
}

/* "ptxas error   : Entry function 'k' uses too much shared data (0x10000 bytes, 0xc000 max)", or
 * "ptxas application ptx input, line 23; error   : Unknown symbol 'x'" with a line of the PTX. */
static ws_str first_ptxas_error(ws_str log, int *ptx_line)
{
    *ptx_line = 0;
    while (log.n) {
        ws_str line = take_line(&log);
        const char *p = find(line, "error"), *end = line.p + line.n;
        const char *colon = p ? memchr(p, ':', (size_t)(end - p)) : NULL;
        if (!colon)
            continue;
        const char *at = find((ws_str){line.p, (size_t)(p - line.p)}, ", line ");
        if (at)
            *ptx_line = (int)strtol(at + strlen(", line "), NULL, 10);
        return ws_str_trim((ws_str){colon + 1, (size_t)(end - colon) - 1});
    }
    return (ws_str){0};
}

void comp_diagnose_back(const comp_phase *p, ws_str ptx, const comp_request *r, double wall_seconds,
                        comp_result *out)
{
    hx_diag *d = &out->diag;
    int ptx_line = 0;
    if (diagnose_limit(p, "ptxas", wall_seconds, d))
        return;
    ws_str text = first_ptxas_error(p->log, &ptx_line);
    int line = ptx_line ? comp_ptx_source_line(ptx.p, ptx.n, ptx_line) : 0;
    const char *quote = text.n && !line ? memchr(text.p, '\'', text.n) : NULL;
    if (quote) {
        const char *end = memchr(quote + 1, '\'', (size_t)(text.p + text.n - quote) - 1);
        if (end)
            line = line_of_kernel(r, (ws_str){quote + 1, (size_t)(end - quote) - 1});
    }
    if (!text.n)
        text = ws_str_of("the assembler failed without a message");
    hx_reject(d, HX_PTXAS_ERROR, line, 0, "%.*s", text.n > 900 ? 900 : (int)text.n, text.p);
}
