/* sim_gpu_file.c - one simulated GPU in a file; see sim_gpu.h. */
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "common/attest/sim_file.h"
#include "common/attest/sim_gpu.h"
#include "common/secret.h"

static const char magic[] = "tally-sim-gpu/1 test\n";
enum { LEAF, KEY_MAX = 512 };

static enum tally_status encode(const struct tally_sim_gpu *g, struct tally_wr *w)
{
    uint8_t *key = NULL;
    int n = i2d_PrivateKey(g->keys[LEAF], &key);

    TALLY_ENSURE(n > 0, TALLY_E_LIB, "encoding a GPU's key");
    tally_wr_bytes(w, tally_slice_str(magic));
    tally_wr_u8(w, (uint8_t)g->chip);
    tally_wr_put(w, g->chip_id, sizeof g->chip_id);
    tally_wr_put(w, g->says[LEAF].fwid, sizeof g->says[LEAF].fwid);
    tally_wr_vec(w, tally_slice_of(key, (size_t)n));
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++) tally_wr_vec(w, tally_sim_gpu_der(g, i));
    OPENSSL_clear_free(key, (size_t)n);
    return TALLY_OK;
}

enum tally_status tally_sim_gpu_save(const struct tally_sim_gpu *g, const char *path)
{
    TALLY_CLEANUP(tally_secret_free) struct tally_secret buf = {0};
    struct tally_slice s;

    TALLY_TRY(tally_secret_new(&buf, TALLY_SIM_FILE_MAX));
    struct tally_wr w = tally_wr_to(buf.at, buf.len);
    TALLY_TRY(encode(g, &w));
    TALLY_TRY(tally_wr_end(&w, &s));
    return tally_sim_file_write(path, s);
}

static enum tally_status take_key(struct tally_slice der, EVP_PKEY **out)
{
    const uint8_t *at = der.at;

    *out = der.len == 0 ? NULL : d2i_PrivateKey(EVP_PKEY_EC, NULL, &at, (long)der.len);
    TALLY_ENSURE(*out != NULL && at == der.at + der.len, TALLY_E_CONFIG, "not a GPU's key");
    return TALLY_OK;
}

/* A certificate and, of all but the leaf, whose private key is here, its public key. */
static enum tally_status take_cert(struct tally_sim_gpu *g, size_t i, struct tally_slice der)
{
    const uint8_t *at = der.at;
    X509 *x = der.len == 0 ? NULL : d2i_X509(NULL, &at, (long)der.len);

    TALLY_ENSURE(x != NULL, TALLY_E_CONFIG, "not a GPU's certificate");
    if (i != LEAF) g->keys[i] = X509_get_pubkey(x);
    X509_free(x);
    TALLY_ENSURE(g->keys[i] != NULL, TALLY_E_CONFIG, "not the key of a GPU's certificate");
    memcpy(g->der[i], der.at, der.len);
    g->der_bytes[i] = der.len;
    return TALLY_OK;
}

static enum tally_status decode(struct tally_slice file, struct tally_sim_gpu *g)
{
    struct tally_rd rd = tally_rd_from(file);
    struct tally_slice kind = tally_rd_bytes(&rd, sizeof magic - 1, "kind of file"), key;
    struct tally_slice certs[TALLY_GPU_CERTS];

    g->chip = (enum tally_gpu_chip)tally_rd_u8(&rd, "chip");
    tally_rd_copy(&rd, g->chip_id, sizeof g->chip_id, "chip id");
    tally_rd_copy(&rd, g->says[LEAF].fwid, sizeof g->says[LEAF].fwid, "firmware digest");
    key = tally_rd_vec(&rd, KEY_MAX, "key");
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++)
        certs[i] = tally_rd_vec(&rd, sizeof g->der[i], "certificate");
    TALLY_TRY(tally_rd_end(&rd));
    TALLY_ENSURE(tally_slice_equal(kind, tally_slice_str(magic)) && g->chip < TALLY_GPU_CHIPS,
                 TALLY_E_CONFIG, "not a simulated GPU");
    TALLY_TRY(take_key(key, &g->keys[LEAF]));
    for (size_t i = 0; i < TALLY_GPU_CERTS; i++) TALLY_TRY(take_cert(g, i, certs[i]));
    return TALLY_OK;
}

enum tally_status tally_sim_gpu_load(const char *path, struct tally_sim_gpu **out)
{
    TALLY_CLEANUP(tally_sim_gpu_free) struct tally_sim_gpu *g = calloc(1, sizeof *g);
    TALLY_CLEANUP(tally_secret_free) struct tally_secret file = {0};

    TALLY_ENSURE(g != NULL, TALLY_E_NOMEM, "simulated GPU");
    TALLY_TRY(tally_sim_file_read(path, &file));
    enum tally_status s = decode(tally_slice_of(file.at, file.len), g);
    TALLY_ENSURE(s == TALLY_OK, TALLY_E_CONFIG, "%s is not a simulated GPU of this program", path);
    *out = g;
    g = NULL;
    return TALLY_OK;
}
