/* The reader of line tables on a program written by hand from DWARF's figures, and on what is left of it
 * when bytes change. */
#include "base/buf.h"
#include "base/mem.h"
#include "harness/profile/dwarf.h"
#include "tests/tap.h"

#include <stdlib.h>

enum { SHT_STRTAB = 3, SHT_PROGBITS = 1, SHT_RELA = 4, SECTION_BYTES = 64, N_SECTIONS = 4 };

/* Version 2: bytes an instruction 16, line_base -5, line_range 14, opcode_base 10; a directory, two files. */
static const unsigned char header[] = {
    16, 1, 0xfb, 14, 10, 0, 1, 1, 1, 1, 0, 0, 0, 1, /* lengths of opcodes 1 to 9 */
    's', 'r', 'c', 0, 0, 'k', '.', 'c', 'u', 0, 1, 0, 0, '/', 'h', '.', 'h', 0, 0, 0, 0, 0,
};
static const unsigned char program[] = {
    0, 9, 2, 0, 0, 0, 0, 0, 0, 0, 0, /* the kernel's address, which is relocated */
    3, 11, 1,                        /* line 12, a row at 0 */
    10 + 14 * 2 + 5 + 3,             /* 2 instructions and 3 lines on: 15 at 32 */
    4, 2, 3, 0x72, 2, 1, 1,          /* file 2, line 1, 16 on: 1 at 48 */
    0, 3, 0x90, 1, 2,                /* an extended opcode that is none of DWARF's */
    9, 8, 0, 4, 1, 1,                /* 8 bytes on, file 1: line 1 at 56 */
    8, 5, 77, 3, 5, 1,               /* 17 instructions on, a column, 5 lines on: 6 at 328 */
    2, 4, 0, 1, 1,                   /* the end, at 392 */
};

static void put(ws_buf *b, uint64_t v, size_t bytes)
{
    ws_buf_add(b, &v, bytes);
}

static void put_section(ws_buf *b, uint32_t name, uint32_t type, size_t at, size_t bytes)
{
    put(b, name, 4);
    put(b, type, 4);
    put(b, 0, 8);
    put(b, 0, 8);
    put(b, at, 8);
    put(b, bytes, 8);
    put(b, 0, 8);
    put(b, 1, 8);
    put(b, 0, 8);
}

/* An ELF file of two kernels' tables, one after the other. */
static void make_elf(ws_buf *out)
{
    static const char names[] = "\0.shstrtab\0.debug_line\0.rela.debug_line";
    ws_buf line = {0}, rela = {0};
    for (unsigned kernel = 0; kernel < 2; kernel++) {
        put(&line, 6 + sizeof header + sizeof program, 4);
        put(&line, 2, 2);
        put(&line, sizeof header, 4);
        ws_buf_add(&line, header, sizeof header);
        put(&rela, line.n + 3, 8);
        put(&rela, (uint64_t)(7 + kernel) << 32 | 2, 8);
        put(&rela, 0, 8);
        ws_buf_add(&line, program, sizeof program);
    }
    const size_t line_at = 64 + sizeof names, rela_at = line_at + line.n, table = rela_at + rela.n;
    ws_buf_add(out, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0", 16);
    put(out, 2, 2);
    put(out, 190, 2);
    put(out, 1, 4);
    put(out, 0, 8);
    put(out, 0, 8);
    put(out, table, 8);
    put(out, 0, 4);
    put(out, 64, 2);
    put(out, 0, 2);
    put(out, 0, 2);
    put(out, SECTION_BYTES, 2);
    put(out, N_SECTIONS, 2);
    put(out, 1, 2);
    ws_buf_add(out, names, sizeof names);
    ws_buf_add(out, line.p, line.n);
    ws_buf_add(out, rela.p, rela.n);
    put_section(out, 0, 0, 0, 0);
    put_section(out, 1, SHT_STRTAB, 64, sizeof names);
    put_section(out, 11, SHT_PROGBITS, line_at, line.n);
    put_section(out, 23, SHT_RELA, rela_at, rela.n);
    ws_buf_release(&line);
    ws_buf_release(&rela);
}

static void is_at(const dwarf_lines *l, uint32_t symbol, uint64_t address, const char *file, int line)
{
    const dwarf_row *r = dwarf_at(l, symbol, address);
    if (!line) {
        ok(!r, "nothing at %u+%u", symbol, (unsigned)address);
        return;
    }
    ok(r && r->line == line && r->file >= 0 && strcmp(l->file[r->file], file) == 0,
       "%u+%u is %s:%d, got %s:%d", symbol, (unsigned)address, file, line,
       r && r->file >= 0 ? l->file[r->file] : "", r ? r->line : 0);
}

static void test_rows(const ws_buf *elf)
{
    elf_file f;
    dwarf_lines l;
    const char *wrong = elf_open(elf->p, elf->n, &f);
    if (ok(!wrong, "the file is sound%s", wrong ? wrong : "") &&
        ok(dwarf_read(&f, ".debug_line", &l), "and has lines")) {
        is_int(l.n_files, 4, "the files of both units");
        for (uint32_t symbol = 7; symbol <= 8; symbol++) {
            is_at(&l, symbol, 0, "src/k.cu", 12);
            is_at(&l, symbol, 31, "src/k.cu", 12);
            is_at(&l, symbol, 32, "src/k.cu", 15);
            is_at(&l, symbol, 48, "/h.h", 1);
            is_at(&l, symbol, 56, "src/k.cu", 1);
            is_at(&l, symbol, 327, "src/k.cu", 1);
            is_at(&l, symbol, 391, "src/k.cu", 6);
            is_at(&l, symbol, 392, NULL, 0);
        }
        is_at(&l, 6, 0, NULL, 0);
        is_at(&l, 9, 0, NULL, 0);
        dwarf_release(&l);
    }
    ok(!dwarf_read(&f, ".nv_debug_line_sass", &l), "no section, no lines");
    dwarf_release(&l);
}

/* In a block of its own size, so that a sanitizer sees a read past its end. */
static void test_changed(const ws_buf *elf)
{
    enum { TRIES = 20000 };
    int read = 0, unsound = 0;
    unsigned char *copy = ws_malloc(elf->n);
    srandom(1);
    for (int k = 0; k < TRIES; k++) {
        elf_file f;
        dwarf_lines l;
        const size_t n = k % 4 ? elf->n : (size_t)random() % elf->n;
        memcpy(copy, elf->p, elf->n);
        for (long c = random() % 5; c >= 0; c--)
            copy[(size_t)random() % elf->n] = (unsigned char)random();
        unsigned char *exact = ws_malloc(n ? n : 1);
        memcpy(exact, copy, n);
        if (!elf_open(exact, n, &f)) {
            read += dwarf_read(&f, ".debug_line", &l);
            for (size_t i = 0; i < l.n; i++)
                unsound += l.row[i].file >= l.n_files || l.row[i].line < 0;
            dwarf_release(&l);
        }
        free(exact);
    }
    free(copy);
    ok(read > TRIES / 8, "%d of %d changed files have lines", read, TRIES);
    is_int(unsound, 0, "none of them unsound");
}

int main(void)
{
    ws_buf elf = {0};
    make_elf(&elf);
    test_rows(&elf);
    test_changed(&elf);
    ws_buf_release(&elf);
    return tap_done();
}
