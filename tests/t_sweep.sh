#!/usr/bin/env bash
# `warpsmith sweep` with a played model: sets, tables, refusals, shards, kill -9, budgets, failures, KernelBench's
# folders, Slurm's scripts. tests/check_sweep does a whole level.
. "$(dirname "$0")/lib.sh" || exit 70
export WARPSMITH_CACHE=$dir/cache
command -v python3 >/dev/null || { echo "1..0 # SKIP there is no python3"; exit 0; }
model=
trap '[ -z "$model" ] || kill $model 2>/dev/null; rm -rf "$dir"' EXIT
json() { python3 -c "
import json, sys
rows = [json.loads(l) for l in open('$dir/out') if l.startswith('{\"event')] or [json.load(open('$dir/out'))]
end = rows[-1]
sys.exit(not ($1))"; }
digest() { "$ws" archive digest --archive "$1" | cut -d' ' -f1; }
set="basics/vector_add basics/transpose basics/row_sum"

# ---- sets ----
run "$ws" sweep nonsense --archive "$dir/a.db"
check "an unknown set" ended 4
check "names what there is" says "$dir/err" "kernelbench/level1 (100)"
check "and makes no archive" [ ! -e "$dir/a.db" ]
run "$ws" sweep --list kernelbench/level2
check "a set is listed" [ "$(wc -l <"$dir/out")" = 100 ]
run "$ws" sweep kernelbench/level1 --archive "$dir/a.db"
check "without a model" ended 3
check "what can be done" says "$dir/err" "--rounds 0"

# ---- translations alone ----
run "$ws" sweep $set --rounds 0 --archive "$dir/whole.db"
check "no model is asked" ended 0
check "a table" says "$dir/out" "than translation"
check "in 80 columns" [ "$(grep -v '; archive ' "$dir/out" | awk '{ if (length > m) m = length } END { print m }')" -le 80 ]
run "$ws" sweep $set --rounds 0 --archive "$dir/whole.db"
check "the same again is refused" ended 2
check "and says how to go on" says "$dir/err" "--resume"
run "$ws" sweep $set --rounds 0 --archive "$dir/whole.db" --continue --json --csv "$dir/whole.csv"
check "--continue has nothing to do" ended 0
check "JSON ends with the scores" json "end['event'] == 'end' and end['status'] == 'done' and len(end['problems']) == 3 and end['scores'][0]['correct'] == 3"
check "a row a problem as CSV" [ "$(wc -l <"$dir/whole.csv")" = 4 ]

# ---- shards ----
for i in 1 2 3; do
    run "$ws" sweep $set --rounds 0 --archive "$dir/shard$i.db" --shard $i/3
    check "shard $i" ended 0
done
run env SLURM_ARRAY_TASK_ID=4 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_COUNT=3 "$ws" sweep $set --rounds 0 --archive "$dir/x.db"
check "a shard that there is not" ended 2
run env SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_COUNT=3 "$ws" sweep $set --rounds 0 --archive "$dir/shard3.db"
check "the array says which shard it is" says "$dir/err" "is in archive"
run "$ws" archive merge "$dir/m.db" "$dir/shard2.db" "$dir/shard3.db" "$dir/shard1.db"
check "merged" ended 0
check "it says what the whole sweep says" [ "$(digest "$dir/m.db")" = "$(digest "$dir/whole.db")" ]
run "$ws" archive merge "$dir/m.db" "$dir/shard1.db" "$dir/whole.db"
check "again, nothing is new" [ "$(grep -c 'nothing new' "$dir/out")" = 2 ]
check "and nothing is different" [ "$(digest "$dir/m.db")" = "$(digest "$dir/whole.db")" ]
run "$ws" archive check --archive "$dir/m.db"
check "the archive is sound" ended 0
run "$ws" archive merge "$dir/m.db" "$dir/m.db"
check "not into itself" ended 2
run "$ws" archive merge "$dir/n.db" "$dir/none.db"
check "nor from nothing" ended 4
check "and no target is made" [ ! -e "$dir/n.db" ]
run "$ws" archive digest no-such-sweep --archive "$dir/m.db"
check "a digest of nothing" ended 4

# ---- a model ----
python3 tests/sweep_model.py "$dir/port" "$dir/asked" & model=$!
for _ in $(seq 100); do [ -s "$dir/port" ] && break; sleep 0.1; done
url=http://127.0.0.1:$(cat "$dir/port")/v1
play="--model played --base-url $url --no-stream --tune 2"
run "$ws" sweep $set $play --rounds 2 --archive "$dir/r.db" --record "$dir/rec"
check "a recorded sweep" [ "$rc" -le 1 ]
check "a request a reply" [ "$(wc -l <"$dir/asked")" = 6 ]
check "a file a problem" [ "$(ls "$dir/rec" | wc -l)" = 4 ]
run "$ws" sweep $set --replay "$dir/rec" --archive "$dir/p.db"
check "a replay" [ "$rc" -le 1 ]
"$ws" sweep --show last --json --archive "$dir/p.db" | python3 tests/sweep_scores.py "$dir/p.db" >"$dir/out"
check "metrics as a script of its own counts them" [ $? = 0 ]
"$ws" sweep $set --replay "$dir/rec" --archive "$dir/k.db" -q >/dev/null 2>&1 & sweep=$!
for _ in $(seq 200); do
    [ "$("$ws" archive list --archive "$dir/k.db" 2>/dev/null | wc -l)" -ge 2 ] && break
    sleep 0.1
done
kill -9 $sweep
wait $sweep 2>/dev/null
run "$ws" sweep --resume last --archive "$dir/k.db"
check "killed, and resumed" [ "$rc" -le 1 ]
check "it says what the replay says" [ "$(digest "$dir/k.db")" = "$(digest "$dir/p.db")" ]
run "$ws" sweep $set kernelbench/level1/019_relu --replay "$dir/rec" --archive "$dir/q.db" --json
check "what was not recorded fails" ended 4
check "alone" json "end['status'] == 'done' and [p['status'] for p in end['problems']].count('failed') == 1"

# ---- budgets ----
: >"$dir/asked"
run "$ws" sweep $set $play --rounds 5 --call-budget 5 --archive "$dir/b.db" --json
check "a budget ends it" ended 6
check "no request more" [ "$(wc -l <"$dir/asked")" -le 5 ]
check "and says so" json "any(p['status'] == 'limit' for p in end['problems'])"
run "$ws" sweep $set $play --rounds 5 --max-cost 1 --archive "$dir/c.db"
check "dollars need a price" ended 2
: >"$dir/asked"
spent() { awk '{ p += $4; c += $5 } END { printf "%.6f\n", p * 0.75e-6 + c * 4.5e-6 }' "$dir/asked"; }
within() { awk "BEGIN { exit !($(spent) > 0 && $(spent) <= $1) }"; }
priced="--provider openai -m gpt-5.4-mini --wire chat --base-url $url --no-stream --max-tokens 1000 --tune 2"
run env OPENAI_API_KEY=x "$ws" sweep $set $priced --rounds 9 --max-cost 0.02 --archive "$dir/u.db"
check "dollars are a limit" ended 6
check "that nothing exceeds" within 0.02
run env OPENAI_API_KEY=x "$ws" sweep --resume last --retry-failed --max-cost 0.026 --archive "$dir/u.db"
check "with more of them it goes on" ended 6
check "and stays within" within 0.026
run "$ws" sweep basics/vector_add $play --rounds 5 --problem-time 1ms --archive "$dir/d.db" --json
check "a problem's time is up" json "end['problems'][0]['status'] == 'limit'"

# ---- what fails, fails alone ----
mkdir "$dir/mine"
sed 's/basics\/transpose/mine\/transpose/' specs/basics/transpose.json >"$dir/mine/good.json"
sed 's/"op": "permute"/"op": "nonsense"/; s/basics\/transpose/mine\/odd/' specs/basics/transpose.json >"$dir/mine/odd.json"
echo '{' >"$dir/mine/bad.json"
run "$ws" sweep "$dir/mine" --rounds 0 --archive "$dir/f.db" --json
check "a bad spec is an error at the end" ended 4
check "the good one was worked on" json "sorted(p['status'] for p in end['problems']) == ['done', 'failed', 'failed']"
run "$ws" sweep --resume last --archive "$dir/f.db"
check "resumed, nothing is tried again" ended 4
run "$ws" sweep --list --archive "$dir/f.db"
check "sweeps are listed" says "$dir/out" "3/3"

# ---- KernelBench ----
run "$ws" sweep kernelbench/level1/094_mseloss --rounds 0 --archive "$dir/e.db"
run "$ws" sweep --export-kernelbench "$dir/kb" --no-sources --archive "$dir/e.db"
check "exported" says "$dir/out" "1 problems, 2 samples"
check "a modelled time is no runtime" python3 -c "
import json, sys
s = json.load(open('$dir/kb/eval_results.json'))['94']
sys.exit(not (len(s) == 2 and all(x['correctness'] and x['runtime'] == -1 and x['metadata']['modelled_runtime_ms'] > 0 for x in s)))"
run "$ws" sweep --import-kernelbench "$dir/kb" --archive "$dir/i.db"
check "a folder that does not tell its level" ended 2
run "$ws" sweep --import-kernelbench "$dir/kb" --level 1 --archive "$dir/i.db" --json
check "imported over the whole level" json "end['scores'][0]['n'] + end['scores'][2]['n'] == 100 and sum(s['correct'] for s in end['scores'] if s['group'] == 'all') == 1"
cat >"$dir/kb/eval_results.json" <<'EOF'
{"19": [{"sample_id": 0, "compiled": true, "correctness": true, "metadata": {"hardware": "H100"}, "runtime": 2.0}],
 "20": [{"sample_id": 0, "compiled": true, "correctness": false, "metadata": {}, "runtime": -1.0}],
 "1": {"compiled": true, "correctness": true, "metadata": {"hardware": "H100"}, "runtime": 4.0}}
EOF
cat >"$dir/base.json" <<'EOF'
{"level1": {"1_Square_matrix_multiplication_.py": {"mean": 2.0, "hardware": "H100"}, "19_ReLU.py": {"mean": 5.0, "hardware": "H100"}}}
EOF
touch "$dir/kb/level_1_problem_19_sample_0_kernel.py"
run "$ws" sweep --import-kernelbench "$dir/kb" --name up --archive "$dir/i.db" --baseline "eager=$dir/base.json" --json
check "against upstream's times" json "[p['baselines'][1]['speedup'] for p in end['problems'] if p['correct']] == [0.5, 2.5]"
check "flawed ones apart" json "[s['correct'] for s in end['scores'] if s['group'] == 'all' and s['baseline'] == 'eager'] == [1, 1]"
run "$ws" sweep --import-kernelbench "$dir/kb" --name up --archive "$dir/i.db"
check "not twice" ended 2
echo '{"1000": []}' >"$dir/kb/eval_results.json"
run "$ws" sweep --import-kernelbench "$dir/kb" --name odd --archive "$dir/i.db"
check "a problem that there is not" ended 4
echo '{"19": [{"sample_id": 0}, {"sample_id": 0}]}' >"$dir/kb/eval_results.json"
run "$ws" sweep --import-kernelbench "$dir/kb" --name odd --archive "$dir/i.db"
check "a sample twice" ended 4
run "$ws" sweep --show odd --archive "$dir/i.db"
check "and nothing is left of it" ended 4

# ---- Slurm's scripts ----
run "$ws" sweep $set --rounds 0 --slurm 8 --slurm-arg=--time=5 --slurm-dir "$dir/s" --dry-run --archive "$dir/all.db"
check "the scripts are printed" says "$dir/out" "#SBATCH --array=1-3"
check "with what they were asked for" says "$dir/out" "#SBATCH --time=5"
check "and nothing is made" [ ! -e "$dir/s" ]
sed -n '/shard.sh$/,/^# .*merge.sh/p' "$dir/out" | sed '1d;$d' | sed -n '/^#!/,/^# \//p' >"$dir/shard.sh"
check "they are shell" bash -n "$dir/shard.sh"
mkdir "$dir/bin" && ln -s "$(command -v env)" "$dir/bin/env"
run env PATH="$dir/bin" "$ws" sweep $set --rounds 0 --slurm 2 --slurm-dir "$dir/s" --archive "$dir/all.db"
check "without sbatch" ended 3
run "$ws" sweep $set --dry-run
check "--dry-run of nothing" ended 2
tap_done
