#!/bin/sh
# hardware.sh BUILD SHIM SHARED - the built programs on hardware that is played (tests/shim): what
# `tally-agent check` says of a machine and of each way it can fail, and a whole test federation whose
# programs reach simulated chips through the kernel's own interfaces.
set -eu
bin=$(cd "$1" && pwd)
shim=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
vectors=$3/vectors
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
agent=$bin/tally-agent
aggregator=$bin/tally-aggregator

fail() {
    echo "FAILED: $1" >&2
    tail -n 60 out err ./*.log >&2 2>/dev/null || true
    exit 1
}
# The machine that programs run on: words VAR=VALUE.
machine=
played() { # played VAR=VALUE... COMMAND...
    # shellcheck disable=SC2086
    env LD_PRELOAD="$shim" $machine "$@"
}
# finds KIND WHAT [VAR=VALUE...]: `check` says so, as "ok" or "PROBLEM", or in what to do ("fix"). Each
# runs in a folder of its own, beside the others: without an aggregator it takes its time to give up.
finds() {
    n=$((n + 1))
    kind=$1 what=$2
    shift 2
    cp -r bank-1 "check-$n"
    printf '%s %s\n' "$kind" "$what" >"check-$n.want"
    echo "$machine $*" >"check-$n.machine"
    played "$@" "$agent" check --dir "check-$n" >"check-$n.out" 2>"check-$n.err" &
    pids="$pids $!" checks="$checks $!"
}
n=0 checks=
settle() { # all checks so far
    for p in $checks; do wait "$p" || true; done
    for want in check-*.want; do
        read -r kind what <"$want"
        at=${want%.want}
        case $kind in
        ok) grep -q "^ok       .*$what" "$at.out" ;;
        PROBLEM) grep -q "^PROBLEM  .*$what" "$at.out" ;;
        fix) grep -q "^         .*$what" "$at.out" ;;
        esac || {
            cat "$at.out" "$at.err" >&2
            fail "check did not find, as $kind, '$what' on $(cat "$at.machine")"
        }
    done
    echo "$n checks"
    checks=
}
# part FILE N: the N-th length-prefixed part of a chip file, after what is fixed
part() {
    at=$((22 + 9 + 64 + 32 + 8)) nth=$2
    while :; do
        # shellcheck disable=SC2046
        set -- "$1" $(od -An -tu1 -j "$at" -N 4 "$1")
        len=$(($2 * 16777216 + $3 * 65536 + $4 * 256 + $5))
        at=$((at + 4))
        [ "$nth" = 1 ] && break
        at=$((at + len)) nth=$((nth - 1))
    done
    tail -c "+$((at + 1))" "$1" | head -c "$len"
}

# --- a test federation of two banks by the real commands, configured for hardware
sh "$here/../attack/make_arena.sh" "$bin" "$dir/arena" 2 >out 2>err || fail "no arena"
cd arena
for i in owner bank-1 bank-2; do
    part $i/chip 3 >$i/crl.der
    sed -i "s/kind: simulated/kind: hardware/; s/^  crl: .*/  crl: crl.der/" $i/a*.yaml
    grep -q 'kind: hardware' $i/a*.yaml && grep -q 'crl: crl.der' $i/a*.yaml || fail "$i's configuration"
    mv $i/chip $i.chip # the program has it no longer: the machine is it
done
sev="TALLY_SHIM_TSM=sev_guest TALLY_SHIM_DEV=1 TALLY_SHIM_CHIP=$PWD/bank-1.chip"

# --- no TEE at all, and each way in which the kernel can refuse
finds PROBLEM 'no TEE on this machine'
machine="$sev TALLY_SHIM_CERTS=chip"
errno() { # errno NAME
    case $1 in
    EPERM) echo 1 ;; ENOENT) echo 2 ;; EINTR) echo 4 ;; EIO) echo 5 ;; ENXIO) echo 6 ;; EACCES) echo 13 ;;
    EBUSY) echo 16 ;; EEXIST) echo 17 ;; EINVAL) echo 22 ;; ENOTTY) echo 25 ;; EFBIG) echo 27 ;;
    ETIMEDOUT) echo 110 ;; *) fail "errno $1" ;;
    esac
}
while read -r step number what; do
    finds PROBLEM "$what" "TALLY_SHIM_FAIL=$step:$(errno "$number")"
