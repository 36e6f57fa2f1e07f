/* onnx.c NET.onnx X.csv WANT.csv BOUND [GOT.csv]: reads a model of ONNX by a decoder and an evaluator of its own,
 * checks its form, and compares its outputs at the rows of X.csv with WANT.csv, which `triwave eval` has written; or
 * GOT.csv, what another reader has computed, with WANT.csv.
 *
 * It computes in doubles, and beside each value the sum of the magnitudes of the terms that it is made of: |W| |x| +
 * |b| for a product. Differences are compared with BOUND times that sum. Anything it does not know is an error:
 * operations other than those that docs/use.md lists, fields of the wrong type, tensors of the wrong size, names before
 * they are made. */
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 1 << 16, MAX_IN = 4200 };

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vfprintf(stderr, fmt, ap);
  fputc('\n', stderr);
  exit(1);
}

static void *room(size_t n, size_t size) {
  void *p = calloc(n + 1, size);
  if (!p) die("out of memory");
  return p;
}

/* ---- the wire format */

typedef struct Bytes {
  const unsigned char *at, *end;
} Bytes;
typedef struct Field {
  uint32_t number, wire;
  uint64_t whole;
  Bytes bytes;
} Field;

static uint64_t varint(Bytes *b) {
  uint64_t v = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (b->at == b->end) die("a number is cut off");
    v |= (uint64_t)(*b->at & 127) << shift;
    if (!(*b->at++ & 128)) return v;
  }
  die("a number is too long");
}

static int next(Bytes *b, Field *f) {
  if (b->at == b->end) return 0;
  uint64_t tag = varint(b);
  *f = (Field){.number = (uint32_t)(tag >> 3), .wire = (uint32_t)(tag & 7)};
  if (f->wire == 0) f->whole = varint(b);
  else if (f->wire != 2) die("field %u has wire type %u", f->number, f->wire);
  else {
    uint64_t n = varint(b);
    if (n > (uint64_t)(b->end - b->at)) die("field %u is cut off", f->number);
    f->bytes = (Bytes){b->at, b->at + n};
    b->at += n;
  }
  return 1;
}

static char *text(const Field *f) {
  if (f->wire != 2) die("field %u is not a text", f->number);
  size_t n = (size_t)(f->bytes.end - f->bytes.at);
  char *s = room(n, 1);
  memcpy(s, f->bytes.at, n);
  return s;
}

/* ---- values: of rows x width, or rows = 1; "size" their terms */

enum { FLOAT = 1, INT64 = 7, BOOL = 9, DOUBLE = 11 };
typedef struct Value {
  char *name;
  int type;
  int64_t rank, rows, width; /* an initializer: rank 0 … 2; else 2 */
  double *v, *size;
} Value;
static Value values[MAX_NAMES];
static size_t n_values;
static int64_t batch;

static Value *find(const char *name) {
  for (size_t k = 0; k < n_values; k++)
    if (strcmp(values[k].name, name) == 0) return &values[k];
  die("'%s' is used before it is made", name);
}

static Value *make(char *name, int type, int64_t rank, int64_t rows, int64_t width) {
  for (size_t k = 0; k < n_values; k++)
    if (strcmp(values[k].name, name) == 0) die("'%s' is made twice", name);
  if (n_values == MAX_NAMES || rows < 0 || width < 0 || rows > (int64_t)1 << 32 || width > (int64_t)1 << 26)
    die("'%s' is too large", name);
  Value *v = &values[n_values++];
  *v = (Value){name,
               type,
               rank,
               rows,
               width,
               room((size_t)(rows * width), sizeof(double)),
               room((size_t)(rows * width), sizeof(double))};
  return v;
}

