#include "support/check.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/damage.h"

/* The exit status of a child that does this, or minus the signal that ended it; what it said on
 * standard error is in `said`. */
static int in_child(void (*act)(void), char *said, size_t size)
{
  int pipes[2], status;
  assert_int_equal(pipe(pipes), 0);
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    dup2(pipes[1], STDERR_FILENO);
    /* As the program runs: without whoever else watches for faults. */
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    signal(SIGABRT, SIG_DFL);
    hgl_damage_guard();
    act();
    _exit(0);
  }
  close(pipes[1]);
  ssize_t got = read(pipes[0], said, size - 1);
  said[got > 0 ? got : 0] = 0;
  close(pipes[0]);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void fault_inside(void)
{
  hgl_damage_enter();
  raise(SIGSEGV);
}

static void bus_error_inside(void)
{
  hgl_damage_enter();
  hgl_damage_enter();
  hgl_damage_leave();
  raise(SIGBUS);
}

/* What the allocator does when it finds its heap spoilt. */
static void abort_inside(void)
{
  hgl_damage_enter();
  abort();
}

static void *fault_in_thread(void *user)
{
  hgl_damage_enter();
  *(volatile int *)user = 1;
  return NULL;
}

/* A thread that leaves signals to others, as the writer does. */
static void fault_where_signals_are_blocked(void)
{
  pthread_t thread;
  sigset_t mask;
  sigfillset(&mask);
  hgl_damage_unblock(&mask);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  void *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pthread_create(&thread, NULL, fault_in_thread, nowhere) == 0) pthread_join(thread, NULL);
}

static void fault_outside(void)
{
  hgl_damage_enter();
  hgl_damage_leave();
  raise(SIGSEGV);
  raise(SIGSEGV); /* the handler has put the default back */
}

static void a_fault_within_the_data_file_ends_the_process_with_words(void **state)
{
  char said[512];
  assert_int_equal(in_child(fault_inside, said, sizeof said), HGL_DAMAGE_EXIT);
  assert_non_null(strstr(said, "the data file is damaged"));
  void (*const acts[])(void) = {bus_error_inside, abort_inside, fault_where_signals_are_blocked};
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
    assert_int_equal(in_child(acts[i], said, sizeof said), HGL_DAMAGE_EXIT);
    assert_non_null(strstr(said, "the data file is damaged"));
  }
}

static void a_fault_elsewhere_stays_a_fault(void **state)
{
  char said[512];
  assert_int_equal(in_child(fault_outside, said, sizeof said), -SIGSEGV);
  assert_null(strstr(said, "damaged"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_fault_within_the_data_file_ends_the_process_with_words),
      cmocka_unit_test(a_fault_elsewhere_stays_a_fault),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
