/* published.h: the figures that Milkert, Hyde & Laine (ICML 2025) print. NaN: none is given. */
#ifndef TW_PAPER_PUBLISHED_H
#define TW_PAPER_PUBLISHED_H

#include <math.h>

enum { TARGETS = 4, WAYS = 5 };
static const char *const targets[TARGETS] = {"x³", "x¹¹", "sin x", "tanh 3x"};
static const char *const ways[WAYS] = {"kaiming", "raai", "skip", "free", "full"};

static const double published_min[WAYS][TARGETS] = {{2.11e-5, 2.19e-5, 4.50e-5, 5.75e-5},
                                                    {2.14e-5, 4.40e-5, 3.59e-5, 1.09e-5},
                                                    {7.63e-7, 1.86e-5, 1.96e-7, 1.07e-6},
                                                    {1.64e-7, 3.20e-6, 4.41e-8, 1.49e-7},
                                                    {7.86e-8, 8.86e-7, 5.06e-8, 6.82e-8}};
static const double published_mean[WAYS][TARGETS] = {{7.20e-2, 2.82e-2, NAN, NAN},
                                                     {3.97e-2, 4.12e-2, NAN, NAN},
                                                     {3.89e-5, 3.56e-4, NAN, NAN},
                                                     {1.02e-5, 3.73e-5, NAN, NAN},
                                                     {5.27e-7, 7.87e-6, NAN, NAN}};
static const double published_sparse[WAYS][TARGETS] = {{2.41e-4, 2.14e-3, 2.27e-5, 1.60e-4},
                                                       {NAN, NAN, NAN, NAN},
                                                       {NAN, NAN, NAN, NAN},
                                                       {NAN, NAN, NAN, NAN},
                                                       {5.65e-6, 6.53e-4, 7.92e-7, 5.09e-6}};
static const double published_difference = 5.52e-7, published_difference_dense = 8e-6;
static const double published_radial = 3.5e-6, published_radial_dense = 1.5e-4;

#endif
