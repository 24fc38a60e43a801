#!/usr/bin/env python3
"""Times PyTorch on a spec, on the GPU at hand: eager, and torch.compile. Writes every sample, with what was
measured on what, as JSON that `warpsmith bench --vs FILE.json` reads (docs/baselines.md).

    torch_baseline.py SPEC.json [--shape N|bench] [--modes eager,compile] [--samples 100] [--allow-tf32] [-o FILE]

Needs PyTorch and a CUDA device (or --device cpu, for trying it). Each sample is one evaluation between two events on
inputs that are rotated, after a write of twice the L2 cache; warm-up goes on until the median of the last ten evaluations
is within 1 % of that of the ten before."""

import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

SETS = 4            # of inputs, rotated
MANY_BYTES = 1 << 28
WARM_UP = 200       # evaluations at most
MODES = ("eager", "compile", "compile-max-autotune")
DTYPES = {"f64": "float64", "f32": "float32", "tf32": "float32", "f16": "float16", "bf16": "bfloat16",
          "i64": "int64", "i32": "int32", "i16": "int16", "i8": "int8", "u8": "uint8", "bool": "bool"}


class Refused(Exception):
    """What cannot be measured, in a sentence."""


# ---- the spec ----

def dims_of(spec, shape):
    dims = dict(spec["dims"])
    if shape != "bench":
        checks = spec.get("check", [])
        if not shape.isdigit() or int(shape) >= len(checks):
            raise Refused(f"--shape {shape}: the spec has check shapes 0 to {len(checks) - 1}, and bench")
        dims.update(checks[int(shape)])
    return dims


def tensors_of(spec):
    return spec.get("inputs", []) + spec.get("weights", [])


def make_tensor(torch, ops, tensor, dims, device):
    """Contents by the tensor's init, of its dtype."""
    if tensor["dtype"] not in DTYPES:
        raise Refused(f"tensor '{tensor['name']}': PyTorch has no dtype for {tensor['dtype']}")
    dtype = getattr(torch, DTYPES[tensor["dtype"]])
    shape = [ops.number(d, dims) for d in tensor["shape"]]
    init = tensor.get("init", {"dist": "normal"})
    kind = init.get("dist", "normal")
    real = lambda key, default: float(ops.number(init.get(key, default), dims))  # noqa: E731
    if kind == "uniform":
        values = torch.rand(shape) * (real("hi", 1) - real("lo", 0)) + real("lo", 0)
    elif kind == "normal":
        values = torch.randn(shape) * real("std", 1) + real("mean", 0)
    elif kind == "fan_in":
        bound = real("gain", 1) / real("fan_in", 1) ** 0.5
        values = (torch.rand(shape) * 2 - 1) * bound
    elif kind == "randint":
        values = torch.randint(int(real("lo", 0)), int(real("hi", 2)), shape)
    elif kind == "bernoulli":
        values = (torch.rand(shape) < real("p", 0.5))
    elif kind == "const":
        values = torch.full(shape, real("value", 0))
    elif kind == "arange":
        count = 1
        for n in shape:
            count *= n
        values = (torch.arange(count) * real("step", 1) + real("start", 0)).reshape(shape)
    else:
        raise Refused(f"tensor '{tensor['name']}': inputs of dist '{kind}' are not made here")
    return values.to(dtype).to(device)


def program_of(torch, ops, spec, dims, device):
    """The graph as a function of its tensors."""
    for node in spec["graph"]:
        if node["op"] not in ops.OPS:
            raise Refused(f"op '{node['op']}' has no PyTorch form here")
    names = [t["name"] for t in tensors_of(spec)]
    like = torch.zeros((), dtype=getattr(torch, DTYPES[spec.get("precision", "f32")])).to(device)

    def run(*tensors):
        values = dict(zip(names, tensors))
        for node in spec["graph"]:
            result = ops.apply(node, values, dims, like)
            if result is None:
                raise Refused(f"op '{node['op']}' with these attributes has no PyTorch form here")
            if node["op"] == "cast" or (node.get("dtype") in DTYPES and node["op"] not in ("quantize", "dequantize")):
                result = result.to(getattr(torch, DTYPES[node.get("dtype", "f32")]))
            values[node["out"]] = result
        return [values[o] for o in spec["outputs"]]
    return run


# ---- time ----

class Cuda:
    """Events on the current stream."""

    def __init__(self, torch):
        self.torch = torch
        properties = torch.cuda.get_device_properties(0)
        l2 = getattr(properties, "L2_cache_size", 0) or 64 << 20
        self.flush = torch.empty(2 * l2, dtype=torch.uint8, device="cuda")

    def time(self, run, tensors):
        start, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.flush.zero_()
        start.record()
        run(*tensors)
        end.record()
        end.synchronize()
        return start.elapsed_time(end) * 1e-3


class Cpu:
    def __init__(self, torch):
        pass

    def time(self, run, tensors):
        start = time.perf_counter()
        run(*tensors)
        return time.perf_counter() - start


