/* What the engine itself sees of a module. */
#ifndef HARNESS_PTX_MODULE_H
#define HARNESS_PTX_MODULE_H

#include "harness/ptx/engine.h"

const ptx_program *ptx_module_program(ptx_module *m, const char *kernel); /* NULL: no such kernel */
/* The same for field mode, see field.h. */
const ptx_program *ptx_module_field_program(ptx_module *m, const char *kernel, uint32_t prime);
const ptx_ast *ptx_module_ast(const ptx_module *m);
const struct ptx_variant *ptx_module_variant(const ptx_module *m);

#endif
