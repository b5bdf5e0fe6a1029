#!/bin/sh
# evidence_docs.sh SOURCE BUILD [SHARED] - docs/EVIDENCE.md beside the program: every claim, rule and
# reason of the sources is there with its default, and nothing else; and its commands do as it says,
# on genuine evidence under the names that they use.
set -eu
source=$(cd "$1" && pwd)
bin=$(cd "$2" && pwd)
shared=${3:+$(cd "$3" 2>/dev/null && pwd)} || shared=
doc=$source/docs/EVIDENCE.md
attest=$source/common/attest
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

fail() {
    echo "FAILED: $1" >&2
    exit 1
}
# same WHAT: the lists "code" and "doc" hold the same lines.
same() {
    sort -u code >code.sorted
    sort -u doc >doc.sorted
    [ "$(wc -l <code.sorted)" -ge "$2" ] || fail "only $(wc -l <code.sorted) $1 in the sources"
    diff code.sorted doc.sorted >difference || {
        cat difference >&2
        fail "$1: < is not in the document, > is not in the sources"
    }
}
# The document below a heading, up to the next of its level or above.
section() { # section "## Claims"
    awk -v want="$1" '
        BEGIN { level = index(want, " ") - 1 }
        /^#+ / && index($0, " ") - 1 <= level { on = 0 }
        $0 == want { on = 1; next }
        on' "$doc"
}
# The names in the first column of its tables.
names() {
    sed -n 's/^| `\([A-Za-z_0-9]*\)` |.*/\1/p'
}
# A source without its comments.
code_of() {
    sed 's|/\*.*\*/||' "$@" | awk '/\/\*/ { c = 1 } !c; /\*\// { c = 0 }' | grep -v '^#include'
}

# --- reasons
sed -n '/TALLY_REASON_LIST/,/^$/p' "$source/common/reason.h" | grep -o 'X([A-Za-z_0-9]*)' |
    sed 's/X(\(.*\))/\1/' | grep -vx NONE >code
section '## Reasons' | names >doc
same reasons 90

# --- claims: what the claims files name, and what others add
{
    code_of "$attest"/verify_*_claims.c | grep -E 'claim|fact\(|text\(|rtmrs|"tpm_pcr|switches'
    grep -h 'tally_claim_' "$attest"/verify_tpm*.c "$attest"/gpu_set.c "$attest"/verify_tdx*.c
} | grep -o '"[a-z_][a-z_0-9]*"' | tr -d '"' | grep -vxE 'snp|tdx|tpm|nvgpu|nvswitch|tpm_pcr_([1-9]|..)' >code
section '## Claims' | names >doc
same claims 90

# --- rules: the keys that each part reads
{
    grep -o 'strcmp(key, "[a-z_0-9]*")' "$attest/trust_json.c"
    grep -o '^ *{"[a-z_0-9]*", *offsetof' "$attest/trust_json.c"
} | sed 's/[^"]*"\([^"]*\)".*/\1/' >code
section '### Rules for `snp`' | names >doc
same "rules for snp" 30
for part in tdx nvgpu tpm; do
    grep -o '"[a-z_0-9]*?"' "$attest/$(echo $part | sed s/nv//)_policy.c" | tr -d '"?' >code
    section "### Rules for \`$part\`" | names >doc
    same "rules for $part" 9
done

