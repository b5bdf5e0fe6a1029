/* test_chunked.c - common/chunked.c and chunked_open.c against the Cobblestone-256 vectors of
 * FiloSottile/cobblestone: streaming in pieces, in memory and by random access. */
#include "common/chunked.h"

#include <string.h>

#include "common/hash.h"
#include "tests/lib/inflate.h"
#include "tests/lib/suite.h"
#include "tests/lib/wycheproof.h"

/* A sink that fills memory, or fails at its n-th call. */
struct memory {
    uint8_t *at;
    size_t used, cap;
    int fail_at; /* -1: never */
};

static enum tally_status put(void *to, struct tally_slice bytes)
{
    struct memory *m = to;

    if (m->fail_at >= 0 && m->fail_at-- == 0) return TALLY_FAIL(TALLY_E_IO, "sink");
    ck_assert_uint_le(bytes.len, m->cap - m->used);
    if (bytes.len != 0) memcpy(m->at + m->used, bytes.at, bytes.len);
    m->used += bytes.len;
    return TALLY_OK;
}

static struct tally_sink sink_of(struct memory *m, size_t cap)
{
    *m = (struct memory){.at = malloc(cap ? cap : 1), .cap = cap, .fail_at = -1};
    return (struct tally_sink){.put = put, .to = m};
}

static struct tally_chunked_writer writer;
static struct tally_chunked_reader reader;
static struct tally_chunked_file file;

static enum tally_status feed_reader(struct tally_slice in, size_t step)
{
    for (size_t i = 0; i < in.len; i += step) {
        size_t n = in.len - i < step ? in.len - i : step;
        enum tally_status s = tally_chunked_reader_add(&reader, tally_slice_of(in.at + i, n));
        if (s != TALLY_OK) return s;
    }
    return tally_chunked_reader_end(&reader);
}

/* The plaintext as far as it came is in *m. After a failure the reader stays dead. */
static enum tally_status read_by(const uint8_t *key, struct tally_slice context,
                                 struct tally_slice in, size_t step, struct memory *m)
{
    struct tally_sink to = sink_of(m, in.len);

    ck_assert_int_eq(tally_chunked_reader_init(&reader, key, context, to), TALLY_OK);
    enum tally_status s = feed_reader(in, step);
    ck_assert_int_eq(tally_chunked_reader_add(&reader, in), TALLY_E_STATE);
    ck_assert_int_eq(tally_chunked_reader_end(&reader), TALLY_E_STATE);
    tally_chunked_reader_free(&reader);
    return s;
}

static void check_message(const json_t *test, struct tally_slice plain)
{
    const json_t *length = json_object_get(test, "msgLength");
    uint8_t sha[TALLY_SHA512_BYTES];

    ck_assert_int_eq((json_int_t)plain.len, json_integer_value(length));
    if (length == NULL) return;
    struct tally_slice want = tally_test_field(test, "msgSha512");
    tally_hash(TALLY_SHA512, &plain, 1, sha);
    ck_assert(tally_slice_equal(want, TALLY_SLICE(sha)));
    tally_test_drop(want);
}

/* What is right comes back from the same salt, by the writer in pieces and at once. */
static void check_writers(const uint8_t *key, struct tally_slice context, struct tally_slice ct,
                          struct tally_slice plain)
{
    static const size_t steps[] = {777, 16384, 40000};
    uint8_t *at_once = malloc(ct.len);
    struct memory m;