done <<ERRORS
mkdir EPERM run as root
mkdir EEXIST somebody else uses every name
mkdir EBUSY busy
outblob EINTR interrupted
outblob ETIMEDOUT quoting service
outblob EIO dmesg says more
outblob EINVAL does not take such a request
outblob EFBIG a newer kernel has more
inblob.close EBUSY a write of ours was lost
base EACCES run as root
key EIO no sealing key
key ENOTTY no sealing key
ERRORS
finds fix 'the VM must be started anew' "TALLY_SHIM_FAIL=key:$(errno ENOTTY)"
finds PROBLEM 'somebody else writes to our request' TALLY_SHIM_ODD=other
finds PROBLEM 'more than 131072 bytes' TALLY_SHIM_ODD=endless
finds PROBLEM 'SVSM or paravisor' TALLY_SHIM_ODD=vmpl1
finds PROBLEM 'provider "nothing"' TALLY_SHIM_TSM=nothing TALLY_SHIM_DEV=
finds PROBLEM 'started with debugging allowed' TALLY_SHIM_POLICY=b0000

# --- before there is any federation: what a document is to list
"$agent" init --dir fresh --org bank-9 --any-chip >out 2>err || fail "init"
played "$agent" check --dir fresh >out 2>err && fail "check is content without a federation"
grep -q '^ok .*chip for the federation document: [0-9a-f]\{64\}$' out || fail "no chip digest"
grep -q '^ok .*measurement for the federation document: [0-9a-f]\{96\}$' out || fail "no measurement"

# --- what passes: retries, short reads, an older kernel, the other interface
fine="this node's evidence is what the federation asks for"
finds ok "$fine" "TALLY_SHIM_FAIL=outblob:$(errno EBUSY):3,mkdir:$(errno EEXIST):2"
finds ok "$fine" TALLY_SHIM_ODD=short
finds ok "$fine" TALLY_SHIM_ODD=no_levels
finds ok 'through /dev/sev-guest' "TALLY_SHIM_FAIL=mkdir:$(errno ENXIO)"
finds ok "$fine" "TALLY_SHIM_FAIL=mkdir:$(errno ENXIO)"

# --- what a machine proves, and what it lacks
finds ok 'AMD SEV-SNP, through configfs-tsm'
finds ok 'processor Genoa'
finds ok 'debugging off, migration off, VMPL 0'
finds ok "the chip's certificate: the host's, of this chip and TCB"
finds ok 'a sealing key: this instance outlives a restart'
finds ok "$fine"
finds PROBLEM 'every federation refuses that' TALLY_SHIM_POLICY=70000
finds PROBLEM 'E_POLICY_MIGRATION' TALLY_SHIM_POLICY=70000
finds PROBLEM 'E_CHIP' "TALLY_SHIM_CHIP=$PWD/bank-2.chip"
machine=$sev # a host without certificates
finds PROBLEM 'no certificate of this chip'
finds fix 'https://kdsintf.amd.com/vcek/v1/Genoa/[0-9a-f]*?blSPL=10&teeSPL=00&snpSPL=23&ucodeSPL=84'
part bank-1.chip 1 >bank-1/vcek.der
sed -i 's/^  vek: .*/  vek: vcek.der/' bank-1/agent.yaml
finds ok "the chip's certificate: the file's, of this chip and TCB"

# --- genuine evidence: it is told what it is, and no test federation takes it
if [ -e "$vectors/snp/genoa_v3_veraison/report.bin" ]; then
    genuine=$vectors/snp/genoa_v3_veraison
    machine="TALLY_SHIM_TSM=sev_guest TALLY_SHIM_EVIDENCE=$genuine/report.bin TALLY_SHIM_DATA_AT=0x50"
    machine="$machine TALLY_SHIM_CERTS=$genuine/tsm_auxblob.bin"
    finds ok "the chip's certificate: the host's, of this chip and TCB"
    finds PROBLEM "this node's evidence: E_"
    finds PROBLEM 'no sealing key'
    machine="TALLY_SHIM_TSM=tdx_guest TALLY_SHIM_ODD=padded,no_auxblob TALLY_SHIM_DATA_AT=568"
    machine="$machine TALLY_SHIM_EVIDENCE=$vectors/tdx/quotes/emr_v4_phala.bin"
    finds ok 'Intel TDX, through configfs-tsm'
    finds ok 'MRTD for the federation document'
    finds ok 'no sealing key: TDX has none'
    finds PROBLEM "Intel's collateral: 5 of 5 parts missing"
    sed -i "s#^  collateral: .*#  collateral: $vectors/tdx/collateral/2025-07_00806f05#" bank-1/agent.yaml
    finds ok "Intel's collateral is complete"
fi

settle

# --- a production program runs in hardware alone
sed 's/^mode: test/mode: production/; s/kind: hardware/kind: simulated/; s/^grants: auto/grants: manual/' \
    bank-1/agent.yaml >agent.yaml
