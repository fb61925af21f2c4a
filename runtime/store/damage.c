#include "store/damage.h"

#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static _Thread_local volatile sig_atomic_t depth;
static const int faults[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
enum { FAULT_COUNT = sizeof faults / sizeof *faults };
static struct sigaction previous[FAULT_COUNT];
static bool installed;

void hgl_damage_enter(void)
{
  depth++;
}

void hgl_damage_leave(void)
{
  depth--;
}

_Noreturn void hgl_damage_die(void)
{
  static const char text[] =
      "haggle: the data file is damaged: its pages do not hang together. Nothing was changed. "
      "Restore the data folder from a backup, or move it away and begin anew.\n";
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(HGL_DAMAGE_EXIT + 1);
  _exit(HGL_DAMAGE_EXIT);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
  if (depth > 0) hgl_damage_die();
  size_t i = 0;
  while (faults[i] != number) i++;
  sigaction(number, &previous[i], NULL);
  if (previous[i].sa_flags & SA_SIGINFO) previous[i].sa_sigaction(number, info, context);
  /* The default action follows when the faulting instruction is tried again. */
}

void hgl_damage_guard(void)
{
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  if (installed) return;
  installed = true;
  for (size_t i = 0; i < FAULT_COUNT; i++) sigaction(faults[i], &action, &previous[i]);
}

void hgl_damage_unblock(sigset_t *mask)
{
  for (size_t i = 0; i < FAULT_COUNT; i++) sigdelset(mask, faults[i]);
}
