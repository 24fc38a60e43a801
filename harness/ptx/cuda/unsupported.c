/* The functions that cannot be served, each by its name. The prototypes of cuda.h are not included:
 * whatever the arguments are, they are not looked at. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

enum { NOT_SUPPORTED = 801 /* CUDA_ERROR_NOT_SUPPORTED */ };

static int refuse(const char *name, atomic_bool *told)
{
    if (!atomic_exchange(told, true))
        fprintf(stderr, "warpsmith: the CPU driver does not serve %s\n", name);
    return NOT_SUPPORTED;
}

#define FAC_API(name, since, symbol)                                                               \
    int symbol(void);                                                                              \
    int symbol(void)                                                                               \
    {                                                                                              \
        static atomic_bool told;                                                                   \
        return refuse(#symbol, &told);                                                             \
    }
#include "harness/ptx/cuda/unsupported.def"
