/* text.c: strings for messages. */
#include "runtime/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *tw_rt_textv(const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, again);
  va_end(again);
  if (n < 0) return NULL;
  char *s = malloc((size_t)n + 1);
  if (s) vsnprintf(s, (size_t)n + 1, fmt, ap);
  return s;
}

char *tw_rt_textf(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *s = tw_rt_textv(fmt, ap);
  va_end(ap);
  return s;
}

size_t tw_rt_text_sequence(const char *text) {
  const unsigned char *s = (const unsigned char *)text;
  if (s[0] < 0x80) return s[0] != 0;
  size_t n = s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : s[0] >= 0xE0 && s[0] < 0xF0 ? 3 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xC0u) != 0x80u) return 0;
  if (s[0] == 0xE0 && s[1] < 0xA0) return 0;
  if (s[0] == 0xED && s[1] > 0x9F) return 0;
  if (s[0] == 0xF0 && s[1] < 0x90) return 0;
  if (s[0] == 0xF4 && s[1] > 0x8F) return 0;
  return n;
}

char *tw_rt_text_valid(const char *text) {
  size_t at = 0;
  char *out = malloc(3 * strlen(text) + 1);
  for (const char *s = text; out && *s;) {
    size_t n = tw_rt_text_sequence(s);
    memcpy(out + at, n ? s : "\xEF\xBF\xBD", n ? n : 3);
    at += n ? n : 3;
    s += n ? n : 1;
  }
  if (out) out[at] = '\0';
  return out;
}

size_t tw_rt_text_cut(const char *s, size_t max) {
  size_t n = strnlen(s, max + 1);
  if (n <= max) return n;
  n = max;
  while (n > 0 && ((unsigned char)s[n] & 0xC0u) == 0x80u) n--;
  return n;
}

size_t tw_rt_text_width(const char *s, size_t n) {
  size_t width = 0;
  for (size_t i = 0; i < n; i++) width += ((unsigned char)s[i] & 0xC0u) != 0x80u;
  return width;
}

void tw_rt_text_into(char *out, size_t size, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *s = tw_rt_textv(fmt, ap);
  va_end(ap);
  if (!s) {
    out[0] = '\0';
    return;
  }
  size_t n = strlen(s);
  if (n < size) {
    memcpy(out, s, n + 1);
  } else {
    n = tw_rt_text_cut(s, size - 4);
    memcpy(out, s, n);
    memcpy(out + n, "...", 4);
  }
  free(s);
}