    ck_assert_int_eq(tally_chunked_seal(key, context, ct.at, plain, at_once), TALLY_OK);
    ck_assert_mem_eq(at_once, ct.at, ct.len);
    free(at_once);
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        struct tally_sink to = sink_of(&m, ct.len);
        ck_assert_int_eq(tally_chunked_writer_init(&writer, key, context, ct.at, to), TALLY_OK);
        for (size_t i = 0; i < plain.len; i += steps[k]) {
            size_t n = plain.len - i < steps[k] ? plain.len - i : steps[k];
            ck_assert_int_eq(tally_chunked_writer_add(&writer, tally_slice_of(plain.at + i, n)),
                             TALLY_OK);
        }
        ck_assert_int_eq(tally_chunked_writer_end(&writer), TALLY_OK);
        ck_assert_int_eq(tally_chunked_writer_end(&writer), TALLY_E_STATE);
        ck_assert_int_eq(tally_chunked_writer_add(&writer, plain), TALLY_E_STATE);
        tally_chunked_writer_free(&writer);
        ck_assert_uint_eq(m.used, ct.len);
        ck_assert_mem_eq(m.at, ct.at, ct.len);
        free(m.at);
    }
}

static enum tally_status read_at(void *from, uint64_t offset, uint8_t *to, size_t len)
{
    const struct tally_slice *all = from;

    ck_assert(offset <= all->len && len <= all->len - offset);
    memcpy(to, all->at + offset, len);
    return TALLY_OK;
}

static struct tally_chunked_source source_of(struct tally_slice *ct, bool in_memory)
{
    if (in_memory) return (struct tally_chunked_source){.memory = *ct};
    return (struct tally_chunked_source){.read = read_at, .from = ct};
}

static void check_random_access(const uint8_t *key, struct tally_slice context,
                                struct tally_slice ct, struct tally_slice plain)
{
    uint8_t *chunk = malloc(TALLY_CHUNK_BYTES), *range = malloc(plain.len + 1);

    for (int in_memory = 0; in_memory < 2; in_memory++) {
        ck_assert_int_eq(
            tally_chunked_file_open(&file, key, context, source_of(&ct, in_memory), ct.len),
            TALLY_OK);
        ck_assert_uint_eq(file.plain_bytes, plain.len);
        ck_assert_uint_eq(file.chunks, plain.len / TALLY_CHUNK_BYTES + 1);
        for (uint64_t k = file.chunks; k-- > 0;) {
            ck_assert_int_eq(tally_chunked_file_chunk(&file, k, chunk), TALLY_OK);
            ck_assert_mem_eq(chunk, plain.at + k * TALLY_CHUNK_BYTES,
                             tally_chunked_file_chunk_bytes(&file, k));
        }
        size_t from = plain.len / 3, len = plain.len / 2;
        ck_assert_int_eq(tally_chunked_file_range(&file, 0, plain.len, range), TALLY_OK);
        ck_assert_mem_eq(range, plain.at, plain.len);
        ck_assert_int_eq(tally_chunked_file_range(&file, from, len, range), TALLY_OK);
        ck_assert_mem_eq(range, plain.at + from, len);
        ck_assert_int_eq(tally_chunked_file_range(&file, plain.len, 0, range), TALLY_OK);
        ck_assert_int_eq(tally_chunked_file_range(&file, plain.len, 1, range), TALLY_E_LIMIT);
        ck_assert_int_eq(tally_chunked_file_range(&file, 1, plain.len, range), TALLY_E_LIMIT);
        ck_assert_int_eq(tally_chunked_file_range(&file, UINT64_MAX, 2, range), TALLY_E_LIMIT);
        tally_chunked_file_close(&file);
        tally_chunked_file_close(&file);
    }
    free(range);
    free(chunk);
}

/* A wrong file opens only if header and last chunk are right; then a chunk of it is refused. */
static void check_refusal_at_random_access(const json_t *test, const uint8_t *key,
                                           struct tally_slice context, struct tally_slice ct)
{
    uint8_t *chunk = malloc(TALLY_CHUNK_BYTES);
    enum tally_status s =
        tally_chunked_file_open(&file, key, context, source_of(&ct, true), ct.len);
    uint64_t refused = 0;

    ck_assert_int_eq(s == TALLY_OK, tally_test_flag(test, "ValidFinalChunk"));
    if (s != TALLY_OK) {
        ck_assert(s == TALLY_E_AUTH || s == TALLY_E_WIRE);
        free(chunk);
        return;
    }
    for (uint64_t k = 0; k < file.chunks; k++)
        refused += tally_chunked_file_chunk(&file, k, chunk) != TALLY_OK;
    ck_assert_uint_ge(refused, 1);
    tally_chunked_file_close(&file);
    free(chunk);
}

