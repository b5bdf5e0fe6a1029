/* test_versions.c - agent/versions.c: a lineage object with real (simulated) evidence is accepted;
 * each thing that would make it another's is refused by its name. */
#include "agent/versions.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/dsse.h"
#include "common/hash.h"
#include "proto/set.h"
#include "tests/lib/documents.h"
#include "tests/lib/simulated.h"
#include "tests/lib/suite.h"

enum { BANKS = 3, OTHER_PARTY = 9 }; /* of three banks a quorum is two */

static char chip_file[96];
static struct tally_federation f;
static struct tally_revocations revoked;
static struct tally_job job;
static const uint8_t model[32] = {0x3d}, set[32] = {0x5e};

/* A lineage object and all that it is made of; tests change one thing before made(). */
static struct {
    struct tally_key_block kb;     /* the aggregator's */
    struct tally_key_block quoted; /* the one its evidence is about */
    struct tally_lineage l;
    uint8_t program;      /* what the evidence says ran */
    unsigned signer;      /* party whose key signs the envelope */
    enum tally_mode mode; /* of the payload type */
    bool kb_of_object_differs, evidence_of_lineage_differs;
} o;
static struct tally_lineage_question q;
static uint8_t object[TALLY_LINEAGE_OBJECT_MAX];
static size_t object_len;

static struct tally_key_block key_block_of(unsigned party)
{
    struct tally_sign_key k = tally_test_document_key(party);
    struct tally_key_block kb = {.mode = TALLY_MODE_TEST, .software = "1.0.0"};

    kb.role = party == 0 ? TALLY_ROLE_AGGREGATOR : TALLY_ROLE_AGENT;
    memcpy(kb.federation_id, f.id, 32);
    memset(kb.instance, (int)party + 1, 16);
    memset(kb.kem_key, 0x55, 32);
    memcpy(kb.attested_key, tally_sign_public(&k), 32);
    (void)snprintf(kb.org, sizeof kb.org, party == 0 ? "owner" : "bank-%u", party);
    (void)snprintf(kb.node, sizeof kb.node, party == 0 ? "aggregator" : "agent-1");
    return kb;
}

static uint32_t encode(const struct tally_key_block *kb, uint8_t *out)
{
    struct tally_wr w = tally_wr_to(out, TALLY_LINEAGE_KB_MAX);
    struct tally_slice bytes;

    ck_assert_msg(tally_key_block_encode(kb, &w, &bytes) == TALLY_OK, "%s", tally_why());
    return (uint32_t)bytes.len;
}

/* Vote i: that party's, by its own key, of its own key block. */
static void vote(uint32_t i, unsigned party)
{
    struct tally_lineage_vote *v = &o.l.votes[i];
    struct tally_key_block kb = key_block_of(party);
    struct tally_sign_key k = tally_test_document_key(party);

    memset(v, 0, sizeof *v);
    memcpy(v->org, kb.org, sizeof v->org);
    memcpy(v->node, kb.node, sizeof v->node);
    v->key_block_bytes = encode(&kb, v->key_block);
    ck_assert_int_eq(tally_vote_sign(&k, o.l.set, v->signature), TALLY_OK);
}

static void make_federation(void)
{
    json_t *j = tally_test_federation(BANKS);
    char *text = tally_test_payload(j), type[TALLY_DOCUMENT_TYPE_SIZE];

    tally_document_type("federation", TALLY_MODE_TEST, type);
    ck_assert_msg(tally_federation_decode(type, tally_slice_str(text), &f) == TALLY_OK, "%s",
                  tally_why());
    free(text);
    json_decref(j);
    f.anchors[0] = *simulated_anchor();
    f.anchors_n = 1;
    tally_policy_strict(&f.policy);
    f.policy.parts = TALLY_POLICY_SNP;
    for (uint32_t i = 0; i < f.nodes_n; i++)
        tally_sim_chip_digest(simulated_chip(), f.nodes[i].chips[0]);
    for (uint32_t i = 0; i < f.measurements_n; i++) {
        memset(f.measurements[i].digest, 0, sizeof f.measurements[i].digest);
        f.measurements[i].digest[0] = (uint8_t)f.measurements[i].role;
    }
    ck_assert_uint_eq(f.quorum, 2);
}

