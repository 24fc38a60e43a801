#include "verifier/policy.h"

#include "base/buf.h"
#include "base/mem.h"
#include "harness/ptx/sniff.h"
#include "verifier/place.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Special registers (PTX ISA, section 10) by what they tell. A name that ends in * stands for all
 * that begin with the rest, and go on with a number when that is a word. */
static const struct {
    const char *name, *in_source, *tells;
} registers[] = {
    {"%clock", "clock", "the time"},
    {"%clock_hi", "clock", "the time"},
    {"%clock64", "clock", "the time"},
    {"%globaltimer", "globaltimer", "the time"},
    {"%globaltimer_lo", "globaltimer", "the time"},
    {"%globaltimer_hi", "globaltimer", "the time"},
    {"%smid", "smid", "the multiprocessor"},
    {"%nsmid", "nsmid", "the number of multiprocessors"},
    {"%warpid", "warpid", "the warp's place on the multiprocessor"},
    {"%nwarpid", "nwarpid", "how many warps the multiprocessor holds"},
    {"%gridid", "gridid", "a number of the launch"},
    {"%current_graph_exec", "current_graph_exec", "how it was launched"},
    {"%pm*", "pm", "what the GPU's performance monitors counted"},
    {"%envreg*", "envreg", "what the driver left there"},
    {"%reserved_smem_*", "reserved_smem", "how much shared memory the system keeps"},
    {"%total_smem_size", "total_smem_size", "how the GPU rounds sizes of shared memory"},
    {"%aggr_smem_size", "aggr_smem_size", "how the GPU rounds sizes of shared memory"},
};

/* Opcodes that speak to tools. */
static const struct {
    const char *name, *does;
} tools[] = {
    {"brkpt", "stops the kernel for a debugger"},
    {"pmevent", "counts up the GPU's performance monitors"},
};

/* Words of opcodes that steer the L2 cache beyond the launch (PTX ISA, 9.7.9.2 on cache hints). */
static const struct {
    const char *word, *in_source, *does;
} cache[] = {
    {"L2::evict_last", "evict_last", "keeps lines in the L2 cache after the launch"},
    {"applypriority", "applypriority", "changes what the L2 cache keeps after the launch"},
    {"discard", "discard", "throws away what is in the L2 cache"},
};

/* What the driver itself provides to device code. */
static const char *const provided[] = {"vprintf", "malloc", "free", "__assertfail"};

typedef struct reader {
    const char *p;
    const char *source;
    size_t n;
    vfy_place at;
    bool in_comment;
    ws_buf code;        /* of one line */
    bool makes_policy;  /* the module has some createpolicy */
    bool waits;         /* and waits at an mbarrier */
    hx_diag *d;
} reader;

/* One line of PTX without its comments. */
static bool next_line(reader *r)
{
    ws_buf_reset(&r->code);
    if (!*r->p)
        return false;
    for (; *r->p && *r->p != '\n'; r->p++) {
        bool open = r->p[0] == '/' && r->p[1] == '*';
        if (r->in_comment && r->p[0] == '*' && r->p[1] == '/') {
            r->in_comment = false;
            r->p++;
        } else if (!r->in_comment && r->p[0] == '/' && r->p[1] == '/') {
            r->p += strcspn(r->p, "\n");
            break;
        } else if (!r->in_comment && open) {
            r->in_comment = true;
            r->p++;
        } else if (!r->in_comment) {
            ws_buf_addc(&r->code, *r->p);
        }
    }
    r->p += *r->p == '\n';
    return true;
}

/* The first line of the source that has the word outside comments; 0: none. */
static int find_in_source(const reader *r, const char *word)
{
    const char *p = r->source, *end = p + r->n;
    const size_t n = strlen(word);
    int line = 1;
    bool block = false, rest = false; /* in a comment: of several lines, to the end of this one */
    for (; p + n < end; p++) {
        line += *p == '\n';
        rest &= *p != '\n';
        if (!block && !rest && p[0] == '/' && (p[1] == '/' || p[1] == '*')) {
            rest = p[1] == '/';
            block = !rest;
        } else if (block && p[0] == '*' && p[1] == '/') {
            block = false;
        } else if (!block && !rest && memcmp(p, word, n) == 0) {
            return line;
        }
    }
    return 0;
}