def settle(clock, run, sets):
    """Warm-up until times are steady; how many evaluations it took, and whether they are."""
    times = []
    while len(times) < WARM_UP:
        times.append(clock.time(run, sets[len(times) % len(sets)]))
        if len(times) >= 20:
            before, now = statistics.median(times[-20:-10]), statistics.median(times[-10:])
            if abs(now - before) <= 0.01 * before:
                return len(times), True
    return len(times), False


def measure(torch, clock, mode, run, sets, samples):
    if mode != "eager":
        options = {"mode": "max-autotune"} if mode.endswith("max-autotune") else {}
        run = torch.compile(run, **options)
    warm_up, settled = settle(clock, run, sets)
    seconds = [max(clock.time(run, sets[i % len(sets)]), 1e-9) for i in range(samples)]
    return {"name": "torch " + mode, "mode": mode, "regime": "cold", "seconds": seconds, "warm_up": warm_up,
            "settled": settled}


# ---- where ----

def clocks():
    """What nvidia-smi says of clocks, power and throttling, or nothing."""
    fields = "clocks.sm,clocks.mem,clocks.max.sm,power.draw,temperature.gpu,clocks_throttle_reasons.active,driver_version"
    try:
        done = subprocess.run(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits", "--id=0"],
                              capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    return dict(zip(fields.split(","), (v.strip() for v in done.stdout.strip().split(","))))


def device_of(torch, device):
    if device == "cpu":
        return {"name": platform.processor() or platform.machine(), "kind": "cpu"}
    p = torch.cuda.get_device_properties(0)
    return {"name": p.name, "kind": "gpu", "capability": f"{p.major}.{p.minor}", "sms": p.multi_processor_count,
            "memory_bytes": p.total_memory}


def versions(torch):
    cudnn = getattr(getattr(torch, "backends", None), "cudnn", None)
    return {"python": platform.python_version(), "torch": str(torch.__version__),
            "cuda": str(getattr(torch.version, "cuda", None)),
            "cudnn": str(cudnn.version()) if cudnn and hasattr(cudnn, "version") else None}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("spec", help="a spec's file, or '-' for standard input (warpsmith spec show SPEC)")
    parser.add_argument("--shape", default="bench", help="check shape N, from 0, or bench")
    parser.add_argument("--modes", default="eager,compile", help="of " + ", ".join(MODES))
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--allow-tf32", action="store_true", help="products of f32 may round to TF32")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", default="-")
    return parser.parse_args()


def baseline(torch, ops, args):
    spec = json.load(sys.stdin if args.spec == "-" else open(args.spec, encoding="utf-8"))
    modes = args.modes.split(",")
    if args.samples < 1 or any(m not in MODES for m in modes):
        raise Refused(f"--modes {args.modes}, --samples {args.samples}: modes are {', '.join(MODES)}; samples from 1 on")
    if args.device == "cuda" and not torch.cuda.is_available():
        raise Refused("PyTorch sees no CUDA device")
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = args.allow_tf32
    torch.backends.cudnn.allow_tf32 = args.allow_tf32
    dims = dims_of(spec, args.shape)
    first = [make_tensor(torch, ops, t, dims, args.device) for t in tensors_of(spec)]
    many = sum(t.numel() * t.element_size() for t in first) > MANY_BYTES
    sets = [first] + [[make_tensor(torch, ops, t, dims, args.device) for t in tensors_of(spec)]
                      for _ in range(1 if many else SETS - 1)]
    run = program_of(torch, ops, spec, dims, args.device)
    clock = (Cuda if args.device == "cuda" else Cpu)(torch)
    precision = {"in": spec.get("precision", "f32"), "accumulate": spec.get("accumulate", "f32"),
                 "allow_tf32": args.allow_tf32}
    before = clocks() if args.device == "cuda" else None
    runs, refused = [], []
    with torch.no_grad():
        for mode in modes:
            try:
                runs.append({**measure(torch, clock, mode, run, sets, args.samples), "precision": precision})
            except Refused:
                raise
            except Exception as e:  # torch.compile fails in many ways; the other modes stand
                refused.append({"mode": mode, "why": re.sub(r"\s+", " ", f"{type(e).__name__}: {e}")[:300]})
    if not runs:
        raise Refused("; ".join(f"{r['mode']}: {r['why']}" for r in refused))
    return {"schema": 1, "kind": "baseline", "spec": spec["name"], "dims": dims, "device": device_of(torch, args.device),
            "versions": versions(torch), "clocks": {"before": before, "after": clocks() if before else None},
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "seed": args.seed, "runs": runs,
            "failed": refused}


def main():
    args = arguments()
    try:
        import torch
        import torch_ops
    except ImportError as e:
        sys.exit(f"torch_baseline: {e}; this needs a Python with PyTorch")
    try:
        result = baseline(torch, torch_ops, args)
    except (Refused, OSError, ValueError, KeyError) as e:
        sys.exit(f"torch_baseline: {e}")
    text = json.dumps(result, indent=1) + "\n"
    if args.out == "-":
        sys.stdout.write(text)
    else:
        with open(args.out + ".part", "w", encoding="utf-8") as f:
            f.write(text)
        os.replace(args.out + ".part", args.out)


if __name__ == "__main__":
    main()
