/* instance.c - see instance.h. */
#include "common/instance.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/hash.h"

enum {
    PLAIN = 16 + TALLY_SIGN_SEED_BYTES + TALLY_KEX_BYTES,
    SEALED = PLAIN + TALLY_SEAL_EXTRA_BYTES
};

static void take(const uint8_t plain[PLAIN], struct tally_instance *out)
{
    memcpy(out->id, plain, 16);
    tally_sign_key_from_seed(&out->attested, plain + 16);
    memcpy(out->kem_secret, plain + 16 + TALLY_SIGN_SEED_BYTES, TALLY_KEX_BYTES);
    tally_kex_public(out->kem_secret, out->kem_public);
}

static enum tally_status unseal(const char *path, struct tally_device *d,
                                const struct tally_seal_name *name, struct tally_instance *out)
{
    uint8_t sealed[SEALED], plain[PLAIN];

    TALLY_TRY(tally_file_read_exact(path, sealed, sizeof sealed));
    enum tally_status s = tally_device_unseal(d, name, TALLY_SLICE(sealed), plain);
    if (s == TALLY_OK) take(plain, out);
    sodium_memzero(plain, sizeof plain);
    return s;
}

void tally_instance_held_free(struct tally_instance_held *h)
{
    tally_secret_free(&h->keys);
}

/* Whose instance this is: nobody else takes it from the process. */
static enum tally_status owner_of(struct tally_device *d, const struct tally_seal_name *name,
                                  uint8_t out[32])
{
    uint8_t chip[TALLY_CHIP_DIGEST_BYTES], measurement[TALLY_MEASUREMENT_BYTES], bytes[512];
    struct tally_wr w = tally_wr_to(bytes, sizeof bytes);
    struct tally_slice all;

    TALLY_TRY(tally_device_identity(d, chip, measurement));
    tally_wr_u8(&w, name->mode);
    tally_wr_u8(&w, name->role);
    tally_wr_put(&w, name->federation_id, sizeof name->federation_id);
    tally_wr_vec(&w, name->org);
    tally_wr_vec(&w, name->node);
    tally_wr_put(&w, chip, sizeof chip);
    tally_wr_put(&w, measurement, sizeof measurement);
    TALLY_TRY(tally_wr_end(&w, &all));
    TALLY_SHA256_OF(out, all);
    return TALLY_OK;
}

static enum tally_status hold(struct tally_instance_held *held, const uint8_t of[32],
                              const uint8_t plain[PLAIN])
{
    tally_secret_free(&held->keys);
    TALLY_TRY(tally_secret_new(&held->keys, PLAIN));
    memcpy(held->keys.at, plain, PLAIN);
    memcpy(held->of, of, sizeof held->of);
    return TALLY_OK;
}

static enum tally_status make(const char *path, struct tally_device *d,
                              const struct tally_seal_name *name, struct tally_instance_held *held,
                              struct tally_instance *out, enum tally_instance_origin *origin)
{
    uint8_t sealed[SEALED], plain[PLAIN], of[32];

    TALLY_TRY(owner_of(d, name, of));
    if (held->keys.at != NULL && memcmp(held->of, of, sizeof of) == 0) {
        *origin = TALLY_INSTANCE_HELD;
        take(held->keys.at, out);
        return TALLY_OK;
    }
    randombytes_buf(plain, sizeof plain);
    enum tally_status s = tally_device_seal(d, name, TALLY_SLICE(plain), sealed);
    *origin = s == TALLY_E_STATE ? TALLY_INSTANCE_PASSING : TALLY_INSTANCE_FRESH;
    if (s == TALLY_OK) s = tally_file_write(path, TALLY_SLICE(sealed), TALLY_FILE_MODE_SECRET);
    if (*origin == TALLY_INSTANCE_PASSING) s = hold(held, of, plain); /* nothing is written */
    if (s == TALLY_OK) take(plain, out);
    sodium_memzero(plain, sizeof plain);
    return s;
}

enum tally_status tally_instance_open(const char *path, struct tally_device *d,
                                      const struct tally_seal_name *name,
                                      struct tally_instance_held *held, struct tally_instance *out,
                                      enum tally_instance_origin *origin)
{
    char lost[TALLY_FILE_PATH_MAX + 8];

    if (tally_file_exists(path)) {
        enum tally_status s = unseal(path, d, name, out);
        *origin = TALLY_INSTANCE_KEPT;
        if (s == TALLY_E_STATE) return make(path, d, name, held, out, origin);
        /* Only a file that was read and does not open is lost; a failing disk loses no keys. */
        if (s != TALLY_E_AUTH && s != TALLY_E_CONFIG) return s;
        (void)snprintf(lost, sizeof lost, "%s.lost", path);
        TALLY_ENSURE(rename(path, lost) == 0, TALLY_E_IO, "%s: cannot be put aside", path);
    }
    return make(path, d, name, held, out, origin);
}
