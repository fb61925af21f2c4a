/* LMDB trusts its pages: rows carry checksums, but a damaged inner page can make it assert or leave
 * the map. Then nothing can be saved in this process, and nothing is wrong with the program: it
 * says what happened and ends, instead of dying of a signal that looks like a fault of ours.
 *
 * The guard is process-wide, as signal handlers are; enter and leave count per thread. */
#ifndef HGL_STORE_DAMAGE_H
#define HGL_STORE_DAMAGE_H

enum { HGL_DAMAGE_EXIT = 70 }; /* EX_SOFTWARE of sysexits.h: "start again from the store" */

/* Installs handlers of SIGSEGV and SIGBUS; faults outside of enter and leave go where they went. */
void hgl_damage_guard(void);
/* Around every call that walks pages. */
void hgl_damage_enter(void);
void hgl_damage_leave(void);
/* Says that the data file is damaged, and ends the process. Async-signal-safe. */
_Noreturn void hgl_damage_die(void);

#endif
