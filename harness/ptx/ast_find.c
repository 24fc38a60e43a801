#include "harness/ptx/ast.h"

#include <string.h>

ptx_func *ptx_ast_find(const ptx_ast *ast, const char *name)
{
    for (int i = 0; i < ast->n_funcs; i++)
        if (strcmp(ast->func[i]->name, name) == 0)
            return ast->func[i];
    return NULL;
}
