"""Upstream's module of one problem, at other sizes: its top-level constants are replaced in the source,
everything else runs as it stands."""

import ast
import contextlib
import sys
import types

import torch
import torch.nn.functional as F


class Mismatch(Exception):
    """Upstream and the spec disagree."""


def source_of(checkout, problem):
    for root in (checkout / "KernelBench", checkout):
        path = root / problem.source
        if path.exists():
            return path.read_text()
    raise Mismatch(f"no {problem.source} in the checkout")


def constants(tree):
    """Top-level assignments alone, evaluated: name -> value."""
    scope = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            with contextlib.suppress(Exception):
                exec(compile(ast.Module([statement], []), "constants", "exec"), scope)
    scope.pop("__builtins__", None)
    return scope


def assigned(statement):
    if not isinstance(statement, ast.Assign):
        return []
    return [n.id for t in statement.targets for n in ast.walk(t) if isinstance(n, ast.Name)]


def is_of(known, value):
    """The value, or a list of nothing else."""
    return known == value or (isinstance(known, (list, tuple)) and known and
                              all(k == value for k in known))


def overrides(problem, known, dims):
    """Which constants get which values. Each must have the benchmark's value before."""
    out = {}
    for dim, value in problem.dims.items():
        if dim in problem.fixed or dim in problem.free:
            continue
        names = [n for n in problem.aliases[dim] if is_of(known.get(n), value)]
        if not names:
            raise Mismatch(f"upstream has no constant {'/'.join(problem.aliases[dim])} of {value}")
        for name in names:
            old = known[name]
            out[name] = dims[dim] if old == value else type(old)([dims[dim]] * len(old))
    return out


class Literals(ast.NodeTransformer):
    """Replaces whole numbers."""

    def __init__(self, values):
        self.values = values

    def visit_Constant(self, node):
        if type(node.value) is int and node.value in self.values:
            return ast.copy_location(ast.Constant(self.values[node.value]), node)
        return node


def load(checkout, problem, dims):
    """The module's names, with the sizes of `dims` (None: as it stands)."""
    tree = ast.parse(source_of(checkout, problem))
    change = overrides(problem, constants(tree), dims) if dims else {}
    if dims:
        values = {k: eval(v, {}, dims) for k, v in problem.literals.items()}
        tree = ast.fix_missing_locations(Literals(values).visit(tree))
    body = []
    for statement in tree.body:
        body.append(statement)
        for name in assigned(statement):
            if name in change:
                text = f"{name} = {change[name]!r}"
                body += ast.parse(text).body
    scope = {"__name__": "upstream"}
    exec(compile(ast.Module(body, []), problem.source, "exec"), scope)
    return scope


# ---- what the installed PyTorch lacks, and what forward() draws ----

def attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False):
    """By its definition, where this PyTorch has no scaled_dot_product_attention."""
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    if is_causal:
        keep = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        scores = scores.masked_fill(~keep, float("-inf"))
    if attn_mask is not None:
        scores = scores + attn_mask
    return scores.softmax(-1) @ v


@contextlib.contextmanager
def drawn(extra):
    """Inside forward(), dropout and randn take the spec's inputs in their order instead."""
    queue = list(extra)
    randn, dropout = torch.randn, F.dropout

    def take_randn(*shape, **_):
        return queue.pop(0)

    def take_mask(x, p=0.5, training=True, inplace=False):
        return x * queue.pop(0) / (1 - p) if training and p > 0 else x

    torch.randn, F.dropout = take_randn, take_mask
    try:
        yield queue
    finally:
        torch.randn, F.dropout = randn, dropout


@contextlib.contextmanager
def shapes_only():
    """Random tensors without contents."""
    before = torch.rand, torch.randn, torch.randint

    def like(dtype):
        def make(*shape, **_):
            shape = shape[0] if shape and isinstance(shape[0], (tuple, list)) else shape
            return torch.empty(tuple(shape), device="meta", dtype=dtype)
        return make

    torch.rand = torch.randn = like(torch.float32)
    torch.randint = lambda lo, hi, size, **_: torch.empty(tuple(size), device="meta",
                                                          dtype=torch.int64)
    try:
        yield
    finally:
        torch.rand, torch.randn, torch.randint = before


if not hasattr(F, "scaled_dot_product_attention"):
    F.scaled_dot_product_attention = attention


def rearrange(x, pattern, **sizes):
    """einops' rearrange, where it is not installed: axes are split, permuted and joined."""
    left, right = [side.replace("(", " ( ").replace(")", " ) ").split() for side in pattern.split("->")]
    rest = [f"rest{i}" for i in range(x.dim() - len(groups_of(left, [])) + 1)] if "..." in left else []
    left, right = groups_of(left, rest), groups_of(right, rest)
    split = []
    for axes, size in zip(left, x.shape):
        known = 1
        for a in axes:
            known *= sizes.get(a, 1)
        split += [sizes.get(a, size // known if len(axes) > 1 else size) for a in axes]
    order = [a for axes in left for a in axes]
    length = dict(zip(order, split))
    x = x.reshape(split).permute([order.index(a) for axes in right for a in axes])
    shape = []
    for axes in right:
        n = 1
        for a in axes:
            n *= length[a]
        shape.append(n)
    return x.reshape(shape)


def groups_of(words, rest):
    """"b ( c l ) ..." -> [[b], [c, l], rest...]"""
    out, inside = [], False
    for w in words:
        if w in "()":
            inside = w == "("
            if inside:
                out.append([])
        elif w == "...":
            out += [[r] for r in rest] or [[w]]
        elif inside:
            out[-1].append(w)
        else:
            out.append([w])
    return out


try:
    import einops  # noqa: F401
except ImportError:
    sys.modules["einops"] = types.ModuleType("einops")
    sys.modules["einops"].rearrange = rearrange