static void set_up(void)
{
    make_federation();
    job = (struct tally_job){.participants_n = BANKS};
    memset(job.digest, 0x0b, 32);
    for (unsigned i = 0; i < BANKS; i++)
        (void)snprintf(job.participants[i], sizeof job.participants[i], "bank-%u", i + 1);
    q = (struct tally_lineage_question){
        .by = {tally_peer_appraise, NULL},
        .federation = &f,
        .revoked = &revoked,
        .job = &job,
        .now_s = SIM_NOW_S,
        .model = model
    };
    memset(&o, 0, sizeof o);
    o.kb = o.quoted = key_block_of(0);
    o.program = TALLY_ROLE_AGGREGATOR;
    o.mode = TALLY_MODE_TEST;
    ck_assert_int_eq(tally_lineage_init(&o.l, 0, BANKS), TALLY_OK);
    o.l.round = 3;
    memcpy(o.l.federation, f.digest, 32);
    memcpy(o.l.job, job.digest, 32);
    memcpy(o.l.model, model, 32);
    memcpy(o.l.set, set, 32);
    for (unsigned i = 0; i < BANKS; i++) vote(i, i + 1);
}

static void tear_down(void)
{
    tally_lineage_free(&o.l);
}

static void quote(struct tally_wr *ev, struct tally_wr *endorsements)
{
    struct tally_sim_guest g = {.policy = TALLY_SIM_GUEST_POLICY, .measurement = {o.program}};
    uint8_t kb[TALLY_LINEAGE_KB_MAX], nonce[32];
    uint32_t kb_len = encode(&o.quoted, kb);
    const struct tally_quote_ask ask = {TALLY_QUOTE_COLLECT, TALLY_SLICE(nonce), nonce,
                                        tally_slice_of(kb, kb_len)};
    struct tally_device *d = NULL;

    ck_assert_msg(tally_device_sim_boot(chip_file, &g, &d) == TALLY_OK, "%s", tally_why());
    TALLY_SHA256_OF(nonce, tally_slice_of(kb, kb_len));
    ck_assert_int_eq(tally_device_quote(d, &ask, ev, endorsements), TALLY_OK);
    tally_device_close(&d);
}

static char *envelope(void)
{
    struct tally_sign_key k = tally_test_document_key(o.signer);
    TALLY_CLEANUP(tally_dsse_free) struct tally_dsse d = {0};
    char *payload, *text;

    ck_assert_int_eq(tally_lineage_encode(&o.l, &payload), TALLY_OK);
    ck_assert_int_eq(tally_dsse_new(tally_lineage_type(o.mode), tally_slice_str(payload), &d),
                     TALLY_OK);
    ck_assert_int_eq(tally_dsse_sign(&d, &k), TALLY_OK);
    ck_assert_int_eq(tally_dsse_text(&d, &text), TALLY_OK);
    free(payload);
    return text;
}

static void make_object(void)
{
    static uint8_t ev[TALLY_EV_MAX], endorsements[TALLY_ENDORSEMENTS_MAX];
    struct tally_wr e = tally_wr_to(ev, sizeof ev);
    struct tally_wr c = tally_wr_to(endorsements, sizeof endorsements);
    struct tally_wr w = tally_wr_to(object, sizeof object);
    struct tally_slice out;

    quote(&e, &c);
    o.l.key_block_bytes = encode(&o.kb, o.l.key_block);
    TALLY_SHA256_OF(o.l.evidence, tally_slice_of(ev, e.used));
    if (o.evidence_of_lineage_differs) o.l.evidence[0] ^= 1;
    char *text = envelope();
    tally_wr_vec(&w, tally_slice_str(text));
    if (o.kb_of_object_differs) o.l.key_block[60] ^= 1; /* its instance */
    tally_wr_vec(&w, tally_slice_of(o.l.key_block, o.l.key_block_bytes));
    tally_wr_vec(&w, tally_slice_of(ev, e.used));
    tally_wr_vec(&w, tally_slice_of(endorsements, c.used));
    ck_assert_int_eq(tally_wr_end(&w, &out), TALLY_OK);
    object_len = out.len;
    free(text);
}

