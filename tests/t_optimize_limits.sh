#!/usr/bin/env bash
# What ends a run, and what it tells: budgets in dollars, candidates and tokens, targets, several models, the stream of
# events. The model is played over HTTP.
. "$(dirname "$0")/lib.sh" || exit 70
servers=()
trap 'kill "${servers[@]}" 2>/dev/null; rm -rf "$dir"' EXIT

# serve BEHAVIOUR: sets url
serve() {
    "$ws" replay --behaviour "$1" --spec basics/softmax --seed 3 >"$dir/$1.url" 2>/dev/null &
    servers+=($!)
    for _ in $(seq 500); do [ -s "$dir/$1.url" ] && break; sleep 0.02; done
    url=$(head -n 1 "$dir/$1.url")
}
serve perfect
perfect=$url
optimize=("$ws" optimize "$softmax" --base-url "$perfect" --model m --seed 4 --archive "$dir/a.db" --no-memory)
# The last line of --json as a value: field NAME
field() { tail -n 1 "$dir/out" | sed -E "s/.*\"$1\":(\"[^\"]*\"|[^,}]*).*/\1/"; }

# The played model takes one step or two an answer, as the bytes of the prompt fall: the fourth kernel, the first that
# beats the plain translation, is there after four answers at the latest, which is four generations of three lanes.

# ---- the stream of events ----

run "${optimize[@]}" --strategy best-of --lanes 3 --rounds 12 --tune 2 --json
check "a run as events ends well" ended 0
check "begins with the run" grep -q '^{"event":"run"' <(head -n 1 "$dir/out")
check "tells each call that is sent" [ "$(grep -c '^{"event":"asked"' "$dir/out")" = 12 ]
check "and each that is answered" [ "$(grep -c '^{"event":"answered"' "$dir/out")" = 12 ]
check "and each candidate" [ "$(grep -c '"event":"candidate"' "$dir/out")" -ge 13 ]
check "and ends with the summary" [ "$(field event)" = '"end"' ]
check "which says why it ended" [ "$(field stop_reason)" = '"all rounds done"' ]
check "and where the time went" grep -q '"seconds":{"wall":' <(tail -n 1 "$dir/out")
json_lines() { python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' <"$dir/out"; }
command -v python3 >/dev/null && check "every line is JSON" json_lines

# ---- targets ----

run "${optimize[@]}" --rounds 50 --target 1.05x --json
check "a target ends a run as done" ended 0
check "in words" [ "$(field stop_reason)" = '"the target is reached"' ]
check "with few calls" [ "$(grep -c '^{"event":"asked"' "$dir/out")" -lt 20 ]
run "${optimize[@]}" --rounds 50 --target 10% --json
check "a part of the roofline too" [ "$(field stop_reason)" = '"the target fraction of the roofline is reached"' ]
run "${optimize[@]}" --target fast
check "a target that is none is refused" ended 2
check "in words that help" says "$dir/err" "neither a speed-up such as 2x nor a part of the roofline such as 80%"

# ---- budgets ----

run "${optimize[@]}" --strategy best-of --lanes 4 --rounds 50 --candidates 5 --tune 0 --json
check "a candidate budget ends a run with 6" ended 6
check "in words" [ "$(field stop_reason)" = '"the candidate budget is spent"' ]
check "and is not passed" [ "$(grep -c '"event":"candidate"' "$dir/out")" -le 6 ]
run "${optimize[@]}" --strategy best-of --lanes 8 --rounds 50 --candidates 9 --tune 8 --json
check "nor with tuned kernels and more lanes" [ "$(grep -c '"event":"candidate"' "$dir/out")" -le 10 ]
run "${optimize[@]}" --rounds 50 --token-budget 60000 --lanes 4 --json
check "a token budget too" ended 6
tokens=$(($(field prompt_tokens) + $(field completion_tokens)))
check "and is not passed" [ "$tokens" -le 60000 ]
run "${optimize[@]}" --max-cost 1
check "dollars need a known price" ended 2
check "which is said" says "$dir/err" "the price of model 'm' is not known"
echo '{ "m": { "input_cost_per_token": 2e-6, "output_cost_per_token": 1e-5, "litellm_provider": "openai" } }' >"$dir/prices.json"
run "${optimize[@]}" --max-cost 0.25 --max-tokens 2000 --prices "$dir/prices.json" --rounds 200 --lanes 8 --tune 0 --json
check "a limit in dollars ends a run with 6" ended 6
check "and is not passed" awk "BEGIN { exit !($(field cost_usd) > 0 && $(field cost_usd) <= 0.25) }"
run "${optimize[@]}" --max-cost 1 --allow-unknown-price --rounds 1 --tune 0
check "unknown prices can be allowed" [ "$rc" -le 1 ]
if command -v python3 >/dev/null; then
    run tests/check_budget 2 11
    check "random limits hold with 16 calls in flight, by the server's own log" ended 0
fi

# ---- several models, strategies ----

serve wrong
run "$ws" optimize "$softmax" --base-url "$perfect" --model m,other --seed 4 --archive "$dir/two.db" --no-memory \
    --strategy evolve --lanes 2 --rounds 10 --tune 0 --json
check "two models are both asked" [ "$(grep '^{"event":"asked"' "$dir/out" | sed -E 's/.*"model":"([^"]*)".*/\1/' | sort -u | wc -l)" = 2 ]
run "${optimize[@]}" --strategy guess
check "an unknown strategy is refused" ended 2
check "with those that there are" says "$dir/err" "there are refine, best-of, ideas, evolve"
run "$ws" optimize "$softmax" --base-url "$url" --model m --seed 4 --archive "$dir/w.db" --rounds 4 --no-memory
check "a model that is always wrong ends with 1" ended 1
check "and says that nothing was won" says "$dir/out" "no reply is faster than the plain translation"

# ---- what a kernel is worth ----

run "${optimize[@]}" --rounds 4 --prices "$dir/prices.json" --value 2 --expected-calls 1000000
check "the summary says what the kernel saves" says "$dir/out" "GPU-seconds per million calls (modelled)"
tap_done
