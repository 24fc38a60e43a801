/* A loaded module: parsed PTX, its variables in device memory, and one decoded program a kernel,
 * made when the kernel is first asked for. */
#include "harness/ptx/engine.h"
#include "harness/ptx/field.h"
#include "harness/ptx/info.h"
#include "harness/ptx/module.h"
#include "harness/ptx/variant.h"

#include <stdlib.h>
#include <string.h>

const ptx_options PTX_OPTIONS_CHECKED = {
    .max_warp_insns = 200000000ull,
    .check_init = true,
    .check_race = true,
    .count = true,
};

struct ptx_module {
    ws_arena arena;
    ptx_ast *ast;
    ptx_memory *mem;
    const ptx_variant *variant;
    ptx_kernel_info *info;
    int n_kernels;
    ptx_program **program;  /* per kernel, NULL until asked for */
    ws_arena field_arena;   /* of the field mode: */
    const ptx_ast *field_ast; /* NULL: none was run */
    ptx_program **field_program;
    pthread_mutex_t lock;
};

static bool has_address(const ptx_var *v)
{
    return (v->space == PTX_SPACE_GLOBAL || v->space == PTX_SPACE_CONST) && v->bytes;
}

static ptx_var *find_var(const ptx_ast *ast, const char *name)
{
    for (int i = 0; i < ast->n_vars; i++)
        if (strcmp(ast->var[i]->name, name) == 0)
            return ast->var[i];
    return NULL;
}

static ws_status place_variables(ptx_module *m, ws_err *err)
{
    for (int i = 0; i < m->ast->n_vars; i++) {
        ptx_var *v = m->ast->var[i];
        if (!has_address(v))
            continue;
        v->address = ptx_memory_alloc(m->mem, v->bytes, v->name);
        if (!v->address)
            return ws_fail(err, WS_ELIMIT, "no memory for the module variable '%s' of %llu bytes",
                           v->name, (unsigned long long)v->bytes);
        ptx_memory_find(m->mem, v->address)->is_variable = true;
    }
    return WS_OK;
}

static void set_variables(ptx_module *m)
{
    for (int i = 0; i < m->ast->n_vars; i++) {
        const ptx_var *v = m->ast->var[i];
        if (!has_address(v))
            continue;
        if (v->init ? !ptx_memory_write(m->mem, v->address, v->init, v->bytes)
                    : !ptx_memory_fill(m->mem, v->address, 0, v->bytes))
            ws_bug("variable outside its own allocation");
    }
}

static ws_status relocate(ptx_module *m, ws_err *err)
{
    for (int i = 0; i < m->ast->n_vars; i++) {
        ptx_var *v = m->ast->var[i];
        for (const ptx_reloc *r = has_address(v) ? v->relocs : NULL; r; r = r->next) {
            const ptx_var *to = find_var(m->ast, r->symbol);
            const ptx_func *f = to ? NULL : ptx_ast_find(m->ast, r->symbol);
            if (!f && (!to || !has_address(to)))
                return ws_fail(err, WS_EINPUT,
                               "variable '%s' is initialised with the address of '%s', which the "
                               "CPU engine cannot take",
                               v->name, r->symbol);
            uint64_t address = ((f ? f->address : to->address) + (uint64_t)r->addend) >> r->shift;
            if (!ptx_memory_write(m->mem, v->address + r->offset, &address, r->bytes))
                return ws_fail(err, WS_EINPUT, "variable '%s': an address lies outside it",
                               v->name);
        }
        ptx_alloc *a = has_address(v) ? ptx_memory_find(m->mem, v->address) : NULL;
        if (a)
            a->read_only = v->space == PTX_SPACE_CONST;
    }
    return WS_OK;
}

ws_status ptx_module_restart(ptx_module *m, ws_err *err)
{
    set_variables(m);
    return relocate(m, err);
}

