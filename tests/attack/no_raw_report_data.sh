#!/bin/sh
# no_raw_report_data.sh BIN SOURCE (A35) - nothing takes 64 bytes of REPORT_DATA from outside: no
# command or option of the programs makes evidence over bytes of the caller's choice, the device's
# interface has no such call, and only the device itself knows how to ask for one.
set -eu
bin=$(cd "$1" && pwd)
cd "$2"
fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# Every help text, of commands and of their subcommands. `evidence verify` compares with given bytes
# and makes nothing.
options() { # options PROGRAM [COMMAND...]
    "$@" --help 2>/dev/null || true
}
for program in tally-agent tally-aggregator; do
    list=$(options "$bin/$program" | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')
    [ -n "$list" ] || fail "$program lists no commands"
    for command in $list; do
        subs=$(options "$bin/$program" "$command" | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')
        for sub in "" $subs; do
            for third in "" snp tdx; do
                # shellcheck disable=SC2086
                text=$(options "$bin/$program" $command $sub $third)
                case "$command $sub" in
                "evidence verify" | "evidence result") continue ;; # they compare and make nothing
                # A nonce of 32 bytes under a label of its own, which no session or update has.
                "evidence collect") text=$(printf '%s\n' "$text" | sed '/--nonce HEX/d') ;;
                esac
                if printf '%s\n' "$text" | grep -qiE -- '--(report-?data|nonce|user-?data|quote|raw)'; then
                    fail "$program $command $sub $third takes bytes for a report: $text"
                fi
            done
        done
    done
done

# The interface of the device: it takes a label and a body, never REPORT_DATA. What hands REPORT_DATA
# to hardware is one call in device.c, over what tally_report_data made there.
if sed -n '/^TALLY_RESULT tally_device_/,/;/p' common/attest/device.h | grep -n 'report_data'; then
    fail "device.h: a call with REPORT_DATA"
fi
users=$(grep -lE 'device_ops\.h' common/*.c common/attest/*.c proto/*.c kernels/*.c agent/*.c aggregator/*.c |
    sort | tr '\n' ' ')
for f in $users; do
    case "$f" in
    common/attest/device.c | common/attest/device_*.c | common/attest/report_data.c) ;;
    *) fail "$f reaches behind the device" ;;
    esac
done
# The producers take those 64 bytes: the device's own files alone know them.
for f in $(grep -lE '"common/attest/(quote_[a-z_]*|nvml_abi|device_snp_[a-z]*)\.h"' \
    common/*.[ch] common/attest/*.[ch] proto/*.[ch] kernels/*.[ch] agent/*.[ch] aggregator/*.[ch]); do
    case "$f" in
    common/attest/device*.[ch] | common/attest/quote_*.[ch]) ;;
    *) fail "$f reaches behind the device" ;;
    esac
done
# Whoever asks a producer got the bytes from the device or made them under the label of no session.
if grep -nE 'tally_(tsm|sev_guest)_quote\(' common/attest/device_*.c | grep -vE '\([^()]*report_data'; then
    fail "a producer is asked over something else than report_data"
fi
makers=$(grep -nE 'tally_device_self_data\(' common/attest/*.c | grep -vc 'common/attest/device.c') || true
[ "$makers" = 2 ] || fail "$makers places make a report for the device itself"
calls=$(grep -nE '(ops|->)[a-z_.>-]*quote\(' common/attest/device.c | wc -l)
[ "$calls" = 1 ] || fail "device.c asks for reports in $calls places"
grep -q 'tally_quote_data(ask' common/attest/device.c || fail "device.c does not derive REPORT_DATA from a label"
# Programs may not make reports beside the device, nor boot a guest of their own making.
if grep -nE 'tally_sim_report_sign|tally_device_sim_boot' agent/*.c aggregator/*.c proto/*.c common/*.c; then
    fail "a program signs reports itself"
fi
echo "no command, option or call takes REPORT_DATA"
