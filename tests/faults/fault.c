/* fault.c: a library to be preloaded: one call of a kind fails, or all from one on, as on a full or a broken disk.
 *
 *   TW_FAULT       KIND:N:ERRNO or KIND:N:ERRNO:on    the N-th call, from 1; with `on` those after it too.
 *                  KIND is open write short fsync rename close mkdir read; `short` writes a part and returns how much.
 *                  Or count:0:0: none fails, and how many there are is said at the end, a line each kind
 *   TW_FAULT_ROOT  only files below this folder count
 *   TW_FAULT_SAYS  a file, not below it, to which a line goes for each call that fails: its kind and path
 *
 * Streams call the kernel from inside of the C library, where nothing can be put in between. So files below the root
 * that fopen opens become streams of this library's, with a descriptor that fileno knows. Children are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char kind_wanted[16], root[PATH_MAX], says[PATH_MAX];
static long number_wanted, errno_wanted;
static bool on;
enum { OPEN, WRITE, SHORT, FSYNC, RENAME, CLOSE, MKDIR, READ, N_KINDS };
static const char *const kinds[N_KINDS] = {"open", "write", "short", "fsync", "rename", "close", "mkdir", "read"};
static atomic_long calls[N_KINDS];

__attribute__((constructor)) static void begin(void) {
  const char *what = getenv("TW_FAULT"), *below = getenv("TW_FAULT_ROOT"), *to = getenv("TW_FAULT_SAYS");
  char more[4] = "";
  if (what && below && to &&
      sscanf(what, "%15[a-z]:%ld:%ld:%3s", kind_wanted, &number_wanted, &errno_wanted, more) >= 3) {
    snprintf(root, sizeof root, "%s/", below);
    snprintf(says, sizeof says, "%s", to);
    on = strcmp(more, "on") == 0;
  }
  unsetenv("LD_PRELOAD");
}

/* ---- which calls */

static bool is_below(const char *path) {
  return *root && (strncmp(path, root, strlen(root)) == 0 || strncmp(path, root, strlen(root) - 1) == 0);
}

/* The path of a descriptor, or "". */
static const char *path_of(int fd, char out[PATH_MAX]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = fd >= 0 ? readlink(link, out, PATH_MAX - 1) : -1;
  out[n > 0 ? n : 0] = 0;
  return out;
}

static const char *path_at(int dir, const char *name, char out[PATH_MAX]) {
  char folder[PATH_MAX];
  if (name[0] == '/') return snprintf(out, PATH_MAX, "%s", name), out;
  if (dir == AT_FDCWD && !getcwd(folder, sizeof folder)) folder[0] = 0;
  if (dir != AT_FDCWD) path_of(dir, folder);
  if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX) out[0] = 0;
  return out;
}