static void initializer(Bytes b) {
  Field f;
  char *name = NULL;
  int64_t dims[3] = {1, 1, 1};
  int rank = 0, type = 0;
  Bytes raw = {0};
  uint32_t field = 0;
  while (next(&b, &f)) {
    if (f.number == 1 && rank < 2) dims[rank++] = (int64_t)f.whole;
    else if (f.number == 2) type = (int)f.whole;
    else if (f.number == 8) name = text(&f);
    else if (f.number == 9 || f.number == 10) raw = f.bytes, field = f.number;
    else die("an initializer has field %u", f.number);
  }
  if (!name || (type != FLOAT && type != INT64 && type != BOOL && type != DOUBLE))
    die("an initializer of type %d", type);
  if ((field == 10) != (type == DOUBLE)) die("'%s' has its data in field %u", name, field);
  Value *v = make(name, type, rank, rank == 2 ? dims[0] : 1, rank == 2 ? dims[1] : dims[0]);
  size_t each = type == FLOAT ? 4 : type == BOOL ? 1 : 8, n = (size_t)(v->rows * v->width);
  if ((size_t)(raw.end - raw.at) != n * each)
    die("'%s' has %zu bytes for %zu elements", name, (size_t)(raw.end - raw.at), n);
  for (size_t k = 0; k < n; k++) {
    float real;
    double wide;
    int64_t whole;
    if (type == FLOAT) memcpy(&real, raw.at + 4 * k, 4), v->v[k] = real;
    if (type == DOUBLE) memcpy(&wide, raw.at + 8 * k, 8), v->v[k] = wide;
    if (type == INT64) memcpy(&whole, raw.at + 8 * k, 8), v->v[k] = (double)whole;
    if (type == BOOL) v->v[k] = raw.at[k];
    v->size[k] = fabs(v->v[k]);
  }
}

/* ---- nodes */

typedef struct Node {
  char *op, *out, *attr;
  int64_t attr_value;
  uint32_t n;
  Value *in[MAX_IN];
} Node;

static int64_t most(const Node *n, int rows) {
  int64_t m = 1;
  for (uint32_t k = 0; k < n->n; k++) {
    int64_t d = rows ? n->in[k]->rows : n->in[k]->width;
    if (d != 1 && m != 1 && d != m)
      die("%s -> '%s': %lld and %lld do not broadcast", n->op, n->out, (long long)m, (long long)d);
    if (d != 1) m = d;
  }
  return m;
}

static int64_t at(const Value *v, int64_t r, int64_t c) {
  return (v->rows == 1 ? 0 : r) * v->width + (v->width == 1 ? 0 : c);
}

static double apply1(const char *op, double a) {
  static const struct {
    const char *op;
    double (*fn)(double);
  } table[] = {{"Sqrt", sqrt}, {"Exp", exp},   {"Log", log},     {"Sin", sin},   {"Cos", cos},
               {"Tan", tan},   {"Asin", asin}, {"Acos", acos},   {"Atan", atan}, {"Sinh", sinh},
               {"Cosh", cosh}, {"Tanh", tanh}, {"Floor", floor}, {"Abs", fabs}};
  if (strcmp(op, "Neg") == 0) return -a;
  if (strcmp(op, "Relu") == 0) return a < 0 ? 0 : a;
  if (strcmp(op, "Sign") == 0) return a > 0 ? 1 : a < 0 ? -1 : 0;
  if (strcmp(op, "Sigmoid") == 0) return 1 / (1 + exp(-a));
  if (strcmp(op, "Not") == 0) return !a;
  for (size_t k = 0; k < sizeof table / sizeof *table; k++)
    if (strcmp(table[k].op, op) == 0) return table[k].fn(a);
  return NAN;
}
static int is1(const char *op) {
  return strstr(" Sqrt Exp Log Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Floor Abs Neg Relu Sign Sigmoid Not ", op) !=
         NULL;
}
static int is2(const char *op) { return strstr(" Add Sub Mul Div Pow Mod Less LessOrEqual Equal And Or ", op) != NULL; }

static double apply2(const char *op, double a, double b, int whole) {
  if (strcmp(op, "Add") == 0) return a + b;
  if (strcmp(op, "Sub") == 0) return a - b;
  if (strcmp(op, "Mul") == 0) return a * b;
  if (strcmp(op, "Div") == 0) return whole ? trunc(a / b) : a / b;
  if (strcmp(op, "Pow") == 0) return pow(a, b);
  if (strcmp(op, "Mod") == 0) return a - b * floor(a / b);
  if (strcmp(op, "Less") == 0) return a < b;
  if (strcmp(op, "LessOrEqual") == 0) return a <= b;
  if (strcmp(op, "Equal") == 0) return a == b;
  return strcmp(op, "And") == 0 ? a && b : a || b;
}

