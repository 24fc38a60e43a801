#!/usr/bin/env bash
# Level 3 of the ladder: the kernels of tests/field/expected.txt are verified over fields or leave them for the
# reason given there, none is rejected, and each change of tests/field/mutants.txt is; emitted.txt has the same of emitted
# programs.
cd "$(dirname "$0")/.." || exit 70
program=${WARPSMITH:-./warpsmith}
if [ ! -x "$program" ]; then
    echo "ok 1 - field verification # SKIP $program is not built"
    echo "1..1"
    exit 0
fi
work=$(mktemp -d) || exit 70
trap 'rm -rf "$work"' EXIT
/usr/bin/python3 - "$program" "$work" "$@" <<'PY'
import json, re, subprocess, sys

program, work, chosen = sys.argv[1], sys.argv[2], sys.argv[3:]
n, failed = 0, 0
ordinary, algebraic = 0.0, 0.0 # seconds

def check(good, what, *detail):
    global n, failed
    n += 1
    failed += not good
    print(("ok" if good else "not ok"), n, "-", what)
    if not good:
        for line in detail:
            print("#", line)

def lines_of(name):
    return [l.rstrip("\n") for l in open("tests/field/" + name) if l.strip() and not l.startswith("#")]

def source_of(kernel):
    text = open(f"tests/kernels/honest/{kernel}.cu").read()
    return re.match(r"// spec: *(\S+)", text).group(1), text

def verify(spec, path):
    run = subprocess.run([program, "verify", spec, path, "--depth", "quick", "--choices", "2",
                          "--json", "--seed", "3"], capture_output=True, text=True)
    try:
        return json.loads(run.stdout)
    except ValueError:
        return {"reason": "no JSON", "text": run.stderr}

for line in lines_of("expected.txt"):
    kernel, want = line.split(" ", 1)
    if chosen and kernel not in chosen:
        continue
    spec, text = source_of(kernel)
    v = verify(spec, f"tests/kernels/honest/{kernel}.cu")
    f = v.get("field", {})
    algebraic += f.get("seconds", 0)
    ordinary += v.get("evidence", {}).get("total_seconds", 0) - f.get("seconds", 0)
    said = f.get("text", "") + f" ({v['reason']}: {v['text']})"
    if want == "verified":
        good = v["reason"] == "pass" and f.get("applies") and v["level"] == 3 and f["log2_probability"] < -30
        check(good and said.startswith("field-verified"), f"{kernel} is verified over fields", said)
    else:
        good = v["reason"] == "pass" and not f.get("applies") and v["level"] == 2
        check(good and want in said and "does not apply" in said, f"{kernel} leaves the field: {want}", said)

check(algebraic < 5 * ordinary, f"level 3 takes {algebraic:.1f} s, the others {ordinary:.1f} s")
for line in lines_of("mutants.txt"):
    kernel, old, new, want = line.split("|")
    if chosen and kernel not in chosen:
        continue
    spec, text = source_of(kernel)
    path = f"{work}/mutant.cu"
    check(old in text, f"{kernel} has '{old}'")
    open(path, "w").write(text.replace(old, new, 1))
    v = verify(spec, path)
    check(v["reason"] in want.split(), f"{kernel} with '{new}' is {want}", f"{v['reason']}: {v['text']}",
          v.get("field", {}).get("text", ""))
for line in lines_of("emitted.txt"):
    spec, want, *change = line.split("|")
    if chosen and spec not in chosen:
        continue
    path = f"{work}/emitted.cu"
    text = subprocess.run([program, "emit", spec], capture_output=True, text=True).stdout
    open(path, "w").write(text)
    v = verify(spec, path)
    said = v.get("field", {}).get("text", "")
    check(v["reason"] == "pass" and want in said, f"{spec} as emitted: {want}", f"{v['reason']}: {v['text']}", said)
    if change:
        old, new, want = change
        check(old in text, f"{spec} as emitted has '{old}'")
        open(path, "w").write(text.replace(old, new, 1))
        v = verify(spec, path)
        said = v.get("field", {}).get("text", "")
        check(v["reason"] == want or (v["reason"] == "pass" and want in said), f"{spec} with '{new}': {want}",
              f"{v['reason']}: {v['text']}", said)
print(f"1..{n}")
sys.exit(failed != 0)
PY
