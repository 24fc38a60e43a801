#!/usr/bin/env bash
# The generator writes the specs of KernelBench that are in the tree, byte for byte; all of the catalogue is
# valid, and complete.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || {
    echo "1..0 # SKIP no python3"
    exit 0
}
files() { [ "$(ls specs/kernelbench/$1/*.json | wc -l)" = "$2" ]; }
run python3 specs/kernelbench/generate --check
check "the generator agrees with the files" ended 0
check "and writes a spec a problem" says "$dir/out" "250 specs"
check "100 of level 1" files level1 100
check "100 of level 2" files level2 100
check "50 of level 3" files level3 50

cp -r specs/kernelbench/generate specs/kernelbench/notation.py specs/kernelbench/problems "$dir"
run python3 "$dir/generate"
check "written anew" ended 0
check "level 3 is the same" diff -r "$dir/level3" specs/kernelbench/level3
echo '{}' >"$dir/level1/extra.json"
sed -i 's/"dims"/"dmis"/' "$dir/level2/001_conv2d_relu_biasadd.json"
run python3 "$dir/generate" --check
check "what differs is an error" ended 1
check "a file too many is named" says "$dir/out" "level1/extra.json differs"
check "a changed file is named" says "$dir/out" "level2/001_conv2d_relu_biasadd.json differs"

run "$ws" spec check
check "the whole catalogue is valid" ended 0
kernelbench() { [ "$(awk '$1 == "kernelbench" { print $2 }' "$dir/out")" = 250 ]; }
check "250 of KernelBench" kernelbench
llm() { [ "$(awk '$1 == "llm" { print $2 }' "$dir/out")" -ge 40 ]; }
check "at least 40 of language models" llm
cp -r specs "$dir/specs"
sed -i 's/"relu"/"relux"/' "$dir/specs/basics/relu.json"
WARPSMITH_HOME=$dir run "$ws" spec check
check "a broken one is an error" ended 4
check "and is named" says "$dir/err" "spec 'basics/relu': graph[0] (relux): unknown op 'relux'"
tap_done
