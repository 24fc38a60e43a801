#ifndef WARPSMITH_@{ID}_H
#define WARPSMITH_@{ID}_H

#include <stddef.h>
#include <stdint.h>
#ifndef WARPSMITH_DECLARATIONS_ONLY
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef WARPSMITH_LINK_CUDA /* the program is linked with libcuda */
#include <cuda.h>
#else
#include <dlfcn.h>
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif
@{macros_on}
/* What the functions return: 0, a CUresult of the driver (above 0), or one of these. */
#define WARPSMITH_OK          0
#define WARPSMITH_E_DRIVER    (-1)   /* no CUDA driver library can be loaded */
#define WARPSMITH_E_SYMBOL    (-2)   /* the driver lacks a function that is needed */
#define WARPSMITH_E_CONTEXT   (-3)   /* no CUDA context is current */
#define WARPSMITH_E_IMAGE     (-4)   /* no binary in here runs on this GPU */
#define WARPSMITH_E_ARGUMENT  (-5)   /* a null pointer in the place of the arguments */
#define WARPSMITH_E_POINTER   (-6)   /* a tensor is a null pointer */
#define WARPSMITH_E_ALIGNMENT (-7)   /* a tensor is not aligned to 16 bytes, or the workspace to 256 */
#define WARPSMITH_E_WORKSPACE (-8)   /* the workspace is missing or too small */
#define WARPSMITH_E_MEMORY    (-9)   /* the host is out of memory */
#define WARPSMITH_E_OVERFLOW  (-10)  /* a size of the launch plan overflows, or divides by zero */
#define WARPSMITH_E_LAUNCH    (-11)  /* a grid, block, cluster or shared memory outside CUDA's limits */
#define WARPSMITH_E_NUMBER    (-12)  /* an integer does not fit in the kernel's parameter */
#define WARPSMITH_E_SHAPE     (-13)  /* the binaries are compiled for other extents */
#define WARPSMITH_E_SCRATCH   (-14)  /* a scratch buffer would be empty */
#define WARPSMITH_E_SELFTEST  (-15)  /* the self-test computed something else than the reference */
#define WARPSMITH_E_NOTEST    (-16)  /* there is no self-test in here */
#define WARPSMITH_E_DIM       (-100) /* minus i: dimension i is too small */
#define WARPSMITH_E_REQUIRE   (-200) /* minus i: condition i of the kernel does not hold */

/* One call. Tensors are device pointers, row-major, contiguous and aligned to 16 bytes. */
typedef struct @{id}_args {
@{arg_fields}
    void *stream; /* CUstream or cudaStream_t; a null pointer: the default stream */
} @{id}_args;

/* Enqueues the operation on the stream in the current context, and returns at once. Threads and
 * contexts may call it at will; binaries are loaded into a context at its first call. */
int @{id}_launch(const @{id}_args *a);
/* What launch would say about the extents alone; needs no driver. */
int @{id}_check(const @{id}_args *a);
/* Bytes of workspace that launch needs at these extents; needs no driver. */
int @{id}_workspace(const @{id}_args *a, size_t *bytes);
/* Runs the kernel at @{test_shape}
 * on inputs that are made here, and compares with what double precision gave when it was exported. In the
 * current context, or in the primary one of device 0. `report` gets a line that says what was seen. */
int @{id}_selftest(void);
int @{id}_selftest_report(char *report, size_t size);
/* A sentence for what a function returned; never a null pointer. */
const char *@{id}_error(int code);
/* Unloads the binaries from the current context; no launch may be under way. */
int @{id}_unload(void);

@{hashes}
@{aliases}
#ifndef WARPSMITH_DECLARATIONS_ONLY

/* Definitions that every unit may have: the linker keeps one. */
#define WARPSMITH_API      __attribute__((weak))
#define WARPSMITH_INTERNAL __attribute__((weak, visibility("hidden")))

/* ---- the driver ---- */

/* As in <cuda.h>, which need not be there. */
typedef struct @{id}_attribute {
    unsigned id, pad, value[16];
} @{id}_attribute;
typedef struct @{id}_config {
    unsigned grid[3], block[3], shared;
    void *stream;
    @{id}_attribute *attribute;
    unsigned n_attributes;
} @{id}_config;
typedef int (*@{id}_function)(void);
enum { @{id}_n_symbols = 21 };
typedef struct @{id}_driver {
    int (*init)(unsigned);
    int (*device_get)(int *, int);
    int (*device_attribute)(int *, int, int);
    int (*ctx_current)(void **);
    int (*ctx_device)(int *);
    int (*ctx_set)(void *);
    int (*ctx_synchronize)(void);
    int (*retain)(void **, int);
    int (*release)(int);
    int (*module_load)(void **, const void *, unsigned, void *, void *);
    int (*module_unload)(void *);
    int (*module_function)(void **, void *, const char *);
    int (*function_get)(int *, int, void *);
    int (*function_set)(void *, int, int);
    int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *,
                  void **, void **);
    int (*launch_ex)(const @{id}_config *, void *, void **, void **);
    int (*alloc)(unsigned long long *, size_t);
    int (*free)(unsigned long long);
    int (*to_device)(unsigned long long, const void *, size_t);
    int (*to_host)(void *, unsigned long long, size_t);
    int (*fill)(unsigned long long, unsigned char, size_t);
    int (*ctx_id)(void *, unsigned long long *); /* since CUDA 12; may be null */
    int (*error_string)(int, const char **);     /* may be null */
} @{id}_driver;

