/* test_eventlog.c - common/attest/eventlog.c over a real CCEL and a real TCG2 log, and what becomes
 * of each event that is another (ATTESTATION.md C4.3, D.4). */
#include <stdlib.h>
#include <string.h>

#include "common/attest/eventlog.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

enum { CCEL_USED = 18101, CCEL_EVENTS = 43, TCG_EVENTS = 44, EVENTS_MAX = 64 };

static struct tally_slice ccel, tcg;

static void load(void)
{
    size_t n;

    if (ccel.at != NULL) return;
    const uint8_t *p = tally_vectors_bytes("vectors/tdx/extra/gcp_cos113_ccel_data.bin", &n);
    ccel = tally_slice_of(p, n);
    p = tally_vectors_bytes("vectors/tpm/gce_cos85_no_nonce/tcg_event_log.bin", &n);
    tcg = tally_slice_of(p, n);
}

/* A log on its own heap block of exact size; the caller frees. */
static uint8_t *copy(const void *p, size_t n)
{
    uint8_t *q = malloc(n ? n : 1);

    ck_assert_ptr_nonnull(q);
    memcpy(q, p, n);
    return q;
}

struct list {
    struct tally_event e[EVENTS_MAX];
    size_t n;
};

static void collect(void *ctx, const struct tally_event *e)
{
    struct list *l = ctx;

    ck_assert_uint_lt(l->n, EVENTS_MAX);
    l->e[l->n++] = *e;
}

static struct list events(struct tally_slice log, enum tally_eventlog_kind kind)
{
    struct list l = {.n = 0};

    ck_assert_msg(tally_eventlog_walk(log, kind, collect, &l) == TALLY_OK, "%s", tally_why());
    return l;
}

/* What the log replays to, as one value; false with E_EVENTLOG. */
static bool replay(struct tally_slice log, enum tally_eventlog_kind kind, uint8_t out[768])
{
    uint8_t *exact = copy(log.at, log.len);
    struct tally_slice s = tally_slice_of(exact, log.len);

    memset(out, 0, 768);
    enum tally_status st = kind == TALLY_EVENTLOG_CCEL
                               ? tally_eventlog_ccel_replay(s, (uint8_t(*)[TALLY_RTMR_BYTES])out)
                               : tally_eventlog_tpm_replay(s, (uint8_t(*)[TALLY_PCR_BYTES])out);
    free(exact);
    if (st != TALLY_OK) ck_assert_int_eq(tally_reason(), TALLY_R_E_EVENTLOG);
    return st == TALLY_OK;
}

START_TEST(a_real_ccel_gives_the_rtmrs_of_its_quote)
{
    enum { RTMR0_AT = 48 + 328 };
    uint8_t got[768];
    size_t n;

    load();
    uint8_t *quote = tally_vectors_bytes("vectors/tdx/quotes/spr_v4_gcp_cos113.bin", &n);
    ck_assert(replay(ccel, TALLY_EVENTLOG_CCEL, got));
    ck_assert_mem_eq(got, quote + RTMR0_AT, (size_t)TALLY_RTMRS * TALLY_RTMR_BYTES);
    ck_assert(replay(tally_slice_of(ccel.at, CCEL_USED), TALLY_EVENTLOG_CCEL, got));
    ck_assert_mem_eq(got, quote + RTMR0_AT, (size_t)TALLY_RTMRS * TALLY_RTMR_BYTES);
    ck_assert_uint_eq(events(ccel, TALLY_EVENTLOG_CCEL).n, CCEL_EVENTS);
    free(quote);
}
END_TEST

START_TEST(a_real_tcg_log_gives_the_pcrs_of_its_quote)
{
    uint8_t got[768];
    size_t n;

    load();
    uint8_t *pcrs = tally_vectors_bytes("vectors/tpm/gce_cos85_no_nonce/pcrs_sha256.bin", &n);
    ck_assert(replay(tcg, TALLY_EVENTLOG_TPM, got));
    ck_assert_mem_eq(got, pcrs, (size_t)10 * TALLY_PCR_BYTES);
    ck_assert_mem_eq(got + (size_t)16 * 32, pcrs + (size_t)16 * 32, (size_t)8 * TALLY_PCR_BYTES);
    ck_assert_uint_eq(events(tcg, TALLY_EVENTLOG_TPM).n, TCG_EVENTS);
    free(pcrs);
}
END_TEST

