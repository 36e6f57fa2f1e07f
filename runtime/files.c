/* files.c: see files.h. */
#define _GNU_SOURCE /* syncfs, fopencookie */
#include "runtime/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/text.h"

enum { FEW = 3 }; /* files that are synced one by one rather than with all of their file system */

char *tw_rt_file_error(const char *what, const char *path, int why) {
  return tw_rt_textf("cannot %s '%s': %s", what, path, why ? strerror(why) : "no reason given");
}

static bool fail(char **error, const char *what, const char *path) {
  int why = errno;
  *error = tw_rt_file_error(what, path, why);
  return false;
}

/* What is written as it is: a pipe has no other name, and a device must not be replaced by a file. */
static bool is_special(const char *path) {
  struct stat s;
  return stat(path, &s) == 0 && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode);
}

/* A file that may not be written is not replaced either, though its folder would let it be. Root may write everything:
 * it is the mode that says what is meant. Sets errno. */
static bool is_protected(const char *path) {
  struct stat s;
  bool is = stat(path, &s) == 0 && S_ISREG(s.st_mode) && (!(s.st_mode & 0222) || access(path, W_OK) != 0);
  errno = EACCES;
  return is;
}

/* A file that is replaced keeps its permissions. */
static void keep_mode(int fd, const char *path) {
  struct stat s;
  if (stat(path, &s) == 0) (void)fchmod(fd, s.st_mode & 07777);
}

/* ---- streams that know why they failed: the C library's keep a flag, and errno is of a later call by the time it is
 * seen */

int tw_rt_write_all(int fd, const void *bytes, size_t n) {
  for (size_t at = 0; at < n;) {
    ssize_t put = write(fd, (const char *)bytes + at, n - at);
    if (put > 0) at += (size_t)put;
    else if (put == 0) return EIO; /* nothing was written, and nothing was wrong: it would be so for ever */
    else if (errno != EINTR) return errno;
  }
  return 0;
}

static ssize_t sink_write(void *cookie, const char *from, size_t n) {
  TwRtSink *s = cookie;
  if (!s->why) s->why = tw_rt_write_all(s->fd, from, n);
  return s->why ? 0 : (ssize_t)n;
}

FILE *tw_rt_sink_stream(TwRtSink *s) { return fopencookie(s, "w", (cookie_io_functions_t){.write = sink_write}); }

/* temporary: the file is to be gone if there is no stream. */
static FILE *sink_open(TwRtSink *s, const char *path, bool temporary) {
  s->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  FILE *out = s->fd < 0 ? NULL : tw_rt_sink_stream(s);
  if (out) return setvbuf(out, NULL, _IOFBF, 1 << 16), out;
  if (s->fd < 0) return NULL;
  close(s->fd);
  if (temporary) unlink(path);
  errno = ENOMEM;
  return NULL;
}

/* ---- folders */

/* The folder that a path is in; malloc'ed. */
static char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return !slash ? tw_rt_textf(".") : slash == path ? tw_rt_textf("/") : tw_rt_textf("%.*s", (int)(slash - path), path);
}

bool tw_rt_folder_sync(const char *path, char **error) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail(error, "write", path);
  bool ok = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP; /* file systems without it */
  if (!ok) fail(error, "write", path);
  close(fd);
  return ok;
}

static bool sync_folder_of(const char *path, char **error) {
  char *folder = folder_of(path);
  bool ok = folder ? tw_rt_folder_sync(folder, error) : (*error = NULL, false);
  free(folder);
  return ok;
}

static bool make_one(const char *path, char **error) {
  struct stat s;
  if (mkdir(path, 0777) == 0) return sync_folder_of(path, error);
  int why = errno;
  if (stat(path, &s) == 0 && S_ISDIR(s.st_mode)) return true;
  errno = why;
  return fail(error, "make", path);
}

