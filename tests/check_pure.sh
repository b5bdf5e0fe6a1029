#!/bin/sh
# proto/ is sans-IO: its archive may not call for sockets, files, clocks,
# threads, randomness or the heap.   usage: check_pure.sh libtally_proto.a
set -eu
if nm --undefined-only "$1" | grep -E ' U (socket|connect|bind|send|recv|open|fopen|read|write|poll|epoll|time|clock_|gettimeofday|sleep|nanosleep|pthread_|zmq_|zsock_|zmsg_|zloop_|randombytes|rand|getrandom|malloc|calloc|realloc|free|getenv|sqlite3_)'; then
    echo "$1 is not pure" >&2
    exit 1
fi
