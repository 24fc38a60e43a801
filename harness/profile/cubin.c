#include "harness/profile/cubin.h"

#include "harness/profile/elf.h"

#include <elf.h>
#include <string.h>

enum {
    MACHINE_CUDA = 190, /* e_machine */
    FLAGS_SHIFTED =
        8, /* from this EI_ABIVERSION on e_flags have the architecture in bits 8 to 15 */
    RESERVED_FROM =
        90, /* from this architecture on .nv.shared.KERNEL has the system's bytes, too */
    RESERVED_SHARED = 1024,
    INSTRUCTION_BYTES = 16, /* since Volta */
    OPCODE_BITS = 0xfff,
    MAX_THREADS = 1024, /* of a block, on every GPU */
    MAX_BYTES = 1 << 30
};

/* Attributes of .nv.info (EIATTR), each after a byte with its format. */
enum {
    ATTR_MAX_THREADS = 0x05,
    ATTR_EXTERNS = 0x0f,
    ATTR_REQUIRED_THREADS = 0x10,
    ATTR_FRAME_SIZE = 0x11,
    ATTR_PARAM = 0x17,       /* with a size of 14 bits */
    ATTR_PARAM_BYTES = 0x19,
    ATTR_REGISTERS = 0x2f,
    ATTR_CLUSTER = 0x3d,
    ATTR_PARAM_LARGE = 0x45, /* of kernels with more parameters than constant bank 0 had room for */
    ATTR_BARRIERS = 0x4c
};
enum { FORMAT_NONE = 1, FORMAT_BYTE, FORMAT_HALF, FORMAT_BYTES };

/* Opcodes of local memory in SASS: LDL, STL with its operand in a register. */
static const int local_load[] = {0x983}, local_store[] = {0x387, 0x987};

typedef struct attribute {
    int id;
    uint32_t value;             /* of formats other than FORMAT_BYTES */
    const unsigned char *data;
    size_t bytes;
} attribute;

/* What is being read. */
typedef struct reader {
    elf_file elf;
    elf_section symbols;
    ws_arena *arena;
    cubin *out;
    int64_t reserved;           /* of each section of shared memory, for the system */
    ws_err *err;
} reader;

static uint32_t word(const attribute *t, size_t i)
{
    return 4 * (i + 1) <= t->bytes ? elf_u32(t->data + 4 * i) : 0;
}

/* The attribute at *at; false: the section has ended, or (err is set) it is unsound. */
static bool next_attribute(reader *r, const elf_section *s, size_t *at, attribute *out)
{
    if (*at == s->bytes)
        return false;
    const unsigned char *p = s->data + *at;
    if (s->bytes - *at < 4) {
        ws_fail(r->err, WS_EINPUT, "section '%.64s' ends inside an attribute", s->name);
        return false;
    }
    *out = (attribute){.id = p[1], .value = elf_u16(p + 2)};
    *at += 4;
    if (p[0] == FORMAT_BYTES) {
        out->bytes = out->value;
        out->data = p + 4;
        if (out->bytes > s->bytes - *at) {
            ws_fail(r->err, WS_EINPUT,
                    "attribute 0x%02x of section '%.64s' is longer than the section",
                    (unsigned)out->id, s->name);
            return false;
        }
        *at += out->bytes;
    } else if (p[0] == FORMAT_BYTE) {
        out->value &= 0xff;
    } else if (p[0] != FORMAT_HALF && p[0] != FORMAT_NONE) {
        ws_fail(r->err, WS_EINPUT, "section '%.64s' has an attribute of unknown format %d", s->name,
                p[0]);
        return false;
    }
    return true;
}

/* ---- kernels ---- */

static cubin_kernel *kernel_named(reader *r, const char *name)
{
    for (int i = 0; i < r->out->n_kernels; i++)
        if (strcmp(r->out->kernel[i].name, name) == 0)
            return &r->out->kernel[i];
    return NULL;
}

/* The kernel that symbol `index` is; NULL: a device function, or nothing. */
static cubin_kernel *kernel_of_symbol(reader *r, uint32_t index)
{
    elf_symbol s;
    return elf_symbol_at(&r->elf, &r->symbols, index, &s) ? kernel_named(r, s.name) : NULL;
}

/* ".nv.info.k" with prefix ".nv.info." -> "k"; NULL: another section. */
static const char *after(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 && name[n] ? name + n : NULL;
}

static bool is_one_of(int opcode, const int *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == opcode)
            return true;
    return false;
}

static void read_code(const elf_section *s, cubin_kernel *k)
{
    k->code_bytes = (int64_t)s->bytes;
    for (size_t at = 0; s->data && s->bytes - at >= INSTRUCTION_BYTES; at += INSTRUCTION_BYTES) {
        const int opcode = elf_u16(s->data + at) & OPCODE_BITS;
        k->instructions++;
        k->local_loads += is_one_of(opcode, local_load, WS_COUNT(local_load));
        k->local_stores += is_one_of(opcode, local_store, WS_COUNT(local_store));
    }
}

