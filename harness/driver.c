#include "harness/driver_state.h"

#include "base/buf.h"
#include "base/proc.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JIT_LOG_BYTES = 8192 };

static const ws_symbol rows[] = {
#define X(member, symbol, optional) WS_SYMBOL(symbols, member, symbol, optional),
    SYMBOL_LIST(X)
#undef X
};
const ws_symbols cu_symbols = {"libcuda", rows, WS_COUNT(rows)};

/* ---- failures ---- */

static hx_reason reason_of(CUresult r)
{
    switch ((int)r) {
    case CUDA_ERROR_INVALID_VALUE:
    case CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES:
    case CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE:
    case CUDA_ERROR_INVALID_CLUSTER_SIZE:
        return HX_INVALID_LAUNCH;
    case CUDA_ERROR_INVALID_PTX:
    case CUDA_ERROR_INVALID_IMAGE:
    case CUDA_ERROR_INVALID_SOURCE:
        return HX_PTXAS_ERROR;
    case CUDA_ERROR_NOT_FOUND:
        return HX_PLAN_MISMATCH;
    case CUDA_ERROR_NOT_SUPPORTED:
        return HX_UNSUPPORTED;
    case CUDA_ERROR_ILLEGAL_ADDRESS:
        return HX_OUT_OF_BOUNDS;
    case CUDA_ERROR_MISALIGNED_ADDRESS:
        return HX_MISALIGNED;
    case CUDA_ERROR_ASSERT:
        return HX_ASSERT_FAILED;
    case CUDA_ERROR_LAUNCH_TIMEOUT:
        return HX_ENDLESS;
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
        return HX_ILLEGAL;
    default:
        return HX_PASS;
    }
}

static ws_status status_of(CUresult r)
{
    hx_reason reason = reason_of(r);
    return r == CUDA_ERROR_OUT_OF_MEMORY ? WS_ELIMIT : reason == HX_PASS ? WS_EENV : WS_EINPUT;
}

static ws_status fail(cu_device *d, CUresult r, const char *call, ws_err *err)
{
    const char *name = NULL, *text = NULL;
    char detail[512] = "";
    d->reason = reason_of(r);
    if (d->cu.engine_detail)
        d->cu.engine_detail(detail, sizeof detail);
    d->cu.error_name(r, &name);
    d->cu.error_string(r, &text);
    if (detail[0])
        return ws_fail(err, status_of(r), "%s: %s", name ? name : call, detail);
    return ws_fail(err, status_of(r), "%s: %s (%s)", call, text ? text : "unknown error",
                   name ? name : "no name");
}

ws_status cu_try(cu_device *d, CUresult r, size_t offset, ws_err *err)
{
    if (r == CUDA_SUCCESS)
        return WS_OK;
    const char *call = "?";
    for (size_t i = 0; i < WS_COUNT(rows); i++)
        if (rows[i].offset == offset)
            call = rows[i].name;
    return fail(d, r, call, err);
}

hx_reason cu_last_reason(const cu_device *d)
{
    return d->reason;
}

/* ---- finding and opening a driver ---- */

ws_status cu_engine_path(ws_buf *out, ws_err *err)
{
    const char *set = getenv("WARPSMITH_CUDA_DRIVER");
    if (set && *set)
        ws_buf_adds(out, set);
    else if (!ws_proc_beside("libwarpsmith-cuda.so", out)) {
        ws_fail(err, WS_EENV, "cannot find the CPU driver 'libwarpsmith-cuda.so'");
        return ws_hint(err, "run make, or set WARPSMITH_CUDA_DRIVER to its path");
    }
    return WS_OK;
}

static ws_status load_symbols(cu_device *d, const char *path, ws_err *err)
{
    if (!(d->library = dlopen(path, RTLD_NOW | RTLD_LOCAL)))
        return ws_fail(err, WS_EENV, "cannot load the CUDA driver: %s", dlerror());
    const char *missing = ws_symbols_take(d->library, &cu_symbols, &d->cu);
    if (missing)
        return ws_fail(err, WS_EENV, "the CUDA driver '%s' is too old: it has no %s", path,
                       missing);
    return WS_OK;
}

static ws_status open_device(cu_device *d, ws_err *err)
{
    int count = 0, major = 0, minor = 0;
    if (TRY(d, init, err, 0) || TRY(d, device_count, err, &count))
        return err->status;
    if (!count)
        return ws_fail(err, WS_EENV, "the CUDA driver sees no device");
    if (TRY(d, device_get, err, &d->device, 0) ||
        TRY(d, device_name, err, d->name, (int)sizeof d->name, d->device) ||
        TRY(d, device_attribute, err, &major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
            d->device) ||
        TRY(d, device_attribute, err, &minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
            d->device) ||
        TRY(d, driver_version, err, &d->version) ||
        TRY(d, ctx_retain, err, &d->context, d->device) || TRY(d, ctx_set, err, d->context))
        return err->status;
    d->capability = 10 * major + minor;
    if (cu_is_engine(d))
        snprintf(d->name, sizeof d->name, "CPU engine");
    return WS_OK;
}