START_TEST(a_log_says_whose_it_is_and_is_no_other)
{
    enum tally_eventlog_kind kind;
    uint8_t got[768];

    load();
    ck_assert_int_eq(tally_eventlog_kind_of(ccel, &kind), TALLY_OK);
    ck_assert_int_eq(kind, TALLY_EVENTLOG_CCEL);
    ck_assert_int_eq(tally_eventlog_kind_of(tcg, &kind), TALLY_OK);
    ck_assert_int_eq(kind, TALLY_EVENTLOG_TPM);
    ck_assert(!replay(ccel, TALLY_EVENTLOG_TPM, got));
    ck_assert(!replay(tcg, TALLY_EVENTLOG_CCEL, got)); /* PCR 7 is no RTMR */
    ck_assert_int_ne(tally_eventlog_kind_of(tally_slice_of(tcg.at, 40), &kind), TALLY_OK);
    ck_assert_int_eq(tally_reason(), TALLY_R_E_EVENTLOG);
}
END_TEST

/* Real events without event i, with it twice, and with its successor first. */
enum edit { DROP, TWICE, SWAP };

static size_t edit(struct tally_slice log, const struct list *l, size_t i, enum edit how,
                   uint8_t *out)
{
    const struct tally_event *e = &l->e[i], *last = &l->e[l->n - 1];
    struct tally_wr w = tally_wr_to(out, 2 * log.len);

    tally_wr_put(&w, log.at, e->at);
    if (how == SWAP) tally_wr_put(&w, log.at + l->e[i + 1].at, l->e[i + 1].size);
    if (how != DROP) tally_wr_put(&w, log.at + e->at, e->size);
    if (how == TWICE) tally_wr_put(&w, log.at + e->at, e->size);
    size_t next = how == SWAP ? l->e[i + 1].at + l->e[i + 1].size : e->at + e->size;
    tally_wr_put(&w, log.at + next, last->at + last->size - next);
    ck_assert(!w.full);
    return w.used;
}

static void check_edits(struct tally_slice log, enum tally_eventlog_kind kind)
{
    uint8_t want[768], got[768];
    struct list l = events(log, kind);
    uint8_t *out = malloc(2 * log.len);
    unsigned refused = 0;

    ck_assert_ptr_nonnull(out);
    ck_assert(replay(log, kind, want));
    for (size_t i = 0; i < l.n; i++) {
        for (enum edit how = DROP; how <= SWAP; how++) {
            if (how == SWAP && (i + 1 == l.n || l.e[i].index != l.e[i + 1].index ||
                                tally_slice_equal(l.e[i].digest, l.e[i + 1].digest)))
                continue;
            size_t n = edit(log, &l, i, how, out);
            bool same =
                replay(tally_slice_of(out, n), kind, got) && memcmp(got, want, sizeof want) == 0;
            ck_assert_msg(!same, "event %zu, edit %d", i, (int)how);
            refused++;
        }
    }
    ck_assert_uint_gt(refused, 2 * l.n);
    free(out);
}

START_TEST(an_event_dropped_doubled_or_moved_gives_other_registers)
{
    load();
    check_edits(ccel, TALLY_EVENTLOG_CCEL);
    check_edits(tcg, TALLY_EVENTLOG_TPM);
}
END_TEST

/* Events whose data must be what was measured; old shims log a byte more than that. */
static bool must(const struct tally_event *e)
{
    bool grub = e->type == TALLY_EV_IPL && e->data.at[0] != '/' && e->data.at[0] != 'M';

    return grub || e->type == TALLY_EV_SEPARATOR || e->type == TALLY_EV_EFI_ACTION ||
           e->type == TALLY_EV_EFI_GPT_EVENT || e->type == TALLY_EV_EFI_VARIABLE_DRIVER_CONFIG ||
           e->type == TALLY_EV_EFI_VARIABLE_BOOT || e->type == TALLY_EV_EFI_VARIABLE_AUTHORITY;
}

