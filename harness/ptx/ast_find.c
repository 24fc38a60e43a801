#include "harness/ptx/ast.h"

#include <string.h>

ptx_func *ptx_ast_find(const ptx_ast *ast, const char *name)
{
    for (int i = 0; i < ast->n_funcs; i++)
        if (strcmp(ast->func[i]->name, name) == 0)
            return ast->func[i];
    return NULL;
}

bool ptx_func_calls_pointer(const ptx_func *f)
{
    for (int i = 0; i < f->n_insns; i++) {
        const ptx_ast_insn *a = &f->insn[i];
        for (int o = 0; o < a->n_operands && o < 2 && ws_str_eqz(a->part[0], "call"); o++)
            if (a->operand[o].kind == PTX_OPD_REG)
                return true;
    }
    return false;
}