/* Binaries in one context. */
typedef struct @{id}_loaded {
    struct @{id}_loaded *next;
    void *context, *module;
    unsigned long long context_id;
    int variant;
    void *kernel[@{n_kernels}];
} @{id}_loaded;

typedef struct @{id}_state {
    char lock;
    int opened; /* 1: the driver is there; else 0, and the next call tries again */
    @{id}_driver driver;
    @{id}_loaded *loaded; /* grows at its head, by whoever has the lock; read without it */
} @{id}_state;
WARPSMITH_INTERNAL @{id}_state @{id}_global;

WARPSMITH_INTERNAL void @{id}_enter(void)
{
    while (__atomic_test_and_set(&@{id}_global.lock, __ATOMIC_ACQUIRE))
        ;
}

WARPSMITH_INTERNAL void @{id}_leave(void)
{
    __atomic_clear(&@{id}_global.lock, __ATOMIC_RELEASE);
}

#ifdef WARPSMITH_LINK_CUDA
#define WARPSMITH_SYMBOL(name) ((@{id}_function)(void (*)(void)) & name)
#else
#define WARPSMITH_SYMBOL(name) @{id}_symbol(library, #name)
/* A function pointer is no object pointer: its bytes are. */
WARPSMITH_INTERNAL @{id}_function @{id}_symbol(void *library, const char *name)
{
    void *p = dlsym(library, name);
    @{id}_function f;
    memcpy(&f, &p, sizeof f);
    return f;
}
#endif

