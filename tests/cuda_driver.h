/* The CPU driver's functions by their names in cuda.h: CU(cuMemAlloc)(&p, n). */
#ifndef TESTS_CUDA_DRIVER_H
#define TESTS_CUDA_DRIVER_H

#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void *cuda_driver(const char *name)
{
    static void *library;
    const char *path = getenv("WARPSMITH_CUDA_DRIVER");
    if (!library)
        library = dlopen(path ? path : "build/libwarpsmith-cuda.so", RTLD_NOW | RTLD_LOCAL);
    void *f = library ? dlsym(library, name) : NULL;
    if (!f) {
        printf("Bail out! no %s: %s\n", name, dlerror());
        exit(1);
    }
    return f;
}

#define CU_STRING(name) #name
#define CU_SYMBOL(name) CU_STRING(name)
#define CU(name) (*(__typeof__(&name) *)&(void *){cuda_driver(CU_SYMBOL(name))})

#endif
