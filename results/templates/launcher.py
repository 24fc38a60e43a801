import contextlib
import ctypes
import importlib
import importlib.util
import os
import sys

NAME = "@{name}"
SYMBOL = "@{id}"
DIMS = @{dims_tuple}
TUNED = @{tuned_dict}  # the shape that the kernel was chosen for
# name, role (in, weight, inout, out), dtype
TENSORS = (
@{tensor_rows}
)


class KernelError(RuntimeError):
    """A shape or tensor that the kernel refuses, or an error of the driver, whose CUresult is `code`."""

    def __init__(self, text, code=0):
        super().__init__(f"{NAME}: {text}")
        self.code = code


# ---- the launch plan ----

def _fit(v):
    if not -(1 << 63) <= v < 1 << 63:
        raise KernelError("a size of the plan does not fit in 64 bits")
    return v


def _add(a, b):
    return _fit(a + b)


def _sub(a, b):
    return _fit(a - b)


def _mul(a, b):
    return _fit(a * b)


def _div(a, b):
    """Towards zero, as in C."""
    if b == 0:
        raise KernelError("the plan divides by zero")
    q = abs(a) // abs(b)
    return _fit(q if (a < 0) == (b < 0) else -q)


def _mod(a, b):
    return a - b * _div(a, b)


def _ceil_div(a, b):
    q = _div(a, b)
    return q + (q * b != a and (a < 0) == (b < 0))


def _align(a, b):
    return _mul(_ceil_div(a, b), b)


_min, _max = min, max


def _need(condition, text):
    if not condition:
        raise KernelError(text)


def _extents(kernel, what, v, limits):
    _need(all(1 <= e <= m for e, m in zip(v, limits)),
          f"the {what} of kernel '{kernel}' would be {v}, outside CUDA's limits")
    return v


def _block(kernel, v):
    v = _extents(kernel, "block", v, (1024, 1024, 64))
    _need(v[0] * v[1] * v[2] <= 1024, f"a block of kernel '{kernel}' would have more than 1024 threads")
    return v


def _shared(kernel, v):
    _need(0 <= v <= 232448, f"kernel '{kernel}' would have {v} bytes of shared memory")
    return v


def _integer(v, size):
    """For a parameter of `size` bytes, as a signed or as an unsigned number."""
    _need(-(1 << (8 * size - 1)) <= v < 1 << (8 * size),
          f"{v} does not fit in a parameter of {size} bytes")
    return v


@if maps
def _map(name, size, im2col, offset, dim, stride, step, swizzle, promotion, available, box=(), lower=(),
         upper=(), channels=0, pixels=0):
    """A tensor map's sizes, in elements of `size` bytes; the innermost dimension is the first."""
    strides, row = (1,) + stride, (channels if im2col else box[0]) * size
    good = (offset >= 0 and offset * size % 16 == 0 and all(1 <= e <= 1 << 32 for e in dim) and
            all(0 <= e < (1 << 40) // size and e * size % 16 == 0 for e in stride) and
            all(1 <= e <= 8 for e in step) and all(1 <= e <= 256 for e in box) and
            16 <= row <= 256 * size and row % 16 == 0 and swizzle in (0, 32, 64, 128) and
            (not swizzle or row <= swizzle) and promotion in (0, 64, 128, 256))
    _need(good, f"the tensor map '{name}' breaks a rule of the driver's at this shape")
    end = offset + 1 + sum((e - 1) * s for e, s in zip(dim, strides))
    _need(end * size <= available, f"the tensor map '{name}' reaches beyond its tensor")
    return (size, im2col, offset, dim, stride, step, box, lower, upper, channels, pixels,
            (0, 32, 64, 128).index(swizzle), (0, 64, 128, 256).index(promotion))


@end
def plan(@{dims_list}):
    """(bytes of workspace, offsets of the scratch buffers, (grid, block, cluster, shared, integers)
    of each launch); KernelError where the shape is refused."""
@{plan_body}


def shapes(@{dims_list}):
    """Of every tensor, in the order of TENSORS."""
    return (
@{shape_rows}
    )


# kernel, cooperative, arguments: ("t", tensor), ("s", scratch), ("i", bytes) or ("f", bytes, value)
@if maps
# or ("m", tensor map, type, fill with NaN, "t" or "s", tensor or scratch); types are CUtensorMapDataType's
@end
_LAUNCHES = (
@{launch_rows}
)

# ---- the binaries ----

_BAKED = @{baked_tuple}  # extents that are compiled in
_VARIANTS = (
@{variant_rows}
)
# form, compute capability, "a": this GPU alone, "f": its family, "": and later ones; variant; data
_IMAGES = (
@{image_rows}
)

SOURCE = (
@{source_rows}
)

# ---- the driver ----

class _Attribute(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint), ("pad", ctypes.c_uint), ("value", ctypes.c_uint * 16)]


