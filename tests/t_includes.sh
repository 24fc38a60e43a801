#!/usr/bin/env bash
# The permitted include edges between modules (docs/architecture.md), and who sees which library.
cd "$(dirname "$0")/.." || exit 70
n=0 failed=0
check() { # check NAME BAD-LINES
    n=$((n + 1))
    if [ -z "$2" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        echo "$2" | sed 's/^/# /'
        failed=1
    fi
}
# edges MODULE-DIR ALLOWED-PREFIXES...: project includes of the module that have another prefix
edges() {
    local dir=$1 allowed
    shift
    allowed=$(printf '|%s/' "$@")
    grep -rnE '^ *# *include "' "$dir" --include='*.[ch]' | grep -vE "include \"(${allowed#|})"
}
only() { # only HEADER-REGEX ALLOWED-PATH-REGEX
    grep -rlE "^ *# *include <$1" base specs reference harness verifier results agent --include='*.[ch]' |
        grep -vE "$2"
}
check "base includes only base" "$(edges base base)"
check "specs includes base" "$(edges specs specs base)"
check "reference includes specs and base" "$(edges reference reference specs base)"
check "harness includes harness and base" "$(edges harness harness base)"
check "the PTX engine needs only base, its CUDA facade the cost model and ELF files too" \
    "$(edges harness/ptx harness/ptx harness/diag.h base | grep -vE 'harness/diag.h|^harness/ptx/cuda/.*harness/(timing/|profile/(elf|dwarf)\.h)')"
check "verifier includes harness, reference, specs" "$(edges verifier verifier harness reference specs base)"
check "results includes verifier and what it includes" "$(edges results results verifier harness reference specs base)"
check "only the driver and the facade see cuda.h" "$(only 'cuda\.h>' '^harness/(driver(_state\.h|\.c)|profile/|ptx/cuda/)')"
check "only harness/compile sees nvrtc.h" "$(only 'nvrtc\.h' '^harness/compile/')"
check "only agent/llm/curl.h sees curl" "$(only 'curl/' '^agent/llm/curl\.h')"
check "only agent/serve/mhd.h sees microhttpd" "$(only 'microhttpd' '^agent/serve/mhd\.h')"
check "only results sees sqlite" "$(only 'sqlite3\.h' '^results/')"
check "symbols are looked up by tables, which tests read" "$(
    grep -rnE 'dlsym *\(' base specs reference harness verifier results agent --include='*.[ch]' |
        grep -vE '^(base/dynlib|reference/gemm|agent/llm/curl)\.c:')"
check "no fast-math" "$(grep -nE '(-f|-O)fast' Makefile)"
check "the device worker needs the C library alone" "$(
    readelf -d "${BUILD:-build}/warpsmith-worker" 2>&1 | grep -E 'NEEDED|rror' |
        grep -vE 'lib(c|m|dl|pthread|asan|ubsan)\.so|ld-linux')"
echo "1..$n"
exit $failed
