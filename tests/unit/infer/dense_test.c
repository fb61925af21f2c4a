/* The dense engine as a host uses it: descriptions of networks, options, batches, refusals. */
#include "infer/dense.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "infer/dense_net.h"
#include "support/engine_asking.h"

static const struct haggle_host host = {
    .size = sizeof host, .version = HAGGLE_INFER_VERSION, .log = note_log};

/* Tensors of all files here: w [2,3] = 1…6, b [2] = 10, 20, square [3,3] = all 1, v [3] = 1, 2, 3,
 * i [2] of integers, bad [2] = NaN, 1. Only those that a description names are in its file. */
static const struct {
  const char *name, *type, *shape;
  size_t count;
  float numbers[9];
} tensors[] = {
    {"w", "F32", "[2,3]", 6, {1, 2, 3, 4, 5, 6}},
    {"b", "F32", "[2]", 2, {10, 20}},
    {"square", "F32", "[3,3]", 9, {1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {"v", "F32", "[3]", 3, {1, 2, 3}},
    {"zeros", "F32", "[3]", 3, {0}},
    {"negative", "F32", "[3]", 3, {1, -1, 1}},
    {"i", "I32", "[2]", 2, {0}},
    {"ints", "I32", "[2,3]", 6, {0}},
    {"bad", "F32", "[2]", 2, {NAN, 1}},
    {"worse", "F32", "[2,3]", 6, {1, 1, 1, 1, INFINITY, 1}},
};

static size_t make_file(const char *description, uint8_t *out, size_t room)
{
  char header[20000] = "{\"__metadata__\":{\"haggle.dense\":\"";
  size_t at = strlen(header), data = 0;
  for (const char *c = description; *c; c++) {
    if (*c == '"') header[at++] = '\\';
    header[at++] = *c;
  }
  at += (size_t)sprintf(header + at, "\"}");
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
    char quoted[20];
    snprintf(quoted, sizeof quoted, "\"%s\"", tensors[i].name);
    if (!strstr(description, quoted)) continue;
    at += (size_t)sprintf(
        header + at, ",\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
        tensors[i].name, tensors[i].type, tensors[i].shape, data, data + 4 * tensors[i].count);
    data += 4 * tensors[i].count;
  }
  header[at++] = '}';
  assert_true(at < sizeof header && 8 + at + data <= room);
  for (int i = 0; i < 8; i++) out[i] = (uint8_t)((uint64_t)at >> 8 * i);
  memcpy(out + 8, header, at);
  uint8_t *to = out + 8 + at;
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
    char quoted[20];
    snprintf(quoted, sizeof quoted, "\"%s\"", tensors[i].name);
    if (!strstr(description, quoted)) continue;
    memcpy(to, tensors[i].numbers, 4 * tensors[i].count);
    to += 4 * tensors[i].count;
  }
  return 8 + at + data;
}

static int32_t open_options(const char *description, const struct haggle_option *options,
                            size_t option_count, struct asking *asking, struct haggle_error *error)
{
  static uint8_t bytes[40000];
  char path[] = "/tmp/haggle-dense-XXXXXX";
  size_t size = make_file(description, bytes, sizeof bytes);
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  ssize_t written = write(fd, bytes, size);
  close(fd);
  struct haggle_source source = {.size = sizeof source,
                                 .name = "policy",
                                 .file = path,
                                 .options = options,
                                 .option_count = option_count};
  memset(asking, 0, sizeof *asking);
  *error = (struct haggle_error){.size = sizeof *error};
  asking->engine = hgl_dense_engine(HAGGLE_INFER_VERSION, &host);
  int32_t status = asking->engine->open(&source, &asking->model, error);
  unlink(path);
  assert_int_equal(written, size);
  return status;
}

static void open_text(const char *description, struct asking *asking)
{
  static const struct haggle_option options[] = {{"device", "cpu"}};
  struct haggle_error error;
  if (open_options(description, options, 1, asking, &error) != HAGGLE_OK)
    fail_msg("%s: %s", error.message, description);
}

static void close_model(struct asking *asking)
{
  forget_answers(asking);
  asking->engine->close(asking->model);
}

