/* isa.h - the instruction sets that vector loops are compiled for, and the best one here. */
#pragma once

enum tally_isa {
    TALLY_ISA_BASE,   /* what every processor of the architecture has */
    TALLY_ISA_AVX2,   /* AVX2 and FMA */
    TALLY_ISA_AVX512, /* F, DQ, VL and BW */
    TALLY_ISAS
};

/* Of this processor; TALLY_ISA_BASE on anything but x86-64. Cheap enough to ask per call. */
enum tally_isa tally_isa_best(void);