WARPSMITH_INTERNAL int @{id}_open_driver(@{id}_driver *d)
{
    @{id}_function f[@{id}_n_symbols + 2];
#ifndef WARPSMITH_LINK_CUDA
    const char *path = getenv("WARPSMITH_CUDA_DRIVER");
    void *library = dlopen(path && *path ? path : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return WARPSMITH_E_DRIVER;
#endif
    f[0] = WARPSMITH_SYMBOL(cuInit);
    f[1] = WARPSMITH_SYMBOL(cuDeviceGet);
    f[2] = WARPSMITH_SYMBOL(cuDeviceGetAttribute);
    f[3] = WARPSMITH_SYMBOL(cuCtxGetCurrent);
    f[4] = WARPSMITH_SYMBOL(cuCtxGetDevice);
    f[5] = WARPSMITH_SYMBOL(cuCtxSetCurrent);
    f[6] = WARPSMITH_SYMBOL(cuCtxSynchronize);
    f[7] = WARPSMITH_SYMBOL(cuDevicePrimaryCtxRetain);
    f[8] = WARPSMITH_SYMBOL(cuDevicePrimaryCtxRelease_v2);
    f[9] = WARPSMITH_SYMBOL(cuModuleLoadDataEx);
    f[10] = WARPSMITH_SYMBOL(cuModuleUnload);
    f[11] = WARPSMITH_SYMBOL(cuModuleGetFunction);
    f[12] = WARPSMITH_SYMBOL(cuFuncGetAttribute);
    f[13] = WARPSMITH_SYMBOL(cuFuncSetAttribute);
    f[14] = WARPSMITH_SYMBOL(cuLaunchKernel);
    f[15] = WARPSMITH_SYMBOL(cuLaunchKernelEx);
    f[16] = WARPSMITH_SYMBOL(cuMemAlloc_v2);
    f[17] = WARPSMITH_SYMBOL(cuMemFree_v2);
    f[18] = WARPSMITH_SYMBOL(cuMemcpyHtoD_v2);
    f[19] = WARPSMITH_SYMBOL(cuMemcpyDtoH_v2);
    f[20] = WARPSMITH_SYMBOL(cuMemsetD8_v2);
#ifdef WARPSMITH_LINK_CUDA
    f[21] = NULL;
#else
    f[21] = WARPSMITH_SYMBOL(cuCtxGetId);
#endif
    f[22] = WARPSMITH_SYMBOL(cuGetErrorString);
    for (int i = 0; i < @{id}_n_symbols; i++)
        if (!f[i])
            return WARPSMITH_E_SYMBOL;
    memcpy(d, f, sizeof f);
    return d->init(0);
}
#undef WARPSMITH_SYMBOL

/* The driver, loaded once. */
WARPSMITH_INTERNAL int @{id}_get_driver(const @{id}_driver **out)
{
    int code = 0;
    *out = &@{id}_global.driver;
    if (__atomic_load_n(&@{id}_global.opened, __ATOMIC_ACQUIRE))
        return 0;
    @{id}_enter();
    if (!@{id}_global.opened && !(code = @{id}_open_driver(&@{id}_global.driver)))
        __atomic_store_n(&@{id}_global.opened, 1, __ATOMIC_RELEASE);
    @{id}_leave();
    return code;
}

/* ---- the launch plan ---- */

typedef struct @{id}_geometry {
    unsigned grid[3], block[3], cluster[3], shared;
} @{id}_geometry;
typedef struct @{id}_plan {
    size_t workspace, scratch[@{n_scratch}];
    @{id}_geometry launch[@{n_launches}];
    int64_t number[@{n_numbers}]; /* integer arguments, in the plan's order */
} @{id}_plan;

/* Arithmetic of the plan: an overflow or a division by zero sets *bad. */
WARPSMITH_INTERNAL int64_t @{id}_add(int64_t a, int64_t b, int *bad)
{
    int64_t r;
    *bad |= __builtin_add_overflow(a, b, &r);
    return r;
}

WARPSMITH_INTERNAL int64_t @{id}_sub(int64_t a, int64_t b, int *bad)
{
    int64_t r;
    *bad |= __builtin_sub_overflow(a, b, &r);
    return r;
}

WARPSMITH_INTERNAL int64_t @{id}_mul(int64_t a, int64_t b, int *bad)
{
    int64_t r;
    *bad |= __builtin_mul_overflow(a, b, &r);
    return r;
}

WARPSMITH_INTERNAL int64_t @{id}_div(int64_t a, int64_t b, int *bad)
{
    const int wrong = b == 0 || (a == INT64_MIN && b == -1);
    *bad |= wrong;
    return wrong ? 0 : a / b;
}

WARPSMITH_INTERNAL int64_t @{id}_mod(int64_t a, int64_t b, int *bad)
{
    const int wrong = b == 0 || (a == INT64_MIN && b == -1);
    *bad |= wrong;
    return wrong ? 0 : a % b;
}

WARPSMITH_INTERNAL int64_t @{id}_ceil_div(int64_t a, int64_t b, int *bad)
{
    const int64_t q = @{id}_div(a, b, bad);
    return q + (@{id}_mod(a, b, bad) != 0 && (a < 0) == (b < 0));
}

WARPSMITH_INTERNAL int64_t @{id}_align(int64_t a, int64_t b, int *bad)
{
    return @{id}_mul(@{id}_ceil_div(a, b, bad), b, bad);
}

WARPSMITH_INTERNAL int64_t @{id}_min(int64_t a, int64_t b, int *bad)
{
    (void)bad;
    return a < b ? a : b;
}

WARPSMITH_INTERNAL int64_t @{id}_max(int64_t a, int64_t b, int *bad)
{
    (void)bad;
    return a > b ? a : b;
}

WARPSMITH_INTERNAL int @{id}_extents(const int64_t v[3], const int64_t limit[3], unsigned out[3])
{
    for (int i = 0; i < 3; i++) {
        if (v[i] < 1 || v[i] > limit[i])
            return WARPSMITH_E_LAUNCH;
        out[i] = (unsigned)v[i];
    }
    return 0;
}

/* Grid, block and shared memory of a launch; its cluster, if it has one. */
WARPSMITH_INTERNAL int @{id}_geometry_of(@{id}_geometry *g, const int64_t grid[3], const int64_t block[3],
                                  const int64_t *cluster, int64_t shared)
{
    static const int64_t of_grid[3] = {2147483647, 65535, 65535}, of_block[3] = {1024, 1024, 64},
                         of_cluster[3] = {8, 8, 8};
    int code = @{id}_extents(grid, of_grid, g->grid);
    if (!code)
        code = @{id}_extents(block, of_block, g->block);
    if (!code && cluster)
        code = @{id}_extents(cluster, of_cluster, g->cluster);
    if (!code && (block[0] * block[1] * block[2] > 1024 || shared < 0 || shared > 232448))
        code = WARPSMITH_E_LAUNCH;
    g->shared = (unsigned)(code ? 0 : shared);
    return code;
}

/* As a signed or as an unsigned number of so many bytes. */
WARPSMITH_INTERNAL int @{id}_fits(int64_t n, int bytes)
{
    return bytes >= 8 ||
           (n >= -((int64_t)1 << (8 * bytes - 1)) && n < (int64_t)1 << (8 * bytes));
}

/* Evaluates the plan at these extents. */
WARPSMITH_INTERNAL int @{id}_plan_of(const @{id}_args *a, @{id}_plan *p)
{
@{plan_body}
}

/* Which of the binaries' extents; -1: none. */
WARPSMITH_INTERNAL int @{id}_variant_of(const @{id}_args *a)
{
@{variant_body}
}

/* ---- the binaries ---- */

typedef struct @{id}_image {
    const char *const *piece; /* of @{piece} bytes each, but for the last */
    size_t bytes;
    int capability; /* 90: compute capability 9.0 */
    char kind;      /* 'a': this GPU alone, 'f': its family, ' ': and later ones */
    char is_ptx;
    int variant;
} @{id}_image;
@{images}
/* How well the image fits a GPU: 0 not at all, else the more the better. */
WARPSMITH_INTERNAL int @{id}_rank(const @{id}_image *m, int capability)
{
    const int same = m->capability == capability;
    const int family = m->capability / 10 == capability / 10 && m->capability <= capability;
    const int fits = m->kind == 'a'                    ? same
                     : m->kind == 'f' || !m->is_ptx ? family
                                                        : m->capability <= capability;
    return fits ? 1 + m->capability + 1000 * (m->kind != ' ') + 2000 * same + 4000 * !m->is_ptx : 0;
}

/* The next best image for the GPU after one of rank `below`, or NULL. */
WARPSMITH_INTERNAL const @{id}_image *@{id}_next_image(int variant, int capability, int below)
{
    const @{id}_image *best = NULL;
    for (int i = 0; i < @{n_images}; i++) {
        const int rank = @{id}_rank(&@{id}_images[i], capability);
        if (@{id}_images[i].variant == variant && rank > 0 && rank < below &&
            (!best || rank > @{id}_rank(best, capability)))
            best = &@{id}_images[i];
    }
    return best;
}

WARPSMITH_INTERNAL int @{id}_load_image(const @{id}_driver *d, const @{id}_image *m, void **module)
{
    char *data = (char *)malloc(m->bytes + 1);
    int code;
    if (!data)
        return WARPSMITH_E_MEMORY;
    for (size_t at = 0; at < m->bytes; at += @{piece}) {
        const size_t n = m->bytes - at < @{piece} ? m->bytes - at : @{piece};
        memcpy(data + at, m->piece[at / @{piece}], n);
    }
    data[m->bytes] = '\0';
    code = d->module_load(module, data, 0, NULL, NULL);
    free(data);
    return code;
}

/* The errors by which a driver says that another image may do. */
WARPSMITH_INTERNAL int @{id}_not_this_one(int code)
{
    return code == 200 || code == 209 || code == 218 || (code >= 220 && code <= 223);
}

WARPSMITH_INTERNAL int @{id}_get_kernels(const @{id}_driver *d, @{id}_loaded *l, int shared_limit)
{
    int code = 0, used = 0;
    for (int k = 0; k < @{n_kernels} && !code; k++) {
        code = d->module_function(&l->kernel[k], l->module, @{id}_kernel_names[k]);
        /* More than 48 KiB of shared memory must be asked for. */
        if (!code)
            code = d->function_get(&used, 1, l->kernel[k]);
        if (!code && shared_limit > used)
            code = d->function_set(l->kernel[k], 8, shared_limit - used);
    }
    return code;
}

WARPSMITH_INTERNAL int @{id}_load(const @{id}_driver *d, @{id}_loaded *l)
{
    int device = 0, major = 0, minor = 0, shared = 0, code = d->ctx_device(&device);
    if (!code)
        code = d->device_attribute(&major, 75, device);
    if (!code)
        code = d->device_attribute(&minor, 76, device);
    if (!code)
        code = d->device_attribute(&shared, 97, device);
    if (code)
        return code;
    const int capability = 10 * major + minor;
    const @{id}_image *m = @{id}_next_image(l->variant, capability, 1 << 30);
    code = WARPSMITH_E_IMAGE;
    while (m) {
        code = @{id}_load_image(d, m, &l->module);
        if (!@{id}_not_this_one(code))
            break;
        m = @{id}_next_image(l->variant, capability, @{id}_rank(m, capability));
    }
    if (!code && (code = @{id}_get_kernels(d, l, shared)))
        d->module_unload(l->module);
    return code;
}

WARPSMITH_INTERNAL const @{id}_loaded *@{id}_find(void *context, unsigned long long id, int variant)
{
    const @{id}_loaded *l = __atomic_load_n(&@{id}_global.loaded, __ATOMIC_ACQUIRE);
    while (l && !(l->context == context && l->context_id == id && l->variant == variant))
        l = l->next;
    return l;
}

/* A context's handle may come back after it was destroyed; its id does not. */
WARPSMITH_INTERNAL int @{id}_context(const @{id}_driver *d, void **context, unsigned long long *id)
{
    int code = d->ctx_current(context);
    *id = 0;
    if (!code && !*context)
        code = WARPSMITH_E_CONTEXT;
    if (!code && d->ctx_id && d->ctx_id(*context, id))
        *id = 0;
    return code;
}

WARPSMITH_INTERNAL int @{id}_get_loaded(const @{id}_driver *d, int variant, const @{id}_loaded **out)
{
    void *context = NULL;
    unsigned long long id = 0;
    int code = @{id}_context(d, &context, &id);
    if (code || (*out = @{id}_find(context, id, variant)))
        return code;
    @{id}_enter();
    if (!(*out = @{id}_find(context, id, variant))) {
        @{id}_loaded *l = (@{id}_loaded *)calloc(1, sizeof *l);
        code = l ? 0 : WARPSMITH_E_MEMORY;
        if (l) {
            l->context = context;
            l->context_id = id;
            l->variant = variant;
            l->next = @{id}_global.loaded;
            code = @{id}_load(d, l);
        }
        if (code)
            free(l);
        else
            __atomic_store_n(&@{id}_global.loaded, l, __ATOMIC_RELEASE);
        *out = code ? NULL : l;
    }
    @{id}_leave();
    return code;
}

WARPSMITH_API int @{id}_unload(void)
{
    const @{id}_driver *d;
    void *context = NULL;
    unsigned long long id = 0;
    int code = @{id}_get_driver(&d), first = 0;
    if (!code)
        code = @{id}_context(d, &context, &id);
    if (code)
        return code;
    @{id}_enter();
    for (@{id}_loaded *l = @{id}_global.loaded; l; l = l->next)
        if (l->context == context && l->context_id == id) {
            code = d->module_unload(l->module);
            first = first ? first : code;
            l->context = NULL; /* no context is null: the entry is dead */
        }
    @{id}_leave();
    return first;
}

/* ---- the launch ---- */

typedef union @{id}_value {
    uint64_t u;
    float f;
    double d;
} @{id}_value;

WARPSMITH_INTERNAL @{id}_value @{id}_pointer(const void *p, size_t offset)
{
    @{id}_value v;
    v.u = (uint64_t)(uintptr_t)p + offset;
    return v;
}

/* The low bytes of the slot are the parameter. */
WARPSMITH_INTERNAL @{id}_value @{id}_integer(int64_t n)
{
    @{id}_value v;
    v.u = (uint64_t)n;
    return v;
}

WARPSMITH_INTERNAL @{id}_value @{id}_float(double x, int bytes)
{
    @{id}_value v;
    v.u = 0;
    if (bytes == 4)
        v.f = (float)x;
    else
        v.d = x;
    return v;
}

WARPSMITH_INTERNAL int @{id}_run(const @{id}_driver *d, void *kernel, const @{id}_geometry *g,
                          int cooperative, @{id}_value *value, int n, void *stream)
{
    void *pointer[@{max_args}];
    @{id}_attribute attribute[2];
    @{id}_config c;
    for (int i = 0; i < n; i++)
        pointer[i] = &value[i];
    if (!g->cluster[0] && !cooperative)
        return d->launch(kernel, g->grid[0], g->grid[1], g->grid[2], g->block[0], g->block[1],
                         g->block[2], g->shared, stream, pointer, NULL);
    memset(attribute, 0, sizeof attribute);
    memset(&c, 0, sizeof c);
    memcpy(c.grid, g->grid, sizeof c.grid);
    memcpy(c.block, g->block, sizeof c.block);
    c.shared = g->shared;
    c.stream = stream;
    c.attribute = attribute;
    if (g->cluster[0]) {
        attribute[c.n_attributes].id = 4; /* cluster dimension */
        memcpy(attribute[c.n_attributes++].value, g->cluster, sizeof g->cluster);
    }
    if (cooperative) {
        attribute[c.n_attributes].id = 2;
        attribute[c.n_attributes++].value[0] = 1;
    }
    return d->launch_ex(&c, kernel, pointer, NULL);
}

WARPSMITH_API int @{id}_check(const @{id}_args *a)
{
    @{id}_plan p;
    int code = a ? @{id}_plan_of(a, &p) : WARPSMITH_E_ARGUMENT;
    if (!code && @{id}_variant_of(a) < 0)
        code = WARPSMITH_E_SHAPE;
    return code;
}

WARPSMITH_API int @{id}_workspace(const @{id}_args *a, size_t *bytes)
{
    @{id}_plan p;
    int code = a && bytes ? @{id}_plan_of(a, &p) : WARPSMITH_E_ARGUMENT;
    if (!code)
        *bytes = p.workspace;
    return code;
}

WARPSMITH_INTERNAL int @{id}_check_pointers(const @{id}_args *a, const @{id}_plan *p)
{
    const void *const tensor[] = {@{tensor_list}};
    for (size_t i = 0; i < sizeof tensor / sizeof *tensor; i++) {
        if (!tensor[i])
            return WARPSMITH_E_POINTER;
        if ((uintptr_t)tensor[i] % 16)
            return WARPSMITH_E_ALIGNMENT;
    }
@{workspace_check}
    return 0;
}

WARPSMITH_API int @{id}_launch(const @{id}_args *a)
{
    @{id}_plan p;
    @{id}_value v[@{max_args}];
    const @{id}_driver *d;
    const @{id}_loaded *l;
    int code = @{id}_check(a);
    if (!code)
        code = @{id}_plan_of(a, &p);
    if (!code)
        code = @{id}_check_pointers(a, &p);
    if (!code)
        code = @{id}_get_driver(&d);
    if (!code)
        code = @{id}_get_loaded(d, @{id}_variant_of(a), &l);
    if (code)
        return code;
@{launch_body}
    return 0;
}

WARPSMITH_API const char *@{id}_error(int code)
{
    static const struct {
        int code;
        const char *text;
    } known[] = {
        {WARPSMITH_OK, "no error"},
        {WARPSMITH_E_DRIVER, "no CUDA driver: libcuda.so.1 (or what WARPSMITH_CUDA_DRIVER names) "
                             "cannot be loaded"},
        {WARPSMITH_E_SYMBOL, "the CUDA driver lacks a function that is needed: it is too old"},
        {WARPSMITH_E_CONTEXT, "no CUDA context is current in this thread"},
        {WARPSMITH_E_IMAGE, "no binary in this export runs on this GPU"},
        {WARPSMITH_E_ARGUMENT, "a null pointer in the place of the arguments"},
        {WARPSMITH_E_POINTER, "a tensor is a null pointer"},
        {WARPSMITH_E_ALIGNMENT, "a tensor is not aligned to 16 bytes, or the workspace to 256"},
        {WARPSMITH_E_WORKSPACE, "the workspace is missing or too small"},
        {WARPSMITH_E_MEMORY, "the host is out of memory"},
        {WARPSMITH_E_OVERFLOW, "a size of the launch plan overflows, or divides by zero"},
        {WARPSMITH_E_LAUNCH, "a grid, block, cluster or shared memory is outside CUDA's limits"},
        {WARPSMITH_E_NUMBER, "an integer does not fit in the kernel's parameter"},
        {WARPSMITH_E_SHAPE, @{shape_text}},
        {WARPSMITH_E_SCRATCH, "a scratch buffer would be empty"},
        {WARPSMITH_E_SELFTEST, "the self-test computed something else than the reference"},
        {WARPSMITH_E_NOTEST, @{notest_text}},
@{guard_texts}
    };
    const char *text = NULL;
    const @{id}_driver *d;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].code == code)
            return known[i].text;
    if (code > 0 && !@{id}_get_driver(&d) && d->error_string)
        d->error_string(code, &text);
    return text ? text : "an unknown error";
}

