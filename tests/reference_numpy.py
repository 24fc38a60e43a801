"""Compares `warpsmith reference` with an independent computation, in Python's double precision with exact sums
(math.fsum), for every basics spec at every check shape. Inputs are made here and passed as .npy files; outputs
come back as .npy files. Needs nothing but the standard library; where NumPy is installed, it must read the
files as this script does.

Usage: reference_numpy.py WARPSMITH SPECS_DIR WORK_DIR    Prints TAP.
"""
import ast
import json
import math
import operator
import os
import random
import struct
import subprocess
import sys

try:
    import numpy
except ImportError:
    numpy = None

TOLERANCE = 1e-12

# ---- .npy files ----

FORMATS = {"<f8": "d", "<f4": "f", "<f2": "e", "<i8": "q", "<i4": "i", "|b1": "?"}
NPY_OF = {"f32": "<f4", "f16": "<f2", "i64": "<i8"}


def write_npy(path, descr, shape, values):
    header = repr({"descr": descr, "fortran_order": False, "shape": tuple(shape)})
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        f.write(struct.pack("<%d%s" % (len(values), FORMATS[descr]), *values))


def read_npy(path):
    with open(path, "rb") as f:
        data = f.read()
    assert data[:8] == b"\x93NUMPY\x01\x00", path
    end = 10 + struct.unpack("<H", data[8:10])[0]
    assert end % 64 == 0 and data[end - 1:end] == b"\n", path
    header = ast.literal_eval(data[10:end].decode())
    assert not header["fortran_order"], path
    count = math.prod(header["shape"])
    values = struct.unpack("<%d%s" % (count, FORMATS[header["descr"]]), data[end:])
    if numpy:
        loaded = numpy.load(path)
        assert loaded.shape == header["shape"] and loaded.flatten().tolist() == list(values), path
    return header["shape"], list(values)


# ---- the operations, over flat lists ----

def dot(a, b):
    return math.fsum(map(operator.mul, a, b))


def rows(x, n):
    return [x[i:i + n] for i in range(0, len(x), n)]


def softmax(row):
    m = max(row)
    e = [math.exp(v - m) for v in row]
    s = math.fsum(e)
    return [v / s for v in e]


def log_softmax(row):
    m = max(row)
    log_s = math.log(math.fsum(math.exp(v - m) for v in row))
    return [v - m - log_s for v in row]


def layer_norm(row, gamma, beta):
    mean = math.fsum(row) / len(row)
    var = math.fsum((v - mean) ** 2 for v in row) / len(row)
    return [(v - mean) / math.sqrt(var + 1e-5) * g + b for v, g, b in zip(row, gamma, beta)]


def rms_norm(row, gamma):
    square = math.fsum(v * v for v in row) / len(row)
    return [v / math.sqrt(square + 1e-5) * g for v, g in zip(row, gamma)]


def prefix_sums(row):
    return [math.fsum(row[:i + 1]) for i in range(len(row))] if len(row) < 600 else running_sums(row)


def running_sums(row):
    """Sums with Neumaier's compensation."""
    out, s, c = [], 0.0, 0.0
    for v in row:
        t = s + v
        c += (s - t) + v if abs(s) >= abs(v) else (v - t) + s
        s = t
        out.append(s + c)
    return out


def matmul(a, b, m, n, k):
    columns = [b[j::n] for j in range(n)]
    return [dot(row, column) for row in rows(a, k) for column in columns]


def per_batch(a, b, m, n, k):
    return [v for x, y in zip(rows(a, m * k), rows(b, k * n)) for v in matmul(x, y, m, n, k)]


def attention(q, k, v, s, d, score):
    out = []
    for q_, k_, v_ in zip(rows(q, s * d), rows(k, s * d), rows(v, s * d)):
        keys, columns = rows(k_, d), [v_[j::d] for j in range(d)]
        for i, query in enumerate(rows(q_, d)):
            p = softmax([score(dot(query, key) / math.sqrt(d), i, j) for j, key in enumerate(keys)])
            out += [dot(p, column) for column in columns]
    return out


def window(x, h, w, top, left):
    """Elements of a plane in the 3 x 3 window at (top, left); None outside."""
    return [x[r * w + c] if 0 <= r < h and 0 <= c < w else None
            for r in range(top, top + 3) for c in range(left, left + 3)]


def conv2d(x, w, b, n, c, k, height, width):
    out = []
    for image in rows(x, c * height * width):
        planes = rows(image, height * width)
        for channel, weights in enumerate(rows(w, c * 9)):
            for r in range(height):
                for s in range(width):
                    taps = [0.0 if v is None else v for p in planes for v in window(p, height, width, r - 1, s - 1)]
                    out.append(dot(taps, weights) + b[channel])
    return out


