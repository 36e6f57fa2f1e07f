/* c.c: a model as a C file and its header: helpers, the values, a block of rows, and the functions that callers see.
 *
 * requires: final IR of the model's functions.   provides: text; what cannot be exported is said. */
#include <ctype.h>
#include <string.h>

#include "compiler/export/c_internal.h"

enum { MAX_STACK = 2 << 20 };

static const char helpers[] =
    "/* Sums have one order: left to right up to sixteen terms, else chunks of 512 with sixteen interleaved sums each. "
    "*/\n"
    "HELPER real sum_of(const real *a, int64_t n) {\n"
    "  real tree[64], sum = n > 0 ? a[0] : 0;\n"
    "  if (n <= 16) {\n"
    "    for (int64_t i = 1; i < n; i++) sum += a[i];\n"
    "    return sum;\n"
    "  }\n"
    "  int top = 0;\n"
    "  for (int64_t chunk = 0; chunk * 512 < n; chunk++) {\n"
    "    real p[16] = {0};\n"
    "    for (int64_t i = chunk * 512; i < n && i < chunk * 512 + 512; i++) p[i % 16] += a[i];\n"
    "    for (int half = 8; half; half /= 2)\n"
    "      for (int k = 0; k < half; k++) p[k] += p[k + half];\n"
    "    for (int64_t c = chunk; c & 1; c >>= 1, top--) p[0] = tree[top - 1] + p[0];\n"
    "    tree[top++] = p[0];\n"
    "  }\n"
    "  for (sum = tree[--top]; top; top--) sum = tree[top - 1] + sum;\n"
    "  return sum;\n"
    "}\n"
    "HELPER real largest_of(const real *a, int64_t n) {\n"
    "  real best = a[0];\n"
    "  for (int64_t i = 1; i < n; i++) best = a[i] > best ? a[i] : best;\n"
    "  return best;\n"
    "}\n"
    "HELPER real least_of(const real *a, int64_t n) {\n"
    "  real best = a[0];\n"
    "  for (int64_t i = 1; i < n; i++) best = a[i] < best ? a[i] : best;\n"
    "  return best;\n"
    "}\n"
    "HELPER real logistic(real x) {\n"
    "  real e = WIDE1(exp, -MATH(fabs)(x));\n"
    "  return (x < 0 ? e : 1) / (1 + e);\n"
    "}\n"
    "HELPER int64_t within(int64_t i, int64_t n) { return i < 0 ? 0 : i < n ? i : n - 1; }\n"
    "HELPER int64_t floor_div(int64_t a, int64_t b) {\n"
    "  if (b == 0) return 0;\n"
    "  if (b == -1) return (int64_t)(0 - (uint64_t)a);\n"
    "  return a % b != 0 && (a < 0) != (b < 0) ? a / b - 1 : a / b;\n"
    "}\n"
    "HELPER int64_t to_int(double a) {\n"
    "  return a != a ? 0 : a >= 0x1p63 ? INT64_MAX : a < -0x1p63 ? INT64_MIN : (int64_t)a;\n"
    "}\n";

/* One function of the model for a block: inputs and outputs each in an array of its own. */
static bool write_block(TwC *c, const TwFn *f, const TwRtFn *slot, const char *what) {
  const char **params = TW_NEW_N(c->arena, const char *, slot->n_in + 1),
             **results = TW_NEW_N(c->arena, const char *, slot->n_out + 1);
  const char *head = tw_c_text(c, "static void %s(int64_t rows", what);
  for (uint32_t k = 0; k < slot->n_in; k++) {
    if (slot->in[k].role == TW_RT_SHOWN) {
      params[k] = "values";
    } else if (slot->in[k].role == TW_RT_INPUT) {
      params[k] = tw_c_text(c, "x%u_", slot->in[k].index);
      head = tw_c_text(c, "%s, const real *%s", head, params[k]);
    } else {
      return c->why = "it reads a data set", false;
    }
  }
  for (uint32_t k = 0; k < slot->n_out; k++) head = tw_c_text(c, "%s, real *y%u_", head, k);
  tw_c_open(c, tw_c_text(c, "%s)", head));
  const char *unused = "(void)rows, (void)values";
  for (uint32_t k = 0; k < slot->n_in; k++)
    if (slot->in[k].role == TW_RT_INPUT) unused = tw_c_text(c, "%s, (void)%s", unused, params[k]);
  tw_c_line(c, "%s; /* of which a model may use none */", unused);
  c->bytes = 0;
  bool ok = tw_c_body(c, f, params, "rows", results);
  for (uint32_t k = 0; ok && k < slot->n_out; k++) {
    uint64_t each = slot->out[k].count / TW_RT_BLOCK;
    tw_c_line(c, "memcpy(y%u_, %s, (size_t)rows * %llu * sizeof(real));", k, results[k], (unsigned long long)each);
  }
  tw_c_close(c);
  if (ok && c->bytes > MAX_STACK) c->why = "it needs more than 2 MiB of the stack";
  return !c->why;
}