/* Where the PTX says that it is, else where the source says the word. */
static int line_of(const reader *r, const char *word)
{
    return r->at.line ? r->at.line : find_in_source(r, word);
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$';
}

/* What headers of the toolkit read: cuda::barrier looks at the time to decide how long to sleep
 * before it tries again, and cooperative_groups finds the barrier of a grid by what the driver
 * left. */
static bool is_of_header(const reader *r, const char *name, size_t n)
{
    static const char timer[] = "%globaltimer", driver[] = "%envreg";
    if (r->at.file == 1)
        return false;
    return (r->waits && n == sizeof timer - 1 && memcmp(name, timer, n) == 0) ||
           (n == sizeof driver && memcmp(name, driver, n - 1) == 0);
}

static bool is_called(const char *name, const char *p, size_t n)
{
    const size_t most = strlen(name), begin = most - 1;
    if (name[begin] != '*')
        return n == most && memcmp(name, p, n) == 0;
    return n > begin && memcmp(name, p, begin) == 0 &&
           (name[begin - 1] == '_' || isdigit((unsigned char)p[begin]));
}

static bool check_registers(const reader *r, const char *code)
{
    for (const char *p = strchr(code, '%'); p; p = strchr(p + 1, '%')) {
        size_t n = 1;
        while (is_name(p[n]))
            n++;
        if (is_of_header(r, p, n))
            continue;
        for (size_t i = 0; i < WS_COUNT(registers); i++)
            if (is_called(registers[i].name, p, n))
                return hx_reject(r->d, HX_FORBIDDEN_CONSTRUCT,
                                 line_of(r, registers[i].in_source), 0,
                                 "the kernel reads %.*s, which tells %s; what it does may depend "
                                 "on its inputs alone",
                                 (int)n, p, registers[i].tells);
    }
    return true;
}

/* `word` as part of an opcode: a modifier follows, or it is one itself. */
static bool has_opcode(const char *code, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = strstr(code, word); p; p = strstr(p + 1, word)) {
        const char *after = p + n + strspn(p + n, " \t");
        if ((p == code || !is_name(p[-1])) && !is_name(p[n]) &&
            (*after == '.' || strchr(word, ':')))
            return true;
    }
    return false;
}

static bool check_tools(const reader *r, const char *code)
{
    for (size_t i = 0; i < WS_COUNT(tools); i++) {
        const char *at = strstr(code, tools[i].name);
        const size_t n = strlen(tools[i].name);
        if (at && (at == code || !is_name(at[-1])) && !is_name(at[n]) && at[n] != '.')
            return hx_reject(r->d, HX_FORBIDDEN_CONSTRUCT,
                             line_of(r, tools[i].name), 0,
                             "the kernel uses %s, which %s; a kernel speaks to no tools",
                             tools[i].name, tools[i].does);
    }
    return true;
}

static bool check_cache(const reader *r, const char *code)
{
    for (size_t i = 0; i < WS_COUNT(cache); i++)
        if (has_opcode(code, cache[i].word))
            return hx_reject(r->d, HX_FORBIDDEN_CONSTRUCT,
                             line_of(r, cache[i].in_source), 0,
                             "the kernel uses %s, which %s; caches are cleared between timed "
                             "launches, and a kernel may not keep them warm",
                             cache[i].word, cache[i].does);
    if (strstr(code, "createpolicy") && strstr(code, ".cvt"))
        return hx_reject(r->d, HX_FORBIDDEN_CONSTRUCT,
                         line_of(r, "createpolicy"), 0,
                         "createpolicy.cvt takes a cache policy that is written as a number, which "
                         "can keep lines in the L2 cache after the launch");
    if (strstr(code, "L2::cache_hint") && !r->makes_policy)
        return hx_reject(r->d, HX_FORBIDDEN_CONSTRUCT,
                         line_of(r, "cache_hint"), 0,
                         "the kernel uses L2::cache_hint with a policy that no createpolicy made; "
                         "such a number can keep lines in the L2 cache after the launch");
    return true;
}