static enum tally_status judge_bytes(const uint8_t *at, size_t len)
{
    uint8_t *exact = malloc(len + (len == 0));
    struct tally_lineage got = {0};

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, at, len);
    enum tally_status s = tally_lineage_judge(&q, tally_slice_of(exact, len), &got);
    if (s == TALLY_OK)
        ck_assert_uint_eq(got.round, o.l.round);
    else
        ck_assert_ptr_null(got.sites);
    tally_lineage_free(&got);
    free(exact);
    return s;
}

static enum tally_status judge(void)
{
    make_object();
    return judge_bytes(object, object_len);
}

static void accepted(void)
{
    ck_assert_msg(judge() == TALLY_OK, "%s", tally_why());
}

static void refused(enum tally_reason reason)
{
    enum tally_status s = judge();

    ck_assert_msg(s != TALLY_OK && tally_reason() == reason, "%s, not %s: %s",
                  tally_reason_name(tally_reason()), tally_reason_name(reason), tally_why());
}

START_TEST(a_good_lineage_is_accepted)
{
    accepted();
}
END_TEST

START_TEST(the_aggregator_of_the_session_needs_no_evidence_again)
{
    static uint8_t kb[TALLY_LINEAGE_KB_MAX];

    o.program = 77; /* evidence of this start is judged in the handshake */
    o.evidence_of_lineage_differs = true;
    q.key_block = tally_slice_of(kb, encode(&o.kb, kb));
    accepted();
    kb[60] ^= 1; /* but only for that very instance */
    refused(TALLY_R_E_IDENTITY);
    o.evidence_of_lineage_differs = false;
    refused(TALLY_R_E_MEASUREMENT);
}
END_TEST

START_TEST(what_is_claimed_can_be_read_before_it_is_judged)
{
    struct tally_lineage_object parts;
    struct tally_lineage got;

    o.l.has_parent = true;
    memset(o.l.parent, 0xaa, 32);
    make_object();
    ck_assert_int_eq(tally_lineage_object_decode(tally_slice_of(object, object_len), &parts),
                     TALLY_OK);
    ck_assert_int_eq(tally_lineage_claimed(&parts, TALLY_MODE_TEST, &got), TALLY_OK);
    ck_assert_mem_eq(got.parent, o.l.parent, 32);
    tally_lineage_free(&got);
    ck_assert_int_ne(tally_lineage_claimed(&parts, TALLY_MODE_PRODUCTION, &got), TALLY_OK);
}
END_TEST

/* ---- who signed ---- */

START_TEST(a_lineage_signed_by_another_is_refused)
{
    o.signer = OTHER_PARTY;
    refused(TALLY_R_E_SIGNATURE);
    o.signer = 1;
    refused(TALLY_R_E_SIGNATURE);
}
END_TEST

START_TEST(an_agent_is_no_aggregator)
{
    o.kb = o.quoted = key_block_of(1);
    o.program = TALLY_ROLE_AGENT;
    o.signer = 1;
    refused(TALLY_R_E_IDENTITY);
    o.kb.role = o.quoted.role = TALLY_ROLE_AGGREGATOR; /* even if it says so */
    refused(TALLY_R_E_IDENTITY);
}
END_TEST

START_TEST(a_node_that_the_document_does_not_list_is_refused)
{
    memcpy(o.kb.node, "aggregator-2", 13);
    o.quoted = o.kb;
    refused(TALLY_R_E_IDENTITY);
}
END_TEST

START_TEST(a_key_block_of_another_federation_or_mode_is_refused)
{
    o.kb.federation_id[0] ^= 1;
    o.quoted = o.kb;
    refused(TALLY_R_E_FEDERATION);
    o.kb.federation_id[0] ^= 1;
    o.kb.mode = TALLY_MODE_PRODUCTION;
    o.quoted = o.kb;
    refused(TALLY_R_E_FEDERATION);
}
END_TEST

START_TEST(a_lineage_of_the_other_mode_is_refused)
{
    o.mode = TALLY_MODE_PRODUCTION;
    refused(TALLY_R_E_TRUST_CLASS);
}
END_TEST

/* ---- the evidence ---- */

START_TEST(evidence_of_another_key_block_is_refused)
{
    o.quoted.attested_key[0] ^= 1;
    refused(TALLY_R_E_CHANNEL_BINDING);
}
END_TEST

START_TEST(evidence_of_another_program_is_refused)
{
    o.program = TALLY_ROLE_AGENT; /* good for an agent, not for this */
    refused(TALLY_R_E_MEASUREMENT);
}
END_TEST

