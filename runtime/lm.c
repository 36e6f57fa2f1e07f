/* lm.c: one iteration of Levenberg and Marquardt's method.
 *
 * The loss is the sum of the squares of residuals r(p), whose Jacobian J the compiled code gives a block of rows at a
 * time. A step d solves (JᵀJ + m D) d = -Jᵀr with D the diagonal of JᵀJ (Marquardt), its least entries raised to a
 * small part of the largest. The gain is what the loss has lost over what the linear model foretold; m follows it as
 * in Madsen, Nielsen & Tingleff, Methods for Non-Linear Least Squares Problems (2004): times max(1/3, 1 - (2 gain -
 * 1)^3) after a step that lowers the loss, times 2, 4, 8, … after those in a row that do not, and which are not taken.
 *
 * Normal equations and not QR: JᵀJ is summed block by block as the rows are made, so memory does not grow with
 * the data, at half the work; that the condition number is squared is what the damping is there for, and f64 for both.
 *
 * A coordinate that the projection holds where it is, at a bound, is left out of the system and the rest is solved
 * again: else the bound would spoil the step of the others. */
#include <math.h>
#include <string.h>

#include "runtime/normal.h"
#include "runtime/second.h"

/* TwRtSecond.state: what is carried. The Jacobian is made again if it is not there. */
enum { DAMPING, GROWTH };

static const double FLOOR = 1e-9, LEAST = 1e-18, MOST = 1e20; /* of D; of the damping */
enum { MAX_HELD = 3 }; /* times the system is solved again without what is held */

/* ---- JᵀJ and Jᵀr */

static void widen(double *to, const void *from, uint64_t n, bool f64) {
  for (uint64_t k = 0; k < n; k++) to[k] = tw_rt_get(from, k, f64);
}

/* Binds a square's operands to the block of rows from `row`. Columns that are whole come as they are. */
static void bind_block(TwRtStageRun *g, const TwRtSquares *q, int64_t row) {
  TwRtWorker *w = g->w;
  TwRtSecond *s = &w->second;
  uint64_t room = tw_nm_stride((uint64_t)q->block),
           valid = (uint64_t)(q->rows - row < q->block ? q->rows - row : q->block);
  for (uint32_t i = 0; i < q->fn.n_in; i++) {
    const TwRtSlot *slot = &q->fn.in[i];
    if (slot->role == TW_RT_VALUES) w->in[i] = s->values;
    else if (slot->role == TW_RT_FLAT) w->in[i] = s->flat;
    else {
      bool whole = slot->count != (uint64_t)q->block || (row == 0 && valid == (uint64_t)q->block);
      const void *column = w->run->datas.at[slot->data].at[slot->index];
      if (whole && w->f64) {
        w->in[i] = (void *)(uintptr_t)column;
        continue;
      }
      if (whole) {
        w->in[i] = w->run->wide[slot->data][slot->index];
        continue;
      }
      double *to = s->columns + i * room;
      for (uint64_t k = 0; k < room; k++) /* rows past the end repeat the last one, and count for nothing */
        to[k] = tw_rt_get(column, (uint64_t)row + (k < valid ? k : valid - 1), w->f64);
      w->in[i] = to;
    }
  }
}

static void clear_tail(double *column, uint64_t valid, uint64_t room) {
  if (valid < room) memset(column + valid, 0, (room - valid) * sizeof *column);
}

/* The block's rows of the one input of the data, bound; NULL: there are several, or none. */
static const double *input_of(const TwRtStageRun *g, const TwRtSquares *q) {
  const double *t = NULL;
  for (uint32_t i = 0; i < q->fn.n_in; i++) {
    const TwRtSlot *slot = &q->fn.in[i];
    if (slot->role == TW_RT_COLUMN && slot->index == 0 && g->w->p->datas[slot->data].n_inputs == 1) t = g->w->in[i];
  }
  return t;
}

static void add_block(TwRtStageRun *g, const TwRtSquares *q, int64_t row) {
  TwRtWorker *w = g->w;
  TwRtSecond *s = &w->second;
  uint64_t n = g->st->n_flat, room = tw_nm_stride((uint64_t)q->block);
  uint64_t valid = (uint64_t)(q->rows - row < q->block ? q->rows - row : q->block);
  double *residuals = s->block, *jacobian = s->block + q->per_row * room;
  bind_block(g, q, row);
  for (uint32_t i = 0; i < q->fn.n_out; i++) {
    const TwRtSlot *slot = &q->fn.out[i];
    if (slot->role == TW_RT_RESIDUAL) w->out[i] = residuals + slot->index * room;
    else if (q->by_rows) w->out[i] = s->rows + slot->index * room * n;
    else w->out[i] = jacobian + slot->index * room;
  }
  const double *t = input_of(g, q);
  q->fn.entry(&(TwRtCall){.in = (const void *const *)w->in, .out = w->out, .work = w->work, .pool = w->pool});
  for (uint32_t j = 0; j < q->per_row; j++) {
    double *r = residuals + j * room, *columns = jacobian + j * n * room;
    clear_tail(r, valid, room);
    for (uint64_t k = 0; k < n; k++) {
      for (uint64_t i = 0; q->by_rows && i < valid; i++) columns[k * room + i] = s->rows[j * room * n + i * n + k];
      clear_tail(columns + k * room, valid, room);
    }
    uint64_t left = t ? tw_nm_squeeze(NULL, t, columns, r, valid, room, n, s->marks) : room;
    tw_nm_accumulate(NULL, columns, r, left, n, s->gram, s->rhs);
  }
}

