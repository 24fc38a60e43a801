#!/usr/bin/env bash
# `warpsmith report` as a user meets it, and its page in headless Chromium where there is one.
. "$(dirname "$0")/lib.sh" || exit 70
make_archive=${BUILD:-build}/tests/t_results_report
db=$dir/a.db

"$make_archive" "$db" 30 4 && "$make_archive" "$dir/h.db" 5 3 hostile && "$make_archive" "$dir/big.db" 250 10
check "archives are made" [ -s "$dir/big.db" ]
run "$ws" report --archive "$dir/big.db" --html "$dir/r.html"
check "a page of 250 problems" ended 0
check "of a few MB" [ "$(stat -c %s "$dir/r.html")" -lt 6000000 ]
"$ws" report --archive "$dir/h.db" --html "$dir/h.html"
for format in md csv json; do
    run "$ws" report --archive "$db" --$format
    check "--$format to standard output" ended 0
    cp "$dir/out" "$dir/stdout.$format"
    run "$ws" report --archive "$db" --$format "$dir/r.$format"
    check "--$format to a file" [ "$(wc -c <"$dir/r.$format")" = "$(wc -c <"$dir/stdout.$format")" ]
done
run "$ws" report --archive "$db"
check "without a format: Markdown" says "$dir/out" "## Problems"
check "with the scores of a script of its own" /usr/bin/python3 - "$dir/r.json" "$db" <<'PY'
import json, math, sqlite3, sys
report = json.load(open(sys.argv[1]))
db = sqlite3.connect(sys.argv[2])
gains, right, n = [], 0, 0
for run, flaw in db.execute("SELECT run, flaw FROM problem"):
    if flaw:
        continue
    n += 1
    base = db.execute("SELECT modelled_s FROM candidate WHERE run = ? AND origin = 'emitted'", (run,)).fetchone()
    best = db.execute("SELECT min(modelled_s) FROM candidate WHERE run = ? AND origin = 'model' AND reason = 'pass' AND level >= 2", (run,)).fetchone()
    if best and best[0]:
        right += 1
        gains.append(base[0] / best[0])
score = next(s for s in report["scores"] if s["group"] is None and not s["flawed"])
for p in ("0.5", "0.8", "1", "1.5", "2"):
    assert score["fast_p"][p] == sum(g > float(p) for g in gains) / n, p
assert (score["problems"], score["correct"], score["fast_p"]["0"]) == (n, right, right / n)
assert abs(score["geomean_speedup"] - math.exp(sum(map(math.log, gains)) / len(gains))) < 1e-9
assert "/home" not in open(sys.argv[1]).read()
PY
check "every member of the JSON is documented" /usr/bin/python3 - "$dir/r.json" <<'PY'
import json, sys
text = open("docs/report.md").read()
free = {"fast_p", "pass_at", "failures", "right_candidates_by_level"}  # their keys are data
def keys(v, name=""):
    if isinstance(v, list):
        return {k for one in v for k in keys(one)}
    if not isinstance(v, dict):
        return set()
    return set(v) | {k for name, one in v.items() if not (name in free and isinstance(one, dict)) for k in keys(one)}
missing = [k for k in sorted(keys(json.load(open(sys.argv[1])))) if f"`{k}`" not in text]
assert not missing, missing
PY
run "$ws" report run-001 run-002 --archive "$db" --md
check "runs are put together" says "$dir/out" "# 2 runs"
run "$ws" report run-001 --archive "$db" --md --csv
check "one format at a time to standard output" ended 2
run "$ws" report nothing --archive "$db"
check "an unknown name is a mistake in the input" ended 4
run "$ws" report --archive "$db" --traffic fast
check "so is a traffic that is none, in the usage" ended 2
run "$ws" report --archive "$db" --price-per-hour -1
check "and a price" ended 2
run "$ws" report --archive "$dir/none.db" --html "$dir/none.html"
check "no archive, no page" [ "$rc" = 4 ] && [ ! -e "$dir/none.html" ]

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$chromium" ]; then
    n=$((n + 1))
    echo "ok $n - the page in a browser # SKIP no Chromium on this machine"
else
    # The browser gives up after two minutes; its lines are numbered here.
    PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 timeout 170 /usr/bin/python3 tests/report_page.py "$chromium" "$dir/r.html" "$dir/h.html" \
        >"$dir/page" 2>"$dir/page.err"
    rc=$?
    while IFS= read -r line; do
        case "$line" in
        "ok - "*) n=$((n + 1)) && echo "ok $n - ${line#ok - }" ;;
        "not ok - "*) n=$((n + 1)) failed=1 && echo "not ok $n - ${line#not ok - }" ;;
        *) echo "$line" ;;
        esac
    done <"$dir/page"
    cp "$dir/page.err" "$dir/err"
    check "the browser was driven to the end" [ "$rc" = 0 ]
fi
tap_done
