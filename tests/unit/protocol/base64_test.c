#include "protocol/base64.h"

#include "support/check.h"

/* RFC 4648 §10, and the last two characters of each alphabet. */
static const struct {
  const char *bytes, *text, *url;
} pairs[] = {{"", "", ""},
             {"f", "Zg==", "Zg"},
             {"fo", "Zm8=", "Zm8"},
             {"foo", "Zm9v", "Zm9v"},
             {"foob", "Zm9vYg==", "Zm9vYg"},
             {"fooba", "Zm9vYmE=", "Zm9vYmE"},
             {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
             {"\xfb\xff\xfe", "+//+", "-__-"}};

static void encodes_and_decodes_the_examples(void **unused)
{
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    for (int kind = HGL_BASE64; kind <= HGL_BASE64URL; kind++) {
      struct hgl_err err = {0};
      struct hgl_buf text, bytes;
      hgl_buf_init(&text, 100);
      hgl_buf_init(&bytes, 100);
      hgl_base64_encode((enum hgl_base64)kind, hgl_text(pairs[i].bytes), &text);
      assert_ok(hgl_buf_check(&text, &err));
      assert_true(hgl_bytes_is(hgl_buf_bytes(&text), kind ? pairs[i].url : pairs[i].text));
      assert_ok(hgl_base64_decode((enum hgl_base64)kind, hgl_buf_bytes(&text), &bytes, &err));
      assert_true(hgl_bytes_is(hgl_buf_bytes(&bytes), pairs[i].bytes));
      hgl_buf_deinit(&text);
      hgl_buf_deinit(&bytes);
    }
  }
}

static void decodes_one_text_for_each_run_of_bytes(void **unused)
{
  static const char *const bad[] = {"Z",    "Zg",   "Zg=",  "Zg===", "====",     "=",     "Z===",
                                    "Zh==", "Zm9=", "Zm-v", "Zm9v ", "Zg==Zg==", "Zm9v=", "Zm=v"};
  static const char *const bad_url[] = {"Z", "Zg==", "Zh", "Zm9", "Zm+v", "Zm9v\n"};
  struct hgl_err err = {0};
  struct hgl_buf bytes;
  hgl_buf_init(&bytes, 100);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (hgl_base64_decode(HGL_BASE64, hgl_text(bad[i]), &bytes, &err) != -HGL_MALFORMED &&
        !bytes.failed)
      fail_msg("%s", bad[i]);
  for (size_t i = 0; i < sizeof bad_url / sizeof *bad_url; i++)
    if (hgl_base64_decode(HGL_BASE64URL, hgl_text(bad_url[i]), &bytes, &err) != -HGL_MALFORMED &&
        !bytes.failed)
      fail_msg("%s", bad_url[i]);
  hgl_buf_deinit(&bytes);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(encodes_and_decodes_the_examples),
      cmocka_unit_test(decodes_one_text_for_each_run_of_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
