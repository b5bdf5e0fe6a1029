/* software.h - the version that key blocks, HELLO and --version name. */
#pragma once

#define TALLY_SOFTWARE "0.1.0"
