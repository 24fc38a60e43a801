#!/usr/bin/env python3
"""Compares `warpsmith reference` with PyTorch in float64.

    check.py [--only TEXT]     all problems of KernelBench with KERNELBENCH_DIR, a checkout of
                               ScalingIntelligence/KernelBench: upstream's own modules at reduced sizes
    check.py --ops [SPEC...]   every node of every spec against our own statement of its op in PyTorch;
                               this is what runs without a checkout

Contents are made here and passed as .npy files. Prints a line for all that is not equal, and counts; exit 1
when anything differs.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "specs/kernelbench"), str(ROOT / "tests/torch"), str(ROOT / "harness/baseline")]
import notation  # noqa: E402
import torch_ops  # noqa: E402
import upstream  # noqa: E402
from upstream import Mismatch  # noqa: E402

TOLERANCE = 1e-9


class Skipped(Exception):
    """Not comparable, and why."""


def reference(spec, inputs, dims, work):
    """Runs `warpsmith reference`; name -> array of what it wrote."""
    given, made = work / "in", work / "out"
    for folder in (given, made):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    for name, value in inputs.items():
        numpy.save(given / f"{name}.npy", value)
    command = [str(ROOT / "warpsmith"), "reference", str(spec), "--in", str(given), "--out", str(made)]
    for name, value in dims.items():
        command += ["--dim", f"{name}={value}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Mismatch(done.stderr.strip().split("\n")[0])
    return {f.stem: numpy.load(f) for f in made.glob("*.npy")}


def worst_difference(got, want, size=0.0):
    """Largest difference, relative to the element, to the root mean square of all, or to `size`."""
    want = numpy.asarray(want, dtype=numpy.float64)
    got = numpy.asarray(got, dtype=numpy.float64)
    if got.shape != want.shape:
        raise Mismatch(f"shape {list(got.shape)}, PyTorch's is {list(want.shape)}")
    if not want.size:
        return 0.0
    same = (got == want) | (numpy.isnan(got) & numpy.isnan(want))
    finite = numpy.isfinite(want)
    if not (same | finite).all():
        return float("inf")
    size = max(size, numpy.sqrt(numpy.mean(want[finite] ** 2)) if finite.any() else 1.0)
    with numpy.errstate(invalid="ignore"):
        d = numpy.where(same, 0.0, numpy.abs(got - want) / numpy.maximum(numpy.abs(want), size or 1.0))
    return float(d.max()) if not numpy.isnan(d).any() else float("inf")


def plain(t):
    """As the reference takes it: what f32 holds."""
    return t.detach().to(torch.float32) if t.is_floating_point() else t.detach()


# ---- upstream ----

def dims_of(p):
    rows = p.checks[1] if len(p.checks) > 1 else p.checks[0]
    return {d: p.compare.get(d, p.dims[d] if d in p.fixed else rows[d]) for d in p.dims}


def tensors(values):
    return [v for v in values if isinstance(v, torch.Tensor)]


def spec_shape(p, v, dims):
    """Extents of a tensor of the table at these dims."""
    scope = dict(dims, ceil_div=lambda a, b: -(-a // b), min=min, max=max)
    return [eval(str(e).replace("/", "//"), {}, scope) for e in v.shape]


def check_full_shapes(p, checkout):
    with upstream.shapes_only():
        given = tensors(upstream.load(checkout, p, None)["get_inputs"]())
    wanted = [v for v in p.inputs if v.name not in p.extra]
    if len(given) != len(wanted):
        raise Mismatch(f"{len(wanted)} inputs, upstream has {len(given)}")
    for v, t in zip(wanted, given):
        if spec_shape(p, v, p.dims) != list(t.shape):
            raise Mismatch(f"'{v.name}' is {spec_shape(p, v, p.dims)} at the benchmark shape, "
                           f"upstream's is {list(t.shape)}")


def match_weights(p, model, dims):
    """Weights of the table -> parameters and buffers of the model; each must have its partner."""
    state = {k: t for k, t in model.state_dict().items()
             if not k.endswith(("num_batches_tracked", "running_mean", "running_var"))}
    unused = {k for k in state if any(k == u or k.startswith(u + ".") for u in p.unused)}
    by_name = {k.replace(".", "_"): k for k in state if k not in unused}
    out = {}
    for w in p.weights:
        key = by_name.pop(w.name, None)
        if key is None:
            raise Mismatch(f"upstream has no parameter '{w.name}'")
        if spec_shape(p, w, dims) != list(state[key].shape):
            raise Mismatch(f"'{w.name}' is {spec_shape(p, w, dims)}, upstream's is "
                           f"{list(state[key].shape)}")
        out[w] = (key, state[key])
    if by_name:
        raise Mismatch(f"the spec lacks upstream's {', '.join(by_name.values())}")
    return out


def check_init(w, made, own):
    """The spec's contents and upstream's own, as two samples of one distribution."""
    a, b = made.astype(numpy.float64).ravel(), own.double().numpy().ravel()
    if w.init["dist"] in ("const", "expr", "setup"):
        if worst_difference(a, b) > 1e-6:
            raise Mismatch(f"'{w.name}' begins with other values than upstream's")
    elif a.size >= 64:
        sure = 6 / numpy.sqrt(a.size)
        spread = b.std()
        if abs(a.std() - spread) > sure * spread or abs(a.mean() - b.mean()) > 2 * sure * spread:
            raise Mismatch(f"'{w.name}' begins with mean {a.mean():.3g} and deviation {a.std():.3g}, "
                           f"upstream's with {b.mean():.3g} and {spread:.3g}")


def check_upstream(p, checkout, work):
    torch.manual_seed(7)
    spec = ROOT / f"specs/kernelbench/level{p.level}/{p.short}.json"
    if not spec.exists():
        raise Skipped("the spec is not there")
    check_full_shapes(p, checkout)
    dims = dims_of(p)
    module = upstream.load(checkout, p, dims)
    model = module["Model"](*module["get_init_inputs"]()).train()
    made = reference(spec, {}, dims, work)
    weights = match_weights(p, model, dims)
    state = model.state_dict()
    contents = {}
    for w, (key, own) in weights.items():
        check_init(w, made[w.name], own)
        if w.init["dist"] == "const" and own.is_floating_point():
            # ones and zeros would hide a norm that ignores them
            state[key] = own + 0.25 * torch.randn(own.shape)
        contents[w.name] = plain(state[key]).numpy()
        state[key] = plain(state[key])
    model = model.double()
    model.load_state_dict({k: v.double() if v.is_floating_point() else v for k, v in state.items()})
    given = tensors(module["get_inputs"]())
    named = [v for v in p.inputs if v.name not in p.extra]
    for v, t in zip(named, given):
        if spec_shape(p, v, dims) != list(t.shape):
            t = torch.rand(spec_shape(p, v, dims)) # a size that upstream gives to its inputs only
        elif v.init["dist"] != "setup": # those may hang on one random number
            check_init(v, made[v.name], t)
        contents[v.name] = plain(t).numpy()
    for name in p.extra:
        contents[name] = made[name]
    as_torch = {n: torch.from_numpy(a).double() if a.dtype.kind == "f" else torch.from_numpy(a)
                for n, a in contents.items()}
    literals = [v for v in module["get_inputs"]() if not isinstance(v, torch.Tensor)]
    arguments = [as_torch[v.name] for v in named] + literals
    with upstream.drawn([as_torch[n] for n in p.extra]) as queue, torch.no_grad():
        want = model(*arguments)
    if queue:
        raise Mismatch("upstream's forward() drew less than the spec")
    want = want if isinstance(want, (tuple, list)) else [want]
    got = reference(spec, contents, dims, work)
    return max(worst_difference(got[v.name], w.numpy()) for v, w in zip(p.outputs, want))


# ---- our own statement ----

def check_nodes(path, work):
    """All nodes of a spec become outputs; each is computed by PyTorch from the reference's operands, so
    that a node is judged alone."""
    spec = json.loads(path.read_text())
    name = work / "nodes.json"
    mutated = set(spec.get("mutates", []))
    everything = [n["out"] for n in spec["graph"]] + [o for o in spec["outputs"] if o in mutated]
    name.write_text(json.dumps({**spec, "outputs": everything}))
    dims = {**spec["dims"], **spec["check"][min(1, len(spec["check"]) - 1)]}
    values = reference(name, {}, dims, work)
    worst = 0.0
    for node in spec["graph"]:
        want = torch_ops.node(node, values, dims)
        if want is None:
            raise Skipped(f"no statement of '{node['op']}' in PyTorch")
        try:
            d = worst_difference(values[node["out"]], want.numpy(), torch_ops.size(node, values, dims))
        except Mismatch as e:
            raise Mismatch(f"node '{node['out']}' ({node['op']}): {e}")
        if not d <= TOLERANCE:
            raise Mismatch(f"node '{node['out']}' ({node['op']}) differs by {d:.3g}")
        worst = max(worst, d)
    return worst


# ---- counting ----

def run(jobs, verbose):
    equal, skipped, failed = 0, [], []
    with tempfile.TemporaryDirectory() as folder:
        for label, job in jobs:
            try:
                worst = job(pathlib.Path(folder))
                if not worst <= TOLERANCE:
                    raise Mismatch(f"differs by {worst:.3g}")
                equal += 1
                if verbose:
                    print(f"{label}: equal, worst difference {worst:.2g}", flush=True)
            except Skipped as e:
                skipped.append(label)
                print(f"{label}: not comparable: {e}", flush=True)
            except Exception as e: # upstream's code may raise anything
                failed.append(label)
                print(f"{label}: {'' if isinstance(e, Mismatch) else type(e).__name__ + ': '}{e}",
                      flush=True)
    print(f"checked {len(jobs) - len(skipped)}, "
          f"equal {equal}, not comparable {len(skipped)}, different {len(failed)}")
    return 1 if failed or not equal else 0


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--only", default="", help="problems whose path contains this")
    options.add_argument("--ops", action="store_true", help="our own statement of each op")
    options.add_argument("-v", action="store_true", help="a line for what is equal too")
    options.add_argument("spec", nargs="*")
    o = options.parse_args()
    checkout = os.environ.get("KERNELBENCH_DIR")
    if checkout and not o.ops:
        checkout = pathlib.Path(checkout)
        print(f"against upstream's modules, PyTorch {torch.__version__}")
        jobs = [(p.source, lambda work, p=p: check_upstream(p, checkout, work))
                for p in notation.all_problems() if o.only in p.source]
    else:
        if not o.ops:
            print("KERNELBENCH_DIR names no checkout of KernelBench; against our own statement of each op")
        paths = [pathlib.Path(s) for s in o.spec] or sorted((ROOT / "specs").rglob("*.json"))
        jobs = [(str(f.relative_to(ROOT) if f.is_absolute() else f), lambda work, f=f: check_nodes(f, work))
                for f in paths if o.only in str(f)]
    sys.exit(run(jobs, o.v))


main()
