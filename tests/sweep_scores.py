#!/usr/bin/env python3
"""Computes a sweep's metrics from the tables of its archive, and compares them with what the program says.

    warpsmith sweep --show NAME --json --archive A.db | tests/sweep_scores.py A.db

Written from KernelBench's definitions, not from results/score.c. Exit status 1: something differs.
"""

import itertools
import json
import math
import sqlite3
import statistics
import sys

said = json.load(sys.stdin)
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
P = [0, 0.5, 0.8, 1, 1.5, 2]


def problem(row):
    position, name, flaw, model, run = row
    out = {"name": name, "group": name.rsplit("/", 1)[0], "flawed": flaw is not None, "n": 0, "c": 0, "compiled": False,
           "correct": False, "speedup": {}}
    if run is None:
        return out
    model = model or db.execute("SELECT model FROM run WHERE id = ?", (run,)).fetchone()[0]
    rows = db.execute("SELECT origin, reason, level, modelled_s, measured_s FROM candidate WHERE run = ? ORDER BY id",
                      (run,)).fetchall()
    emitted = [r for r in rows if r[0] == "emitted"]
    samples = [r for r in rows if r[0] in ("model", "submitted")] if model else emitted
    mine = [r for r in rows if r[0] != "emitted"] if model else rows
    right = [r for r in mine if r[1] == "pass" and r[2] >= 2]
    out["n"] = len(samples)
    out["c"] = sum(r[1] == "pass" and r[2] >= 2 for r in samples)
    out["compiled"] = any(r[2] >= 1 for r in samples)
    out["correct"] = out["c"] > 0
    times = [r[3] for r in right if r[3] is not None]
    assert all(r[4] is None for r in rows), "measured times are not what this script is for"
    for base, r in zip(["translation", "fused"], emitted):
        if r[1] == "pass" and r[3] is not None and times:
            out["speedup"][base] = r[3] / min(times)
    return out


def pass_at(n, c, k):
    if n == 0:
        return 0.0
    if n < k:
        return None
    sets = list(itertools.combinations(range(n), k))
    return sum(any(i < c for i in s) for s in sets) / len(sets)


def mean(values):
    return None if any(v is None for v in values) else sum(values) / len(values)


def same(a, b):
    if a is None or b is None:
        return a is None and b is None
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


rows = db.execute("SELECT position, spec_name, flaw, model, run FROM problem WHERE sweep ="
                  " (SELECT id FROM sweep WHERE name = ?) ORDER BY position", (said["sweep"],)).fetchall()
problems = [problem(r) for r in rows]
wrong = 0
for score in said["scores"]:
    chosen = [p for p in problems if p["flawed"] == score["flawed"] and score["group"] in ("all", p["group"])]
    speedups = [p["speedup"].get(score["baseline"]) for p in chosen if p["correct"]]
    known = [s for s in speedups if s is not None]
    want = {"n": len(chosen), "compiled": sum(p["compiled"] for p in chosen), "correct": sum(p["correct"] for p in chosen),
            "compared": len(known), "geomean_speedup": statistics.geometric_mean(known) if known else None,
            "median_speedup": statistics.median(known) if known else None}
    have = {k: score[k] for k in want}
    for p in P:
        count = len(speedups) if p == 0 else sum(s > p for s in known)
        want[f"fast_{p:g}"] = count / len(chosen)
        have[f"fast_{p:g}"] = score["fast"][f"{p:g}"]
    for k in (1, 5, 10):
        want[f"pass@{k}"] = mean([pass_at(p["n"], p["c"], k) for p in chosen])
        have[f"pass@{k}"] = score["pass_at"][str(k)]
    for k in want:
        if not same(want[k], have[k]):
            print(f"{score['group']} {score['baseline']} flawed={score['flawed']}: {k}: {have[k]}, counted {want[k]}")
            wrong += 1
print(f"{len(said['scores'])} scores of {len(problems)} problems, {wrong} numbers differ")
sys.exit(wrong > 0 or not said["scores"])
