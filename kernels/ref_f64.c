/* ref_f64.c - the plain backend for double: see ref.inc. */
#define REAL  double
#define TABLE tally_backend_ref64
#define NAME  "ref64"
#include "kernels/ref.inc"
