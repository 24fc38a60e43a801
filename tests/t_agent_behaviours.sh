#!/usr/bin/env bash
# The played models' kernels (agent/replays/behaviours): the right ones pass, each faster than the one before it;
# the wrong ones are rejected.
. "$(dirname "$0")/lib.sh" || exit 70
seconds() { sed -n '/"modelled"/,$ s/^.*"seconds":[^0-9]*\([0-9.e-]*\).*/\1/p' "$1" | head -n 1; }
for d in agent/replays/behaviours/*/; do
    name=$(basename "$d")
    spec=${name%%_*}/${name#*_}
    slower= depth= # the first one in full; the others meet it in the loop (t_optimize_behaviours)
    for f in "$d"[1-9]*.cu; do
        run "$ws" verify "$spec" "$f" --json --seed 1 --choices 2 $depth
        depth="--depth quick --no-field"
        check "$name/$(basename "$f") passes" ended 0
        s=$(seconds "$dir/out")
        if [ -n "$slower" ]; then
            check "  and is faster than the one before" awk "BEGIN { exit !(${s:-0} > 0 && ${s:-0} < $slower) }"
        fi
        slower=$s
    done
    for f in "$d"wrong_*.cu; do
        run "$ws" verify "$spec" "$f" --json --seed 1
        check "$name/$(basename "$f") is rejected" ended 1
    done
done
tap_done