#define INPUT  "\"version\":1,\"inputs\":[{\"name\":\"x\",\"width\":3}]"
#define LINEAR "{\"type\":\"linear\",\"weight\":\"w\",\"bias\":\"b\"}"
#define SIMPLE                                                                                     \
  "{" INPUT ",\"layers\":[" LINEAR "],\"outputs\":[{\"name\":\"y\"},{\"name\":\"best\","           \
  "\"end\":\"argmax\"}]}"

/* Answers ------------------------------------------------------------------------------------- */

static void describes_itself(void **unused)
{
  struct asking asking;
  struct haggle_model_info info = {.size = sizeof info};
  struct haggle_device device = {.size = sizeof device};
  open_text(SIMPLE, &asking);
  asking.engine->describe(asking.model, &info);
  assert_int_equal(info.kind, HAGGLE_TENSORS);
  assert_int_equal(info.batched, 1);
  assert_int_equal(info.input_count, 1);
  assert_int_equal(info.output_count, 2);
  assert_string_equal(info.inputs[0].name, "x");
  assert_int_equal(info.inputs[0].type, HAGGLE_F32);
  assert_int_equal(info.inputs[0].rank, 2);
  assert_int_equal(info.inputs[0].shape[0], -1);
  assert_int_equal(info.inputs[0].shape[1], 3);
  assert_string_equal(info.outputs[1].name, "best");
  assert_int_equal(info.outputs[1].type, HAGGLE_I64);
  assert_int_equal(info.outputs[1].rank, 1);
  assert_null(info.note);
  assert_memory_equal(info.device, "cpu", 3);
  assert_int_equal(asking.engine->device(0, &device), HAGGLE_OK);
  assert_string_equal(device.name, "cpu");
  assert_true(device.memory_total > device.memory_free);
  assert_null(hgl_dense_engine(0, &host));
  close_model(&asking);
}

static void answers_requests_of_several_rows_together(void **unused)
{
  static const float a[] = {1, 0, 0, -100, 0, 0}, b[] = {0, 0, 1};
  struct haggle_tensor of_a = floats_tensor("x", 2, 3, a), of_b = floats_tensor("x", 1, 3, b);
  struct haggle_request requests[] = {{.inputs = &of_a, .input_count = 1, .rows = 2},
                                      {.inputs = &of_b, .input_count = 1, .rows = 1}};
  struct haggle_model_stats stats = {.size = sizeof stats};
  struct asking asking;
  open_text(SIMPLE, &asking);
  ask_all(&asking, requests, 2);
  const struct answer *first = &asking.answers[0], *second = &asking.answers[1];
  assert_int_equal(first->status, HAGGLE_OK);
  assert_int_equal(first->output_count, 2);
  assert_string_equal(first->outputs[0].name, "y");
  assert_int_equal(first->outputs[0].shape[0], 2);
  assert_int_equal(first->outputs[0].shape[1], 2);
  assert_memory_equal(first->outputs[0].data, ((float[]){11, 24, -90, -380}), 4 * sizeof(float));
  assert_int_equal(first->outputs[1].rank, 1);
  assert_int_equal(first->outputs[1].shape[0], 2);
  assert_memory_equal(first->outputs[1].data, ((int64_t[]){1, 0}), 2 * sizeof(int64_t));
  assert_memory_equal(second->outputs[0].data, ((float[]){13, 26}), 2 * sizeof(float));
  asking.engine->stats(asking.model, &stats);
  assert_int_equal(stats.rows, 3);
  assert_true(stats.busy_ns > 0 && stats.host_memory > 0);
  assert_int_equal(stats.device_memory, 0);
  close_model(&asking);
}

