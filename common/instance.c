/* instance.c - see instance.h. */
#include "common/instance.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/secret.h"

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

static enum tally_status make(const char *path, struct tally_device *d,
                              const struct tally_seal_name *name, struct tally_instance *out)
{
    uint8_t sealed[SEALED], plain[PLAIN];

    randombytes_buf(plain, sizeof plain);
    enum tally_status s = tally_device_seal(d, name, TALLY_SLICE(plain), sealed);
    if (s == TALLY_OK) s = tally_file_write(path, TALLY_SLICE(sealed), TALLY_FILE_MODE_SECRET);
    if (s == TALLY_OK) take(plain, out);
    sodium_memzero(plain, sizeof plain);
    return s;
}

enum tally_status tally_instance_open(const char *path, struct tally_device *d,
                                      const struct tally_seal_name *name,
                                      struct tally_instance *out, bool *fresh)
{
    char lost[TALLY_FILE_PATH_MAX + 8];

    *fresh = false;
    if (tally_file_exists(path)) {
        enum tally_status s = unseal(path, d, name, out);
        /* Only a file that was read and does not open is lost; a failing disk loses no keys. */
        if (s != TALLY_E_AUTH && s != TALLY_E_CONFIG) return s;
        (void)snprintf(lost, sizeof lost, "%s.lost", path);
        TALLY_ENSURE(rename(path, lost) == 0, TALLY_E_IO, "%s: cannot be put aside", path);
    }
    *fresh = true;
    return make(path, d, name, out);
}
