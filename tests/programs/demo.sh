#!/bin/sh
# The demo end to end with small tables: what it prints and keeps, what it refuses, and that nothing
# is left running when it is interrupted, killed, or one of its processes dies.
# usage: demo.sh BUILD_FOLDER
set -eu
build=$(cd "$1" && pwd)
demo=$build/examples/aml-demo
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

fail() {
    echo "FAILED: $1" >&2
    cat out err >&2
    exit 1
}
json() { # json FILE PATH
    sqlite3 :memory: "select json_extract(readfile('$1'), '$2')"
}
is() { # is FILE PATH VALUE
    [ "$(json "$1" "$2")" = "$3" ] || fail "$2 is $(json "$1" "$2"), not $3"
}
# refuses WHAT ARGS...: exit 1, one line with WHAT on stderr, one JSON object with it on stdout
refuses() {
    what=$1
    shift
    rc=0
    "$demo" --json "$@" >out 2>err || rc=$?
    [ "$rc" = 1 ] || fail "$* exited $rc, not 1"
    [ "$(grep -c '^aml-demo: ' err)" = 1 ] || fail "$* did not end with one line"
    grep '^aml-demo: ' err | grep -q -e "$what" || fail "$* did not say '$what'"
    [ "$(wc -l <out)" = 1 ] && json out '$.error' | grep -q -e "$what" || fail "$*: no error object"
}
# table FILE SEED ROWS: amounts, hours and countries, with a label that follows from them
table() {
    awk -v seed="$2" -v rows="$3" 'BEGIN {
        srand(seed)
        print "id,amount,hour,country,fraud"
        for (i = 1; i <= rows; i++) {
            amount = exp(2 + 5 * rand()); hour = int(24 * rand())
            country = substr("DEFRITNL", 1 + 2 * int(4 * rand()), 2)
            risk = (amount > 400) + (hour < 5) + (country == "NL")
            print i "," amount "," hour "," country "," (risk + rand() > 2.4)
        }
    }' >"$1"
}
gone() { # gone PID...: within five seconds
    for i in $(seq 50); do
        left=""
        for p in "$@"; do [ ! -d "/proc/$p" ] || left="$left $p"; done
        [ -n "$left" ] || return 0
        sleep 0.1
    done
    fail "still running:$left"
}

mkdir tables one empty full
for i in 1 2 3; do table tables/bank-$i.csv $i 900; done
cp tables/bank-1.csv one
touch full/file

# --- what is refused, before anything is made
refuses 'at least 2 banks' --csv one --label fraud --keep kept
refuses 'cannot be read' --csv none --label fraud --keep kept
refuses 'has no tables' --csv empty --label fraud --keep kept
refuses 'no column "frau"' --csv tables --label frau --keep kept
refuses 'no value "7"' --csv tables --label fraud --positive 7 --keep kept
refuses 'no column "x"' --csv tables --label fraud --ignore id,x --keep kept
refuses 'a name is empty' --csv tables --label fraud --ignore id, --keep kept
refuses '\-\-label' --csv tables --keep kept
refuses '\-\-csv' --label fraud --keep kept
refuses '\-\-banks' --csv tables --label fraud --banks 3 --keep kept
refuses '2 to 20' --banks 1 --keep kept
refuses 'is no option' --bank 3 --keep kept
[ ! -e kept ] || fail "a refused call made its folder"
refuses 'not empty' --csv tables --label fraud --keep full

# --- a whole run
"$demo" --json --csv tables --label fraud --ignore id --rounds 3 --seed 5 --keep kept >out 2>err ||
    fail "the demo exited $?"
[ "$(wc -l <out)" = 1 ] || fail "stdout is not one line"
is out '$.refused[0].agent' bank-3/agent-2
is out '$.refused[0].bank' bank-3
is out '$.refused[0].reason' E_MEASUREMENT
is out '$.refused[1]' ''
is out '$.rounds[1].excluded[0].agent' bank-3/agent-2
is out '$.rounds[1].accepted' '["bank-1/agent-1","bank-2/agent-1","bank-3/agent-1"]'
is out '$.rounds[1].round' 1
is out '$.seed' 5
is out '$.lacking' ''
is out '$.banks[2].name' bank-3
is out '$.version.digest' "$(sha256sum <kept/model.safetensors | cut -d' ' -f1)"
for m in alone federated pooled; do
    for f in auc_pr roc_auc recall_at_1pct_fpr; do
        [ -n "$(json out "\$.mean.$m.$f")" ] || fail "mean.$m.$f is missing"
    done
done
is kept/job.json '$.rounds' 3
is kept/job.json '$.training.seed' 5
is kept/job.json '$.schema.columns[0].name' amount
is kept/result.json '$.version.digest' "$(json out '$.version.digest')"
e=kept/evidence/bank-1.agent-1
"$build/tally-agent" evidence verify snp --report $e.report --vek $e.vek.der --issuer $e.issuer.der \
    --crl $e.crl.der --federation kept/owner/federation.json >out 2>err || fail "evidence is not good"
grep -q '^trusted' out || fail "evidence is not trusted"
cmp -s kept/bank-3.agent-2/tally-agent "$build/tally-agent" && fail "the cheat's program is the same"
[ "$(stat -c %s kept/bank-3.agent-2/tally-agent)" = $(($(stat -c %s "$build/tally-agent") + 1)) ] ||
    fail "the cheat's program is not one byte longer"
refuses 'not empty' --csv tables --label fraud --keep kept

# --- stopped in the middle of the rounds: $1 does it, given the demo's pid and its children's
middle() {
    rm -rf kept
    : >err # before the demo's own shell does: the last one's lines must not count
    "$demo" --json --csv tables --label fraud --ignore id --rounds 1000 --keep kept >out 2>err &
    pid=$!
    for i in $(seq 300); do
        grep -q '^round   1 ' err && break
        sleep 0.1
    done
    children=$(pgrep -P $pid | tr '\n' ' ')
    [ "$(echo "$children" | wc -w)" = 5 ] || fail "expected 5 processes: $children"
    "$1"
    rc=0
    wait $pid || rc=$?
    # shellcheck disable=SC2086
    gone $children
}
child() { # child WORD: the pid of the child with WORD on its command line
    for p in $children; do tr '\0' ' ' <"/proc/$p/cmdline" | grep -q -e "$1" && echo "$p"; done
}
interrupt() { kill -INT $pid; }
kill_demo() { kill -KILL $pid; }
kill_bank() { kill -KILL "$(child /bank-2)"; }
kill_owner() { kill -KILL "$(child ' serve ')"; }
ends() { # ends WHAT: with exit code 1 and that error
    [ "$rc" = 1 ] || fail "exited $rc, not 1"
    json out '$.error' | grep -q -e "$1" || fail "the error does not say '$1'"
}
middle interrupt
ends interrupted
middle kill_bank
ends 'bank-2 ended by signal 9'
middle kill_owner
ends 'aggregator ended by signal 9'
middle kill_demo
echo "all as it should be"
