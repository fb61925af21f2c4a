#include "support/check.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/file.h"
#include "host/keys.h"

static char folder[64], data[PATH_MAX];

static int set_up(void **state)
{
  struct hgl_err err;
  strcpy(folder, "/tmp/haggle-keys-XXXXXX");
  if (!mkdtemp(folder)) return -1;
  snprintf(data, sizeof data, "%s/data", folder);
  return hgl_crypto_init(&err);
}

static int remove_one(const char *path, const struct stat *file, int kind, struct FTW *place)
{
  return remove(path);
}

static int tear_down(void **state)
{
  return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void open_keys(struct hgl_keys *keys, const char *passphrase)
{
  struct hgl_err err = {0};
  assert_ok(hgl_keys_open(keys, data, true, hgl_text(passphrase), &hgl_random_system, &err));
}

static struct hgl_key key_of(const char *name)
{
  struct hgl_err err = {0};
  struct hgl_keys keys;
  struct hgl_signer *signer;
  open_keys(&keys, "");
  assert_ok(hgl_keys_agent(&keys, name, &signer, &err));
  struct hgl_key key = *hgl_signer_key(signer);
  hgl_signer_destroy(signer);
  hgl_keys_close(&keys);
  return key;
}

static void keys_are_made_once_and_private(void **state)
{
  struct hgl_key first = key_of("kiosk"), again = key_of("kiosk"), other = key_of("other");
  struct stat file;
  char path[PATH_MAX + 40];
  assert_true(hgl_key_equal(&first, &again));
  assert_false(hgl_key_equal(&first, &other));
  snprintf(path, sizeof path, "%s/keys/agent-kiosk.key", data);
  assert_int_equal(stat(path, &file), 0);
  assert_int_equal(file.st_mode & 0777, 0600);
  snprintf(path, sizeof path, "%s/keys", data);
  assert_int_equal(stat(path, &file), 0);
  assert_int_equal(file.st_mode & 0777, 0700);
}

static void keys_that_others_can_read_are_refused(void **state)
{
  struct hgl_err err = {0};
  struct hgl_keys keys;
  struct hgl_signer *signer = NULL;
  char path[PATH_MAX + 40];
  key_of("open");
  snprintf(path, sizeof path, "%s/keys/agent-open.key", data);
  open_keys(&keys, "");
  static const mode_t modes[] = {0640, 0604, 0620, 0660};
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    assert_int_equal(chmod(path, modes[i]), 0);
    assert_fails(HGL_DENIED, hgl_keys_agent(&keys, "open", &signer, &err));
    assert_non_null(strstr(err.message, "chmod 600"));
  }
  assert_int_equal(chmod(path, 0600), 0);
  assert_ok(hgl_keys_agent(&keys, "open", &signer, &err));
  hgl_signer_destroy(signer);
  hgl_keys_close(&keys);
}

