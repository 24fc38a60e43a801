/* Shared libraries that are loaded at run time. What is wanted of one is a table: the loader fills
 * a struct of function pointers by it, and a test looks up the same rows in the library's file. */
#ifndef BASE_DYNLIB_H
#define BASE_DYNLIB_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ws_symbol {
    const char *name;
    size_t offset; /* of the function pointer in the struct that is filled */
    bool optional; /* the library may lack it: the pointer is NULL then */
} ws_symbol;

typedef struct ws_symbols {
    const char *library; /* for people: "NVRTC" */
    const ws_symbol *row;
    size_t n;
} ws_symbols;

/* A row of a struct's member. */
#define WS_SYMBOL(type, member, symbol, optional) {#symbol, offsetof(type, member), optional}

/* Fills `api` from a library that dlopen gave. NULL: done; else the name of the first symbol that
 * is missing and not optional. */
const char *ws_symbols_take(void *library, const ws_symbols *t, void *api);

#endif