static ws_status open_path(const char *path, cu_device **out, ws_err *err)
{
    cu_device *d = ws_calloc(1, sizeof *d);
    if (load_symbols(d, path, err) || open_device(d, err)) {
        free(d);
        return err->status;
    }
    *out = d;
    return WS_OK;
}

static ws_status open_engine(cu_device **out, ws_err *err)
{
    ws_buf path = {0};
    ws_status st = cu_engine_path(&path, err);
    if (!st)
        st = open_path(ws_buf_z(&path), out, err);
    ws_buf_release(&path);
    return st;
}

void cu_preload_engine(void)
{
    ws_buf path = {0};
    ws_err ignored = {0}; /* opening it tells of a failure */
    symbols cu;
    void *engine = NULL; /* kept */
    if (!cu_engine_path(&path, &ignored))
        engine = dlopen(ws_buf_z(&path), RTLD_NOW | RTLD_LOCAL);
    if (engine && !ws_symbols_take(engine, &cu_symbols, &cu))
        (void)cu.init(0);
    ws_buf_release(&path);
}

ws_status cu_open(const char *which, cu_device **out, ws_err *err)
{
    const char *set = getenv("WARPSMITH_DEVICE");
    ws_err gpu = {0};
    if (!which)
        which = set && *set ? set : "auto";
    if (strcmp(which, "cpu") == 0)
        return open_engine(out, err);
    if (strcmp(which, "gpu") == 0)
        return open_path("libcuda.so.1", out, err);
    if (strcmp(which, "auto") != 0)
        return ws_fail(err, WS_EUSAGE, "unknown device '%s', expected cpu, gpu or auto", which);
    return open_path("libcuda.so.1", out, &gpu) ? open_engine(out, err) : WS_OK;
}

void cu_close(cu_device *d)
{
    if (!d)
        return;
    if (d->start)
        d->cu.event_destroy(d->start);
    if (d->end)
        d->cu.event_destroy(d->end);
    d->cu.ctx_set(NULL);
    d->cu.ctx_release(d->device);
    free(d);
}

bool cu_is_engine(const cu_device *d)
{
    return d->cu.engine_configure && d->cu.engine_report;
}

const char *cu_name(const cu_device *d)
{
    return d->name;
}

int cu_compute_capability(const cu_device *d)
{
    return d->capability;
}

int cu_driver_version(const cu_device *d)
{
    return d->version;
}

void *cu_context(const cu_device *d)
{
    return d->context;
}

/* ---- which device ---- */

int cu_device_count(cu_device *d)
{
    int n = 0;
    return d->cu.device_count(&n) == CUDA_SUCCESS ? n : 0;
}

static void uuid_text(const char *kind, const CUuuid *u, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "%s", kind);
    for (int i = 0; i < 16; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%02x",
                              i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                              (unsigned char)u->bytes[i]);
}

ws_status cu_identify(cu_device *d, int i, cu_identity *out, ws_err *err)
{
    CUdevice dev;
    CUuuid uuid;
    size_t memory;
    int major, minor, l2;
    *out = (cu_identity){0};
    if (TRY(d, device_get, err, &dev, i) || TRY(d, device_uuid, err, &uuid, dev) ||
        TRY(d, device_name, err, out->name, (int)sizeof out->name, dev) ||
        TRY(d, device_memory, err, &memory, dev) ||
        TRY(d, device_attribute, err, &major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, dev) ||
        TRY(d, device_attribute, err, &minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, dev) ||
        TRY(d, device_attribute, err, &l2, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, dev) ||
        TRY(d, device_attribute, err, &out->sms, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, dev))
        return err->status;
    out->capability = 10 * major + minor;
    out->l2_bytes = l2;
    out->memory_bytes = (int64_t)memory;
    out->mig = strstr(out->name, " MIG ") != NULL; /* "NVIDIA A100-SXM4-40GB MIG 1g.5gb" */
    uuid_text(cu_is_engine(d) ? "CPU" : out->mig ? "MIG" : "GPU", &uuid, out->uuid,
              sizeof out->uuid);
    return WS_OK;
}

ws_status cu_limit(cu_device *d, size_t printf_bytes, size_t heap_bytes, ws_err *err)
{
    if (TRY(d, ctx_limit, err, CU_LIMIT_PRINTF_FIFO_SIZE, printf_bytes))
        return err->status;
    return TRY(d, ctx_limit, err, CU_LIMIT_MALLOC_HEAP_SIZE, heap_bytes);
}

/* ---- modules ---- */

