#!/usr/bin/env bash
# Evidence packets: made twice they are the same, and a recheck names what was changed.
. "$(dirname "$0")/lib.sh" || exit 70
command -v python3 >/dev/null || { echo "1..0 # SKIP no python3"; exit 0; }
kernel=tests/kernels/honest/softmax_online.cu

# edit FROM TO 'python statements on p'
edit() {
    python3 - "$1" "$2" "$3" <<'END'
import json, sys
p = json.load(open(sys.argv[1]))
exec(sys.argv[3])
json.dump(p, open(sys.argv[2], "w"))
END
}
packet() { run "$ws" verify "$1" "$2" --seed "$3" --packet "$4" "${@:5}"; }

packet "$softmax" "$kernel" 5 "$dir/a.json"
check "a packet is written" [ "$rc" = 0 -a -s "$dir/a.json" ]
packet "$softmax" "$kernel" 5 "$dir/b.json"
for x in a b; do edit "$dir/$x.json" "$dir/$x.bare" 'del p["circumstances"]'; done
check "a second one is the same byte for byte, but for the circumstances" cmp -s "$dir/a.bare" "$dir/b.bare"
run "$ws" recheck "$dir/a.json" -o "$dir/c.json"
check "recheck finds the same" [ "$rc" = 0 ]
check "and says so" says "$dir/out" "the same"
edit "$dir/c.json" "$dir/c.bare" 'del p["circumstances"]'
check "its packet is the same, too" cmp -s "$dir/a.bare" "$dir/c.bare"
run env WARPSMITH_ENGINE=baseline LC_ALL=C TZ=Pacific/Chatham taskset -c "$(taskset -pc $$ | sed 's/.*: //; s/[-,].*//')" \
    "$ws" recheck "$dir/a.json"
check "so does another engine on one core, elsewhere" [ "$rc" = 0 ]
run "$ws" recheck "$dir/a.json" --json
check "--json says so" grep -q '"same":.*true' "$dir/out"

# ---- what it holds ----
cat >"$dir/look.py" <<'END'
import hashlib, json, sys
p = json.load(open(sys.argv[1]))
sha = lambda z: hashlib.sha256(z.encode()).hexdigest()
assert p["source"]["sha256"] == sha(open(sys.argv[2]).read()) == sha(p["source"]["text"])
assert p["spec"]["sha256"] == sha(p["spec"]["text"])
bare = {k: v for k, v in p.items() if k not in ("sha256", "circumstances")}
runs = [c for c in p["checks"] if c["what"] == "run"]
assert p["verdict"]["accepted"] and p["verdict"]["evidence"]["runs"] == len([c for c in p["checks"] if "inputs" in c])
assert {c["shape"] for c in runs} >= {"B=1 N=1", "B=3 N=257", "B=8 N=512", "B=17 N=31"}
assert {c["schedule"] for c in runs} == {"round robin", "random", "reverse"}
assert {"random", "negative", "mixed", "zero", "NaN and infinity"} <= {c["inputs"] for c in runs}
assert all(len(c["outputs_sha256"]["y"]) == 64 and c["result"] == "pass" for c in runs)
assert max(float(c["worst_error_over_tolerance"]) for c in runs) == p["verdict"]["evidence"]["worst_error_over_tolerance"]
assert sum("cubin_sha256" in c for c in p["compiles"]) == 1
assert {0, 1, 2, 3} == {c["level"] for c in p["checks"]}
END
check "source, spec, runs and hashes are in it" python3 "$dir/look.py" "$dir/a.json" "$kernel"

# One warp a row, 4 rows a block: line 25 leaves where there is no row, 31 runs for each element once.
cat >"$dir/cover.py" <<'END'
import json, sys
p = json.load(open(sys.argv[1]))
for shape, rows, cols in (("B=1 N=1", 1, 1), ("B=17 N=31", 17, 31)):
    runs = sum(c["shape"] == shape and c["what"] == "run" for c in p["checks"])
    c, = [c for c in p["coverage"] if c["shape"] == shape]
    lines = dict(c["lines"])
    threads, inside = (rows + 3) // 4 * 128 * runs, rows * 32 * runs
    assert lines[25] == threads and lines[27] == inside and lines[31] == rows * cols * runs, lines
    assert [sorted(b[1:]) for b in c["branches"] if b[0] == 25] == [sorted((inside, threads - inside))], c["branches"]
    first = [b for b in c["branches"] if b[0] == 30][0]
    assert sorted(first[1:]) == sorted((rows * cols * runs, inside - rows * cols * runs)), first
