#!/usr/bin/env python3
"""The exploits of tests/kernels/hostile/catalogue.json against the verifier.

hostile_table.py [--tap] [WARPSMITH]

Every entry names kernels of tests/kernels/hostile, which must be rejected for the reason that their first line expects,
or is impossible and names the tests that show it. A line of a kernel that ends in "HERE" is the place that the verdict
must name. Prints a table, or TAP; the exit status is 1 when a hostile kernel is accepted, or rejected for another
reason, or an entry has neither kernels nor tests, or a kernel belongs to no entry.
"""
import concurrent.futures
import glob
import json
import os
import re
import subprocess
import sys

FOLDER = "tests/kernels/hostile"


def head(path):
    with open(path) as f:
        lines = f.read().split("\n")
    spec, expect = re.match(r"// spec: *(\S+)\s+expect: *(\w+)", lines[0]).groups()
    exploit = re.match(r"// exploit: *(\w+)\s+(.+)", lines[1])
    here = [i + 1 for i, line in enumerate(lines) if line.rstrip().endswith("HERE")]
    return {"path": path, "name": os.path.basename(path)[:-3], "spec": spec, "expect": expect.lower(),
            "exploit": exploit.group(1) if exploit else "?", "what": exploit.group(2) if exploit else "",
            "here": here[0] if here else None}


def judge(program, k):
    command = [program, "verify", f"specs/{k['spec']}.json", k["path"], "--json", "--timeout", "15s"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        v = json.loads(done.stdout)
    except (ValueError, subprocess.TimeoutExpired) as e:
        return dict(k, verdict="no verdict", text=str(e)[:200], status=-1, line=None)
    return dict(k, verdict=v["reason"], text=v["text"], status=done.returncode, line=v.get("place", {}).get("line"))


def complaint(k):
    """What is wrong with a verdict; "": nothing."""
    if k["verdict"] != k["expect"]:
        return f"expected {k['expect']}, got {k['verdict']}: {k['text']}"
    if k["status"] != 1:
        return f"exit status {k['status']}, expected 1"
    if k["here"] and k["line"] != k["here"]:
        return f"names line {k['line']}, expected {k['here']}"
    return ""


def check_catalogue(entries, kernels):
    """Entries without evidence and kernels without an entry."""
    known = {k["name"]: k for k in kernels}
    for e in entries:
        for name in e.get("kernels", []):
            if name not in known:
                yield f"{e['id']}: kernel {name} does not exist"
            elif known[name]["exploit"] != e["id"]:
                yield f"{e['id']}: kernel {name} says that it is of {known[name]['exploit']}"
        for test in e.get("tests", []):
            if not os.path.exists(test["file"]):
                yield f"{e['id']}: {test['file']} does not exist"
            elif test["has"] not in open(test["file"]).read():
                yield f"{e['id']}: {test['file']} does not have '{test['has']}'"
        if e.get("impossible"):
            if not e.get("tests") and not e.get("kernels"):
                yield f"{e['id']}: impossible, and nothing shows it"
        elif len(e.get("kernels", [])) < 2:
            yield f"{e['id']}: fewer than two kernels"
    listed = {name for e in entries for name in e.get("kernels", [])}
    for k in kernels:
        if k["name"] not in listed:
            yield f"{k['name']}: no entry of the catalogue has it"


def print_table(entries, kernels, wrong):
    by_name = {k["name"]: k for k in kernels}
    print(f"{'id':4} {'kernel or test':44} {'expected':21} {'verdict':21}")
    for e in entries:
        for name in e.get("kernels", []):
            k = by_name.get(name)
            if k:
                mark = "" if not wrong.get(name) else "  <- " + wrong[name][:120]
                print(f"{e['id']:4} {name:44} {k['expect']:21} {k['verdict']:21}{mark}")
        for test in e.get("tests", []):
            says = "impossible" if e.get("impossible") else "also"
            print(f"{e['id']:4} {test['file']:44} {says:21} {test['shows']}")


def main():
    tap = "--tap" in sys.argv
    program = next((a for a in sys.argv[1:] if not a.startswith("--")), "./warpsmith")
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(f"{FOLDER}/catalogue.json") as f:
        entries = json.load(f)
    kernels = [head(p) for p in sorted(glob.glob(f"{FOLDER}/*.cu"))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        kernels = list(pool.map(lambda k: judge(program, k), kernels))
    wrong = {k["name"]: complaint(k) for k in kernels}
    faults = list(check_catalogue(entries, kernels))
    if tap:
        for n, k in enumerate(kernels, 1):
            said = wrong[k["name"]]
            print("not ok" if said else "ok", n, "-", k["path"], "is", k["expect"])
            if said:
                print("#", said)
        print("not ok" if faults else "ok", len(kernels) + 1, f"- all {len(entries)} exploits have their evidence")
        print("\n".join("# " + f for f in faults), end="\n" if faults else "")
        print(f"1..{len(kernels) + 1}")
    else:
        print_table(entries, kernels, wrong)
        print("\n".join(faults), end="\n" if faults else "")
        accepted = sum(k["verdict"] == "pass" for k in kernels)
        other = sum(bool(w) for w in wrong.values()) - accepted
        print(f"{len(entries)} exploits, {len(kernels)} kernels: {accepted} accepted, {other} rejected for another "
              f"reason, {len(faults)} without evidence")
    return 1 if faults or any(wrong.values()) else 0


sys.exit(main())
