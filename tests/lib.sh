# Sourced by test scripts that print TAP: the root of the tree, `$ws` the program, `$softmax` a spec, `$dir` an empty directory that goes
# at the end, one line a check. The script ends with: tap_done
set -u
cd "$(dirname "$0")/.." || exit 70
ws=${WARPSMITH:-$PWD/warpsmith}
softmax=tests/specs/softmax.json # small: where a test is about the run and not about the operation
dir=$(mktemp -d) || exit 70
trap 'rm -rf "$dir"' EXIT
unset OPENAI_API_KEY OPENAI_BASE_URL WARPSMITH_MODEL WARPSMITH_ARCHIVE
n=0 failed=0

# check NAME CONDITION...
check() {
    local name=$1
    shift
    n=$((n + 1))
    if "$@"; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        tail -n 12 "$dir/out" "$dir/err" 2>/dev/null | sed 's/^/# /'
        failed=1
    fi
}
# Output and exit code of a command: $dir/out, $dir/err, $rc
run() {
    timeout 60 "$@" >"$dir/out" 2>"$dir/err"
    rc=$?
}
ended() { [ "$rc" = "$1" ]; }
# says FILE TEXT
says() { grep -qF -- "$2" "$1"; }
tap_done() {
    echo "1..$n"
    exit $failed
}