static void check_changes(struct tally_slice log, enum tally_eventlog_kind kind, size_t used)
{
    uint8_t want[768], got[768];
    struct list l = events(log, kind);
    uint8_t *b = copy(log.at, used);
    struct tally_slice s = tally_slice_of(b, used);
    unsigned data_refused = 0;

    ck_assert(replay(log, kind, want));
    for (size_t i = 0; i < l.n; i++) {
        const struct tally_event *e = &l.e[i];
        size_t digest = (size_t)(e->digest.at - log.at), data = (size_t)(e->data.at - log.at);
        b[digest] ^= 1;
        ck_assert(!replay(s, kind, got) || memcmp(got, want, sizeof want) != 0);
        b[digest] ^= 1;
        /* From behind GRUB's prefix and a variable's name; the middle is in the value. */
        size_t at = data + e->data.len / 2;
        if (e->type == TALLY_EV_IPL) at = data + e->data.len - 2;
        if (e->type == TALLY_EV_EFI_VARIABLE_BOOT) at = data + e->data.len - 1;
        b[at] ^= 1;
        bool good = replay(s, kind, got);
        ck_assert_msg(good == !must(e), "event %zu of type %x", i, e->type);
        if (good) ck_assert_mem_eq(got, want, sizeof want);
        if (good) ck_assert(!events(s, kind).e[i].vouched);
        data_refused += !good;
        b[at] ^= 1;
    }
    ck_assert_uint_gt(data_refused, l.n / 2);
    ck_assert(replay(s, kind, got));
    free(b);
}

START_TEST(a_changed_digest_or_measured_data_is_refused_and_other_data_is_not_believed)
{
    load();
    check_changes(ccel, TALLY_EVENTLOG_CCEL, CCEL_USED);
    check_changes(tcg, TALLY_EVENTLOG_TPM, tcg.len);
}
END_TEST

static void check_prefixes(struct tally_slice log, enum tally_eventlog_kind kind, size_t used)
{
    struct list l = events(log, kind);
    uint8_t want[768], got[768];
    size_t step = getenv("TALLY_LONG") != NULL ? 1 : 7;

    ck_assert(replay(log, kind, want));
    for (size_t n = 0; n < used; n += n < 1200 ? 1 : step) {
        bool edge = n == l.e[0].at;
        for (size_t i = 0; i < l.n; i++) edge = edge || n == l.e[i].at + l.e[i].size;
        bool good = replay(tally_slice_of(log.at, n), kind, got);
        ck_assert_msg(good == edge, "%zu bytes", n);
        ck_assert(!good || memcmp(got, want, sizeof want) != 0);
    }
}

START_TEST(every_prefix_is_refused_or_gives_other_registers)
{
    load();
    check_prefixes(ccel, TALLY_EVENTLOG_CCEL, CCEL_USED);
    check_prefixes(tcg, TALLY_EVENTLOG_TPM, tcg.len);
}
END_TEST

START_TEST(behind_the_end_only_ones_may_stand)
{
    uint8_t got[768];
    const size_t n = CCEL_USED + 100;

    load();
    uint8_t *b = copy(ccel.at, n);
    ck_assert(replay(tally_slice_of(b, n), TALLY_EVENTLOG_CCEL, got));
    for (size_t i = CCEL_USED + 4; i < n; i++) {
        b[i] = 0xfe;
        ck_assert(!replay(tally_slice_of(b, n), TALLY_EVENTLOG_CCEL, got));
        b[i] = 0xff;
    }
    memset(b + CCEL_USED, 0, 100);
    ck_assert(!replay(tally_slice_of(b, n), TALLY_EVENTLOG_CCEL, got));
    free(b);
    size_t big = TALLY_EVENTLOG_BYTES_MAX + 1;
    b = malloc(big);
    ck_assert_ptr_nonnull(b);
    memset(b, 0xff, big);
    memcpy(b, ccel.at, CCEL_USED);
    ck_assert(replay(tally_slice_of(b, big - 1), TALLY_EVENTLOG_CCEL, got));
    ck_assert(!replay(tally_slice_of(b, big), TALLY_EVENTLOG_CCEL, got));
    free(b);
}
END_TEST

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}

