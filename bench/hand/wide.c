/* wide.c: the kernels for 512-bit vectors; compiled for AVX-512. */
#define KERNELS tw_hand_wide
#define NAME "512 bits"
#include "bench/hand/kernels.inc"