/* ---- the self-test ---- */

@if test
/* How a tensor's contents are made: a + b * u with u in [0, 1); the same with the sum of four numbers,
 * minus 2; a + floor(b * u); u < a; or bytes as they are. */
enum { @{id}_uniform, @{id}_bell, @{id}_whole, @{id}_flag, @{id}_bytes };
/* Bytes of an element, 0: two elements a byte; of a float its bits of exponent and significand; of an
 * integer 0, and 1 if it has no sign. */
typedef struct @{id}_dtype {
    int bytes, exponent, significand;
} @{id}_dtype;
typedef struct @{id}_input {
    const char *name;
    @{id}_dtype type;
    int make;
    double a, b;
    size_t bytes;
    const char *const *data;
    uint64_t hash; /* FNV-1a of the contents */
} @{id}_input;
typedef struct @{id}_sample {
    size_t at;
    double want, tolerance;
} @{id}_sample;
typedef struct @{id}_output {
    const char *name;
    @{id}_dtype type;
    int tensor; /* its place among all tensors */
    size_t count, bytes;
    int finite; /* the reference is, everywhere */
    int n_samples;
    const @{id}_sample *sample;
} @{id}_output;
@{test_tables}
WARPSMITH_INTERNAL uint64_t @{id}_random(uint64_t tensor, uint64_t k)
{
    uint64_t z = (tensor + 1) * 0xd1342543de82ef95u + (k + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 2 to the n, of a normal number. */
WARPSMITH_INTERNAL double @{id}_power(int n)
{
    const uint64_t bits = (uint64_t)(n + 1023) << 52;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* The nearest float of the type, ties to even, as its bits. */
WARPSMITH_INTERNAL uint64_t @{id}_encode(double v, const @{id}_dtype *t)
{
    const int bias = (1 << (t->exponent - 1)) - 1, least = 1 - bias;
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    const uint64_t sign = bits >> 63 << (t->exponent + t->significand);
    int e = (int)(bits >> 52 & 2047) - 1023, drop = 52 - t->significand;
    if (e == -1023)
        return sign; /* zero, or far below all that is tested */
    if (e < least) {
        drop += least - e;
        e = least;
    }
    const uint64_t m = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1 << 52;
    uint64_t n = drop > 54 ? 0 : m >> drop;
    if (drop > 0 && drop <= 54) {
        const uint64_t rest = m & (((uint64_t)1 << drop) - 1), half = (uint64_t)1 << (drop - 1);
        n += rest > half || (rest == half && (n & 1));
    }
    return sign | (((uint64_t)(e + bias - 1) << t->significand) + n);
}

WARPSMITH_INTERNAL double @{id}_decode(uint64_t bits, const @{id}_dtype *t)
{
    const int bias = (1 << (t->exponent - 1)) - 1;
    const uint64_t m = bits & (((uint64_t)1 << t->significand) - 1);
    const int e = (int)(bits >> t->significand & (((uint64_t)1 << t->exponent) - 1));
    const int top = e == (1 << t->exponent) - 1;
    const double sign = bits >> (t->exponent + t->significand) & 1 ? -1 : 1;
    /* e4m3 has no infinity, and one NaN; e2m1 has neither. */
    if (top && t->exponent > 2 && (t->exponent != 4 || m == 7))
        return m ? (double)__builtin_nan("") : sign * (double)__builtin_inf();
    const double v = (double)(e ? m | (uint64_t)1 << t->significand : m);
    return sign * v * @{id}_power((e ? e : 1) - bias - t->significand);
}

/* Little-endian, as GPUs are. tf32 is kept as f32. */
WARPSMITH_INTERNAL void @{id}_store(double v, const @{id}_dtype *t, unsigned char *p)
{
    uint64_t bits = t->exponent ? @{id}_encode(v, t) : (uint64_t)(int64_t)v;
    if (t->exponent == 11)
        memcpy(&bits, &v, sizeof bits);
    else if (t->bytes == 4 && t->significand == 10)
        bits <<= 13;
    for (int i = 0; i < t->bytes; i++)
        p[i] = (unsigned char)(bits >> (8 * i));
}

WARPSMITH_INTERNAL double @{id}_fetch(const unsigned char *p, size_t i, const @{id}_dtype *t)
{
    uint64_t bits = 0;
    double v;
    if (t->bytes == 0)
        return @{id}_decode((uint64_t)(p[i / 2] >> 4 * (i % 2) & 15), t);
    for (int b = 0; b < t->bytes; b++)
        bits |= (uint64_t)p[i * (size_t)t->bytes + (size_t)b] << (8 * b);
    if (t->exponent == 11) {
        memcpy(&v, &bits, sizeof v);
        return v;
    }
    if (t->exponent)
        return @{id}_decode(t->bytes == 4 && t->significand == 10 ? bits >> 13 : bits, t);
    if (t->significand == 0 && t->bytes < 8 && bits >> (8 * t->bytes - 1)) /* signed */
        bits |= ~(uint64_t)0 << (8 * t->bytes);
    return (double)(int64_t)bits;
}

WARPSMITH_INTERNAL int @{id}_make_input(int i, unsigned char *p)
{
    const @{id}_input *t = &@{id}_inputs[i];
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t k = 0; t->make != @{id}_bytes && k * (size_t)t->type.bytes < t->bytes; k++) {
        const uint64_t z = @{id}_random((uint64_t)i, k);
        const uint64_t four = (z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48);
        const double u = (double)(z >> 40) * (1.0 / 16777216);
        const double v = t->make == @{id}_uniform ? t->a + t->b * u
                         : t->make == @{id}_bell  ? t->a + t->b * ((double)four * (1.0 / 65536) - 2)
                         : t->make == @{id}_whole ? t->a + (double)((z >> 32) * (uint64_t)t->b >> 32)
                                                  : (double)(u < t->a);
        @{id}_store(v, &t->type, p + k * (size_t)t->type.bytes);
    }
    for (size_t k = 0; t->make == @{id}_bytes && k < t->bytes; k++)
        p[k] = (unsigned char)t->data[k / @{piece}][k % @{piece}];
    for (size_t k = 0; k < t->bytes; k++)
        hash = (hash ^ p[k]) * 0x100000001b3u;
    return hash == t->hash ? 0 : WARPSMITH_E_SELFTEST;
}

/* Compares one output; the report says where it is wrong. */
WARPSMITH_INTERNAL int @{id}_compare(const @{id}_output *o, const unsigned char *p, char *report, size_t size)
{
    for (int s = 0; s < o->n_samples; s++) {
        const @{id}_sample *want = &o->sample[s];
        const double got = @{id}_fetch(p, want->at, &o->type);
        const double off = got > want->want ? got - want->want : want->want - got;
        if (!(off <= want->tolerance)) {
            snprintf(report, size, "%s[%zu] is %.9g, expected %.9g within %.3g", o->name, want->at, got,
                     want->want, want->tolerance);
            return WARPSMITH_E_SELFTEST;
        }
    }
    for (size_t i = 0; o->finite && i < o->count; i++) {
        const double got = @{id}_fetch(p, i, &o->type);
        if (!(got - got == 0)) {
            snprintf(report, size, "%s[%zu] is not finite", o->name, i);
            return WARPSMITH_E_SELFTEST;
        }
    }
    return 0;
}

/* With a context; device[i] is the memory of tensor i, and behind them the workspace. */
WARPSMITH_INTERNAL int @{id}_test_on(const @{id}_driver *d, unsigned long long *device, unsigned char *host,
                              char *report, size_t size)
{
    @{id}_args a;
    int code = 0;
    memset(&a, 0, sizeof a);
@{test_dims}
    for (int i = 0; i < @{n_tensors} && !code; i++) {
        const size_t bytes = @{id}_tensor_bytes[i];
        if (i < @{n_given} && (code = @{id}_make_input(i, host)))
            snprintf(report, size, "the input %s cannot be made here", @{id}_inputs[i].name);
        if (!code)
            code = d->alloc(&device[i], bytes ? bytes : 16);
        /* What is written must not be right by chance. */
        if (!code && bytes)
            code = i < @{n_given} ? d->to_device(device[i], host, bytes) : d->fill(device[i], 0xff, bytes);
    }
@{test_pointers}
    if (!code)
        code = @{id}_launch(&a);
    if (!code)
        code = d->ctx_synchronize();
    for (int i = 0; i < @{n_outputs} && !code; i++) {
        const @{id}_output *o = &@{id}_outputs[i];
        if (o->bytes)
            code = d->to_host(host, device[o->tensor], o->bytes);
        if (!code)
            code = @{id}_compare(o, host, report, size);
    }
    return code;
}

WARPSMITH_API int @{id}_selftest_report(char *report, size_t size)
{
    const @{id}_driver *d;
    unsigned long long device[@{n_tensors} + 1];
    void *context = NULL;
    int code = @{id}_get_driver(&d), own = 0;
    unsigned char *host = code ? NULL : (unsigned char *)malloc(@{host_bytes});
    if (report && size)
        *report = '\0';
    memset(device, 0, sizeof device);
    if (!code)
        code = host ? d->ctx_current(&context) : WARPSMITH_E_MEMORY;
    if (!code && !context && !(code = d->retain(&context, 0)))
        own = 1, code = d->ctx_set(context);
    if (!code) {
        code = @{id}_test_on(d, device, host, report, report ? size : 0);
        for (int i = 0; i <= @{n_tensors}; i++)
            if (device[i])
                d->free(device[i]);
    }
    if (own) {
        @{id}_unload();
        d->ctx_set(NULL);
        d->release(0);
    }
    free(host);
    if (report && size && !*report)
        snprintf(report, size, "%s", code ? @{id}_error(code) : @{passed_text});
    return code;
}
@end
@if no_test
WARPSMITH_API int @{id}_selftest_report(char *report, size_t size)
{
    if (report && size)
        snprintf(report, size, "%s", @{id}_error(WARPSMITH_E_NOTEST));
    return WARPSMITH_E_NOTEST;
}
@end

WARPSMITH_API int @{id}_selftest(void)
{
    return @{id}_selftest_report(NULL, 0);
}

#ifdef WARPSMITH_SOURCE
/* The CUDA source of the kernels, in pieces; the last one is a null pointer. */
WARPSMITH_API const char *const *@{id}_source(void)
{
    static const char *const text[] = {
        /* warpsmith-source */
@{source}        NULL};
    return text;
}
#endif

#undef WARPSMITH_API
#undef WARPSMITH_INTERNAL
#endif /* WARPSMITH_DECLARATIONS_ONLY */
@{macros_off}
#ifdef __cplusplus
}
#endif
#endif