/* The 32-bit field at `at` of event i set to each of the lies. */
static void check_lies(struct tally_slice log, enum tally_eventlog_kind kind, size_t at, size_t i,
                       uint32_t truth)
{
    const uint32_t lies[] = {0,         1,         truth - 1,  truth + 1,
                             0x7ffffff, 0xffffffe, 0x80000000, 0xffffffff};
    uint8_t want[768], got[768];
    uint8_t *b = copy(log.at, log.len);

    ck_assert(replay(log, kind, want));
    for (size_t k = 0; k < sizeof lies / sizeof lies[0]; k++) {
        if (lies[k] == truth) continue;
        put32(b + at, lies[k]);
        bool same =
            replay(tally_slice_of(b, log.len), kind, got) && memcmp(got, want, sizeof want) == 0;
        ck_assert_msg(!same, "event %zu, byte %zu: %x", i, at, lies[k]);
    }
    free(b);
}

START_TEST(counts_sizes_and_indexes_that_lie_are_refused)
{
    load();
    struct tally_slice log = tally_slice_of(ccel.at, CCEL_USED);
    struct list l = events(log, TALLY_EVENTLOG_CCEL);
    for (size_t i = 0; i < l.n; i++) {
        const struct tally_event *e = &l.e[i];
        size_t size_at = (size_t)(e->data.at - log.at) - 4;
        check_lies(log, TALLY_EVENTLOG_CCEL, size_at, i, (uint32_t)e->data.len);
        check_lies(log, TALLY_EVENTLOG_CCEL, e->at + 8, i, 1);
        check_lies(log, TALLY_EVENTLOG_CCEL, e->at, i, e->index);
    }
    check_lies(log, TALLY_EVENTLOG_CCEL, 28, 0, 33); /* the header's size and count of hashes */
    check_lies(log, TALLY_EVENTLOG_CCEL, 56, 0, 1);
}
END_TEST

START_TEST(mrtd_is_not_extended_and_register_9_is_none)
{
    const uint32_t lies[] = {0, 5, 9};
    uint8_t got[768];

    load();
    struct list l = events(ccel, TALLY_EVENTLOG_CCEL);
    uint8_t *b = copy(ccel.at, CCEL_USED);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        put32(b + l.e[5].at, lies[i]);
        ck_assert(!replay(tally_slice_of(b, CCEL_USED), TALLY_EVENTLOG_CCEL, got));
    }
    free(b);
}
END_TEST

START_TEST(a_header_that_is_another_is_refused)
{
    uint8_t got[768];

    load();
    uint8_t *b = copy(ccel.at, CCEL_USED);
    for (size_t i = 0; i < 65; i++) {
        /* platform class, minor, errata and integer size say nothing that a replay needs */
        bool free_field = (i >= 48 && i < 53) || i == 54 || i == 55;
        if (i == 0 || free_field) continue;
        b[i] ^= 0x40;
        ck_assert_msg(!replay(tally_slice_of(b, CCEL_USED), TALLY_EVENTLOG_CCEL, got), "%zu", i);
        b[i] ^= 0x40;
    }
    free(b);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("eventlog");

    tally_vectors_need();
    tcase_add_test(t, a_real_ccel_gives_the_rtmrs_of_its_quote);
    tcase_add_test(t, a_real_tcg_log_gives_the_pcrs_of_its_quote);
    tcase_add_test(t, a_log_says_whose_it_is_and_is_no_other);
    tcase_add_test(t, an_event_dropped_doubled_or_moved_gives_other_registers);
    tcase_add_test(t, a_changed_digest_or_measured_data_is_refused_and_other_data_is_not_believed);
    tcase_add_test(t, every_prefix_is_refused_or_gives_other_registers);
    tcase_add_test(t, behind_the_end_only_ones_may_stand);
    tcase_add_test(t, counts_sizes_and_indexes_that_lie_are_refused);
    tcase_add_test(t, mrtd_is_not_extended_and_register_9_is_none);
    tcase_add_test(t, a_header_that_is_another_is_refused);
    return tally_suite_run("eventlog", t);
}