static void puts_inputs_beside_each_other_and_normalises_them(void **unused)
{
  static const float x[] = {3, 4, 9}, z[] = {7};
  struct haggle_tensor inputs[] = {floats_tensor("x", 1, 3, x), floats_tensor("z", 1, 1, z)};
  struct haggle_request request = {.inputs = inputs, .input_count = 2, .rows = 1};
  struct asking asking;
  open_text(
      "{\"version\":1,\"inputs\":[{\"name\":\"x\",\"width\":3,\"mean\":\"v\",\"scale\":\"v\"},"
      "{\"name\":\"z\",\"width\":1}],\"outputs\":[{\"name\":\"y\"}]}",
      &asking);
  ask_all(&asking, &request, 1);
  assert_int_equal(asking.answers[0].status, HAGGLE_OK);
  assert_memory_equal(asking.answers[0].outputs[0].data, ((float[]){2, 1, 2, 7}),
                      4 * sizeof(float));
  close_model(&asking);
}

static void what_cannot_be_answered_harms_nobody_else(void **unused)
{
  static const float good[] = {1, 2, 3}, bad[] = {0, 0, 0, 1, NAN, 3},
                     infinite[] = {-INFINITY, 0, 0}, huge[] = {3e38f, 3e38f, 3e38f};
  struct haggle_tensor tensor[] = {floats_tensor("x", 1, 3, good), floats_tensor("x", 2, 3, bad),
                                   floats_tensor("x", 1, 3, infinite),
                                   floats_tensor("x", 1, 3, huge)};
  struct haggle_request requests[7];
  static const char *const says[] = {NULL,
                                     "input 'x': number 2 of row 2 is not a number",
                                     "input 'x': number 1 of row 1 is infinite",
                                     "output 'y' of row 1 is no finite number",
                                     "its deadline has passed",
                                     "it was cancelled",
                                     NULL};
  static const int statuses[] = {HAGGLE_OK,      HAGGLE_INVALID,   HAGGLE_INVALID, HAGGLE_INVALID,
                                 HAGGLE_TIMEOUT, HAGGLE_CANCELLED, HAGGLE_OK};
  struct asking asking;
  for (size_t i = 0; i < 7; i++)
    requests[i] = (struct haggle_request){
        .inputs = &tensor[i < 4 ? i : 0], .input_count = 1, .rows = i == 1 ? 2 : 1};
  requests[4].deadline_ns = 1;
  requests[6].deadline_ns = INT64_MAX;
  open_text(SIMPLE, &asking);
  asking.over = 6;
  ask_all(&asking, requests, 7);
  for (size_t i = 0; i < 7; i++) {
    assert_int_equal(asking.answers[i].status, statuses[i]);
    if (says[i] && !strstr(asking.answers[i].message, says[i]))
      fail_msg("%zu: %s", i, asking.answers[i].message);
  }
  assert_memory_equal(asking.answers[6].outputs[0].data, ((float[]){24, 52}), 2 * sizeof(float));
  close_model(&asking);
}

/* More requests than are run at once, and one of more rows than that. */
static void answers_any_number_of_rows(void **unused)
{
  enum { COUNT = 600, LARGE = 10000 };
  static float rows[LARGE * 3];
  struct haggle_tensor tensors_of[COUNT], large = floats_tensor("x", LARGE, 3, rows);
  struct haggle_request requests[COUNT],
      single = {.inputs = &large, .input_count = 1, .rows = LARGE};
  struct asking asking;
  for (size_t i = 0; i < LARGE * 3; i++) rows[i] = (float)(i % 1000);
  for (size_t i = 0; i < COUNT; i++) {
    size_t count = 1 + i % 40;
    tensors_of[i] = floats_tensor("x", count, 3, rows + 3 * i);
    requests[i] = (struct haggle_request){
        .inputs = &tensors_of[i], .input_count = 1, .rows = (int64_t)count};
  }
  open_text(SIMPLE, &asking);
  ask_all(&asking, &single, 1);
  assert_int_equal(asking.answers[0].status, HAGGLE_OK);
  float *expected = malloc(LARGE * 2 * sizeof *expected);
  assert_non_null(expected);
  memcpy(expected, asking.answers[0].outputs[0].data, LARGE * 2 * sizeof *expected);
  for (size_t row = 0; row < LARGE; row++) {
    const float *x = rows + 3 * row;
    assert_true(expected[2 * row] == x[0] + 2 * x[1] + 3 * x[2] + 10);
    assert_int_equal(((const int64_t *)asking.answers[0].outputs[1].data)[row], 1);
  }
  ask_all(&asking, requests, COUNT);
  for (size_t i = 0; i < COUNT; i++) {
    assert_int_equal(asking.answers[i].status, HAGGLE_OK);
    assert_memory_equal(asking.answers[i].outputs[0].data, expected + 2 * i,
                        (1 + i % 40) * 2 * sizeof *expected);
  }
  asking.over = 1;
  asking.over_after = 1; /* in its midst */
  ask_all(&asking, &single, 1);
  assert_int_equal(asking.answers[0].status, HAGGLE_CANCELLED);
  free(expected);
  close_model(&asking);
}

