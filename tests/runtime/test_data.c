/* The columns of data sets: grids open and closed, measured rows, targets, and values that cannot be used. */
#include "runtime/data.h"

#include "tests/runtime/fake.h"

static void axes(void) {
  TwRtAxis a = {.name = "x", .lo = 0.1, .hi = 0.7, .n = 7};
  CHECK_NEAR(tw_rt_axis_point(&a, 0), 0.1, 0);
  CHECK_NEAR(tw_rt_axis_point(&a, 6), 0.7, 0); /* exactly, whatever the sum rounds to */
  CHECK_NEAR(tw_rt_axis_point(&a, 3), 0.4, 1e-16);
  a = (TwRtAxis){.lo = 0, .hi = 1, .lo_open = true, .n = 4};
  CHECK_NEAR(tw_rt_axis_point(&a, 0), 0.25, 0);
  CHECK_NEAR(tw_rt_axis_point(&a, 3), 1, 0);
  a = (TwRtAxis){.lo = 0, .hi = 1, .hi_open = true, .n = 4};
  CHECK_NEAR(tw_rt_axis_point(&a, 0), 0, 0);
  CHECK_NEAR(tw_rt_axis_point(&a, 3), 0.75, 0);
  a = (TwRtAxis){.lo = 0, .hi = 1, .lo_open = true, .hi_open = true, .n = 3};
  CHECK_NEAR(tw_rt_axis_point(&a, 0), 0.25, 0);
  CHECK_NEAR(tw_rt_axis_point(&a, 2), 0.75, 0);
  a = (TwRtAxis){.lo = 2, .hi = 3, .n = 1};
  CHECK_NEAR(tw_rt_axis_point(&a, 0), 2, 0);
  a = (TwRtAxis){.lo = 2, .hi = 3, .hi_open = true, .n = 1};
  CHECK_NEAR(tw_rt_axis_point(&a, 0), 2, 0);
}

enum { ROWS = 6 };
static double scale;
static void target(const TwRtCall *c) {
  for (int i = 0; i < ROWS; i++) out64(c, 0)[i] = scale * (in64(c, 0)[i] + 10 * in64(c, 1)[i]);
}
static void target_log(const TwRtCall *c) {
  for (int i = 0; i < ROWS; i++) out64(c, 0)[i] = log(in64(c, 1)[i]);
}

static const TwRtSlot in[] = {SLOT(COLUMN, .index = 0, .count = ROWS), SLOT(COLUMN, .index = 1, .count = ROWS)};
static const TwRtSlot out[] = {SLOT(COLUMN, .index = 2, .count = ROWS)};

static void grids(void) {
  const TwRtAxis two[] = {{.name = "x", .lo = 1, .hi = 2, .n = 2}, {.name = "y", .lo = 0, .hi = 1, .n = 3}};
  TwRtData data = {.name = "train",
                   .place = {.line = 3},
                   .n_rows = ROWS,
                   .n_inputs = 2,
                   .n_columns = 2,
                   .axes = two,
                   .target = FN("target", target, in, out)};
  TwRtProgram p = {.abi = TW_RT_ABI, .n_datas = 1, .datas = &data};
  TwRtDatas d;
  scale = 0.1;
  for (int f64 = 0; f64 < 2; f64++) {
    p.f64 = f64;
    CHECK(tw_rt_datas_make(&p, &d), "%s", d.error);
    CHECK_INT(d.at[0].n, 3);
    for (int r = 0; r < ROWS; r++) { /* the last axis runs fastest */
      double x = 1 + r / 3, y = r % 3 / 2.0;
      CHECK_NEAR(tw_rt_get(d.at[0].at[0], (uint64_t)r, f64), x, 0);
      CHECK_NEAR(tw_rt_get(d.at[0].at[1], (uint64_t)r, f64), y, 0);
      CHECK_NEAR(tw_rt_get(d.at[0].at[2], (uint64_t)r, f64), tw_rt_round(0.1 * (x + 10 * y), f64), 0);
    }
    CHECK((uintptr_t)d.at[0].at[2] % 64 == 0, "aligned");
    tw_rt_datas_free(&d);
  }
  p.f64 = false;
  scale = 1e300;
  CHECK(!tw_rt_datas_make(&p, &d), "too large for f32");
  CHECK_HAS(d.error, "a value of data 'train' is 1e+300, which is too large for f32 (row 1, x = 1, y = 0)");
  CHECK(d.place == &data.place, "the place of the data set");
  tw_rt_datas_free(&d);
  data.target.entry = target_log;
  CHECK(!tw_rt_datas_make(&p, &d), "log 0");
  CHECK_HAS(d.error, "the target of data 'train' is -inf in row 1 (x = 1, y = 0)");
  tw_rt_datas_free(&d);
  TwRtResult *r = run_one(&p);
  CHECK_HAS(r->error, "the target of data 'train' is -inf");
  CHECK_INT(r->error_place.line, 3);
  tw_rt_result_free(&p, r);
}

static void measured(void) {
  const double rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const TwRtData data = {.name = "m",
                         .n_rows = ROWS,
                         .n_inputs = 1,
                         .n_columns = 2,
                         .rows = rows,
                         .target = FN("target", target, in, out)};
  const TwRtProgram p = {.abi = TW_RT_ABI, .f64 = true, .n_datas = 1, .datas = &data};
  TwRtDatas d;
  scale = 1;
  CHECK(tw_rt_datas_make(&p, &d), "%s", d.error);
  for (uint64_t r = 0; r < ROWS; r++) {
    CHECK_NEAR(tw_rt_get(d.at[0].at[0], r, true), rows[2 * r], 0);
    CHECK_NEAR(tw_rt_get(d.at[0].at[2], r, true), rows[2 * r] + 10 * rows[2 * r + 1], 0);
  }
  tw_rt_datas_free(&d);
}

int main(void) {
  axes();
  grids();
  measured();
  return tw_test_done("data");
}
