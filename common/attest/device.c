/* device.c - see device.h: what is the same for every kind of TEE. */
#include "common/attest/device.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/aead.h"
#include "common/attest/device_ops.h"
#include "common/attest/gpu_set.h"
#include "common/hash.h"
#include "common/secret.h"

struct tally_device {
    const struct tally_device_ops *ops;
    void *self;
    struct tally_gpu_source gpus; /* collect == NULL: none */
};

enum tally_status tally_device_new(const struct tally_device_ops *ops, void *self,
                                   struct tally_device **out)
{
    struct tally_device *d = malloc(sizeof *d);

    if (d == NULL) ops->close(self);
    TALLY_ENSURE(d != NULL, TALLY_E_NOMEM, "device");
    *d = (struct tally_device){.ops = ops, .self = self};
    *out = d;
    return TALLY_OK;
}

void tally_device_close(struct tally_device **d)
{
    if (*d == NULL) return;
    if ((*d)->gpus.close != NULL) (*d)->gpus.close((*d)->gpus.ctx);
    (*d)->ops->close((*d)->self);
    free(*d);
    *d = NULL;
}

void tally_device_self_data(uint8_t out[TALLY_REPORT_DATA_BYTES])
{
    uint8_t nonce[TALLY_SHA256_BYTES];
    struct tally_slice body = TALLY_SLICE(nonce);

    randombytes_buf(nonce, sizeof nonce);
    tally_report_data(TALLY_QUOTE_COLLECT, &body, 1, (struct tally_slice){0}, out);
}

void tally_device_add_gpus(struct tally_device *d, const struct tally_gpu_source *gpus)
{
    d->gpus = *gpus;
}

/* GPUs first: their nonce commits to the verifier's and to our keys, and what they answer is
 * committed to in the CPU's report (ATTESTATION.md C5.1). */
static enum tally_status quote_gpus(struct tally_device *d, const struct tally_quote_ask *ask,
                                    struct tally_gpu_list *list, struct tally_wr *endorsements)
{
    uint8_t nonce[32];

    TALLY_ASSERT(ask->nonce != NULL);
    tally_gpu_nonce(ask->nonce, ask->key_block, nonce);
    TALLY_TRY(d->gpus.collect(d->gpus.ctx, nonce, list));
    TALLY_ENSURE(list->n > 0, TALLY_E_STATE, "no GPU gave evidence");
    return d->gpus.manifests == NULL ? TALLY_OK : d->gpus.manifests(d->gpus.ctx, endorsements);
}

static void free_list(struct tally_gpu_list *list)
{
    free(list->owned);
}

enum tally_status tally_device_quote(struct tally_device *d, const struct tally_quote_ask *ask,
                                     struct tally_wr *ev, struct tally_wr *endorsements)
{
    TALLY_CLEANUP(free_list) struct tally_gpu_list list = {.n = 0};
    uint8_t report_data[TALLY_REPORT_DATA_BYTES], set_hash[TALLY_GPU_SET_HASH_BYTES];

    if (d->gpus.collect != NULL) TALLY_TRY(quote_gpus(d, ask, &list, endorsements));
    TALLY_TRY(tally_devices_hash(list.devices, list.n, set_hash));
    tally_quote_data(ask, set_hash, report_data);
    TALLY_TRY(d->ops->quote(d->self, report_data, ev, endorsements));
    tally_evidence_add_devices(ev, list.devices, list.n);
    TALLY_ENSURE(!ev->full && !endorsements->full, TALLY_E_LIMIT, "no room for the evidence");
    return TALLY_OK;
}

enum tally_status tally_device_identity(struct tally_device *d,
                                        uint8_t chip[TALLY_CHIP_DIGEST_BYTES],
                                        uint8_t measurement[TALLY_MEASUREMENT_BYTES])
{
    d->ops->identity(d->self, chip, measurement);
    return TALLY_OK;
}

void tally_device_describe(struct tally_device *d, const struct tally_describe *to)
{
    d->ops->describe(d->self, to);
}

enum { SALT = 32, FILE_KEY = TALLY_AEAD_KEY_BYTES + TALLY_AEAD_NONCE_BYTES, SEALED_V1 = 1 };