/* A kernel has code, .text.NAME, and attributes, .nv.info.NAME; a device function has code alone.
 */
static ws_status find_kernels(reader *r)
{
    elf_section s;
    int cap = 0;
    cubin *c = r->out;
    for (int i = 0; i < r->elf.n_sections; i++)
        cap += elf_section_at(&r->elf, i, &s) && after(s.name, ".nv.info.");
    if (cap > CUBIN_MAX_KERNELS)
        return ws_fail(r->err, WS_EINPUT, "the cubin has %d kernels, more than %d", cap,
                       CUBIN_MAX_KERNELS);
    c->kernel = WS_ARENA_NEW(r->arena, cubin_kernel, cap ? cap : 1);
    for (int i = 0; i < r->elf.n_sections && c->n_kernels < cap; i++) {
        const char *name = elf_section_at(&r->elf, i, &s) ? after(s.name, ".text.") : NULL;
        char info[512];
        elf_section attributes;
        if (!name || strlen(name) > sizeof info - 16)
            continue;
        memcpy(info, ".nv.info.", 9);
        memcpy(info + 9, name, strlen(name) + 1);
        if (kernel_named(r, name) || !elf_section_named(&r->elf, info, &attributes))
            continue;
        cubin_kernel *k = &c->kernel[c->n_kernels++];
        k->name = ws_arena_strdup(r->arena, name);
        k->registers = (int)(s.info >> 24); /* ptxas before CUDA 13; after it an attribute */
        k->barriers = (int)(s.flags >> 20 & 0x7f);
        read_code(&s, k);
    }
    return WS_OK;
}

/* ---- attributes ---- */

static void read_dims(const attribute *t, int out[3])
{
    for (size_t i = 0; i < 3; i++)
        out[i] = (int)(word(t, i) & 0xffff);
}

/* Symbols of functions that somebody else brings. */
static void read_externs(reader *r, const attribute *t, cubin_kernel *k)
{
    const size_t n = t->bytes / 4;
    k->external = WS_ARENA_NEW(r->arena, const char *, n ? n : 1);
    k->n_external = 0;
    for (size_t i = 0; i < n; i++) {
        elf_symbol s;
        if (elf_symbol_at(&r->elf, &r->symbols, word(t, i), &s) && *s.name)
            k->external[k->n_external++] = ws_arena_strdup(r->arena, s.name);
    }
}

static ws_status read_param(reader *r, const attribute *t, cubin_kernel *k, int n_params)
{
    const uint32_t place = word(t, 1), size = word(t, 2), ordinal = place & 0xffff;
    const cubin_param p = {place >> 16, t->id == ATTR_PARAM ? size >> 18 : size & 0xffffff};
    if (t->bytes < 12 || ordinal >= (uint32_t)n_params)
        return ws_fail(r->err, WS_EINPUT, "kernel '%.64s' has parameter %u of %d", k->name, ordinal,
                       n_params);
    k->param[ordinal] = p;
    return WS_OK;
}

/* The parameters come last first: how many there are is known at the end. */
static int count_params(reader *r, const elf_section *s)
{
    attribute t;
    size_t at = 0;
    int n = 0;
    while (next_attribute(r, s, &at, &t))
        n += t.id == ATTR_PARAM || t.id == ATTR_PARAM_LARGE;
    return n;
}

static ws_status read_kernel(reader *r, const elf_section *s, cubin_kernel *k)
{
    attribute t;
    size_t at = 0;
    int dims[3];
    const int n = count_params(r, s);
    if (r->err->status)
        return r->err->status;
    if (n > CUBIN_MAX_PARAMS)
        return ws_fail(r->err, WS_EINPUT, "kernel '%.64s' has %d parameters", k->name, n);
    k->n_params = n;
    k->param = WS_ARENA_NEW(r->arena, cubin_param, n ? n : 1);
    while (next_attribute(r, s, &at, &t)) {
        switch (t.id) {
        case ATTR_MAX_THREADS:
            read_dims(&t, dims);
            k->max_threads = dims[0] > MAX_THREADS || dims[1] > MAX_THREADS || dims[2] > MAX_THREADS
                                 ? MAX_THREADS
                                 : dims[0] * dims[1] * dims[2];
            break;
        case ATTR_REQUIRED_THREADS:
            read_dims(&t, k->required_threads);
            break;
        case ATTR_CLUSTER:
            read_dims(&t, k->cluster);
            break;
        case ATTR_EXTERNS:
            read_externs(r, &t, k);
            break;
        case ATTR_PARAM_BYTES:
            k->param_bytes = t.value;
            break;
        case ATTR_BARRIERS:
            k->barriers = (int)t.value;
            break;
        case ATTR_PARAM:
        case ATTR_PARAM_LARGE:
            if (read_param(r, &t, k, n))
                return r->err->status;
        }
    }
    return r->err->status;
}