/* Terms: those of both in a sum, products in a product; of anything else what came in, at least as large as the result.
 */
static double terms2(const char *op, const Value *a, int64_t i, const Value *b, int64_t j, double result) {
  if (strcmp(op, "Add") == 0 || strcmp(op, "Sub") == 0) return a->size[i] + b->size[j];
  if (strcmp(op, "Mul") == 0) return a->size[i] * b->size[j];
  if (strcmp(op, "Div") == 0) return a->size[i] / fabs(b->v[j]) * (b->size[j] / fabs(b->v[j]));
  return fmax(fabs(result), fmax(a->size[i], b->size[j]));
}

static void elementwise(const Node *n) {
  int is_choice = strcmp(n->op, "Where") == 0, is_extremum = strcmp(n->op, "Max") == 0 || strcmp(n->op, "Min") == 0;
  uint32_t wants = is_choice ? 3 : is_extremum ? n->n : is2(n->op) ? 2 : 1;
  if (n->n != wants || (is_choice && n->in[0]->type != BOOL)) die("%s -> '%s' has the wrong operands", n->op, n->out);
  for (uint32_t k = is_choice ? 2 : 1; k < n->n; k++)
    if (n->in[k]->type != n->in[is_choice]->type) die("%s -> '%s' has operands of several types", n->op, n->out);
  int logic = strstr(" Less LessOrEqual Equal And Or Not ", n->op) != NULL,
      type = logic ? BOOL : n->in[is_choice]->type;
  Value *out = make(n->out, type, 2, most(n, 1), most(n, 0));
  for (int64_t r = 0; r < out->rows; r++)
    for (int64_t c = 0; c < out->width; c++) {
      int64_t o = r * out->width + c, i = at(n->in[0], r, c), j = n->n > 1 ? at(n->in[1], r, c) : 0;
      double a = n->in[0]->v[i];
      if (is_choice) {
        int64_t l = at(n->in[2], r, c);
        out->v[o] = a != 0 ? n->in[1]->v[j] : n->in[2]->v[l];
        out->size[o] = fmax(n->in[1]->size[j], n->in[2]->size[l]);
      } else if (is_extremum) {
        out->v[o] = a, out->size[o] = n->in[0]->size[i];
        for (uint32_t k = 1; k < n->n; k++) {
          int64_t l = at(n->in[k], r, c);
          double b = n->in[k]->v[l];
          if (n->op[1] == 'a' ? b > out->v[o] : b < out->v[o]) out->v[o] = b;
          out->size[o] = fmax(out->size[o], n->in[k]->size[l]);
        }
      } else if (n->n == 2) {
        out->v[o] = apply2(n->op, a, n->in[1]->v[j], type == INT64);
        out->size[o] = terms2(n->op, n->in[0], i, n->in[1], j, out->v[o]);
      } else {
        out->v[o] = apply1(n->op, a);
        out->size[o] = fmax(fabs(out->v[o]), n->in[0]->size[i]);
      }
    }
}

static void gemm(const Node *n) {
  const Value *x = n->in[0], *w = n->n > 1 ? n->in[1] : NULL, *b = n->n > 2 ? n->in[2] : NULL;
  if (!w || w->rank != 2 || !n->attr || strcmp(n->attr, "transB") != 0 || n->attr_value != 1 || x->width != w->width ||
      x->type != w->type)
    die("Gemm -> '%s' does not fit", n->out);
  if (b && ((b->width != 1 && b->width != w->rows) || b->rows != 1)) die("the bias of '%s' does not fit", n->out);
  Value *out = make(n->out, x->type, 2, x->rows, w->rows);
  for (int64_t r = 0; r < out->rows; r++)
    for (int64_t c = 0; c < out->width; c++) {
      double sum = b ? b->v[at(b, 0, c)] : 0, size = fabs(sum);
      for (int64_t k = 0; k < x->width; k++) {
        sum += x->v[r * x->width + k] * w->v[c * w->width + k];
        size += x->size[r * x->width + k] * fabs(w->v[c * w->width + k]);
      }
      out->v[r * out->width + c] = sum;
      out->size[r * out->width + c] = size;
    }
}