/* The seal key: this chip's, this guest's, this name's. */
static enum tally_status seal_key(struct tally_device *d, const struct tally_seal_name *name,
                                  uint8_t key[TALLY_SHA256_BYTES])
{
    static const char label[] = "tally/seal/v1";
    uint8_t derived[TALLY_DERIVED_KEY_BYTES], prk[TALLY_SHA256_BYTES], info[256];
    struct tally_wr w = tally_wr_to(info, sizeof info);
    struct tally_slice in;

    tally_wr_put(&w, label, sizeof label);
    tally_wr_u8(&w, name->mode);
    tally_wr_u8(&w, name->role);
    tally_wr_put(&w, name->federation_id, sizeof name->federation_id);
    tally_wr_vec(&w, name->org);
    tally_wr_vec(&w, name->node);
    TALLY_TRY(tally_wr_end(&w, &in));
    TALLY_TRY(d->ops->derived_key(d->self, derived));
    tally_hkdf_extract(TALLY_SHA256, (struct tally_slice){0}, TALLY_SLICE(derived), prk);
    tally_hkdf_expand(TALLY_SHA256, TALLY_SLICE(prk), in, key, TALLY_SHA256_BYTES);
    sodium_memzero(derived, sizeof derived);
    sodium_memzero(prk, sizeof prk);
    return TALLY_OK;
}

/* Key and nonce of one sealed file; a fresh salt makes both fresh. */
static enum tally_status file_key(struct tally_device *d, const struct tally_seal_name *name,
                                  const uint8_t salt[SALT], uint8_t out[FILE_KEY])
{
    static const char label[] = "tally/seal/v1 file";
    uint8_t key[TALLY_SHA256_BYTES], info[sizeof label + SALT];

    TALLY_TRY(seal_key(d, name, key));
    memcpy(info, label, sizeof label);
    memcpy(info + sizeof label, salt, SALT);
    tally_hkdf_expand(TALLY_SHA256, TALLY_SLICE(key), TALLY_SLICE(info), out, FILE_KEY);
    sodium_memzero(key, sizeof key);
    return TALLY_OK;
}

enum tally_status tally_device_seal(struct tally_device *d, const struct tally_seal_name *name,
                                    struct tally_slice plain, uint8_t *sealed)
{
    TALLY_CLEANUP(tally_aead_free) struct tally_aead aead = {0};
    uint8_t k[FILE_KEY];

    TALLY_ENSURE(plain.len <= TALLY_SEALED_MAX - TALLY_SEAL_EXTRA_BYTES, TALLY_E_LIMIT,
                 "%zu bytes to seal", plain.len);
    sealed[0] = SEALED_V1;
    randombytes_buf(sealed + 1, SALT);
    TALLY_TRY(file_key(d, name, sealed + 1, k));
    enum tally_status s = tally_aead_init(&aead, k);
    if (s == TALLY_OK)
        s = tally_aead_seal(&aead, k + TALLY_AEAD_KEY_BYTES, tally_slice_of(sealed, 1 + SALT),
                            plain, sealed + 1 + SALT);
    sodium_memzero(k, sizeof k);
    return s;
}

enum tally_status tally_device_unseal(struct tally_device *d, const struct tally_seal_name *name,
                                      struct tally_slice sealed, uint8_t *plain)
{
    TALLY_CLEANUP(tally_aead_free) struct tally_aead aead = {0};
    uint8_t k[FILE_KEY];

    TALLY_REFUSE_UNLESS(sealed.len >= TALLY_SEAL_EXTRA_BYTES && sealed.len <= TALLY_SEALED_MAX &&
                            sealed.at[0] == SEALED_V1,
                        TALLY_R_E_AUTH, "not a sealed file of version 1");
    TALLY_TRY(file_key(d, name, sealed.at + 1, k));
    enum tally_status s = tally_aead_init(&aead, k);
    if (s == TALLY_OK)
        s = tally_aead_open(&aead, k + TALLY_AEAD_KEY_BYTES, tally_slice_of(sealed.at, 1 + SALT),
                            tally_slice_of(sealed.at + 1 + SALT, sealed.len - 1 - SALT), plain);
    sodium_memzero(k, sizeof k);
    return s;
}
