/* memory.c - the device's memory: one mapping that the host may touch only while the device runs,
 * with a first-fit allocator whose books are outside. */
#include "tests/cudashim/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/status.h"
#include "tests/cudashim/shim.h"

#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#if defined(WATCHED)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum { BLOCKS_MAX = 512, ALIGN = 256, PINNED_MAX = 64, SCRIBBLE = 1 << 16 };

struct range {
    char *at;
    size_t bytes;
};

static char *arena;
static struct range blocks[BLOCKS_MAX]; /* in use, sorted */
static size_t block_count, used_bytes;
static struct range pinned[PINNED_MAX];
static int unlocked;

static void map(void)
{
    if (arena != NULL) return;
    void *p = mmap(NULL, TALLY_SHIM_MEMORY, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    TALLY_ASSERT(p != MAP_FAILED);
    arena = p;
    ASAN_POISON_MEMORY_REGION(arena, TALLY_SHIM_MEMORY);
}

void shim_unlock(void)
{
    map();
    if (unlocked++ == 0)
        TALLY_ASSERT(mprotect(arena, TALLY_SHIM_MEMORY, PROT_READ | PROT_WRITE) == 0);
}

void shim_lock(void)
{
    if (--unlocked == 0) TALLY_ASSERT(mprotect(arena, TALLY_SHIM_MEMORY, PROT_NONE) == 0);
}

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* The gap before block i, or after the last one. */
static struct range gap(size_t i)
{
    char *from = i == 0 ? arena : blocks[i - 1].at + rounded(blocks[i - 1].bytes);
    char *end = i == block_count ? arena + TALLY_SHIM_MEMORY : blocks[i].at;

    return (struct range){from, (size_t)(end - from)};
}

void *shim_memory_take(size_t bytes)
{
    map();
    if (bytes > TALLY_SHIM_MEMORY || used_bytes + rounded(bytes) > tally_shim.memory_bytes)
        return NULL;
    TALLY_ASSERT(block_count < BLOCKS_MAX);
    for (size_t i = 0; i <= block_count; i++) {
        struct range g = gap(i);
        if (g.bytes < rounded(bytes)) continue;
        memmove(blocks + i + 1, blocks + i, (block_count - i) * sizeof *blocks);
        blocks[i] = (struct range){g.at, bytes};
        block_count++;
        used_bytes += rounded(bytes);
        ASAN_UNPOISON_MEMORY_REGION(g.at, bytes);
        shim_unlock();
        memset(g.at, 0xa5, bytes < SCRIBBLE ? bytes : SCRIBBLE); /* new memory holds anything */
        shim_lock();
        return g.at;
    }
    return NULL;
}

bool shim_memory_return(void *p)
{
    for (size_t i = 0; i < block_count; i++) {
        if (blocks[i].at != p) continue;
        ASAN_POISON_MEMORY_REGION(p, blocks[i].bytes);
        used_bytes -= rounded(blocks[i].bytes);
        block_count--;
        memmove(blocks + i, blocks + i + 1, (block_count - i) * sizeof *blocks);
        return true;
    }
    return false;
}

size_t shim_memory_used(void)
{
    return used_bytes;
}

static bool within(const struct range *ranges, size_t n, const void *p, size_t bytes)
{
    const char *at = p;

    for (size_t i = 0; i < n; i++)
        if (at >= ranges[i].at && at + bytes <= ranges[i].at + ranges[i].bytes) return true;
    return false;
}

bool shim_memory_holds(const void *p, size_t bytes)
{
    return within(blocks, block_count, p, bytes);
}

void *shim_pinned_take(size_t bytes)
{
    void *p = malloc(bytes);

    if (p == NULL) return NULL;
    size_t i = 0;
    while (i < PINNED_MAX && pinned[i].at != NULL) i++;
    TALLY_ASSERT(i < PINNED_MAX);
    pinned[i] = (struct range){p, bytes};
    return p;
}

void shim_pinned_return(void *p)
{
    for (size_t i = 0; i < PINNED_MAX; i++)
        if (pinned[i].at == p) pinned[i] = (struct range){NULL, 0};
    free(p);
}

bool shim_pinned_holds(const void *p, size_t bytes)
{
    for (size_t i = 0; i < PINNED_MAX; i++)
        if (pinned[i].at != NULL && within(&pinned[i], 1, p, bytes)) return true;
    return false;
}
