/* regions.c: the region counter's functions of regions.h.
 *
 * requires: coefficients of the tape's length.
 * provides: exact counts, or a reason why there are none; never a wrong one.
 *
 * docs/regions.md says what is counted and how. */
#include "runtime/regions.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/regions_internal.h"

TwRtCounter *tw_rt_counter_new(const TwRtPl *pl) {
  TwRtCounter *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  c->lanes = tw_rg_lanes_best();
  tw_rg_tape_init(&c->tape, pl);
  if (!c->tape.error && !tw_rg_sweep_init(c)) c->tape.error = "out of memory";
  c->ex.tape = &c->tape;
  return c;
}

void tw_rt_counter_limit(TwRtCounter *c, uint32_t most) { c->most = most < TW_RG_MAX_PIECES ? most : TW_RG_MAX_PIECES; }

const char *tw_rt_counter_error(const TwRtCounter *c) { return c->error; }

void tw_rt_counter_free(TwRtCounter *c) {
  if (!c) return;
  tw_rg_fast_free(c->fast);
  tw_rg_exact_free(&c->ex);
  tw_rg_tally_free(&c->tally);
  tw_rg_sweep_free(c);
  tw_rg_tape_free(&c->tape);
  free(c);
}

static const char *refuse(const TwRtCounter *c, const double *coeffs, double lo, double hi, double sliver) {
  if (c->tape.error) return c->tape.error;
  if (!coeffs && c->tape.n_coeffs > 0) return "there are no coefficients";
  if (!(fabs(lo) <= 0x1p900) || !(fabs(hi) <= 0x1p900)) return "the interval is not finite";
  if (!(lo < hi)) return "the interval is empty";
  if (!(sliver >= 0 && sliver < 1)) return "the sliver ratio is not in [0, 1)";
  return NULL;
}

TwRtRegions tw_rg_count(TwRtCounter *c, const double *coeffs, double lo, double hi, double sliver, bool keep) {
  TwRtRegions none = {0}, r = {0};
  c->error = refuse(c, coeffs, lo, hi, sliver);
  if (c->error) return none;
  tw_rg_tally_start(&c->tally, &c->ex, sliver, keep);
  if (!tw_rg_sweep(c, coeffs, lo, hi)) return none;
  if (!tw_rg_tally_end(&c->tally, &r)) {
    c->error = c->tally.error;
    return none;
  }
  for (uint32_t i = 0; i < c->tape.n_ops; i++) r.dead += c->tape.ops[i].is_unit && !c->alive[i];
  r.counted = true;
  return r;
}

TwRtRegions tw_rt_count(TwRtCounter *c, const double *coeffs, double lo, double hi, double sliver) {
  if (!c) return (TwRtRegions){0};
  return tw_rg_count(c, coeffs, lo, hi, sliver, false);
}

/* Nets whose weights are rounded to f64 are in doubt nearly always: ask ever more seldom, up to every 64th time. */
static bool ask_fast(TwRtCounter *c, const double *coeffs, double lo, double hi, double sliver, TwRtRegions *out) {
  if (!c->fast_tried) c->fast = tw_rg_fast_new(&c->tape);
  c->fast_tried = true;
  if (!c->fast) return false;
  if (c->fast_wait > 0) {
    c->fast_wait--;
    return false;
  }
  c->fast_asked++;
  if (tw_rg_fast_count(c->fast, coeffs, lo, hi, sliver, out) && out->pieces <= c->most) {
    c->fast_told++;
    c->fast_misses = 0;
    return true;
  }
  if (c->fast_misses < 6) c->fast_misses++;
  c->fast_wait = (1u << c->fast_misses) - 2;
  return false;
}

TwRtRegions tw_rt_count_pieces(TwRtCounter *c, const double *coeffs, double lo, double hi, double sliver) {
  TwRtRegions r = {0};
  if (!c) return r;
  c->error = refuse(c, coeffs, lo, hi, sliver);
  if (c->error || ask_fast(c, coeffs, lo, hi, sliver, &r)) return r;
  r = tw_rt_count(c, coeffs, lo, hi, sliver);
  return (TwRtRegions){.counted = r.counted, .pieces = r.pieces};
}

bool tw_rt_counter_find(TwRtCounter *c, const double *coeffs, double lo, double hi, double sliver, TwRtQuantity q,
                        TwRtFound *out) {
  TwRtPieces p = {.counts = tw_rg_count(c, coeffs, lo, hi, sliver, true)};
  if (!p.counts.counted) return false;
  p.n = c->tally.n_list;
  p.pieces = c->tally.list;
  *out = tw_rt_pieces_find(&p, q);
  return true;
}

void tw_rt_regions(const TwRtPl *pl, const double *coeffs, double lo, double hi, double sliver, TwRtPieces *out) {
  *out = (TwRtPieces){0};
  TwRtCounter *c = tw_rt_counter_new(pl);
  if (!c) {
    out->error = "out of memory";
    return;
  }
  out->counts = tw_rg_count(c, coeffs, lo, hi, sliver, true);
  out->error = c->error;
  if (!out->error) {
    out->n = c->tally.n_list;
    out->pieces = c->tally.list;
    c->tally.list = NULL;
  }
  tw_rt_counter_free(c);
}

void tw_rt_pieces_free(TwRtPieces *p) {
  free(p->pieces);
  *p = (TwRtPieces){0};
}