/* Column c of the result is column from[c] of x. */
static void columns(const Node *n, const Value *x, const int64_t *from, int64_t width) {
  Value *out = make(n->out, x->type, 2, x->rows, width);
  for (int64_t r = 0; r < x->rows; r++)
    for (int64_t c = 0; c < width; c++) {
      if (from[c] < 0 || from[c] >= x->width)
        die("%s -> '%s': there is no column %lld", n->op, n->out, (long long)from[c]);
      out->v[r * width + c] = x->v[r * x->width + from[c]];
      out->size[r * width + c] = x->size[r * x->width + from[c]];
    }
}

static void gather(const Node *n) {
  if (n->n != 2 || n->in[1]->type != INT64 || !n->attr || strcmp(n->attr, "axis") != 0)
    die("Gather -> '%s' does not fit", n->out);
  const Value *x = n->in[0], *i = n->in[1];
  int64_t count = i->rows * i->width, *from = room((size_t)count, sizeof *from);
  for (int64_t k = 0; k < count; k++) from[k] = (int64_t)i->v[k];
  if (n->attr_value == 1) {
    columns(n, x, from, count);
  } else { /* rows of a table */
    Value *out = make(n->out, x->type, 2, count, x->width);
    for (int64_t r = 0; r < count; r++)
      for (int64_t c = 0; c < x->width; c++) {
        if (from[r] < 0 || from[r] >= x->rows) die("Gather -> '%s': there is no row %lld", n->out, (long long)from[r]);
        out->v[r * x->width + c] = x->v[from[r] * x->width + c];
        out->size[r * x->width + c] = x->size[from[r] * x->width + c];
      }
  }
  free(from);
}

static void slice(const Node *n) {
  if (n->n != 4 || n->in[3]->v[0] != 1) die("Slice -> '%s' does not fit", n->out);
  int64_t start = (int64_t)n->in[1]->v[0], width = (int64_t)n->in[2]->v[0] - start,
          *from = room((size_t)(width > 0 ? width : 0), sizeof *from);
  for (int64_t k = 0; k < width; k++) from[k] = start + k;
  columns(n, n->in[0], from, width);
  free(from);
}

static void concat(const Node *n) {
  int64_t width = 0, c0 = 0;
  for (uint32_t k = 0; k < n->n; k++) width += n->in[k]->width;
  Value *out = make(n->out, n->in[0]->type, 2, n->in[0]->rows, width);
  for (uint32_t k = 0; k < n->n; c0 += n->in[k++]->width)
    for (int64_t r = 0; r < out->rows; r++)
      for (int64_t c = 0; c < n->in[k]->width; c++) {
        out->v[r * width + c0 + c] = n->in[k]->v[r * n->in[k]->width + c];
        out->size[r * width + c0 + c] = n->in[k]->size[r * n->in[k]->width + c];
      }
}

static void copy(const Node *n, int type) {
  Value *out = make(n->out, type, 2, n->in[0]->rows, n->in[0]->width);
  for (int64_t k = 0; k < out->rows * out->width; k++) {
    double a = n->in[0]->v[k];
    out->v[k] = type == INT64 ? trunc(a) : type == FLOAT ? (float)a : a;
    out->size[k] = fmax(fabs(out->v[k]), n->in[0]->size[k]);
  }
}

static void run(const Node *n) {
  if (strcmp(n->op, "Gemm") == 0) gemm(n);
  else if (strcmp(n->op, "Gather") == 0) gather(n);
  else if (strcmp(n->op, "Slice") == 0) slice(n);
  else if (strcmp(n->op, "Concat") == 0) concat(n);
  else if (strcmp(n->op, "Identity") == 0) copy(n, n->in[0]->type);
  else if (strcmp(n->op, "Cast") == 0) copy(n, (int)n->attr_value);
  else if (strcmp(n->op, "Reshape") == 0 && n->in[1]->v[0] == -1 && n->in[0]->width == 1) copy(n, n->in[0]->type);
  else if (is1(n->op) || is2(n->op) || strstr(" Where Max Min ", n->op)) elementwise(n);
  else die("an operation '%s'", n->op);
}

