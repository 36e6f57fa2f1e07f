/* export.c: triwave export FILE|RUN --to c -o NAME.c: a trained model as a file of C99, and its header; --to onnx: as a
 * graph of ONNX; --to safetensors: all params and weights as tensors. */
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "cli/trained.h"
#include "compiler/export/export.h"
#include "runtime/files.h"
#include "runtime/stored.h"
#include "runtime/text.h"

/* One of the functions of a model; NULL: it has none. */
static const TwLoweredFn *fn_of(const TwLowered *l, const char *model, const char *what) {
  char *name = tw_cli_need(tw_rt_textf("%s.%s", model, what));
  const TwLoweredFn *f = NULL;
  for (uint32_t k = 0; k < l->fns.len; k++)
    if (strcmp(l->fns.at[k].name, name) == 0) f = &l->fns.at[k];
  free(name);
  return f;
}

static const TwFn *final_of(const TwLowered *l, const char *model, const char *what) {
  const TwLoweredFn *f = fn_of(l, model, what);
  return f ? f->final : NULL;
}

/* Both files are committed when both have been written: neither is ever half there. */
static bool write_c(const TwCli *c, TwTrained *t, const char *name) {
  const TwRtModel *m = &t->build.rt->models[t->model];
  char *header = tw_rt_textf("%.*s.h", (int)(strlen(c->output) - 2), c->output), *error;
  tw_cli_need(header);
  const char *slash = strrchr(header, '/'), *why = NULL;
  TwExport x = {.name = name,
                .header = slash ? slash + 1 : header,
                .p = t->build.rt,
                .model = m,
                .predict = final_of(t->build.lowered, m->name, "predict"),
                .slope = final_of(t->build.lowered, m->name, "slope"),
                .shown = t->shown};
  TwRtFile out, h;
  bool has_out = tw_rt_file_begin(&out, c->output, &error) || tw_cli_said(error);
  bool has_h = has_out && (tw_rt_file_begin(&h, header, &error) || tw_cli_said(error));
  bool ok = has_out && has_h;
  if (ok && !tw_export_c(&x, &t->unit->arena, out.out, h.out, &why)) {
    fprintf(stderr, "triwave: '%s' cannot be exported to C: %s\n", m->name, why);
    ok = false;
  }
  if (has_h && !ok) tw_rt_file_abandon(&h);
  if (has_out && !ok) tw_rt_file_abandon(&out);
  if (ok && !(ok = tw_rt_file_commit(&out, &error) || tw_cli_said(error))) tw_rt_file_abandon(&h);
  ok = ok && (tw_rt_file_commit(&h, &error) || tw_cli_said(error));
  free(header);
  return ok;
}

static bool write_as_c(const TwCli *c, TwTrained *t) {
  char *name = tw_export_c_name(c->output);
  bool ok = name && tw_build(&t->build, TW_PHASE_OPT) && write_c(c, t, name); /* code from the cache comes without IR */
  free(name);
  return ok;
}

static bool write_onnx(const TwCli *c, TwTrained *t) {
  if (!tw_build(&t->build, TW_PHASE_LOWER)) return false; /* code from the cache comes without IR */
  const TwRtModel *m = &t->build.rt->models[t->model];
  const TwLoweredFn *predict = fn_of(t->build.lowered, m->name, "predict");
  TwExport x = {
      .p = t->build.rt, .model = m, .predict = predict->primal ? predict->primal : predict->grad, .shown = t->shown};
  const unsigned char *bytes;
  const char *why;
  TwSpan at;
  size_t n;
  if (!tw_export_onnx(&x, &t->unit->arena, TW_VERSION, &bytes, &n, &why, &at)) {
    tw_diag(&t->unit->diags, TW_E0806, at, "'%s' cannot be exported to ONNX: %s", m->name, why);
    return false;
  }
  char *error = NULL;
  return tw_rt_file_write(c->output, bytes, n, &error) || tw_cli_said(error);
}

static bool write_safetensors(const TwCli *c, TwTrained *t) {
  const TwRtProgram *p = t->build.rt;
  char *seed = tw_rt_textf("%llu", (unsigned long long)t->seed);
  TwRtStText texts[] = {{"format", "pt"},
                        {"triwave.program", p->path},
                        {"triwave.variant", p->variant},
                        {"triwave.stage", p->stages[t->stage].name},
                        {"triwave.seed", seed ? seed : ""}};
  size_t size;
  unsigned char *bytes = tw_rt_stored_encode(p, t->shown, texts, sizeof texts / sizeof *texts, &size);
  char *error = NULL;
  bool ok = (bytes && tw_rt_file_write(c->output, bytes, size, &error)) || tw_cli_said(error);
  free(bytes);
  free(seed);
  return ok;
}

static const struct {
  const char *to, *ending;
  TwTrainedWant wants;
  bool (*write)(const TwCli *c, TwTrained *t);
} forms[] = {{"c", ".c", TW_TRAINED_MODEL, write_as_c},
             {"safetensors", ".safetensors", TW_TRAINED_SHOWN, write_safetensors},
             {"onnx", ".onnx", TW_TRAINED_MODEL, write_onnx}};
enum { N_FORMS = sizeof forms / sizeof *forms };

int tw_cli_export(const TwCli *c) {
  int k = 0;
  while (k < N_FORMS && !(c->to && strcmp(c->to, forms[k].to) == 0)) k++;
  if (k == N_FORMS) {
    fprintf(stderr, "triwave: export wants --to c, onnx or safetensors\n");
    return TW_EXIT_USAGE;
  }
  size_t n = c->output ? strlen(c->output) : 0, end = strlen(forms[k].ending);
  if (n <= end || strcmp(c->output + n - end, forms[k].ending) != 0) {
    fprintf(stderr, "triwave: export --to %s wants -o with a file that ends in %s\n", forms[k].to, forms[k].ending);
    return TW_EXIT_USAGE;
  }
  if (forms[k].write == write_as_c && !tw_export_c_includes(c->output)) {
    fprintf(
        stderr,
        "triwave: export --to c wants -o with a name that #include can have: without quotes, \\, ?? and line ends\n");
    return TW_EXIT_USAGE;
  }
  TwTrained t;
  bool sound, ok = tw_cli_trained(c, forms[k].wants, &t, &sound);
  ok = ok && forms[k].write(c, &t);
  tw_cli_trained_end(&t);
  return ok && sound ? TW_EXIT_OK : TW_EXIT_WRONG;
}
