/* An engine for tests: deterministic, small, and as ill-behaved as its file's name asks for.
 *
 * The file is a comma-separated list of switches, or "good": a model of tensors with the input
 * `x` [any, 3] and the output `sum` [any], which is the sum of each row.
 *
 *   plain     not batched: `x` [3], `sum` []        text      a language model that echoes
 *   quick     said to be
 *   types     an input and output of every type     steps     decodes a word a step, and takes more
 *   twice | never | name | type | shape | size | nan | count | null | badsize | nojson | badutf8
 *   stranger | huge | fail: what is wrong with its answers
 *   nofile | nomemory | silent | nodevice: it does not open       badkind | badspec | noted
 *   gate      each run waits until test_engine_open_gate; `slow`: until it is over
 *
 * Beside that a library of it (tests/CMakeLists.txt) is what `haggle run` loads. */
#ifndef HGL_TESTS_TEST_ENGINE_H
#define HGL_TESTS_TEST_ENGINE_H

#include "infer/haggle_infer.h"

const struct haggle_engine *test_engine(uint32_t version, const struct haggle_host *host);

/* Of all models of this process. */
void test_engine_close_gate(void);
void test_engine_open_gate(void);
/* How many runs stand at the gate. */
int test_engine_at_gate(void);
int test_engine_open_models(void);

#endif