# --- and their defaults, where they are one word
"$bin/tally-agent" evidence policy new --name strict >strict.json
awk '
    /^    "/ { split($0, q, "\""); part = q[2] }
    /^      "[a-z_0-9]*": [^\[{]/ {
        split($0, q, "\""); value = $2
        gsub(/[",]/, "", value)
        print part, q[2], value
    }' strict.json >defaults
[ "$(wc -l <defaults)" -ge 35 ] || fail "$(wc -l <defaults) defaults"
while read -r part key value; do
    section "### Rules for \`$part\`" | grep -q "^| \`$key\` | $value |" ||
        fail "$part: the document does not say that \"$key\" is $value"
done <defaults

# --- options: every one that the document names is one
grep -o -e '--[a-z][a-z-]*' "$doc" | sort -u >options
for kind in snp tdx nvgpu azure tpm; do "$bin/tally-agent" evidence verify $kind --help; done >help
for words in 'evidence policy new' 'evidence policy sign' 'evidence result' init; do
    # shellcheck disable=SC2086
    "$bin/tally-agent" $words --help
done >>help
while read -r option; do
    grep -q -e "^  $option " help || fail "$option is no option"
done <options

sed -n 's/^  \(--[a-z-]*\) .*/\1/p' help | sort -u >offered
while read -r option; do
    case $option in
    --help | --json | --dir | --org | --node | --chip | --id-key | --test | --data | --grants | --threads) ;;
    *) grep -qx -e "$option" options || fail "the document does not name $option" ;;
    esac
done <offered

# --- its commands
vectors=$shared/vectors
if [ -z "$shared" ] || [ ! -d "$vectors" ]; then
    [ -z "${CI:-}" ] || fail "no vectors: set TALLY_SHARED"
    echo "no vectors: commands not run"
    exit 0
fi
hex() { # hex FILE OFFSET BYTES
    od -An -v -tx1 -j "$2" -N "$3" "$1" | tr -d ' \n'
}
snp=$vectors/snp/genoa_v3_ccf tdx=$vectors/tdx gpu=$vectors/nvgpu tpm=$vectors/tpm
mkdir run path
cp "$snp/report.bin" "$snp/vek.der" run
cp "$vectors/snp/roots/genoa_vcek_crl.der" run/crl.der
head -c 4935 "$tdx/quotes/spr_v4_gcp_cos113.bin" >run/quote.bin
cp -r "$tdx/collateral/2025-10_00806f05" run/collateral
cp "$tdx/extra/gcp_cos113_ccel_data.bin" run/ccel.bin
cp "$gpu/reports/hopper_545_full_rim_match/report.bin" run/gpu-report.bin
cp "$gpu/reports/hopper_545_full_rim_match/cert_chain.pem" run/gpu-chain.pem
cp "$gpu/rims/Driver_RIM_test_no_gpu.swidtag" run/driver-rim.xml
cp "$gpu/rims/1010_0200_882_96005E0001_test_no_gpu.swidtag" run/vbios-rim.xml
cp "$gpu/switch/switch_ls10_full_rim_match/report.bin" run/switch-report.bin
cp "$gpu/switch/switch_ls10_full_rim_match/cert_chain.pem" run/switch-chain.pem
cp "$gpu/rims/switchVBIOSRim_NV_SWITCH_BIOS_5612_0002_890_9610550001.xml" run/switch-rim.xml
cp "$tpm/azure_snp_milan_v1/hcl_report.bin" run/hcl.bin
cp "$vectors/snp/milan_v2_azure_hcl/vek.der" run/azure-vek.der
cp "$tpm/azure_snp_milan_v1/quote.attest" run/azure-quote.attest
cp "$tpm/azure_snp_milan_v1/quote.sig" run/azure-quote.sig
cp "$tpm/azure_snp_milan_v1/pcrs_sha256.bin" run/azure-pcrs.bin
cp "$tpm/azure_tdx_v1/hcl_report.bin" run/azure-td-hcl.bin
cp "$tdx/quotes/spr_v4_azure_coco.bin" run/azure-td-quote.bin
cp -r "$tdx/collateral/2025-10_00806f05" run/azure-td-collateral
cp "$tpm/azure_akpub_quote/quote.attest" "$tpm/azure_akpub_quote/quote.sig" run
cp "$tpm/azure_akpub_quote/pcrs_sha256.bin" run/pcrs.bin
cp "$tpm/azure_akpub_quote/ak_pub.pem" run/ak.pem
chmod -R u+w run

# What the document leaves to its reader; only eval below sees them.
REPORT_DATA=$(hex "$snp/report.bin" 80 64) MEASUREMENT=$(hex "$snp/report.bin" 144 48)
REPORT_DATA_TD=$(hex run/quote.bin 568 64) MRTD=$(hex run/quote.bin 184 48)
NONCE_GPU=$(cat "$gpu/reports/hopper_545_full_rim_match/nonce.hex")
NONCE_SWITCH=$(cat "$gpu/switch/switch_ls10_full_rim_match/nonce.hex")
NONCE_TPM=6368616c6c656e6765
USER_DATA=$(printf '%0128d' 0)
MEASUREMENT_AZURE=$(hex run/hcl.bin 176 48) MRTD_AZURE=$(hex run/azure-td-quote.bin 184 48)
export REPORT_DATA MEASUREMENT REPORT_DATA_TD MRTD NONCE_GPU NONCE_SWITCH NONCE_TPM USER_DATA \
    MEASUREMENT_AZURE MRTD_AZURE

# The program, at a time when this evidence was new, with a policy of that time that lists it.
cat >path/tally-agent <<PROGRAM
#!/bin/sh
case "\$1 \${2:-} \${3:-}" in
"evidence verify snp" | "evidence verify azure") set -- "\$@" --at 2025-06-01T00:00:00Z ;;
"evidence verify tdx") set -- "\$@" --at 2025-10-20T00:00:00Z ;;
"evidence verify nvgpu") set -- "\$@" --at 2024-06-01T00:00:00Z ;;
"evidence verify nvswitch") set -- "\$@" --at 2026-06-01T00:00:00Z ;;
"evidence result "*) set -- "\$@" --at 2025-06-01T00:10:00Z ;;
"evidence policy new")
    "$bin/tally-agent" "\$@" | sed -e 's/"issued": [0-9]*/"issued": 1740000000/' \
        -e 's/"measurements": \[\]/"measurements": [{"tee":"snp","digest":"$MEASUREMENT"}]/'
    exit ;;