static Node node(Bytes b) {
  Node n = {0};
  Field f, g;
  while (next(&b, &f)) {
    if (f.number == 1 && n.n < MAX_IN) {
      char *name = text(&f);
      n.in[n.n++] = find(name);
      free(name);
    } else if (f.number == 2 && !n.out) n.out = text(&f);
    else if (f.number == 3) free(text(&f));
    else if (f.number == 4) n.op = text(&f);
    else if (f.number == 5)
      for (Bytes a = f.bytes; next(&a, &g);) {
        if (g.number == 1) n.attr = text(&g);
        else if (g.number == 3) n.attr_value = (int64_t)g.whole;
        else if (g.number != 20 || g.whole != 2) die("an attribute has field %u", g.number);
      }
    else die("a node has field %u", f.number);
  }
  if (!n.op || !n.out || !n.n) die("a node without a name");
  return n;
}

/* ---- inputs and outputs */

typedef struct Port {
  char *name;
  int type;
  int64_t width;
} Port;

static Port port(Bytes b) {
  Port p = {0};
  Field f, t, s, d, e;
  while (next(&b, &f)) {
    if (f.number == 1) p.name = text(&f);
    if (f.number != 2) continue;
    if (!next(&f.bytes, &t) || t.number != 1) die("a port is no tensor");
    while (next(&t.bytes, &s)) {
      if (s.number == 1) p.type = (int)s.whole;
      if (s.number != 2) continue;
      int axis = 0;
      for (; next(&s.bytes, &d); axis++) {
        if (!next(&d.bytes, &e) || e.number != (axis ? 1u : 2u)) die("a port is not [N, width]");
        if (axis) p.width = (int64_t)e.whole;
      }
      if (axis != 2) die("a port has %d axes", axis);
    }
  }
  if (!p.name) die("a port without a name");
  return p;
}

/* The numbers of a CSV file, its first line left out: rows x *width. */
static double *read_csv(const char *path, int64_t *rows, int64_t *width) {
  static char line[1 << 16];
  FILE *in = fopen(path, "r");
  if (!in || !fgets(line, sizeof line, in)) die("cannot read '%s'", path);
  double *all = NULL;
  size_t n = 0, cap = 0;
  for (*rows = 0; fgets(line, sizeof line, in); (*rows)++) {
    size_t start = n;
    for (char *p = line; *p && *p != '\n'; p += *p == ',') {
      if (n == cap && !(all = realloc(all, (cap = 2 * cap + 1024) * sizeof *all))) die("out of memory");
      all[n++] = strtod(p, &p);
    }
    *width = (int64_t)(n - start);
  }
  fclose(in);
  return all;
}

static Bytes read_file(const char *path) {
  FILE *in = fopen(path, "rb");
  if (!in || fseek(in, 0, SEEK_END) != 0) die("cannot read '%s'", path);
  long n = ftell(in);
  unsigned char *bytes = room((size_t)n, 1);
  rewind(in);
  if (fread(bytes, 1, (size_t)n, in) != (size_t)n) die("cannot read '%s'", path);
  fclose(in);
  return (Bytes){bytes, bytes + n};
}

/* What is compared, and what came of it. */
typedef struct Compared {
  const double *want, *got; /* got NULL: what is computed here */
  int64_t width, numbers;
  double bound, worst;
} Compared;

/* All outputs, side by side, of the rows from `start`. */
static void compare(const Port *out, int n_out, int64_t start, Compared *w) {
  int64_t c0 = 0;
  for (int k = 0; k < n_out; c0 += out[k++].width) {
    const Value *v = find(out[k].name);
    if (v->rows != batch || v->width != out[k].width || v->type != out[k].type)
      die("output '%s' is not what it is said to be", out[k].name);
    for (int64_t r = 0; r < batch; r++)
      for (int64_t c = 0; c < v->width && c0 + c < w->width; c++, w->numbers++) {
        int64_t i = (start + r) * w->width + c0 + c;
        double is = w->got ? w->got[i] : v->v[r * v->width + c], d = fabs(is - w->want[i]),
               size = v->size[r * v->width + c];
        if (!(d <= w->bound * size))
          die("row %lld, column %lld: %.17g, and %.17g wanted, of terms %.3g", (long long)(start + r),
              (long long)(c0 + c), is, w->want[i], size);
        if (size > 0 && d / size > w->worst) w->worst = d / size;
      }
  }
  if (c0 != w->width) die("%lld columns, and %lld wanted", (long long)c0, (long long)w->width);
}

