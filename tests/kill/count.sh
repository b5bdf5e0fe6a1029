# count.sh - sourced in a federation's folder when its job is done: what was acknowledged to the banks
# (acknowledged, from their logs) beside what counts in the versions' lineages (counted), a line
# "ROUND BANK STATEMENT" each. Wants $bin, $banks and fail(); sets completed, lost, twice and, of
# those that were acknowledged, keys_lost: excluded because both sides lost their keys.
# shellcheck shell=sh disable=SC2034,SC2154
"$bin/tally-aggregator" models --dir owner --json >models.json
grep -o '"digest": *"[0-9a-f]*"' models.json | grep -o '[0-9a-f]\{64\}' | sort -u >versions
mkdir -p versions.d
: >counted
: >key_lost
while read -r digest; do
    "$bin/tally-aggregator" export --dir owner --version "$digest" --out "versions.d/$digest" >>commands.log
    sed -n 's/.*"payload": *"\([^"]*\)".*/\1/p' "versions.d/$digest.lineage.json" | base64 -d >payload
    round=$(grep -o '"round": *[0-9]*' payload | head -1 | grep -o '[0-9]*$')
    grep -o '"org":"[^"]*","node":"[^"]*","status":"counted","statement":"[0-9a-f]*"' payload |
        sed "s/\"org\":\"\([^\"]*\)\".*\"statement\":\"\([0-9a-f]*\)\"/$round \1 \2/" >>counted
    grep -o '"org":"[^"]*","node":"[^"]*","status":"excluded"[^}]*"reason":"key_lost"' payload |
        sed "s/\"org\":\"\([^\"]*\)\".*/$round \1/" >>key_lost || true
done <versions
: >acknowledged
grep -q '"event":"acknowledged".*"suppressed"' bank-*.log && fail "the agents' logs leave acknowledgements out"
for i in $(seq "$banks"); do
    { grep '"event":"acknowledged"' "bank-$i.log" || true; } |
        sed 's/.*"round":\([0-9]*\).*"statement":"\([0-9a-f]*\)".*/\1 bank-'"$i"' \2/' >>acknowledged
done
sort -u acknowledged -o acknowledged
completed=$(($(wc -l <versions)))
lost=0 keys_lost=0
while read -r round bank statement; do
    grep -q "^$round $bank $statement" counted && continue
    if grep -q "^$round $bank\$" key_lost; then
        keys_lost=$((keys_lost + 1))
    else
        echo "lost: round $round of $bank, statement $statement" >&2
        lost=$((lost + 1))
    fi
done <acknowledged
twice=$(($(cut -d' ' -f3 counted | sort | uniq -d | wc -l) + $(cut -d' ' -f1,2 counted | sort | uniq -d | wc -l)))
