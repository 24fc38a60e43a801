#!/usr/bin/env bash
# `warpsmith ptx check`: what it says of good, unsupported and bad files, and how arguments and exit codes work.
. "$(dirname "$0")/lib.sh" || exit 70
line() { [ "$(sed -n "$1p" "$dir/out")" = "$2" ]; }
head_of() { printf '.version 9.0\n.target sm_90a\n.address_size 64\n'; }

mkdir "$dir/all" "$dir/none"
{ head_of; printf '.visible .entry k(.param .u32 n)\n{\n.reg .b32 %%r<3>;\nld.param.u32 %%r1, [n];\nadd.s32 %%r2, %%r1, 1;\nret;\n}\n'; } >"$dir/all/a_good.ptx"
{ head_of; cat <<'PTX'
.func helper() { tcgen05.wait::ld.sync.aligned; ret; }
.visible .entry k()
{
    call helper, ();
    tcgen05.wait::ld.sync.aligned;
    tcgen05.wait::st.sync.aligned;
    ret;
}
PTX
} >"$dir/all/b_lacks.ptx"
{ head_of; printf '.visible .entry k()\n{\n\tmov.u32 %%r1, 7;\n}\n'; } >"$dir/all/c_bad.ptx"
{ head_of; printf '.func (.param .b32 r) alone(.param .b32 a)\n{\n tex.1d.v4.f32.f32 {_,_,_,_}, [a, {1.0}];\n ret;\n}\n'; } >"$dir/func.ptx"

run "$ws" ptx check "$dir/all/a_good.ptx"
check "a good file" grep -qx "$dir/all/a_good.ptx: ok, 1 kernels, 3 instructions, [12] registers" "$dir/out"
check "and the sum" line 2 "1 files, 1 ok, 0 unsupported, 0 bad"
check "exit code 0" [ "$rc" = 0 ]

run "$ws" ptx check "$dir/all/b_lacks.ptx"
check "the first of each instruction, with place, function and number" \
    says "$dir/out" "$dir/all/b_lacks.ptx:8:5: unsupported 'tcgen05.wait::ld.sync.aligned' in k, 2 times: tensor memories are not supported"
check "its line and a caret" line 3 "    ^"
check "another one" says "$dir/out" "$dir/all/b_lacks.ptx:9:5: unsupported 'tcgen05.wait::st.sync.aligned' in k: "
check "exit code 1" [ "$rc" = 1 ]

run "$ws" ptx check "$dir/all/c_bad.ptx"
check "bad PTX: line, column, what" line 1 "$dir/all/c_bad.ptx:6:10: unknown register '%r1'"
check "the line" line 2 "$(printf ' mov.u32 %%r1, 7;')"
check "the caret" line 3 "$(printf '         ^')"
check "exit code 1 for bad PTX" [ "$rc" = 1 ]

run "$ws" ptx check "$dir/func.ptx"
check "a function that no kernel calls is decoded too" says "$dir/out" "unsupported 'tex.1d.v4.f32.f32' in alone: textures are not supported"
{ head_of; printf '.extern .func away();\n.visible .entry k()\n{\n call away;\n frobnicate.s32 1;\n tcgen05.wait::ld.sync.aligned;\n ret;\n}\n'; } >"$dir/extern.ptx"
run "$ws" ptx check "$dir/extern.ptx"
check "a function without a body is named" says "$dir/out" "unsupported call of 'away' in k: it has no body in this module"
check "an instruction that there is not" says "$dir/out" "unsupported 'frobnicate.s32' in k: no such instruction"
check "a family that is refused" says "$dir/out" "unsupported 'tcgen05.wait::ld.sync.aligned' in k: tensor memories are not supported"

run "$ws" ptx check "$dir/all" -j 3
check "a folder: all of its *.ptx" says "$dir/out" "3 files, 1 ok, 1 unsupported, 1 bad"
check "in the order of their names" [ "$(grep -o '[abc]_[a-z]*\.ptx' "$dir/out" | uniq | tr '\n' ' ')" = "a_good.ptx b_lacks.ptx c_bad.ptx " ]
cp "$dir/out" "$dir/out3"
run "$ws" ptx check "$dir/all" -j 1
check "one thread says the same" cmp -s "$dir/out" "$dir/out3"

timeout 60 "$ws" ptx check - <"$dir/all/c_bad.ptx" >"$dir/out" 2>"$dir/err"
check "standard input" line 1 "standard input:6:10: unknown register '%r1'"
run "$ws" ptx check "$dir/absent.ptx" "$dir/all/a_good.ptx"
check "a file that is not there does not hide the others" says "$dir/out" "2 files, 1 ok, 0 unsupported, 1 bad"
check "and is named" says "$dir/out" "cannot open '$dir/absent.ptx'"
run "$ws" ptx check "$dir/none"
check "a folder without PTX is an error" [ "$rc" = 4 ]
run "$ws" ptx check -q "$dir/all"
check "--quiet: no line for good files" [ "$(grep -c a_good "$dir/out")" = 0 ]

run "$ws" ptx check --json "$dir/all"
check "--json: exit code 1" [ "$rc" = 1 ]
if command -v python3 >/dev/null; then
    python3 - "$dir/out" <<'PY' >"$dir/err" 2>&1
import json, sys
d = json.load(open(sys.argv[1]))
good, lacks, bad = d["files"]
assert (d["ok"], d["unsupported"], d["bad"]) == (1, 1, 1), d
assert (good["outcome"], good["kernels"], good["instructions"]) == ("ok", 1, 3), good
assert lacks["unsupported"][0]["instruction"] == "tcgen05.wait::ld.sync.aligned", lacks
assert (lacks["unsupported"][0]["line"], lacks["unsupported"][0]["times"]) == (8, 2), lacks
assert (bad["line"], bad["column"], bad["error"].split("\n")[0]) == (6, 10, "unknown register '%r1'"), bad
PY
    check "--json: what the text says" [ $? = 0 ]
else
    n=$((n + 1))
    echo "ok $n - --json # SKIP no python3"
fi

run "$ws" ptx check
check "no file is a usage error" [ "$rc" = 2 ]
tap_done
