#include "agent/evidence/compile_log.h"

#include "agent/evidence/quote.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ERRORS = 6, MAX_PLAIN_LINES = 8 };

/* "kernel.cu(9): error: identifier "zero" is undefined" */
typedef struct message {
    int line;
    ws_str text;
} message;

static bool next_error(const char **log, message *out)
{
    for (const char *p; (p = strstr(*log, ": error")) != NULL;) {
        const char *begin = p, *text = strchr(p + 2, ':');
        while (begin > *log && begin[-1] != '\n')
            begin--;
        const char *open = memchr(begin, '(', (size_t)(p - begin));
        *log = p + strcspn(p, "\n");
        if (!text || !open)
            continue;
        *out = (message){atoi(open + 1), ws_str_trim((ws_str){text + 1, strcspn(text + 1, "\n")})};
        return true;
    }
    return false;
}

static bool has(ws_str text, const char *part)
{
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

/* The first name in double quotes. */
static ws_str quoted(ws_str text)
{
    const char *a = memchr(text.p, '"', text.n);
    const char *b = a ? memchr(a + 1, '"', (size_t)(text.p + text.n - a - 1)) : NULL;
    return b ? (ws_str){a + 1, (size_t)(b - a - 1)} : (ws_str){"", 0};
}

/* Names that need a header. */
static const struct {
    const char *name, *header;
} headers[] = {
    {"half2", "cuda_fp16.h"},
    {"__half", "cuda_fp16.h"},
    {"half", "cuda_fp16.h"},
    {"__float2half", "cuda_fp16.h"},
    {"__half2float", "cuda_fp16.h"},
    {"__nv_bfloat", "cuda_bf16.h"},
    {"__float2bfloat", "cuda_bf16.h"},
    {"__bfloat", "cuda_bf16.h"},
    {"__nv_fp8", "cuda_fp8.h"},
    {"nvcuda", "mma.h"},
    {"wmma", "mma.h"},
    {"cooperative_groups", "cooperative_groups.h"},
    {"cg", "cooperative_groups.h"},
    {"cub", "cub/cub.cuh"},
    {"__pipeline", "cuda_pipeline.h"},
    {"CUtensorMap", "cuda.h"},
};

static const char *undefined_name(ev_facts *f, ws_str name)
{
    for (int i = 0; i < f->spec->n_dims; i++)
        if (ws_str_eqz(name, f->spec->dim[i].name))
            return ws_arena_printf(
                &f->arena,
                "%.*s is a dim: the macro DIM_%.*s has its value, or pass it by args as an int "
                "parameter",
                WS_STR_ARG(name), WS_STR_ARG(name));
    for (int i = 0; i < f->spec->n_inputs + f->spec->n_weights; i++)
        if (ws_str_eqz(name, f->spec->tensor[i].name))
            return ws_arena_printf(
                &f->arena,
                "%.*s is a tensor: name it in the plan's args and give the kernel a pointer "
                "parameter",
                WS_STR_ARG(name));
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (name.n >= strlen(headers[i].name) &&
            strncmp(name.p, headers[i].name, strlen(headers[i].name)) == 0)
            return ws_arena_printf(&f->arena, "%.*s needs #include <%s>", WS_STR_ARG(name),
                                   headers[i].header);
    if (name.n > 6 && strncmp(name.p, "__shfl", 6) == 0)
        return "shuffles are __shfl_sync, __shfl_up_sync, __shfl_down_sync and __shfl_xor_sync, "
               "with the mask of lanes first: __shfl_xor_sync(0xffffffff, value, offset)";
    if (name.n > 4 && strncmp(name.p, "cuda", 4) == 0)
        return ws_arena_printf(&f->arena, "%.*s is of the host: the plan launches, kernels compute",
                               WS_STR_ARG(name));
    return ws_arena_printf(
        &f->arena,
        "%.*s is declared nowhere: if it is to be a tunable, the plan's tune must have it "
        "(tunables are macros by their own name); else declare it before its use",
        WS_STR_ARG(name));
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* "int BLOCK" or "unsigned BLOCK": a declaration of `name` in the line. */
static bool declares(ws_str line, const char *name)
{
    static const char *const statements[] = {"return", "else", "case"};
    size_t n = strlen(name);
    for (size_t i = 1; i + n <= line.n; i++) {
        if (strncmp(line.p + i, name, n) != 0 || is_name(line.p[i - 1]) ||
            (i + n < line.n && is_name(line.p[i + n])))
            continue;
        size_t k = i;
        while (k && line.p[k - 1] == ' ')
            k--;
        bool typed = k && k < i && is_name(line.p[k - 1]);
        for (size_t w = 0; w < sizeof statements / sizeof *statements; w++) {
            size_t m = strlen(statements[w]);
            typed = typed && !(k >= m && strncmp(line.p + k - m, statements[w], m) == 0);
        }
        if (typed)
            return true;
    }
    return false;
}

static ws_str line_of(const char *source, int line)
{
    const char *p = source ? source : "";
    for (int at = 1; at < line; at++) {
        p = strchr(p, '\n');
        if (!p)
            return (ws_str){"", 0};
        p++;
    }
    return (ws_str){p, strcspn(p, "\n")};
}

/* Tunables are macros: where the source gives something their name the compiler reads a number. */
static const char *declared_macro(ev_facts *f, int line)
{
    const char *source = f->subject->candidate ? f->subject->candidate->source : NULL;
    ws_str at = line_of(source, line);
    const char *tune = source ? strstr(source, "\"tune\"") : NULL;
    const char *end = tune ? strchr(tune, '}') : NULL;
    for (const char *p = tune ? strchr(tune, '{') : NULL; p && end && p < end;) {
        const char *open = strchr(p, '"'), *close = open ? strchr(open + 1, '"') : NULL;
        if (!close || close > end)
            break;
        char *name = ws_arena_strndup(&f->arena, open + 1, (size_t)(close - open - 1));
        if (*name && declares(at, name))
            return ws_arena_printf(
                &f->arena,
                "%s is a tunable, and tunables are macros with a number: nothing else can have the "
                "name; take the parameter or declaration away (and %s out of args) and use the "
                "macro",
                name, name);
        p = close + 1;
    }
    return "";
}

/* Part of a message, and what it mostly means here. */
static const struct {
    const char *part, *advice;
} hints[] = {
    {"__shfl", "shuffles take the mask of lanes first: __shfl_xor_sync(0xffffffff, value, offset)"},
    {"_sync",
     "the *_sync functions take the mask of lanes first: __ballot_sync(0xffffffff, predicate)"},
    {"must have a constant value",
     "an array's size must be known to the compiler: use the macro DIM_<name> or a tunable, not a "
     "parameter; sizes that vary go into extern __shared__ memory with the plan's \"shared\""},
    {"too much shared data", "static shared memory ends at 48 KiB: declare it extern __shared__ "
                             "and give the plan \"shared\", its size in bytes"},
    {"may not have extern \"C\" linkage", "templates cannot be extern \"C\": keep the template "
                                          "outside, and let an extern \"C\" __global__ kernel call "
                                          "it as a __device__ function"},
    {"no instance of overloaded function",
     "the argument types fit no overload: cast to the types that the function takes (float against "
     "half, int against long long)"},
    {"more than one instance of overloaded",
     "the arguments have different types: cast them to one (max(v, 0.f)), or use fmaxf, fminf"},
    {"initializer not allowed",
     "shared memory cannot be initialised where it is declared: let threads store, then "
     "__syncthreads()"},
    {"incompatible with previous",
     "declarations of one name must agree: give the extern __shared__ arrays of two kernels one "
     "type or two names"},
    {"linkage specification",
     "templates cannot be extern \"C\": keep the template outside, and let an extern \"C\" "
     "__global__ kernel call it as a __device__ function"},
    {"modifiable lvalue",
     "what is assigned to is const: inputs are read-only, write outputs and scratch"},
    {"no operator",
     "this type lacks the operator: convert to float, compute, convert back, or use the __h* "
     "functions of the half types"},
    {"no suitable",
     "there is no such conversion: build vectors by make_float4(...), convert halves by "
     "__half2float and __float2half, cast pointers by reinterpret_cast"},
    {"cannot open source file",
     "there is no such header here: device headers of CUDA alone can be included"},
    {"expected a \";\"", "a semicolon or a bracket is missing at the end of the line before"},
    {"__host__ function", "device code cannot call host functions: mark helpers __device__"},
    {"already been defined",
     "the name is defined twice: a tunable or DIM_ macro of this name exists already"},
    {"too many resources", "fewer registers or less shared memory a block"},
    {"has already been declared", "the name is declared twice in this scope"},
    {"type \"const", "inputs are const pointers: read them, write only outputs and scratch"},
};

static const char *advice_for(ev_facts *f, int line, ws_str text)
{
    const char *macro = has(text, "expected") ? declared_macro(f, line) : "";
    if (*macro)
        return macro;
    if (has(text, "identifier") && has(text, "undefined"))
        return undefined_name(f, quoted(text));
    if (has(text, "name must be a namespace") || has(text, "name followed by"))
        return "the namespace is not known: its header is missing (mma.h, cooperative_groups.h, "
               "cub/cub.cuh)";
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (has(text, hints[i].part))
            return hints[i].advice;
    return "";
}

const char *ev_compile_advice(ev_facts *f)
{
    const char *log = ev_text(f, NULL, "log"), *advice = "";
    message m;
    while (!*advice && next_error(&log, &m))
        advice = advice_for(f, m.line, m.text);
    if (!*advice)
        advice = advice_for(f, 0, ws_str_of(ev_text(f, NULL, "text")));
    return advice;
}

/* Errors of the assembler have no source line. */
static void write_plain(const char *log, ws_buf *out)
{
    for (int n = 0; *log && n < MAX_PLAIN_LINES; n++) {
        size_t length = strcspn(log, "\n");
        ws_buf_printf(out, "  %.*s\n", (int)ev_cut(log, length, 200), log);
        log += length + (log[length] != 0);
    }
}

void ev_compile_write(ev_facts *f, ws_buf *out)
{
    const char *whole = ev_text(f, NULL, "log"), *log = whole, *before = "";
    const char *source = f->subject->candidate ? f->subject->candidate->source : NULL;
    int n = 0, more = 0;
    message m;
    while (next_error(&log, &m)) {
        const char *advice = advice_for(f, m.line, m.text);
        if (n == MAX_ERRORS) {
            more++;
            continue;
        }
        ws_buf_printf(out, "  line %d: %.*s\n", m.line, (int)ev_cut(m.text.p, m.text.n, 300),
                      m.text.p);
        ev_quote(source, m.line, n ? 0 : 1, out);
        if (n && *advice && strcmp(advice, before))
            ws_buf_printf(out, "    (%s)\n", advice);
        before = advice;
        n++;
    }
    if (more)
        ws_buf_printf(out, "  and %d more\n", more);
    double line = ev_number(f, "place", "line");
    if (!n && line > 0 && line < 1e9) /* the log ends before the error */
        ev_quote(source, (int)line, 1, out);
    else if (!n)
        write_plain(whole, out);
}