ws_status cu_module_load(cu_device *d, const void *image, size_t n, cu_module **out, ws_err *err)
{
    char log[JIT_LOG_BYTES] = "";
    CUjit_option option[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *value[] = {log, (void *)(uintptr_t)sizeof log};
    const unsigned char *bytes = image;
    CUmodule m;
    bool elf = n >= 4 && memcmp(bytes, "\x7f" "ELF", 4) == 0;
    if (!n || (!elf && bytes[n - 1] != '\0'))
        return ws_fail(err, WS_EINPUT, "a module is PTX text with its NUL, or a cubin");
    if (TRY(d, module_load, err, &m, image, 2, option, value)) {
        log[sizeof log - 1] = '\0';
        if (log[0] && !cu_is_engine(d))
            ws_fail(err, err->status, "%.900s", log);
        return err->status;
    }
    *out = ws_calloc(1, sizeof **out);
    (*out)->module = m;
    return WS_OK;
}

void cu_module_unload(cu_device *d, cu_module *m)
{
    if (!m)
        return;
    d->cu.module_unload(m->module);
    free(m);
}

/* ---- memory ---- */

ws_status cu_alloc(cu_device *d, size_t bytes, const char *name, uint64_t *out, ws_err *err)
{
    CUdeviceptr p;
    if (TRY(d, alloc, err, &p, bytes ? bytes : 1))
        return ws_wrap(err, "buffer '%s' of %zu bytes", name, bytes);
    if (d->cu.engine_name)
        d->cu.engine_name(p, name);
    *out = (uint64_t)p;
    return WS_OK;
}

void cu_free(cu_device *d, uint64_t ptr)
{
    if (ptr)
        d->cu.release((CUdeviceptr)ptr);
}

ws_status cu_upload(cu_device *d, uint64_t dst, const void *src, size_t n, ws_err *err)
{
    return n ? TRY(d, to_device, err, (CUdeviceptr)dst, src, n) : WS_OK;
}

ws_status cu_download(cu_device *d, void *dst, uint64_t src, size_t n, ws_err *err)
{
    return n ? TRY(d, to_host, err, dst, (CUdeviceptr)src, n) : WS_OK;
}

ws_status cu_fill(cu_device *d, uint64_t dst, unsigned char byte, size_t n, ws_err *err)
{
    return n ? TRY(d, fill, err, (CUdeviceptr)dst, byte, n) : WS_OK;
}

/* ---- mappings ---- */

bool cu_can_map(cu_device *d)
{
    int can = 0;
    return d->cu.map_granularity && d->cu.map_reserve && d->cu.map_unreserve && d->cu.map_create &&
           d->cu.map_release && d->cu.map_map && d->cu.map_unmap && d->cu.map_access &&
           d->cu.device_attribute(&can,
                                  CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED,
                                  d->device) == CUDA_SUCCESS &&
           can;
}

/* The memory at m->ptr, whose range is reserved. */
static ws_status map_memory(cu_device *d, const CUmemAllocationProp *prop, cu_mapping *m,
                            ws_err *err)
{
    const CUmemAccessDesc access = {.location = prop->location,
                                    .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUmemGenericAllocationHandle handle;
    if (TRY(d, map_create, err, &handle, m->bytes, prop, 0))
        return err->status;
    m->handle = handle;
    if (TRY(d, map_map, err, m->ptr, m->bytes, 0, handle, 0)) {
        d->cu.map_release(handle);
        return err->status;
    }
    if (TRY(d, map_access, err, m->ptr, m->bytes, &access, 1)) {
        d->cu.map_unmap(m->ptr, m->bytes);
        d->cu.map_release(handle);
    }
    return err->status;
}

ws_status cu_map(cu_device *d, size_t bytes, const char *name, cu_mapping *out, ws_err *err)
{
    const CUmemAllocationProp prop = {
        .type = CU_MEM_ALLOCATION_TYPE_PINNED,
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = d->device},
    };
    CUdeviceptr base = 0;
    size_t granule = 0;
    *out = (cu_mapping){0};
    if (TRY(d, map_granularity, err, &granule, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM))
        return err->status;
    if (!granule || bytes > SIZE_MAX / 2)
        return ws_fail(err, WS_ELIMIT, "buffer '%s': %zu bytes cannot be mapped", name, bytes);
    out->granule = granule;
    out->bytes = (bytes + granule - 1) / granule * granule;
    out->bytes = out->bytes ? out->bytes : granule;
    if (TRY(d, map_reserve, err, &base, out->bytes + 2 * granule, 0, 0, 0))
        return ws_wrap(err, "buffer '%s' of %zu bytes", name, bytes);
    out->ptr = base + granule;
    if (map_memory(d, &prop, out, err)) {
        d->cu.map_unreserve(base, out->bytes + 2 * granule);
        return ws_wrap(err, "buffer '%s' of %zu bytes", name, bytes);
    }
    if (d->cu.engine_name)
        d->cu.engine_name(out->ptr, name);
    return WS_OK;
}

void cu_unmap(cu_device *d, const cu_mapping *m)
{
    if (!m->ptr)
        return;
    d->cu.map_unmap(m->ptr, m->bytes);
    d->cu.map_release(m->handle);
    d->cu.map_unreserve(m->ptr - m->granule, m->bytes + 2 * m->granule);
}
