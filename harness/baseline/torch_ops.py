"""Each op of a spec's graph, said once more in PyTorch. apply() computes one node from its operands, in their
dtypes; node() does it in float64, and gives None where there is no statement of the op. The references are compared with
these statements (make check-torch), and baselines are timed with them (torch_baseline.py)."""

import re

import torch
import torch.nn.functional as F

# Mantissa bits, least exponent of a normal number, largest number.
NARROW = {"f16": (10, -14, 65504.0), "bf16": (7, -126, 3.3895313892515355e38), "e4m3": (3, -6, 448.0),
          "e5m2": (2, -14, 57344.0), "e2m1": (1, 0, 6.0), "f32": (23, -126, 3.4028234663852886e38)}
DOUBLE = torch.zeros((), dtype=torch.float64)
WHOLE = {"i8": (-128, 127), "u8": (0, 255), "i32": (-2**31, 2**31 - 1)}


def rounded(x, dtype):
    """To the nearest number of `dtype`, ties to even; 8 bits and less saturate."""
    if dtype in WHOLE:
        return torch.clamp(torch.round(x), *WHOLE[dtype])
    bits, least, most = NARROW[dtype]
    _, exponent = torch.frexp(x)
    step = torch.ldexp(torch.ones_like(x), torch.clamp(exponent - 1, min=least) - bits)
    y = torch.round(x / step) * step
    if dtype in ("e4m3", "e5m2", "e2m1"):
        return torch.clamp(y, -most, most)
    return torch.where(y.abs() > most, torch.copysign(torch.full_like(y, float("inf")), y), y)


# ---- attributes ----

def number(v, dims):
    """A number, or an expression over dims."""
    if not isinstance(v, str):
        return v
    text = re.sub(r"\b(\w+)\b", r"\1", v.replace("&&", " and ").replace("||", " or "))
    if "?" in text:
        raise ValueError(f"a choice in '{v}'")
    scope = dict(dims, ceil_div=lambda a, b: -(-a // b), align=lambda a, b: -(-a // b) * b,
                 min=min, max=max, inf=float("inf"), nan=float("nan"))
    return eval(text.replace("/", "//"), {}, scope)


class Attributes:
    """A node's, and what tensors made from nothing are like: `like` has their dtype and device."""

    def __init__(self, node, dims, like=None):
        self.node, self.dims, self.like = node, dims, DOUBLE if like is None else like

    def get(self, name, default=None):
        v = self.node.get(name, default)
        if isinstance(v, list):
            return [number(i, self.dims) for i in v]
        return v if name in ("fn", "mode", "output", "equation", "approximate") else number(v, self.dims)

    def axis(self, x, default=-1):
        return self.get("dim", self.get("axis", default)) % max(x.dim(), 1)

    def spatial(self, name, nd, default):
        v = self.get(name, default)
        return v if isinstance(v, list) else [v] * nd


# ---- ops ----

def reduce(a, x):
    fn, dims = a.get("fn"), a.get("dims", list(range(x.dim())))
    dims = dims if isinstance(dims, list) else [dims]
    keep = a.get("keepdim", False)
    if fn in ("argmax", "argmin"):
        return getattr(torch, fn)(x, dim=dims[0], keepdim=keep)
    if fn == "prod":
        for d in sorted((d % x.dim() for d in dims), reverse=True):
            x = x.prod(d, keepdim=keep)
        return x
    if not dims:
        return x
    f = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax, "min": torch.amin,
         "logsumexp": torch.logsumexp, "l2norm": lambda x, d, keepdim: x.square().sum(d, keepdim).sqrt()}
    return f[fn](x, dims, keepdim=keep)


def conv(a, x, w, b=None):
    nd = x.dim() - 2
    f = [F.conv1d, F.conv2d, F.conv3d][nd - 1]
    return f(x, w, b, a.spatial("stride", nd, 1), a.spatial("padding", nd, 0), a.spatial("dilation", nd, 1),
             a.get("groups", 1))


def conv_transpose(a, x, w, b=None):
    nd = x.dim() - 2
    f = [F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d][nd - 1]
    return f(x, w, b, a.spatial("stride", nd, 1), a.spatial("padding", nd, 0),
             a.spatial("output_padding", nd, 0), a.get("groups", 1), a.spatial("dilation", nd, 1))


def max_pool(a, x):
    nd = x.dim() - 2
    f = [F.max_pool1d, F.max_pool2d, F.max_pool3d][nd - 1]
    return f(x, a.spatial("kernel", nd, 1), a.spatial("stride", nd, 1), a.spatial("padding", nd, 0),
             a.spatial("dilation", nd, 1), ceil_mode=a.get("ceil_mode", False))


def avg_pool(a, x):
    nd = x.dim() - 2
    f = [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d][nd - 1]
    return f(x, a.spatial("kernel", nd, 1), a.spatial("stride", nd, 1), a.spatial("padding", nd, 0),
             ceil_mode=a.get("ceil_mode", False), count_include_pad=a.get("count_include_pad", True))


