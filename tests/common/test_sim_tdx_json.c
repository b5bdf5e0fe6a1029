/* test_sim_tdx_json.c - every real TCB info and QE identity of Intel's, read by another reader, is
 * written again byte for byte. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/attest/sim_tdx_json.h"
#include "common/text.h"
#include "tests/lib/suite.h"
#include "tests/lib/tdx_rows.h"
#include "tests/lib/vectors.h"

/* A file of the bundle. */
static struct tally_slice bundle_file(const struct tdx_bundle *b, const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof path, "collateral/%s/%s", b->name, name);
    return tdx_file(path);
}

static uint64_t json_date(const json_t *o, const char *key)
{
    uint64_t s;

    ck_assert_int_eq(tally_time_parse(json_string_value(json_object_get(o, key)), &s), TALLY_OK);
    return s;
}

static uint32_t json_u32(const json_t *o, const char *key)
{
    return (uint32_t)json_integer_value(json_object_get(o, key));
}

static const char *json_word(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static struct tally_sim_tdx_standing read_standing(const json_t *o)
{
    static const char *advisories[64][64];
    static size_t used;
    const json_t *list = json_object_get(o, "advisoryIDs");
    struct tally_sim_tdx_standing s = {json_date(o, "tcbDate"), json_word(o, "tcbStatus"), NULL, 0};

    if (list == NULL) return s;
    const char **into = advisories[used++ % 64];
    s.advisories_n = (uint32_t)json_array_size(list);
    for (size_t i = 0; i < s.advisories_n; i++)
        into[i] = json_string_value(json_array_get(list, i));
    s.advisories = into;
    return s;
}

static uint32_t read_svn_levels(const json_t *o, struct tally_sim_tdx_svn_level *to)
{
    const json_t *list = json_object_get(o, "tcbLevels");
    uint32_t n = (uint32_t)json_array_size(list);

    ck_assert_uint_le(n, TALLY_SIM_TDX_LEVELS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        const json_t *l = json_array_get(list, i);
        to[i] = (struct tally_sim_tdx_svn_level){json_u32(json_object_get(l, "tcb"), "isvsvn"),
                                                 read_standing(l)};
    }
    return n;
}

static void read_module(const json_t *o, struct tally_sim_tdx_module *m)
{
    *m = (struct tally_sim_tdx_module){.id = json_word(o, "id"),
                                       .mrsigner = json_word(o, "mrsigner"),
                                       .attributes = json_word(o, "attributes"),
                                       .attributes_mask = json_word(o, "attributesMask")};
    m->levels_n = read_svn_levels(o, m->levels);
}

static uint32_t read_components(const json_t *tcb, const char *key, uint32_t *svn)
{
    const json_t *list = json_object_get(tcb, key);

    for (size_t i = 0; i < json_array_size(list); i++)
        svn[i] = json_u32(json_array_get(list, i), "svn");
    return (uint32_t)json_array_size(list);
}

static void read_tcb_info(const json_t *o, struct tally_sim_tdx_tcb_info *t)
{
    const json_t *ids = json_object_get(o, "tdxModuleIdentities");
    const json_t *levels = json_object_get(o, "tcbLevels");

    *t =
        (struct tally_sim_tdx_tcb_info){.id = json_word(o, "id"),
                                        .fmspc = json_word(o, "fmspc"),
                                        .pce_id = json_word(o, "pceId"),
                                        .version = json_u32(o, "version"),
                                        .tcb_type = json_u32(o, "tcbType"),
                                        .evaluation_number = json_u32(o, "tcbEvaluationDataNumber"),
                                        .issue_s = json_date(o, "issueDate"),
                                        .next_s = json_date(o, "nextUpdate")};
    read_module(json_object_get(o, "tdxModule"), &t->module);
    for (size_t i = 0; i < json_array_size(ids); i++)
        read_module(json_array_get(ids, i), &t->identities[t->identities_n++]);
    for (size_t i = 0; i < json_array_size(levels); i++) {
        const json_t *l = json_array_get(levels, i), *tcb = json_object_get(l, "tcb");
        struct tally_sim_tdx_level *to = &t->levels[t->levels_n++];
        to->sgx_n = read_components(tcb, "sgxtcbcomponents", to->sgx);
        to->tdx_n = read_components(tcb, "tdxtcbcomponents", to->tdx);
        to->pcesvn = json_u32(tcb, "pcesvn");
        to->is = read_standing(l);
    }
}

static void read_qe_identity(const json_t *o, struct tally_sim_tdx_qe_identity *q)
{
    *q = (struct tally_sim_tdx_qe_identity){.id = json_word(o, "id"),
                                            .version = json_u32(o, "version"),
                                            .evaluation_number =
                                                json_u32(o, "tcbEvaluationDataNumber"),
                                            .isvprodid = json_u32(o, "isvprodid"),
                                            .issue_s = json_date(o, "issueDate"),
                                            .next_s = json_date(o, "nextUpdate"),
                                            .miscselect = json_word(o, "miscselect"),
                                            .miscselect_mask = json_word(o, "miscselectMask"),
                                            .attributes = json_word(o, "attributes"),
                                            .attributes_mask = json_word(o, "attributesMask"),
                                            .mrsigner = json_word(o, "mrsigner")};
    q->levels_n = read_svn_levels(o, q->levels);
}

static void same_text(struct tally_slice real, const struct tally_wr *mine, const char *where)
{
    ck_assert_msg(!mine->full && mine->used == real.len && memcmp(mine->to, real.at, real.len) == 0,
                  "%s:\n%.*s", where, (int)mine->used, (const char *)mine->to);
}

START_TEST(every_real_tcb_info_and_identity_is_written_again_byte_for_byte)
{
    static uint8_t text[TALLY_SIM_TDX_JSON_MAX];

    size_t n;
    const struct tdx_bundle *b = tdx_bundles(&n);

    ck_assert_uint_eq(n, 7);
    for (size_t i = 0; i < n; i++) {
        struct tally_slice tcb = bundle_file(&b[i], "tcb_info.json");
        struct tally_slice qe = bundle_file(&b[i], "qe_identity.json");
        struct tally_sim_tdx_tcb_info t;
        struct tally_sim_tdx_qe_identity q;
        json_t *j = json_loadb((const char *)tcb.at, tcb.len, 0, NULL);
        json_t *k = json_loadb((const char *)qe.at, qe.len, 0, NULL);
        struct tally_wr w = tally_wr_to(text, sizeof text);
        read_tcb_info(j, &t);
        tally_sim_tdx_tcb_info_write(&t, &w);
        same_text(tcb, &w, b[i].name);
        w = tally_wr_to(text, sizeof text);
        read_qe_identity(k, &q);
        tally_sim_tdx_qe_identity_write(&q, &w);
        same_text(qe, &w, b[i].name);
        json_decref(j);
        json_decref(k);
    }
}
END_TEST

int main(void)
{
    tally_vectors_need();
    TCase *t = tcase_create("sim_tdx_json");

    tcase_add_test(t, every_real_tcb_info_and_identity_is_written_again_byte_for_byte);
    return tally_suite_run("common/sim_tdx_json", t);
}
