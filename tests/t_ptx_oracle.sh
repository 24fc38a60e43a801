#!/usr/bin/env bash
# ptxas and `ptx check` agree on the cases of tests/ptx_oracle: good PTX is accepted by both, bad PTX rejected by both.
# Without ptxas the engine's side is tested alone, and the other half is skipped.
set -u
cd "$(dirname "$0")/.." || exit 70
ws=${WARPSMITH:-$PWD/warpsmith}
cases=tests/ptx_oracle
dir=$(mktemp -d) || exit 70
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/case"

# One file a case, NNNN.ptx, and a line of the list: name, architecture, where it stands, sign, text.
split() {
    awk -v dir="$dir/case" '
    BEGIN {
        registers = ".reg .pred %p<4>; .reg .b16 %h<4>; .reg .b32 %r<8>; .reg .u32 %u<4>; .reg .s32 %s<4>; " \
            ".reg .f32 %f<8>; .reg .b64 %rd<8>; .reg .f64 %d<4>; .reg .b128 %q<4>;"
        globals = ".global .align 16 .b8 g[64]; .const .align 16 .b8 c[64]; .shared .align 16 .b8 s[64];"
    }
    FNR == 1 { target = "sm_90a"; kind = FILENAME; sub(/.*\//, "", kind) }
    $1 == "target" { target = $2 }
    $1 != "+" && $1 != "-" { next }
    {
        text = substr($0, 3)
        head = ".version 9.0\n.target " target "\n.address_size 64\n"
        if (kind == "instructions.txt")
            body = head globals "\n.visible .entry k(.param .u64 p, .param .u32 n)\n{\n" registers "\n" text "\nret;\n}\n"
        else if (kind == "declarations.txt") {
            body = text
            sub(/(^| )K$/, " .visible .entry k() { ret; }", body)
            body = head body "\n"
        } else {
            body = text
            gsub(/\\n/, "\n", body); gsub(/\\r/, "\r", body); gsub(/\\x01/, "\001", body)
        }
        name = sprintf("%04d", ++n)
        printf "%s", body > (dir "/" name ".ptx"); close(dir "/" name ".ptx")
        print name, target, kind ":" FNR ": " $0
    }' "$cases"/*.txt >"$dir/list"
}
split

"$ws" ptx check "$dir/case" >"$dir/engine" 2>"$dir/err"
ptxas=$(command -v ptxas || ls "${CUDA_HOME:-/usr/local/cuda}/bin/ptxas" build/cuda/bin/ptxas 2>/dev/null | head -n 1)
if [ -n "$ptxas" ]; then
    export ptxas dir
    judge() {
        if "$ptxas" -arch "$2" -o /dev/null "$dir/case/$1.ptx" >"$dir/case/$1.log" 2>&1; then echo "$1 +"; else echo "$1 -"; fi
    }
    export -f judge
    cut -d ' ' -f 1,2 "$dir/list" | xargs -P "$(nproc)" -L 50 bash -c 'while [ $# -gt 1 ]; do judge "$1" "$2"; shift 2; done' _ \
        >"$dir/ptxas"
fi

# Joins the list with what both said.
awk -v dir="$dir" -v ptxas="$ptxas" '
BEGIN {
    while ((getline line < (dir "/ptxas")) > 0) { split(line, f, " "); oracle[f[1]] = f[2] }
    while ((getline line < (dir "/engine")) > 0)
        if (match(line, /case\/[0-9]+\.ptx/)) {
            name = substr(line, RSTART + 5, 4)
            if (line ~ /\.ptx: ok,/) engine[name] = "+"
            if (!(name in said)) said[name] = substr(line, RSTART + 5)
        }
}
function report(who, got, sign, text, why) {
    gsub(/#/, "\\#", text)
    print (got == sign ? "ok " : "not ok ") (++n) " - " who " " text
    if (got != sign && why != "") print "# " why
}
{
    name = $1
    match($0, /^[^ ]+ [^ ]+ /)
    text = substr($0, RLENGTH + 1)
    sign = $4
    report("engine", name in engine ? "+" : "-", sign, text, said[name])
    if (ptxas != "") {
        why = ""
        getline why < (dir "/case/" name ".log")
        report("ptxas", oracle[name], sign, text, why)
    }
}
END {
    if (ptxas == "") print "ok " (++n) " - the same from ptxas # SKIP no ptxas"
    print "1.." n
}' "$dir/list"