ws_status ptx_module_load(const char *text, size_t n, ptx_memory *mem, ptx_module **out,
                          ws_err *err)
{
    ptx_module *m = ws_calloc(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    m->mem = mem;
    m->variant = ptx_variant_pick(err);
    ws_status st = m->variant ? ptx_parse(&m->arena, text, n, &m->ast, err) : err->status;
    if (!st)
        st = ptx_info_collect(m->ast, &m->arena, &m->info, &m->n_kernels, err);
    if (!st && mem)
        st = place_variables(m, err);
    if (!st && mem)
        st = ptx_module_restart(m, err);
    if (st) {
        ptx_module_free(m);
        return st;
    }
    m->program = ws_calloc((size_t)m->n_kernels + 1, sizeof *m->program);
    *out = m;
    return WS_OK;
}

static void forget_field(ptx_module *m)
{
    for (int k = 0; m->field_program && k < m->n_kernels; k++)
        m->variant->program_free(m->field_program[k]);
    free(m->field_program);
    m->field_program = NULL;
    m->field_ast = NULL;
    ws_arena_release(&m->field_arena);
}

void ptx_module_free(ptx_module *m)
{
    if (!m)
        return;
    for (int k = 0; m->program && k < m->n_kernels; k++)
        m->variant->program_free(m->program[k]);
    forget_field(m);
    for (int v = 0; m->ast && m->mem && v < m->ast->n_vars; v++)
        if (has_address(m->ast->var[v]) && m->ast->var[v]->address)
            ptx_memory_release(m->mem, m->ast->var[v]->address);
    free(m->program);
    pthread_mutex_destroy(&m->lock);
    ws_arena_release(&m->arena);
    free(m);
}

int ptx_module_kernels(const ptx_module *m)
{
    return m->n_kernels;
}

const ptx_kernel_info *ptx_module_kernel(const ptx_module *m, int i)
{
    return i >= 0 && i < m->n_kernels ? &m->info[i] : NULL;
}

static int kernel_index(const ptx_module *m, const char *kernel)
{
    for (int k = 0; k < m->n_kernels; k++)
        if (strcmp(m->info[k].name, kernel) == 0)
            return k;
    return -1;
}

const ptx_kernel_info *ptx_module_find(const ptx_module *m, const char *kernel)
{
    return ptx_module_kernel(m, kernel_index(m, kernel));
}

bool ptx_module_global(const ptx_module *m, const char *name, uint64_t *ptr, size_t *bytes)
{
    const ptx_var *v = find_var(m->ast, name);
    if (!v || !has_address(v) || !m->mem)
        return false;
    *ptr = v->address;
    *bytes = v->bytes;
    return true;
}

bool ptx_module_variable(const ptx_module *m, int i, const char **name, uint64_t *ptr,
                         size_t *bytes)
{
    for (int v = 0; v < m->ast->n_vars; v++) {
        const ptx_var *var = m->ast->var[v];
        if (!has_address(var) || var->space == PTX_SPACE_CONST || i--)
            continue;
        *name = var->name;
        *ptr = var->address;
        *bytes = var->bytes;
        return m->mem != NULL;
    }
    return false;
}

static void note_registers(ptx_kernel_info *info, const ptx_program *p)
{
    info->registers = 0;
    for (int c = 0; c < p->n_codes; c++)
        if ((int)p->code[c]->registers > info->registers)
            info->registers = (int)p->code[c]->registers;
}

/* The program's variables have one address each in the AST, so programs of one module are decoded
 * one after the other. */
const ptx_program *ptx_module_program(ptx_module *m, const char *kernel)
{
    int k = kernel_index(m, kernel);
    if (k < 0)
        return NULL;
    pthread_mutex_lock(&m->lock);
    if (!m->program[k]) {
        m->program[k] = m->variant->program_new(m->ast, ptx_ast_find(m->ast, kernel), &m->info[k]);
        note_registers(&m->info[k], m->program[k]);
    }
    pthread_mutex_unlock(&m->lock);
    return m->program[k];
}

/* Of one prime at a time: launches are one after the other. */
const ptx_program *ptx_module_field_program(ptx_module *m, const char *kernel, uint32_t prime)
{
    int k = kernel_index(m, kernel);
    if (k < 0)
        return NULL;
    pthread_mutex_lock(&m->lock);
    if (!m->field_ast || m->field_ast->field->prime != prime) {
        forget_field(m);
        m->field_ast = ptx_field_ast(&m->field_arena, m->ast, prime);
        m->field_program = ws_calloc((size_t)m->n_kernels + 1, sizeof *m->field_program);
    }
    if (!m->field_program[k])
        m->field_program[k] = m->variant->program_new(
            m->field_ast, ptx_ast_find(m->field_ast, kernel), &m->info[k]);
    pthread_mutex_unlock(&m->lock);
    return m->field_program[k];
}

int ptx_module_registers(ptx_module *m, const char *kernel)
{
    const ptx_program *p = ptx_module_program(m, kernel);
    return p ? p->info->registers : 0;
}

/* Programs are freed as they are checked: the large ones of a library do not all fit. */
static void check_function(ptx_module *m, const ptx_func *f, ptx_kernel_info *info, bool *seen,
                           ptx_lack_fn visit, void *ud)
{
    ptx_program *p = m->variant->program_new(m->ast, f, info);
    m->variant->visit_unsupported(p, visit, ud);
    note_registers(info, p);
    for (int i = 0; i < m->ast->n_funcs; i++)
        for (int c = 0; c < p->n_codes && !seen[i]; c++)
            seen[i] = p->code[c]->fn == m->ast->func[i];
    m->variant->program_free(p);
}

void ptx_module_check(ptx_module *m, ptx_lack_fn visit, void *ud)
{
    ptx_kernel_info none = {0};
    bool *seen = ws_calloc((size_t)m->ast->n_funcs + 1, sizeof *seen);
    pthread_mutex_lock(&m->lock);
    for (int k = 0; k < m->n_kernels; k++)
        check_function(m, ptx_ast_find(m->ast, m->info[k].name), &m->info[k], seen, visit, ud);
    for (int f = 0; f < m->ast->n_funcs; f++)
        if (!seen[f] && !m->ast->func[f]->is_extern)
            check_function(m, m->ast->func[f], &none, seen, visit, ud);
    pthread_mutex_unlock(&m->lock);
    free(seen);
}

const ptx_variant *ptx_module_variant(const ptx_module *m)
{
    return m->variant;
}

const ptx_ast *ptx_module_ast(const ptx_module *m)
{
    return m->ast;
}
