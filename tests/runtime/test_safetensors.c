/* test_safetensors.c: the format, written and read; what the reader refuses, and in which words; mutated files. */
#include <stdint.h>
#include <stdlib.h>

#include "runtime/safetensors.h"
#include "runtime/stored.h"
#include "runtime/text.h"
#include "tests/runtime/check.h"

static const float w[6] = {1, -2, 3.5f, 4, 5, 6.25f};
static const double d[2] = {0.1, -1e300};
static const int64_t w_dims[2] = {2, 3}, d_dims[1] = {2}, none[1] = {0};

static unsigned char *sample(size_t *size) {
  TwRtStTensor t[] = {{"net.weight", "F32", 2, w_dims, 6, w},
                      {"peak \"a\\", "F64", 1, d_dims, 2, d},
                      {"scale", "F32", 0, NULL, 1, w + 5},
                      {"none", "F32", 1, none, 0, NULL}};
  TwRtStText texts[] = {{"format", "pt"}, {"path", "a\xFFz"}};
  return tw_rt_st_encode(t, 4, texts, 2, size);
}

static void test_round_trip(void) {
  size_t size;
  unsigned char *bytes = sample(&size);
  TwRtSt f;
  char *error;
  CHECK(bytes && tw_rt_st_decode(bytes, size, &f, &error), "%s", error ? error : "no memory");
  CHECK_INT(f.n_tensors, 4);
  const TwRtStTensor *t = tw_rt_st_find(&f, "net.weight"), *p = tw_rt_st_find(&f, "peak \"a\\"),
                     *s = tw_rt_st_find(&f, "scale");
  CHECK(t && p && s && tw_rt_st_find(&f, "none"), "names");
  CHECK(t->rank == 2 && t->dims[0] == 2 && t->dims[1] == 3 && p->rank == 1 && s->rank == 0 && s->count == 1, "shapes");
  for (int k = 0; k < 6; k++) CHECK(tw_rt_st_real(t, (uint64_t)k) == (double)w[k], "element %d", k);
  CHECK(tw_rt_st_real(p, 0) == 0.1 && tw_rt_st_real(p, 1) == -1e300, "doubles");
  CHECK(!tw_rt_st_find(&f, "nothing"), "a name that is not there");
  CHECK(strcmp(tw_rt_st_text(&f, "format"), "pt") == 0 && strcmp(tw_rt_st_text(&f, "path"), "a\xEF\xBF\xBDz") == 0,
        "texts");
  CHECK((uint64_t)((const unsigned char *)t->data - bytes) % 8 == 0, "the data are aligned");
  tw_rt_st_free(&f);
  free(bytes);
}

/* A file with this header and so many bytes of data. */
static unsigned char *made(const char *header, size_t length, size_t data, size_t *size) {
  unsigned char *b = calloc(1, 8 + length + data);
  if (!b) abort();
  for (int k = 0; k < 8; k++) b[k] = (unsigned char)((uint64_t)length >> (8 * k));
  memcpy(b + 8, header, length);
  *size = 8 + length + data;
  return b;
}

static void refused(const char *header, size_t data, const char *part) {
  size_t size;
  unsigned char *b = made(header, strlen(header), data, &size);
  TwRtSt f;
  char *error = NULL;
  bool ok = tw_rt_st_decode(b, size, &f, &error);
  CHECK(ok == (part == NULL), "%s: %s", header, error ? error : "accepted");
  if (part && !ok) CHECK_HAS(error, part);
  if (ok) tw_rt_st_free(&f);
  free(error);
  free(b);
}