static void check_one(const json_t *test, struct tally_slice key, struct tally_slice ct)
{
    static const size_t steps[] = {1, 100, 16400, 16456, SIZE_MAX / 2};
    struct tally_slice context = tally_test_field(test, "ctx");
    bool good = tally_test_is(test, "valid");
    struct memory m;

    for (size_t i = ct.len > 100000 ? 2 : 0; i < sizeof steps / sizeof *steps; i++) {
        enum tally_status s = read_by(key.at, context, ct, steps[i], &m);
        ck_assert_msg(s == (good ? TALLY_OK : TALLY_E_AUTH), "test %lld: %s",
                      (long long)tally_test_id(test), tally_why());
        check_message(test, tally_slice_of(m.at, m.used));
        if (good && i == 2) {
            check_writers(key.at, context, ct, tally_slice_of(m.at, m.used));
            check_random_access(key.at, context, ct, tally_slice_of(m.at, m.used));
        }
        free(m.at);
    }
    if (!good) check_refusal_at_random_access(test, key.at, context, ct);
    tally_test_drop(context);
}

START_TEST(every_vector_up_to_60000_bytes_holds)
{
    json_t *j = tally_vectors_json("vectors/chunked/cobblestone-256-inflated.json"), *test;
    size_t i;
    unsigned done = 0, omitted = 0, other_key_size = 0;

    json_array_foreach(json_object_get(j, "tests"), i, test)
    {
        if (json_object_get(test, "ct") == NULL) {
            omitted++;
            continue;
        }
        struct tally_slice key = tally_test_field(test, "key"), ct = tally_test_field(test, "ct");
        if (key.len != TALLY_CHUNKED_KEY_BYTES) /* cannot be said in our interface */
            other_key_size++;
        else
            check_one(test, key, ct);
        done++;
        tally_test_drop(key);
        tally_test_drop(ct);
    }
    ck_assert_uint_eq(done, 33);
    ck_assert_uint_eq(omitted, 2);
    ck_assert_uint_eq(other_key_size, 2);
    json_decref(j);
}
END_TEST

static unsigned large_done;

static void check_large(const json_t *group, const json_t *test)
{
    uint64_t len;

    (void)group;
    if (!tally_test_flag(test, "CounterRollover")) return;
    ck_assert_int_eq(tally_chunked_file_bytes(
                         (uint64_t)json_integer_value(json_object_get(test, "msgLength")), &len),
                     TALLY_OK);
    struct tally_slice key = tally_test_field(test, "key"), zlib = tally_test_field(test, "ct");
    uint8_t *ct = tally_test_inflate(zlib, len);
    check_one(test, key, tally_slice_of(ct, len));
    large_done++;
    free(ct);
    tally_test_drop(zlib);
    tally_test_drop(key);
}

START_TEST(the_counter_goes_past_one_byte)
{
    (void)tally_wycheproof_each("vectors/chunked/cobblestone-256-vectors_aes_256_gcm.json",
                                check_large);
    ck_assert_uint_eq(large_done, 2);
}
END_TEST

static const uint8_t KEY[TALLY_CHUNKED_KEY_BYTES] = {1, 2, 3};
static const uint8_t SALT[TALLY_CHUNKED_SALT_BYTES] = {4, 5, 6};

static uint8_t *sealed_of(size_t plain_len, uint64_t *len)
{
    uint8_t *plain = malloc(plain_len + 1);

    for (size_t i = 0; i < plain_len; i++) plain[i] = (uint8_t)(i * 31 >> 3);
    ck_assert_int_eq(tally_chunked_file_bytes(plain_len, len), TALLY_OK);
    uint8_t *out = malloc(*len);
    ck_assert_int_eq(tally_chunked_seal(KEY, tally_slice_str("context"), SALT,
                                        tally_slice_of(plain, plain_len), out),
                     TALLY_OK);
    free(plain);
    return out;
}

