/* quote_tpm.c - see quote_tpm.h: the way to the TPM, its NV indexes, and the whole. */
#include "common/attest/quote_tpm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

#include "common/attest/quote_tpm_parts.h"
#include "common/hash.h"
#include "common/secret.h"
#include "common/text.h"

enum { CHUNK = 1024, WAIT_STEPS = 50, WAIT_STEP_NS = 200 * 1000 * 1000 };

/* The TPM's own code of a failure, without the number of the handle or parameter that it names. */
static TSS2_RC plain(TSS2_RC rc)
{
    return (rc & TPM2_RC_FMT1) != 0 ? rc & (TPM2_RC_FMT1 | 0x3f) : rc;
}

enum tally_status tally_vtpm_judge_(const char *what, TSS2_RC rc)
{
    if (rc == TSS2_RC_SUCCESS) return TALLY_OK;
    return TALLY_FAIL(TALLY_E_IO, "TPM: %s: %s (0x%x)", what, Tss2_RC_Decode(rc), rc);
}

void tally_vtpm_free_(void *pointer_to_pointer)
{
    void **p = pointer_to_pointer;

    Esys_Free(*p);
    *p = NULL;
}

void tally_vtpm_close(struct tally_vtpm **t)
{
    if (*t == NULL) return;
    Esys_Finalize(&(*t)->esys);
    Tss2_TctiLdr_Finalize(&(*t)->tcti);
    free(*t);
    *t = NULL;
}

/* Before tpm2-tss says the same in a number. */
static enum tally_status check_device(const char *tcti)
{
    static const char prefix[] = "device:";

    if (strncmp(tcti, prefix, sizeof prefix - 1) != 0) return TALLY_OK;
    const char *path = tcti + sizeof prefix - 1;
    if (access(path, R_OK | W_OK) == 0) return TALLY_OK;
    TALLY_ENSURE(errno == EACCES || errno == EPERM, TALLY_E_STATE, "no TPM at %s: %s", path,
                 strerror(errno));
    return TALLY_FAIL(TALLY_E_IO, "%s: %s: give this user the group that owns it (tss)", path,
                      strerror(errno));
}

enum tally_status tally_vtpm_open(const char *tcti, struct tally_vtpm **out)
{
    TALLY_CLEANUP(tally_vtpm_close) struct tally_vtpm *t = calloc(1, sizeof *t);

    TALLY_ENSURE(t != NULL, TALLY_E_NOMEM, "TPM");
    if (tcti == NULL) tcti = TALLY_VTPM_TCTI_DEFAULT;
    TALLY_TRY(check_device(tcti));
    /* Every failure comes back as a status and is told once; tpm2-tss would print it too. */
    (void)setenv("TSS2_LOG", "all+NONE", 0);
    TALLY_TRY(tally_vtpm_judge_(tcti, Tss2_TctiLdr_Initialize(tcti, &t->tcti)));
    TALLY_TRY(tally_vtpm_judge_(tcti, Esys_Initialize(&t->esys, t->tcti, NULL)));
    *out = t;
    t = NULL;
    return TALLY_OK;
}

void tally_vtpm_object_free_(struct tally_vtpm_object *o)
{
    if (o->esys != NULL) (void)Esys_TR_Close(o->esys, &o->tr);
    o->esys = NULL;
}

enum tally_status tally_vtpm_object_(struct tally_vtpm *t, uint32_t handle, const char *what,
                                     struct tally_vtpm_object *out)
{
    ESYS_TR tr = ESYS_TR_NONE;
    TSS2_RC rc =
        Esys_TR_FromTPMPublic(t->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &tr);

    TALLY_ENSURE(plain(rc) != TPM2_RC_HANDLE && plain(rc) != TPM2_RC_VALUE, TALLY_E_STATE,
                 "the TPM has no %s (0x%08x)", what, handle);
    TALLY_TRY(tally_vtpm_judge_(what, rc));
    *out = (struct tally_vtpm_object){t->esys, tr};
    return TALLY_OK;
}

static const char *index_name(uint32_t index)
{
    if (index == TALLY_VTPM_HCL_INDEX) return "report of a paravisor";
    return index == TALLY_VTPM_USER_DATA_INDEX ? "index for user data" : "such index";
}