/* C has no arrays of nothing, and a model may have an input real[0]. */
static uint64_t at_least_one(uint64_t count) { return count ? count : 1; }

/* The function that callers see: rows of all inputs -> rows of all outputs, block by block. */
static void write_outer(TwC *c, const TwExport *x, const TwRtFn *slot, const char *what, const char *name,
                        bool slopes) {
  const TwRtModel *m = x->model;
  uint64_t width = slopes ? m->out_width * m->in_width : m->out_width, n_inputs = 0;
  tw_c_open(c, tw_c_text(c, "\nvoid %s(size_t n, const %s *x, %s *y)", name, c->f64 ? "double" : "float",
                         c->f64 ? "double" : "float"));
  if (!m->in_width) tw_c_line(c, "(void)x; /* the model has no inputs */");
  if (!width) tw_c_line(c, "(void)y; /* and so no slopes */");
  tw_c_open(c, "for (size_t done = 0; done < n; done += 512)");
  tw_c_line(c, "const int64_t rows = n - done < 512 ? (int64_t)(n - done) : 512;");
  const char *call = tw_c_text(c, "%s(rows", what);
  for (uint32_t k = 0; k < slot->n_in; k++) {
    if (slot->in[k].role != TW_RT_INPUT) continue;
    const TwRtTensor *t = &m->inputs[slot->in[k].index];
    tw_c_line(c, "real in%llu[512 * %llu] = {0};", (unsigned long long)n_inputs,
              (unsigned long long)at_least_one(t->count));
    tw_c_line(c, "for (int64_t r = 0; r < rows; r++)");
    tw_c_line(
        c,
        "  for (int64_t e = 0; e < %llu; e++) in%llu[r * %llu + e] = x[(done + (size_t)r) * %llu + %llu + (size_t)e];",
        (unsigned long long)t->count, (unsigned long long)n_inputs, (unsigned long long)t->count,
        (unsigned long long)m->in_width, (unsigned long long)t->at);
    call = tw_c_text(c, "%s, in%llu", call, (unsigned long long)n_inputs++);
  }
  for (uint32_t k = 0; k < slot->n_out; k++) {
    tw_c_line(c, "real out%u[512 * %llu];", k, (unsigned long long)at_least_one(m->outputs[k % m->n_outputs].count));
    call = tw_c_text(c, "%s, out%u", call, k);
  }
  tw_c_line(c, "%s);", call);
  for (uint32_t k = 0; k < slot->n_out; k++) {
    const TwRtTensor *t = &m->outputs[k % m->n_outputs];
    uint64_t stride = slopes ? m->in_width : 1, at = t->at * stride + (slopes ? k / m->n_outputs : 0);
    tw_c_line(c, "for (int64_t r = 0; r < rows; r++)");
    tw_c_line(c,
              "  for (int64_t e = 0; e < %llu; e++) y[(done + (size_t)r) * %llu + %llu + (size_t)e * %llu] = out%u[r * "
              "%llu + e];",
              (unsigned long long)t->count, (unsigned long long)width, (unsigned long long)at,
              (unsigned long long)stride, k, (unsigned long long)t->count);
  }
  tw_c_close(c);
  tw_c_close(c);
}

static void write_values(TwC *c, const TwExport *x) {
  const TwRtProgram *p = x->p;
  tw_c_line(c, "\n/* All params and weights. */");
  tw_c_line(c, "static const real values[%llu] = {", (unsigned long long)(p->n_shown ? p->n_shown : 1));
  for (uint32_t k = 0; k < p->n_tensors; k++) {
    const TwRtTensor *t = &p->tensors[k];
    tw_c_line(c, "  /* %s */", t->name);
    for (uint64_t i = 0; i < t->count; i++)
      fprintf(c->out, "%s%s,%s", i % 8 ? " " : "  ", tw_c_real(c, x->shown[t->at + i]),
              i % 8 == 7 || i + 1 == t->count ? "\n" : "");
  }
  if (!p->n_shown) tw_c_line(c, "  0");
  tw_c_line(c, "};\n");
}