static enum tally_status try_read(const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);
    struct memory m;

    memcpy(exact, bytes, len);
    enum tally_status s =
        read_by(KEY, tally_slice_str("context"), tally_slice_of(exact, len), 16400, &m);
    free(m.at);
    free(exact);
    return s;
}

START_TEST(every_prefix_and_every_changed_bit_is_refused)
{
    uint64_t len;
    uint8_t *bytes = sealed_of(150, &len);

    ck_assert_int_eq(try_read(bytes, len), TALLY_OK);
    for (size_t n = 0; n < len; n++) ck_assert_int_eq(try_read(bytes, n), TALLY_E_AUTH);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(try_read(bytes, len), TALLY_E_AUTH);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(bytes);
}
END_TEST

START_TEST(another_files_chunks_do_not_fit)
{
    uint64_t len, same;
    uint8_t *one = sealed_of(40000, &len), *two = malloc(len);
    uint8_t *plain = calloc(1, 40000), salt[TALLY_CHUNKED_SALT_BYTES] = {9};

    ck_assert_int_eq(tally_chunked_file_bytes(40000, &same), TALLY_OK);
    ck_assert_int_eq(tally_chunked_seal(KEY, tally_slice_str("context"), salt,
                                        tally_slice_of(plain, 40000), two),
                     TALLY_OK);
    memcpy(one + 56 + 16400, two + 56 + 16400, 16400);
    ck_assert_int_eq(try_read(one, len), TALLY_E_AUTH);
    free(plain);
    free(one);
    free(two);
}
END_TEST

START_TEST(sizes_go_both_ways)
{
    static const uint64_t plains[] = {0,
                                      1,
                                      16383,
                                      16384,
                                      16385,
                                      600000,
                                      TALLY_CHUNKED_PLAIN_MAX - 16383,
                                      TALLY_CHUNKED_PLAIN_MAX};
    uint64_t size, back;

    for (size_t i = 0; i < sizeof plains / sizeof *plains; i++) {
        ck_assert_int_eq(tally_chunked_file_bytes(plains[i], &size), TALLY_OK);
        ck_assert_int_eq(tally_chunked_plain_bytes(size, &back), TALLY_OK);
        ck_assert_uint_eq(back, plains[i]);
    }
    ck_assert_int_eq(tally_chunked_plain_bytes(size + 1, &back), TALLY_E_WIRE);
    ck_assert_int_eq(tally_chunked_plain_bytes(size + 17, &back), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_chunked_file_bytes(TALLY_CHUNKED_PLAIN_MAX + 1, &size), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_chunked_file_bytes(UINT64_MAX, &size), TALLY_E_LIMIT);
    ck_assert_int_ne(tally_chunked_plain_bytes(UINT64_MAX, &back), TALLY_OK);
    for (uint64_t bad = 0; bad < 72; bad++)
        ck_assert_int_eq(tally_chunked_plain_bytes(bad, &back), TALLY_E_WIRE);
    for (uint64_t k = 0; k < 16; k++)
        ck_assert_int_eq(tally_chunked_plain_bytes(56 + 16400 + k, &back), TALLY_E_WIRE);
    ck_assert_int_eq(tally_chunked_plain_bytes(56 + 16400 + 16, &back), TALLY_OK);
}
END_TEST

