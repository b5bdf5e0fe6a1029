#!/bin/sh
# Evidence collected by the built program from a simulated chip, verified by the built program: over
# the nonce asked and no other, and with nothing but what was written.
# Then on hardware that is played (tests/shim), and what `check` says of GPUs that are (tests/stub).
# usage: collect.sh FOLDER_OF_THE_PROGRAMS [SHIM]
set -eu
bin=$(cd "$1" && pwd)
shim=${2:+$(cd "$(dirname "$2")" && pwd)/$(basename "$2")}
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
# exits CODE COMMAND...
exits() {
    want=$1 rc=0
    shift
    "$@" >out 2>err || rc=$?
    [ "$rc" = "$want" ] || fail "$* exited $rc, not $want"
}
field() { # field NAME FILE: a text of one JSON object
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$2"
}

# --- a federation of one bank, in force there
exits 0 "$aggregator" init --test --dir owner --endpoint tcp://127.0.0.1:7700 --name demo
exits 0 "$agent" init --test --dir bank --org bank
exits 1 "$agent" evidence collect --dir bank
grep -q 'none is in force here' err || fail "no word of the missing document"
[ ! -e evidence ] || fail "a folder was made for nothing"
exits 0 "$aggregator" federation add --dir owner bank/agent.pub.json \
    --measurement "agent:$agent" --measurement "aggregator:$aggregator"
exits 0 "$aggregator" federation sign --dir owner
d=$("$aggregator" federation show --dir owner --in owner/federation.json | sed -n 's/^digest //p')
exits 0 "$agent" federation sign --dir bank --in owner/federation.json --out signed.json --expect "$d"
exits 0 "$aggregator" federation add --dir owner signed.json
exits 0 "$agent" federation sign --dir bank --in owner/federation.json --expect "$d"
exits 1 "$agent" evidence collect --dir bank
cp owner/chips/bank.agent-1.chip bank/chip

# --- collected, and verified with the very line that was printed
nonce=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
exits 0 "$agent" evidence collect --dir bank --nonce $nonce
grep -q "evidence over the nonce $nonce" out || fail "the nonce is not said"
for f in ev.bin endorsements.bin report.bin vek.der issuer.der crl-0.der; do
    [ -s "evidence/$f" ] || fail "no $f"
done
[ "$(stat -c %s evidence/report.bin)" = 1184 ] || fail "not a report"
line=$(sed -n 's/^  tally-agent //p' out)
# shellcheck disable=SC2086
exits 0 "$agent" $line
grep -q '^trusted' out || fail "not trusted"
# shellcheck disable=SC2086
exits 0 "$agent" $line --json
[ "$(field verdict out)" = trusted ] || fail "not trusted"
data=$(field report_data out)

# --- REPORT_DATA is the label's, the nonce's and no key's
octal=$(for byte in $(echo $nonce | sed 's/../0x& /g'); do printf '\\%03o' "$byte"; done)
# shellcheck disable=SC2059
want=$({ printf 'tally/ev/v1\0' && printf "$octal"; } | sha256sum | cut -c1-64)
kb=$(printf 'tally/kb/v1\0' | sha256sum | cut -c1-64)
[ "$data" = "$want$kb" ] || fail "REPORT_DATA is $data, not $want$kb"

# --- over another nonce it is refused; over fresh ones it differs each time
exits 0 "$agent" evidence collect --dir bank --out a --json
exits 0 "$agent" evidence collect --dir bank --out b --json
[ "$(field tee out)" = snp ] || fail "which TEE?"
cp out b.json
other=$(field report_data b.json)
[ "${#other}" = 128 ] || fail "no REPORT_DATA in the JSON"
cmp -s a/report.bin b/report.bin && fail "two random nonces gave one report"
exits 1 "$agent" evidence verify snp --report a/report.bin --vek a/vek.der --issuer a/issuer.der \
    --crl a/crl-0.der --federation owner/federation.json --report-data "$other"
grep -qE 'E_(REPORT_DATA|CHANNEL_BINDING)' out || fail "another nonce's report was not refused for it"
exits 0 "$agent" evidence verify snp --report b/report.bin --vek b/vek.der --issuer b/issuer.der \
    --crl b/crl-0.der --federation owner/federation.json --report-data "$other"

# --- nothing is replaced, and REPORT_DATA is never taken
exits 1 "$agent" evidence collect --dir bank --out a
grep -q 'holds evidence already' err || fail "evidence was replaced"
exits 2 "$agent" evidence collect --dir bank --out c --nonce "$nonce$nonce"
exits 2 "$agent" evidence collect --dir bank --out c --nonce "${nonce%??}"
exits 2 "$agent" evidence collect --dir bank --out c --report-data "$other"
exits 2 "$agent" evidence collect --dir bank --out c "$other"
[ ! -e c ] || fail "a refused call left a folder"
exits 0 "$agent" evidence collect --help
grep -q -- '--nonce HEX' out || fail "no help"

