#include "support/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "net/tls.h"

static struct hgl_err err;
static char folder[64], certificate_path[96], key_path[96];

static int set_up(void **state)
{
  strcpy(folder, "/tmp/haggle-tls-XXXXXX");
  if (!mkdtemp(folder)) return -1;
  snprintf(certificate_path, sizeof certificate_path, "%s/c.pem", folder);
  snprintf(key_path, sizeof key_path, "%s/k.pem", folder);
  return 0;
}

static int tear_down(void **state)
{
  unlink(certificate_path);
  unlink(key_path);
  return rmdir(folder);
}

static X509 *read_certificate(void)
{
  FILE *file = fopen(certificate_path, "r");
  assert_non_null(file);
  X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
  fclose(file);
  assert_non_null(certificate);
  return certificate;
}

static void the_pair_belongs_together_and_serves_this_machine(void **state)
{
  assert_ok(hgl_tls_self_signed(certificate_path, key_path, &err));
  X509 *certificate = read_certificate();
  FILE *file = fopen(key_path, "r");
  EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
  fclose(file);
  assert_int_equal(X509_check_private_key(certificate, key), 1);
  assert_int_equal(X509_verify(certificate, key), 1); /* signed by itself */
  assert_int_equal(X509_check_host(certificate, "localhost", 0, 0, NULL), 1);
  assert_int_equal(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
  assert_int_equal(X509_check_ip_asc(certificate, "::1", 0), 1);
  assert_int_equal(X509_check_host(certificate, "example.org", 0, 0, NULL), 0);
  assert_true(X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0);
  time_t later = time(NULL) + INT64_C(9) * 365 * 24 * 3600;
  assert_true(X509_cmp_time(X509_get0_notAfter(certificate), &later) > 0);
  EVP_PKEY_free(key);
  X509_free(certificate);
}

static void the_key_is_for_its_owner_only(void **state)
{
  struct stat info;
  assert_ok(hgl_tls_self_signed(certificate_path, key_path, &err));
  assert_int_equal(stat(key_path, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0600);
}

static void each_pair_is_another(void **state)
{
  assert_ok(hgl_tls_self_signed(certificate_path, key_path, &err));
  X509 *one = read_certificate();
  assert_int_equal(unlink(certificate_path) | unlink(key_path), 0);
  assert_ok(hgl_tls_self_signed(certificate_path, key_path, &err));
  X509 *other = read_certificate();
  assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(one), X509_get0_serialNumber(other)),
                       0);
  assert_int_not_equal(X509_cmp(one, other), 0);
  X509_free(one);
  X509_free(other);
}

static void touch(const char *path)
{
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs("mine", file);
  fclose(file);
}

static void assert_untouched(const char *path)
{
  char text[8] = "";
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  assert_int_equal(fread(text, 1, sizeof text - 1, file), 4);
  fclose(file);
  assert_string_equal(text, "mine");
}

static void files_that_are_there_are_left_alone(void **state)
{
  touch(key_path);
  assert_fails(HGL_EXISTS, hgl_tls_self_signed(certificate_path, key_path, &err));
  assert_untouched(key_path);
  assert_int_not_equal(access(certificate_path, F_OK), 0);
  unlink(key_path);
  /* A key without its certificate is of no use to anyone. */
  touch(certificate_path);
  assert_fails(HGL_EXISTS, hgl_tls_self_signed(certificate_path, key_path, &err));
  assert_untouched(certificate_path);
  assert_int_not_equal(access(key_path, F_OK), 0);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
  assert_fails(HGL_IO, hgl_tls_self_signed("/nonexistent/c.pem", "/nonexistent/k.pem", &err));
  assert_non_null(strstr(err.message, "/nonexistent/k.pem"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(the_pair_belongs_together_and_serves_this_machine),
      TEST(the_key_is_for_its_owner_only),
      TEST(each_pair_is_another),
      TEST(files_that_are_there_are_left_alone),
      TEST(a_folder_that_is_not_there_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
