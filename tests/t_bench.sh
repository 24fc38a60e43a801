#!/usr/bin/env bash
# 'warpsmith bench' on the modelled machine: copies do not win, what is faster does and is confirmed, what is wrong is not
# timed, and every sample is in the archive.
. "$(dirname "$0")/lib.sh" || exit 70
export WARPSMITH_DEVICE=cpu # times are the model's
"$ws" emit relu -o "$dir/naive.cu" || exit 70
copies=()
for i in $(seq 1 20); do
    sed "s/k0_relu/rectify_$i/; s/^    out/\tout/" "$dir/naive.cu" >"$dir/copy_$i.cu"
    copies+=("$dir/copy_$i.cu")
done
run "$ws" bench relu "${copies[@]}" --shape 1 --noise walk --seed 1
check "20 copies of the baseline under other names: nobody wins" ended 1
check "all 20 were judged" [ "$(grep -cE '^copy_.* (same|undecided)$' "$dir/out")" = 20 ]
check "nobody is called faster" [ "$(grep -c 'faster' "$dir/out")" = 0 ]
check "times are called modelled" says "$dir/out" "modelled on h100"

"$ws" emit row_sum -o "$dir/fast.cu" || exit 70
awk '{ print } /__syncthreads\(\)/ && !done { for (i = 0; i < 12; i++) print "    __syncthreads();"; done = 1 }' \
    "$dir/fast.cu" >"$dir/slow.cu"
sed 's/= 0;/= 1;/' "$dir/fast.cu" >"$dir/wrong.cu"
run "$ws" bench row_sum "$dir/fast.cu" "$dir/slow.cu" "$dir/wrong.cu" --vs "$dir/slow.cu" --noise walk --seed 1 \
    --archive "$dir/a.db"
check "a kernel without superfluous barriers wins" ended 0
check "and is confirmed" grep -q '^fast.cu .* faster, confirmed$' "$dir/out"
check "the baseline's own text does not" grep -qE '^slow.cu .* (same|undecided)$' "$dir/out"
check "a wrong kernel is not timed" grep -q '^wrong.cu .*wrong_result: ' "$dir/out"
check "stored" says "$dir/out" "stored as sitting 1"
roles=$(python3 - "$dir/a.db" <<'END'
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for role, name, verdict, samples in db.execute("SELECT role, name, verdict, samples FROM comparison ORDER BY id"):
    assert len(json.loads(samples)["pairs"]) >= 30
    print(role, name, verdict, sep=":")
END
)
check "with all samples of the A/A run" says <(echo "$roles") "aa:slow.cu:None"
check "of the sitting" says <(echo "$roles") "first:fast.cu:faster"
check "and of the confirmation" says <(echo "$roles") "confirmation:fast.cu:faster"

run "$ws" bench relu "$dir/naive.cu" --shape 1 --seed 3 --regime both --json
cp "$dir/out" "$dir/one.json"
check "JSON of both regimes" [ "$(python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print([(s["regime"], s["kind"], s["candidates"][0]["verdict"]) for s in d["sittings"]])' "$dir/one.json")" = \
    "[('cold', 'modelled', 'same'), ('warm', 'modelled', 'same')]" ]
run "$ws" bench relu "$dir/naive.cu" --shape 1 --seed 3 --regime both --json
check "the same seed gives the same samples" cmp -s "$dir/out" "$dir/one.json"
run "$ws" bench relu "$dir/naive.cu" --shape 99
check "a shape that is not there is a usage error" ended 2
cat >"$dir/tune.cu" <<'END'
/* @plan
{ "tune": { "TIMES": [64, 1] },
  "launch": [ { "kernel": "rectify", "grid": ["ceil_div(N, 128)"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void rectify(const float *x, float *y, int n)
{
    const int i = blockIdx.x * 128 + threadIdx.x;
    for (int t = 0; t < TIMES; t++)
        __syncthreads();
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
END
run "$ws" tune relu "$dir/tune.cu" --archive "$dir/tuned.db"
run "$ws" bench relu best --vs "$dir/tune.cu" --shape 1 --archive "$dir/tuned.db"
check "the archive's best, with its choice of the tunables, beats the default" grep -q '^best:.* faster, confirmed$' "$dir/out"
run "$ws" bench relu best
check "'best' wants an archive" ended 2
run "$ws" bench relu "$dir/naive.cu" --vs "$dir/none.cu"
check "a baseline that is not there is an error" [ "$rc" != 0 ]
tap_done
