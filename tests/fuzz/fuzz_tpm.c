/* fuzz_tpm.c - quotes, signatures, keys and certificates of TPMs; what decodes encodes to the same
 * bytes, and an input cut in four is judged. */
#include <string.h>

#include "common/anchors.h"
#include "common/attest/verify_tpm.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { BUF = 4096 };

static void check_codecs(struct tally_slice in)
{
    struct tally_tpm_quote q;
    struct tally_tpm_signature s;
    struct tally_tpm_public k;
    uint8_t again[BUF];
    struct tally_wr w = tally_wr_to(again, sizeof again);

    if (tally_tpm_quote_decode(in, &q) == TALLY_OK) {
        tally_tpm_quote_encode(&q, &w);
        TALLY_ASSERT(tally_slice_equal(in, tally_slice_of(again, w.used)));
    }
    w.used = 0;
    if (tally_tpm_signature_decode(in, &s) == TALLY_OK) {
        tally_tpm_signature_encode(&s, &w);
        TALLY_ASSERT(tally_slice_equal(in, tally_slice_of(again, w.used)));
    }
    w.used = 0;
    if (tally_tpm_public_decode(in, &k) == TALLY_OK) {
        tally_tpm_public_encode(&k, &w);
        TALLY_ASSERT(w.used == in.len || w.used + 2 == in.len);
        TALLY_ASSERT(memcmp(again, in.at + in.len - w.used, w.used) == 0);
    }
}

static void check_key(struct tally_slice in)
{
    struct tally_tpm_key key;
    struct tally_cert cert;
    uint8_t digest[32];

    if (tally_tpm_key_read(in, &key, &cert) != TALLY_OK) return;
    tally_tpm_key_digest(&key, digest);
    TALLY_ASSERT(key.bytes == 32 || key.bytes == 48 || key.bytes >= 256);
    tally_tpm_key_free(&key);
    tally_cert_free(&cert);
}

/* A 16-bit length and that many bytes. */
static struct tally_slice part(struct tally_rd *r)
{
    size_t len = tally_rd_le16(r, "length");

    return tally_rd_bytes(r, len < r->left ? len : r->left, "part");
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct tally_anchor anchors[TALLY_ANCHORS_MAX];
    static struct tally_verdict v;
    static uint32_t anchors_n;
    struct tally_slice in = tally_slice_of(p, n);
    struct tally_rd r = tally_rd_from(in);
    struct tally_tpm_input t = {0};
    struct tally_tpm_policy policy;
    const struct tally_expect expect = {.now_s = 1795000000};

    if (anchors_n == 0) anchors_n = tally_anchors_all(anchors);
    check_codecs(in);
    check_key(in);
    tally_tpm_policy_integrity(&policy);
    t.attest = part(&r);
    t.sig = part(&r);
    t.ak = part(&r);
    t.ak_issuers[0] = part(&r);
    if (r.left >= TALLY_PCR_LIST_BYTES) t.pcrs = tally_rd_bytes(&r, TALLY_PCR_LIST_BYTES, "pcrs");
    enum tally_status s = tally_verify_tpm(&t, anchors, anchors_n, &policy, &expect, &v);
    TALLY_ASSERT((s == TALLY_OK) == (v.failed_n == 0 && v.missing_n == 0));
    return 0;
}
