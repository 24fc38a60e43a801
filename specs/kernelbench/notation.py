"""The notation of problems/*.txt, and what it means.

A file is a list of blocks; what stands before the first one is shared by all of them.

    == 12_Gemm_Multiply_LeakyReLU_            the problem's number and name upstream
    dims  B=1024 I=8192 O=8192                 benchmark values, in order
    check 3 17 9 / 1 5 33                      check shapes: values in the order of dims
    note  ...                                  shown to the model
    x = rand(B, I)
    y = linear(x, "gemm", I, O) * 2.0
    leaky_relu(y, 0.1)                         the last value is the output

Below the head, a block is Python: dims are symbols, functions make tensors and nodes, and loops and
functions stand for repeated parts. A weight is called as in upstream's state_dict, with _ for the
dot: linear(x, "gemm", ...) makes gemm_weight and gemm_bias.

For the check against upstream (tests/torch): C=64:in_channels,width says which of upstream's constants
the dim is (usual names are known, see ALIASES); C=64! that upstream has no constant for it, so that
only 64 can be compared; H=224? that the number stands in upstream's get_inputs() alone, so that the
model takes any. "torch B=2 C=64" sets dims of that comparison, which otherwise runs at the second check
shape; "literals 64=U 128=2*U" replaces numbers inside of upstream's source, for models whose widths
stand there, and so lifts the "!". "unused NAME..." lists parameters that upstream's forward() never
reads; "extra NAME..." inputs that its forward() draws itself. A line may be continued by another that
begins with the same word.
"""

import ast
import math
import pathlib
import re

# Names that upstream gives to the sizes; the value must agree too.
ALIASES = {
    "B": "batch_size batch b N", "C": "in_channels features channels num_features",
    "K": "out_channels K k", "H": "height height_in H dim1", "W": "width width_in W dim2",
    "D": "depth depth_in D", "L": "length sequence_length input_length seq_len seq_length",
    "I": "in_features input_size", "O": "out_features output_size hidden_size",
    "G": "num_groups groups", "S": "sequence_length seq_len seq_length", "M": "M m", "N": "N n dim",
}

UNARY = ("relu sigmoid tanh exp log abs square sqrt neg selu mish hardswish hardsigmoid logical_not"
         ).split()
BINARY = "maximum minimum eq ne lt le gt ge".split()
REDUCE = "sum mean max min prod argmax argmin logsumexp l2norm".split()


class Expr:
    """An integer expression over dims, as text of the spec's language."""

    def __init__(self, text, strength=9):
        self.text, self.strength = text, strength

    def __str__(self):
        return self.text

    def _in(self, strength):
        return self.text if self.strength >= strength else "(" + self.text + ")"

    def _join(self, sign, other, strength, swapped=False):
        a, b = as_expr(self), as_expr(other)
        a, b = (b, a) if swapped else (a, b)
        space = " " if sign in "+-" else ""
        left, right = (2, 4) if sign in "/%" else (strength, strength + (sign == "-"))
        return Expr(f"{a._in(left)}{space}{sign}{space}{b._in(right)}", strength)

    # Strengths: 0 a negative number, 1 a sum, 2 a quotient, 3 a product, 9 a name or number.
    def __add__(self, o): return self if o == 0 else self._join("+", o, 1)
    def __radd__(self, o): return self if o == 0 else self._join("+", o, 1, True)
    def __sub__(self, o): return self if isinstance(o, int) and o == 0 else self._join("-", o, 1)
    def __rsub__(self, o): return self._join("-", o, 1, True)
    def __mul__(self, o): return self if isinstance(o, int) and o == 1 else self._join("*", o, 3)
    def __rmul__(self, o): return self if o == 1 else self._join("*", o, 3, True)
    def __floordiv__(self, o): return self if isinstance(o, int) and o == 1 else self._join("/", o, 2)
    def __rfloordiv__(self, o): return self._join("/", o, 2, True)
    def __mod__(self, o): return self._join("%", o, 2)
    def __eq__(self, o): return isinstance(o, Expr) and self.text == o.text
    def __hash__(self): return hash(self.text)


def as_expr(v):
    return v if isinstance(v, Expr) else Expr(str(v), 9 if v >= 0 else 0)


