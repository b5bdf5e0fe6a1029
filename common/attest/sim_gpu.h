/* sim_gpu.h - GPUs and NVSwitches of our own under a test root: certificates, reports and OCSP
 * responses in NVIDIA's exact shapes (ATTESTATION.md C3.1, C3.2, C7). Every value may be changed
 * before it is signed, for tests of the verifier; unchanged, any policy accepts it but for the
 * manifests, which sim_rim.h makes. */
#pragma once

#include "common/attest/gpu_chain.h"
#include "common/attest/gpu_report.h"

struct evp_pkey_st;

enum { TALLY_SIM_GPU_CERT_BYTES_MAX = 1024, TALLY_SIM_GPU_OPAQUE_BYTES_MAX = 1024 };

enum tally_sim_fwid { TALLY_SIM_FWID_NONE, TALLY_SIM_FWID_COMPOSITE, TALLY_SIM_FWID_DICE };

/* What one certificate says; its place in the chain decides the rest of its form. */
struct tally_sim_gpu_cert {
    char cn[TALLY_CERT_CN_SIZE];
    char number[41]; /* serialNumber of the subject (leaf and BROM), upper-case hex */
    uint8_t serial[20];
    size_t serial_bytes;
    uint64_t not_before_s, not_after_s;
    bool ca, ocsp;       /* ocsp: names NVIDIA's responder */
    bool last_ca;        /* pathlen 0 in a CA's certificate; NVIDIA's have no pathlen */
    uint8_t usage;       /* first byte of KeyUsage: 0x80, 0x04, 0x06 */
    const char *crl_url; /* NULL: none */
    const char *hash;    /* that its issuer signs with: "SHA384" */
    char san[40];        /* "NVIDIA:GH100:48B02DB73E52137E"; "": none */
    enum tally_sim_fwid fwid_style;
    uint8_t fwid[TALLY_GPU_FWID_BYTES];
    const char *critical_oid; /* an extension that nobody knows; NULL: none */
};

struct tally_sim_gpu_root {
    struct tally_sim_gpu_cert says;
    struct evp_pkey_st *key;
    uint8_t der[TALLY_SIM_GPU_CERT_BYTES_MAX];
    size_t der_bytes;
};
/* From a day before now_s to the end of 9999. cn: "NVIDIA Device Identity CA", if NULL. */
TALLY_RESULT tally_sim_gpu_root_new(uint64_t now_s, const char *cn,
                                    struct tally_sim_gpu_root **out);
void tally_sim_gpu_root_free(struct tally_sim_gpu_root **r);
struct tally_slice tally_sim_gpu_root_der(const struct tally_sim_gpu_root *r);

/* A GPU (GH100, GB100) or a switch (LS10) with random ids, keys and firmware digest. */
struct tally_sim_gpu {
    enum tally_gpu_chip chip;
    uint8_t chip_id[TALLY_GPU_ID_BYTES];
    struct tally_sim_gpu_cert says[TALLY_GPU_CERTS];
    struct evp_pkey_st *keys[TALLY_GPU_CERTS]; /* leaf first; the last is the root's */
    uint8_t der[TALLY_GPU_CERTS][TALLY_SIM_GPU_CERT_BYTES_MAX];
    size_t der_bytes[TALLY_GPU_CERTS];
};
TALLY_RESULT tally_sim_gpu_new(const struct tally_sim_gpu_root *r, enum tally_gpu_chip chip,
                               uint64_t now_s, struct tally_sim_gpu **out);
/* Signs all certificates below the root anew, after a change in `says` or `keys`. */
TALLY_RESULT tally_sim_gpu_issue(struct tally_sim_gpu *g);
void tally_sim_gpu_free(struct tally_sim_gpu **g);
/* A file of one (mode 0600, never overwritten): whoever has it is that GPU.
 *   "tally-sim-gpu/1 test\n" | chip | chip id[8] | firmware digest[48] | LP leaf's private key |
 *   LP each certificate, leaf first
 * What is loaded answers any nonce; certificates cannot be issued with it. */
