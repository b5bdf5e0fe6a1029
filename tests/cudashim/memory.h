/* memory.h - inside of the shim: device and pinned memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

void *shim_memory_take(size_t bytes); /* NULL: full */
bool shim_memory_return(void *p);     /* false: no such block */
size_t shim_memory_used(void);
bool shim_memory_holds(const void *p, size_t bytes);

/* The host, playing the device, may touch the memory in between; nests. */
void shim_unlock(void);
void shim_lock(void);

void *shim_pinned_take(size_t bytes);
void shim_pinned_return(void *p);
bool shim_pinned_holds(const void *p, size_t bytes);
