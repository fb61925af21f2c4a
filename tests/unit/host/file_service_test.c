/* Files that agents write, beside the loop: in the order of the calls, whatever is given up. */
#include "support/world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/file.h"
#include "host/services.h"

struct fixture {
  struct world world;
  struct hgl_loop *loop;
  struct hgl_services *services;
  const struct hgl_service *write, *remove;
  int calls;
  char folder[64], path[96], other[96], grant[96];
};

static struct hgl_err err;

static void set_up(struct fixture *f)
{
  memset(f, 0, sizeof *f);
  world_init(&f->world, 1);
  strcpy(f->folder, "/tmp/haggle-files-XXXXXX");
  assert_non_null(mkdtemp(f->folder));
  snprintf(f->path, sizeof f->path, "%s/file", f->folder);
  snprintf(f->other, sizeof f->other, "%s/other", f->folder);
  snprintf(f->grant, sizeof f->grant, "write=%s/*", f->folder);
  assert_ok(hgl_loop_create(&hgl_clock_system, &f->loop, &err));
  const struct hgl_services_config config = {f->loop, NULL, NULL, NULL};
  assert_ok(hgl_services_create(&config, &f->services, &err));
  hgl_services_set_host(f->services, world_node(&f->world)->host);
  for (const struct hgl_service *at = hgl_services_list(f->services); at->name; at++) {
    if (strcmp(at->name, "write") == 0) f->write = at;
    if (strcmp(at->name, "remove") == 0) f->remove = at;
  }
}

static void tear_down(struct fixture *f)
{
  hgl_services_destroy(f->services);
  hgl_loop_destroy(f->loop);
  world_deinit(&f->world);
  unlink(f->path);
  unlink(f->other);
  assert_int_equal(rmdir(f->folder), 0); /* nothing else is left there */
}

static void *start(struct fixture *f, const struct hgl_service *service, const char *path,
                   const char *content)
{
  const char *const grants[] = {f->grant, NULL};
  struct hgl_call call = {.agent = "writer", .grants = grants, .within_ms = 1000};
  call.id.bytes[0] = (uint8_t)++f->calls;
  struct hgl_buf request;
  void *work = NULL;
  hgl_buf_init(&request, 4096);
  hgl_cbor_put_map(&request, 2);
  hgl_cbor_put_literal(&request, "path");
  hgl_cbor_put_literal(&request, path);
  hgl_cbor_put_literal(&request, "content");
  hgl_cbor_put_bytes(&request, hgl_text(content));
  call.request = hgl_buf_bytes(&request);
  assert_ok(service->start(service->user, &call, 1, &work, &err));
  hgl_buf_deinit(&request);
  return work;
}

static void run(struct fixture *f)
{
  for (int i = 0; i < 1000 && f->services->files; i++) hgl_loop_run_once(f->loop, 5);
  assert_null(f->services->files);
}

static void assert_holds(const char *path, const char *expected)
{
  struct hgl_buf out;
  hgl_buf_init(&out, 4096);
  assert_ok(hgl_file_read(path, 4096, &out, &err));
  assert_true(hgl_bytes_is(hgl_buf_bytes(&out), expected));
  hgl_buf_deinit(&out);
}

static void what_is_given_up_before_its_turn_is_not_done(void **state)
{
  struct fixture f;
  set_up(&f);
  void *first = start(&f, f.write, f.path, "one");
  start(&f, f.write, f.path, "two");
  void *third = start(&f, f.write, f.path, "three");
  f.write->cancel(f.write->user, first); /* has begun: goes on, and the second comes behind it */
  f.write->cancel(f.write->user, third);
  run(&f);
  assert_holds(f.path, "two");
  tear_down(&f);
}

static void what_is_done_to_one_path_is_done_in_order(void **state)
{
  struct fixture f;
  set_up(&f);
  for (int i = 0; i < 20; i++) {
    char text[16];
    snprintf(text, sizeof text, "%d", i);
    start(&f, f.write, f.path, text);
    if (i % 3 == 0) start(&f, f.remove, f.path, "");
    start(&f, f.write, f.other, text);
  }
  run(&f);
  assert_holds(f.path, "19");
  assert_holds(f.other, "19");
  tear_down(&f);
}

static void what_waits_ends_with_its_services(void **state)
{
  struct fixture f;
  set_up(&f);
  start(&f, f.write, f.path, "one");
  start(&f, f.write, f.path, "two");
  start(&f, f.write, f.path, "three");
  tear_down(&f);
}

int main(void)
{
  if (hgl_crypto_init(NULL) != 0) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_given_up_before_its_turn_is_not_done),
      cmocka_unit_test(what_is_done_to_one_path_is_done_in_order),
      cmocka_unit_test(what_waits_ends_with_its_services),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
