#!/usr/bin/env bash
# archive rejudge: what no longer holds is demoted, with the reason; what holds stays as it was.
. "$(dirname "$0")/lib.sh" || exit 70
command -v python3 >/dev/null || { echo "1..0 # SKIP no python3"; exit 0; }
db=$dir/a.db online=tests/kernels/honest/softmax_online.cu

# sql STATEMENT...: prints rows as words
sql() {
    python3 - "$db" "$@" <<'END'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
for s in sys.argv[2:]:
    for row in c.execute(s):
        print(*row)
c.commit()
END
}
reply() { echo "A kernel."; echo '```cuda'; cat; echo '```'; }
submit() { run "$ws" submit "$softmax" "$dir/r.md" --archive "$db" "$@"; }

# Off by 0.6 of the tolerance (and the first of three that are equally fast: the winner), by 0.1, by 0.3; a race.
sed 's/ \* inv;/ * (inv * 1.000002f);/' "$online" | reply >"$dir/r.md"
submit
check "a result off by 0.6 of the tolerance passes" [ "$rc" = 0 ]
reply <"$online" >"$dir/r.md"
submit --run last
check "so does a better one" [ "$rc" = 0 ]
sed 's/ \* inv;/ * (inv * 1.000001f);/' "$online" | reply >"$dir/r.md"
submit --run last
check "and one between them" [ "$rc" = 0 ]
cp agent/replays/basics_softmax/2_race.md "$dir/r.md"
submit --run last
ids=$(sql "SELECT id FROM candidate WHERE origin = 'model' ORDER BY id")
read -r loose good middle race <<<"$(echo $ids)"
sql "UPDATE run SET best_candidate = $loose"
sql "SELECT id, reason, level FROM candidate ORDER BY id" >"$dir/before"
passed=$(sql "SELECT count(*) FROM candidate WHERE reason = 'pass' AND level >= 2")

# ---- all that passed still holds ----
run "$ws" archive rejudge --archive "$db"
check "nothing falls by the rules that let it pass" [ "$rc" = 0 ]
check "each was judged that passed" says "$dir/out" "$passed judged, 0 fell"
sql "SELECT id, reason, level FROM candidate ORDER BY id" >"$dir/after"
check "and nothing changed" cmp -s "$dir/before" "$dir/after"
check "each has a judgement" [ "$(sql "SELECT sum(holds) FROM judgement")" = "$passed" ]

# ---- an interrupted one goes on ----
sql "UPDATE rejudge SET ended = NULL" "DELETE FROM judgement WHERE candidate = $good"
run "$ws" archive rejudge --archive "$db"
check "what an interrupted one had judged is not judged again" says "$dir/out" "1 judged, 0 fell"
check "it is the same rejudge" [ "$(sql "SELECT count(*) FROM rejudge WHERE ended IS NOT NULL")" = 1 ]

# ---- packets of what is in the archive ----
run "$ws" archive packet "#$good" --archive "$db" -o "$dir/p.json"
check "a candidate's packet is written" [ "$rc" = 0 ]
run "$ws" recheck "$dir/p.json"
check "and repeats" [ "$rc" = 0 ]
check "it has the seed of the first verdict" [ "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["options"]["seed"])' "$dir/p.json")" = "$(sql "SELECT seed FROM verdict WHERE candidate = $good")" ]
run "$ws" export "#$good" --archive "$db" --packet "$dir/q.json" -o "$dir/k.cuh"
check "an export names its packet by the hash" says "$dir/k.cuh" "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["sha256"])' "$dir/q.json")"