bool tw_rt_folder_make(const char *path, char **error) {
  char *all = tw_rt_textf("%s", path);
  if (!all) return *error = NULL, false;
  bool ok = true;
  for (char *at = all + 1; ok && (at = strchr(at, '/')); at++) {
    *at = 0;
    ok = make_one(all, error);
    *at = '/';
  }
  ok = ok && make_one(all, error);
  free(all);
  return ok;
}

/* ---- one file */

bool tw_rt_file_begin(TwRtFile *f, const char *path, char **error) {
  *error = NULL;
  *f = (TwRtFile){0};
  if (is_protected(path)) return fail(error, "write", path);
  f->path = tw_rt_textf("%s", path);
  bool special = is_special(path);
  if (!special) f->part = tw_rt_textf("%s.part", path);
  f->sink = calloc(1, sizeof *f->sink);
  errno = ENOMEM;
  if (f->path && f->sink && (special || f->part)) f->out = sink_open(f->sink, special ? path : f->part, !special);
  if (f->out && f->part) keep_mode(f->sink->fd, path);
  if (f->out) return true;
  fail(error, "write", path);
  free(f->sink);
  free(f->path);
  free(f->part);
  *f = (TwRtFile){0};
  return false;
}

static void forget(TwRtFile *f) {
  free(f->sink);
  free(f->path);
  free(f->part);
  *f = (TwRtFile){0};
}

bool tw_rt_file_commit(TwRtFile *f, char **error) {
  *error = NULL;
  errno = ENOMEM; /* of a stream that fails without having written */
  bool ok = fflush(f->out) == 0 && !ferror(f->out) && (!f->part || fsync(f->sink->fd) == 0);
  int why = f->sink->why ? f->sink->why : errno;
  fclose(f->out);
  if (close(f->sink->fd) != 0 && ok) ok = false, why = errno;
  if (ok && f->part && rename(f->part, f->path) != 0) ok = false, why = errno;
  errno = why;
  if (!ok) {
    fail(error, "write", f->path);
    if (f->part) unlink(f->part);
  }
  ok = ok && (!f->part || sync_folder_of(f->path, error));
  forget(f);
  return ok;
}

void tw_rt_file_abandon(TwRtFile *f) {
  if (!f->out) return;
  fclose(f->out);
  close(f->sink->fd);
  if (f->part) unlink(f->part);
  forget(f);
}

bool tw_rt_file_write(const char *path, const void *bytes, size_t n, char **error) {
  TwRtFile f;
  if (!tw_rt_file_begin(&f, path, error)) return false;
  fwrite(bytes, 1, n, f.out);
  return tw_rt_file_commit(&f, error);
}

bool tw_rt_file_place(const char *part, const char *path, char **error) {
  *error = NULL;
  int fd = open(part, O_RDONLY | O_CLOEXEC);
  bool ok = fd >= 0 && fsync(fd) == 0 && !is_protected(path);
  int why = errno;
  if (fd >= 0) close(fd);
  if (ok && rename(part, path) != 0) ok = false, why = errno;
  errno = why;
  if (!ok) {
    fail(error, "write", path);
    unlink(part);
  }
  return ok && sync_folder_of(path, error);
}

/* ---- many files */

static char *part_of(const char *path) { return tw_rt_textf("%s.part", path); }

static bool has(const TwRtFiles *b, const char *path) {
  for (size_t k = 0; k < b->n; k++)
    if (strcmp(b->paths[k], path) == 0) return true;
  return false;
}