static void names_cannot_leave_the_folder(void **state)
{
  struct hgl_err err = {0};
  static const char *const bad[] = {"", "../x", ".x", "a/b", "a b", "-a", "ü"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_fails(HGL_INVALID, hgl_agent_name_check(hgl_text(bad[i]), &err));
  assert_fails(HGL_INVALID, hgl_agent_name_check(hgl_bytes("a\0b", 3), &err));
  char name[HGL_NAME_SIZE_MAX + 1];
  memset(name, 'a', sizeof name);
  assert_ok(hgl_agent_name_check(hgl_bytes(name, HGL_NAME_SIZE_MAX), &err));
  assert_fails(HGL_INVALID, hgl_agent_name_check(hgl_bytes(name, HGL_NAME_SIZE_MAX + 1), &err));
}

static void rotating_makes_a_new_identity_and_keeps_the_old(void **state)
{
  struct hgl_err err = {0};
  struct hgl_keys keys;
  struct hgl_signer *signer;
  char kept[PATH_MAX];
  struct hgl_key before = key_of("turn"), old;
  bool sealed;
  open_keys(&keys, "");
  assert_fails(HGL_NOT_FOUND, hgl_keys_rotate(&keys, "nobody", 1, kept, &signer, &err));
  assert_ok(hgl_keys_rotate(&keys, "turn", 12345, kept, &signer, &err));
  hgl_signer_destroy(signer);
  hgl_keys_close(&keys);
  struct hgl_key after = key_of("turn");
  assert_false(hgl_key_equal(&before, &after));
  assert_ok(hgl_key_file_peek(kept, &old, &sealed, &err));
  assert_true(hgl_key_equal(&before, &old));
}

static void sealed_keys_open_with_their_passphrase_only(void **state)
{
  struct hgl_err err = {0};
  struct hgl_keys keys;
  struct hgl_signer *signer = NULL;
  struct hgl_key key;
  open_keys(&keys, "correct horse");
  assert_ok(hgl_keys_agent(&keys, "sealed", &signer, &err));
  key = *hgl_signer_key(signer);
  hgl_signer_destroy(signer);
  hgl_keys_close(&keys);

  open_keys(&keys, "");
  assert_fails(HGL_DENIED, hgl_keys_agent(&keys, "sealed", &signer, &err));
  assert_non_null(strstr(err.message, "HAGGLE_PASSPHRASE"));
  hgl_keys_close(&keys);
  open_keys(&keys, "wrong horse");
  assert_fails(HGL_DENIED, hgl_keys_agent(&keys, "sealed", &signer, &err));
  hgl_keys_close(&keys);
  open_keys(&keys, "correct horse");
  assert_ok(hgl_keys_agent(&keys, "sealed", &signer, &err));
  assert_true(hgl_key_equal(hgl_signer_key(signer), &key));
  hgl_signer_destroy(signer);
  hgl_keys_close(&keys);
}

static void damaged_key_files_are_refused(void **state)
{
  static const char *const bad[] = {
      "",
      "{",
      "[]",
      "{}",
      "{\"did\":\"did:key:z6MkpQz83DA5ygsF95od4b1ignUNDvrXZzfVNidEp1SSrkpY\"}",
      "{\"did\":\"did:key:z6MkpQz83DA5ygsF95od4b1ignUNDvrXZzfVNidEp1SSrkpY\",\"seed\":\"AAAA\"}",
      /* a good seed, of another did */
      "{\"did\":\"did:key:z6MkpQz83DA5ygsF95od4b1ignUNDvrXZzfVNidEp1SSrkpY\","
      "\"seed\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
      /* a cost that would take all memory */
      "{\"did\":\"did:key:z6MkpQz83DA5ygsF95od4b1ignUNDvrXZzfVNidEp1SSrkpY\","
      "\"salt\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"operations\":3,\"memory\":99999999999,"
      "\"sealed\":"
      "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
  };
  char path[PATH_MAX + 40];
  snprintf(path, sizeof path, "%s/bad.key", folder);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct hgl_err err = {0};
    struct hgl_seal seal;
    struct hgl_signer *signer = NULL;
    hgl_seal_init(&seal, hgl_text("x"), &hgl_random_system);
    assert_ok(hgl_file_replace(path, hgl_text(bad[i]), 0600, &err));
    assert_fails(HGL_CORRUPT, hgl_key_file_load(path, &seal, &signer, &err));
    hgl_seal_deinit(&seal);
  }
}

static void listing_shows_the_host_first(void **state)
{
  struct hgl_err err = {0};
  struct hgl_keys keys;
  struct hgl_signer *signer;
  bool created = false;
  json_t *list = NULL;
  open_keys(&keys, "");
  assert_ok(hgl_keys_host(&keys, &signer, &created, &err));
  assert_true(created);
  hgl_signer_destroy(signer);
  assert_ok(hgl_keys_list(&keys, &list, &err));
  assert_true(json_array_size(list) >= 2);
  assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "name")), "host");
  json_decref(list);
  hgl_keys_close(&keys);
}

static void making_a_key_survives_every_failed_allocation(void **state)
{
  char path[PATH_MAX + 40];
  snprintf(path, sizeof path, "%s/swept.key", folder);
  for (long fail_at = 0;; fail_at++) {
    struct hgl_err err = {0};
    struct hgl_seal seal;
    struct hgl_signer *signer = NULL;
    assert_true(fail_at < 1000);
    hgl_seal_init(&seal, hgl_bytes(NULL, 0), &hgl_random_system);
    hgl_mem_fail_after(fail_at);
    int status = hgl_key_file_create(path, &seal, &signer, &err);
    hgl_mem_fail_after(-1);
    hgl_seal_deinit(&seal);
    if (status == 0) {
      hgl_signer_destroy(signer);
      break;
    }
    assert_int_equal(status, -HGL_NO_MEMORY);
    assert_int_equal(access(path, F_OK), -1);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keys_are_made_once_and_private),
      cmocka_unit_test(keys_that_others_can_read_are_refused),
      cmocka_unit_test(names_cannot_leave_the_folder),
      cmocka_unit_test(rotating_makes_a_new_identity_and_keeps_the_old),
      cmocka_unit_test(sealed_keys_open_with_their_passphrase_only),
      cmocka_unit_test(damaged_key_files_are_refused),
      cmocka_unit_test(listing_shows_the_host_first),
      cmocka_unit_test(making_a_key_survives_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