# ---- a stricter rule ----
run "$ws" archive rejudge --stricter tolerance=0.45 --archive "$db"
check "a stricter rule fells" [ "$rc" = 1 ]
check "one row" says "$dir/out" "1 fell (nothing was changed)"
check "that which is off by more" grep -q "^#$loose .*wrong_result.* of the tolerance" "$dir/out"
sql "SELECT id, reason, level FROM candidate ORDER BY id" >"$dir/after"
check "without --apply nothing changes" cmp -s "$dir/before" "$dir/after"
run "$ws" archive rejudge --stricter tolerance=0.45 --apply --archive "$db" --json
check "with it the row falls" [ "$rc" = 1 ]
sql "SELECT id, reason, level FROM candidate ORDER BY id" >"$dir/after"
sed "s/^$loose pass .*/$loose wrong_result 1/" "$dir/before" >"$dir/want"
check "it alone" cmp -s "$dir/want" "$dir/after"
check "its first verdict stays" [ "$(sql "SELECT reason, json_extract(json, '\$.accepted') FROM verdict WHERE candidate = $loose")" = "pass 1" ]
check "the document names it" python3 -c '
import json, sys
o = json.load(open(sys.argv[1]))
assert [f["candidate"] for f in o["fell"]] == [int(sys.argv[2])] and o["changed"]
assert [(w["was"], w["now"] > 0) for w in o["winners"]] == [(int(sys.argv[2]), True)]' "$dir/out" "$loose"
best=$(sql "SELECT best_candidate FROM run")
check "the winner is one that stands, the fastest" [ "$best" = "$(sql "SELECT id FROM candidate WHERE reason = 'pass' ORDER BY modelled_s, id LIMIT 1")" ]
run "$ws" export "#$loose" --archive "$db"
check "what fell is not exported" [ "$rc" = 4 ]
check "for the reason" says "$dir/err" "wrong_result"
run "$ws" export last --archive "$db" -o "$dir/k.cuh"
check "the new winner is" [ "$rc" = 0 ]
run "$ws" archive show last --archive "$db" --json
check "archive show has the verdict that felled it" grep -q 'of the tolerance, of which only 0.45' "$dir/out"
run "$ws" archive check --archive "$db"
check "the archive is in order" [ "$rc" = 0 ]

# ---- what fell by a rule that has gone ----
run "$ws" archive rejudge --dry-run --archive "$db"
check "a dry run names what would pass again" grep -q "^#$loose .*passes at level .* again, was wrong_result" "$dir/out"
check "and leaves it" [ "$(sql "SELECT reason FROM candidate WHERE id = $loose")" = wrong_result ]
run "$ws" archive rejudge --archive "$db" --json
check "without the stricter rule it passes again" [ "$rc" = 0 ]
sql "SELECT id, reason, level FROM candidate ORDER BY id" >"$dir/after"
check "with the level that it had" cmp -s "$dir/before" "$dir/after"
check "the document says so" python3 -c '
import json, sys
o = json.load(open(sys.argv[1]))
assert [(f["candidate"], f["was_reason"]) for f in o["passed_again"]] == [(int(sys.argv[2]), "wrong_result")]
assert o["changed"] and not o["fell"]' "$dir/out" "$loose"
check "the winner is the fastest that stands" [ "$(sql "SELECT best_candidate FROM run")" = "$(sql "SELECT id FROM candidate WHERE reason = 'pass' ORDER BY modelled_s, id LIMIT 1")" ]
run "$ws" export "#$loose" --archive "$db" -o "$dir/l.cuh"
check "it is exported again" [ "$rc" = 0 ]
run "$ws" archive check --archive "$db"
check "the archive is in order after that" [ "$rc" = 0 ]

# ---- a verdict that never was right ----
sql "UPDATE candidate SET source = (SELECT source FROM candidate WHERE id = $race) WHERE id = $middle"
run "$ws" archive rejudge --run last --dry-run --archive "$db"
check "a race that had passed is found" grep -q "^#$middle .*shared_race" "$dir/out"
check "a dry run leaves it" [ "$(sql "SELECT reason FROM candidate WHERE id = $middle")" = pass ]
run "$ws" export "#$middle" --archive "$db" --packet "$dir/q.json" -o "$dir/m.cuh"
check "an export with a packet finds it, too" [ "$rc" = 4 -a ! -e "$dir/m.cuh" ]
run "$ws" archive rejudge --archive "$db"
check "a rejudge does not" [ "$(sql "SELECT reason FROM candidate WHERE id = $middle")" = shared_race ]

run "$ws" archive rejudge --stricter tolerance=2 --archive "$db"
check "a share beyond 1 is a usage error" [ "$rc" = 2 ]
run "$ws" archive rejudge --archive "$dir/none.db"
check "an archive that is not there is bad input" [ "$rc" = 4 -a ! -e "$dir/none.db" ]
tap_done