/* .nv.info: attributes of functions, by symbol. */
static ws_status read_functions(reader *r, const elf_section *s)
{
    attribute t;
    size_t at = 0;
    while (next_attribute(r, s, &at, &t)) {
        if (t.id != ATTR_REGISTERS && t.id != ATTR_FRAME_SIZE)
            continue;
        cubin_kernel *k = kernel_of_symbol(r, word(&t, 0));
        const uint32_t value = word(&t, 1);
        if (!k)
            continue;
        if (t.id == ATTR_REGISTERS && value > 255)
            return ws_fail(r->err, WS_EINPUT, "kernel '%.64s' has %u registers", k->name, value);
        if (t.id == ATTR_REGISTERS)
            k->registers = (int)value;
        else
            k->stack_bytes = value;
    }
    return r->err->status;
}

/* ---- memory ---- */

static void read_variables(reader *r)
{
    const size_t n = elf_symbols(&r->symbols);
    cubin *c = r->out;
    elf_symbol v;
    elf_section s;
    int cap = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            if (!elf_symbol_at(&r->elf, &r->symbols, i, &v) || v.type != STT_OBJECT || !v.section ||
                !elf_section_at(&r->elf, v.section, &s) || strncmp(s.name, ".nv.global", 10) != 0 ||
                *v.name == '$' || strncmp(v.name, "__unnamed_", 10) == 0)
                continue; /* text of printf and assert, which is only read */
            if (pass)
                c->variable[c->n_variables++] =
                    (cubin_variable){ws_arena_strdup(r->arena, v.name), (int64_t)v.size,
                                     strcmp(s.name, ".nv.global.init") == 0};
            else
                cap++;
        }
        if (!pass)
            c->variable = WS_ARENA_NEW(r->arena, cubin_variable, cap ? cap : 1);
    }
}

static ws_status read_section(reader *r, const elf_section *s)
{
    const char *name;
    cubin_kernel *k;
    if (s->bytes > MAX_BYTES)
        return ws_fail(r->err, WS_EINPUT, "section '%.64s' has %zu bytes", s->name, s->bytes);
    if (strcmp(s->name, ".nv.constant3") == 0)
        r->out->constant_bytes = (int64_t)s->bytes;
    if ((name = after(s->name, ".nv.shared.")) && (k = kernel_named(r, name))) {
        k->shared_bytes = (int64_t)s->bytes - r->reserved;
        if (k->shared_bytes < 0)
            return ws_fail(r->err, WS_EINPUT, "section '%.64s' has fewer bytes than are reserved",
                           s->name);
    }
    if (!s->data)
        return WS_OK;
    if (strcmp(s->name, ".nv.info") == 0)
        return read_functions(r, s);
    if ((name = after(s->name, ".nv.info.")) && (k = kernel_named(r, name)))
        return read_kernel(r, s, k);
    return WS_OK;
}

ws_status cubin_read(const void *p, size_t n, ws_arena *a, cubin *out, ws_err *err)
{
    reader r = {.arena = a, .out = out, .err = err};
    elf_section s;
    *out = (cubin){0};
    const char *wrong = elf_open(p, n, &r.elf);
    if (wrong)
        return ws_fail(err, WS_EINPUT, "no cubin: it is %s", wrong);
    if (r.elf.machine != MACHINE_CUDA)
        return ws_fail(err, WS_EINPUT, "no cubin: an ELF file of machine %d, CUDA's is %d",
                       r.elf.machine, MACHINE_CUDA);
    out->arch = (int)(r.elf.flags >> (r.elf.abi_version >= FLAGS_SHIFTED ? 8 : 0) & 0xff);
    if (!elf_section_named(&r.elf, ".symtab", &r.symbols) || !r.symbols.data)
        return ws_fail(err, WS_EINPUT, "the cubin has no table of symbols");
    r.reserved = out->arch >= RESERVED_FROM ? RESERVED_SHARED : 0;
    if (find_kernels(&r))
        return err->status;
    for (int i = 0; i < r.elf.n_sections; i++) {
        if (!elf_section_at(&r.elf, i, &s))
            return ws_fail(err, WS_EINPUT, "section %d of the cubin lies outside the file", i);
        if (read_section(&r, &s))
            return err->status;
    }
    read_variables(&r);
    return WS_OK;
}

const cubin_kernel *cubin_find(const cubin *c, const char *name)
{
    for (int i = 0; i < c->n_kernels; i++)
        if (strcmp(c->kernel[i].name, name) == 0)
            return &c->kernel[i];
    return NULL;
}
