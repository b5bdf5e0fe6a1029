#!/bin/sh
# tdx.sh BUILD - a test federation whose aggregator and two of three banks are simulated TDX machines,
# the third an SNP chip: rounds, and what a restart means where the TEE has no sealing key.
set -eu
bin=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
pids=
trap 'kill -9 $pids 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
banks=3 rounds=16

fail() {
    echo "FAILED: $1" >&2
    tail -n 40 out err ./*.log >&2 2>/dev/null || true
    exit 1
}
sh "$here/../attack/make_arena.sh" "$bin" "$dir/arena" $banks "tdx snp tdx tdx" >out 2>err || fail "no arena"
cd arena
mkdir bin
cp "$bin/tally-agent" "$bin/tally-aggregator" bin
bin=$PWD/bin agent=$PWD/bin/tally-agent aggregator=$PWD/bin/tally-aggregator
sed -i "s#tcp://127.0.0.1:\*#tcp://127.0.0.1:$(cat port)#" owner/aggregator.yaml

# --- the document: both kinds of TEE, the same programs
"$aggregator" federation show --dir owner >out 2>err || fail "no document"
for line in 'program agent .*: SNP measurement' 'program agent .*: TDX MRTD' 'program aggregator .*: TDX MRTD' \
    'root of trust test:' 'root of trust test-1:' 'policy snp smt' 'policy tdx status: \["UpToDate"\]'; do
    grep -q "^$line" out || fail "the document says nothing of '$line'"
done
[ "$(sha384sum <"$agent" | cut -c1-96)" = "$(sed -n 's/^program agent .*MRTD //p' out)" ] || fail "MRTD"
grep -q '^root of trust test-2' out && fail "more roots than kinds"
"$aggregator" federation add --dir owner --tee snp bank-2/agent.pub.json >out 2>err && fail "an SNP chip for bank-2"
grep -q 'another kind of machine already' err || fail "no word of the kind"
"$aggregator" federation add --dir owner --tee sgx bank-2/agent.pub.json >out 2>err && fail "which TEE?"
grep -q 'expected snp or tdx' err || fail "no word of the choice"

# --- evidence of one node, by the command
"$agent" evidence collect --dir bank-2 --out ev >out 2>err || fail "no evidence"
line=$(sed -n 's/^  tally-agent //p' out)
# shellcheck disable=SC2086
"$agent" $line >out 2>err || fail "$line"
grep -q '^trusted' out || fail "not trusted"

# --- processes
start() { # start owner|bank-N [PROGRAM]
    case $1 in
    owner) "$aggregator" serve --dir owner >>owner.log 2>&1 & ;;
    *) "${2:-$agent}" run --dir "$1" --until-done >>"$1.log" 2>&1 & ;;
    esac
    eval "pid_$(echo "$1" | tr - _)=$!"
    pids="$pids $!"
}
pid() { eval "echo \$pid_$(echo "$1" | tr - _)"; }
killed() { # killed NAME
    kill -9 "$(pid "$1")" 2>/dev/null || fail "$1 had ended by itself"
    wait "$(pid "$1")" 2>/dev/null || true
}
count() { # count FILE EVENT
    grep -c "\"event\":\"$2\"" "$1" 2>/dev/null || true
}
until_more() { # until_more FILE EVENT COUNT: more than that
    for _ in $(seq 600); do
        [ "$(count "$1" "$2")" -gt "$3" ] && return 0
        sleep 0.05
    done
    fail "$1 never said $2 a $(($3 + 1))th time"
}
newest() { # newest NAME EVENT: the last round that had it
    sed -n "s/.*\"event\":\"$2\",\"round\":\([0-9]*\).*/\1/p" "$1.log" | tail -n 1
}
logged() { # logged FILE WHAT
    for _ in $(seq 600); do
        grep -q -e "$2" "$1" 2>/dev/null && return 0
        sleep 0.05
    done
    fail "$1 never said '$2'"
}

# --- a program of its own on a genuine machine
cp "$agent" other-agent
printf x >>other-agent
start owner
logged owner.log '"event":"serving"'
start bank-3 "$PWD/other-agent"
logged owner.log '"event":"refused".*"E_MEASUREMENT"'
killed bank-3
: >bank-3.log

# --- a job, joined by its own program
cat >job.json <<JOB
{"type":"job","name":"tdx","federation":"$(cat digest)","federation_version":1,"issued":$(date +%s),
 "expires":$(($(date +%s) + 86400)),"participants":["bank-1","bank-2","bank-3"],"cohort_min":2,
 "share_cap_permille":1000,"rounds":$rounds,"round_seconds":60,
 "schema":{"label":{"column":"label","positive":"1"},"held_out":{"by":"hash","permille":300},
  "bad_rows":"refuse","ignore":[],"columns":[{"name":"x","kind":"numeric","missing":"mean"}]},
 "model":{"kind":"mlp","hidden":[256,384]},
 "training":{"rule":"fedavg","optimizer":"adam","learning_rate":0.001,"batch":64,"local_epochs":99,
  "seed":7},"combine":{"rule":"mean"}}
