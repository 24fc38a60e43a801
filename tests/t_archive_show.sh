#!/usr/bin/env bash
# `archive list`, `show`, `lineage` and `diff` on made-up archives, one of them with hostile texts.
. "$(dirname "$0")/lib.sh" || exit 70
make_archive=${BUILD:-build}/tests/t_results_report
db=$dir/a.db
json() { /usr/bin/python3 -c "import json,sys; d = json.load(open('$dir/out')); sys.exit(not ($1))"; }
"$make_archive" "$db" 12 5 && "$make_archive" "$dir/h.db" 4 3 hostile
check "archives are made" [ -s "$dir/h.db" ]
archive() { run "$ws" archive "$@" --archive "$db"; }

archive list
check "a heading and a line a run" [ "$(wc -l <"$dir/out")" = 13 ]
check "with the kind of its time" says "$dir/out" "us modelled"
archive list --json
check "the same as JSON" json "len(d) == 12 and all(r['sweep'] == 'made-up-sweep' and r['candidates'] == 6 for r in d)"
archive list --limit 3 --json
check "the newest alone" json "[r['name'] for r in d] == ['run-009', 'run-010', 'run-011']"
archive list --spec level2 --status done --model example --gpu h100 --since 2026-11-22 --json
check "narrowed by all at once" json "0 < len(d) < 12 and all('level2' in r['spec'] for r in d)"
archive list --since 2026-11-23
check "to nothing" says "$dir/out" "no such run"
archive list --status nonsense
check "by a status that there is" ended 2

archive show run-001 --json
best=$(/usr/bin/python3 -c "import json; print(json.load(open('$dir/out'))['winner'])")
first=$(/usr/bin/python3 -c "import json; print(json.load(open('$dir/out'))['candidates'][0]['id'])")
archive lineage run-001
check "a tree from generation 0" [ "$(sed -n 2p "$dir/out" | cut -d' ' -f1-2)" = "*#$first emitted" ]
check "with its winner" says "$dir/out" "<- winner"
check "a line a candidate" [ "$(wc -l <"$dir/out")" = 7 ]
archive lineage run-001 --json
check "as JSON, with depths" json "len(d['candidates']) == 6 and d['candidates'][0]['depth'] == 0 and all(c['depth'] > 0 for c in d['candidates'][1:])"

archive show "#$best"
check "a candidate: its verdict" says "$dir/out" "right on 4 check shapes"
check "and its source" says "$dir/out" '__global__ void k('
archive show "#$best" --json
check "as JSON" json "d['id'] == $best and d['winner'] and '__global__' in d['source'] and d['verdict']['accepted']"
run "$ws" archive show run-001 --source --archive "$db"
cp "$dir/out" "$dir/new.cu"
check "the winner's source alone" [ "$(head -c 8 "$dir/new.cu")" = "/* @plan" ]
archive show "#$first" --source
cp "$dir/out" "$dir/old.cu"

archive diff run-001
check "the winner against what it was made from" says "$dir/out" "+++ #$best"
archive diff "#$first" "#$best"
cp "$dir/out" "$dir/patch"
check "two candidates" [ "$rc" = 0 ]
check "and no colours where there is no terminal" [ -z "$(tr -d -c '\033' <"$dir/out")" ]
if command -v patch >/dev/null; then
    patch -s "$dir/old.cu" "$dir/patch"
    check "as patch understands it" cmp -s "$dir/old.cu" "$dir/new.cu"
fi
archive diff "#$best" "#$best"
check "a candidate and itself" says "$dir/out" "the same source"
archive diff "#$first"
check "generation 0 has no parent" ended 4
archive diff run-001 run-002 --json
check "two winners, as JSON" json "d['from']['run'] == 'run-001' and d['to']['run'] == 'run-002' and d['diff'].startswith('--- #')"
archive diff "#999999"
check "an unknown candidate" ended 4
archive nonsense
check "an unknown subcommand names those that there are" says "$dir/err" "lineage, diff"

# Nothing of these reaches a terminal: escapes, bells, C1, text that turns around, bytes that are not UTF-8.
clean=0
for words in "list" "show run-001" "show #3" "lineage run-001" "diff #1 #3" "search note" "lessons"; do
    # shellcheck disable=SC2086
    "$ws" archive $words --archive "$dir/h.db" >"$dir/out" 2>&1
    [ -s "$dir/out" ] && iconv -f UTF-8 -t UTF-8 "$dir/out" >/dev/null 2>&1 &&
        ! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80[\xa8-\xae]' "$dir/out" && clean=$((clean + 1))
done
check "hostile texts are shown as text by all of them" [ "$clean" = 7 ]
for words in "list" "show run-001" "show #3" "lineage run-001" "diff #1 #3"; do
    # shellcheck disable=SC2086
    "$ws" archive $words --json --archive "$dir/h.db" 2>/dev/null | /usr/bin/python3 -c 'import json,sys; json.loads(sys.stdin.buffer.read().decode())' &&
        clean=$((clean + 1))
done
check "and their JSON is UTF-8" [ "$clean" = 12 ]
tap_done