esac
exec "$bin/tally-agent" "\$@"
PROGRAM
chmod +x path/tally-agent
PATH=$dir/path:$PATH

# One line for each command.
commands() {
    awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$1" |
        awk 'NF { if (sub(/\\$/, "")) { held = held $0 } else { print held $0; held = "" } }'
}
# runs FILE EXIT[:REASON]...: its commands, in order; REASON is why not, and there is no other.
runs() {
    commands "$1" >lines
    shift
    [ "$(wc -l <lines)" = $# ] || fail "$(wc -l <lines) commands, not $#"
    while read -r command; do
        want=${1%%:*} reason=
        case $1 in *:*) reason=${1#*:} ;; esac
        shift
        rc=0
        (cd run && eval "$command") >out 2>err </dev/null || rc=$?
        [ "$rc" = "$want" ] || {
            cat out err >&2
            fail "$command: exit $rc, not $want"
        }
        sed -n 's/^  \([A-Z_]*\): .*/\1/p' out >why
        [ -z "$reason" ] || [ "$(sort -u why | tr '\n' ' ')" = "$reason " ] ||
            fail "$command: $(cat why), not $reason"
        KEY=$(sed -n 's/.*--policy-key //p' out)
        [ -z "$KEY" ] || key=$KEY
        KEY=${key:-}
        export KEY
    done <lines
}
#    integrity, snp, tdx, event log, GPU, switch, Azure on SNP and TDX, TPM
runs "$doc" 0 0 0 0 1:E_FWID 0 1 1 0 \
    0 0 0 0 0 \
    0 0 0 0
runs "$source/README.md" 0
# The GPU's driver is too old to name its firmware; nothing else is wrong with it.
{
    echo '```sh'
    commands "$doc" | sed -n 's/^tally-agent evidence verify nvgpu .*/& --set fwid=false/p'
} >gpu.md
runs "$dir/gpu.md" 0