def ceil_div(a, b):
    if isinstance(a, int) and isinstance(b, int):
        return -(-a // b)
    return Expr(f"ceil_div({a}, {b})")


def product(values):
    out = 1
    for v in values:
        out = out * v
    return out


class Value:
    """An input, a weight, or the result of a node."""

    def __init__(self, problem, name=None, op=None, operands=(), attrs=None):
        self.problem, self.name, self.op = problem, name, op
        self.operands, self.attrs = list(operands), attrs or {}
        self.in_setup = False
        self.body = None # of a scan

    def _node(self, op, *operands):
        return self.problem.node(op, *operands)

    def __add__(self, o): return self._node("add", self, o)
    def __radd__(self, o): return self._node("add", o, self)
    def __sub__(self, o): return self._node("sub", self, o)
    def __rsub__(self, o): return self._node("sub", o, self)
    def __mul__(self, o): return self._node("mul", self, o)
    def __rmul__(self, o): return self._node("mul", o, self)
    def __truediv__(self, o): return self._node("div", self, o)
    def __rtruediv__(self, o): return self._node("div", o, self)
    def __neg__(self): return self._node("neg", self)


class Problem:
    def __init__(self, level, number, upstream):
        self.level, self.number, self.upstream = level, number, upstream
        self.title = self.note = None
        self.dims = {}      # name: benchmark value
        self.aliases = {}   # name: upstream's constants
        self.fixed = set()  # dims that upstream's model has no constant for
        self.free = set()   # dims that only its inputs show
        self.checks = []
        self.literals = {}  # number in upstream's source: what stands for it, over dims
        self.compare = {}   # dims of the comparison that differ from the second check shape
        self.unused, self.extra = [], []
        self.inputs, self.weights = [], []
        self.setup_tensors, self.setup_nodes = [], []
        self.nodes, self.outputs = [], []
        self._open = self.nodes # where nodes go: the graph, or the body of a scan

    @property
    def short(self):
        name = re.sub(r"_+", "_", re.sub(r"[^a-z0-9]+", "_", self.upstream.lower())).strip("_")
        return f"{self.number:03d}_{name}"

    @property
    def source(self):
        return f"level{self.level}/{self.number}_{self.upstream}.py"

    # ---- tensors ----

    def tensor(self, kind, name, shape, init, dtype="f32"):
        v = Value(self, name)
        v.shape, v.init, v.dtype = list(shape), init, dtype
        v.in_setup = kind is self.setup_tensors
        kind.append(v)
        return v

    def weight(self, name, shape, init, dtype="f32"):
        return self.tensor(self.weights, name.replace(".", "_"), shape, init, dtype)

    # ---- nodes ----

    def node(self, op, *operands, **attrs):
        v = Value(self, None, op, operands, {k: a for k, a in attrs.items() if a is not None})
        v.in_setup = any(isinstance(o, Value) and o.in_setup for o in operands)
        (self.setup_nodes if v.in_setup else self._open).append(v)
        return v

    def finish(self, result):
        self.outputs = list(result) if isinstance(result, (list, tuple)) else [result]
        taken = set(self.dims)
        for tensors in (self.inputs, self.weights, self.setup_tensors):
            for i, v in enumerate(tensors):
                v.name = v.name or ("r" if tensors is self.setup_tensors else "x") + str(i or "")
                if v.name in taken:
                    raise ValueError(f"{self.source}: two things are called {v.name}")
                taken.add(v.name)
        bodies = [b for n in self.nodes if n.body for b in n.body]
        for i, v in enumerate(self.setup_nodes + self.nodes + bodies):
            v.name = v.name or f"{v.op}{i}"
            if v.name in taken:
                v.name += "_"
            if v.name in taken:
                raise ValueError(f"{self.source}: two things are called {v.name}")
            taken.add(v.name)


def tuple_of(v, n):
    return list(v) if isinstance(v, (tuple, list)) else [v] * n


def vocabulary(p):
    """The names that a block may use, for problem p."""
    U = {"dist": "uniform", "lo": 0, "hi": 1}

    def fan(n, gain=None):
        init = {"dist": "fan_in", "fan_in": n}
        return init if gain is None else {**init, "gain": gain}

    def const(v):
        return {"dist": "const", "value": v}

    def rand(*shape):
        return p.tensor(p.inputs, None, shape, U)

    def randn(*shape):
        return p.tensor(p.inputs, None, shape, {"dist": "normal", "mean": 0, "std": 1})

    def randint(lo, hi, *shape, dtype="i64"):
        return p.tensor(p.inputs, None, shape, {"dist": "randint", "lo": lo, "hi": hi}, dtype)

    def bernoulli(prob, *shape):
        return p.tensor(p.inputs, None, shape, {"dist": "bernoulli", "p": prob})

    def zeros_in(*shape):
        return p.tensor(p.inputs, None, shape, const(0))

    # Drawn for the setup, which computes inputs once.
    def draw(*shape):
        return p.tensor(p.setup_tensors, None, shape, U, "f64")

    def draw_bits(*shape):
        return p.tensor(p.setup_tensors, None, shape, {"dist": "bernoulli", "p": 0.5}, "f64")

    def indices(*shape, expr):
        return p.tensor(p.setup_tensors, None, shape, {"dist": "expr", "value": expr}, "f64")

    def made(shape, value):
        return p.tensor(p.inputs, None, shape, {"dist": "setup", "value": value})

    # ---- weights ----

    def param(name, *shape, std=1):
        return p.weight(name, shape, {"dist": "normal", "mean": 0, "std": std})

    def param_const(name, v, *shape):
        return p.weight(name, shape, const(v))

    def param_init(name, shape, init, dtype="f32"):
        return p.weight(name, shape, init, dtype)

    def param_made(name, shape, value, dtype="f32"):
        return p.weight(name, shape, {"dist": "setup", "value": value}, dtype)

    # ---- layers ----

    def linear(x, name, i, o, bias=True):
        w = p.weight(name + "_weight", [o, i], fan(i))
        b = [p.weight(name + "_bias", [o], fan(i))] if bias else []
        return p.node("linear", x, w, *b)

    def unread_linear(name, i, o):
        """The parameters of a layer that upstream makes and never calls."""
        p.weight(name + "_weight", [o, i], fan(i))
        p.weight(name + "_bias", [o], fan(i))

    def conv_nd(nd, op):
        def conv(x, name, cin, cout, k, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 output_padding=0):
            k = tuple_of(k, nd)
            # PyTorch takes the second extent of the weights as the fan-in of a transposed one too.
            first, second = (cin, cout) if op == "conv_transpose" else (cout, cin)
            second = second if groups == 1 else 1 if second == groups else second // groups
            n = product(k) * second
            w = p.weight(name + "_weight", [first, second] + k, fan(n))
            b = [p.weight(name + "_bias", [cout], fan(n))] if bias else []
            attrs = {"stride": tuple_of(stride, nd), "padding": tuple_of(padding, nd),
                     "dilation": tuple_of(dilation, nd), "groups": groups}
            if op == "conv_transpose":
                attrs["output_padding"] = tuple_of(output_padding, nd)
            return p.node(op, x, w, *b, **attrs)
        return conv

    def affine(name, shape):
        if name is None:
            return []
        return [p.weight(name + "_weight", shape, const(1)), p.weight(name + "_bias", shape, const(0))]

    def batch_norm(x, name, c, eps=1e-5):
        return p.node("batch_norm", x, *affine(name, [c]), eps=eps)

    def group_norm(x, name, groups, c, eps=1e-5):
        return p.node("group_norm", x, *affine(name, [c]), num_groups=groups, eps=eps)

    def instance_norm(x, c, eps=1e-5):
        return p.node("group_norm", x, num_groups=c, eps=eps)

    def layer_norm(x, name, *shape, eps=1e-5):
        return p.node("layer_norm", x, *affine(name, list(shape)), normalized_dims=len(shape), eps=eps)

    def pool_nd(nd, op):
        def pool(x, k, stride=None, padding=0, dilation=1, ceil_mode=False, count_include_pad=True):
            attrs = {"kernel": tuple_of(k, nd), "stride": tuple_of(k if stride is None else stride, nd),
                     "padding": tuple_of(padding, nd), "ceil_mode": ceil_mode or None}
            if op == "max_pool":
                attrs["dilation"] = tuple_of(dilation, nd)
            else:
                attrs["count_include_pad"] = count_include_pad
            return p.node(op, x, **attrs)
        return pool

    def reduction(fn):
        def reduce(x, *dims, keepdim=False):
            return p.node("reduce", x, fn=fn, dims=list(dims), keepdim=keepdim)
        return reduce

    # ---- the rest ----

    def matmul(a, b, trans_a=None, trans_b=None):
        return p.node("matmul", a, b, trans_a=trans_a, trans_b=trans_b)

    def einsum(equation, *xs):
        return p.node("einsum", *xs, equation=equation)

    def take_slice(x, dim, start, stop, step=None):
        return p.node("slice", x, dim=dim, start=start, stop=stop, step=step)

    def recurrent(op, gates):
        def run(x, name, i, h, layers, states, output, bidirectional=False, batch_first=False):
            """output: y, h_n or c_n; states: h0 (and c0)."""
            ways = 2 if bidirectional else 1
            ws = []
            for layer in range(layers):
                size = i if layer == 0 else ways * h
                for suffix in ["", "_reverse"][:ways]:
                    at = f"l{layer}{suffix}"
                    ws += [p.weight(f"{name}_weight_ih_{at}", [gates * h, size], fan(h)),
                           p.weight(f"{name}_weight_hh_{at}", [gates * h, h], fan(h)),
                           p.weight(f"{name}_bias_ih_{at}", [gates * h], fan(h)),
                           p.weight(f"{name}_bias_hh_{at}", [gates * h], fan(h))]
            return p.node(op, x, *states, *ws, num_layers=layers, bidirectional=bidirectional,
                          batch_first=batch_first, output=output)
        return run

    def scan(x, carry, outer, dim, step):
        """step(x_t, carry) -> (next carry, emitted), made of values in `outer` and their own."""
        node = p.node("scan", x, carry, *outer, dim=dim)
        body, before = [], p._open
        p._open = body
        result = step(Value(p, "x_t"), Value(p, "carry"))
        p._open = before
        node.body, node.carry, node.emit = body, result[0], result[1]
        return node

    def op(name, *operands, **attrs):
        return p.node(name, *operands, **attrs)

    names = {k: v for k, v in locals().items() if callable(v) and k not in ("conv_nd", "pool_nd",
             "reduction", "recurrent", "p")}
    names.update({
        "ceil_div": ceil_div, "sqrt_of": math.sqrt, "inf": "inf", "PROBLEM": p, "product": product,
        "leaky_relu": lambda x, slope=0.01: p.node("leaky_relu", x, slope=slope),
        "elu": lambda x, alpha=1.0: p.node("elu", x, alpha=alpha),
        "gelu": lambda x: p.node("gelu", x, approximate="none"),
        "softplus": lambda x: p.node("softplus", x, beta=1, threshold=20),
        "huber": lambda x, beta: p.node("huber", x, beta=beta),
        "power": lambda x, e: p.node("pow", x, exponent=e),
        "clamp": lambda x, lo=None, hi=None: p.node("clamp", x, min=lo, max=hi),
        "softmax": lambda x, dim: p.node("softmax", x, dim=dim),
        "log_softmax": lambda x, dim: p.node("log_softmax", x, dim=dim),
        "cumsum": lambda x, dim: p.node("cumsum", x, dim=dim),
        "cumprod": lambda x, dim: p.node("cumprod", x, dim=dim),
        "flip": lambda x, *dims: p.node("flip", x, dims=list(dims)),
        "roll": lambda x, shifts, dims: p.node("roll", x, shifts=list(shifts), dims=list(dims)),
        "reshape": lambda x, *shape: p.node("reshape", x, shape=list(shape)),
        "expand": lambda x, *shape: p.node("expand", x, shape=list(shape)),
        "permute": lambda x, *dims: p.node("permute", x, dims=list(dims)),
        "full": lambda v, *shape: p.node("full", shape=list(shape), value=v),
        "concat": lambda xs, dim: p.node("concat", *xs, dim=dim),
        "pad": lambda x, *amounts: p.node("pad", x, pad=list(amounts), value=0),
        "triu": lambda x, diagonal=0: p.node("triu", x, diagonal=diagonal),
        "tril": lambda x, diagonal=0: p.node("tril", x, diagonal=diagonal),
        "masked_fill": lambda x, mask, v: p.node("masked_fill", x, mask, value=v),
        "take_rows": lambda x, at, dim: p.node("gather", x, at, dim=dim, mode="select"),
        "take_one_per_row": lambda x, at: p.node("gather", x, at, dim=1,
                                                 mode="one_per_row"),
        "lstm": recurrent("lstm", 4), "gru": recurrent("gru", 3),
    })
    for nd in (1, 2, 3):
        names[f"conv{nd}d"] = conv_nd(nd, "conv")
        names[f"conv_transpose{nd}d"] = conv_nd(nd, "conv_transpose")
        names[f"max_pool{nd}d"] = pool_nd(nd, "max_pool")
        names[f"avg_pool{nd}d"] = pool_nd(nd, "avg_pool")
    for name in UNARY:
        names[name] = lambda x, op=name: p.node(op, x)
    for name in BINARY:
        names[name] = lambda a, b, op=name: p.node(op, a, b)
    for name in REDUCE:
        names[name] = reduction(name)
    return names


# ---- reading ----

def read_dims(p, words):
    for word in words:
        m = re.fullmatch(r"(\w+)=(\d+)([!?]?)(?::([\w,]+))?", word)
        if not m:
            raise ValueError(f"{p.source}: cannot read the dim '{word}'")
        p.dims[m[1]] = int(m[2])
        p.aliases[m[1]] = m[4].split(",") if m[4] else ALIASES.get(m[1], m[1]).split()
        if m[3]:
            (p.fixed if m[3] == "!" else p.free).add(m[1])


def read_checks(p, text):
    for row in text.split("/"):
        values = [int(v) for v in row.split()]
        if len(values) != len(p.dims):
            raise ValueError(f"{p.source}: check '{row.strip()}' has {len(values)} values for "
                             f"{len(p.dims)} dims")
        p.checks.append(dict(zip(p.dims, values)))


def run_body(p, preamble, body):
    scope = vocabulary(p)
    scope.update({d: Expr(d) for d in p.dims})
    exec(preamble, scope)
    result = None
    for statement in ast.parse(body).body:
        code = ast.Module([statement], [])
        if isinstance(statement, ast.Expr):
            result = eval(compile(ast.Expression(statement.value), p.source, "eval"), scope)
            continue
        exec(compile(code, p.source, "exec"), scope)
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            result = scope[statement.targets[0].id]
            if isinstance(result, Value) and result.name is None:
                name_by_target(p, result, statement.targets[0].id)
    p.finish(result)


def name_by_target(p, value, name):
    """Several values may be assigned to one variable: only the last is called so."""
    for tensors in (p.inputs, p.setup_tensors, p.nodes, p.setup_nodes):
        for v in tensors:
            if v.name == name and v.op:
                v.name = None
    if not any(v.name == name for v in p.inputs + p.weights + p.setup_tensors):
        value.name = name


def read_block(level, head, lines, preamble):
    number, upstream = head.split("_", 1)
    p = Problem(level, int(number), upstream)
    body = []
    for line in lines:
        word, _, rest = line.partition(" ")
        rest = rest.split("#")[0].strip() if word in ("dims", "check") else rest.strip()
        if word == "dims":
            read_dims(p, rest.split())
        elif word == "check":
            read_checks(p, rest)
        elif word == "title":
            p.title = rest
        elif word == "note":
            p.note = (p.note + " " if p.note else "") + rest
        elif word == "unused":
            p.unused = rest.split()
        elif word == "extra":
            p.extra = rest.split()
        elif word == "literals":
            p.literals.update((int(k), v) for k, v in (w.split("=") for w in rest.split()))
        elif word == "torch":
            p.compare = {k: int(v) for k, v in (w.split("=") for w in rest.split())}
        else:
            body.append(line)
    run_body(p, preamble, "\n".join(body))
    return p


def read_problems(path):
    """All problems of one file."""
    level = int(re.search(r"level(\d)", path.name)[1])
    parts = re.split(r"^== *(\S+)\n", path.read_text(), flags=re.M)
    preamble = parts[0]
    return [read_block(level, head, text.split("\n"), preamble)
            for head, text in zip(parts[1::2], parts[2::2])]


def all_problems(root=None):
    root = root or pathlib.Path(__file__).parent / "problems"
    return [p for path in sorted(root.glob("level*.txt")) for p in read_problems(path)]