/* Who may read or write: the owner, whose password is empty here, or the index's own. */
static ESYS_TR authority(const struct tally_vtpm_object *o, TPMA_NV attributes, TPMA_NV owner)
{
    return (attributes & owner) != 0 ? ESYS_TR_RH_OWNER : o->tr;
}

static enum tally_status read_pieces(struct tally_vtpm *t, const struct tally_vtpm_object *o,
                                     const TPMS_NV_PUBLIC *p, uint8_t *out)
{
    ESYS_TR who = authority(o, p->attributes, TPMA_NV_OWNERREAD);

    for (uint16_t at = 0, n; at < p->dataSize; at = (uint16_t)(at + n)) {
        TALLY_CLEANUP(tally_vtpm_free_) TPM2B_MAX_NV_BUFFER *piece = NULL;
        n = (uint16_t)(p->dataSize - at);
        if (n > CHUNK) n = CHUNK;
        TALLY_TRY(tally_vtpm_judge_("reading an NV index",
                                    Esys_NV_Read(t->esys, who, o->tr, ESYS_TR_PASSWORD,
                                                 ESYS_TR_NONE, ESYS_TR_NONE, n, at, &piece)));
        TALLY_ENSURE(piece->size == n, TALLY_E_LIB, "TPM: %u bytes of an index, asked for %u",
                     piece->size, n);
        memcpy(out + at, piece->buffer, n);
    }
    return TALLY_OK;
}

static enum tally_status index_public(struct tally_vtpm *t, const struct tally_vtpm_object *o,
                                      TPMS_NV_PUBLIC *out)
{
    TALLY_CLEANUP(tally_vtpm_free_) TPM2B_NV_PUBLIC *p = NULL;
    TALLY_CLEANUP(tally_vtpm_free_) TPM2B_NAME *name = NULL;

    TALLY_TRY(tally_vtpm_judge_(
        "reading what an NV index is",
        Esys_NV_ReadPublic(t->esys, o->tr, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &p, &name)));
    *out = p->nvPublic;
    return TALLY_OK;
}

enum tally_status tally_vtpm_nv_read(struct tally_vtpm *t, uint32_t index, uint8_t *out, size_t cap,
                                     size_t *len)
{
    TALLY_CLEANUP(tally_vtpm_object_free_) struct tally_vtpm_object o = {0};
    TPMS_NV_PUBLIC p;

    TALLY_TRY(tally_vtpm_object_(t, index, index_name(index), &o));
    TALLY_TRY(index_public(t, &o, &p));
    TALLY_ENSURE(p.dataSize > 0 && p.dataSize <= cap, TALLY_E_LIMIT,
                 "TPM: index 0x%08x of %u bytes, room for %zu", index, p.dataSize, cap);
    TALLY_TRY(read_pieces(t, &o, &p, out));
    *len = p.dataSize;
    return TALLY_OK;
}

/* The index as Azure's own tools make it. */
static enum tally_status define_user_data(struct tally_vtpm *t)
{
    const TPM2B_AUTH empty = {.size = 0};
    const TPM2B_NV_PUBLIC p = {
        .nvPublic = {.nvIndex = TALLY_VTPM_USER_DATA_INDEX,
                     .nameAlg = TPM2_ALG_SHA256,
                     .attributes = TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_AUTHWRITE |
                                   TPMA_NV_AUTHREAD, .dataSize = TALLY_VTPM_REPORT_DATA_BYTES}
    };
    struct tally_vtpm_object o = {.esys = t->esys, .tr = ESYS_TR_NONE};

    TALLY_TRY(
        tally_vtpm_judge_("making the index for user data",
                          Esys_NV_DefineSpace(t->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                              ESYS_TR_NONE, ESYS_TR_NONE, &empty, &p, &o.tr)));
    tally_vtpm_object_free_(&o);
    return TALLY_OK;
}

