/* A reader of 64-bit little-endian ELF files: sections and symbols. Nothing in the file is trusted:
 * every offset is checked, nothing is aligned, and what does not fit is not there. All views point
 * into the bytes that elf_open was given. */
#ifndef HARNESS_PROFILE_ELF_H
#define HARNESS_PROFILE_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct elf_file {
    const unsigned char *p;
    size_t n;
    uint16_t machine;             /* e_machine: 62 x86-64, 190 CUDA */
    uint8_t os_abi, abi_version;
    uint32_t flags;               /* e_flags */
    int n_sections;
    uint64_t sections, names;     /* offset of the table; index of the section of names */
} elf_file;

typedef struct elf_section {
    const char *name;             /* "" when the file gives none that is sound */
    uint32_t type;
    uint64_t flags;
    const unsigned char *data;    /* NULL: takes no room in the file */
    size_t bytes;                 /* of the section, in the file or not */
    uint32_t link, info;
} elf_section;

typedef struct elf_symbol {
    const char *name;
    uint8_t type, binding, other; /* STT_, STB_, st_other */
    uint16_t section;             /* 0: undefined */
    uint64_t value, size;
} elf_symbol;

/* NULL, or what is wrong with the file as a whole: "no ELF file", ... */
const char *elf_open(const void *p, size_t n, elf_file *out);
/* false: there is no such section, or it lies outside the file. */
bool elf_section_at(const elf_file *f, int i, elf_section *out);
/* The first section of this name; false: none. */
bool elf_section_named(const elf_file *f, const char *name, elf_section *out);
/* How many symbols a section of symbols holds, and symbol k of it. */
size_t elf_symbols(const elf_section *table);
bool elf_symbol_at(const elf_file *f, const elf_section *table, size_t k, elf_symbol *out);

uint16_t elf_u16(const unsigned char *p);
uint32_t elf_u32(const unsigned char *p);
uint64_t elf_u64(const unsigned char *p);

#endif
