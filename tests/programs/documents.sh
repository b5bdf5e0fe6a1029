#!/bin/sh
# The way of the documents by hand, with the built programs: an owner and two banks set up, sign and
# take into use a federation, a second version, a job and a revocation; what must be refused is.
# usage: documents.sh FOLDER_OF_THE_PROGRAMS
set -eu
bin=$(cd "$1" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
agent=$bin/tally-agent
aggregator=$bin/tally-aggregator

fail() {
    echo "FAILED: $1" >&2
    cat out err >&2
    exit 1
}
# says WHAT COMMAND...: it succeeds and prints WHAT on stdout
says() {
    what=$1
    shift
    "$@" >out 2>err || fail "$* exited $?"
    grep -q -e "$what" out || fail "$* did not say '$what'"
}
# refuses CODE WHAT COMMAND...: it exits with CODE and one line with WHAT on stderr
refuses() {
    code=$1 what=$2
    shift 2
    rc=0
    "$@" >out 2>err || rc=$?
    [ "$rc" = "$code" ] || fail "$* exited $rc, not $code"
    grep -q -e "$what" err || fail "$* did not say '$what'"
    [ "$(grep -vc warning err)" = 1 ] || fail "$* wrote more than one line"
}
digest_of() { # digest_of FILE: as `federation show` says it
    "$aggregator" federation show --dir owner --in "$1" | sed -n 's/^digest //p'
}

# --- init
says 'is set up' "$aggregator" init --test --dir owner --endpoint tcp://127.0.0.1:7700 --name demo
refuses 1 'is there already' "$aggregator" init --test --dir owner --endpoint tcp://127.0.0.1:7700
for i in 1 2; do says 'agent.pub.json' "$agent" init --test --dir "bank-$i" --org "bank-$i"; done
refuses 1 'which machine' "$agent" init --dir live --org bank-1
refuses 1 'only one of' "$agent" init --dir live --org bank-1 --any-chip --chip 00
refuses 1 'with --test only' "$agent" init --dir live --org bank-1 --any-chip --grants auto
refuses 1 'no name for a party' "$agent" init --test --dir live --org 'Bank 1'
says 'is set up' "$agent" init --dir live --org bank-1 --any-chip
[ "$(stat -c %a bank-1/document.key bank-1/keys/session.key bank-1/keys/curve.key | sort -u)" = 600 ] ||
    fail "keys are not 0600"

# --- the draft
refuses 1 'measurements' "$aggregator" federation sign --dir owner
refuses 1 'mode: expected "test"' "$aggregator" federation add --dir owner live/agent.pub.json
says 'chips/bank-1.agent-1.chip' "$aggregator" federation add --dir owner bank-1/agent.pub.json \
    bank-2/agent.pub.json --measurement "agent:$agent" --measurement "aggregator:$aggregator"
says '"in_force":false,"missing":\["bank-1","bank-2"\]' "$aggregator" federation sign --dir owner --json
refuses 1 'is version 1 already' "$aggregator" federation sign --dir owner
d=$(digest_of owner/federation.json)

# --- the banks sign
cp owner/federation.json 1.json
refuses 1 'another document than the expected' "$agent" federation sign --dir bank-1 --in 1.json \
    --expect sha256:0000000000000000000000000000000000000000000000000000000000000000
refuses 1 'the configuration says mode: production' "$agent" federation sign --dir live --in 1.json --expect "$d"
refuses 2 '\-\-expect sha256:HEX is missing' "$agent" federation sign --dir bank-1 --in 1.json
cmp -s 1.json owner/federation.json || fail "a refused signing changed the file"
says 'bank-2 has not signed yet' "$agent" federation sign --dir bank-1 --in 1.json --expect "$d"
says '"missing":\["bank-1"\]' "$agent" federation sign --dir bank-2 --in owner/federation.json --out 2.json --expect "$d" --json
refuses 1 'no federation document is in use yet' "$agent" federation show --dir bank-1
says 'bank-2 has not signed yet' "$aggregator" federation add --dir owner 1.json
says 'in force here' "$aggregator" federation add --dir owner 2.json
[ ! -e owner/federation.draft.json ] || fail "the draft outlived its document"
for i in 1 2; do
    says 'it is in force here' "$agent" federation sign --dir "bank-$i" --in owner/federation.json --expect "$d"
    says "digest $d" "$agent" federation show --dir "bank-$i"
done

# --- key files are of this federation now
says 'is set up' "$aggregator" init --test --dir other --endpoint tcp://127.0.0.1:7701
cp bank-1/keys/* other/keys/
says 'draft' "$aggregator" federation add --dir other bank-1/agent.pub.json --measurement "agent:$agent" --measurement "aggregator:$aggregator"
cp owner/document.key other/document.key
refuses 1 'document.key belongs to another federation' "$aggregator" federation sign --dir other
head -c 80 /dev/zero >other/document.key
refuses 1 'is no key file' "$aggregator" federation sign --dir other

# --- a second version
says 'the draft is in' "$aggregator" federation add --dir owner --measurement agent:/bin/sh
says 'bank-1 has not signed' "$aggregator" federation sign --dir owner --days 30
says '  + program agent' "$agent" federation show --dir bank-1 --in owner/federation.json
d2=$(digest_of owner/federation.json)
for i in 1 2; do
    says signed "$agent" federation sign --dir "bank-$i" --in owner/federation.json --out "v2-$i.json" --expect "$d2"
done
says 'every signature' "$aggregator" federation add --dir owner v2-1.json v2-2.json
says 'in force' "$agent" federation sign --dir bank-1 --in owner/federation.json --expect "$d2"
says 'version 2, mode test' "$agent" federation show --dir bank-1
refuses 1 'does not follow version 2' "$agent" federation sign --dir bank-1 --in 1.json --expect "$d"

# --- a job
id=${d#sha256:}
now=$(date +%s)
cat >job.json <<JOB
{ "type": "job", "name": "cards", "federation": "$id", "federation_version": 2, "issued": $now, "expires": $((now + 86400)),
  "participants": ["bank-1", "bank-2"], "cohort_min": 2, "share_cap_permille": 600, "rounds": 4, "round_seconds": 600,
  "schema": { "label": { "column": "fraud", "positive": "1" }, "time": "ts", "ignore": ["id"], "held_out": { "by": "time", "permille": 300 }, "bad_rows": "refuse",
              "columns": [ { "name": "amount", "kind": "numeric", "missing": "mean" } ] },
  "model": { "kind": "mlp", "hidden": [8] },
  "training": { "rule": "fedavg", "optimizer": "adam", "learning_rate": 0.001, "batch": 64, "local_epochs": 1, "seed": 7 },
  "combine": { "rule": "mean" } }
JOB
sed 's/"rounds": 4/"rounds": 0/' job.json >bad.json
refuses 1 'rounds' "$aggregator" job submit --dir owner bad.json
sed "s/$id/$(printf '%064d' 0)/" job.json >bad.json
refuses 1 "this one's id is $id" "$aggregator" job submit --dir owner bad.json
says 'not signed yet by: bank-1, bank-2' "$aggregator" job submit --dir owner job.json
j=$(sha256sum job.json | cut -c1-64)
[ -e "owner/state/jobs/$j.json" ] || fail "the job is not kept under the digest of its very bytes"
says "\"digest\":\"sha256:$j\"" "$aggregator" job show --dir owner --json
refuses 1 'no job of that digest' "$agent" grant sign --dir bank-1 --expect "sha256:$j"
mkdir -p bank-1/state/jobs
cp "owner/state/jobs/$j.json" bank-1/state/jobs/
says 'waiting for this bank' "$agent" grant show --dir bank-1
says 'granted' "$agent" grant sign --dir bank-1 --expect "sha256:$j"
says 'signed by: bank-1' "$agent" grant show --dir bank-1
refuses 1 'needs version 2' "$agent" grant sign --dir bank-2 --expect "sha256:$j" --in "owner/state/jobs/$j.json"

# --- a revocation
refuses 2 'name exactly one' "$agent" federation revoke --dir bank-1 --why x
says 'do not suffice' "$agent" federation revoke --dir bank-1 --node bank-2/agent-1 --why x --out r0.json
says 'in use here' "$agent" federation revoke --dir bank-1 --node bank-1/agent-1 --why stolen --out r.json
says '"binds_here":true' "$aggregator" federation revoke --dir owner --in r.json --json

# --- help and mistakes
says 'usage: tally-agent federation sign' "$agent" federation sign --help
refuses 2 'did you mean "federation"' "$aggregator" federaton
printf 'mdoe: test\n' >>bank-1/agent.yaml
refuses 1 'agent.yaml:[0-9]*: mdoe: unknown key; did you mean "mode"' "$agent" federation show --dir bank-1
echo "documents: all as it should be"
