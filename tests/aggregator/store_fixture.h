/* store_fixture.h - a store in a folder of its own, and records to put into it. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregator/store.h"
#include "tests/lib/suite.h"

static struct tally_store *store;
static char dir[64];
static const uint8_t job[32] = {1}, key_id[32] = {0x11}, key_id2[32] = {0x22};

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

static inline void put_instance(const uint8_t id[32])
{
    struct tally_store_instance i = {.key_block = tally_slice_str("kb"),
                                     .ev = tally_slice_str("ev"),
                                     .endorsements = tally_slice_str(""),
                                     .created_ms = 5};
    memcpy(i.key_id, id, 32);
    ck_assert_int_eq(tally_store_instance_put(store, &i), TALLY_OK);
}

static inline void new_folder(void)
{
    (void)snprintf(dir, sizeof dir, P_tmpdir "/tally-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static inline void remove_folder(void)
{
    (void)nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void store_up(void)
{
    new_folder();
    ck_assert_int_eq(tally_store_open(&store, dir, false), TALLY_OK);
    put_instance(key_id);
    put_instance(key_id2);
}

static inline void store_down(void)
{
    tally_store_close(&store);
    ck_assert_ptr_null(store);
    remove_folder();
}

static inline void restart(void)
{
    tally_store_close(&store);
    ck_assert_int_eq(tally_store_open(&store, dir, false), TALLY_OK);
}

static inline enum tally_status open_round(uint64_t round, const char *open)
{
    struct tally_store_round r = {.round = round,
                                  .kind = 2,
                                  .state = 3,
                                  .open = tally_slice_str(open),
                                  .opened_ms = 100,
                                  .deadline_ms = 200};
    memcpy(r.job, job, 32);
    memcpy(r.open_key_id, key_id, 32);
    return tally_store_round_open(store, &r);
}

static inline enum tally_status freeze_round(uint64_t round, uint8_t set)
{
    const uint8_t digest[32] = {set};
    char record[8];

    (void)snprintf(record, sizeof record, "set%u", set);
    return tally_store_round_freeze(store, job, round, digest, tally_slice_str(record), 300);
}

/* A sealed file of n bytes. */
static inline void put_file(const char *path, size_t n)
{
    char full[128];

    (void)snprintf(full, sizeof full, "%s/sealed", dir);
    (void)mkdir(full, 0700);
    (void)snprintf(full, sizeof full, "%s/%s", dir, path);
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)n), 0);
    ck_assert_int_eq(close(fd), 0);
}

static inline struct tally_store_update update_of(const char *org, uint64_t round, uint8_t st)
{
    struct tally_store_update u = {
        .key = {.round = round, .org = org, .node = "n1"},
        .st_digest = {st             },
        .ev_digest = {2             },
        .seal_digest = {3             },
        .head = tally_slice_str("head"),
        .key_block = tally_slice_str("agent kb"),
        .appraised_ms = 150,
        .wrap = tally_slice_str("wrap"),
        .ack = {st,              9                      },
        .path = "sealed/a",
        .sealed_bytes = 77,
        .examples = 1000,
        .accepted_ms = 160,
    };

    memcpy(u.key.job, job, 32);
    memcpy(u.wrap_key_id, key_id, 32);
    memcpy(u.ack_key_id, key_id, 32);
    return u;
}
