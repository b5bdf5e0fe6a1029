#!/bin/sh
# uci.sh - five banks by LIMIT_BAL quantiles of the UCI credit-card defaults, 40 rounds, five seeds:
# the federated model against each bank's own. Prints every figure; exits 1 unless federated is
# above alone on every seed and by .008 AUC-PR on average.   tests/bench/uci.sh [SHARED]
# SHARED (default: ../shared beside the project) holds data/uci_default.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
data=${1-$root/../shared}/data/uci_default/UCI_Credit_Card.csv.xz
[ -r "$data" ] || {
    echo "uci.sh: $data is not there" >&2
    exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tables"
xz -dc "$data" >"$work/all.csv"
head -1 "$work/all.csv" >"$work/header"
# LIMIT_BAL is column 2; equal limits in the order of ID.
tail -n +2 "$work/all.csv" | LC_ALL=C sort -t, -k2,2g -k1,1n >"$work/sorted"
rows=$(wc -l <"$work/sorted")
for b in 1 2 3 4 5; do
    {
        cat "$work/header"
        sed -n "$((rows * (b - 1) / 5 + 1)),$((rows * b / 5))p" "$work/sorted"
    } >"$work/tables/bank-$b.csv"
done

for seed in 1 2 3 4 5; do
    "$root/examples/aml/run" --csv "$work/tables" --label default.payment.next.month --ignore ID \
        --rounds 40 --seed $seed --keep "$work/$seed" --json >"$work/$seed.json" 2>"$work/$seed.log" || {
        cat "$work/$seed.log" >&2
        exit 1
    }
    # The job says which columns are categories.
    [ "$(tr -d ' \n' <"$work/$seed/job.json" | grep -o '"name":"PAY_[0-9]","kind":"category"' | wc -l)" = 6 ] || {
        echo "uci.sh: the PAY columns are not categories" >&2
        exit 1
    }
    rm -rf "${work:?}/$seed"
done

# The figures, from the one line of JSON: name or "mean", model, its three numbers.
figures() {
    tr -d ' ' <"$1" | grep -oE '"name":"[^"]*"|"mean":|"lacking"|"(alone|federated|pooled)":\{[^}]*\}' |
        sed -e 's/"name":"\(.*\)"/\1/' -e 's/"mean":/mean/' -e '/lacking/d' \
            -e 's/"\([a-z]*\)":{"auc_pr":\([^,]*\),"roc_auc":\([^,]*\),"recall_at_1pct_fpr":\([^}]*\)}/ \1 \2 \3 \4/' |
        awk -v seed="$2" '/^[^ ]/ { who = $1; next } { print seed, who, $1, $2, $3, $4 }'
}
for seed in 1 2 3 4 5; do figures "$work/$seed.json" $seed; done >"$work/figures"
echo "seed who model AUC-PR ROC-AUC recall-at-1%-FPR"
cat "$work/figures"
awk '$2 == "mean" { f[$1, $3] = $4; for (i = 4; i <= 6; i++) sum[$3, i] += $i / 5 }
    END {
        least = 1
        for (s = 1; s <= 5; s++) {
            gain = f[s, "federated"] - f[s, "alone"]
            if (gain < least) least = gain
            printf "seed %d: federated - alone = %+.4f AUC-PR\n", s, gain
        }
        for (k = split("alone federated pooled", m, " "); k > 0; k--)
            printf "mean %-9s %.4f %.4f %.4f\n", m[k], sum[m[k], 4], sum[m[k], 5], sum[m[k], 6]
        gain = sum["federated", 4] - sum["alone", 4]
        printf "on average %+.4f, at least %+.4f\n", gain, least
        exit !(least > 0 && gain >= 0.008)
    }' "$work/figures"
