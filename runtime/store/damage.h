/* LMDB trusts its pages. They are checked at a start (pages.h), but what is damaged while the
 * program runs, or lies beyond what is checked, can make it assert, leave the map or spoil the
 * heap. Then nothing can be saved in this process, and nothing is wrong with the program: it says
 * what happened and ends, instead of dying of a signal that looks like a fault of ours.
 *
 * The guard is process-wide, as signal handlers are; enter and leave count per thread. */
#ifndef HGL_STORE_DAMAGE_H
#define HGL_STORE_DAMAGE_H

#include <signal.h>

enum { HGL_DAMAGE_EXIT = 70 }; /* EX_SOFTWARE of sysexits.h: "start again from the store" */

/* Installs handlers of the signals that a fault raises, SIGABRT of a spoilt heap among them; faults
 * outside of enter and leave go where they went. */
void hgl_damage_guard(void);
/* Takes these signals off a mask: a thread that blocks them dies of a fault unheard. */
void hgl_damage_unblock(sigset_t *mask);
/* Around every call that walks pages. */
void hgl_damage_enter(void);
void hgl_damage_leave(void);
/* Says that the data file is damaged, and ends the process. Async-signal-safe. */
_Noreturn void hgl_damage_die(void);

#endif
