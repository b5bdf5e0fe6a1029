#!/bin/sh
# documents.sh BIN ARENA - documents that somebody holds real keys for and that are refused all the
# same: one party's signature counted twice, a second document of one version, a test document at a
# program configured for production.
set -eu
bin=$(cd "$1" && pwd) arena=$(cd "$2" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp -a "$arena/." "$dir"
cd "$dir"
fail() {
    echo "FAILED: $1" >&2
    cat out >&2
    exit 1
}
digest_of() { sed -n 's/.*"payload": *"\([^"]*\)".*/\1/p' "$1" | base64 -d | sha256sum | cut -c1-64; }
take() { # take FOLDER FILE DIGEST
    "$bin/tally-agent" federation sign --dir "$1" --in "$2" --out taken.json --expect "sha256:$3" >out 2>&1
}
in_force() { [ -e "$1/state/federation/current" ] && cat "$1/state/federation/current"; }

# bank-2's signature is replaced by bank-1's, under bank-2's key id and under bank-1's: two
# signatures of one party are one.
first=$(digest_of owner/federation.json)
grep -o '{[^{}]*"sig"[^{}]*}' owner/federation.json >signatures
[ "$(wc -l <signatures)" = 4 ] || fail "four parties have signed"
keyid() { sed -n "$1s/.*\"keyid\": *\"\([^\"]*\)\".*/\1/p" signatures; }
sig() { sed -n "$1s/.*\"sig\": *\"\([^\"]*\)\".*/\1/p" signatures; }
sed "s#$(sig 3)#$(sig 2)#" owner/federation.json >twice-a.json
sed "s#$(sig 3)#$(sig 2)#; s#$(keyid 3)#$(keyid 2)#" owner/federation.json >twice-b.json
cp -a bank-3 fresh
rm -rf fresh/state
for f in twice-a twice-b; do
    cmp -s $f.json owner/federation.json && fail "$f is not changed"
    take fresh $f.json "$first" || true
    [ -z "$(in_force fresh)" ] || fail "$f: one party's signature counted for two"
    grep -q 'has not signed yet' out || fail "$f: it does not say who is missing"
done
take fresh owner/federation.json "$first" || fail "the document as it is"
[ -n "$(in_force fresh)" ] || fail "the document as it is, is not in force"

# Two second versions, each signed by every party: whoever has one in force refuses the other.
second() { # second NAME PROGRAM: the whole way of version 2 in copies of all folders
    mkdir "$1"
    cp -a owner bank-1 bank-2 bank-3 "$1"
    cd "$1"
    {
        "$bin/tally-aggregator" federation add --dir owner --measurement "agent:$2"
        "$bin/tally-aggregator" federation sign --dir owner
        d=$(digest_of owner/federation.json)
        for i in 1 2 3; do
            "$bin/tally-agent" federation sign --dir "bank-$i" --in owner/federation.json \
                --out "signed-$i.json" --expect "sha256:$d"
            "$bin/tally-aggregator" federation add --dir owner "signed-$i.json"
        done
    } >../out 2>&1 || fail "version 2 $1"
    cd ..
}
second one /bin/true
second two /bin/false
one=$(digest_of one/owner/federation.json) two=$(digest_of two/owner/federation.json)
[ "$one" != "$two" ] || fail "one document"
take bank-1 one/owner/federation.json "$one" || fail "version 2"
before=$(in_force bank-1)
case "$before" in "2 $one"*) ;; *) fail "version 2 is not in force: $before" ;; esac
take bank-1 two/owner/federation.json "$two" && fail "a second document of version 2 was taken"
grep -q 'E_FEDERATION' out || fail "no reason"
[ "$(in_force bank-1)" = "$before" ] || fail "what is in force has changed"

# A program for production.
sed -i 's/^mode: test/mode: production/; s/^grants: auto/grants: manual/; s/kind: simulated/kind: hardware/' bank-2/agent.yaml
take bank-2 owner/federation.json "$first" && fail "a test document at a production program"
grep -q 'production' out || fail "no reason"
echo "refused as they must be"