static void say(const char *kind, const char *path) {
  char line[PATH_MAX + 32];
  int n = snprintf(line, sizeof line, "%s %s\n", kind, path),
      fd = (int)syscall(SYS_openat, AT_FDCWD, says, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return;
  (void)!syscall(SYS_write, fd, line, (size_t)n);
  syscall(SYS_close, fd);
}

/* Is this kind looked at? */
static bool wanted(int kind) { return *kind_wanted && (number_wanted == 0 || strcmp(kind_wanted, kinds[kind]) == 0); }

__attribute__((destructor)) static void end(void) {
  for (int k = 0; *kind_wanted && number_wanted == 0 && k < N_KINDS; k++) {
    char text[24];
    snprintf(text, sizeof text, "%ld", atomic_load(&calls[k]));
    say(kinds[k], text);
  }
}

/* Is this the call that fails? Then errno is set. */
static bool fails(int kind, const char *path) {
  int kept = errno;
  if (!wanted(kind) || !is_below(path)) return errno = kept, false;
  long k = atomic_fetch_add(&calls[kind], 1) + 1;
  if (number_wanted == 0 || (k != number_wanted && !(on && k > number_wanted))) return errno = kept, false;
  say(kinds[kind], path);
  return errno = (int)errno_wanted, true;
}

#define REAL(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

/* ---- descriptors */

static int open_at(int dir, const char *name, int flags, mode_t mode) {
  char path[PATH_MAX];
  if (fails(OPEN, path_at(dir, name, path))) return -1;
  return (int)syscall(SYS_openat, dir, name, flags, mode);
}

static mode_t mode_of(int flags, va_list ap) { return flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0; }

int open(const char *name, int flags, ...) {
  va_list ap;
  va_start(ap, flags);
  mode_t mode = mode_of(flags, ap);
  va_end(ap);
  return open_at(AT_FDCWD, name, flags, mode);
}
int open64(const char *name, int flags, ...) {
  va_list ap;
  va_start(ap, flags);
  mode_t mode = mode_of(flags, ap);
  va_end(ap);
  return open_at(AT_FDCWD, name, flags, mode);
}
int openat(int dir, const char *name, int flags, ...) {
  va_list ap;
  va_start(ap, flags);
  mode_t mode = mode_of(flags, ap);
  va_end(ap);
  return open_at(dir, name, flags, mode);
}
int openat64(int dir, const char *name, int flags, ...) {
  va_list ap;
  va_start(ap, flags);
  mode_t mode = mode_of(flags, ap);
  va_end(ap);
  return open_at(dir, name, flags, mode);
}

ssize_t write(int fd, const void *from, size_t n) {
  char path[PATH_MAX];
  bool ours = wanted(WRITE) || wanted(SHORT);
  if (ours && fails(WRITE, path_of(fd, path))) return -1;
  if (ours && n > 1 && fails(SHORT, path_of(fd, path))) n = (n + 1) / 2;
  return syscall(SYS_write, fd, from, n);
}

ssize_t read(int fd, void *to, size_t n) {
  char path[PATH_MAX];
  if (wanted(READ) && fails(READ, path_of(fd, path))) return -1;
  return syscall(SYS_read, fd, to, n);
}

int close(int fd) {
  char path[PATH_MAX];
  bool bad = wanted(CLOSE) && fails(CLOSE, path_of(fd, path));
  int why = errno, r = (int)syscall(SYS_close, fd);
  return bad ? (errno = why, -1) : r;
}

static bool fsync_fails(int fd) {
  char path[PATH_MAX];
  return wanted(FSYNC) && fails(FSYNC, path_of(fd, path));
}
int fsync(int fd) { return fsync_fails(fd) ? -1 : (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return fsync_fails(fd) ? -1 : (int)syscall(SYS_fdatasync, fd); }
int syncfs(int fd) { return fsync_fails(fd) ? -1 : (int)syscall(SYS_syncfs, fd); }

/* ---- names */

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
  char path[PATH_MAX];
  if (fails(RENAME, path_at(to_dir, to, path))) return -1;
  return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int mkdir(const char *name, mode_t mode) {
  char path[PATH_MAX];
  return fails(MKDIR, path_at(AT_FDCWD, name, path)) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, name, mode);
}

/* ---- streams */

enum { MOST = 256 };
static struct Stream {
  FILE *file;
  int fd;
} streams[MOST];
static atomic_flag lock = ATOMIC_FLAG_INIT;

static void keep(FILE *file, int fd, bool there) {
  while (atomic_flag_test_and_set(&lock)) {}
  for (int k = 0; k < MOST; k++) {
    if (streams[k].file != (there ? NULL : file)) continue;
    streams[k] = (struct Stream){there ? file : NULL, fd};
    break;
  }
  atomic_flag_clear(&lock);
}

/* As the C library does with its own: what a short write leaves is written again. */
static ssize_t stream_write(void *cookie, const char *from, size_t n) {
  for (size_t at = 0; at < n;) {
    ssize_t put = write((int)(intptr_t)cookie, from + at, n - at);
    if (put < 0) return 0;
    at += (size_t)put;
  }
  return (ssize_t)n;
}
static ssize_t stream_read(void *cookie, char *to, size_t n) { return read((int)(intptr_t)cookie, to, n); }
static int stream_seek(void *cookie, off64_t *at, int whence) {
  off64_t to = lseek64((int)(intptr_t)cookie, *at, whence);
  return to < 0 ? -1 : (*at = to, 0);
}
static int stream_close(void *cookie) { return close((int)(intptr_t)cookie); }

static FILE *stream(const char *name, const char *mode, FILE *(*real)(const char *, const char *)) {
  char path[PATH_MAX], plain[4] = {mode[0], 0};
  if (!is_below(path_at(AT_FDCWD, name, path))) return real(name, mode);
  bool both = strchr(mode, '+') != NULL;
  int flags = mode[0] == 'r' ? (both ? O_RDWR : O_RDONLY)
                             : (both ? O_RDWR : O_WRONLY) | O_CREAT | (mode[0] == 'a' ? O_APPEND : O_TRUNC);
  int fd = open_at(AT_FDCWD, name, flags | O_CLOEXEC | (strchr(mode, 'x') ? O_EXCL : 0), 0666);
  if (fd < 0) return NULL;
  if (both) plain[1] = '+';
  cookie_io_functions_t io = {stream_read, stream_write, stream_seek, stream_close};
  FILE *file = fopencookie((void *)(intptr_t)fd, plain, io);
  if (file) keep(file, fd, true);
  return file;
}
FILE *fopen(const char *name, const char *mode) { return stream(name, mode, REAL(fopen)); }
FILE *fopen64(const char *name, const char *mode) { return stream(name, mode, REAL(fopen64)); }

int fileno(FILE *file) {
  int fd = -1;
  while (atomic_flag_test_and_set(&lock)) {}
  for (int k = 0; k < MOST; k++)
    if (streams[k].file == file) fd = streams[k].fd;
  atomic_flag_clear(&lock);
  return fd >= 0 ? fd : REAL(fileno)(file);
}

int fclose(FILE *file) {
  keep(file, -1, false);
  return REAL(fclose)(file);
}