def matmul(a, x, y):
    x = x.transpose(-1, -2) if a.get("trans_a", False) else x
    return x @ (y.transpose(-1, -2) if a.get("trans_b", False) else y)


def gather(a, x, at):
    at, d, mode = at.long(), a.axis(x), a.node.get("mode", "select")
    if mode == "select":
        shape = list(x.shape[:d]) + list(at.shape) + list(x.shape[d + 1:])
        return torch.index_select(x, d, at.reshape(-1)).reshape(shape)
    if mode == "one_per_row":
        return torch.gather(x, d, at.unsqueeze(d)).squeeze(d)
    return torch.gather(x, d, at)


def scatter(a, x, at, rows):
    d = a.axis(x, 0)
    out = x.clone().movedim(d, 0)
    rows = rows.movedim(d, 0) if rows.dim() == x.dim() else rows
    for i, r in zip(at.long().reshape(-1).tolist(), rows):
        out[i] = out[i] + r if a.node.get("mode") == "add" else r
    return out.movedim(0, d)


def slice_of(a, x):
    index = [slice(None)] * x.dim()
    index[a.axis(x)] = slice(a.get("start"), a.get("stop"), a.get("step"))
    return x[tuple(index)]


def in_order(a, x):
    return torch.sort(x, dim=a.axis(x), descending=a.get("descending", False), stable=True)


def topk(a, x):
    d, k = a.axis(x), a.get("k")
    s = torch.sort(x, dim=d, descending=a.get("largest", True), stable=True)
    return (s.indices if a.get("output", "values") == "indices" else s.values).narrow(d, 0, k)


def top_p(a, x):
    d = a.axis(x)
    s = torch.sort(x, dim=d, descending=True, stable=True)
    before = s.values.cumsum(d) - s.values
    kept = torch.where(before < a.get("p"), s.values, torch.zeros_like(s.values))
    return torch.zeros_like(x).scatter(d, s.indices, kept)


def grouped_matmul(a, x, w, which):
    w = w.transpose(1, 2) if a.get("trans_b", False) else w
    if a.get("mode") == "ids":
        return torch.stack([x[t] @ w[int(e)] for t, e in enumerate(which)])
    out = x.new_zeros(x.shape[0], w.shape[2])
    ends = which.long().tolist()
    for e in range(w.shape[0]):
        out[ends[e]:ends[e + 1]] = x[ends[e]:ends[e + 1]] @ w[e]
    return out


def scales(a, x, scale):
    """The scale of each element of x."""
    block = a.get("block", [1] * x.dim())
    for d, n in enumerate(block):
        scale = scale.repeat_interleave(x.shape[d] if n == -1 else n, dim=d).narrow(d, 0, x.shape[d])
    return scale


def quantize(a, x, scale=None):
    return rounded(x if scale is None else x / (scales(a, x, scale) if scale.dim() else scale),
                   a.node["dtype"])


def dequantize(a, x, scale):
    return x * (scales(a, x, scale) if scale.dim() else scale)