static void write_ports(FILE *h, const char *what, const TwRtTensor *t, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    fprintf(h, " *   %s %s", what, t[k].name);
    for (uint32_t j = 0; j < t[k].rank; j++) fprintf(h, "%s%lld", j ? ", " : "[", (long long)t[k].dims[j]);
    fprintf(h, "%s: from number %llu of a row\n", t[k].rank ? "]" : "", (unsigned long long)t[k].at);
  }
}

static void write_header(const TwExport *x, TwC *c, FILE *h) {
  const TwRtModel *m = x->model;
  const char *real = c->f64 ? "double" : "float";
  char *guard = tw_arena_strndup(c->arena, x->name, strlen(x->name));
  for (char *p = guard; *p; p++) *p = (char)toupper((unsigned char)*p);
  fprintf(h, "/* Model '%s' with trained values, in %s: a file of C99 and this header are all of it.\n *\n", m->name,
          c->f64 ? "f64" : "f32");
  write_ports(h, "input ", m->inputs, m->n_inputs);
  write_ports(h, "output", m->outputs, m->n_outputs);
  fprintf(h, " *\n * Functions keep nothing and may be called from any threads at once. x and y are row major and do "
             "not overlap. */\n");
  fprintf(
      h,
      "#ifndef %s_MODEL_H\n#define %s_MODEL_H\n\n#include <stddef.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n",
      guard, guard);
  fprintf(h, "enum { %s_IN = %llu, %s_OUT = %llu }; /* numbers in a row */\n\n", guard, (unsigned long long)m->in_width,
          guard, (unsigned long long)m->out_width);
  fprintf(h, "/* n rows of %s_IN numbers -> n rows of %s_OUT. */\nvoid %s(size_t n, const %s *x, %s *y);\n", guard,
          guard, x->name, real, real);
  if (x->slope)
    fprintf(h,
            "/* d output / d input: n rows of %s_OUT x %s_IN, the input fastest. */\nvoid %s_slopes(size_t n, const %s "
            "*x, %s *y);\n",
            guard, guard, x->name, real, real);
  fprintf(h, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

bool tw_export_c(const TwExport *x, TwArena *arena, FILE *out, FILE *h, const char **why) {
  TwC c = {.out = out, .arena = arena, .f64 = x->p->f64};
  write_header(x, &c, h);
  tw_c_line(&c,
            "/* Model '%s' with trained values. C99 and the standard library, nothing else. Every rounding is written "
            "out: the",
            x->model->name);
  tw_c_line(&c, " * results of + - * / and fma are the same bits everywhere, unless a compiler is told to be inexact "
                "(-ffast-math). */");
  tw_c_line(&c, "#include \"%s\"\n\n#include <math.h>\n#include <stdint.h>\n#include <string.h>\n", x->header);
  tw_c_line(
      &c,
      "#ifdef __FAST_MATH__\n#error \"this file is about exact roundings: compile it without -ffast-math\"\n#endif");
  tw_c_line(&c, "#if defined(__GNUC__) && !defined(__clang__)\n#pragma GCC "
                "optimize(\"fp-contract=off\")\n#else\n#pragma STDC FP_CONTRACT OFF\n#endif\n");
  tw_c_line(&c, "%s",
            c.f64 ? "typedef double real;\n#define MATH(name) name\n#define FMA fma\n"
                    "#define WIDE1(name, x) ((real)name##l((long double)(x)))\n"
                    "#define WIDE2(name, x, y) ((real)name##l((long double)(x), (long double)(y)))\n"
                  : "typedef float real;\n#define MATH(name) name##f\n#define FMA fmaf\n"
                    "#define WIDE1(name, x) ((real)name((double)(x)))\n"
                    "#define WIDE2(name, x, y) ((real)name((double)(x), (double)(y)))\n");
  tw_c_line(&c, "#ifdef __GNUC__\n#define HELPER static inline __attribute__((unused))\n#else\n#define HELPER static "
                "inline\n#endif\n");
  fputs(helpers, out);
  write_values(&c, x);
  bool ok = write_block(&c, x->predict, &x->model->predict, "block");
  if (ok) write_outer(&c, x, &x->model->predict, "block", x->name, false);
  if (ok && x->slope) {
    tw_c_line(&c, "%s", "");
    ok = write_block(&c, x->slope, &x->model->slope, "slope_block");
    if (ok) write_outer(&c, x, &x->model->slope, "slope_block", tw_c_text(&c, "%s_slopes", x->name), true);
  }
  *why = c.why;
  return ok;
}
