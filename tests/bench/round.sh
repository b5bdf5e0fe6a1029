#!/bin/bash
# What a round costs beyond training: five banks with 200 rows each and the aggregator as separate
# processes on two cores, everything on: evidence, vote, fsyncs. Prints seconds of a round from
# challenge to publication, the slowest agent's training in it, the difference, and peak memory.
#
#   tests/bench/round.sh small|large [ROUNDS]     small: 10 thousand parameters, large: 10 million
#
# BUILD: the build folder (build); DIR: where it works (a fresh folder, removed at the end);
# CPUS: cores for everything (0,1); BANKS (5); PORT (7841); KEEP=1 keeps DIR.
set -eu

size=${1:-small}
case $size in
small) hidden=100,96 rounds=${2:-20} ;;
large) hidden=3200,3120 rounds=${2:-6} ;;
*) sed -n '2,10s/^# \?//p' "$0"; exit 1 ;;
esac
build=$(cd "${BUILD:-build}" && pwd)
cpus=${CPUS:-0,1} banks=${BANKS:-5} port=${PORT:-7841}
dir=${DIR:-$(mktemp -d)}
aggregator=$build/tally-aggregator agent=$build/tally-agent
pids=()

finish() {
    for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
    wait
    [ -n "${KEEP:-}" ] || rm -rf "$dir"
}
trap finish EXIT

table() { # table SEED: 200 rows whose label depends on two columns
    awk -v seed="$1" 'BEGIN { srand(seed); print "id,amount,age,label"
        for (i = 0; i < 200; i++) { a = rand() * 100; b = rand() * 50
            printf "%d,%.2f,%.2f,%d\n", i, a, b, (a + b > 90) } }'
}

set_up() {
    local id i
    "$aggregator" init --test --dir owner --endpoint "tcp://127.0.0.1:$port" --name bench
    for i in $(seq "$banks"); do
        "$agent" init --test --dir "bank-$i" --org "bank-$i" --node agent-1
        "$aggregator" federation add --dir owner "bank-$i/agent.pub.json"
    done
    "$aggregator" federation add --dir owner --measurement "agent:$agent" \
        --measurement "aggregator:$aggregator"
    "$aggregator" federation sign --dir owner
    id=$(sed -n 's/.*"payload" *: *"\([^"]*\)".*/\1/p' owner/federation.json | base64 -d |
        sha256sum | cut -c1-64)
    for i in $(seq "$banks"); do
        cp "owner/chips/bank-$i.agent-1.chip" "bank-$i/chip" 2>/dev/null || true
        (cd "bank-$i" && "$agent" federation sign --expect "sha256:$id" \
            --in ../owner/federation.json --out "../signed-$i.json")
        "$aggregator" federation add --dir owner "signed-$i.json"
    done
    for i in $(seq "$banks"); do
        (cd "bank-$i" && "$agent" federation sign --expect "sha256:$id" \
            --in ../owner/federation.json && sed -i 's/^grants: manual/grants: auto/' agent.yaml)
        table "$i" >"bank-$i/data.csv"
    done
    job "$id" >job.json
    "$aggregator" job submit --dir owner job.json
}

job() {
    local now names
    now=$(date +%s)
    names=$(seq -f '"bank-%g"' -s, "$banks")
    cat <<JSON
{"type":"job","name":"bench","federation":"$1","federation_version":1,"issued":$now,
 "expires":$((now + 86400)),"participants":[$names],"cohort_min":2,"share_cap_permille":1000,
 "rounds":$rounds,"round_seconds":600,
 "schema":{"label":{"column":"label","positive":"1"},"ignore":["id"],
  "held_out":{"by":"hash","permille":300},"bad_rows":"refuse",
  "columns":[{"name":"amount","kind":"numeric","missing":"mean"},
             {"name":"age","kind":"numeric","missing":"mean"}]},
 "model":{"kind":"mlp","hidden":[$hidden]},
 "training":{"rule":"fedavg","optimizer":"sgd","learning_rate":0.01,"batch":256,
  "local_epochs":1,"seed":7},"combine":{"rule":"mean"}}
JSON
}

peak() { # peak PID: the most memory it ever held, in MB
    awk '/^VmHWM/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"
}
current() {
    awk '/^VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"
}

cpu() { # cpu PID...: seconds of processor time, user and system
    for p in "$@"; do cat "/proc/$p/stat"; done |
        awk -v hz="$(getconf CLK_TCK)" '{ u += $14; s += $15 }
            END { printf "%.2f user, %.2f system", u / hz, s / hz }'
}

mkdir -p "$dir"
cd "$dir"
set_up >setup.log 2>&1 || { cat setup.log; exit 1; }
taskset -c "$cpus" "$aggregator" serve --dir owner >serve.log 2>&1 &
pids+=($!)
for i in $(seq "$banks"); do
    (cd "bank-$i" && exec taskset -c "$cpus" "$agent" run >run.log 2>&1) &
    pids+=($!)
done

done=false
first=
for _ in $(seq ${POLLS:-500}); do
    sleep 0.2
    "$aggregator" status --dir owner --json >status.json 2>/dev/null || continue
    n=$(jq '.jobs[0].history | length' status.json)
    [ -n "$first" ] || [ "${n:-0}" -lt 5 ] || first=$(current "${pids[0]}")
    [ "$(jq -r '.jobs[0].stopped // ""' status.json)" = "" ] || { jq -r '.jobs[0].stopped' status.json; exit 1; }
    done=$(jq '.jobs[0].done' status.json)
    [ "$done" = true ] && break
done
[ "$done" = true ] || { echo "the job did not end"; tail -n 5 serve.log bank-*/run.log; exit 1; }

echo "parameters: $(ls -l owner/*/models/*.safetensors 2>/dev/null | awk '{ b = $5 } END { printf "about %d", b / 4 }')"
echo "aggregator: peak $(peak "${pids[0]}") MB, after five rounds ${first:-?} MB, at the end $(current "${pids[0]}") MB"
echo "agent: peak $(peak "${pids[1]}") MB"
echo "processor seconds: aggregator $(cpu "${pids[0]}"); agents $(cpu "${pids[@]:1}")"
# rounds of kind delta: seconds, and the slowest agent's training in each
jq -r '.jobs[0].history[] | select(.kind == "delta") | "\(.round) \(.seconds)"' status.json >rounds.txt
sed -n 's/.*trained .*round=\([0-9]*\).* training_ms=\([0-9]*\).*/\1 \2/p' bank-*/run.log >trained.txt
awk 'NR == FNR { if ($2 > t[$1]) t[$1] = $2; next }
     { printf "%d %.3f %.3f %.3f\n", $1, $2, t[$1] / 1000, $2 - t[$1] / 1000 }' trained.txt rounds.txt >table.txt
[ -z "${VERBOSE:-}" ] || cat table.txt
for column in 2:whole 3:training 4:beyond; do
    sort -n -k "${column%%:*}" table.txt | awk -v c="${column%%:*}" -v name="${column##*:}" '
        { v[NR] = $c } END { printf "%-9s median %.3f s, min %.3f, max %.3f over %d rounds\n",
            name, v[int((NR + 1) / 2)], v[1], v[NR], NR }'
done
