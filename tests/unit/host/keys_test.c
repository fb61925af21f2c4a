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

/* Instances ----------------------------------------------------------------------------------- */

static void path_in_keys(const char *file, char out[PATH_MAX + 40])
{
  snprintf(out, PATH_MAX + 40, "%s/keys/%s", data, file);
}

static bool in_keys(const char *file)
{
  char path[PATH_MAX + 40];
  path_in_keys(file, path);
  return access(path, F_OK) == 0;
}

static void count_on(const char *name, const char *passphrase)
{
  struct hgl_err err = {0};
  struct hgl_keys keys;
  open_keys(&keys, passphrase);
  assert_ok(hgl_keys_count(&keys, name, &err));
  hgl_keys_close(&keys);
}

static void names_of_instances_are_told_from_others(void **state)
{
  static const char *const none[] = {"",      "worker", "-1",          "worker-", "worker-0",
                                     "a-01",  "a1",     "a-1b",        "1",       "a--",
                                     "a-1.0", "a-1-",   "a-1000000000"};
  size_t size;
  uint32_t number;
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    if (hgl_agent_name_is_instance(hgl_text(none[i]), &size, &number))
      fail_msg("\"%s\" passes for an instance", none[i]);
  assert_true(hgl_agent_name_is_instance(hgl_text("a-b-1-999999999"), &size, &number));
  assert_int_equal(size, 5);
  assert_int_equal(number, 999999999);
}

static void instances_have_keys_without_files(void **state)
{
  count_on("worker", "");
  struct hgl_key first = key_of("worker-1"), again = key_of("worker-1"),
                 last = key_of("worker-2000000");
  count_on("worker", ""); /* the secret is made once */
  struct hgl_key later = key_of("worker-1");
  assert_true(hgl_key_equal(&first, &again));
  assert_true(hgl_key_equal(&first, &later));
  assert_false(hgl_key_equal(&first, &last));
  assert_true(in_keys("instances-worker.key"));
  assert_false(in_keys("agent-worker-1.key"));
  /* What is named otherwise has files, and keys of other secrets differ. */
  key_of("worker-01");
  assert_true(in_keys("agent-worker-01.key"));
  count_on("worker-1", "");
  struct hgl_key nested = key_of("worker-1-1");
  assert_false(hgl_key_equal(&first, &nested));
  assert_true(in_keys("instances-worker-1.key"));
}

static void the_seed_of_an_instance_is_that_of_crypto_kdf(void **state)
{
  struct hgl_err err = {0};
  struct hgl_secret *secret;
  struct hgl_hash derived;
  uint8_t bytes[HGL_SEED_SIZE];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)i;
  assert_ok(hgl_secret_create(bytes, &secret, &err));
  hgl_secret_derive(secret, 17, "instance", derived.bytes);
  hgl_secret_destroy(secret);
  /* Python: blake2b(digest_size=32, key=bytes(range(32)), salt=b"\x11" + bytes(15),
   * person=b"instance" + bytes(8)) */
  static const uint8_t expected[] = {0xaa, 0xc5, 0xe3, 0x7e, 0xa0, 0xf7, 0xa3, 0x09,
                                     0xda, 0x4e, 0xf1, 0x94, 0xff, 0x94, 0x4b, 0x95,
                                     0xd1, 0xe6, 0x81, 0x03, 0xb8, 0x14, 0xc2, 0x16,
                                     0xda, 0xfe, 0xe9, 0x3b, 0x73, 0x84, 0x4d, 0x6c};
  assert_memory_equal(derived.bytes, expected, sizeof expected);
}

static void a_key_file_goes_before_a_derived_key(void **state)
{
  struct hgl_key older = key_of("old-2"); /* before there was a secret */
  count_on("old", "");
  struct hgl_key kept = key_of("old-2");
  assert_true(hgl_key_equal(&older, &kept));
  struct hgl_err err = {0};
  struct hgl_keys keys;
  struct hgl_signer *signer, *imported;
  char path[PATH_MAX + 40];
  open_keys(&keys, "");
  assert_ok(hgl_keys_agent(&keys, "old-3", &signer, &err));
  struct hgl_key derived = *hgl_signer_key(signer);
  hgl_signer_destroy(signer);
  /* Also one that comes while the keys are open. */
  path_in_keys("agent-old-3.key", path);
  assert_ok(hgl_key_file_create(path, &keys.seal, &imported, &err));
  assert_ok(hgl_keys_agent(&keys, "old-3", &signer, &err));
  assert_true(hgl_key_equal(hgl_signer_key(signer), hgl_signer_key(imported)));
  assert_false(hgl_key_equal(hgl_signer_key(signer), &derived));
  hgl_signer_destroy(signer);
  hgl_signer_destroy(imported);
  hgl_keys_close(&keys);
}