# --- hardware needs no federation first: its evidence is what the document will be written from
if [ -n "$shim" ]; then
    exits 0 "$agent" init --test --dir new --org new
    sed -i 's/kind: simulated/kind: hardware/' new/agent.yaml
    exits 0 env LD_PRELOAD="$shim" TALLY_SHIM_TSM=sev_guest TALLY_SHIM_DEV=1 "TALLY_SHIM_CHIP=$PWD/bank/chip" \
        TALLY_SHIM_CERTS=chip "$agent" evidence collect --dir new --out d --nonce $nonce
    grep -q -- "--report d/report.bin --vek d/vek.der --issuer d/issuer.der --report-data $data" out ||
        fail "how to verify it is not said"
    exits 0 "$agent" evidence verify snp --report d/report.bin --vek d/vek.der --issuer d/issuer.der \
        --crl a/crl-0.der --federation owner/federation.json --report-data "$data"
    grep -q '^trusted' out || fail "hardware is not trusted"
    exits 1 "$agent" evidence collect --dir new --out e
    grep -q 'no TEE on this machine' err || fail "no word of the missing TEE"
fi

# --- GPUs that the configuration names are part of it, all or nothing
sed -i 's/gpus: none/gpus: nvidia/; s/^  manifests: .*/  manifests: rims/' bank/agent.yaml
mkdir bank/rims
echo '<x/>' >bank/rims/driver.xml
exits 1 "$agent" evidence collect --dir bank --out f
grep -q 'no NVIDIA driver here' err || fail "no word of the missing driver"
LD_LIBRARY_PATH=$bin/stub TALLY_STUB_SIM=GH100,GH100 TALLY_STUB_SIM_ROOT=$PWD/root.der
export LD_LIBRARY_PATH TALLY_STUB_SIM TALLY_STUB_SIM_ROOT
exits 0 "$agent" evidence collect --dir bank --out f --nonce $nonce
grep -q -- "verify nvgpu --report f/gpu-1-report.bin --chain f/gpu-1-chain.pem --rim f/manifest-0.xml" out ||
    fail "how to verify a GPU is not said"
cp out out.collect
line=$(sed -n 's/^  tally-agent \(evidence verify snp .*\)/\1/p' out)
# shellcheck disable=SC2086
exits 0 "$agent" $line
asked=$(sed -n 's/.*gpu-1-report.* --nonce \([0-9a-f]*\)$/\1/p' out.collect)
exits 0 "$agent" evidence verify nvgpu --report f/gpu-1-report.bin --chain f/gpu-1-chain.pem \
    --nonce "$asked" --anchor root.der --policy integrity
exits 1 "$agent" evidence verify nvgpu --report f/gpu-1-report.bin --chain f/gpu-1-chain.pem \
    --nonce $nonce --anchor root.der --policy integrity
grep -q E_REPORT_DATA out || fail "a GPU's report over another nonce was not refused for it"
exits 1 "$agent" evidence verify nvgpu --report f/gpu-1-report.bin --chain f/gpu-0-chain.pem \
    --nonce "$asked" --anchor root.der --policy integrity
exits 1 env TALLY_STUB_CC=2,1,1,0 "$agent" evidence collect --dir bank --out g
grep -q 'developer mode' err || fail "no word of the developer mode"
exits 1 env TALLY_STUB_FAIL=nvmlDeviceGetConfComputeGpuAttestationReport=15 \
    "$agent" evidence collect --dir bank --out g
grep -q 'restart the machine' err || fail "no word of the lost GPU"
[ ! -e g ] || fail "half of the evidence was written"
unset LD_LIBRARY_PATH TALLY_STUB_SIM TALLY_STUB_SIM_ROOT
sed -i 's/gpus: nvidia/gpus: none/' bank/agent.yaml

# --- GPUs and TPM, as check tells of them; without an aggregator it takes its time, so side by side
says() { # says FILE WHAT
    grep -q -e "$2" "$1" || { cat "$1" >&2 && fail "check did not say '$2'"; }
}
cp -r bank real
sed -i 's/kind: simulated/kind: hardware/' real/agent.yaml
"$agent" check --dir real >none 2>err &
none=$!
LD_LIBRARY_PATH=$bin/stub TALLY_STUB_SIM=GH100,GH100 "$agent" check --dir real >two 2>err &
two=$!
LD_LIBRARY_PATH=$bin/stub TALLY_STUB_SIM=GH100 TALLY_STUB_CC=2,1,1,0 "$agent" check --dir real >tools 2>err &
tools=$!
LD_LIBRARY_PATH=$bin/stub TALLY_STUB_SIM=GH100 "$agent" check --dir bank >simulated 2>err &
for p in $none $two $tools $!; do wait "$p" || true; done
says none '^ok       no TPM at /dev/tpmrm0'
says two '^ok       GPU 1: Hopper'
says two '^ok       2 GPUs under NVIDIA driver .* can be proved'
says tools '^PROBLEM  the GPUs are in developer mode'
grep -q GPU simulated && fail "a simulated machine has no GPUs"
echo "collect: all as it should be"