class _Config(ctypes.Structure):
    _fields_ = [("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3),
                ("shared", ctypes.c_uint), ("stream", ctypes.c_void_p),
                ("attribute", ctypes.POINTER(_Attribute)), ("n_attributes", ctypes.c_uint)]


class _Driver:
    """libcuda, and what was loaded into each of its contexts."""

    # An image that this GPU or driver cannot use; another one may do.
    NOT_THIS_ONE = (200, 209, 218, 220, 221, 222, 223)

    def __init__(self):
        self.path = os.environ.get("WARPSMITH_CUDA_DRIVER") or "libcuda.so.1"
        self.library = ctypes.CDLL(self.path)
        self.on_cpu = hasattr(self.library, "wsEngineReport")
        self.functions = {}
        self.call("cuInit", 0)

    def call(self, name, *args):
        code = getattr(self.library, name)(*args)
        if code:
            raise KernelError(f"{name}: {self.error(code)}", code)

    def error(self, code):
        text = ctypes.c_char_p()
        self.library.cuGetErrorName(code, ctypes.byref(text))
        return text.value.decode() if text.value else f"CUDA error {code}"

    def context(self):
        """The current one, else the primary one of device 0."""
        context = ctypes.c_void_p()
        self.call("cuCtxGetCurrent", ctypes.byref(context))
        if not context.value:
            device = ctypes.c_int()
            self.call("cuDeviceGet", ctypes.byref(device), 0)
            self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
            self.call("cuCtxSetCurrent", context)
        return context.value

    def attribute(self, which):
        device, value = ctypes.c_int(), ctypes.c_int()
        self.call("cuCtxGetDevice", ctypes.byref(device))
        self.call("cuDeviceGetAttribute", ctypes.byref(value), which, device)
        return value.value

    def images(self, variant):
        """Those for this GPU, the best first: machine code, the nearest; then PTX."""
        major, minor = self.attribute(75), self.attribute(76)
        fit = []
        for form, capability, kind, of, data in _IMAGES:
            same = capability == 10 * major + minor
            family = capability // 10 == major and capability % 10 <= minor
            later = capability <= 10 * major + minor
            ok = same if kind == "a" else family if kind == "f" or form == "cubin" else later
            if of == variant and ok:
                fit.append(((form != "cubin", not same, kind == "", -capability), data))
        _need(fit, f"holds no binary for compute capability {major}.{minor}")
        return [data for _, data in sorted(fit, key=lambda f: f[0])]

    def load(self, variant):
        module, code = ctypes.c_void_p(), 0
        for data in self.images(variant):
            code = self.library.cuModuleLoadDataEx(ctypes.byref(module), data + b"\0", 0, None, None)
            if code not in self.NOT_THIS_ONE:
                break
        _need(code == 0, f"no binary can be loaded: {self.error(code)}")
        functions = {}
        for kernel, _, _ in _LAUNCHES:
            if kernel not in functions:
                f = functions[kernel] = ctypes.c_void_p()
                self.call("cuModuleGetFunction", ctypes.byref(f), module, kernel.encode())
                self.allow_shared(f)
        return functions

    def allow_shared(self, f):
        """More than 48 KiB of shared memory must be asked for."""
        static = ctypes.c_int()
        self.call("cuFuncGetAttribute", ctypes.byref(static), 1, f)
        self.call("cuFuncSetAttribute", f, 8, max(0, self.attribute(97) - static.value))

    def launch(self, f, geometry, cooperative, values, stream):
        grid, block, cluster, shared = geometry[:4]
        pointers = (ctypes.c_void_p * (len(values) + 1))(
            *(ctypes.cast(ctypes.pointer(v), ctypes.c_void_p) for v in values))
        attributes = (_Attribute * 2)()
        config = _Config((ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block), shared, stream,
                         attributes, 0)
        if cluster:
            attributes[0].id = 4
            attributes[0].value[:3] = cluster
            config.n_attributes = 1
        if cooperative:
            attributes[config.n_attributes].id = 2
            attributes[config.n_attributes].value[0] = 1
            config.n_attributes += 1
        if config.n_attributes:
            self.call("cuLaunchKernelEx", ctypes.byref(config), f, pointers, None)
        else:
            self.call("cuLaunchKernel", f, *grid, *block, shared, ctypes.c_void_p(stream), pointers,
                      None)

@if maps
    def tensor_map(self, sizes, kind, nan, base):
        """A CUtensorMap: 128 bytes at a multiple of 64."""
        (size, im2col, offset, dim, stride, step, box, lower, upper, channels, pixels, swizzle,
         promotion) = sizes
        room = (ctypes.c_ubyte * 192)()
        out = (ctypes.c_ubyte * 128).from_buffer(room, -ctypes.addressof(room) % 64)
        at = ctypes.c_void_p(base + offset * size)
        dims = (ctypes.c_uint64 * 5)(*dim)
        strides = (ctypes.c_uint64 * 5)(*(e * size for e in stride))
        steps = (ctypes.c_uint * 5)(*step)
        if im2col:
            self.call("cuTensorMapEncodeIm2col", ctypes.byref(out), kind, len(dim), at, dims, strides,
                      (ctypes.c_int * 3)(*lower), (ctypes.c_int * 3)(*upper), channels, pixels, steps, 0,
                      swizzle, promotion, nan)
        else:
            self.call("cuTensorMapEncodeTiled", ctypes.byref(out), kind, len(dim), at, dims, strides,
                      (ctypes.c_uint * 5)(*box), steps, 0, swizzle, promotion, nan)
        return out

@end
    def alloc(self, size):
        p = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(p), ctypes.c_size_t(max(size, 1)))
        return p.value

    def free(self, p):
        self.call("cuMemFree_v2", ctypes.c_uint64(p))


