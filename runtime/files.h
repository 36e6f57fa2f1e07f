/* files.h: files that are there whole or not at all.
 *
 * A file is written under a temporary name beside its own (".part" added), synced, and renamed; then its folder is
 * synced. Whatever stops that, a signal, a full disk, a power cut, the old file or none is there afterwards. A file
 * that may not be written is left as it is.
 * Errors are sentences with path and reason, malloc'ed, for the caller to free. */
#ifndef TW_RUNTIME_FILES_H
#define TW_RUNTIME_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* All bytes. 0, or the errno of the write that failed. */
int tw_rt_write_all(int fd, const void *bytes, size_t n);

/* What a stream writes to, which remembers why it could not; fd is the caller's, and outlives the stream. */
typedef struct TwRtSink {
  int fd, why; /* why: the errno of the first write that failed; 0: none has */
} TwRtSink;
FILE *tw_rt_sink_stream(TwRtSink *s); /* NULL: no memory */

typedef struct TwRtFile {
  FILE *out;         /* whoever writes need not look at errors: commit knows the first one */
  TwRtSink *sink;    /* what `out` writes to */
  char *path, *part; /* part NULL: a pipe or a device, which is written as it is */
} TwRtFile;

/* Opens a file for writing. false: *error. */
bool tw_rt_file_begin(TwRtFile *f, const char *path, char **error);
/* Ends what begin began, in one of two ways: the file is there, or it is not. false: *error, and it is not. */
bool tw_rt_file_commit(TwRtFile *f, char **error);
void tw_rt_file_abandon(TwRtFile *f);

/* The three together. */
bool tw_rt_file_write(const char *path, const void *bytes, size_t n, char **error);

/* What another program has written to `part` gets its own name, synced. false: *error, and `part` is gone. */
bool tw_rt_file_place(const char *part, const char *path, char **error);

/* Many small files, which cost one sync together. */
typedef struct TwRtFiles {
  char **paths; /* written under their temporary names, not synced */
  size_t n, cap;
} TwRtFiles;
/* A path that is in the batch already gets the new bytes. */
bool tw_rt_files_add(TwRtFiles *b, const char *path, const void *bytes, size_t n, char **error);
/* Frees the batch. false: *error; each of its files is there whole or not at all. */
bool tw_rt_files_commit(TwRtFiles *b, char **error);
void tw_rt_files_abandon(TwRtFiles *b);

/* A whole file, malloc'ed, with a 0 behind it that does not count. false: *error. */
bool tw_rt_file_read(const char *path, char **bytes, size_t *n, char **error);
/* Makes a folder, and those it is in, where they are missing; those that it makes are synced. */
bool tw_rt_folder_make(const char *path, char **error);
bool tw_rt_folder_sync(const char *path, char **error);
/* "cannot WHAT 'path': " and the reason that errno has. */
char *tw_rt_file_error(const char *what, const char *path, int why);

#endif
