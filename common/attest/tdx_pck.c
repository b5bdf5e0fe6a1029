/* tdx_pck.c - see tdx_pck.h. Two levels of OID and value, so nothing recurses. */
#include "common/attest/tdx_pck.h"

#include <string.h>

#include "common/der.h"

static const uint8_t oid_sgx[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

enum { ENUMERATED = 0x0a }; /* a DER tag */
enum { PPID = 1, TCB, PCEID, FMSPC, SGX_TYPE, INSTANCE, CONFIGURATION };
enum { SVNS = 16, PCESVN = 17, CPUSVN = 18 };
enum { DYNAMIC = 1, CACHED, SMT };

/* The next {OID, value} of a list: the OID must be the list's and one number; false at the end. */
static bool next(struct tally_rd *list, size_t depth, uint8_t *number, struct tally_rd *value)
{
    if (list->bad != NULL || list->left == 0) return false;
    *value = tally_der_into(list, TALLY_DER_SEQUENCE, "a pair");
    struct tally_slice oid = tally_der_value(value, TALLY_DER_OID, "an OID");
    if (value->bad != NULL || oid.len != sizeof oid_sgx + depth ||
        memcmp(oid.at, oid_sgx, sizeof oid_sgx) != 0) {
        tally_rd_fail(list, "an OID");
        return false;
    }
    *number = oid.at[oid.len - 1];
    return true;
}

static void octets(struct tally_rd *v, uint8_t *out, size_t n)
{
    struct tally_slice s = tally_der_value(v, TALLY_DER_OCTETS, "octets");

    if (s.len != n)
        tally_rd_fail(v, "octets");
    else
        memcpy(out, s.at, n);
}

/* INTEGER or ENUMERATED up to 65535; minimal, since the DER is canonical. */
static uint16_t integer(struct tally_rd *v, uint8_t tag, uint16_t max)
{
    struct tally_slice s = tally_der_value(v, tag, "a number");
    uint32_t n = 0;

    if (s.len == 0 || s.len > 3 || (s.at[0] & 0x80) != 0) {
        tally_rd_fail(v, "a number");
        return 0;
    }
    for (size_t i = 0; i < s.len; i++) n = n << 8 | s.at[i];
    if (n > max) tally_rd_fail(v, "a number");
    return n > max ? 0 : (uint16_t)n;
}

static bool boolean(struct tally_rd *v)
{
    struct tally_slice s = tally_der_value(v, TALLY_DER_BOOLEAN, "a yes or no");

    return s.len == 1 && s.at[0] != 0;
}

static enum tally_status settle(struct tally_rd *v, unsigned number, uint32_t *seen)
{
    TALLY_REFUSE_UNLESS(tally_rd_end(v) == TALLY_OK, TALLY_R_E_CERT_PARSE,
                        "SGX extension: part %u cannot be read", number);
    TALLY_REFUSE_UNLESS((*seen & 1U << number) == 0, TALLY_R_E_CERT_EXT_DUP,
                        "SGX extension: part %u stands twice", number);
    *seen |= 1U << number;
    return TALLY_OK;
}

static enum tally_status ended(const struct tally_rd *list, uint32_t seen, uint32_t want,
                               const char *what)
{
    TALLY_REFUSE_UNLESS(tally_rd_end(list) == TALLY_OK, TALLY_R_E_CERT_PARSE,
                        "SGX extension: %s cannot be read", what);
    TALLY_REFUSE_UNLESS((seen & want) == want, TALLY_R_E_CERT_EXT_MISSING,
                        "SGX extension: a part of %s is missing", what);
    return TALLY_OK;
}

static enum tally_status read_tcb(struct tally_rd *value, struct tally_tdx_pck *p)
{
    enum { ALL = (1U << (CPUSVN + 1)) - 2 };
    uint8_t cpu_svn[16] = {0};
    struct tally_rd list = tally_der_into(value, TALLY_DER_SEQUENCE, "TCB"), v;
    uint32_t seen = 0;
    uint8_t i;

    while (next(&list, 2, &i, &v)) {
        if (i >= 1 && i <= SVNS)
            p->svn[i - 1] = (uint8_t)integer(&v, TALLY_DER_INTEGER, UINT8_MAX);
        else if (i == PCESVN)
            p->pce_svn = integer(&v, TALLY_DER_INTEGER, UINT16_MAX);
        else if (i == CPUSVN)
            octets(&v, cpu_svn, sizeof cpu_svn);
        else
            return TALLY_REFUSE(TALLY_R_E_CERT_PARSE, "SGX extension: unknown TCB part %u", i);
        TALLY_TRY(settle(&v, i, &seen));
    }
    TALLY_TRY(ended(&list, seen, ALL, "the TCB"));
    TALLY_REFUSE_UNLESS(memcmp(cpu_svn, p->svn, sizeof cpu_svn) == 0, TALLY_R_E_CERT_PARSE,
                        "SGX extension: CPUSVN is not the sixteen components");
    return TALLY_OK;
}

static enum tally_status read_configuration(struct tally_rd *value, struct tally_tdx_pck *p)
{
    struct tally_rd list = tally_der_into(value, TALLY_DER_SEQUENCE, "configuration"), v;
    uint32_t seen = 0;
    uint8_t i;

    p->has_configuration = true;
    while (next(&list, 2, &i, &v)) {
        bool *to = i == DYNAMIC  ? &p->dynamic_platform
                   : i == CACHED ? &p->cached_keys
                   : i == SMT    ? &p->smt
                                 : NULL;
        TALLY_REFUSE_UNLESS(to != NULL, TALLY_R_E_CERT_PARSE,
                            "SGX extension: unknown configuration %u", i);
        *to = boolean(&v);
        TALLY_TRY(settle(&v, i, &seen));
    }
    return ended(&list, seen, 1U << DYNAMIC | 1U << CACHED | 1U << SMT, "the configuration");
}

static enum tally_status read_part(uint8_t i, struct tally_rd *v, struct tally_tdx_pck *p)
{
    enum { SGX_TYPE_MAX = 2 };

    switch (i) {
    case PPID: octets(v, p->ppid, sizeof p->ppid); return TALLY_OK;
    case TCB: return read_tcb(v, p);
    case PCEID: octets(v, p->pce_id, sizeof p->pce_id); return TALLY_OK;
    case FMSPC: octets(v, p->fmspc, sizeof p->fmspc); return TALLY_OK;
    case SGX_TYPE: p->sgx_type = (uint8_t)integer(v, ENUMERATED, SGX_TYPE_MAX); return TALLY_OK;
    case INSTANCE:
        octets(v, p->instance, sizeof p->instance);
        p->has_instance = true;
        return TALLY_OK;
    case CONFIGURATION: return read_configuration(v, p);
    default: return TALLY_REFUSE(TALLY_R_E_CERT_PARSE, "SGX extension: unknown part %u", i);
    }
}

enum tally_status tally_tdx_pck_decode(const struct tally_cert *leaf, struct tally_tdx_pck *out)
{
    enum { NEEDED = 1U << PPID | 1U << TCB | 1U << PCEID | 1U << FMSPC | 1U << SGX_TYPE };
    struct tally_slice ext = tally_cert_ext(leaf, "1.2.840.113741.1.13.1");
    struct tally_tdx_pck p = {0};
    uint32_t seen = 0;
    uint8_t i;

    TALLY_REFUSE_UNLESS(ext.at != NULL, TALLY_R_E_CERT_EXT_MISSING, "no SGX extension");
    TALLY_TRY(tally_der_check(ext));
    struct tally_rd r = tally_rd_from(ext), v;
    struct tally_rd list = tally_der_into(&r, TALLY_DER_SEQUENCE, "the SGX extension");
    while (next(&list, 1, &i, &v)) {
        TALLY_TRY(read_part(i, &v, &p));
        TALLY_TRY(settle(&v, i, &seen));
    }
    TALLY_TRY(ended(&list, seen, NEEDED, "the platform"));
    *out = p;
    return TALLY_OK;
}
