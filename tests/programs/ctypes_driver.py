#!/usr/bin/env python3
"""A program of the CUDA driver API in Python: compiles with NVRTC, launches with packed parameters.

Run with a folder on LD_LIBRARY_PATH in which libcuda.so.1 is the CPU driver. Arguments: NVRTC's library, and
'past' for one launch alone, of a cubin, that goes past the end of its arrays. Prints what works; ends with 1 when
something does not.
"""
import ctypes
import sys

SOURCE = br"""
struct pair { float a; short b; };
extern "C" __global__ void axpy(float *y, const float *x, float a, char c, struct pair p, long n)
{
    long i = blockIdx.x * (long)blockDim.x + threadIdx.x;
    if (i < n)
        y[i] += a * x[i] + c + p.a * p.b;
}
"""
N = 1000
NO_BINARY_FOR_GPU = 209

cuda = ctypes.CDLL("libcuda.so.1")
nvrtc = ctypes.CDLL(sys.argv[1])


def check(code, what):
    if code:
        name = ctypes.c_char_p()
        cuda.cuGetErrorName(code, ctypes.byref(name))
        sys.exit(f"{what}: {(name.value or b'?').decode()}")


def compiled(kind, *options):
    """PTX or a CUBIN of the source, as bytes."""
    program = ctypes.c_void_p()
    size = ctypes.c_size_t()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), SOURCE, b"axpy.cu", 0, None, None)
    options = [b"--gpu-architecture=sm_90", *options]
    if nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options)):
        sys.exit("NVRTC does not compile the source")
    nvrtc[f"nvrtcGet{kind}Size"](program, ctypes.byref(size))
    image = ctypes.create_string_buffer(size.value)
    nvrtc[f"nvrtcGet{kind}"](program, image)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return image


class Packed(ctypes.Structure):
    """The kernel's parameters as they lie in memory."""
    class Pair(ctypes.Structure):
        _fields_ = [("a", ctypes.c_float), ("b", ctypes.c_short)]
    _fields_ = [("y", ctypes.c_uint64), ("x", ctypes.c_uint64), ("a", ctypes.c_float),
                ("c", ctypes.c_char), ("p", Pair), ("n", ctypes.c_long)]


def run(image, n=N):
    module, kernel = ctypes.c_void_p(), ctypes.c_void_p()
    check(cuda.cuModuleLoadData(ctypes.byref(module), image), "cuModuleLoadData")
    check(cuda.cuModuleGetFunction(ctypes.byref(kernel), module, b"axpy"), "cuModuleGetFunction")
    host = (ctypes.c_float * N)(*range(N))
    bytes_ = ctypes.c_size_t(4 * N)
    x, y = ctypes.c_uint64(), ctypes.c_uint64()
    for p in x, y:
        check(cuda.cuMemAlloc_v2(ctypes.byref(p), bytes_), "cuMemAlloc")
        check(cuda.cuMemcpyHtoD_v2(p, host, bytes_), "cuMemcpyHtoD")
    block = Packed(y.value, x.value, 2.0, b"\x03", Packed.Pair(0.5, 8), n)
    size = ctypes.c_size_t(ctypes.sizeof(block))
    extra = (ctypes.c_void_p * 5)(1, ctypes.addressof(block), 2, ctypes.addressof(size), 0)
    check(cuda.cuLaunchKernel(kernel, 8, 1, 1, 128, 1, 1, 0, None, None, extra), "cuLaunchKernel")
    check(cuda.cuCtxSynchronize(), "cuCtxSynchronize")
    check(cuda.cuMemcpyDtoH_v2(host, y, bytes_), "cuMemcpyDtoH")
    for p in x, y:
        check(cuda.cuMemFree_v2(p), "cuMemFree")
    check(cuda.cuModuleUnload(module), "cuModuleUnload")
    return all(host[i] == 3 * i + 7 for i in range(N))


check(cuda.cuInit(0), "cuInit")
device, context = ctypes.c_int(), ctypes.c_void_p()
check(cuda.cuDeviceGet(ctypes.byref(device), 0), "cuDeviceGet")
check(cuda.cuCtxCreate_v2(ctypes.byref(context), 0, device), "cuCtxCreate")
if "past" in sys.argv[2:]:
    run(compiled("CUBIN", b"-lineinfo"), N + 1)
for name, image in (("ptx", compiled("PTX")), ("cubin with lines", compiled("CUBIN", b"-lineinfo"))):
    if not run(image):
        sys.exit(f"{name}: wrong results")
    print(f"{name}: right")
refused = cuda.cuModuleLoadData(ctypes.byref(ctypes.c_void_p()), compiled("CUBIN"))
if refused != NO_BINARY_FOR_GPU:
    sys.exit(f"a cubin alone gives {refused}")
print("cubin alone: refused")
check(cuda.cuCtxDestroy_v2(context), "cuCtxDestroy")
