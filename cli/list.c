/* list.c: triwave list [DIR]: the runs in a folder and those below it, a line each. */
#define _GNU_SOURCE
#include <errno.h>
#include <fts.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/runview.h"
#include "runtime/files.h"
#include "runtime/table.h"

typedef struct Listing {
  TwRtTable table;
  cJSON *json;
  bool ok; /* everything could be read */
  uint32_t n;
} Listing;

static uint32_t failed_seeds(const TwRunView *v) {
  uint32_t n = 0;
  for (uint32_t k = 0; k < v->n_jobs; k++) n += v->jobs[k].n_failed;
  return n;
}

static void add_run(Listing *l, const TwRunView *v, const char *path) {
  uint32_t failed = failed_seeds(v);
  double best = tw_runview_best(v);
  TwRtTable *t = &l->table;
  tw_rt_cell(t, "%s", path);
  tw_rt_cell(t, "%s", tw_run_state_text(v->state));
  tw_rt_cell(t, "%s", tw_runview_text(v, "program"));
  if (v->n_jobs == 1) tw_rt_cell(t, "%s", v->jobs[0].variant);
  else tw_rt_cell(t, "%u jobs", v->n_jobs);
  tw_rt_cell(t, "%u", v->n_seeds);
  if (failed) tw_rt_cell(t, "%u", failed);
  else tw_rt_cell(t, "%s", "");
  tw_view_loss_cell(t, best);
  tw_rt_cell(t, "%s", tw_runview_text(v, "started"));
  cJSON *one = cJSON_CreateObject();
  cJSON_AddStringToObject(one, "run", path);
  cJSON_AddStringToObject(one, "state", tw_run_state_text(v->state));
  cJSON_AddStringToObject(one, "program", tw_runview_text(v, "program"));
  cJSON_AddStringToObject(one, "precision", tw_runview_text(v, "precision"));
  cJSON_AddNumberToObject(one, "jobs", v->n_jobs);
  cJSON_AddNumberToObject(one, "seeds", v->n_seeds);
  cJSON_AddNumberToObject(one, "failed", failed);
  cJSON_AddNumberToObject(one, "best_loss", best);
  cJSON_AddStringToObject(one, "started", tw_runview_text(v, "started"));
  cJSON_AddItemToArray(l->json, one);
}

/* A run that cannot be read has its line too; why is said on stderr. */
static void add_damaged(Listing *l, const char *path, char *error) {
  tw_rt_cell(&l->table, "%s", path);
  tw_rt_cell(&l->table, "%s", "damaged");
  while (l->table.cells % l->table.columns) tw_rt_cell(&l->table, "%s", "");
  cJSON *one = cJSON_CreateObject();
  cJSON_AddStringToObject(one, "run", path);
  cJSON_AddStringToObject(one, "state", "damaged");
  cJSON_AddItemToArray(l->json, one);
  l->ok = tw_cli_said(error);
}

static void add(Listing *l, const char *path) {
  TwRunView v;
  char *error;
  l->n++;
  if (!tw_runview_read(&v, path, &error)) {
    add_damaged(l, path, error);
    return;
  }
  add_run(l, &v, path);
  tw_runview_free(&v);
}

static int by_name(const FTSENT **a, const FTSENT **b) { return strcmp((*a)->fts_name, (*b)->fts_name); }

/* Runs have no runs in them, and hidden folders are not looked into. */
static void walk(Listing *l, const char *root) {
  char *roots[] = {(char *)(uintptr_t)root, NULL};
  FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
  if (!tree) {
    l->ok = tw_cli_said(tw_rt_file_error("read", root, errno));
    return;
  }
  for (FTSENT *e; (errno = 0, e = fts_read(tree));) {
    if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS)
      l->ok = tw_cli_said(tw_rt_file_error("read", e->fts_path, e->fts_errno));
    if (e->fts_info != FTS_D) {
      if (e->fts_level == FTS_ROOTLEVEL && e->fts_info == FTS_F)
        l->ok = tw_cli_said(tw_rt_file_error("read", root, ENOTDIR));
      continue;
    }
    bool hidden = e->fts_level > FTS_ROOTLEVEL && e->fts_name[0] == '.', is = !hidden && tw_rundir_is(e->fts_path);
    const char *path = strncmp(e->fts_path, "./", 2) == 0 ? e->fts_path + 2 : e->fts_path;
    if (is) add(l, path);
    if (is || hidden) fts_set(tree, e, FTS_SKIP);
  }
  if (errno) l->ok = tw_cli_said(tw_rt_file_error("read", root, errno));
  fts_close(tree);
}

int tw_cli_list(const TwCli *c) {
  static const char *const head[] = {"run", "state", "program", "variant", "seeds", "failed", "best loss", "started"};
  Listing l = {.table = {.columns = sizeof head / sizeof *head}, .json = cJSON_CreateArray(), .ok = true};
  for (size_t k = 0; k < l.table.columns; k++) tw_rt_cell(&l.table, "%s", head[k]);
  const char *root = c->n_files ? c->files[0] : ".";
  walk(&l, root);
  if (c->json) {
    l.ok &= tw_cli_print_json(l.json);
  } else {
    cJSON_Delete(l.json);
    if (l.n) tw_rt_table_print(&l.table, stdout, isatty(STDOUT_FILENO) != 0);
    else if (l.ok) fprintf(stderr, "triwave: there is no run in '%s', nor below it\n", root);
    l.ok &= tw_cli_stdout_ok();
  }
  tw_rt_table_free(&l.table);
  return l.ok ? TW_EXIT_OK : TW_EXIT_WRONG;
}
