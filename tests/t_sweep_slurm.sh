#!/usr/bin/env bash
# A sweep as an array of two shards on a Slurm of one node. tests/check_slurm does a whole level, and kills a shard.
. "$(dirname "$0")/lib.sh" || exit 70
for tool in sbatch slurmctld slurmd munged; do
    PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || { echo "1..0 # SKIP there is no $tool: slurm-wlm, munge"; exit 0; }
done
NO_REQUEUE=1 KEEP=$dir/work timeout 120 tests/check_slurm "basics/vector_add basics/transpose" 2 >"$dir/out" 2>"$dir/err"
rc=$?
if [ $rc = 3 ]; then
    echo "1..0 # SKIP $(head -n 1 "$dir/err")"
    exit 0
fi
check "the merged archive says what the sweep says that was not divided" ended 0
check "each shard has a log" [ -s "$dir/work/shards/log/1.log" -a -s "$dir/work/shards/log/2.log" ]
check "the merge job prints the scores" says "$dir/work/shards/log/merge.log" "than translation"
tap_done
