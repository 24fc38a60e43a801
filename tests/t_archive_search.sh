#!/usr/bin/env bash
# `archive search` and `archive lessons` on the archive of a scripted run, and `verify --explain`.
. "$(dirname "$0")/lib.sh" || exit 70
db=$dir/a.db
json() { /usr/bin/python3 -c "import json,sys; d = json.load(open('$dir/out')); sys.exit(not ($1))"; }

run "$ws" optimize "$softmax" --rounds 3 --seed 7 --tune 2 --archive "$db"
check "a run" [ "$rc" -le 1 ]
run "$ws" archive show last --archive "$db" --json
passed=$(/usr/bin/python3 -c "
import json; d = json.load(open('$dir/out'))
print(len({c['source'] for c in d['candidates'] if c['reason'] == 'pass'}))")

run "$ws" archive search softmax --archive "$db" --json
check "kernels that passed, no others" json "len(d['kernels']) == $passed and all(k['level'] >= 2 for k in d['kernels'])"
check "with what they use" json "any('shuffle' in k['uses'] for k in d['kernels'])"
run "$ws" archive search shuffle softm* --archive "$db" --json
check "every word, and beginnings of words" json "0 < len(d['kernels']) <= $passed"
run "$ws" archive search shuffle nosuchword --archive "$db"
check "nothing where a word is missing" says "$dir/out" "nothing found"
run "$ws" archive search 'x" OR (' --archive "$db"
check "a person's words are no query language" ended 0
run "$ws" archive search --like basics/log_softmax --archive "$db" --json
check "related specs" ended 0
run "$ws" archive search --archive "$db"
check "search needs something" ended 2
run "$ws" archive search word --like softmax --archive "$db"
check "but not both" ended 2
run "$ws" archive lessons basics/softmax --archive "$db" --json
check "lessons as JSON" json "isinstance(d['lessons'], list)"
run "$ws" archive lessons basics/softmax --gpu h101 --archive "$db"
check "an unknown GPU is a mistake" ended 2
run "$ws" archive lessons one two --archive "$db"
check "too many arguments" ended 2
run "$ws" archive search word --archive "$dir/none.db"
check "there is no archive" ended 4
check "and none is made" [ ! -e "$dir/none.db" ]
chmod a-w "$db"
run "$ws" archive search softmax --archive "$db" --json
check "an archive that cannot be written is searched" json "len(d['kernels']) == $passed"

"$ws" emit basics/transpose >"$dir/t.cu"
run "$ws" verify basics/transpose "$dir/t.cu" --depth quick --explain
check "a kernel that passes is explained" ended 0
check "with its largest fault" says "$dir/out" "1. uncoalesced-loads"
run "$ws" verify basics/transpose "$dir/t.cu" --depth quick --explain --json
check "as JSON" json "d['findings'][0]['rule'] == 'uncoalesced-loads' and d['findings'][0]['severity'] == 'high'"
run "$ws" verify basics/relu tests/kernels/bad/compile_error.cu --explain
check "a kernel that fails is rejected" ended 1
check "with the line" says "$dir/out" ">    9 |"
tap_done
