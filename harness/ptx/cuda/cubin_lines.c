/* Places of the source in the PTX of a cubin. ptxas leaves the .loc directives out of the PTX that
 * it keeps; it keeps two tables instead, of machine code to lines of the source and of machine code
 * to lines of the PTX. Together they say what the directives said, for every instruction of which
 * something is left in the machine code. */
#include "harness/ptx/cuda/internal.h"

#include "base/mem.h"
#include "harness/profile/dwarf.h"
#include "harness/ptx/parse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct place {
    int file, line; /* line 0: not known */
} place;

/* place[k] is that of line k of the PTX, the first being 1. */
static void find_places(const dwarf_lines *source, const dwarf_lines *ptx, place *of, size_t n)
{
    for (size_t k = 0; k < ptx->n; k++) {
        const dwarf_row *at = &ptx->row[k];
        const dwarf_row *in = at->line ? dwarf_at(source, at->symbol, at->address) : NULL;
        if (in && in->file >= 0 && (size_t)at->line < n && !of[at->line].line)
            of[at->line] = (place){in->file, in->line};
    }
}

/* Whether a directive may stand before the line: no statement runs over from the last one. */
static bool begins_statement(const char *text, const char *line)
{
    const char *end = line;
    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    while (isspace((unsigned char)*line))
        line++;
    return end > text && strchr(";:{}", end[-1]) && *line && *line != '.';
}

static void write_line(const char *text, const char *line, size_t n, const place *at, place *last,
                       ws_buf *out)
{
    const bool news = at->line && (at->line != last->line || at->file != last->file);
    if (news && at->file < PTX_MAX_FILES && begins_statement(text, line)) {
        ws_buf_printf(out, ".loc %d %d 0 ", at->file + 1, at->line);
        *last = *at;
    }
    ws_buf_add(out, line, n);
}

static void write_files(const dwarf_lines *source, ws_buf *out)
{
    for (int i = 0; i < source->n_files && i + 1 <= PTX_MAX_FILES; i++)
        if (!strpbrk(source->file[i], "\"\\\n"))
            ws_buf_printf(out, "\n.file %d \"%s\"", i + 1, source->file[i]);
    ws_buf_adds(out, "\n");
}

static size_t count_lines(const char *z)
{
    size_t n = 1;
    for (; (z = strchr(z, '\n')); z++)
        n++;
    return n;
}

void fac_cubin_places(const elf_file *f, const char *text, ws_buf *out)
{
    dwarf_lines source = {0}, ptx = {0};
    const size_t n = count_lines(text) + 1;
    place *of = ws_calloc(n, sizeof *of), last = {0};
    if (dwarf_read(f, ".debug_line", &source) && dwarf_read(f, ".nv_debug_line_sass", &ptx))
        find_places(&source, &ptx, of, n);
    size_t k = 1;
    for (const char *line = text; *line; k++) {
        const char *newline = strchr(line, '\n');
        const size_t bytes = newline ? (size_t)(newline - line) + 1 : strlen(line);
        write_line(text, line, bytes, &of[k], &last, out);
        line += bytes;
    }
    write_files(&source, out);
    dwarf_release(&source);
    dwarf_release(&ptx);
    free(of);
}
