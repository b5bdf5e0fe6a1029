#!/bin/sh
# gpus.sh BUILD MAKE_GPUS - a test federation whose nodes have simulated GPUs beside their simulated
# TEE (the stub of the driver's library plays them): rounds, and what a node without them, with another
# number or with GPUs of another root is told.
set -eu
bin=$(cd "$1" && pwd)
make_gpus=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
pids=
trap 'kill -9 $pids 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
stub=$bin/stub agent=$bin/tally-agent aggregator=$bin/tally-aggregator

fail() {
    echo "FAILED: $1" >&2
    tail -n 40 out err ./*.log >&2 2>/dev/null || true
    exit 1
}
"$make_gpus" "$dir/gpus" 6 >out 2>err || fail "no GPUs"
sh "$here/../attack/make_arena.sh" "$bin" "$dir/arena" 3 "snp tdx snp snp" "$dir/gpus" >out 2>err || fail "no arena"
cd arena
sed -i "s#tcp://127.0.0.1:\*#tcp://127.0.0.1:$(cat port)#" owner/aggregator.yaml
"$aggregator" federation show --dir owner >out 2>err || fail "no document"
for line in 'policy nvgpu rim: "required"' 'policy nvgpu fwid: true' 'root of trust test-3:'; do
    grep -q "^$line" out || fail "the document says nothing of '$line'"
done
"$aggregator" federation add --dir owner --gpu-root digest >out 2>err && fail "a root that is none"

# with GPUS COMMAND...: becomes that command, on a machine with these GPUs
with() {
    plugged=
    for g in $1; do plugged="$plugged${plugged:+,}$dir/gpus/$g"; done
    shift
    export LD_LIBRARY_PATH="$stub" TALLY_STUB_SIM="$plugged"
    exec "$@"
}
# start owner|bank-N GPUS: in the background; it is $last
start() {
    case $1 in
    owner) with "$2" "$aggregator" serve --dir owner >>owner.log 2>&1 & ;;
    *) with "$2" "$agent" run --dir "$1" --until-done >>"$1.log" 2>&1 & ;;
    esac
    last=$!
    pids="$pids $last"
}
logged() { # logged FILE WHAT
    for _ in $(seq 600); do
        grep -q -e "$2" "$1" 2>/dev/null && return 0
        sleep 0.05
    done
    fail "$1 never said '$2'"
}
end() { # end PID
    kill -9 "$1"
    wait "$1" 2>/dev/null || true
}
# refused GPUS REASON: bank-3 with these is. Each time by a fresh aggregator: a node has few knocks.
refused() {
    : >owner.log
    start owner "gpu-1 gpu-2"
    owner=$last
    logged owner.log '"event":"serving"'
    start bank-3 "$1"
    logged owner.log "\"event\":\"refused\",\"node\":\"bank-3/agent-1\",\"reason\":\"$2\""
    end "$last"
    end "$owner"
    grep -q '"event":"session"' bank-3.log && fail "a session nevertheless: $2"
    : >bank-3.log
}
# cannot WHAT GPUS: bank-3 with these gives no evidence at all
cannot() {
    (with "$2" "$agent" evidence collect --dir bank-3 --out none) >out 2>err && fail "evidence with $2"
    grep -q "$1" err || fail "no word of '$1'"
}

# --- a node without GPUs, with GPUs that no root of the document vouches for, without manifests
sed -i 's/gpus: nvidia/gpus: none/' bank-3/agent.yaml
refused gpu-4 E_GPU_COUNT
sed -i 's/gpus: none/gpus: nvidia/' bank-3/agent.yaml
refused foreign E_ROOT_UNTRUSTED
refused "gpu-4 foreign" E_ROOT_UNTRUSTED
mkdir empty
sed -i "s#^  manifests: .*#  manifests: $PWD/empty#" bank-3/agent.yaml
refused gpu-4 E_RIM_MISSING
sed -i "s#^  manifests: .*#  manifests: $dir/gpus/rims#" bank-3/agent.yaml

# --- one GPU twice; and what a GPU answered once, played again by its driver
cannot 'stands in the set twice' "gpu-4 gpu-4"
(with gpu-4 "$agent" evidence collect --dir bank-3 --out ev) >out 2>err || fail "no evidence"
mkdir played
cp ev/gpu-0-report.bin played/report.bin
cp ev/gpu-0-chain.pem played/cert_chain.pem
LD_LIBRARY_PATH=$stub TALLY_STUB_GPUS=$PWD/played "$agent" evidence collect --dir bank-3 --out none >out 2>err &&
    fail "a report over another nonce was collected"
grep -q 'report is over another nonce' err || fail "no word of the nonce"

# --- a job: everybody with GPUs, one of them a TDX machine
cat >job.json <<JOB
{"type":"job","name":"gpus","federation":"$(cat digest)","federation_version":1,"issued":$(date +%s),
 "expires":$(($(date +%s) + 86400)),"participants":["bank-1","bank-2","bank-3"],"cohort_min":3,
 "share_cap_permille":1000,"rounds":3,"round_seconds":60,
 "schema":{"label":{"column":"label","positive":"1"},"held_out":{"by":"hash","permille":300},
  "bad_rows":"refuse","ignore":[],"columns":[{"name":"x","kind":"numeric","missing":"mean"}]},
 "model":{"kind":"mlp","hidden":[8]},
 "training":{"rule":"fedavg","optimizer":"adam","learning_rate":0.001,"batch":64,"local_epochs":1,
  "seed":7},"combine":{"rule":"mean"}}
JOB
"$aggregator" job submit --dir owner job.json >commands.log 2>&1 || fail "no job"
start owner "gpu-1 gpu-2"
start bank-1 gpu-3
run1=$last
start bank-2 "gpu-4 gpu-5"
run2=$last
start bank-3 gpu-6
for r in $run1 $run2 $last; do wait "$r" || fail "an agent ended with $?"; done
bin=$bin banks=3
# shellcheck source=tests/kill/count.sh
. "$here/../kill/count.sh"
[ "$completed" = 5 ] && [ "$(wc -l <counted)" = 15 ] && [ "$lost" = 0 ] && [ "$twice" = 0 ] ||
    fail "$completed versions, $(wc -l <counted) updates counted, $lost lost, $twice twice"
echo "GPUs: all as it should be"