bool tw_rt_files_add(TwRtFiles *b, const char *path, const void *bytes, size_t n, char **error) {
  *error = NULL;
  bool again = has(b, path); /* its temporary file is written anew */
  if (b->n == b->cap) {
    size_t cap = b->cap ? 2 * b->cap : 16;
    char **more = realloc(b->paths, cap * sizeof *more);
    if (!more) return errno = ENOMEM, fail(error, "write", path);
    b->paths = more;
    b->cap = cap;
  }
  char *own = tw_rt_textf("%s", path), *part = part_of(path);
  FILE *out = own && part ? fopen(part, "wbe") : NULL;
  if (!out) {
    fail(error, "write", path);
    free(own);
    free(part);
    return false;
  }
  if (again) free(own);
  else b->paths[b->n++] = own;
  errno = 0;
  bool ok = fwrite(bytes, 1, n, out) == n && fflush(out) == 0;
  int why = errno;
  if (fclose(out) != 0 && ok) ok = false, why = errno;
  errno = why;
  if (!ok) fail(error, "write", path);
  free(part);
  return ok;
}

static bool sync_part(const char *path, bool whole_system, char **error) {
  char *part = part_of(path);
  int fd = part ? open(part, O_RDWR | O_CLOEXEC) : -1;
  bool ok = fd >= 0 && (whole_system ? syncfs(fd) : fsync(fd)) == 0;
  if (!ok) fail(error, "write", path);
  if (fd >= 0) close(fd);
  free(part);
  return ok;
}

void tw_rt_files_abandon(TwRtFiles *b) {
  for (size_t k = 0; k < b->n; k++) {
    char *part = part_of(b->paths[k]);
    if (part) unlink(part);
    free(part);
    free(b->paths[k]);
  }
  free(b->paths);
  *b = (TwRtFiles){0};
}

/* The folders of many files: their file system once more. */
static bool sync_folders(const TwRtFiles *b, char **error) {
  if (b->n > FEW) {
    char *folder = folder_of(b->paths[0]);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool ok = fd >= 0 && syncfs(fd) == 0;
    if (!ok) fail(error, "write", folder ? folder : "");
    if (fd >= 0) close(fd);
    free(folder);
    return ok;
  }
  for (size_t k = 0; k < b->n; k++) {
    char *folder = folder_of(b->paths[k]), *before = k ? folder_of(b->paths[k - 1]) : NULL;
    bool ok = folder && ((before && strcmp(folder, before) == 0) || tw_rt_folder_sync(folder, error));
    free(folder);
    free(before);
    if (!ok) return false;
  }
  return true;
}

bool tw_rt_files_commit(TwRtFiles *b, char **error) {
  *error = NULL;
  bool ok = true;
  for (size_t k = 0; ok && k < b->n && (k == 0 || b->n <= FEW); k++) ok = sync_part(b->paths[k], b->n > FEW, error);
  for (size_t k = 0; ok && k < b->n; k++) {
    char *part = part_of(b->paths[k]);
    ok = part && rename(part, b->paths[k]) == 0;
    if (!ok) fail(error, "write", b->paths[k]);
    free(part);
  }
  ok = ok && sync_folders(b, error);
  tw_rt_files_abandon(b); /* what was renamed is not there under its temporary name */
  return ok;
}

/* ---- reading */

/* Reads to the end, into room that grows. false: errno. */
static bool read_to_end(int fd, char **bytes, size_t *n, size_t cap) {
  for (;;) {
    ssize_t got = read(fd, *bytes + *n, cap - *n);
    if (got == 0) return true;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    *n += (size_t)got;
    if (*n < cap) continue;
    char *more = realloc(*bytes, 2 * cap + 1);
    if (!more) return errno = ENOMEM, false;
    *bytes = more;
    cap *= 2;
  }
}

bool tw_rt_file_read(const char *path, char **bytes, size_t *n, char **error) {
  *error = NULL;
  *bytes = NULL;
  *n = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat s;
  size_t cap = fd >= 0 && fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_size > 0 ? (size_t)s.st_size + 1 : 1 << 16;
  bool ok = fd >= 0 && ((*bytes = malloc(cap + 1)) != NULL || (errno = ENOMEM, false)) &&
            read_to_end(fd, bytes, n, cap);
  if (!ok) fail(error, "read", path);
  if (fd >= 0) close(fd);
  if (ok) (*bytes)[*n] = 0;
  else free(*bytes), *bytes = NULL;
  return ok;
}