/* The name in ".extern .func (.param .b32 retval0) vprintf". */
static ws_str called(const char *code)
{
    const char *p = strstr(code, ".func") + strlen(".func");
    p += strspn(p, " \t");
    if (*p == '(')
        p += strcspn(p, ")") + 1;
    p += strspn(p, " \t)");
    size_t n = 0;
    while (is_name(p[n]))
        n++;
    return (ws_str){p, n};
}

static bool check_linkage(const reader *r, const char *code)
{
    if (strstr(code, ".attribute(.managed)"))
        return hx_reject(r->d, HX_FORBIDDEN_CONSTRUCT, find_in_source(r, "__managed__"), 0,
                         "a __managed__ variable is memory of the host; scratch of the plan or "
                         "__device__ variables are what a candidate may use");
    if (strncmp(code, ".extern", 7) != 0)
        return true;
    if (strstr(code, ".global") || strstr(code, ".const"))
        return hx_reject(r->d, HX_FORBIDDEN_CONSTRUCT, find_in_source(r, "extern"), 0,
                         "an extern variable lies outside this candidate; it has to define what it "
                         "uses");
    if (!strstr(code, ".func"))
        return true;
    ws_str name = called(code);
    for (size_t i = 0; i < WS_COUNT(provided); i++)
        if (ws_str_eqz(name, provided[i]))
            return true;
    char z[128];
    snprintf(z, sizeof z, "%.*s", WS_STR_ARG(name));
    return hx_reject(r->d, HX_FORBIDDEN_CONSTRUCT, find_in_source(r, z), 0,
                     "the kernel calls %s(), which the source does not define; nothing is linked "
                     "to a candidate, and it launches nothing itself",
                     z);
}

static bool has_lines(const char *ptx)
{
    return strstr(ptx, "\t.loc") != NULL;
}

static size_t opcode_length(ws_str text)
{
    size_t n = 0;
    while (n < text.n && n < 100 && text.p[n] != ' ' && text.p[n] != '\t')
        n++;
    return n;
}

/* Text that the engine cannot read is its business. */
static bool check_addresses(const char *ptx, hx_diag *d)
{
    ws_arena a = {0};
    ws_err ignored = {0};
    ptx_ast *ast = NULL;
    bool good = true;
    if (!ptx_parse(&a, ptx, strlen(ptx), &ast, &ignored))
        for (int f = 0; f < ast->n_funcs && good; f++) {
            const ptx_ast_insn *i = ast->func[f]->is_entry ? ptx_find_sniffed(ast->func[f]) : NULL;
            if (i)
                good = hx_reject(d, HX_FORBIDDEN_CONSTRUCT, i->src_line, 0,
                                 "kernel '%s' takes the high bits of an address for a number "
                                 "('%.*s'): they tell one machine from another, and what it does "
                                 "may depend on its inputs alone; the low %d bits are free",
                                 ast->func[f]->name, (int)opcode_length(i->text), i->text.p,
                                 PTX_SNIFF_BIT);
        }
    ws_arena_release(&a);
    return good;
}

bool vfy_check_ptx(const char *ptx, const char *source, size_t n, hx_diag *d)
{
    reader r = {.p = ptx, .source = source, .n = n, .d = d,
                .makes_policy = strstr(ptx, "createpolicy") != NULL,
                .waits = strstr(ptx, "mbarrier.") != NULL};
    bool good = true;
    while (good && next_line(&r)) {
        const char *code = ws_buf_z(&r.code);
        code += strspn(code, " \t");
        if (strncmp(code, ".loc", 4) == 0)
            vfy_place_follow(&r.at, code);
        else
            good = check_registers(&r, code) && check_tools(&r, code) && check_cache(&r, code) &&
                   check_linkage(&r, code);
    }
    ws_buf_release(&r.code);
    return good && (!has_lines(ptx) || check_addresses(ptx, d));
}

bool vfy_needs_lines(const char *ptx)
{
    hx_diag d;
    return !has_lines(ptx) && (strstr(ptx, "%globaltimer") || strstr(ptx, "%envreg") ||
                               !check_addresses(ptx, &d));
}

bool vfy_has_variables(const char *ptx)
{
    for (const char *p = strstr(ptx, ".global "); p; p = strstr(p + 1, ".global ")) {
        const char *line = p;
        while (line > ptx && line[-1] != '\n')
            line--;
        line += strspn(line, " \t");
        if (*line == '.')
            return true;
    }
    return false;
}