START_TEST(evidence_of_a_chip_that_is_not_the_nodes_is_refused)
{
    for (uint32_t i = 0; i < f.nodes_n; i++)
        if (f.nodes[i].role == TALLY_ROLE_AGGREGATOR) f.nodes[i].chips[0][0] ^= 1;
    refused(TALLY_R_E_CHIP);
}
END_TEST

START_TEST(evidence_other_than_the_lineage_names_is_refused)
{
    o.evidence_of_lineage_differs = true;
    refused(TALLY_R_E_IDENTITY);
    o.evidence_of_lineage_differs = false;
    o.kb_of_object_differs = true;
    refused(TALLY_R_E_IDENTITY);
}
END_TEST

START_TEST(a_program_that_was_revoked_is_refused)
{
    revoked.measurements[0][0] = TALLY_ROLE_AGGREGATOR;
    revoked.measurements_n = 1;
    refused(TALLY_R_E_REVOKED);
}
END_TEST

/* ---- what it is about ---- */

START_TEST(a_lineage_of_another_version_job_or_federation_is_refused)
{
    o.l.model[0] ^= 1;
    refused(TALLY_R_E_IDENTITY);
    o.l.model[0] ^= 1;
    o.l.job[0] ^= 1;
    refused(TALLY_R_E_IDENTITY);
    o.l.job[0] ^= 1;
    o.l.federation[0] ^= 1;
    refused(TALLY_R_E_FEDERATION);
    f.version = 2; /* made under an earlier document, by this federation's key blocks */
    accepted();
}
END_TEST

/* ---- the votes ---- */

START_TEST(a_quorum_is_enough_and_one_less_is_not)
{
    o.l.votes_n = 2;
    accepted();
    o.l.votes_n = 1;
    refused(TALLY_R_SET_QUORUM);
    o.l.votes_n = 0;
    refused(TALLY_R_SET_QUORUM);
}
END_TEST

START_TEST(one_organisation_counts_once_however_often_it_votes)
{
    struct tally_key_block second = key_block_of(1);
    struct tally_node *n = &f.nodes[f.nodes_n];

    vote(1, 1);
    vote(2, 1);
    refused(TALLY_R_SET_QUORUM);
    *n = *tally_federation_node(&f, "bank-1", "agent-1"); /* nor by a second node of its own */
    memcpy(n->node, "agent-2", 8);
    f.nodes_n++;
    memcpy(second.node, "agent-2", 8);
    memcpy(o.l.votes[1].node, "agent-2", 8);
    o.l.votes[1].key_block_bytes = encode(&second, o.l.votes[1].key_block);
    refused(TALLY_R_SET_QUORUM);
    vote(2, 2);
    accepted();
}
END_TEST

/* Each spoils the second of two votes. */
START_TEST(a_vote_that_is_not_valid_does_not_count)
{
    struct tally_lineage_vote *v = &o.l.votes[1];
    struct tally_sign_key k = tally_test_document_key(2);
    struct tally_key_block kb = key_block_of(2);
    uint8_t other[32] = {1};

    o.l.votes_n = 2;
    switch (_i) {
    case 0: v->signature[40] ^= 1; break;
    case 1: ck_assert_int_eq(tally_vote_sign(&k, other, v->signature), TALLY_OK); break;
    case 2: memcpy(v->signature, o.l.votes[0].signature, 64); break;
    case 3: kb.attested_key[0] ^= 1; break;
    case 4: kb.federation_id[0] ^= 1; break;
    case 5: kb.role = TALLY_ROLE_AGGREGATOR; break;
    case 6: memcpy(kb.org, "bank-9", 7); break;
    case 7: memcpy(v->org, "bank-3", 7); break;
    case 8: memcpy(v->node, "agent-9", 8); break;
    case 9: vote(1, 0); break; /* the aggregator's own */
    case 10: memcpy(job.participants[1], "bank-7", 7); break;
    case 11: memcpy(o.l.set, other, 32); break; /* signed for the set before */
    default: v->key_block_bytes = 10; break;
    }
    if (_i >= 3 && _i <= 6) v->key_block_bytes = encode(&kb, v->key_block);
    refused(TALLY_R_SET_QUORUM);
}
END_TEST