START_TEST(a_failing_sink_ends_the_writer_and_the_reader)
{
    uint64_t len;
    uint8_t *bytes = sealed_of(40000, &len), *plain = calloc(1, 40000);
    struct memory m;

    for (int n = 0; n < 5; n++) { /* salt, commitment, three chunks */
        struct tally_sink to = sink_of(&m, len);
        m.fail_at = n;
        enum tally_status s =
            tally_chunked_writer_init(&writer, KEY, tally_slice_str("context"), SALT, to);
        if (s == TALLY_OK) s = tally_chunked_writer_add(&writer, tally_slice_of(plain, 40000));
        if (s == TALLY_OK) s = tally_chunked_writer_end(&writer);
        ck_assert_int_eq(s, TALLY_E_IO);
        ck_assert_int_eq(tally_chunked_writer_end(&writer), TALLY_E_STATE);
        tally_chunked_writer_free(&writer);
        free(m.at);
    }
    for (int n = 0; n < 3; n++) {
        struct tally_sink to = sink_of(&m, len);
        m.fail_at = n;
        ck_assert_int_eq(tally_chunked_reader_init(&reader, KEY, tally_slice_str("context"), to),
                         TALLY_OK);
        ck_assert_int_eq(feed_reader(tally_slice_of(bytes, len), len), TALLY_E_IO);
        ck_assert_int_eq(tally_chunked_reader_end(&reader), TALLY_E_STATE);
        tally_chunked_reader_free(&reader);
        free(m.at);
    }
    free(plain);
    free(bytes);
}
END_TEST

static enum tally_status refuse_to_read(void *from, uint64_t offset, uint8_t *to, size_t len)
{
    (void)from;
    (void)to;
    return TALLY_FAIL(TALLY_E_IO, "%zu bytes at %llu", len, (unsigned long long)offset);
}

START_TEST(a_range_with_a_bad_chunk_is_zeros)
{
    uint64_t len;
    uint8_t *bytes = sealed_of(50000, &len), out[20000], zeros[20000] = {0};
    struct tally_slice ct = tally_slice_of(bytes, len);
    struct tally_chunked_source broken = {.read = refuse_to_read};

    bytes[56 + 16400 + 7] ^= 1; /* chunk 1 */
    ck_assert_int_eq(
        tally_chunked_file_open(&file, KEY, tally_slice_str("context"), source_of(&ct, true), len),
        TALLY_OK);
    ck_assert_int_eq(tally_chunked_file_range(&file, 10, 16000, out), TALLY_OK);
    ck_assert_int_eq(tally_chunked_file_range(&file, 10, sizeof out, out), TALLY_E_AUTH);
    ck_assert_mem_eq(out, zeros, sizeof out);
    tally_chunked_file_close(&file);
    ck_assert_int_eq(tally_chunked_file_open(&file, KEY, tally_slice_str("context"), broken, len),
                     TALLY_E_IO);
    ck_assert_int_eq(tally_chunked_file_open(&file, KEY, tally_slice_str("context"),
                                             source_of(&ct, true), len + 1),
                     TALLY_E_WIRE);
    free(bytes);
}
END_TEST

START_TEST(a_longer_context_is_refused)
{
    uint8_t context[TALLY_CHUNKED_CONTEXT_MAX + 1] = {0};
    struct tally_chunked c = {0};
    struct memory m;
    struct tally_sink to = sink_of(&m, 100);

    ck_assert_int_eq(tally_chunked_init(&c, KEY, TALLY_SLICE(context), SALT), TALLY_E_LIMIT);
    ck_assert_int_eq(tally_chunked_reader_init(&reader, KEY, TALLY_SLICE(context), to),
                     TALLY_E_LIMIT);
    ck_assert_int_eq(tally_chunked_reader_end(&reader), TALLY_E_STATE);
    ck_assert_int_eq(tally_chunked_init(&c, KEY, tally_slice_of(context, sizeof context - 1), SALT),
                     TALLY_OK);
    tally_chunked_free(&c);
    free(m.at);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("chunked");

    tally_vectors_need();
    tcase_add_test(t, every_vector_up_to_60000_bytes_holds);
    tcase_add_test(t, the_counter_goes_past_one_byte);
    tcase_add_test(t, every_prefix_and_every_changed_bit_is_refused);
    tcase_add_test(t, another_files_chunks_do_not_fit);
    tcase_add_test(t, sizes_go_both_ways);
    tcase_add_test(t, a_failing_sink_ends_the_writer_and_the_reader);
    tcase_add_test(t, a_range_with_a_bad_chunk_is_zeros);
    tcase_add_test(t, a_longer_context_is_refused);
    return tally_suite_run("common/chunked", t);
}
