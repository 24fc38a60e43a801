#include "harness/profile/dwarf.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 4096, MAX_ROWS = 1 << 24, RELA_BYTES = 24 };
enum { /* DWARF 4, figures 37 and 38 */
       COPY = 1,
       ADVANCE_PC,
       ADVANCE_LINE,
       SET_FILE,
       SET_COLUMN,
       NEGATE_STMT,
       SET_BASIC_BLOCK,
       CONST_ADD_PC,
       FIXED_ADVANCE_PC,
       END_SEQUENCE = 1,
       SET_ADDRESS = 2 };

/* ---- bytes ---- */

typedef struct reader {
    const unsigned char *p, *end;
    bool bad; /* something went past the end; then all values are 0 */
} reader;

static const unsigned char *take(reader *r, size_t n)
{
    if (r->bad || (size_t)(r->end - r->p) < n) {
        r->bad = true;
        return NULL;
    }
    r->p += n;
    return r->p - n;
}

static uint8_t byte(reader *r)
{
    const unsigned char *p = take(r, 1);
    return p ? *p : 0;
}

static uint16_t half(reader *r)
{
    const unsigned char *p = take(r, 2);
    return p ? elf_u16(p) : 0;
}

static uint32_t word(reader *r)
{
    const unsigned char *p = take(r, 4);
    return p ? elf_u32(p) : 0;
}

static uint64_t leb(reader *r, bool is_signed)
{
    uint64_t v = 0;
    unsigned shift = 0;
    uint8_t b;
    do {
        b = byte(r);
        v |= shift < 64 ? (uint64_t)(b & 0x7f) << shift : 0;
        shift += 7;
    } while (b & 0x80 && !r->bad);
    if (is_signed && b & 0x40 && shift < 64)
        v |= ~UINT64_C(0) << shift;
    return v;
}

/* A string with its NUL; "" where it does not end. */
static const char *text(reader *r)
{
    const unsigned char *end = r->bad ? NULL : memchr(r->p, 0, (size_t)(r->end - r->p));
    if (!end) {
        r->bad = true;
        return "";
    }
    const char *z = (const char *)r->p;
    r->p = end + 1;
    return z;
}

/* ---- a unit ---- */

typedef struct unit {
    reader r;
    const unsigned char *section;
    elf_section rela; /* data NULL: none */
    uint8_t min_bytes, line_range, opcode_base;
    int8_t line_base;
    const unsigned char *operands; /* of standard opcode k, at k - 1 */
    int first_file;                /* of this unit among all files */
    dwarf_lines *out;
} unit;

typedef struct state {
    uint32_t symbol;
    uint64_t address;
    uint64_t file, line; /* as they wrap, where the table is unsound */
} state;

static void add_file(unit *u, const char *dir, const char *name)
{
    ws_buf path = {0};
    if (*name != '/' && *dir)
        ws_buf_printf(&path, "%s/", dir);
    ws_buf_adds(&path, name);
    WS_GROW(u->out->file, u->out->n_files, u->out->cap_files);
    u->out->file[u->out->n_files++] = ws_strdup(ws_buf_z(&path));
    ws_buf_release(&path);
}

/* The tables of directories and files: both end with an empty name. */
static void read_files(unit *u)
{
    const char *dir[256];
    size_t n_dirs = 0;
    const char *z;
    while (*(z = text(&u->r)))
        if (n_dirs < WS_COUNT(dir))
            dir[n_dirs++] = z;
    u->first_file = u->out->n_files;
    while (*(z = text(&u->r)) && u->out->n_files < MAX_FILES) {
        const uint64_t d = leb(&u->r, false);
        (void)leb(&u->r, false); /* time and */
        (void)leb(&u->r, false); /* length of the file */
        add_file(u, d && d <= n_dirs ? dir[d - 1] : "", z);
    }
}

/* The header behind its length; r->p is then at the program. */
static bool read_header(unit *u)
{
    reader *r = &u->r;
    const uint16_t version = half(r);
    const uint32_t rest = word(r);
    const unsigned char *program = r->p + rest;
    if (r->bad || version < 2 || version > 4 || rest > (size_t)(r->end - r->p))
        return false;
    u->min_bytes = byte(r);
    if (version == 4)
        (void)byte(r); /* operations an instruction */
    (void)byte(r);     /* whether rows begin statements */
    u->line_base = (int8_t)byte(r);
    u->line_range = byte(r);
    u->opcode_base = byte(r);
    u->operands = take(r, u->opcode_base ? u->opcode_base - 1u : 0);
    read_files(u);
    if (r->bad || !u->line_range || !u->opcode_base)
        return false;
    r->p = program;
    return true;
}

