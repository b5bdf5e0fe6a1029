#!/bin/sh
# Dependencies point one way:  common <- proto, kernels <- agent, aggregator.
# Examples may use the agent's loader and trainer, never the aggregator's inside.
set -eu
fail=0
deny() { # deny LAYER 'FORBIDDEN|...'
    [ -d "$1" ] || return 0
    if grep -rnE "#include \"($2)/" "$1"; then
        echo "$1/ may not include $2" >&2
        fail=1
    fi
}
deny common     'proto|kernels|agent|aggregator|examples|tests'
deny proto      'kernels|agent|aggregator|examples|tests'
deny kernels    'proto|agent|aggregator|examples|tests'
deny agent      'aggregator|examples|tests'
deny aggregator 'agent|examples|tests'
deny examples   'aggregator|tests'
# ZeroMQ stays behind one door.
if grep -rlE '#include <c?zmq' common proto kernels agent aggregator examples | grep -v '^common/transport_zmq\.c$'; then
    echo "only common/transport_zmq.c may include ZeroMQ's headers" >&2
    fail=1
fi
# A simulated chip differs from a real one in its trust anchor alone.
if grep -rniE '\b(if|switch|while|\?)[^;]*simulat' common/attest/verify_*.c proto/*.c 2>/dev/null; then
    echo "no verifier may branch on simulated" >&2
    fail=1
fi
exit $fail
