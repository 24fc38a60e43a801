"""Compares `warpsmith reference` with an independent computation for every spec of specs/llm, at its check shapes:
plain loops over Python's doubles, written from the descriptions, with indices and masks as conditions.

Usage: reference_llm.py WARPSMITH SPECS_DIR WORK_DIR    Prints TAP. Standard library only.
"""
import json
import math
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from reference_numpy import FORMATS, dot, read_npy, softmax  # noqa: E402

FORMATS.update({"|i1": "b", "|u1": "B", "<i2": "h"})
TOLERANCE = 1e-11


class Array:
    """Row-major; a[i, j] with all indices, a.row(i, j) the numbers behind the first ones."""

    def __init__(self, shape, data):
        self.shape, self.data = tuple(shape), data

    def at(self, index):
        flat = 0
        for i, n in zip(index, self.shape):
            flat = flat * n + i
        return flat

    def __getitem__(self, index):
        return self.data[self.at(index if isinstance(index, tuple) else (index,))]

    def row(self, *index):
        n = math.prod(self.shape[len(index):])
        first = self.at(index) * n
        return self.data[first:first + n]


def indices(*extents):
    if not extents:
        yield ()
        return
    for i in range(extents[0]):
        for rest in indices(*extents[1:]):
            yield (i, *rest)


def attend(query, keys, values, scale, score=lambda s, j: s):
    """One query over lists of keys and values; a score of None is hidden."""
    scores = [score(dot(query, k) * scale, j) for j, k in enumerate(keys)]
    seen = [(s, v) for s, v in zip(scores, values) if s is not None]
    p = softmax([s for s, _ in seen])
    return [dot(p, column) for column in zip(*(v for _, v in seen))]


def forward(change):
    """q, k, v [B, H, S, D]; change(t, d, b, h, score, i, j)."""
    def run(t, d):
        out = []
        s = t["q"].shape[2]
        for b, h in indices(d["B"], d["H"]):
            keys, values = ([t[n].row(b, h, j) for j in range(s)] for n in "kv")
            for i in range(s):
                out += attend(t["q"].row(b, h, i), keys, values, d["D"] ** -0.5,
                              lambda x, j: change(t, d, b, h, x, i, j))
        return [out]
    return run


def causal(t, d, b, h, x, i, j):
    return x if j <= i else None


