"""As much of PyTorch as torch_baseline.py asks for, so that it is tested where there is none: tensors that know their
shape and dtype, a clock that the tests set, a compiler that can be told to fail."""

import os

__version__ = "0.0-fake"
__path__ = [os.path.dirname(__file__)]
float64, float32, float16, bfloat16 = "float64", "float32", "float16", "bfloat16"
int64, int32, int16, int8, uint8, bool = "int64", "int32", "int16", "int8", "uint8", "bool"
BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1,
         "uint8": 1, "bool": 1}
evaluations = []


class Tensor:
    def __init__(self, shape, dtype=float32):
        self.shape, self.dtype = list(shape), dtype

    def numel(self):
        n = 1
        for d in self.shape:
            n *= d
        return n

    def element_size(self):
        return BYTES[self.dtype]

    def to(self, what):
        return Tensor(self.shape, what if what in BYTES else getattr(what, "dtype", self.dtype))

    def reshape(self, shape):
        return Tensor(shape, self.dtype)

    def zero_(self):
        return self

    def _same(self, *_):
        return Tensor(self.shape, self.dtype)

    __mul__ = __add__ = __sub__ = __lt__ = _same


def _make(shape, *_, **options):
    return Tensor(shape if isinstance(shape, (list, tuple)) else [shape], options.get("dtype", float32))


rand = randn = zeros = empty = _make
full = lambda shape, value, **o: _make(shape, **o)  # noqa: E731
arange = lambda n, **o: Tensor([n])  # noqa: E731
randint = lambda lo, hi, shape: Tensor(shape, int64)  # noqa: E731
tensor = lambda v, **o: Tensor([], o.get("dtype", float32))  # noqa: E731


def relu(x):
    evaluations.append(x.shape)
    return x._same()


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return lambda *a, **k: a[0]


def manual_seed(seed):
    pass


def compile(run, **options):
    if os.environ.get("FAKE_COMPILE") == "fails":
        raise RuntimeError("no\n  compiler here")
    return run


class no_grad:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


class _Event:
    now = 0.0

    def __init__(self, enable_timing=False):
        assert enable_timing

    def record(self):
        _Event.now += 0.25
        self.at = _Event.now

    def synchronize(self):
        pass

    def elapsed_time(self, end):
        return end.at - self.at


class _Cuda:
    Event = _Event

    @staticmethod
    def is_available():
        return os.environ.get("FAKE_GPU", "1") == "1"

    @staticmethod
    def get_device_properties(i):
        class Properties:
            name, major, minor, multi_processor_count, total_memory = "NVIDIA H200", 9, 0, 132, 1 << 37
            L2_cache_size = 50 << 20
        return Properties


class _Flags:
    allow_tf32 = None

    @staticmethod
    def version():
        return 91002


class _Backends:
    class cuda:
        matmul = _Flags()
    cudnn = _Flags()




class version:
    cuda = "13.0"


cuda, backends = _Cuda, _Backends
