#!/usr/bin/env bash
# `warpsmith verify` on tests/kernels/: each file's first line names its spec and the expected reason of
# harness/diag.h, and may say the architecture (arch: sm_90a) and where its modelled time comes from; a line that
# ends in "HERE" is the place that the verdict must name.
cd "$(dirname "$0")/.." || exit 70
program=${WARPSMITH:-./warpsmith}
if [ ! -x "$program" ]; then
    echo "ok 1 - kernels of tests/kernels # SKIP $program is not built"
    echo "1..1"
    exit 0
fi
work=$(mktemp -d) || exit 70
trap 'rm -rf "$work"' EXIT
# Seven of eight right kernels, by their names, meet the quick runs alone: all of them in full take ten minutes.
# In full: EVERY=1, or kernels that are named.
[ $# -gt 0 ] && EVERY=1
export EVERY=${EVERY:-}
judge() {
    local spec arch depth= out=$work/$(basename "$1" .cu)
    case $1 in
    */honest/*) [ -n "$EVERY" ] || [ $(($(basename "$1" | cksum | cut -d ' ' -f 1) % 8)) = 0 ] || depth="--depth quick --no-field" ;;
    esac
    spec=$(sed -n '1s|^// spec: *\([^ ]*\).*|\1|p' "$1")
    arch=$(sed -n '1s|.* arch: *\([^ ]*\).*|--arch \1|p' "$1")
    timeout 120 "$program" verify "specs/$spec.json" "$1" $arch $depth --json --seed 1 --timeout 15s >"$out.json" 2>"$out.err"
    echo "$? $1" >>"$work/list"
}
export -f judge
export work program
printf '%s\0' ${*:-tests/kernels/bad/*.cu tests/kernels/honest/*.cu} |
    xargs -0 -P "$(nproc)" -I{} bash -c 'judge "$1"' _ {}
sort -k 2 -o "$work/list" "$work/list"
# Reads all verdicts in one process.
/usr/bin/python3 - "$work" <<'PY'
import json, os, re, sys

work, n, failed = sys.argv[1], 0, 0

def check(good, what, *detail):
    global n, failed
    n += 1
    failed += not good
    print(("ok" if good else "not ok"), n, "-", what)
    if not good:
        for line in detail:
            print("#", line)

for entry in open(work + "/list"):
    status, path = entry.split()
    lines = open(path).read().split("\n")
    want = re.search(r"expect: *(\w+)", lines[0]).group(1).lower()
    base = work + "/" + os.path.basename(path)[:-3]
    said = open(base + ".err").read().strip()
    try:
        verdict = json.load(open(base + ".json"))
    except ValueError as e:
        check(False, path, f"exit status {status}, no JSON: {e}", said)
        continue
    where = verdict.get("place", {}).get("line")
    told = f"{verdict['reason']}: {verdict['text']} (line {where}, exit status {status})"
    check(verdict["reason"] == want and int(status) == (want != "pass"), f"{path} is {want}", "got " + told, said)
    source = re.search(r"modelled from: *(.+)", lines[0])
    if source and verdict["reason"] == want:
        told = verdict.get("modelled", {}).get("from")
        check(told == source.group(1).strip(), f"{path} is modelled from {source.group(1)}", f"got {told}")
    here = [i + 1 for i, line in enumerate(lines) if line.rstrip().endswith("HERE")]
    if here and verdict["reason"] == want:
        check(where == here[0], f"{path} names line {here[0]}", "got " + told)
print(f"1..{n}")
sys.exit(failed != 0)
PY