def near(t, d, b, h, x, i, j):
    far = max(abs(i // d["Y"] - j // d["Y"]), abs(i % d["Y"] - j % d["Y"]))
    return x if far <= d["R"] else None


CHANGES = {
    "attention_f32": lambda t, d, b, h, x, i, j: x,
    "attention_f16": lambda t, d, b, h, x, i, j: x,
    "attention_causal": causal,
    "attention_relative": lambda t, d, b, h, x, i, j: x + i - j,
    "attention_alibi": lambda t, d, b, h, x, i, j: x + 2 ** (-8 * (h + 1) / d["H"]) * (j - i) if j <= i else None,
    "attention_softcap": lambda t, d, b, h, x, i, j: 50 * math.tanh(x / 50) if j <= i else None,
    "attention_sliding_window": lambda t, d, b, h, x, i, j: x if 0 <= i - j < d["W"] else None,
    "attention_document": lambda t, d, b, h, x, i, j: x if j <= i and t["doc"][b, i] == t["doc"][b, j] else None,
    "attention_prefix": lambda t, d, b, h, x, i, j: x if j <= i or j < t["prefix"][b] else None,
    "attention_neighbourhood_2d": near,
}


def grouped_causal(t, d):
    out = []
    for b, k, g in indices(d["B"], d["K"], d["G"]):
        keys, values = ([t[n].row(b, k, 0, j) for j in range(d["S"])] for n in "kv")
        for i in range(d["S"]):
            out += attend(t["q"].row(b, k, g, i), keys[:i + 1], values[:i + 1], d["D"] ** -0.5)
    return [out]


def decode_paged(t, d):
    out = []
    for b, k, g in indices(d["B"], d["K"], d["G"]):
        where = [(t["table"][b, s // d["T"]], s % d["T"], k) for s in range(t["length"][b])]
        keys, values = ([t[n].row(*w) for w in where] for n in ("k_cache", "v_cache"))
        out += attend(t["q"].row(b, k, g), keys, values, d["D"] ** -0.5)
    return [out]


def decode_grouped(t, d):
    out = []
    for b, k, g in indices(d["B"], d["K"], d["G"]):
        ks, vs = (t[n][0, k, 0, 0] if n in t else 1 for n in ("k_scale", "v_scale"))
        keys = [[x * ks for x in t["k"].row(b, k, j)] for j in range(t["length"][b])]
        values = [[x * vs for x in t["v"].row(b, k, j)] for j in range(t["length"][b])]
        out += attend(t["q"].row(b, k, g), keys, values, d["D"] ** -0.5)
    return [out]


def decode_latent(t, d):
    out = []
    for b, h in indices(d["B"], d["H"]):
        keys = [t["cache"].row(b, j) for j in range(t["length"][b])]
        out += attend(t["q"].row(b, h), keys, [k[:d["C"]] for k in keys], 192 ** -0.5)
    return [out]


def cache_gather(t, d):
    return [[x for k in range(d["K"]) for s in range(d["M"] * d["T"])
             for x in t["cache"].row(t["table"][s // d["T"]], s % d["T"], k)]]


def cache_scatter(t, d):
    out = Array(t["cache"].shape, list(t["cache"].data))
    for m, s, k, c in indices(d["M"], d["T"], d["K"], d["D"]):
        out.data[out.at((t["table"][m], s, k, c))] = t["x"][k, m * d["T"] + s, c]
    return [out.data]


def nearest(x, numbers):
    """The nearest of ascending magnitudes, ties to the one of even place."""
    i = min(range(len(numbers)), key=lambda k: (abs(abs(x) - numbers[k]), k % 2))
    return math.copysign(numbers[i], x)


E4M3 = [m / 512 for m in range(8)] + [(8 + m) / 8 * 2.0 ** e for e in range(-6, 9) for m in range(8)][:-1]
E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6]


def cache_append(t, d):
    out = Array(t["cache"].shape, list(t["cache"].data))
    for b, k, c in indices(d["B"], d["K"], d["D"]):
        out.data[out.at((t["slot"][b], k, c))] = nearest(t["x"][b, k, c] / t["scale"][0, k, 0], E4M3)
    return [out.data]


def product(x_scale, w_scale, finish=lambda t, v, n: v):
    def run(t, d):
        x = [[v * x_scale(t, m, k) for k, v in enumerate(t["x"].row(m))] for m in range(d["M"])]
        w = [[v * w_scale(t, n, k) for k, v in enumerate(t["w"].row(n))] for n in range(d["N"])]
        return [[finish(t, dot(x[m], w[n]), n) for m, n in indices(d["M"], d["N"])]]
    return run


def gelu_tanh(t, v, n):
    v += t["b"][n]
    return 0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v ** 3)))


def one(t, m, k):
    return t["x_scale"][0, 0]


def quantize_rows(t, d):
    q, scales = [], []
    for m in range(d["M"]):
        row = t["x"].row(m)
        scales.append(max(max(map(abs, row)), 2.0 ** -40) / 448)
        q += [nearest(x / scales[-1], E4M3) for x in row]
    return [q, scales]


def gemv_nvfp4(t, d):
    return [[t["scale"][0] * math.fsum(t["w"][n, k] * t["w_scale"][n, k // 16] * t["x"][k] for k in range(d["K"]))
             for n in range(d["N"])]]


def best(row, k):
    return sorted(range(len(row)), key=lambda i: (-row[i], i))[:k]


def gate_top2(t, d):
    chosen = [best(t["logits"].row(i), 2) for i in range(d["T"])]
    weights = [softmax([t["logits"][i, e] for e in c]) for i, c in enumerate(chosen)]
    return [sum(weights, []), sum(chosen, [])]


def gate_top8(t, d):
    chosen = [best(t["logits"].row(i), 8) for i in range(d["T"])]
    weights = []
    for i, c in enumerate(chosen):
        score = [1 / (1 + math.exp(-t["logits"][i, e])) for e in c]
        weights += [2.5 * s / math.fsum(score) for s in score]
    return [weights, sum(chosen, [])]


def moe_permute(t, d):
    pairs = sorted((t["expert"][i, j], i * d["J"] + j) for i, j in indices(d["T"], d["J"]))
    rows = [x for _, p in pairs for x in t["x"].row(p // d["J"])]
    return [rows, [sum(e < k for e, _ in pairs) for k in range(d["E"] + 1)]]


def moe_combine(t, d):
    return [[math.fsum(t["weight"][i, j] * t["y"][t["place"][i, j], c] for j in range(d["J"]))
             for i, c in indices(d["T"], d["C"])]]


def grouped(scale=lambda t, row, e, n, k: 1):
    def run(t, d):
        out = []
        for row, n in indices(d["T"], d["N"]):
            e = sum(t["offset"][k + 1] <= row for k in range(d["E"]))
            w = (v * scale(t, row, e, n, k) for k, v in enumerate(t["w"].row(e, n)))
            out.append(dot(t["x"].row(row), w))
        return [out]
    return run


def gemm(t, d):
    n = d["N"]
    columns = [t["b"].data[j::n] for j in range(n)]
    return [[dot(t["a"].row(i), columns[j]) for i, j in indices(n, n)]]


def rms_norm_residual(t, d):
    total = [a + b for a, b in zip(t["x"].data, t["residual"].data)]
    out = []
    for i in range(d["T"]):
        row = total[i * d["C"]:(i + 1) * d["C"]]
        r = math.sqrt(math.fsum(v * v for v in row) / d["C"] + 1e-5)
        out += [v / r * w for v, w in zip(row, t["w"].data)]
    return [out, total]


def swiglu(t, d):
    return [[t["x"][i, f] / (1 + math.exp(-t["x"][i, f])) * t["x"][i, d["F"] + f]
             for i, f in indices(d["T"], d["F"])]]


def rope(t, d):
    out = []
    for i, h in indices(d["T"], d["H"]):
        row, turned = t["x"].row(i, h), [0] * (2 * d["D"])
        for c in range(d["D"]):
            angle = t["position"][i] * 500000 ** (-c / d["D"])
            z = complex(row[c], row[c + d["D"]]) * complex(math.cos(angle), math.sin(angle))
            turned[c], turned[c + d["D"]] = z.real, z.imag
        out += turned
    return [out]


def top_k_filter(t, d):
    out = []
    for b in range(d["B"]):
        row = t["logits"].row(b)
        least = sorted(row)[-50]
        kept = softmax([x for x in row if x >= least])
        out += [kept.pop(0) if x >= least else 0 for x in row]
    return [out]


def top_p_filter(t, d):
    out = []
    for b in range(d["B"]):
        p = softmax(t["logits"].row(b))
        out += [v if math.fsum(w for w in p if w > v) < 0.9 else 0 for v in p]
    return [out]


def sums(term):
    def run(t, d):
        n = t["x"].shape[-1]
        return [[math.fsum(term(t, r * n + i, i) for i in range(n)) for r in range(math.prod(t["x"].shape[:-1]))]]
    return run


PROGRAMS = {
    "attention_grouped_causal": grouped_causal, "decode_paged": decode_paged, "decode_grouped": decode_grouped,
    "decode_grouped_e4m3": decode_grouped, "decode_latent": decode_latent, "cache_gather_blocks": cache_gather,
    "cache_scatter_blocks": cache_scatter, "cache_append": cache_append,
    "gemm_e4m3_tensor": product(one, lambda t, n, k: t["w_scale"][0]),
    "gemm_e4m3_rows": product(lambda t, m, k: t["x_scale"][m, 0], lambda t, n, k: t["w_scale"][n]),
    "gemm_e4m3_blocks": product(lambda t, m, k: t["x_scale"][m, k // 128],
                                lambda t, n, k: t["w_scale"][n // 128, k // 128]),
    "linear_gelu_e4m3": product(one, lambda t, n, k: t["w_scale"][0], gelu_tanh),
    "linear_w8a16": product(lambda t, m, k: 1, lambda t, n, k: t["scale"][n]),
    "quantize_e4m3_rows": quantize_rows, "gemv_nvfp4": gemv_nvfp4, "moe_gate_top2": gate_top2,
    "moe_gate_top8": gate_top8, "moe_permute": moe_permute, "moe_combine": moe_combine,
    "moe_grouped_gemm": grouped(), "moe_grouped_gemm_fine": grouped(),
    "moe_grouped_gemm_e4m3": grouped(lambda t, row, e, n, k:
                                     t["x_scale"][row, k // 128] * t["w_scale"][e, n // 128, k // 128]),
    "rms_norm_residual": rms_norm_residual, "swiglu": swiglu, "rope": rope,
    "embedding": lambda t, d: [[x for i in range(d["T"]) for x in t["table"].row(t["token"][i])]],
    "top_k_filter": top_k_filter, "top_p_filter": top_p_filter,
    "sum_sparse": sums(lambda t, at, i: t["x"].data[at] if t["mask"].data[at] else 0),
    "sum_adversarial": sums(lambda t, at, i: t["x"].data[at] * t["size"][i]),
    **{name: sums(lambda t, at, i: t["x"].data[at]) for name in ("sum_long", "sum_one", "sum_empty")},
    **{name: forward(change) for name, change in CHANGES.items()},
}


def program_of(name):
    return gemm if name.startswith(("gemm_f32_", "gemm_i32_")) else PROGRAMS.get(name)


def load(work, name):
    shape, values = read_npy(os.path.join(work, name + ".npy"))
    return Array(shape, values)


def worst(got, want):
    """The largest difference, relative to the size of the output."""
    if len(got) != len(want):
        return math.inf
    size = max([1e-30, *map(abs, want)])
    return max([0, *(abs(a - b) / size for a, b in zip(got, want))])


def check(warpsmith, path, index, work):
    spec = json.load(open(path))
    name = spec["name"].split("/")[1]
    dims = {**spec["dims"], **spec["check"][index]}
    subprocess.run([warpsmith, "reference", path, "--check", str(index), "--out", work, "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)
    tensors = {t["name"]: load(work, t["name"]) for t in spec["inputs"] + spec["weights"]}
    want = program_of(name)(tensors, dims)
    off = [worst(load(work, out).data, w) for out, w in zip(spec["outputs"], want)]
    return max(off) if len(want) == len(spec["outputs"]) else math.inf


def main():
    warpsmith, folder, work = sys.argv[1:]
    count = 0
    for file in sorted(f for f in os.listdir(folder) if f.endswith(".json")):
        path = os.path.join(folder, file)
        for index in range(len(json.load(open(path))["check"])):
            count += 1
            if not program_of(file[:-5]):
                print(f"not ok {count} - {file}: no independent computation")
                break
            off = check(warpsmith, path, index, work)
            print(f"{'ok' if off <= TOLERANCE else 'not ok'} {count} - {file} check[{index}]: {off:.2g}", flush=True)
    print(f"1..{count}")


main()