static void many_secrets_take_turns_in_memory(void **state)
{
  struct hgl_err err = {0};
  struct hgl_keys keys;
  struct hgl_key first[HGL_KEYS_SECRETS_OPEN + 3];
  struct hgl_signer *signer;
  char name[32];
  open_keys(&keys, "");
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < HGL_KEYS_SECRETS_OPEN + 3; i++) {
      snprintf(name, sizeof name, "turn%d", i);
      assert_ok(hgl_keys_count(&keys, name, &err));
      snprintf(name, sizeof name, "turn%d-5", i);
      assert_ok(hgl_keys_agent(&keys, name, &signer, &err));
      if (round == 0) first[i] = *hgl_signer_key(signer);
      assert_true(hgl_key_equal(&first[i], hgl_signer_key(signer)));
      hgl_signer_destroy(signer);
    }
  }
  hgl_keys_close(&keys);
}

static void secrets_are_guarded_as_keys_are(void **state)
{
  struct hgl_err err = {0};
  struct hgl_keys keys;
  struct hgl_signer *signer = NULL;
  struct hgl_secret *secret = NULL;
  struct stat file;
  char path[PATH_MAX + 40], key_path[PATH_MAX + 40];
  count_on("guard", "correct horse");
  path_in_keys("instances-guard.key", path);
  assert_int_equal(stat(path, &file), 0);
  assert_int_equal(file.st_mode & 0777, 0600);
  open_keys(&keys, "");
  assert_fails(HGL_DENIED, hgl_keys_count(&keys, "guard", &err));
  assert_non_null(strstr(err.message, "HAGGLE_PASSPHRASE"));
  assert_fails(HGL_DENIED, hgl_keys_agent(&keys, "guard-1", &signer, &err));
  hgl_keys_close(&keys);
  open_keys(&keys, "wrong horse");
  assert_fails(HGL_DENIED, hgl_keys_agent(&keys, "guard-1", &signer, &err));
  hgl_keys_close(&keys);
  open_keys(&keys, "correct horse");
  assert_int_equal(chmod(path, 0640), 0);
  assert_fails(HGL_DENIED, hgl_keys_agent(&keys, "guard-1", &signer, &err));
  assert_non_null(strstr(err.message, "chmod 600"));
  assert_int_equal(chmod(path, 0600), 0);
  assert_ok(hgl_keys_agent(&keys, "guard-1", &signer, &err));
  hgl_signer_destroy(signer);
  /* Neither kind of file passes for the other. */
  assert_fails(HGL_INVALID, hgl_key_file_load(path, &keys.seal, &signer, &err));
  assert_non_null(strstr(err.message, "no identity"));
  key_of("guarded");
  path_in_keys("agent-guarded.key", key_path);
  assert_fails(HGL_INVALID, hgl_secret_file_load(key_path, &keys.seal, &secret, &err));
  hgl_keys_close(&keys);
}

static void damaged_secrets_are_refused_and_not_replaced(void **state)
{
  static const char *const bad[] = {
      "",
      "{\"instances\":5}",
      "{\"instances\":\"00000000000000000000000000000000\"}",
      "{\"instances\":\"00000000000000000000000000000000\",\"seed\":\"AAAA\"}",
      /* a good seed, of another secret */
      "{\"instances\":\"00000000000000000000000000000000\","
      "\"seed\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
  };
  struct hgl_err err = {0};
  struct hgl_keys keys;
  struct hgl_signer *signer = NULL;
  json_t *list = NULL;
  char path[PATH_MAX + 40];
  open_keys(&keys, "");
  path_in_keys("instances-bad.key", path);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_ok(hgl_file_replace(path, hgl_text(bad[i]), 0600, &err));
    assert_fails(HGL_CORRUPT, hgl_keys_count(&keys, "bad", &err));
    assert_fails(HGL_CORRUPT, hgl_keys_agent(&keys, "bad-1", &signer, &err));
    assert_non_null(strstr(err.message, "restore it from a backup"));
    assert_false(in_keys("agent-bad-1.key"));
  }
  assert_ok(hgl_file_replace(path, hgl_text("{}"), 0600, &err));
  assert_fails(HGL_CORRUPT, hgl_keys_list(&keys, &list, &err));
  assert_int_equal(unlink(path), 0);
  hgl_keys_close(&keys);
}

