/* The line tables of cubins: DWARF line programs (DWARF 2 to 4, section 6.2), as ptxas writes them
 * into .debug_line (places in the source) and .nv_debug_line_sass (lines of the PTX). Nothing in
 * them is trusted. */
#ifndef HARNESS_PROFILE_DWARF_H
#define HARNESS_PROFILE_DWARF_H

#include "harness/profile/elf.h"

typedef struct dwarf_row {
    uint32_t symbol;  /* of the kernel, by its number in the table of symbols */
    uint32_t order;   /* among all rows: of those at one address the last counts */
    uint64_t address; /* in the kernel */
    int file, line;   /* file: index into dwarf_lines.file, -1: none; line 0: the code ends here */
} dwarf_row;

typedef struct dwarf_lines {
    dwarf_row *row; /* by symbol, address, order */
    size_t n, cap;
    char **file;    /* paths */
    int n_files, cap_files;
} dwarf_lines;

/* Reads the section of that name, as far as it is sound; false: there is none, or nothing in it. To
 * be released either way. */
bool dwarf_read(const elf_file *f, const char *section, dwarf_lines *out);
void dwarf_release(dwarf_lines *l);
/* The row that covers an address of a kernel; NULL: none. */
const dwarf_row *dwarf_at(const dwarf_lines *l, uint32_t symbol, uint64_t address);

#endif
