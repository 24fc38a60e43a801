#!/usr/bin/env bash
# `warpsmith dataset`: every format has the shape that docs/dataset.md says (tests/dataset_check.py), files and exit
# codes are as its help says.
. "$(dirname "$0")/lib.sh" || exit 70
"${BUILD:-build}/tests/t_results_dataset" "$dir/a.db" >"$dir/out" 2>&1
formats='trl-sft trl-grpo trl-dpo trl-kto verl openrlhf tinker tinker-pairs'
quick=(--lint-time 20ms --archive "$dir/a.db")
python=$(command -v python3)
for f in $formats; do
    run "$ws" dataset --format "$f" "${quick[@]}" --held-out relu --reward shaped -o "$dir/$f"
    check "$f: a directory is written" ended 0
    if [ -n "$python" ]; then
        run "$python" tests/dataset_check.py "$f" "$dir/$f/train.jsonl" "$dir/$f/test.jsonl"
        check "$f: rows have the documented shape" ended 0
    else
        n=$((n + 1))
        echo "ok $n - $f: rows have the documented shape # SKIP no python3"
    fi
    check "$f: nothing secret is in any file" eval "! grep -rE 'jane|sk-proj|10\.1\.2\.3' '$dir/$f'"
done
check "the manifest says who is held out" says "$dir/verl/manifest.json" '"op_family":	"relu"'
check "the card names the files for loaders" says "$dir/verl/README.md" 'path: test.jsonl'

run "$ws" dataset --format trl-sft "${quick[@]}"
check "rows on standard output" ended 0
check "and counts on standard error" says "$dir/err" 'left out: 1 of flawed specs'
run "$ws" dataset --format trl-sft "${quick[@]}" --held-out relu --split test -o "$dir/test.jsonl"
check "one split in a file" test "$(wc -l <"$dir/test.jsonl")" = 1
run "$ws" dataset --format trl-sft "${quick[@]}" --min-speedup 50
check "no rows are exit code 1" ended 1
run "$ws" dataset --format trl-sft "${quick[@]}" --held-out conv
check "an unknown family is a usage error" ended 2
check "that names those that are there" says "$dir/err" 'softmax'
run "$ws" dataset "${quick[@]}"
check "without a format: usage" ended 2
run "$ws" dataset --format parquet "${quick[@]}"
check "an unknown format: usage" ended 2
run "$ws" dataset --format trl-sft --archive "$dir/none.db" -o "$dir/none"
check "no archive: an error" test "$rc" != 0
check "which leaves no rows behind" test ! -e "$dir/none/train.jsonl"
tap_done
