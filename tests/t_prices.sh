#!/usr/bin/env bash
# The prices command: one model, all, unknown ones, a file of one's own.
. "$(dirname "$0")/lib.sh" || exit 70
unset WARPSMITH_PRICES

run "$ws" prices gpt-5.4
check "a model's price has its source and date" grep -q '^source: .*checked 20[0-9-]*$' "$dir/out"
check "and is in USD per million tokens" grep -qE '^openai +gpt-5.4 +2.5 +0.25 +- +15 ' "$dir/out"
run "$ws" prices no-such-model
check "an unknown model is exit code 1" ended 1
check "and has no price, in words" says "$dir/out" "its price is not known"
run "$ws" prices no-such-model --json
check "in JSON too" says "$dir/out" '"unknown":'
run "$ws" prices
check "all are listed" [ "$(wc -l <"$dir/out")" -gt 80 ]
cat >"$dir/p.json" <<'END'
{"my-model": {"litellm_provider": "me", "input_cost_per_token": 1e-06, "output_cost_per_token": 2.5e-06}}
END
run "$ws" prices my-model --prices "$dir/p.json" --json
check "a price file of LiteLLM's is read as it is" says "$dir/out" '"output_usd_per_mtok":	2.5'
run "$ws" prices gpt-5.4 --prices "$dir/p.json"
check "it stands in the place of the bundled table" ended 1
echo '{"name": "softmax"}' >"$dir/p.json"
run "$ws" prices --prices "$dir/p.json"
check "a file that is none is bad input" ended 4
check "and says so" says "$dir/err" "no price file"
tap_done