def recurrent(module, gates):
    def run(a, x, *rest):
        states, weights = rest[:gates // 3 if gates == 3 else 2], rest[gates // 3 if gates == 3 else 2:]
        hidden = weights[1].shape[1]
        m = module(x.shape[-1], hidden, a.get("num_layers", 1), batch_first=a.get("batch_first", True),
                   bidirectional=a.get("bidirectional", False)).to(x)
        names = [n for n, _ in m.named_parameters()]
        m.load_state_dict(dict(zip(names, weights)))
        with torch.no_grad():
            y, last = m(x, states[0] if gates == 3 else tuple(states))
        last = {"h_n": last} if gates == 3 else {"h_n": last[0], "c_n": last[1]}
        return {"y": y, **last}[a.node.get("output", "y")]
    return run


def scan(a, x, carry, *outer):
    step = dict(zip([n for n in a.node["in"][2:]], outer))
    d, emitted = a.axis(x), []
    for x_t in x.unbind(d):
        values = dict(step, x_t=x_t, carry=carry)
        for n in a.node["body"]:
            values[n["out"]] = apply(n, values, a.dims, a.like)
        carry = values[a.node["carry"]]
        emitted.append(values[a.node["emit"]])
    return torch.stack(emitted, d)


def norm_over(a, x, *affine):
    shape = x.shape[x.dim() - a.get("normalized_dims", 1):]
    w, b = (list(affine) + [None, None])[:2]
    return F.layer_norm(x, shape, w, b, a.get("eps", 1e-5))


def rms_norm(a, x, w=None):
    dims = list(range(x.dim() - a.get("normalized_dims", 1), x.dim()))
    y = x / (x.square().mean(dims, keepdim=True) + a.get("eps", 1e-5)).sqrt()
    return y if w is None else y * w


def pad(a, x):
    mode = a.node.get("mode", "constant")
    return F.pad(x, a.get("pad"), mode, float(a.get("value", 0))) if mode == "constant" else None


def compared(f):
    return lambda a, x, y: f(x, y)


OPS = {
    "reduce": reduce, "conv": conv, "conv_transpose": conv_transpose, "max_pool": max_pool,
    "avg_pool": avg_pool, "matmul": matmul, "gather": gather, "scatter": scatter, "slice": slice_of,
    "topk": topk, "top_p": top_p, "grouped_matmul": grouped_matmul, "quantize": quantize,
    "dequantize": dequantize, "lstm": recurrent(torch.nn.LSTM, 4), "gru": recurrent(torch.nn.GRU, 3),
    "scan": scan, "layer_norm": norm_over, "rms_norm": rms_norm, "pad": pad,
    "sort": lambda a, x: in_order(a, x).values, "argsort": lambda a, x: in_order(a, x).indices,
    "einsum": lambda a, *xs: torch.einsum(a.get("equation"), *xs),
    "linear": lambda a, x, w, b=None: F.linear(x, w, b),
    "batch_norm": lambda a, x, w=None, b=None: F.batch_norm(x, None, None, w, b, True, 0.1,
                                                            a.get("eps", 1e-5)),
    "group_norm": lambda a, x, w=None, b=None: F.group_norm(x, a.get("num_groups"), w, b,
                                                            a.get("eps", 1e-5)),
    "softmax": lambda a, x: F.softmax(x, a.axis(x)),
    "log_softmax": lambda a, x: F.log_softmax(x, a.axis(x)),
    "cross_entropy": lambda a, x, t: F.cross_entropy(x, t.long()),
    "cumsum": lambda a, x: torch.cumsum(x, a.axis(x)), "cumprod": lambda a, x: torch.cumprod(x, a.axis(x)),
    "permute": lambda a, x: x.permute(a.get("dims")), "flip": lambda a, x: x.flip(a.get("dims")),
    "roll": lambda a, x: torch.roll(x, a.get("shifts"), a.get("dims")),
    "reshape": lambda a, x: x.reshape(a.get("shape")), "expand": lambda a, x: x.expand(a.get("shape")),
    "full": lambda a: torch.full(a.get("shape"), float(a.get("value")), dtype=torch.float64).to(a.like),
    "iota": lambda a: torch.arange(a.get("length")).to(a.like),
    "concat": lambda a, *xs: torch.cat(xs, a.axis(xs[0])),
    "tril": lambda a, x: torch.tril(x, a.get("diagonal", 0)),
    "triu": lambda a, x: torch.triu(x, a.get("diagonal", 0)),
    "masked_fill": lambda a, x, m: x.masked_fill(m != 0, a.get("value")),
    "where": lambda a, c, x, y: torch.where(c != 0, x, y),
    "cast": lambda a, x: x,
    "clamp": lambda a, x: torch.clamp(x, a.get("min"), a.get("max")),
    "pow": lambda a, x: torch.pow(x, a.get("exponent")),
    "elu": lambda a, x: F.elu(x, a.get("alpha", 1.0)),
    "leaky_relu": lambda a, x: F.leaky_relu(x, a.get("slope", 0.01)),
    "gelu": lambda a, x: F.gelu(x, approximate=a.get("approximate", "none")),
    "softplus": lambda a, x: F.softplus(x, a.get("beta", 1), a.get("threshold", 20)),
    "huber": lambda a, x: F.smooth_l1_loss(x, torch.zeros_like(x), reduction="none", beta=a.get("beta", 1)),
    "logical_and": compared(lambda x, y: (x != 0) & (y != 0)),
    "logical_or": compared(lambda x, y: (x != 0) | (y != 0)),
    "logical_not": lambda a, x: x == 0,
}
for name in "abs exp log sqrt square neg sin cos tanh sigmoid relu selu".split():
    OPS[name] = lambda a, x, f=getattr(torch, name): f(x)
for name in "mish hardswish hardsigmoid silu".split():
    OPS[name] = lambda a, x, f=getattr(F, name): f(x)
for name in "add sub mul maximum minimum eq ne lt le gt ge".split():
    OPS[name] = compared(getattr(torch, name))
OPS["div"] = compared(torch.true_divide)


def operand(v, values, like=DOUBLE):
    if isinstance(v, str) and v in values:
        x = values[v]
        x = x if isinstance(x, torch.Tensor) else torch.from_numpy(x)
        return x.double() if like is DOUBLE else x
    return torch.tensor(float(v), dtype=torch.float64).to(like)


def apply(node, values, dims, like=DOUBLE):
    return OPS[node["op"]](Attributes(node, dims, like), *[operand(v, values, like) for v in node.get("in", [])])


def node(node, values, dims):
    """The node's result in float64, or None."""
    if node["op"] not in OPS:
        return None
    result = apply(node, values, dims)
    return None if result is None else result.double()


def size(node, values, dims):
    """What a difference may be compared with besides the result: a sum that cancels is as exact as
    what it adds up."""
    if node["op"] != "reduce" or node["fn"] not in ("sum", "mean"):
        return 0.0
    x = operand(node["in"][0], values).abs()
    most = reduce(Attributes(node, dims), x)
    return float(most[torch.isfinite(most)].max()) if most.numel() and torch.isfinite(most).any() else 0.0
