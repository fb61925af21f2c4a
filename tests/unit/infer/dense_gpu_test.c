/* Dense networks on a real GPU: skipped where there is none. */
#include "support/dense_compare.h"

#define SKIP_WITHOUT_GPU()                                                                         \
  do {                                                                                             \
    struct hgl_cuda cuda_;                                                                         \
    struct hgl_err err_ = {0};                                                                     \
    if (!*hgl_dense_ptx || hgl_cuda_load(&cuda_, &err_)) {                                         \
      print_message("skipped: %s\n", *hgl_dense_ptx ? err_.message : "built without nvcc");        \
      skip();                                                                                      \
    }                                                                                              \
  } while (0)

static void a_gpu_gives_the_bits_of_the_cpu(void **unused)
{
  SKIP_WITHOUT_GPU();
  for (uint64_t seed = 1; seed <= 150; seed++) {
    struct network network;
    network_random(&network, seed);
    struct hgl_dense_net *net = network_read(&network);
    compare_devices(net, seed % 10 == 0 ? 1024 : 1 + seed % 70, seed);
    hgl_dense_net_destroy(net);
    network_free(&network);
  }
}

static void a_gpu_takes_wide_networks(void **unused)
{
  static const size_t widths[] = {20, 16000, 5000, 3, 0};
  struct network network;
  SKIP_WITHOUT_GPU();
  network_plain(&network, widths, "silu");
  struct hgl_dense_net *net = network_read(&network);
  compare_devices(net, 300, 5);
  hgl_dense_net_destroy(net);
  network_free(&network);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_gpu_gives_the_bits_of_the_cpu),
      cmocka_unit_test(a_gpu_takes_wide_networks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