TALLY_RESULT tally_sim_gpu_save(const struct tally_sim_gpu *g, const char *path);
TALLY_RESULT tally_sim_gpu_load(const char *path, struct tally_sim_gpu **out);
struct tally_slice tally_sim_gpu_der(const struct tally_sim_gpu *g, size_t place);
/* As deny-lists name it. */
void tally_sim_gpu_digest(const struct tally_sim_gpu *g, uint8_t out[TALLY_CHIP_DIGEST_BYTES]);

/* One certificate of the place `at` in a chain. Of key and issuer_key the public halves are
 * enough; `signer` signs. */
struct tally_sim_gpu_making {
    size_t at;
    const struct tally_sim_gpu_cert *says, *issuer;
    struct evp_pkey_st *key, *issuer_key, *signer;
};
TALLY_RESULT tally_sim_gpu_cert_make(const struct tally_sim_gpu_making *m, struct tally_wr *der);

/* A report and the bytes that its opaque fields lie in; never copied. */
struct tally_sim_gpu_report {
    struct tally_gpu_report report;
    uint8_t opaque[TALLY_SIM_GPU_OPAQUE_BYTES_MAX];
    size_t opaque_used;
};
/* As the device's driver would answer this nonce: single mode, every field that a real report has,
 * and measurements that are the same for every chip of one kind. */
void tally_sim_gpu_report_init(const struct tally_sim_gpu *g,
                               const uint8_t nonce[TALLY_GPU_NONCE_BYTES],
                               struct tally_sim_gpu_report *r);
/* Sets, replaces or (at == NULL) removes a field. */
void tally_sim_gpu_set(struct tally_sim_gpu_report *r, uint16_t type, struct tally_slice value);
/* Links: to every one of `others`, switches for a GPU (18 links shared out) and GPUs for a switch
 * (at most 8). A GPU is put into PPCIE mode. */
void tally_sim_gpu_link(struct tally_sim_gpu_report *r, const struct tally_sim_gpu *const *others,
                        size_t n);
/* Signs with the leaf's key and encodes. */
TALLY_RESULT tally_sim_gpu_report_sign(const struct tally_sim_gpu *g,
                                       struct tally_sim_gpu_report *r, struct tally_wr *out);

/* r || s, big-endian, by this P-384 key with SHA-384. */
TALLY_RESULT tally_sim_gpu_sign(struct evp_pkey_st *key, struct tally_slice text,
                                uint8_t r_s[TALLY_GPU_SIG_BYTES]);

/* An OCSP response about the device's certificate at `place`. */
enum tally_sim_ocsp_status {
    TALLY_SIM_OCSP_GOOD,
    TALLY_SIM_OCSP_HOLD,
    TALLY_SIM_OCSP_REVOKED,
    TALLY_SIM_OCSP_UNKNOWN
};
/* Who signs: the issuer; a responder that it delegated to; one without EKU OCSPSigning; one that
 * is a CA; one that the root delegated to; the issuer's name with a key of its own. */
enum tally_sim_ocsp_signer {
    TALLY_SIM_OCSP_ISSUER,
    TALLY_SIM_OCSP_DELEGATE,
    TALLY_SIM_OCSP_NO_EKU,
    TALLY_SIM_OCSP_CA,
    TALLY_SIM_OCSP_ELSEWHERE,
    TALLY_SIM_OCSP_FORGED,
};
struct tally_sim_ocsp {
    size_t place;
    enum tally_sim_ocsp_status status;
    enum tally_sim_ocsp_signer signer;
    uint64_t this_update_s, next_update_s; /* next 0: none */
    uint64_t signer_until_s;               /* of a delegate's certificate */
    const char *id_hash;                   /* of the certificate id: "SHA384" */
    int response_status;                   /* 0: successful */
    bool by_key;                           /* names the responder by key, else by subject */
};
TALLY_RESULT tally_sim_gpu_ocsp(const struct tally_sim_gpu *g, const struct tally_sim_ocsp *o,
                                struct tally_wr *der);
