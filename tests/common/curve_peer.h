/* curve_peer.h - ZMTP 3.0 and CURVE (ZeroMQ RFC 23 and 26) by hand over a plain socket: a member
 * with a good key that does what no ZeroMQ library would. */
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct curve_peer {
    int fd;
    uint64_t nonce;
    uint8_t shared[32]; /* precomputed for the two short-term keys */
};

static inline bool peer_send(struct curve_peer *p, const void *at, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = send(p->fd, (const uint8_t *)at + done, n - done, MSG_NOSIGNAL);
        if (k <= 0) return false;
        done += (size_t)k;
    }
    return true;
}

static inline void peer_recv(struct curve_peer *p, void *to, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = recv(p->fd, (uint8_t *)to + done, n - done, 0);
        ck_assert_int_gt(k, 0);
        done += (size_t)k;
    }
}

static inline void be64(uint8_t to[8], uint64_t v)
{
    for (int i = 0; i < 8; i++) to[i] = (uint8_t)(v >> (56 - 8 * i));
}

/* 16 bytes of text and 8 of counter. */
static inline void short_nonce(uint8_t nonce[24], const char *text, uint64_t v)
{
    memcpy(nonce, text, 16);
    be64(nonce + 16, v);
}

/* 8 bytes of text and 16 given. */
static inline void long_nonce(uint8_t nonce[24], const char *text, const uint8_t *given)
{
    memcpy(nonce, text, 8);
    memcpy(nonce + 8, given, 16);
}

static inline void peer_greet(struct curve_peer *p)
{
    uint8_t mine[64] = {0xff, [9] = 0x7f, [10] = 3}, theirs[64];

    memcpy(mine + 12, "CURVE", 5);
    ck_assert(peer_send(p, mine, sizeof mine));
    peer_recv(p, theirs, sizeof theirs);
    ck_assert_mem_eq(theirs + 12, "CURVE", 5);
}

static inline void peer_hello(struct curve_peer *p, const uint8_t *to_key, const uint8_t *c_pub,
                              const uint8_t *c_sec)
{
    static const uint8_t zeros[64];
    uint8_t frame[202] = {4, 200, 5, 'H', 'E', 'L', 'L', 'O', 1, 0}, nonce[24];

    memcpy(frame + 2 + 80, c_pub, 32);
    be64(frame + 2 + 112, 1);
    short_nonce(nonce, "CurveZMQHELLO---", 1);
    ck_assert_int_eq(crypto_box_easy(frame + 2 + 120, zeros, sizeof zeros, nonce, to_key, c_sec),
                     0);
    ck_assert(peer_send(p, frame, sizeof frame));
}

/* Gives the server's short-term key and cookie: 32 and 96 bytes. */
static inline void peer_welcome(struct curve_peer *p, const uint8_t *to_key, const uint8_t *c_sec,
                                uint8_t plain[128])
{
    uint8_t frame[170], nonce[24];

    peer_recv(p, frame, sizeof frame);
    ck_assert_mem_eq(frame + 2, "\x07WELCOME", 8);
    long_nonce(nonce, "WELCOME-", frame + 10);
    ck_assert_int_eq(crypto_box_open_easy(plain, frame + 26, 144, nonce, to_key, c_sec), 0);
}

static inline void peer_initiate(struct curve_peer *p, const uint8_t *to_key, const uint8_t *c_pub,
                                 const struct node *n, const uint8_t welcome[128])
{
    static const uint8_t metadata[] = "\x0bSocket-Type\x00\x00\x00\x06"
                                      "DEALER";
    enum { META = sizeof metadata - 1, PLAIN = 128 + META, BODY = 113 + 16 + PLAIN };
    uint8_t vouch[64], plain[PLAIN], frame[9 + BODY] = {6}, nonce[24], given[16];

    randombytes_buf(given, sizeof given);
    long_nonce(nonce, "VOUCH---", given);
    memcpy(vouch, c_pub, 32);
    memcpy(vouch + 32, to_key, 32);
    memcpy(plain, n->public_key, 32);
    memcpy(plain + 32, given, 16);
    ck_assert_int_eq(crypto_box_easy(plain + 48, vouch, 64, nonce, welcome, n->secret), 0);
    memcpy(plain + 128, metadata, META);
    be64(frame + 1, BODY);
    memcpy(frame + 9, "\x08INITIATE", 9);
    memcpy(frame + 18, welcome + 32, 96);
    be64(frame + 114, 2);
    short_nonce(nonce, "CurveZMQINITIATE", 2);
    ck_assert_int_eq(crypto_box_easy_afternm(frame + 122, plain, PLAIN, nonce, p->shared), 0);
    ck_assert(peer_send(p, frame, sizeof frame));
}

/* Connected and let in as n. */
static inline void peer_open(struct curve_peer *p, uint16_t port, const uint8_t *to_key,
                             const struct node *n)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    const struct timeval patience = {.tv_sec = 5};
    uint8_t c_pub[32], c_sec[32], welcome[128], ready[2];

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    p->nonce = 2;
    ck_assert_int_eq(setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    ck_assert_int_eq(setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
    ck_assert_int_eq(connect(p->fd, (struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(crypto_box_keypair(c_pub, c_sec), 0);
    peer_greet(p);
    peer_hello(p, to_key, c_pub, c_sec);
    peer_welcome(p, to_key, c_sec, welcome);
    ck_assert_int_eq(crypto_box_beforenm(p->shared, welcome, c_sec), 0);
    peer_initiate(p, to_key, c_pub, n, welcome);
    peer_recv(p, ready, sizeof ready);
    ck_assert_uint_eq(ready[0], 4); /* READY, and not ERROR: */
    uint8_t rest[255];
    peer_recv(p, rest, ready[1]);
    ck_assert_mem_eq(rest, "\x05READY", 6);
}

/* One part of n bytes; `more` to come. False when the connection is over. */
static inline bool peer_part(struct curve_peer *p, size_t n, bool more)
{
    static uint8_t plain[1 << 20], frame[(1 << 20) + 64];
    uint8_t nonce[24];

    ck_assert_uint_lt(n, sizeof plain);
    plain[0] = more ? 1 : 0;
    frame[0] = 2; /* a long message frame */
    be64(frame + 1, 16 + 16 + 1 + n);
    memcpy(frame + 9, "\x07MESSAGE", 8);
    p->nonce++;
    be64(frame + 17, p->nonce);
    short_nonce(nonce, "CurveZMQMESSAGEC", p->nonce);
    ck_assert_int_eq(crypto_box_easy_afternm(frame + 25, plain, n + 1, nonce, p->shared), 0);
    return peer_send(p, frame, 9 + 16 + 16 + 1 + n);
}