/* Of the address at `at` in the section: the symbol that the linker would add. */
static uint32_t symbol_at(const unit *u, const unsigned char *at)
{
    const uint64_t offset = (uint64_t)(at - u->section);
    for (size_t k = 0; u->rela.data && k < u->rela.bytes / RELA_BYTES; k++)
        if (elf_u64(u->rela.data + k * RELA_BYTES) == offset)
            return (uint32_t)(elf_u64(u->rela.data + k * RELA_BYTES + 8) >> 32);
    return 0;
}

static void add_row(unit *u, const state *s, bool ends)
{
    dwarf_lines *l = u->out;
    const uint64_t n_files = (uint64_t)(l->n_files - u->first_file);
    if (l->n == MAX_ROWS || s->line > INT32_MAX)
        return;
    WS_GROW(l->row, l->n, l->cap);
    l->row[l->n] = (dwarf_row){
        .symbol = s->symbol,
        .order = (uint32_t)l->n,
        .address = s->address,
        .file = s->file && s->file <= n_files ? u->first_file + (int)s->file - 1 : -1,
        .line = ends ? 0 : (int)s->line,
    };
    l->n++;
}

static void extended(unit *u, state *s)
{
    const uint64_t n = leb(&u->r, false);
    const unsigned char *p = n ? take(&u->r, (size_t)n) : NULL;
    if (!p)
        return;
    if (*p == END_SEQUENCE) {
        add_row(u, s, true);
        *s = (state){.file = 1, .line = 1};
    } else if (*p == SET_ADDRESS && n == 1 + sizeof(uint64_t)) {
        s->symbol = symbol_at(u, p + 1);
        s->address = elf_u64(p + 1);
    } /* the rest, as ptxas's of inlined calls, moves nothing */
}

static void standard(unit *u, uint8_t op, state *s)
{
    switch (op) {
    case COPY: add_row(u, s, false); break;
    case ADVANCE_PC: s->address += leb(&u->r, false) * u->min_bytes; break;
    case ADVANCE_LINE: s->line += leb(&u->r, true); break;
    case SET_FILE: s->file = leb(&u->r, false); break;
    case CONST_ADD_PC:
        s->address += (uint64_t)((255 - u->opcode_base) / u->line_range) * u->min_bytes;
        break;
    case FIXED_ADVANCE_PC: s->address += half(&u->r); break;
    case SET_COLUMN:
    case NEGATE_STMT:
    case SET_BASIC_BLOCK:
    default:
        for (int k = 0; k < u->operands[op - 1]; k++)
            (void)leb(&u->r, false);
    }
}

static void run_program(unit *u)
{
    state s = {.file = 1, .line = 1};
    while (u->r.p < u->r.end && !u->r.bad) {
        const uint8_t op = byte(&u->r);
        if (op >= u->opcode_base) {
            const int step = op - u->opcode_base;
            s.address += (uint64_t)(step / u->line_range) * u->min_bytes;
            s.line += (uint64_t)(int64_t)(u->line_base + step % u->line_range);
            add_row(u, &s, false);
        } else if (op) {
            standard(u, op, &s);
        } else {
            extended(u, &s);
        }
    }
}

/* ---- the table ---- */

static int by_place(const void *x, const void *y)
{
    const dwarf_row *a = x, *b = y;
    if (a->symbol != b->symbol)
        return a->symbol < b->symbol ? -1 : 1;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

bool dwarf_read(const elf_file *f, const char *section, dwarf_lines *out)
{
    elf_section s;
    char rela[64] = ".rela";
    unit u = {.out = out};
    *out = (dwarf_lines){0};
    if (strlen(section) >= sizeof rela - strlen(rela) || !elf_section_named(f, section, &s) ||
        !s.data)
        return false;
    if (!elf_section_named(f, strcat(rela, section), &u.rela))
        u.rela = (elf_section){0};
    u.section = s.data;
    reader units = {s.data, s.data + s.bytes, false};
    while (units.p < units.end) {
        const uint32_t n = word(&units);
        const unsigned char *p = take(&units, n);
        if (!p)
            break;
        u.r = (reader){p, p + n, false};
        if (read_header(&u))
            run_program(&u);
    }
    if (out->n)
        qsort(out->row, out->n, sizeof *out->row, by_place);
    return out->n > 0;
}

void dwarf_release(dwarf_lines *l)
{
    for (int i = 0; i < l->n_files; i++)
        free(l->file[i]);
    free(l->file);
    free(l->row);
    *l = (dwarf_lines){0};
}

const dwarf_row *dwarf_at(const dwarf_lines *l, uint32_t symbol, uint64_t address)
{
    const dwarf_row key = {.symbol = symbol, .order = UINT32_MAX, .address = address};
    size_t lo = 0, hi = l->n;
    while (lo < hi) { /* the first row that is behind the key */
        const size_t mid = lo + (hi - lo) / 2;
        if (by_place(&l->row[mid], &key) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    const dwarf_row *found = lo ? &l->row[lo - 1] : NULL;
    return found && found->symbol == symbol && found->line ? found : NULL;
}
