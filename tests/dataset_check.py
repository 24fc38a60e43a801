#!/usr/bin/env python3
"""Checks the rows of `warpsmith dataset` against the shapes that trainers document (docs/dataset.md).

    dataset_check.py FORMAT FILE.jsonl...

Standard library only. Prints what is wrong, a line each; exit status 1 if anything is."""
import json
import math
import re
import sys

ROLES = {"system", "user", "assistant"}

COMMON = {"spec": str, "spec_sha256": str, "op_family": str, "gpu": str, "arch": str, "split": str,
          "provenance": dict}
SOURCE = {"run": str, "call": int, "turn": int, "purpose": str, "strategy": str, "model": str,
          "provider": str, "scripted": bool, "license": str, "tool_version": str}
JUDGED = {**SOURCE, "candidate": int, "parent": int, "created": str, "reason": str, "level": int,
          "level_name": str, "depth": str, "reward": float, "reward_known": bool,
          "reward_version": int, "reward_scheme": str, "reward_format": float,
          "reward_compile": float, "reward_correct": float, "reward_speed": float,
          "speedup": float, "seconds": float, "time_kind": str, "seed": str, "compiler": str,
          "source_sha256": str, "ptx_sha256": str, "scrubbed": int}

# What stands beside the common columns: name -> type, or a function that checks it.
FORMATS = {
    "trl-sft": {"prompt": "prompt", "completion": "completion"},
    "trl-grpo": {"prompt": "prompt"},
    "trl-dpo": {"prompt": "prompt", "chosen": "completion", "rejected": "completion", "pair": str,
                "rejected_provenance": dict},
    "trl-kto": {"prompt": "prompt", "completion": "completion", "label": bool},
    "verl": {"data_source": str, "prompt": "prompt", "ability": str, "reward_model": dict,
             "extra_info": dict},
    "openrlhf": {"input": "prompt", "label": str},
    "tinker": {"messages": "conversation"},
    "tinker-pairs": {"comparison": dict, "label": str, "pair": str, "rejected_provenance": dict},
}
PROMPTS = {"trl-grpo", "verl", "openrlhf"}
# What must never leave: machine paths and keys.
LEAKS = [re.compile(p) for p in (
    r"(?<![\w./*])/(?:home|root|tmp|Users|work|mnt)/\w", r"\bsk-[A-Za-z0-9_-]{16}", r"\bhf_[A-Za-z0-9]{16}",
    r"\bAKIA[A-Z0-9]{16}", r"PRIVATE KEY-----", r"(?i)bearer [A-Za-z0-9._-]{16}")]


class Wrong(Exception):
    pass


def need(condition, text):
    if not condition:
        raise Wrong(text)


def is_type(value, kind):
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, float) and math.isfinite(value)
    return isinstance(value, kind)


def check_columns(row, columns, where):
    need(set(row) == set(columns), f"{where}: columns differ: {sorted(set(row) ^ set(columns))}")
    for name, kind in columns.items():
        if kind in CHECKS:
            CHECKS[kind](row[name], f"{where}.{name}")
        else:
            need(is_type(row[name], kind), f"{where}.{name}: {row[name]!r} is no {kind.__name__}")


def check_messages(value, where):
    need(isinstance(value, list) and value, f"{where}: no messages")
    for i, m in enumerate(value):
        need(set(m) == {"role", "content"}, f"{where}[{i}]: {sorted(m)}")
        need(m["role"] in ROLES, f"{where}[{i}]: role {m['role']!r}")
        need(isinstance(m["content"], str) and m["content"], f"{where}[{i}]: no content")
        need(i == 0 or m["role"] != "system", f"{where}[{i}]: a system message that is not first")


def check_prompt(value, where):
    check_messages(value, where)
    need(value[-1]["role"] == "user", f"{where}: does not end with the user")


def check_completion(value, where):
    check_messages(value, where)
    need([m["role"] for m in value] == ["assistant"], f"{where}: not one reply")


def check_conversation(value, where):
    check_messages(value, where)
    check_prompt(value[:-1], where)
    check_completion(value[-1:], where)


