/* wide.h - 128 bits, which ISO C has no name for. */
#pragma once

__extension__ typedef unsigned __int128 tally_wide;