/* The rows from `start` as inputs; their number. */
static int inputs(Bytes graph, const double *x, int64_t width, int64_t start) {
  Field f;
  int64_t column = 0;
  int n = 0;
  for (Bytes b = graph; next(&b, &f);) {
    if (f.number != 11) continue;
    Port p = port(f.bytes);
    Value *v = make(p.name, p.type, 2, batch, p.width);
    for (int64_t r = 0; r < batch; r++)
      for (int64_t c = 0; c < p.width && column + c < width; c++) {
        double real = x[(start + r) * width + column + c];
        v->v[r * p.width + c] = p.type == FLOAT ? (float)real : real;
        v->size[r * p.width + c] = fabs(v->v[r * p.width + c]);
      }
    column += p.width;
    n++;
  }
  if (column != width) die("%lld inputs, and %lld columns", (long long)column, (long long)width);
  return n;
}

static void forget(size_t from) {
  while (n_values > from) {
    Value *v = &values[--n_values];
    free(v->name);
    free(v->v);
    free(v->size);
  }
}

static Bytes graph_of(Bytes all) {
  Bytes graph = {0}, opset;
  Field f;
  int ir = 0, version = 0;
  while (next(&all, &f)) {
    if (f.number == 1) ir = (int)f.whole;
    if (f.number == 7) graph = f.bytes;
    if (f.number == 8)
      for (opset = f.bytes; next(&opset, &f);)
        if (f.number == 2) version = (int)f.whole;
  }
  if (ir != 7 || version != 13 || !graph.at) die("IR version %d, operator set %d", ir, version);
  return graph;
}

/* What it has read it holds to its end: no leak to a sanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

int main(int argc, char **argv) {
  if (argc != 5 && argc != 6) die("onnx NET.onnx X.csv WANT.csv BOUND [GOT.csv]");
  enum { BATCH = 4096 };
  Bytes graph = graph_of(read_file(argv[1]));
  Field f;
  int64_t rows, in_width, want_rows, got_rows = 0, got_width = 0;
  double *x = read_csv(argv[2], &rows, &in_width);
  Compared w = {.bound = strtod(argv[4], NULL)};
  w.want = read_csv(argv[3], &want_rows, &w.width);
  if (argc == 6) w.got = read_csv(argv[5], &got_rows, &got_width);
  if (want_rows != rows || (w.got && (got_rows != rows || got_width != w.width)))
    die("%lld rows, and %lld wanted", (long long)rows, (long long)want_rows);
  static Port out[64];
  int n_in = 0, n_out = 0, n_nodes = 0;
  for (Bytes b = graph; next(&b, &f);) {
    if (f.number == 5) initializer(f.bytes);
    if (f.number == 12 && n_out < 64) out[n_out++] = port(f.bytes);
  }
  size_t fixed = n_values;
  for (int64_t start = 0; start < rows; start += batch) {
    forget(fixed);
    batch = rows - start < BATCH ? rows - start : BATCH;
    n_in = inputs(graph, x, in_width, start);
    n_nodes = 0;
    for (Bytes b = graph; next(&b, &f);) {
      if (f.number != 1) continue;
      Node n = node(f.bytes);
      run(&n);
      free(n.op);
      free(n.attr);
      n_nodes++;
    }
    compare(out, n_out, start, &w);
  }
  if (!w.numbers) die("nothing was compared");
  printf("%d inputs, %d outputs, %d nodes; %lld numbers, largest difference %.2g of the sum of |terms|\n", n_in, n_out,
         n_nodes, (long long)w.numbers, w.worst);
  return 0;
}