_drivers = []


def driver():
    """libcuda.so.1, or the library that WARPSMITH_CUDA_DRIVER names; loaded once."""
    if not _drivers:
        _drivers.append(_Driver())
    return _drivers[0]


_SCALAR = {("i", 1): ctypes.c_uint8, ("i", 2): ctypes.c_uint16, ("i", 4): ctypes.c_uint32,
           ("i", 8): ctypes.c_uint64, ("f", 4): ctypes.c_float, ("f", 8): ctypes.c_double}


def launch(address, dims, workspace=0, stream=0):
    """Enqueues the operation: `address` has a device pointer for each of TENSORS, `dims` an extent for
    each of DIMS, `workspace` points to plan(*dims)[0] bytes of device memory. Tensors are row-major,
    contiguous and aligned to 16 bytes, the workspace to 256."""
    d = driver()
    workspace_bytes, offsets, geometry = plan(*dims)
    _need(len(address) == len(TENSORS) and all(address), "a tensor has no memory")
    _need(not any(a % 16 for a in address), "a tensor is not aligned to 16 bytes")
    _need(not workspace_bytes or (workspace and workspace % 256 == 0),
          f"needs {workspace_bytes} bytes of workspace, aligned to 256")
    baked = tuple(e for e, n in zip(dims, DIMS) if n in _BAKED)
    _need(baked in _VARIANTS, "is compiled for " +
          " or ".join(" ".join(f"{n}={v}" for n, v in zip(_BAKED, row)) for row in _VARIANTS) +
          " alone; export it with --shape for others")
    key = d.context(), _VARIANTS.index(baked)
    if key not in d.functions:
        d.functions[key] = d.load(key[1])
    for (kernel, cooperative, arguments), g in zip(_LAUNCHES, geometry):
        integers, values = iter(g[4]), []
        for a in arguments:
            if a[0] == "t":
                values.append(ctypes.c_uint64(address[a[1]]))
            elif a[0] == "s":
                values.append(ctypes.c_uint64(workspace + offsets[a[1]]))
            elif a[0] == "i":
                values.append(_SCALAR[a](_integer(next(integers), a[1]) % (1 << (8 * a[1]))))
