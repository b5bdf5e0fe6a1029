/* test_merkle.c - common/merkle.c against the reference tree of RFC 6962 implementations
 * (transparency-dev/merkle). */
#include "common/merkle.h"

#include <string.h>

#include "common/hash.h"
#include "tests/lib/suite.h"
#include "tests/lib/vectors.h"

static const char file[] = "vectors/merkle/rfc6962-reference-tree.json";

static uint8_t *hex_at(const json_t *array, size_t i, size_t *len)
{
    return tally_test_unhex(json_string_value(json_array_get(array, i)), len);
}

static void check_root(const struct tally_merkle *m, const json_t *roots)
{
    size_t len;
    uint8_t *want = hex_at(roots, m->leaves, &len), got[TALLY_MERKLE_BYTES];

    ck_assert_uint_eq(len, sizeof got);
    tally_merkle_root(m, got);
    ck_assert_mem_eq(got, want, sizeof got);
    free(want);
}

START_TEST(every_size_of_the_reference_tree_has_its_root)
{
    json_t *j = tally_vectors_json(file);
    const json_t *leaves = json_object_get(j, "leaf_inputs_hex");
    const json_t *roots = json_object_get(j, "root_hashes_hex_by_tree_size");
    const json_t *hashes = json_array_get(json_object_get(j, "node_hashes_hex_by_level"), 0);
    struct tally_merkle m = {0};

    ck_assert_uint_eq(json_array_size(leaves), 8);
    ck_assert_uint_eq(json_array_size(roots), 9);
    check_root(&m, roots);
    for (size_t i = 0; i < json_array_size(leaves); i++) {
        size_t len, hash_len;
        uint8_t *leaf = hex_at(leaves, i, &len), *want = hex_at(hashes, i, &hash_len);
        uint8_t hash[TALLY_MERKLE_BYTES];
        tally_merkle_leaf(tally_slice_of(leaf, len), hash);
        ck_assert_mem_eq(hash, want, hash_len);
        tally_merkle_add(&m, hash);
        check_root(&m, roots);
        free(want);
        free(leaf);
    }
    json_decref(j);
}
END_TEST

START_TEST(the_inner_nodes_of_the_reference_tree_are_reproduced)
{
    json_t *j = tally_vectors_json(file);
    const json_t *levels = json_object_get(j, "node_hashes_hex_by_level");
    unsigned checked = 0;

    for (size_t l = 1; l < json_array_size(levels); l++) {
        const json_t *above = json_array_get(levels, l), *below = json_array_get(levels, l - 1);
        for (size_t i = 0; i < json_array_size(above); i++, checked++) {
            size_t len;
            uint8_t *left = hex_at(below, 2 * i, &len), *right = hex_at(below, 2 * i + 1, &len);
            uint8_t *want = hex_at(above, i, &len), got[TALLY_MERKLE_BYTES];
            tally_merkle_node(left, right, got);
            ck_assert_mem_eq(got, want, sizeof got);
            free(left);
            free(right);
            free(want);
        }
    }
    ck_assert_uint_eq(checked, 4 + 2 + 1);
    json_decref(j);
}
END_TEST

/* RFC 6962 section 2.1, word for word. */
static void root_of(uint8_t (*leaves)[TALLY_MERKLE_BYTES], size_t n,
                    uint8_t out[TALLY_MERKLE_BYTES])
{
    uint8_t left[TALLY_MERKLE_BYTES], right[TALLY_MERKLE_BYTES];
    size_t k = 1;

    if (n == 1) {
        memcpy(out, leaves[0], TALLY_MERKLE_BYTES);
        return;
    }
    while (2 * k < n) k *= 2;
    root_of(leaves, k, left);
    root_of(leaves + k, n - k, right);
    tally_merkle_node(left, right, out);
}

START_TEST(three_hundred_sizes_agree_with_the_definition)
{
    static uint8_t leaves[300][TALLY_MERKLE_BYTES];
    uint8_t want[TALLY_MERKLE_BYTES], got[TALLY_MERKLE_BYTES];
    struct tally_merkle m = {0};

    for (size_t i = 0; i < 300; i++) {
        tally_merkle_leaf(tally_slice_of(&i, sizeof i), leaves[i]);
        tally_merkle_add(&m, leaves[i]);
        root_of(leaves, i + 1, want);
        tally_merkle_root(&m, got);
        ck_assert_mem_eq(got, want, sizeof got);
    }
}
END_TEST

START_TEST(a_copy_goes_on_from_where_it_was_made)
{
    uint8_t leaf[TALLY_MERKLE_BYTES] = {1}, one[TALLY_MERKLE_BYTES], two[TALLY_MERKLE_BYTES];
    struct tally_merkle m = {0};

    for (int i = 0; i < 5; i++) tally_merkle_add(&m, leaf);
    struct tally_merkle copy = m;
    tally_merkle_root(&m, one);
    tally_merkle_add(&m, leaf);
    tally_merkle_root(&m, two);
    ck_assert(memcmp(one, two, sizeof one) != 0);
    tally_merkle_add(&copy, leaf);
    tally_merkle_root(&copy, one);
    ck_assert_mem_eq(one, two, sizeof one);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("merkle");

    tally_vectors_need();
    tcase_add_test(t, every_size_of_the_reference_tree_has_its_root);
    tcase_add_test(t, the_inner_nodes_of_the_reference_tree_are_reproduced);
    tcase_add_test(t, three_hundred_sizes_agree_with_the_definition);
    tcase_add_test(t, a_copy_goes_on_from_where_it_was_made);
    return tally_suite_run("common/merkle", t);
}