def max_pool2d(x, height, width):
    out = []
    for plane in rows(x, height * width):
        for r in range((height - 1) // 2 + 1):
            for s in range((width - 1) // 2 + 1):
                out.append(max(v for v in window(plane, height, width, 2 * r - 1, 2 * s - 1) if v is not None))
    return out


def flat(lists):
    return [v for row in lists for v in row]


def cross_entropy(t, d):
    return [-math.fsum(log_softmax(row)[k] for row, k in zip(rows(t["x"], d["C"]), t["t"])) / d["B"]]


OPS = {
    "vector_add": lambda t, d: [a + b for a, b in zip(t["a"], t["b"])],
    "relu": lambda t, d: [max(v, 0.0) for v in t["x"]],
    "gelu": lambda t, d: [0.5 * v * math.erfc(-v / math.sqrt(2)) for v in t["x"]],
    "row_sum": lambda t, d: [math.fsum(row) for row in rows(t["x"], d["N"])],
    "row_max": lambda t, d: [max(row) for row in rows(t["x"], d["N"])],
    "argmax": lambda t, d: [row.index(max(row)) for row in rows(t["x"], d["N"])],
    "softmax": lambda t, d: flat(softmax(row) for row in rows(t["x"], d["N"])),
    "log_softmax": lambda t, d: flat(log_softmax(row) for row in rows(t["x"], d["N"])),
    "layer_norm": lambda t, d: flat(layer_norm(row, t["gamma"], t["beta"]) for row in rows(t["x"], d["N"])),
    "rms_norm": lambda t, d: flat(rms_norm(row, t["gamma"]) for row in rows(t["x"], d["N"])),
    "cumsum": lambda t, d: flat(prefix_sums(row) for row in rows(t["x"], d["N"])),
    "cross_entropy": cross_entropy,
    "matmul": lambda t, d: matmul(t["a"], t["b"], d["M"], d["N"], d["K"]),
    "matmul_f16": lambda t, d: matmul(t["a"], t["b"], d["M"], d["N"], d["K"]),
    "batched_matmul": lambda t, d: per_batch(t["a"], t["b"], d["M"], d["N"], d["K"]),
    "matvec": lambda t, d: [dot(row, t["x"]) for row in rows(t["a"], d["N"])],
    "transpose": lambda t, d: flat(t["x"][j::d["N"]] for j in range(d["N"])),
    "conv2d": lambda t, d: conv2d(t["x"], t["w"], t["b"], d["N"], d["C"], d["K"], d["H"], d["W"]),
    "max_pool2d": lambda t, d: max_pool2d(t["x"], d["H"], d["W"]),
    "causal_attention": lambda t, d: attention(t["q"], t["k"], t["v"], d["S"], d["D"],
                                               lambda v, i, j: v if j <= i else -math.inf),
    "relpos_attention": lambda t, d: attention(t["q"], t["k"], t["v"], d["S"], d["D"],
                                               lambda v, i, j: v + (i - j)),
}

# ---- one spec at one shape ----


def extent(e, dims):
    return dims[e] if e in dims else int(e)


def make_input(spec_tensor, dims, rng):
    shape = [extent(e, dims) for e in spec_tensor["shape"]]
    count, dtype = math.prod(shape), spec_tensor["dtype"]
    if dtype == "i64":
        return shape, [rng.randrange(extent(spec_tensor["init"]["hi"], dims)) for _ in range(count)]
    letter = FORMATS[NPY_OF[dtype]]
    values = [rng.gauss(0, 1) for _ in range(count)]
    return shape, list(struct.unpack("<%d%s" % (count, letter), struct.pack("<%d%s" % (count, letter), *values)))


def distance(got, want):
    """Largest error relative to the element, or to a hundredth of the largest one where terms cancel."""
    floor = 1e-2 * max((abs(v) for v in want), default=0)
    return max((abs(g - w) / max(abs(w), floor) if g != w else 0.0 for g, w in zip(got, want)), default=0.0)


def check(warpsmith, path, spec, index, work):
    dims = {**spec["dims"], **spec["check"][index]}
    rng = random.Random("%s/%d" % (spec["name"], index))
    source, target = os.path.join(work, "in"), os.path.join(work, "out")
    os.makedirs(source, exist_ok=True)
    tensors = {}
    for t in spec["inputs"] + spec["weights"]:
        shape, tensors[t["name"]] = make_input(t, dims, rng)
        write_npy(os.path.join(source, t["name"] + ".npy"), NPY_OF[t["dtype"]], shape, tensors[t["name"]])
    subprocess.run([warpsmith, "reference", path, "--check", str(index), "--in", source, "--out", target],
                   check=True, stdout=subprocess.DEVNULL)
    for name, values in tensors.items():
        assert read_npy(os.path.join(target, name + ".npy"))[1] == values, "input '%s' changed" % name
    want = OPS[spec["name"].split("/")[-1]](tensors, dims)
    got = read_npy(os.path.join(target, spec["outputs"][0] + ".npy"))[1]
    assert len(got) == len(want), "%d elements, expected %d" % (len(got), len(want))
    return distance(got, want)


def main():
    warpsmith, specs, work = sys.argv[1:]
    number = failed = 0
    for file in sorted(os.listdir(specs)):
        path = os.path.join(specs, file)
        with open(path) as f:
            spec = json.load(f)
        for index in range(len(spec["check"])):
            number += 1
            what = "%s at %s" % (spec["name"], " ".join("%s=%d" % d for d in spec["check"][index].items()))
            try:
                error = check(warpsmith, path, spec, index, os.path.join(work, "%s.%d" % (file, index)))
                good, note = error <= TOLERANCE, "largest relative error %.3g" % error
            except Exception as e:
                good, note = False, "%s: %s" % (type(e).__name__, e)
            failed += not good
            print("%sok %d - %s\n# %s" % ("" if good else "not ", number, what, note), flush=True)
    print("1..%d" % number)
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
