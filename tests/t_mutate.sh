#!/usr/bin/env bash
# The machinery of `make mutate` on a few mutants of small kernels: all are rejected or on the list of survivors, and the
# list cannot be wrong unseen.
cd "$(dirname "$0")/.." || exit 70
program=${BUILD:-build}/tests/mutate/mutate
n=0
ok() { # condition's status, what
    n=$((n + 1))
    [ "$1" = 0 ] || printf 'not '
    echo "ok $n - $2"
    [ "$1" = 0 ] || sed 's/^/# /' "$work/said" | tail -n 40
}
if [ ! -x "$program" ] || [ ! -x warpsmith ]; then
    echo "ok 1 - mutants # SKIP $program is not built"
    echo "1..1"
    exit 0
fi
work=$(mktemp -d) || exit 70
trap 'rm -rf "$work"' EXIT
mutate() {
    "$program" --quiet --kernels 'row_sum_warp_shuffle transpose_padded_tile vector_add_float4 row_max_atomic' \
        --per-kernel 6 --seed 1 --out "$work" "$@" >"$work/said" 2>&1
}

"$program" --list >"$work/said" 2>&1
count=$(grep -c '^[a-z0-9_]*:[0-9]' "$work/said")
[ "$count" -ge 2000 ]
ok $? "a run has $count mutants, at least 2000"
same=$(grep '^[a-z0-9_]*:[0-9]' "$work/said" | awk '{print $NF}' | sort | uniq -d | wc -l)
[ "$same" = 0 ]
ok $? "no two of them are equal"

mutate
ok $? "24 mutants are rejected or listed"
grep -q '^24 mutants: ' "$work/said"
ok $? "and were judged"
cp "$work/said" "$work/first"
mutate
cmp -s "$work/said" "$work/first"
ok $? "a second run has the same outcomes"
[ "$(wc -l <"$work/results.tsv")" = 28 ]
ok $? "and judges nothing anew"

echo '# empty' >"$work/none"
mutate --ledger "$work/none"
[ $? = 1 ] && grep -q '^survivor without an argument: ' "$work/said"
ok $? "a survivor that is not listed fails"
# An entry for the first mutant that is killed.
killed=$(awk -F'\t' '$3 == "killed" {print substr($2, 1, 12); exit}' "$work/results.tsv")
"$program" --list --per-kernel 0 | awk -v hash="$killed" '
    seen-- > 0 { sub(/^ +/, ""); print }
    $NF == hash { split($1, id, ":"); print "mutant " id[1]; seen = 2 }
    END { print "= speed: it does the same, says this line" }' >"$work/stale"
cat tests/mutants.txt >>"$work/stale"
mutate --ledger "$work/stale"
[ $? = 1 ] && grep -q 'its mutant is killed' "$work/said"
ok $? "an argument for a mutant that is rejected fails"
sed -i '2s/.*/- no such line/' "$work/stale"
mutate --ledger "$work/stale"
[ $? = 1 ] && grep -q 'no mutant of the kernel is this one' "$work/said"
ok $? "an argument for a mutant that does not exist fails"
echo "1..$n"