CHECKS = {"prompt": check_prompt, "completion": check_completion, "conversation": check_conversation}


def check_reward(p, where):
    weights = {"format": 0.05, "compile": 0.10, "correct": 0.45, "speed": 0.40}
    need(0 <= p["reward"] <= 1, f"{where}: reward {p['reward']}")
    parts = {k: p[f"reward_{k}"] for k in weights}
    need(all(0 <= v <= 1 for v in parts.values()), f"{where}: parts {parts}")
    right = p["reason"] == "pass" and p["level"] >= 2 and p["depth"] == "full"
    need((parts["correct"] > 0) == right, f"{where}: correct {parts['correct']}, but {p['reason']}")
    need(right or parts["speed"] == 0, f"{where}: speed without a right kernel")
    want = sum(weights[k] * v for k, v in parts.items()) if right else None
    if want is None:
        need(p["reward"] <= 0.15 + 1e-9, f"{where}: {p['reward']} for a kernel that is not right")
        need(p["reward_scheme"] == "shaped" or p["reward"] == 0, f"{where}: {p['reward']}, gated")
    else:
        need(abs(p["reward"] - want) < 1e-9, f"{where}: {p['reward']} is not {want}")
    need(p["seconds"] == 0 or p["time_kind"] in ("modelled", "measured"), f"{where}: time unlabelled")


def check_row(fmt, row):
    columns = dict(FORMATS[fmt])
    if fmt == "verl":
        check_columns(row, columns, "row")
        need(set(row["reward_model"]) == {"style", "ground_truth"}, "reward_model")
        need(row["reward_model"]["style"] == "rule", "reward_model.style")
        extra = row["extra_info"]
        check_columns(extra, {**COMMON, "index": int}, "extra_info")
        need(row["reward_model"]["ground_truth"] == extra["spec"], "ground_truth is not the spec")
    else:
        check_columns(row, {**columns, **COMMON}, "row")
        extra = row
    need(extra["split"] in ("train", "test"), f"split {extra['split']!r}")
    if fmt in PROMPTS:
        check_columns(extra["provenance"], SOURCE, "provenance")
        need(fmt != "openrlhf" or row["label"] == row["spec"], "label is not the spec")
        return extra
    check_columns(extra["provenance"], JUDGED, "provenance")
    check_reward(extra["provenance"], "provenance")
    right = extra["provenance"]["reward_correct"] > 0
    need(right if fmt != "trl-kto" else right == row["label"], "the row's kernel is not what it says")
    if "rejected_provenance" in row:
        worse = row["rejected_provenance"]
        check_columns(worse, JUDGED, "rejected_provenance")
        check_reward(worse, "rejected_provenance")
        better = extra["provenance"]
        need(worse["reason"] != "pass" or worse["seconds"] > better["seconds"], "the worse one is no worse")
        need(row["pair"] in ("prompt", "parent"), f"pair {row['pair']!r}")
    if fmt == "tinker-pairs":
        c = row["comparison"]
        check_columns(c, {"prompt_conversation": "prompt", "completion_A": "completion",
                          "completion_B": "completion"}, "comparison")
        need(row["label"] in ("A", "B"), f"label {row['label']!r}")
    return extra


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in FORMATS:
        sys.exit(__doc__)
    fmt, wrong, rows = sys.argv[1], 0, 0
    split_of = {}
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                rows += 1
                try:
                    extra = check_row(fmt, json.loads(line))
                    held = split_of.setdefault(extra["spec_sha256"], extra["split"])
                    need(held == extra["split"], f"spec {extra['spec']} is in both splits")
                    for leak in LEAKS:
                        found = leak.search(line)
                        need(not found, f"a secret or a path: {found and found.group()!r}")
                except (Wrong, ValueError, KeyError, TypeError) as e:
                    wrong += 1
                    print(f"{path}:{number}: {type(e).__name__}: {e}")
    print(f"{fmt}: {rows} rows, {wrong} wrong")
    sys.exit(wrong != 0 or rows == 0)


if __name__ == "__main__":
    main()