#define T(name, dtype, shape, offsets)                                                                                 \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_refusals(void) {
  refused("{" T("a", "F32", "[2]", "[0,8]") "}", 8, NULL);
  refused("{" T("a", "F32", "[2]", "[0,8]") "}   ", 8, NULL);
  refused("{}", 0, NULL);
  refused("{" T("a", "BF16", "[4]", "[0,8]") "}", 8, NULL);
  refused("{" T("a", "F32", "[0,9]", "[0,0]") "," T("b", "F32", "[2]", "[0,8]") "}", 8, NULL);
  refused(" {}", 0, "no JSON object");
  refused("[]", 0, "no JSON object");
  refused("{} x", 0, "no JSON object");
  refused("{" T("a", "F32", "[2]", "[0,8]") "," T("a", "F32", "[2]", "[8,16]") "}", 16, "there twice");
  refused("{" T("a", "F32", "[2]", "[0,8]") "," T("b", "F32", "[2]", "[4,12]") "}", 12, "overlaps");
  refused("{" T("a", "F32", "[2]", "[0,8]") "," T("b", "F32", "[2]", "[0,8]") "}", 8, "overlaps");
  refused("{" T("a", "F32", "[2]", "[8,16]") "}", 16, "belong to none");
  refused("{" T("a", "F32", "[2]", "[0,8]") "}", 12, "belong to no tensor");
  refused("{" T("a", "F32", "[2]", "[0,8]") "}", 4, "bytes 0 to 8 of 4");
  refused("{" T("a", "F32", "[2]", "[8,0]") "}", 8, "bytes 8 to 0");
  refused("{" T("a", "F32", "[3]", "[0,8]") "}", 8, "has 8 bytes, and its shape wants 12");
  refused("{" T("a", "F32", "[4294967296,4294967296,4]", "[0,8]") "}", 8, "larger than any memory");
  refused("{" T("a", "F32", "[9007199254740992,2048]", "[0,8]") "}", 8, "larger than any memory");
  refused("{" T("a", "F32", "[-2]", "[0,8]") "}", 8, "not made of whole numbers");
  refused("{" T("a", "F32", "[1.5]", "[0,8]") "}", 8, "not made of whole numbers");
  refused("{" T("a", "F32", "[1e300]", "[0,8]") "}", 8, "not made of whole numbers");
  refused("{" T("a", "F32", "[2]", "[0,1e30]") "}", 8, "not two whole numbers");
  refused("{" T("a", "F32", "[2]", "[0]") "}", 8, "not two whole numbers");
  refused("{" T("a", "F32", "{}", "[0,8]") "}", 8, "has no shape");
  refused("{" T("a", "F33", "[2]", "[0,8]") "}", 8, "unknown dtype, 'F33'");
  refused("{\"a\":{\"dtype\":4,\"shape\":[],\"data_offsets\":[0,4]}}", 4, "has no dtype");
  refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4,
          "is not dtype, shape and data_offsets");
  refused("{\"a\":1}", 0, "no JSON object");
  refused("{\"__metadata__\":{\"k\":1}}", 0, "is no text");
  refused("{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}", 0, "there twice");
  refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "not one JSON object");
  refused("{\"__metadata__\":[]}", 0, "not one JSON object");
  refused("{\"\xC0\x80\":1}", 0, "not UTF-8");
  refused("{\"a\\u0000b\":1}", 0, "NUL");
  char *deep = malloc(200003), axes[400] = "";
  if (!deep) abort();
  memset(deep, '[', 100001);
  memset(deep + 100001, ']', 100001);
  deep[200002] = '\0';
  memcpy(deep, "{\"a\":", 5);
  refused(deep, 0, "no JSON object");
  free(deep);
  for (int k = 0; k < 100; k++) strcat(axes, k ? ",1" : "[1");
  char *many = tw_rt_textf("{\"a\":{\"dtype\":\"F32\",\"shape\":%s],\"data_offsets\":[0,4]}}", axes);
  refused(many, 4, "100 axes");
  free(many);
}

/* The length in front, and files that end early. */
static void test_lengths(void) {
  size_t size;
  unsigned char *bytes = sample(&size);
  TwRtSt f;
  char *error;
  for (size_t n = 0; n < size; n++) {
    unsigned char *part = malloc(n + 1); /* of its own, so that the sanitizer sees what is read behind it */
    if (!part) abort();
    memcpy(part, bytes, n);
    bool ok = tw_rt_st_decode(part, n, &f, &error);
    CHECK(!ok && error, "%zu of %zu bytes", n, size);
    free(error);
    free(part);
  }
  memset(bytes, 0xFF, 8);
  CHECK(!tw_rt_st_decode(bytes, size, &f, &error), "a length of 2^64 - 1");
  CHECK_HAS(error, "header is said to have 18446744073709551615 bytes");
  free(error);
  free(bytes);
  CHECK(!tw_rt_st_read("/nowhere/x.safetensors", &f, &error), "no file");
  CHECK_HAS(error, "cannot read '/nowhere/x.safetensors': No such file");
  free(error);
  CHECK(!tw_rt_st_read("/", &f, &error), "a folder");
  CHECK_HAS(error, "Is a directory");
  free(error);
}

static void test_names(void) {
  const int64_t dims[] = {2, 3, 4, 5};
  TwRtStored s = tw_rt_stored_of("a.*.b.*.weight", 4, dims);
  CHECK(s.n == 6 && s.count == 20 && s.rank == 2 && s.dims[0] == 4, "%d", (int)s.n);
  char *name = tw_rt_stored_name("a.*.b.*.weight", dims, 5), *plain = tw_rt_stored_name("peak", dims, 0);
  CHECK(name && strcmp(name, "a.1.b.2.weight") == 0, "%s", name);
  CHECK(plain && strcmp(plain, "peak") == 0, "%s", plain);
  free(name);
  free(plain);
}

int main(void) {
  test_round_trip();
  test_refusals();
  test_lengths();
  test_names();
  return tw_test_done("safetensors");
}