static void rotating_an_instance_gives_it_a_file(void **state)
{
  struct hgl_err err = {0};
  struct hgl_keys keys;
  struct hgl_signer *signer;
  char kept[PATH_MAX];
  count_on("spin", "");
  struct hgl_key before = key_of("spin-3"), neighbour = key_of("spin-4");
  open_keys(&keys, "");
  assert_fails(HGL_NOT_FOUND, hgl_keys_rotate(&keys, "spin", 1, kept, &signer, &err));
  assert_non_null(strstr(err.message, "spin-1, spin-2"));
  assert_fails(HGL_NOT_FOUND, hgl_keys_rotate(&keys, "other-3", 1, kept, &signer, &err));
  assert_ok(hgl_keys_rotate(&keys, "spin-3", 1, kept, &signer, &err));
  assert_non_null(strstr(kept, "/keys/instances-spin.key"));
  struct hgl_key rotated = *hgl_signer_key(signer), now = key_of("spin-3");
  hgl_signer_destroy(signer);
  assert_true(hgl_key_equal(&rotated, &now));
  assert_false(hgl_key_equal(&before, &now));
  assert_true(in_keys("instances-spin.key"));
  /* The second time it is as any other. */
  assert_ok(hgl_keys_rotate(&keys, "spin-3", 2, kept, &signer, &err));
  assert_non_null(strstr(kept, "agent-spin-3.key.2"));
  assert_false(hgl_key_equal(hgl_signer_key(signer), &now));
  hgl_signer_destroy(signer);
  struct hgl_key still = key_of("spin-4");
  assert_true(hgl_key_equal(&neighbour, &still));
  hgl_keys_close(&keys);
}

static const char *field(const json_t *row, const char *name)
{
  return json_string_value(json_object_get(row, name));
}

static void instances_are_shown(void **state)
{
  struct hgl_err err = {0};
  struct hgl_keys keys;
  json_t *list = NULL, *row = NULL, *found = NULL;
  size_t index;
  char did[HGL_DID_TEXT_SIZE];
  count_on("shown", "");
  struct hgl_key key = key_of("shown-7");
  open_keys(&keys, "");
  assert_ok(hgl_keys_list(&keys, &list, &err));
  json_array_foreach(list, index, row)
  {
    assert_string_not_equal(field(row, "name"), "shown-7");
    if (strcmp(field(row, "name"), "shown") == 0) found = row;
  }
  assert_non_null(found);
  assert_string_equal(field(found, "kind"), "instances");
  assert_true(json_is_null(json_object_get(found, "did")));
  assert_true(json_is_false(json_object_get(found, "sealed")));
  assert_non_null(strstr(field(found, "file"), "instances-shown.key"));
  json_decref(list);
  hgl_did_format(&key, did);
  assert_ok(hgl_keys_show(&keys, "shown-7", &row, &err));
  assert_string_equal(field(row, "did"), did);
  assert_string_equal(field(row, "kind"), "instance");
  json_decref(row);
  key_of("plain");
  assert_ok(hgl_keys_show(&keys, "plain", &row, &err));
  assert_string_equal(field(row, "kind"), "agent");
  json_decref(row);
  assert_fails(HGL_NOT_FOUND, hgl_keys_show(&keys, "nobody-1", &row, &err));
  assert_fails(HGL_NOT_FOUND, hgl_keys_show(&keys, "shown", &row, &err));
  assert_false(in_keys("agent-nobody-1.key"));
  hgl_keys_close(&keys);
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

static void a_derived_key_survives_every_failed_allocation(void **state)
{
  for (long fail_at = 0;; fail_at++) {
    struct hgl_err err = {0};
    struct hgl_keys keys;
    struct hgl_signer *signer = NULL;
    assert_true(fail_at < 1000);
    open_keys(&keys, "");
    hgl_mem_fail_after(fail_at);
    int status = hgl_keys_count(&keys, "swept", &err);
    if (status == 0) status = hgl_keys_agent(&keys, "swept-1", &signer, &err);
    hgl_mem_fail_after(-1);
    hgl_keys_close(&keys);
    hgl_signer_destroy(signer);
    assert_false(in_keys("agent-swept-1.key"));
    if (status == 0) break;
    assert_int_equal(status, -HGL_NO_MEMORY);
  }
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
      cmocka_unit_test(names_of_instances_are_told_from_others),
      cmocka_unit_test(instances_have_keys_without_files),
      cmocka_unit_test(the_seed_of_an_instance_is_that_of_crypto_kdf),
      cmocka_unit_test(a_key_file_goes_before_a_derived_key),
      cmocka_unit_test(many_secrets_take_turns_in_memory),
      cmocka_unit_test(secrets_are_guarded_as_keys_are),
      cmocka_unit_test(damaged_secrets_are_refused_and_not_replaced),
      cmocka_unit_test(rotating_an_instance_gives_it_a_file),
      cmocka_unit_test(instances_are_shown),
      cmocka_unit_test(a_derived_key_survives_every_failed_allocation),
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