/* ---- the bytes ---- */

START_TEST(a_cut_or_longer_object_is_refused)
{
    make_object();
    ck_assert_uint_lt(object_len + 1, sizeof object);
    for (size_t n = 0; n < object_len; n += n < 64 || n + 64 > object_len ? 1 : 97)
        ck_assert_msg(judge_bytes(object, n) == TALLY_E_WIRE, "%zu: %s", n, tally_why());
    object[object_len] = 0;
    ck_assert_int_eq(judge_bytes(object, object_len + 1), TALLY_E_WIRE);
    ck_assert_int_eq(judge_bytes(object, object_len), TALLY_OK);
}
END_TEST

START_TEST(lengths_that_lie_are_refused)
{
    static const uint8_t lies[] = {0xff, 0x80, 0x7f, 0x01};

    make_object();
    for (size_t i = 0; i < sizeof lies; i++) {
        uint8_t was = object[0];
        object[0] = lies[i];
        ck_assert_int_eq(judge_bytes(object, object_len), TALLY_E_WIRE);
        object[0] = was;
    }
}
END_TEST

/* Nothing but the endorsements' names, which mean nothing, may change unnoticed; and spellings of
 * the envelope round what is signed. */
START_TEST(a_changed_byte_does_not_change_what_is_believed)
{
    make_object();
    for (size_t i = 0; i < object_len; i += 131) {
        struct tally_lineage got = {0};
        object[i] ^= 1;
        if (tally_lineage_judge(&q, tally_slice_of(object, object_len), &got) == TALLY_OK) {
            ck_assert_mem_eq(got.set, o.l.set, 32);
            ck_assert_mem_eq(got.model, model, 32);
            tally_lineage_free(&got);
        }
        object[i] ^= 1;
    }
}
END_TEST

static void make_chip(void)
{
    static char at[] = "/tmp/tally-test-XXXXXX";

    simulated_setup();
    if (mkdtemp(at) == NULL) exit(EXIT_FAILURE);
    (void)snprintf(chip_file, sizeof chip_file, "%s/chip", at);
    if (tally_sim_chip_save(simulated_chip(), chip_file) != TALLY_OK) exit(EXIT_FAILURE);
}

static void add_tests(TCase *t)
{
    tcase_add_test(t, a_good_lineage_is_accepted);
    tcase_add_test(t, the_aggregator_of_the_session_needs_no_evidence_again);
    tcase_add_test(t, what_is_claimed_can_be_read_before_it_is_judged);
    tcase_add_test(t, a_lineage_signed_by_another_is_refused);
    tcase_add_test(t, an_agent_is_no_aggregator);
    tcase_add_test(t, a_node_that_the_document_does_not_list_is_refused);
    tcase_add_test(t, a_key_block_of_another_federation_or_mode_is_refused);
    tcase_add_test(t, a_lineage_of_the_other_mode_is_refused);
    tcase_add_test(t, evidence_of_another_key_block_is_refused);
    tcase_add_test(t, evidence_of_another_program_is_refused);
    tcase_add_test(t, evidence_of_a_chip_that_is_not_the_nodes_is_refused);
    tcase_add_test(t, evidence_other_than_the_lineage_names_is_refused);
    tcase_add_test(t, a_program_that_was_revoked_is_refused);
    tcase_add_test(t, a_lineage_of_another_version_job_or_federation_is_refused);
    tcase_add_test(t, a_quorum_is_enough_and_one_less_is_not);
    tcase_add_test(t, one_organisation_counts_once_however_often_it_votes);
    tcase_add_loop_test(t, a_vote_that_is_not_valid_does_not_count, 0, 13);
    tcase_add_test(t, a_cut_or_longer_object_is_refused);
    tcase_add_test(t, lengths_that_lie_are_refused);
    tcase_add_test(t, a_changed_byte_does_not_change_what_is_believed);
}

int main(void)
{
    TCase *t = tcase_create("versions");

    if (tally_secret_setup() != TALLY_OK) return EXIT_FAILURE;
    make_chip();
    tcase_add_checked_fixture(t, set_up, tear_down);
    add_tests(t);
    int failed = tally_suite_run("versions", t);
    (void)unlink(chip_file);
    *strrchr(chip_file, '/') = '\0';
    (void)rmdir(chip_file);
    return failed;
}
