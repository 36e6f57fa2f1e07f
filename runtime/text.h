/* text.h: strings for messages. Internal to the runtime. */
#ifndef TW_RUNTIME_TEXT_H
#define TW_RUNTIME_TEXT_H

#include <stdarg.h>
#include <stddef.h>

/* printf into a malloc'ed string; the caller frees. NULL only if memory has run out. */
char *tw_rt_textf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *tw_rt_textv(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

/* printf into a field of fixed size: cut at a code point's end, with "..." at the cut. */
void tw_rt_text_into(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* How many bytes the UTF-8 sequence at s has; 0 if it is none, or the end. */
size_t tw_rt_text_sequence(const char *s);
/* The text with each byte that is of no UTF-8 sequence replaced, by U+FFFD; malloc'ed. NULL: no memory. */
char *tw_rt_text_valid(const char *text);
/* How many of the first `max` bytes of s make whole code points. */
size_t tw_rt_text_cut(const char *s, size_t max);
/* Code points in n bytes (columns on a terminal, for the texts we print). */
size_t tw_rt_text_width(const char *s, size_t n);

#endif