END
check "lines and branches have the threads that ran them" python3 "$dir/cover.py" "$dir/a.json"

# ---- what was changed is named ----
edit "$dir/a.json" "$dir/x.json" 'p["source"]["text"] += " "'
run "$ws" recheck "$dir/x.json"
check "a byte more of source: exit code 1" [ "$rc" = 1 ]
check "its hash differs" says "$dir/out" "source.sha256: then"
check "and nothing that ran" [ "$(grep -c 'checks\[' "$dir/out")" = 0 ]
edit "$dir/a.json" "$dir/x.json" 'p["options"]["seed"] = "6"'
run "$ws" recheck "$dir/x.json"
check "another seed: outputs differ" grep -q 'checks\[[0-9]*\].outputs_sha256.y: then' "$dir/out"
check "not the code" [ "$(grep -c '^compiles' "$dir/out")" = 0 ]
edit "$dir/a.json" "$dir/x.json" 'p["spec"]["text"] = p["spec"]["text"].replace("\"B\":17", "\"B\":18")'
run "$ws" recheck "$dir/x.json"
check "another spec: its hash and the shape differ" grep -q '^checks.*shape: then "B=17 N=31", now "B=18 N=31"' "$dir/out"
check "and the spec's hash" says "$dir/out" "spec.sha256: then"
edit "$dir/a.json" "$dir/x.json" 'p["verdict"]["evidence"]["worst_error_over_tolerance"] = 0.01; p["checks"].pop()'
run "$ws" recheck "$dir/x.json"
check "a better error than was seen" says "$dir/out" "verdict.evidence.worst_error_over_tolerance: then 0.01"
check "a check that is not there" says "$dir/out" ": then nothing, now "
edit "$dir/a.json" "$dir/x.json" 'p["compiler"]["version"] = "NVRTC 1.0.0"; p["compiles"][0]["ptx_sha256"] = "0"'
run "$ws" recheck "$dir/x.json"
check "another compiler: exit code 3" [ "$rc" = 3 ]
check "says what was not compared" says "$dir/out" "the compiler is another version"

# ---- rejected candidates, tunables, what is no packet ----
packet row_sum tests/kernels/bad/row_sum_skips_small.cu 7 "$dir/r.json"
check "a rejected candidate has a packet" [ "$rc" = 1 -a -s "$dir/r.json" ]
# The runs of the last shape were executed together with those of the one before it.
sed 's/ s = s \* __expf/ s = s + __expf/' tests/kernels/honest/cross_entropy_warp_and_mean.cu >"$dir/late.cu"
packet cross_entropy "$dir/late.cu" 5 "$dir/late.json"
check "so has one that is wrong at the last shape alone" [ "$rc" = 1 -a -s "$dir/late.json" ]
check "which says how" says "$dir/out" "wrong_result"
run "$ws" recheck "$dir/r.json"
check "that repeats" [ "$rc" = 0 ]
tuned=$(grep -l '"tune"' tests/kernels/honest/*.cu | head -n 1)
packet "$(sed -n 's,^// spec: \([^ ]*\).*,\1,p' "$tuned")" "$tuned" 9 "$dir/t.json" --depth quick --choices 2
check "other choices of tunables stand in it" grep -q '"tunables"' "$dir/t.json"
run "$ws" recheck "$dir/t.json"
check "and repeat" [ "$rc" = 0 ]
echo '{"schema": 1}' >"$dir/x.json"
run "$ws" recheck "$dir/x.json"
check "what is no packet: exit code 4" [ "$rc" = 4 ]
check "in one line" [ "$(wc -l <"$dir/err")" = 1 ]
edit "$dir/a.json" "$dir/x.json" 'p["options"]["tune"] = {"BLOCK": 7}'
run "$ws" recheck "$dir/x.json"
check "a tunable that the plan lacks is bad input" [ "$rc" = 4 ]
check "and named" says "$dir/err" "'BLOCK'"
tap_done
