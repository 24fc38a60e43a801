#!/usr/bin/env bash
# 'warpsmith tune' from a source to a tuned source: small spaces, with points that fail, are wrong, are the same.
. "$(dirname "$0")/lib.sh" || exit 70
field() { # field FILE PATH: a member of a JSON document, as in best.tune.BLOCK
    python3 -c 'import json, sys
v = json.load(open(sys.argv[1]))
for k in sys.argv[2].split("."):
    v = v[k]
print(v)' "$1" "$2"
}

# The space is judged, not the operation: basics/relu with a smaller benchmark shape.
sed 's/"dims": {[^}]*}/"dims": {"N": 2097152}/' specs/basics/relu.json >"$dir/relu.json"
# SKIP=2 leaves out half of the work, SKIP=3 does not compile, SAME changes nothing, BLOCK=4096 cannot be launched.
cat >"$dir/relu.cu" <<'END'
/* @plan
{ "tune": { "BLOCK": [32, 128, 256, 4096], "PER": [1, 2, 4], "SKIP": [1, 2, 3], "SAME": [0, 1] },
  "require": [ "SKIP == 1 || PER <= 2" ],
  "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, BLOCK * PER)"], "block": ["BLOCK"], "args": ["x", "y", "N"] } ] }
*/
#if SKIP == 3
#error "no such way"
#endif
extern "C" __global__ void relu(const float *x, float *y, int n)
{
    for (int p = 0; p < PER; p++) {
        const int i = (blockIdx.x * PER + p) * BLOCK + threadIdx.x;
        if (i < n && (SKIP == 1 || i % (2 * BLOCK) < BLOCK))
            y[i] = fmaxf(x[i], 0.f);
    }
}
END
run "$ws" tune "$dir/relu.json" "$dir/relu.cu" --exhaustive --json -o "$dir/tuned.cu"
check "exit code 0" [ "$rc" = 0 ]
cp "$dir/out" "$dir/all.json"
# BLOCK 3 x (PER 3 x SKIP 1 + PER 2 x SKIP 2) x SAME 2
check "42 points can be launched" [ "$(field "$dir/all.json" space)" = 42 ]
check "and all are judged" [ "$(field "$dir/all.json" judged)" = 42 ]
check "SAME makes no other program" [ "$(field "$dir/all.json" same_program)" -ge 15 ]
check "a wrong point is not the best" [ "$(field "$dir/all.json" best.tune.SKIP)" = 1 ]
check "though it was faster" [ "$(field "$dir/all.json" wrong)" -gt 0 ]
check "the best is verified" [ "$(field "$dir/all.json" verdict.reason)" = pass ]
check "what does not compile is never right" [ "$(field "$dir/all.json" sensitivity.SKIP.3)" = None ]
run "$ws" verify "$dir/relu.json" "$dir/tuned.cu" --choices 0 --json
check "the source with the best values first is right" [ "$rc" = 0 ]
check "and has the time that was promised" [ "$(field "$dir/out" modelled.seconds)" = "$(field "$dir/all.json" best.modelled_s)" ]
check "its defaults are the best point" says "$dir/tuned.cu" "\"BLOCK\": [$(field "$dir/all.json" best.tune.BLOCK), "

run "$ws" tune "$dir/relu.json" "$dir/relu.cu" --max-points 24 --json
check "a search of 24 points" [ "$rc" = 0 ]
check "judges 24" [ "$(field "$dir/out" judged)" = 24 ]
check "of 42" [ "$(field "$dir/out" space)" = 42 ]
check "and its best is right" [ "$(field "$dir/out" best.tune.SKIP)" = 1 ]
run "$ws" tune "$dir/relu.json" "$dir/relu.cu" --max-points 24
cp "$dir/out" "$dir/first"
run "$ws" tune "$dir/relu.json" "$dir/relu.cu" --max-points 24
check "the same search again has the same best" [ "$(grep '^best ' "$dir/first")" = "$(grep '^best ' "$dir/out")" ]
check "with a table of sensitivities" grep -q '^BLOCK: .*32 [0-9.]*x' "$dir/out"

run "$ws" tune "$dir/relu.json" "$dir/relu.cu" --max-points 24 --archive "$dir/a.db"
check "stored in an archive" [ "$rc" = 0 ]
run "$ws" export last --archive "$dir/a.db" --output "$dir/best.h"
check "export takes it" [ "$rc" = 0 ]
check "with the tuned values" grep -q "SKIP" "$dir/best.h"
run "$ws" archive show last --archive "$dir/a.db"
check "and it is shown as tuned" grep -q ' tuned .* pass ' "$dir/out"

sed 's/"SKIP": \[1, 2, 3\]/"SKIP": [2, 3]/' "$dir/relu.cu" >"$dir/wrong.cu"
run "$ws" tune "$dir/relu.json" "$dir/wrong.cu"
check "a space without a right point is exit code 1" [ "$rc" = 1 ]
check "with the reason" grep -q '^none is right, .*never written' "$dir/out"
sed 's/"SKIP": \[1, 2, 3\]/"SKIP": [3]/' "$dir/relu.cu" >"$dir/never.cu"
run "$ws" tune "$dir/relu.json" "$dir/never.cu"
check "a space without a point that compiles is exit code 1" [ "$rc" = 1 ]
check "with the compiler's reason" grep -q '^none can be used: .*no such way' "$dir/out"
sed 's/"tune".*//; s/"require".*//; s/BLOCK\b/64/g; s/PER/1/g' "$dir/relu.cu" >"$dir/none.cu"
run "$ws" tune "$dir/relu.json" "$dir/none.cu"
check "a plan without tunables is a bad input" [ "$rc" = 4 ]
check "named so" says "$dir/err" "the plan has no 'tune'"
sed 's/"PER"/"N"/' "$dir/relu.cu" >"$dir/bad.cu"
run "$ws" tune "$dir/relu.json" "$dir/bad.cu"
check "a plan that is not well formed is one too" [ "$rc" = 4 ]
check "with its line" grep -q 'bad.cu:2: plan_invalid' "$dir/err"
tap_done