static enum tally_status write_user_data(struct tally_vtpm *t,
                                         const uint8_t data[TALLY_VTPM_REPORT_DATA_BYTES])
{
    static const char what[] = "index for user data";
    TALLY_CLEANUP(tally_vtpm_object_free_) struct tally_vtpm_object o = {0};
    TPM2B_MAX_NV_BUFFER in = {.size = TALLY_VTPM_REPORT_DATA_BYTES};
    TPMS_NV_PUBLIC p;

    enum tally_status s = tally_vtpm_object_(t, TALLY_VTPM_USER_DATA_INDEX, what, &o);
    if (s == TALLY_E_STATE) {
        TALLY_TRY(define_user_data(t));
        s = tally_vtpm_object_(t, TALLY_VTPM_USER_DATA_INDEX, what, &o);
    }
    TALLY_TRY(s);
    TALLY_TRY(index_public(t, &o, &p));
    TALLY_ENSURE(p.dataSize == in.size, TALLY_E_STATE,
                 "TPM: index 0x%08x has %u bytes, not %u: remove it (tpm2_nvundefine)",
                 TALLY_VTPM_USER_DATA_INDEX, p.dataSize, in.size);
    memcpy(in.buffer, data, in.size);
    return tally_vtpm_judge_("writing user data",
                             Esys_NV_Write(t->esys, authority(&o, p.attributes, TPMA_NV_OWNERWRITE),
                                           o.tr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &in,
                                           0));
}

/* Whether the blob is over this user data: it holds it as hexadecimal text in one spelling. What
 * the blob says is the verifier's to judge; here only an old one is told from a new one. */
static bool holds(const struct tally_vtpm_evidence *e,
                  const uint8_t data[TALLY_VTPM_REPORT_DATA_BYTES])
{
    char text[2 * TALLY_VTPM_REPORT_DATA_BYTES + 1];

    tally_hex(tally_slice_of(data, TALLY_VTPM_REPORT_DATA_BYTES), text);
    if (memmem(e->hcl, e->hcl_len, text, sizeof text - 1) != NULL) return true;
    for (size_t i = 0; i < sizeof text - 1; i++)
        if (text[i] >= 'a') text[i] = (char)(text[i] - 'a' + 'A');
    return memmem(e->hcl, e->hcl_len, text, sizeof text - 1) != NULL;
}

static enum tally_status read_report(struct tally_vtpm *t,
                                     const uint8_t data[TALLY_VTPM_REPORT_DATA_BYTES],
                                     struct tally_vtpm_evidence *e)
{
    const struct timespec step = {.tv_nsec = WAIT_STEP_NS};

    for (int i = 0; i < WAIT_STEPS; i++) {
        TALLY_TRY(tally_vtpm_nv_read(t, TALLY_VTPM_HCL_INDEX, e->hcl, sizeof e->hcl, &e->hcl_len));
        if (holds(e, data)) return TALLY_OK;
        (void)nanosleep(&step, NULL);
    }
    return TALLY_FAIL(
        TALLY_E_IO, "TPM: the paravisor made no report over the new user data in ten seconds: its "
                    "version may be too old to take any");
}

static enum tally_status collect(struct tally_vtpm *t,
                                 const uint8_t report_data[TALLY_VTPM_REPORT_DATA_BYTES],
                                 struct tally_vtpm_evidence *out)
{
    uint8_t extra[TALLY_SHA256_BYTES];

    /* Before anything is written, so that a TPM without a paravisor stays as it is. */
    TALLY_TRY(
        tally_vtpm_nv_read(t, TALLY_VTPM_HCL_INDEX, out->hcl, sizeof out->hcl, &out->hcl_len));
    TALLY_TRY(write_user_data(t, report_data));
    TALLY_TRY(read_report(t, report_data, out));
    TALLY_SHA256_OF(extra, tally_slice_of(report_data, TALLY_VTPM_REPORT_DATA_BYTES));
    return tally_vtpm_quote_(t, extra, out);
}

enum tally_status tally_vtpm_collect(struct tally_vtpm *t,
                                     const uint8_t report_data[TALLY_VTPM_REPORT_DATA_BYTES],
                                     struct tally_vtpm_evidence *out)
{
    enum tally_status s = collect(t, report_data, out);

    if (s != TALLY_OK) memset(out, 0, sizeof *out);
    return s;
}
