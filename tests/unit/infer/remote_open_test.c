/* Remote models: options, keys, addresses and certificates. */
#include "remote_fixture.h"

static void https_is_verified(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  char folder[] = "remote-XXXXXX", certificate[64], key[64], url[128];
  assert_non_null(mkdtemp(folder));
  snprintf(certificate, sizeof certificate, "%s/c.pem", folder);
  snprintf(key, sizeof key, "%s/k.pem", folder);
  assert_ok(hgl_tls_self_signed(certificate, key, &err));
  http_server_end(f->server);
  f->server = http_server_at("127.0.0.1", 0, pages, certificate, key);
  snprintf(url, sizeof url, "https://localhost:%d/good", f->server->port);
  assert_int_equal(try_open_url(f, url), HAGGLE_OK);
  ask(f, chat);
  assert_failure(f, HAGGLE_UNREACHABLE, "self-signed certificate");
  f->engine->close(f->model);
  set(f, "trust", certificate);
  assert_int_equal(try_open_url(f, url), HAGGLE_OK);
  ask(f, chat);
  assert_int_equal(f->asked[0].status, HAGGLE_OK);
  unlink(certificate);
  unlink(key);
  rmdir(folder);
}

static void assert_no_option(struct fixture *f, const char *name, const char *value,
                             const char *why)
{
  f->option_count = 0;
  set(f, name, value);
  assert_int_equal(try_open_url(f, "http://127.0.0.1:1/v1"), HAGGLE_INVALID);
  assert_says(f->error.message, why);
}

static void options_that_are_wrong_say_so(void **state)
{
  struct fixture *f = *state;
  assert_no_option(f, "modell", "x", "did you mean model?");
  assert_no_option(f, "retries", "-1", "a number from 0 to 20");
  assert_no_option(f, "retries", "21", "a number from 0 to 20");
  assert_no_option(f, "rate", "0", "a number from 1");
  assert_no_option(f, "connections", "many", "a number from 1");
  assert_no_option(f, "timeout", "0s", "from 1ms to 24h");
  assert_no_option(f, "timeout", "soon", "not a duration");
  assert_no_option(f, "schema", "yes", "openai, llama or none");
  assert_no_option(f, "stream", "yes", "on or off");
  assert_no_option(f, "limit", "4", "max_completion_tokens");
  assert_no_option(f, "price_in", "free", "an amount of money");
  assert_no_option(f, "price_in", "0.000000001", "an amount of money");
  assert_no_option(f, "budget", "5", "a budget needs prices");
  assert_no_option(f, "key", "sk-abcdefgh", "never the key itself");
  assert_null(strstr(f->error.message, "sk-a"));
  f->option_count = 0;
  set(f, "trust", "/nowhere/ca.pem");
  assert_int_equal(try_open_url(f, "https://a.example/v1"), HAGGLE_NOT_FOUND);
  assert_says(f->error.message, "option trust: /nowhere/ca.pem: No such file");
}

static void keys_are_read_as_secrets_are(void **state)
{
  struct fixture *f = *state;
  char path[] = "remote-key-XXXXXX", source[64];
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, "sk-abcdefgh\n", 12), 12);
  assert_int_equal(fchmod(fd, 0644), 0);
  snprintf(source, sizeof source, "file:%s", path);
  set(f, "key", source);
  assert_int_equal(try_open_url(f, "http://127.0.0.1:1/v1"), HAGGLE_DENIED);
  assert_says(f->error.message, "chmod 600");
  assert_int_equal(fchmod(fd, 0600), 0);
  close(fd);
  open_path(f, "good");
  ask(f, chat);
  assert_sent(f, "Bearer sk-abcdefgh\r\n");
  unlink(path);
  f->engine->close(f->model);
  f->model = NULL;
  assert_int_equal(try_open_url(f, "http://127.0.0.1:1/v1"), HAGGLE_NOT_FOUND);
  /* In the clear only where nobody can listen, or where the operator says so. */
  setenv("HGL_TEST_KEY", "sk-abcdefgh", 1);
  f->option_count = 0;
  set(f, "key", "env:HGL_TEST_KEY");
  assert_int_equal(try_open_url(f, "http://192.0.2.1/v1"), HAGGLE_INVALID);
  assert_says(f->error.message, "plain_key=on");
  set(f, "plain_key", "on");
  assert_int_equal(try_open_url(f, "http://192.0.2.1/v1"), HAGGLE_OK);
  f->engine->close(f->model);
  f->model = NULL;
  setenv("HGL_TEST_KEY", "sk-abc\r\nX-Evil: 1", 1);
  assert_int_equal(try_open_url(f, "http://127.0.0.1:1/v1"), HAGGLE_INVALID);
  assert_says(f->error.message, "line breaks");
}

static void addresses_that_are_wrong_say_so(void **state)
{
  static const char *const wrong[] = {
      "http://",
      "ftp://127.0.0.1/v1",
      "http://user:secret@127.0.0.1/v1",
      "http://127.0.0.1/v1?key=secret",
      "http://127.0.0.1/v1#x",
      "http://127.0.0.1/v1/chat/completions",
      "http://127.0.0.1:99999/v1",
  };
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(try_open_url(f, wrong[i]), HAGGLE_INVALID);
    assert_says(f->error.message, "https://api.example.org/v1");
    assert_null(strstr(f->error.message, "secret"));
  }
}

static void nobody_there_says_so(void **state)
{
  struct fixture *f = *state;
  char url[64];
  int port = f->server->port;
  http_server_end(f->server);
  f->server = NULL;
  set(f, "retries", "1");
  snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", port);
  assert_int_equal(try_open_url(f, url), HAGGLE_OK);
  ask(f, chat);
  assert_failure(f, HAGGLE_UNREACHABLE, "Failed to connect");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(https_is_verified),
      TEST(options_that_are_wrong_say_so),
      TEST(keys_are_read_as_secrets_are),
      TEST(addresses_that_are_wrong_say_so),
      TEST(nobody_there_says_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
