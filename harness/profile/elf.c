#include "harness/profile/elf.h"

#include <elf.h>
#include <string.h>

uint16_t elf_u16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t elf_u32(const unsigned char *p)
{
    return elf_u16(p) | (uint32_t)elf_u16(p + 2) << 16;
}

uint64_t elf_u64(const unsigned char *p)
{
    return elf_u32(p) | (uint64_t)elf_u32(p + 4) << 32;
}

#define FIELD(bits, type, at, member) elf_u##bits((at) + offsetof(type, member))

static bool fits(const elf_file *f, uint64_t at, uint64_t bytes)
{
    return at <= f->n && bytes <= f->n - at;
}

const char *elf_open(const void *p, size_t n, elf_file *out)
{
    const unsigned char *h = p;
    *out = (elf_file){.p = h, .n = n};
    if (n < sizeof(Elf64_Ehdr) || memcmp(h, ELFMAG, SELFMAG) != 0)
        return "no ELF file";
    if (h[EI_CLASS] != ELFCLASS64 || h[EI_DATA] != ELFDATA2LSB)
        return "an ELF file, but not of 64 bits and little-endian";
    out->os_abi = h[EI_OSABI];
    out->abi_version = h[EI_ABIVERSION];
    out->machine = FIELD(16, Elf64_Ehdr, h, e_machine);
    out->flags = FIELD(32, Elf64_Ehdr, h, e_flags);
    out->sections = FIELD(64, Elf64_Ehdr, h, e_shoff);
    out->n_sections = FIELD(16, Elf64_Ehdr, h, e_shnum);
    out->names = FIELD(16, Elf64_Ehdr, h, e_shstrndx);
    if (FIELD(16, Elf64_Ehdr, h, e_shentsize) != sizeof(Elf64_Shdr) && out->n_sections)
        return "an ELF file with section headers of another size";
    if (!fits(out, out->sections, (uint64_t)out->n_sections * sizeof(Elf64_Shdr)))
        return "an ELF file that ends before its section headers";
    return NULL;
}

/* Without its name. */
static bool header_at(const elf_file *f, uint64_t i, elf_section *out, uint32_t *name)
{
    if (i >= (uint64_t)f->n_sections)
        return false;
    const unsigned char *s = f->p + f->sections + i * sizeof(Elf64_Shdr);
    const uint64_t at = FIELD(64, Elf64_Shdr, s, sh_offset), n = FIELD(64, Elf64_Shdr, s, sh_size);
    *name = FIELD(32, Elf64_Shdr, s, sh_name);
    *out = (elf_section){.name = "",
                         .type = FIELD(32, Elf64_Shdr, s, sh_type),
                         .flags = FIELD(64, Elf64_Shdr, s, sh_flags),
                         .bytes = (size_t)n,
                         .link = FIELD(32, Elf64_Shdr, s, sh_link),
                         .info = FIELD(32, Elf64_Shdr, s, sh_info)};
    if (out->type == SHT_NOBITS || out->type == SHT_NULL)
        return true;
    if (!fits(f, at, n))
        return false;
    out->data = f->p + at;
    return true;
}

/* The text at `at` of a string table, "" when it does not end there. */
static const char *text_at(const elf_file *f, uint64_t table, uint64_t at)
{
    elf_section s;
    uint32_t name;
    if (!header_at(f, table, &s, &name) || !s.data || at >= s.bytes ||
        !memchr(s.data + at, '\0', s.bytes - at))
        return "";
    return (const char *)s.data + at;
}

bool elf_section_at(const elf_file *f, int i, elf_section *out)
{
    uint32_t name;
    if (i < 0 || !header_at(f, (uint64_t)i, out, &name))
        return false;
    out->name = text_at(f, f->names, name);
    return true;
}

bool elf_section_named(const elf_file *f, const char *name, elf_section *out)
{
    for (int i = 0; i < f->n_sections; i++)
        if (elf_section_at(f, i, out) && strcmp(out->name, name) == 0)
            return true;
    return false;
}

size_t elf_symbols(const elf_section *table)
{
    const bool is_table = table->type == SHT_SYMTAB || table->type == SHT_DYNSYM;
    return is_table && table->data ? table->bytes / sizeof(Elf64_Sym) : 0;
}

bool elf_symbol_at(const elf_file *f, const elf_section *table, size_t k, elf_symbol *out)
{
    if (k >= elf_symbols(table))
        return false;
    const unsigned char *s = table->data + k * sizeof(Elf64_Sym);
    const uint8_t info = s[offsetof(Elf64_Sym, st_info)];
    *out = (elf_symbol){.name = text_at(f, table->link, FIELD(32, Elf64_Sym, s, st_name)),
                        .type = ELF64_ST_TYPE(info),
                        .binding = ELF64_ST_BIND(info),
                        .other = s[offsetof(Elf64_Sym, st_other)],
                        .section = FIELD(16, Elf64_Sym, s, st_shndx),
                        .value = FIELD(64, Elf64_Sym, s, st_value),
                        .size = FIELD(64, Elf64_Sym, s, st_size)};
    return true;
}
