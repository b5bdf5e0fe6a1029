/* evidence_case.c - see evidence_case.h. */
#include "agent/evidence_case.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/secret.h"
#include "common/text.h"

static void close_file(FILE **f)
{
    if (*f != NULL) (void)fclose(*f);
}

enum tally_status evidence_read_file(const char *path, uint8_t *to, size_t cap, size_t *len)
{
    TALLY_CLEANUP(close_file) FILE *f = fopen(path, "rbe");

    TALLY_ENSURE(f != NULL, TALLY_E_IO, "cannot open %s: %s", path, strerror(errno));
    *len = fread(to, 1, cap, f);
    TALLY_ENSURE(ferror(f) == 0, TALLY_E_IO, "cannot read %s: %s", path, strerror(errno));
    TALLY_ENSURE(*len < cap || fgetc(f) == EOF, TALLY_E_LIMIT, "%s is larger than %zu bytes", path,
                 cap);
    return TALLY_OK;
}

static enum tally_status read_decoded(struct evidence_case *c, const char *path, const char *label,
                                      uint8_t *to, size_t cap, struct tally_slice *out)
{
    size_t len = 0;

    TALLY_TRY(evidence_read_file(path, c->file, sizeof c->file, &len));
    TALLY_TRY(tally_cert_from_file(tally_slice_of(c->file, len), label, to, cap, &len));
    *out = tally_slice_of(to, len);
    return TALLY_OK;
}

static enum tally_status read_files(struct evidence_case *c, const struct evidence_options *o)
{
    static const char cert[] = "CERTIFICATE";
    size_t len = 0;

    TALLY_TRY(evidence_read_file(o->report, c->report, sizeof c->report, &len));
    c->in.report = tally_slice_of(c->report, len);
    TALLY_TRY(read_decoded(c, o->vek, cert, c->vek, sizeof c->vek, &c->in.vek));
    if (o->issuer != NULL)
        TALLY_TRY(read_decoded(c, o->issuer, cert, c->issuer, sizeof c->issuer, &c->in.issuer));
    for (uint32_t i = 0; i < o->crls_n; i++)
        TALLY_TRY(
            read_decoded(c, o->crls[i], "X509 CRL", c->crls[i], sizeof c->crls[i], &c->in.crls[i]));
    c->in.crls_n = o->crls_n;
    return TALLY_OK;
}

enum tally_status evidence_case_values(struct evidence_case *c, const struct evidence_options *o)
{
    c->expect.now_s = (uint64_t)time(NULL);
    if (o->at != NULL) TALLY_TRY(tally_time_parse(o->at, &c->expect.now_s));
    if (o->report_data != NULL) {
        TALLY_TRY(tally_unhex(o->report_data, c->report_data, sizeof c->report_data));
        c->expect.report_data = c->report_data;
    }
    if (o->measurement != NULL) {
        TALLY_TRY(tally_unhex(o->measurement, c->measurements[0], sizeof c->measurements[0]));
        c->expect.measurements_n = 1;
    }
    c->expect.measurements = (const uint8_t(*)[TALLY_MEASUREMENT_BYTES])c->measurements;
    return TALLY_OK;
}

/* One root, whatever it is called: an ARK is believed because the caller gave it. */
static enum tally_status use_anchor(struct evidence_case *c, const struct evidence_options *o)
{
    TALLY_TRY(read_decoded(c, o->anchor, "CERTIFICATE", c->root, sizeof c->root, &c->anchor.root));
    c->anchor.trust = c->expect.trust = TALLY_TRUST_GIVEN;
    (void)snprintf(c->anchor.name, sizeof c->anchor.name, "given");
    c->anchors = &c->anchor;
    c->anchors_n = 1;
    c->expect.any_chip = true; /* no list was asked for */
    if (o->policy != NULL && strcmp(o->policy, "integrity") == 0)
        tally_snp_policy_integrity(&c->policy);
    else
        tally_snp_policy_strict(&c->policy);
    return TALLY_OK;
}

/* The machines of all nodes: the command is not told whose evidence it is. */
static void use_machines(struct evidence_case *c)
{
    struct tally_expect *e = &c->expect;

    for (uint32_t i = 0; i < c->federation.nodes_n; i++) {
        const struct tally_node *n = &c->federation.nodes[i];
        e->any_chip = e->any_chip || n->any_chip;
        for (uint32_t k = 0; k < n->chips_n; k++)
            memcpy(c->chips[e->chips_n++], n->chips[k], TALLY_CHIP_DIGEST_BYTES);
        for (uint32_t k = 0; k < n->id_keys_n; k++)
            memcpy(c->id_keys[e->id_keys_n++], n->id_keys[k], TALLY_ID_KEY_BYTES);
    }
    e->chips = (const uint8_t(*)[TALLY_CHIP_DIGEST_BYTES])c->chips;
    e->id_keys = (const uint8_t(*)[TALLY_ID_KEY_BYTES])c->id_keys;
    /* A machine of either list is one of the federation's, and "any" makes every one so. */
    if (e->any_chip) e->chips_n = e->id_keys_n = 0;
}

/* What only the report can say: which of the two lists its node would have, and REPORT_DATA, which
 * cannot be known from a document: where the caller gives none, the report's own stands in, so that
 * everything else is judged as a node would. */
static void follow_report(struct evidence_case *c)
{
    struct tally_snp_report r;
    struct tally_expect *e = &c->expect;
    uint32_t listed = 0;

    if (tally_snp_report_decode(c->in.report, &r) != TALLY_OK) return;
    for (uint32_t i = 0; i < e->id_keys_n; i++)
        listed += memcmp(r.id_key_digest, c->id_keys[i], TALLY_ID_KEY_BYTES) == 0;
    if (listed > 0)
        e->chips_n = 0;
    else if (e->chips_n > 0)
        e->id_keys_n = 0;
    if (e->report_data != NULL) return;
    memcpy(c->report_data, r.report_data, sizeof c->report_data);
    e->report_data = c->report_data;
}

static enum tally_status use_federation(struct evidence_case *c, const struct evidence_options *o)
{
    TALLY_TRY(tally_federation_load_file(o->federation, &c->federation));
    c->policy = c->federation.snp;
    c->anchors = c->federation.anchors;
    c->anchors_n = c->federation.anchors_n;
    c->expect.trust =
        c->federation.mode == TALLY_MODE_PRODUCTION ? TALLY_TRUST_HARDWARE : TALLY_TRUST_TEST;
    if (o->measurement == NULL) {
        for (uint32_t i = 0; i < c->federation.measurements_n; i++)
            memcpy(c->measurements[i], c->federation.measurements[i].digest,
                   TALLY_MEASUREMENT_BYTES);
        c->expect.measurements_n = c->federation.measurements_n;
    }
    use_machines(c);
    follow_report(c);
    return TALLY_OK;
}

enum tally_status evidence_case_load(struct evidence_case *c, const struct evidence_options *o)
{
    TALLY_TRY(read_files(c, o));
    return o->federation != NULL ? use_federation(c, o) : use_anchor(c, o);
}
