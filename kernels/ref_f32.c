/* ref_f32.c - the plain backend for float: see ref.inc. */
#define REAL  float
#define TABLE tally_backend_ref
#define NAME  "ref"
#include "kernels/ref.inc"