@if maps
            elif a[0] == "m":
                base = address[a[5]] if a[4] == "t" else workspace + offsets[a[5]]
                values.append(d.tensor_map(g[5][a[1]], a[2], a[3], base))
@end
            else:
                values.append(_SCALAR[a[:2]](a[2]))
        d.launch(d.functions[key][kernel], g, cooperative, values, stream)


# ---- tensors ----

# What a tensor's dtype may be called, and bytes of an element; e2m1 holds two elements a byte.
_DTYPES = {"f64": ("float64", 8), "f32": ("float32", 4), "tf32": ("float32", 4), "f16": ("float16", 2),
           "bf16": ("bfloat16", 2), "e4m3": ("float8_e4m3fn", 1), "e5m2": ("float8_e5m2", 1),
           "e2m1": ("uint8", 1), "i64": ("int64", 8), "i32": ("int32", 4), "i16": ("int16", 2),
           "i8": ("int8", 1), "u8": ("uint8", 1), "bool": ("bool", 1)}


def _stored(dtype, shape):
    """The shape in memory."""
    return shape[:-1] + (_div(shape[-1] + 1, 2),) if dtype == "e2m1" and shape else shape


def _axis(t, i, rank, axis):
    shape = tuple(t.shape)
    _need(len(shape) == rank, f"'{TENSORS[i][0]}' has {len(shape)} axes, expected {rank}")
    return int(shape[axis])


def _bytes(dtype, shape):
    n = _DTYPES[dtype][1]
    for e in _stored(dtype, shape):
        n *= e
    return n


def _check(t, i, shape):
    name, _, dtype = TENSORS[i]
    have, want = tuple(int(e) for e in t.shape), _stored(dtype, shape)
    _need(have == want, f"'{name}' has shape {have}, expected {want}")
    kind = str(t.dtype).split(".")[-1].strip("'>")
    _need(kind == _DTYPES[dtype][0], f"'{name}' has dtype {kind}, expected {_DTYPES[dtype][0]}")
    contiguous = getattr(t, "is_contiguous", None)
    _need(contiguous is None or contiguous(), f"'{name}' is not contiguous")


def _address(t):
    return t.data_ptr() if callable(t.data_ptr) else int(t.data_ptr)


def _torch():
    return sys.modules.get("torch")


def _is_torch(t):
    return type(t).__module__.split(".")[0] == "torch" or (
        _torch() is not None and isinstance(t, _torch().Tensor))


def _run_staged(d, tensors, dims, sizes):
    """On the CPU driver, whose memory is its own: tensors are copied there and back."""
    d.context()
    with contextlib.ExitStack() as held:
        def alloc(size):
            p = d.alloc(size)
            held.callback(d.free, p)
            return p

        address = [alloc(size) for size in sizes]
        for t, size, p in zip(tensors, sizes, address):
            d.call("cuMemcpyHtoD_v2", ctypes.c_uint64(p), ctypes.c_void_p(_address(t)),
                   ctypes.c_size_t(size))
        launch(address, dims, alloc(plan(*dims)[0]))
        d.call("cuCtxSynchronize")
        for t, size, (_, role, _), p in zip(tensors, sizes, TENSORS, address):
            if role in ("out", "inout"):
                d.call("cuMemcpyDtoH_v2", ctypes.c_void_p(_address(t)), ctypes.c_uint64(p),
                       ctypes.c_size_t(size))