static void assemble(TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  TwRtSecond *s = &w->second;
  uint64_t n = g->st->n_flat;
  widen(s->values, w->values, w->p->n_values, w->f64);
  widen(s->flat, w->flat[g->cur], n, w->f64);
  memset(s->gram, 0, n * tw_nm_stride(n) * sizeof *s->gram);
  memset(s->rhs, 0, n * sizeof *s->rhs);
  for (uint32_t k = 0; k < g->st->n_squares; k++)
    for (int64_t row = 0; row < g->st->squares[k].rows; row += g->st->squares[k].block)
      add_block(g, &g->st->squares[k], row);
  double most = 0;
  for (uint64_t k = 0; k < n; k++) most = fmax(most, s->gram[k * tw_nm_stride(n) + k]);
  for (uint64_t k = 0; k < n; k++) s->diagonal[k] = fmax(s->gram[k * tw_nm_stride(n) + k], FLOOR * most);
  s->ready = true;
}

void tw_rt_lm_judge(TwRtStageRun *g) {
  TwRtSecond *s = &g->w->second;
  if (!isfinite(g->loss)) return;
  if (!s->ready) assemble(g);
  g->norm = 2 * sqrt(tw_nm_dot(s->rhs, s->rhs, g->st->n_flat));
}

/* ---- a step */

/* delta := the step, without the coordinates that are held. False: the system is not positive definite. */
static bool solve(TwRtStageRun *g) {
  TwRtSecond *s = &g->w->second;
  uint64_t n = g->st->n_flat, stride = tw_nm_stride(n);
  bool any = false;
  for (uint64_t k = 0; k < n; k++) any |= s->held[k];
  memcpy(s->factor, s->gram, n * stride * sizeof *s->factor);
  for (uint64_t k = 0; k < n; k++) {
    double *row = s->factor + k * stride;
    row[k] = fma(s->state[DAMPING], s->diagonal[k], row[k]);
    s->delta[k] = s->held[k] ? 0 : -s->rhs[k];
    for (uint64_t i = 0; any && i < k; i++)
      if (s->held[k] || s->held[i]) row[i] = 0;
  }
  if (!tw_nm_factor(NULL, s->factor, n)) return false;
  tw_nm_solve(NULL, s->factor, n, s->delta);
  return true;
}

/* Writes the trial. False: it is where we are, to the last bit. */
static bool move(TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  bool moved = false;
  for (uint64_t k = 0; k < g->st->n_flat; k++) {
    double x = tw_rt_get(w->flat[g->cur], k, w->f64);
    tw_rt_put(w->second.trial, k, x + w->second.delta[k], w->f64);
    moved |= tw_rt_get(w->second.trial, k, w->f64) != x;
  }
  return moved;
}

/* Marks what the projection of the trial has put back to where it was. True: there is something new. */
static bool hold(TwRtStageRun *g) {
  TwRtWorker *w = g->w;
  bool any = false;
  for (uint64_t k = 0; k < g->st->n_flat; k++) {
    double x = tw_rt_get(w->flat[g->cur], k, w->f64), to = tw_rt_get(w->flat[g->next], k, w->f64);
    bool back = to == x && tw_rt_get(w->second.trial, k, w->f64) != x;
    any |= back && !w->second.held[k];
    w->second.held[k] |= back;
  }
  return any;
}

bool tw_rt_lm_sound(const TwRtStageRun *g) {
  double damping = g->w->second.state[DAMPING], growth = g->w->second.state[GROWTH];
  return growth == 0 || (growth >= 2 && damping >= 0);
}

static void refuse(TwRtSecond *s) {
  s->state[DAMPING] *= s->state[GROWTH];
  s->state[GROWTH] *= 2;
}

void tw_rt_lm_iterate(TwRtStageRun *g) {
  TwRtSecond *s = &g->w->second;
  uint64_t n = g->st->n_flat;
  if (s->state[GROWTH] == 0) {
    s->state[DAMPING] = g->st->damping;
    s->state[GROWTH] = 2;
  }
  memset(s->held, 0, n * sizeof *s->held);
  double loss = NAN;
  for (int again = 0; again <= MAX_HELD; again++) {
    if (!solve(g)) {
      refuse(s);
      g->settled = !(s->state[DAMPING] < MOST);
      return;
    }
    if (!move(g)) {
      g->settled = true;
      return;
    }
    loss = tw_rt_second_try(g);
    if (!hold(g)) break;
  }
  double foretold = 0;
  for (uint64_t k = 0; k < n; k++)
    foretold = fma(s->delta[k], fma(s->state[DAMPING] * s->diagonal[k], s->delta[k], -s->rhs[k]), foretold);
  if (loss < g->loss) {
    double gain = (g->loss - loss) / foretold, t = 2 * gain - 1;
    tw_rt_second_accept(g, loss);
    s->state[DAMPING] = fmax(s->state[DAMPING] * fmax(1.0 / 3, 1 - t * t * t), LEAST);
    s->state[GROWTH] = 2;
    s->ready = false;
  } else {
    refuse(s);
    g->settled = !(s->state[DAMPING] < MOST);
  }
}