JOB
"$aggregator" job submit --dir owner job.json >commands.log 2>&1 || fail "no job"
for i in $(seq $banks); do start "bank-$i"; done
until_more owner.log round_published 1

kill -STOP "$(pid bank-1)"
cp -r bank-1/state behind
kill -CONT "$(pid bank-1)"

# --- an agent is killed: a new instance, and it goes on
killed bank-2
start bank-2
until_more bank-2.log new_instance 1
until_more bank-2.log acknowledged "$(count bank-2.log acknowledged)"
until_more owner.log round_published "$(count owner.log round_published)"

# --- a round waits for bank-1; documents change, and both sides load everything anew and are who they
#     were, keys and all
kill -STOP "$(pid bank-1)"
last="" same=0
for _ in $(seq 600); do # the others' updates are there, and nothing moves any more
    now="$(newest bank-2 round) $(newest bank-3 round)"
    [ "$now" = "$(newest bank-2 acknowledged) $(newest bank-3 acknowledged)" ] && [ "$now" = "$last" ] &&
        same=$((same + 1)) || same=0
    [ $same -ge 20 ] && break
    last=$now
    sleep 0.1
done
[ $same -ge 20 ] || fail "no round waits"
"$aggregator" federation revoke --dir owner --chip "$(printf '%064d' 0)" --why "nobody's" --out r.json >out 2>err ||
    fail "no revocation"
d=$(sed -n 's/^\(sha256:[0-9a-f]*\) .*/\1/p' out)
for i in $(seq $banks); do
    "$agent" federation revoke --dir "bank-$i" --in r.json --out r.json --expect "$d" >out 2>err || fail "bank-$i does not sign"
done
sessions=$(count bank-2.log session)
"$aggregator" federation revoke --dir owner --in r.json >out 2>err || fail "no revocation"
grep -q 'in use here' out || fail "the revocation does not bind"
until_more owner.log instance 0
until_more bank-2.log session "$sessions"

# --- the aggregator is killed in that round: a new instance, for which the banks wrap their content
#     keys again; the round goes on
killed owner
start owner
until_more owner.log new_instance 1
for i in 2 3; do until_more bank-$i.log rewrap 0; done
kill -CONT "$(pid bank-1)"
until_more owner.log round_published "$(count owner.log round_published)"
[ "$(sed -n 's/.*"new_instance","key_id":"\([0-9a-f]*\)".*/\1/p' owner.log | sort -u | wc -l)" = 2 ] ||
    fail "an instance came twice"

# --- an agent is killed with an update that it stated and nobody has acknowledged: what its instance
#     signed is no other's, so that round goes on without it, and the next one with it
for _ in $(seq 8); do
    until_more bank-3.log round "$(count bank-3.log round)"
    kill -STOP "$(pid owner)"
    for _ in $(seq 600); do
        [ "$(newest bank-3 trained)" = "$(newest bank-3 round)" ] && break
        sleep 0.05
    done
    [ "$(newest bank-3 acknowledged)" = "$(newest bank-3 trained)" ] || break
    kill -CONT "$(pid owner)"
done
[ "$(newest bank-3 acknowledged)" != "$(newest bank-3 trained)" ] || fail "it was always acknowledged"
killed bank-3
start bank-3
kill -CONT "$(pid owner)"
until_more bank-3.log acknowledged "$(count bank-3.log acknowledged)"

# --- and all of it to the end
for i in $(seq $banks); do wait "$(pid "bank-$i")" || fail "bank-$i ended with $?"; done
grep -q '"event":"job_stopped"' owner.log && fail "the job stopped"
grep -q '"update_refused","node":"bank-3/agent-1","reason":"E_AUTH"' owner.log || fail "which update was signed by whom?"
# shellcheck source=tests/kill/count.sh
. "$here/../kill/count.sh"
[ "$lost" = 0 ] && [ "$twice" = 0 ] && [ "$keys_lost" = 0 ] ||
    fail "$lost updates lost, $twice counted twice, $keys_lost keys lost"
[ "$completed" = $((rounds + 2)) ] || fail "$completed of $((rounds + 2)) rounds have a version"

# --- a bank that stayed behind takes every version since, those too of the instance that is gone and
#     that made them before it loaded everything anew
rm -rf bank-1/state
mv behind bank-1/state
start bank-1
wait "$(pid bank-1)" || fail "bank-1 ended with $?"
[ "$(count bank-1.log job_done)" = 2 ] || fail "bank-1 did not take the versions again"
grep -q '"event":"version_refused"' bank-*.log && fail "a version was refused"

# --- an instance for each process, whatever it loaded anew, and nothing of it on a disk
instances() { # instances NAME COUNT KEPT
    [ "$(grep -c "\"new_instance\".*\"kept\":\"$3" "$1.log")" = "$2" ] || fail "$1 was not $2 instances"
}
instances owner 2 'no: no sealing key'
instances bank-1 1 sealed
instances bank-2 2 'no: no sealing key'
instances bank-3 2 'no: no sealing key'
for i in owner bank-2 bank-3; do
    [ ! -e $i/state/instance.sealed ] && [ ! -e $i/state/instance.sealed.lost ] || fail "$i sealed something"
done
echo "TDX machines: all as it should be"
