/* rim_compare.c - a report against its manifests; see rim.h. */
#include <string.h>

#include "common/attest/rim.h"
#include "common/attest/verdict.h"

enum { NVDEC = 35 }; /* the measurement of a unit that may be off */

static const char *kind_name(enum tally_rim_kind kind)
{
    return kind == TALLY_RIM_DRIVER ? "driver" : "VBIOS";
}

/* Is the manifest the one for this report? */
static bool check_place(const struct tally_rim *rim, enum tally_rim_kind place,
                        const struct tally_rim_report *r, struct tally_verdict *v)
{
    struct tally_slice version = place == TALLY_RIM_DRIVER ? r->driver_version : r->vbios_version;
    uint32_t before = v->failed_n;

    if (rim->kind != place) {
        tally_verdict_fail(v, TALLY_R_E_RIM_VERSION,
                           "a manifest of a %s where that of a %s belongs", kind_name(rim->kind),
                           kind_name(place));
        return false;
    }
    if (!tally_slice_equal(tally_slice_str(rim->product), r->product))
        tally_verdict_fail(v, TALLY_R_E_RIM_VERSION, "the %s manifest is of %s, the report of %.*s",
                           kind_name(place), rim->product, (int)r->product.len,
                           (const char *)r->product.at);
    if (!tally_slice_equal(tally_slice_str(rim->version), version))
        tally_verdict_fail(v, TALLY_R_E_RIM_VERSION, "the manifest is of %s %s, the report of %.*s",
                           kind_name(place), rim->version, (int)version.len,
                           (const char *)version.at);
    return v->failed_n == before;
}

static const struct tally_rim_measurement *active(const struct tally_rim *rim, uint32_t i)
{
    return rim != NULL && rim->measurements[i].active ? &rim->measurements[i] : NULL;
}

static void check_conflict(const struct tally_rim *driver, const struct tally_rim *vbios,
                           struct tally_verdict *v)
{
    for (uint32_t i = 0; i < TALLY_RIM_MEASUREMENTS; i++) {
        if (active(driver, i) == NULL || active(vbios, i) == NULL) continue;
        tally_verdict_fail(v, TALLY_R_E_RIM_CONFLICT, "measurement %u is active in both manifests",
                           (unsigned)i);
        return;
    }
}

static void check_any_active(const struct tally_rim *rim, struct tally_verdict *v)
{
    if (rim == NULL) return;
    for (uint32_t i = 0; i < TALLY_RIM_MEASUREMENTS; i++) {
        if (active(rim, i) != NULL) return;
    }
    tally_verdict_fail(v, TALLY_R_E_RIM_EMPTY, "the %s manifest has no active measurement",
                       kind_name(rim->kind));
}

static bool matches(const struct tally_rim_measurement *m, const uint8_t digest[])
{
    for (uint8_t k = 0; k < m->alternatives; k++) {
        if (memcmp(m->hashes[k], digest, TALLY_RIM_HASH_BYTES) == 0) return true;
    }
    return false;
}

/* Measurement i of the report against whichever manifest has it active. */
static bool measured_well(const struct tally_rim_measurement *m, const struct tally_rim_report *r,
                          uint32_t i)
{
    if (m == NULL || (i == NVDEC && r->nvdec_disabled)) return true;
    return i < r->n && matches(m, r->digests[i]);
}

static void check_measurements(const struct tally_rim *driver, const struct tally_rim *vbios,
                               const struct tally_rim_report *r, struct tally_verdict *v)
{
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < TALLY_RIM_MEASUREMENTS; i++) {
        if (measured_well(active(driver, i), r, i) && measured_well(active(vbios, i), r, i))
            continue;
        if (++wrong > TALLY_RIM_MISMATCHES_MAX) continue;
        tally_verdict_fail(v, TALLY_R_E_MEASUREMENT,
                           i < r->n ? "measurement %u is none of the manifest's"
                                    : "measurement %u of the manifest is not in the report",
                           (unsigned)i);
    }
    if (wrong > TALLY_RIM_MISMATCHES_MAX)
        tally_verdict_fail(v, TALLY_R_E_MEASUREMENT, "and %u measurements more",
                           (unsigned)(wrong - TALLY_RIM_MISMATCHES_MAX));
}

void tally_rim_compare(const struct tally_rim *driver, const struct tally_rim *vbios,
                       const struct tally_rim_report *r, struct tally_verdict *v)
{
    TALLY_ASSERT(driver != NULL || vbios != NULL);
    if (driver != NULL) (void)check_place(driver, TALLY_RIM_DRIVER, r, v);
    if (vbios != NULL) (void)check_place(vbios, TALLY_RIM_VBIOS, r, v);
    check_conflict(driver, vbios, v);
    check_any_active(driver, v);
    check_any_active(vbios, v);
    check_measurements(driver, vbios, r, v);
}
