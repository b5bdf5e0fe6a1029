/* gpu_report.h - the report of an NVIDIA GPU or NVSwitch: an SPDM 1.1 GET_MEASUREMENTS request (37
 * bytes) and its MEASUREMENTS response, as on the wire (DMTF DSP0274; ATTESTATION.md C3.1).
 *
 * One struct, one decoder, one encoder; decode then encode gives the same bytes. The decoder
 * checks structure alone and is as strict as the format allows. Nothing decoded is true before the
 * signature verified. */
#pragma once

#include "common/bytes.h"

enum {
    TALLY_GPU_REPORT_BYTES_MAX = 8 * 1024, /* real ones: 2168 to 4274 */
    TALLY_GPU_NONCE_BYTES = 32,
    TALLY_GPU_BLOCKS = 64,    /* of a GPU */
    TALLY_SWITCH_BLOCKS = 31, /* of an NVSwitch */
    TALLY_GPU_DIGEST_BYTES = 48,
    TALLY_GPU_SIG_BYTES = 96, /* r || s, big-endian */
    TALLY_GPU_OPAQUE_MAX = 64,
    TALLY_GPU_OPAQUE_BYTES_MAX = 256,
    TALLY_GPU_FWID_BYTES = 48,
    TALLY_GPU_ID_BYTES = 8,
    TALLY_GPU_LINKS_MAX = 32, /* switch ids in one GPU's report; real ones: 18 */
    TALLY_GPU_PEERS_MAX = 8,  /* GPU ids in one switch's report */
    TALLY_GPU_TEXT_SIZE = 32, /* with the final zero */
};

/* Fields of the opaque data that mean something here; others are kept as they are. */
enum tally_gpu_field {
    TALLY_GPU_DRIVER = 3,       /* text, padded with zeros */
    TALLY_GPU_VBIOS = 6,        /* GPU: 8 bytes; switch: text */
    TALLY_GPU_NVDEC0 = 11,      /* 1 byte: on or off */
    TALLY_GPU_CHIP_SKU = 15,    /* text, as are the next two */
    TALLY_GPU_PROJECT = 17,     /* "1010" */
    TALLY_GPU_PROJECT_SKU = 18, /* "0200" */
    TALLY_GPU_FWID = 20,        /* SHA-384 of the firmware that holds the signing key */
    TALLY_GPU_PPCIE = 21,       /* protected PCIe, 1 byte: on or off */
    TALLY_GPU_SWITCHES = 22,    /* GPU: 8 bytes per link; switch: its own id */
    TALLY_GPU_PEERS = 26,       /* switch: 8 ids of 8 bytes (all ff: none), 64 bytes port map */
    TALLY_GPU_FEATURE = 36,     /* u16: enum tally_gpu_mode */
    TALLY_GPU_INVALID = 255,    /* never in a report */
};
enum { TALLY_GPU_ON = 0xaa, TALLY_GPU_OFF = 0x55 };

enum tally_gpu_mode {
    TALLY_GPU_SINGLE,
    TALLY_GPU_MULTI,
    TALLY_GPU_PPCIE_MODE,
    TALLY_GPU_MODES,
    TALLY_GPU_MODE_UNKNOWN = TALLY_GPU_MODES, /* not said, or a number that is not known */
};

struct tally_gpu_opaque {
    uint16_t type;
    struct tally_slice value; /* borrowed from the report, or from who builds one */
};

struct tally_gpu_report {
    struct {
        uint8_t version, code, param1, param2, nonce[TALLY_GPU_NONCE_BYTES], slot;
    } request;
    struct {
        uint8_t version, code, param1, param2, nonce[TALLY_GPU_NONCE_BYTES];
    } response;
    uint8_t blocks_n; /* block i has index i + 1 */
    uint8_t types[TALLY_GPU_BLOCKS];
    uint8_t digests[TALLY_GPU_BLOCKS][TALLY_GPU_DIGEST_BYTES];
    struct tally_gpu_opaque opaque[TALLY_GPU_OPAQUE_MAX]; /* in the report's order */
    uint32_t opaque_n;
    uint8_t signature[TALLY_GPU_SIG_BYTES];
    struct tally_slice signed_part; /* of the decoded bytes; not used by encode */
};

/* E_OVERSIZE, E_TRUNCATED, E_TRAILING (any byte after the signature; with `padded`, any but zero),
 * E_VERSION (not SPDM 1.1), E_RESERVED_NONZERO (response param1), E_FORMAT for everything else:
 * request not exactly 11 E0 01 FF with slot 0, a number of blocks that neither a GPU (64) nor a
 * switch (31) has, blocks out of order or of another size, a known opaque field twice, of another
 * size or with another value than its few, a field that every GPU or switch has missing. */
TALLY_RESULT tally_gpu_report_decode(struct tally_slice in, bool padded,
                                     struct tally_gpu_report *out);
/* The bytes of any values, right or wrong. */
void tally_gpu_report_encode(const struct tally_gpu_report *r, struct tally_wr *w);
/* The part that is signed, alone. */
void tally_gpu_report_encode_signed(const struct tally_gpu_report *r, struct tally_wr *w);

/* Everything below is of a decoded report. */
static inline bool tally_gpu_is_switch(const struct tally_gpu_report *r)
{
    return r->blocks_n == TALLY_SWITCH_BLOCKS;
}
/* at == NULL: not in the report. */
struct tally_slice tally_gpu_field(const struct tally_gpu_report *r, enum tally_gpu_field type);
/* Text without its padding; empty where there is none. */
struct tally_slice tally_gpu_text(const struct tally_gpu_report *r, enum tally_gpu_field type);
/* "96.00.5E.00.01". */
void tally_gpu_vbios(const struct tally_gpu_report *r, char out[TALLY_GPU_TEXT_SIZE]);
/* "1010_0200_882": project, project SKU, chip SKU; "" in a switch's. */
void tally_gpu_sku(const struct tally_gpu_report *r, char out[TALLY_GPU_TEXT_SIZE]);
/* Is this field of one byte on? False where it is off or absent. */
bool tally_gpu_is_on(const struct tally_gpu_report *r, enum tally_gpu_field type);
/* By the feature flag; reports of older drivers have none. */
enum tally_gpu_mode tally_gpu_mode(const struct tally_gpu_report *r);
const char *tally_gpu_mode_name(enum tally_gpu_mode m); /* "single", "multi", "ppcie", "unknown" */
