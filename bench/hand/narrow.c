/* narrow.c: the kernels for 256-bit vectors; compiled for AVX2 with FMA. */
#define KERNELS tw_hand_narrow
#define NAME "256 bits"
#include "bench/hand/kernels.inc"