def _run(tensors, dims):
    """All tensors in the order of TENSORS."""
    d, torch = driver(), _torch()
    want = shapes(*dims)
    for i, t in enumerate(tensors):
        _check(t, i, want[i])
    sizes = [_bytes(dtype, shape) for (_, _, dtype), shape in zip(TENSORS, want)]
    device = getattr(tensors[0], "device", None)
    if d.on_cpu:
        _need(getattr(device, "type", "cpu") == "cpu",
              "the driver is the CPU engine: give it tensors in host memory")
        _run_staged(d, tensors, dims, sizes)
    elif not _is_torch(tensors[0]):
        need = plan(*dims)[0]
        workspace = d.alloc(need) if d.context() and need else 0
        launch([_address(t) for t in tensors], dims, workspace)
        if workspace:
            d.call("cuCtxSynchronize")
            d.free(workspace)
    else:
        _need(device.type == "cuda" and all(t.device == device for t in tensors),
              "the tensors must all be on one CUDA device")
        with torch.cuda.device(device):
            need = plan(*dims)[0]
            workspace = torch.empty(need, dtype=torch.uint8, device=device) if need else None
            launch([_address(t) for t in tensors], dims, _address(workspace) if need else 0,
                   torch.cuda.current_stream().cuda_stream)


def _dims(@{given_list}, **extents):
    """The extents that the shapes of the tensors tell; the others are keywords, TUNED by default."""
@{dims_body}


def _forward(given, dims, out):
    """Outputs in the order of the spec; those that are inputs are written in place."""
    given = [t.contiguous() if _is_torch(t) and role in ("in", "weight") else t
             for t, (_, role, _) in zip(given, TENSORS)]
    want, outs = shapes(*dims), list(out or ())
    if out is None:
        for (name, role, dtype), shape in zip(TENSORS, want):
            if role == "out":
                _need(_is_torch(given[0]), f"give out=: without torch there is no memory for '{name}'")
                torch = _torch()
                outs.append(torch.empty(_stored(dtype, shape), dtype=getattr(torch, _DTYPES[dtype][0]),
                                        device=given[0].device))
    _need(len(given) + len(outs) == len(TENSORS), f"takes {len(TENSORS) - len(given)} outputs")
    if all(e > 0 for shape in want[len(given):] for e in shape):
        _run(list(given) + outs, dims)
    everything = list(given) + outs
    return [everything[i] for i in _OUTPUTS]


_OUTPUTS = @{outputs_tuple}  # indices in TENSORS
_functions = []


def _function():
    """As a torch.autograd.Function, whose backward() says that there is none."""
    if not _functions:
        torch = _torch()

        class Forward(torch.autograd.Function):
            @staticmethod
            def forward(ctx, dims, out, *given):
                return tuple(_forward([t.detach() for t in given], dims, out))

            @staticmethod
            def backward(ctx, *grads):
                raise KernelError("is forward only: it has no gradient")

        _functions.append(Forward)
    return _functions[0]


def @{function}(@{given_list}, *, out=None, **extents):
    """@{function_doc}"""
    given = (@{given_list},)
    dims = _dims(*given, **extents)
    if out is not None and not isinstance(out, (list, tuple)):
        out = (out,)
    torch = _torch()
    if torch and all(map(_is_torch, given)) and torch.is_grad_enabled() and any(
            t.requires_grad for t in given):
        result = _function().apply(dims, out, *given)
    else:
        result = _forward(given, dims, out)
    return result[0] if len(result) == 1 else tuple(result)
