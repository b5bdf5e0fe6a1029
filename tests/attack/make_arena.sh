#!/bin/sh
# make_arena.sh BIN DIR [BANKS [TEES [GPUS]]] - a test federation made by the real commands, for attack
# programs to copy: owner/, bank-1/ ..., each bank with a table of one column; and `port`, the agents'
# endpoint. TEES: which machine is simulated, the owner's first ("tdx snp tdx"; one word
# for all; without: snp). GPUS: a folder of tally_make_gpus; every node then has GPUs.
set -eu
bin=$(cd "$1" && pwd) dir=$2 banks=${3:-3}
tees=${4:-} gpus=${5:+$(cd "$5" && pwd)}
tee_of() { # tee_of NUMBER: 0 is the owner
    t=$(echo "$tees" | cut -d' ' -f$(($1 + 1)))
    [ -z "$t" ] || echo "--tee $t"
}
rm -rf "$dir"
mkdir -p "$dir"
cd "$dir"
# Below the range that the system gives to clients, and not in use just now.
port=
for try in 1 2 3 4 5 6 7 8; do
    port=$((20000 + ($(od -An -N2 -tu2 /dev/urandom) % 10000)))
    grep -qi ":$(printf %04X "$port") " /proc/net/tcp /proc/net/tcp6 || break
done
echo "$port" >port
# shellcheck disable=SC2046
"$bin/tally-aggregator" init --test $(tee_of 0) --dir owner --name arena --endpoint "tcp://127.0.0.1:$port"
for i in $(seq 1 "$banks"); do
    "$bin/tally-agent" init --test --dir "bank-$i" --org "bank-$i" --node agent-1
    # shellcheck disable=SC2046
    "$bin/tally-aggregator" federation add $(tee_of "$i") --dir owner "bank-$i/agent.pub.json"
done
[ -z "$gpus" ] || "$bin/tally-aggregator" federation add --dir owner --gpu-root "$gpus/gpu-root.der" \
    --rim-root "$gpus/rim-root.der"
"$bin/tally-aggregator" federation add --dir owner --measurement "agent:$bin/tally-agent" \
    --measurement "aggregator:$bin/tally-aggregator"
"$bin/tally-aggregator" federation sign --dir owner
digest=$(sed -n 's/.*"payload": *"\([^"]*\)".*/\1/p' owner/federation.json | base64 -d |
    sha256sum | cut -c1-64)
sign() { # sign BANK [--out FILE]
    bank=$1
    shift
    "$bin/tally-agent" federation sign --dir "bank-$bank" --expect "sha256:$digest" \
        --in owner/federation.json "$@"
}
for i in $(seq 1 "$banks"); do
    cp "owner/chips/bank-$i.agent-1.chip" "bank-$i/chip"
    sign "$i" --out "signed-$i.json"
    "$bin/tally-aggregator" federation add --dir owner "signed-$i.json"
done
for i in $(seq 1 "$banks"); do
    sign "$i"
    awk -v seed="$i" 'BEGIN { srand(seed); print "x,label"
        for (i = 0; i < 600; i++) { x = rand(); print x "," (x + rand() / 4 > 0.8) } }' \
        >"bank-$i/data.csv"
    sed -i 's/format: text/format: json/; s/^grants: manual/grants: auto/' "bank-$i/agent.yaml"
done
# Attackers who know the port from the log need none of their own: many arenas at a time.
sed -i 's/format: text/format: json/; s#tcp://\*:[0-9]*#tcp://127.0.0.1:*#' owner/aggregator.yaml
echo "$digest" >digest
[ -z "$gpus" ] || sed -i "s#gpus: none#gpus: nvidia#; s#^  manifests: .*#  manifests: $gpus/rims#" \
    owner/aggregator.yaml bank-*/agent.yaml