"$agent" check --dir . >out 2>err && fail "a simulated chip in production"
grep -q 'device.kind: expected hardware' err || fail "no reason"

# --- a whole round between machines that are played, with a restart that keeps its instance
digest=$(cat digest)
now=$(date +%s)
cat >job.json <<JOB
{ "type": "job", "name": "played", "federation": "$digest", "federation_version": 1, "issued": $now,
  "expires": $((now + 3600)), "participants": ["bank-1", "bank-2"], "cohort_min": 2, "share_cap_permille": 600,
  "rounds": 2, "round_seconds": 60,
  "schema": { "label": { "column": "label", "positive": "1" }, "ignore": [],
              "held_out": { "by": "hash", "permille": 200 },
              "bad_rows": "refuse", "columns": [ { "name": "x", "kind": "numeric", "missing": "mean" } ] },
  "model": { "kind": "mlp", "hidden": [4] },
  "training": { "rule": "fedavg", "optimizer": "adam", "learning_rate": 0.01, "batch": 32, "local_epochs": 1,
                "seed": 7 },
  "combine": { "rule": "mean" } }
JOB
"$aggregator" job submit --dir owner job.json >out 2>err || fail "no job"
sed -i "s#tcp://127.0.0.1:\*#tcp://127.0.0.1:$(cat port)#" owner/aggregator.yaml
serve() { # serve NAME PROGRAM ARGS...: in the background on the machine with NAME's chip
    name=$1
    shift
    machine="TALLY_SHIM_TSM=sev_guest TALLY_SHIM_DEV=1 TALLY_SHIM_CHIP=$PWD/$name.chip TALLY_SHIM_CERTS=chip"
    # shellcheck disable=SC2086
    env LD_PRELOAD="$shim" $machine "$@" 2>>"$name.log" &
    last=$!
    pids="$pids $last"
}
until_said() { # until_said FILE WHAT
    for _ in $(seq 300); do
        grep -q -e "$2" "$1" 2>/dev/null && return 0
        sleep 0.1
    done
    fail "$1 never said '$2'"
}
serve owner "$aggregator" serve --dir owner
first=$last
until_said owner.log '"serving"'
kill "$first"
wait "$first" || true
serve owner "$aggregator" serve --dir owner
until_said owner.log '"event":"instance"'
for i in 1 2; do serve "bank-$i" "$agent" run --dir "bank-$i" --until-done; eval "run$i=$last"; done
for i in 1 2; do
    eval "wait \$run$i" || fail "bank-$i did not finish"
    grep -q '"new_instance".*"kept":"sealed"' "bank-$i.log" || fail "bank-$i sealed nothing"
done
[ "$(grep -c '"event":"new_instance"' owner.log)" = 1 ] || fail "the aggregator lost its instance"
"$aggregator" models --dir owner >out 2>err || fail "no models"

# --- the seal opens for nobody else: another machine, another program, a guest under debug (A37)
before=$(sha256sum <bank-1/state/instance.sealed)
machine="TALLY_SHIM_TSM=sev_guest TALLY_SHIM_DEV=1 TALLY_SHIM_CERTS=chip"
played "TALLY_SHIM_CHIP=$PWD/bank-1.chip" TALLY_SHIM_POLICY=b0000 "$agent" run --dir bank-1 --until-done \
    >out 2>err && fail "it ran under debug"
grep -q 'started with debugging allowed' err || fail "no reason"
[ "$(sha256sum <bank-1/state/instance.sealed)" = "$before" ] || fail "a debug guest touched the seal"
cp "$agent" other-agent
printf x >>other-agent
for i in 1 2 3; do cp -r bank-1 "moved-$i"; done
moved() { # moved N PROGRAM CHIP: `check` there, beside the others
    played "TALLY_SHIM_CHIP=$PWD/$3.chip" "$2" check --dir "moved-$1" >"moved-$1.out" 2>&1 &
    checks="$checks $!"
}
moved 1 "$agent" bank-2
moved 2 "$PWD/other-agent" bank-1
moved 3 "$agent" bank-1
for p in $checks; do wait "$p" || true; done
for i in 1 2; do
    [ "$(sha256sum <"moved-$i/state/instance.sealed.lost")" = "$before" ] || fail "$i opened the seal"
done
[ "$(sha256sum <moved-3/state/instance.sealed)" = "$before" ] || fail "its own seal did not open"
[ ! -e moved-3/state/instance.sealed.lost ] || fail "its own seal was put aside"
echo "played hardware: all as it should be"
