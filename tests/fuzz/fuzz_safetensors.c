/* fuzz_safetensors.c - any bytes as a model file: refused, or every tensor lies inside. */
#include <stdlib.h>

#include "common/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tally_safetensors s;

    if (tally_safetensors_read(tally_slice_of(data, size), &s) != TALLY_OK) return 0;
    for (uint32_t i = 0; i < s.tensors_n; i++) {
        const struct tally_slice d = s.tensors[i].data;
        if (d.len != 0 && (d.at < data || d.at + d.len > data + size)) abort();
        if (d.len != s.tensors[i].elements * tally_dtype_bytes(s.tensors[i].dtype)) abort();
    }
    tally_safetensors_free(&s);
    return 0;
}
