/* Text that the formats share: templates, and bytes as string literals. */
#include "results/export_parts.h"

#include "base/file.h"

#include <string.h>

enum { LITERAL_WIDTH = 96, MAX_TEMPLATE = 1 << 20, MAX_NAME = 64 };

/* ---- literals ---- */

/* One byte, in escapes that mean the same in C, C++ and Python. '?' could begin a trigraph. */
static size_t put_byte(unsigned char c, ws_buf *out)
{
    const size_t before = out->n;
    if (c == '\n')
        ws_buf_adds(out, "\\n");
    else if (c == '\t')
        ws_buf_adds(out, "\\t");
    else if (c == '"' || c == '\\')
        ws_buf_printf(out, "\\%c", c);
    else if (c < 0x20 || c > 0x7e || c == '?')
        ws_buf_printf(out, "\\%03o", c);
    else
        ws_buf_addc(out, (char)c);
    return out->n - before;
}

void exp_put_literals(const void *data, size_t n, const char *indent, size_t piece, ws_buf *out)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < n;) {
        size_t end = piece && i / piece * piece + piece < n ? i / piece * piece + piece : n;
        /* Parentheses tell compilers that no comma was forgotten. */
        ws_buf_printf(out, "%s%s\"", indent, piece && i % piece == 0 ? "(" : piece ? " " : "");
        for (size_t width = 0; i < end && width < LITERAL_WIDTH;) {
            width += put_byte(p[i], out);
            if (p[i++] == '\n')
                break;
        }
        ws_buf_adds(out, piece && i == end ? "\"),\n" : "\"\n");
    }
    if (!n)
        ws_buf_printf(out, piece ? "%s\"\",\n" : "%s\"\"\n", indent);
}

/* ---- templates ---- */

static ws_status bad_line(const char *name, int line, const char *what, ws_err *err)
{
    return ws_fail(err, WS_EENV, "template '%s', line %d: %s", name, line, what);
}

static bool take_name(ws_str s, char out[MAX_NAME])
{
    s = ws_str_trim(s);
    if (!s.n || s.n >= MAX_NAME)
        return false;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

/* A line with its newline. */
static bool fill_line(const exp_filler *f, ws_str line, ws_buf *out)
{
    const char *end = line.p + line.n;
    char name[MAX_NAME];
    for (const char *p = line.p; p < end; p++) {
        if (*p != '@' || p + 1 == end || p[1] != '{') {
            ws_buf_addc(out, *p);
            continue;
        }
        const char *close = memchr(p, '}', (size_t)(end - p));
        if (!close || !take_name((ws_str){p + 2, (size_t)(close - p - 2)}, name))
            return false;
        f->put(f, name, out);
        p = close;
    }
    return true;
}

static ws_status fill_text(const exp_filler *f, const char *name, const char *text, ws_buf *out,
                           ws_err *err)
{
    char word[MAX_NAME];
    int line = 0, depth = 0, off = 0; /* off: the depth at which lines stopped to stand, or 0 */
    for (const char *p = text, *next; *p; p = next) {
        const char *nl = strchr(p, '\n');
        next = nl ? nl + 1 : p + strlen(p);
        ws_str s = {p, (size_t)(next - p)}, trimmed = ws_str_trim(s);
        line++;
        if (trimmed.n > 4 && memcmp(trimmed.p, "@if ", 4) == 0) {
            depth++;
            if (!take_name((ws_str){trimmed.p + 4, trimmed.n - 4}, word))
                return bad_line(name, line, "'@if' without a name", err);
            if (!off && !f->has(f, word))
                off = depth;
        } else if (ws_str_eqz(trimmed, "@end")) {
            if (!depth)
                return bad_line(name, line, "'@end' without '@if'", err);
            off = off == depth ? 0 : off;
            depth--;
        } else if (!off && !fill_line(f, s, out)) {
            return bad_line(name, line, "'@{' without '}'", err);
        }
    }
    return depth ? bad_line(name, line, "'@if' without '@end'", err) : WS_OK;
}

ws_status exp_fill(const exp_filler *f, const char *name, ws_buf *out, ws_err *err)
{
    ws_buf path = {0}, text = {0};
    ws_home_path(&path, "results/templates/");
    ws_buf_adds(&path, name);
    ws_status st = ws_read_file(ws_buf_z(&path), MAX_TEMPLATE, &text, err);
    if (!st)
        st = fill_text(f, name, ws_buf_z(&text), out, err);
    ws_buf_release(&text);
    ws_buf_release(&path);
    return st;
}