/* Refusals ------------------------------------------------------------------------------------ */

#define OUT            ",\"outputs\":[{\"name\":\"y\"}]}"
#define LAYERS(layers) "{" INPUT ",\"layers\":[" layers "]" OUT

static void names_what_is_wrong_with_a_description(void **unused)
{
  static const struct {
    const char *description, *says;
  } cases[] = {
      {"", "haggle.dense: JSON"},
      {"[]", "haggle.dense: it is no object"},
      {"{}", "version is missing; it is 1"},
      {"{\"version\":2}", "version is 2; this host reads 1"},
      {"{" INPUT ",\"layer\":[]" OUT, "unknown member 'layer'; did you mean 'layers'?"},
      {"{\"version\":1" OUT, "inputs is no list of 1 to 64"},
      {"{\"version\":1,\"inputs\":[1]" OUT, "inputs[0]: it is no object"},
      {"{\"version\":1,\"inputs\":[{\"name\":\"x\"}]" OUT, "inputs[0]: width is missing"},
      {"{\"version\":1,\"inputs\":[{\"width\":1}]" OUT, "inputs[0]: name is missing"},
      {"{\"version\":1,\"inputs\":[{\"name\":\"x\",\"width\":0}]" OUT, "inputs[0]: width is"},
      {"{\"version\":1,\"inputs\":[{\"name\":\"x\",\"width\":16385}]" OUT, "wider than 16384"},
      {"{\"version\":1,\"inputs\":[{\"name\":\"x\",\"width\":16384},{\"name\":\"z\",\"width\":1}"
       "]" OUT,
       "inputs[1]: all inputs are wider than 16384"},
      {"{\"version\":1,\"inputs\":[{\"name\":\"x\",\"width\":1},{\"name\":\"x\",\"width\":1}]" OUT,
       "inputs[1]: the name 'x' stands twice"},
      {"{\"version\":1,\"inputs\":[{\"name\":\"x\",\"width\":3,\"scale\":\"zeros\"}]" OUT,
       "inputs[0]: scale[0] is 0, and divides"},
      {"{\"version\":1,\"inputs\":[{\"name\":\"x\",\"width\":3,\"mean\":\"b\"}]" OUT,
       "inputs[0]: mean: tensor 'b' has 1 axes and 2 elements, but one axis of 3 is needed"},
      {"{" INPUT "}", "outputs is no list of 1 to 64"},
      {"{" INPUT ",\"outputs\":[{\"name\":\"y\",\"end\":\"sofmax\"}]}",
       "outputs[0]: unknown end 'sofmax'; did you mean 'softmax'?"},
      {"{" INPUT ",\"outputs\":[{\"name\":\"y\"},{\"name\":\"y\"}]}",
       "outputs[1]: the name 'y' stands twice"},
      {"{" INPUT ",\"outputs\":[{\"name\":\"y\",\"layers\":[{}]}]}", "outputs[0]: layers[0]: "},
      {LAYERS("1"), "layers[0]: it is no object"},
      {LAYERS("{\"type\":\"liner\"}"), "layers[0]: unknown type 'liner'; did you mean 'linear'?"},
      {LAYERS("{\"type\":\"convolution\"}"), "unknown type 'convolution': DENSE.md lists them"},
      {LAYERS("{\"type\":\"relu\",\"slope\":1}"), "layers[0]: relu: unknown member 'slope'"},
      {LAYERS("{\"type\":\"linear\"}"), "layers[0]: linear: weight is missing"},
      {LAYERS("{\"type\":\"linear\",\"weight\":7}"), "linear: weight is no text"},
      {LAYERS("{\"type\":\"linear\",\"weight\":\"q\"}"), "linear: the file has no tensor 'q'"},
      {LAYERS("{\"type\":\"linear\",\"weight\":\"v\"}"),
       "tensor 'v' is no matrix [outputs, inputs]"},
      {LAYERS("{\"type\":\"linear\",\"weight\":\"ints\"}"), "tensor 'ints' is I32; F32, F64, F16"},
      {LAYERS("{\"type\":\"linear\",\"weight\":\"worse\"}"), "tensor 'worse' at [1, 1] is inf"},
      {LAYERS("{\"type\":\"linear\",\"weight\":\"w\",\"bias\":\"bad\"}"),
       "linear: bias: tensor 'bad' at [0] is nan"},
      {LAYERS("{\"type\":\"linear\",\"weight\":\"w\",\"bias\":\"i\"}"), "tensor 'i' is I32"},
      {LAYERS("{\"type\":\"linear\",\"weight\":\"w\",\"bias\":\"v\"}"), "one axis of 2 is needed"},
      {LAYERS(LINEAR "," LINEAR), "layers[1]: linear: tensor 'w' is [2, 3], but 2 numbers come in: "
                                  "is it transposed?"},
      {LAYERS("{\"type\":\"elu\",\"alpha\":\"x\"}"), "elu: alpha is no number"},
      {LAYERS("{\"type\":\"layer_norm\",\"eps\":0}"), "layer_norm: eps cannot be 0"},
      {LAYERS("{\"type\":\"batch_norm\",\"mean\":\"v\"}"),
       "batch_norm: it needs mean and variance"},
      {LAYERS("{\"type\":\"batch_norm\",\"mean\":\"v\",\"variance\":\"negative\"}"),
       "batch_norm: variance[1] is negative"},
      {LAYERS("{\"type\":\"residual\"}"), "residual: layers is no list"},
      {LAYERS("{\"type\":\"residual\",\"layers\":[" LINEAR "]}"),
       "residual: 2 numbers cannot be added to 3"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct asking asking;
    struct haggle_error error;
    int32_t status = open_options(cases[i].description, NULL, 0, &asking, &error);
    if (status == HAGGLE_OK) fail_msg("accepted: %s", cases[i].description);
    if (!strstr(error.message, cases[i].says))
      fail_msg("%s: expected '%s', got '%s'", cases[i].description, cases[i].says, error.message);
    assert_int_equal(error.status, status);
  }
}

static void refuses_a_tensor_that_nothing_uses(void **unused)
{
  struct asking asking;
  struct haggle_error error;
  assert_int_equal(open_options("{\"about\":\"w\"," INPUT OUT, NULL, 0, &asking, &error),
                   HAGGLE_INVALID);
  assert_non_null(strstr(error.message, "no layer uses tensor 'w'"));
}

/* So many layers, and one more; so many residuals within each other, and one more. */
static void bounds_are_where_they_should_be(void **unused)
{
  struct hgl_buf text;
  struct asking asking;
  struct haggle_error error;
  struct hgl_err err = {0};
  for (int over = 0; over < 2; over++) {
    hgl_buf_init(&text, 20000);
    hgl_buf_append_text(&text, "{" INPUT ",\"layers\":[");
    for (int i = 0; i < HGL_DENSE_NESTED_MAX + over; i++)
      hgl_buf_append_text(&text, "{\"type\":\"residual\",\"layers\":[");
    for (int i = 0; i < HGL_DENSE_NESTED_MAX + over; i++) hgl_buf_append_text(&text, "]}");
    hgl_buf_append_text(&text, "]" OUT);
    hgl_buf_append_byte(&text, 0);
    assert_ok(hgl_buf_check(&text, &err));
    int32_t status = open_options((char *)text.data, NULL, 0, &asking, &error);
    hgl_buf_deinit(&text);
    assert_int_equal(status, over ? HAGGLE_TOO_LARGE : HAGGLE_OK);
    if (!over) close_model(&asking);
  }
  assert_non_null(strstr(error.message, "more than 8 residuals within each other"));
}

static void residuals_add_what_went_in(void **unused)
{
  static const float x[] = {1, 2, 3};
  struct haggle_tensor input = floats_tensor("x", 1, 3, x);
  struct haggle_request request = {.inputs = &input, .input_count = 1, .rows = 1};
  struct asking asking;
  open_text(
      LAYERS("{\"type\":\"residual\",\"layers\":[{\"type\":\"residual\",\"layers\":[{\"type\":"
             "\"linear\",\"weight\":\"square\"}]},{\"type\":\"residual\",\"layers\":[]}]}"),
      &asking);
  ask_all(&asking, &request, 1);
  assert_memory_equal(asking.answers[0].outputs[0].data, ((float[]){15, 18, 21}),
                      3 * sizeof(float));
  close_model(&asking);
}

static void knows_its_options(void **unused)
{
  static const struct {
    const char *name, *value, *says;
  } cases[] = {
      {"thread", "2",
       "unknown option 'thread'; did you mean 'threads'?; the dense engine has device "
       "and threads"},
      {"precision", "half", "unknown option 'precision'; the dense engine has device and threads"},
      {"device", "gpu", "device=gpu: it can be auto, cpu, cuda or cuda:N"},
      {"device", "cuda:", "device=cuda:: it can"},
      {"device", "cuda:x", "device=cuda:x: it can"},
      {"device", "cuda:-1", "device=cuda:-1: it can"},
      {"threads", "0", "threads=0: it can be 1 to 64"},
      {"threads", "65", "threads=65: it can be 1 to 64"},
      {"threads", "2x", "threads=2x: it can be 1 to 64"},
      {"threads", "4", NULL},
      {"device", "cpu", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct asking asking;
    struct haggle_error error;
    struct haggle_option option = {cases[i].name, cases[i].value};
    int32_t status = open_options(SIMPLE, &option, 1, &asking, &error);
    if (status == HAGGLE_OK) {
      close_model(&asking);
      assert_null(cases[i].says);
    } else if (!cases[i].says || !strstr(error.message, cases[i].says)) {
      fail_msg("%s=%s: %s", cases[i].name, cases[i].value, error.message);
    }
  }
}

static void a_file_that_is_not_there_or_no_network_is_an_error(void **unused)
{
  const struct haggle_engine *engine = hgl_dense_engine(HAGGLE_INFER_VERSION, &host);
  struct haggle_source source = {.size = sizeof source, .name = "x", .file = "/nowhere/policy"};
  struct haggle_error error = {.size = sizeof error};
  void *model;
  assert_int_equal(engine->open(&source, &model, &error), HAGGLE_NOT_FOUND);
  assert_string_equal(error.message, "/nowhere/policy: No such file or directory");
  struct hgl_err err = {0};
  struct hgl_safetensors *file = NULL;
  struct hgl_dense_net *net;
  static const uint8_t empty[] = {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
  assert_ok(hgl_safetensors_decode(hgl_bytes(empty, sizeof empty), &file, &err));
  int status = hgl_dense_net_read(file, &net, &err);
  hgl_safetensors_destroy(file);
  assert_int_equal(status, -HGL_INVALID);
  assert_non_null(strstr(err.message, "__metadata__ has no 'haggle.dense'"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(describes_itself),
      cmocka_unit_test(answers_requests_of_several_rows_together),
      cmocka_unit_test(puts_inputs_beside_each_other_and_normalises_them),
      cmocka_unit_test(what_cannot_be_answered_harms_nobody_else),
      cmocka_unit_test(answers_any_number_of_rows),
      cmocka_unit_test(names_what_is_wrong_with_a_description),
      cmocka_unit_test(refuses_a_tensor_that_nothing_uses),
      cmocka_unit_test(bounds_are_where_they_should_be),
      cmocka_unit_test(residuals_add_what_went_in),
      cmocka_unit_test(knows_its_options),
      cmocka_unit_test(a_file_that_is_not_there_or_no_network_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
