/* Errors: every function that can fail returns 0 or a negative enum hgl_code and fills a
 * caller-owned struct hgl_err. Out-parameters are written only on success. Any thread. */
#ifndef HGL_BASE_ERR_H
#define HGL_BASE_ERR_H

#include <stddef.h>

#define HGL_NODISCARD         __attribute__((warn_unused_result))
#define HGL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* The one list of codes. The name is stable: it is what peers, scripts, logs and `--json` see. */
#define HGL_CODES(X)                                                                               \
  /* our own side */                                                                               \
  X(INTERNAL, "internal", "an invariant of this program does not hold")                            \
  X(NO_MEMORY, "no_memory", "memory is exhausted or a memory limit was reached")                   \
  X(INVALID, "invalid", "an argument or option is wrong")                                          \
  X(NOT_FOUND, "not_found", "the thing asked for does not exist")                                  \
  X(EXISTS, "exists", "the thing to be made is already there")                                     \
  X(DENIED, "denied", "the operator has not granted this")                                         \
  X(LIMIT, "limit", "a limit of size, number, time or rate was reached")                           \
  X(IO, "io", "the operating system reported a failure")                                           \
  X(DISK_FULL, "disk_full", "no space is left where the data folder lies")                         \
  X(IN_USE, "in_use", "another process holds it")                                                  \
  X(CORRUPT, "corrupt", "stored data does not pass its checks")                                    \
  X(NEWER, "newer", "written by a newer version than this one")                                    \
  X(CLOSED, "closed", "the other end or the object is gone")                                       \
  X(SCRIPT, "script", "a Lua script raised or did not compile")                                    \
  /* decoding */                                                                                   \
  X(TRUNCATED, "truncated", "the data ends too early")                                             \
  X(TRAILING, "trailing", "bytes follow where the data should end")                                \
  X(MALFORMED, "malformed", "the data is not of the expected shape")                               \
  X(NOT_DETERMINISTIC, "not_deterministic", "not in the one permitted encoding")                   \
  X(DUPLICATE_KEY, "duplicate_key", "a map names a key twice")                                     \
  X(TOO_LARGE, "too_large", "longer than the protocol permits")                                    \
  X(TOO_DEEP, "too_deep", "nested deeper than the protocol permits")                               \
  X(BAD_VALUE, "bad_value", "a value that cannot be sent or stored")                               \
  X(CRITICAL, "critical", "an unknown field that must be understood")                              \
  /* proof */                                                                                      \
  X(BAD_KEY, "bad_key", "not a canonical public key of full order")                                \
  X(BAD_SIGNATURE, "bad_signature", "a signature does not verify")                                 \
  X(BAD_PATH, "bad_path", "an inclusion path does not lead to its root")                           \
  X(BAD_TYPE, "bad_type", "a signed object is of another type")                                    \
  X(NO_DELEGATION, "no_delegation", "the agent has not authorised this host")                      \
  X(DELEGATION_EXPIRED, "delegation_expired", "the delegation had ended at the header's time")     \
  X(DELEGATION_REVOKED, "delegation_revoked", "a delegation of higher sequence is known")          \
  X(DELEGATION_CONFLICT, "delegation_conflict", "two delegations share one sequence")              \
  X(WRONG_HOST, "wrong_host", "signed by or meant for another host")                               \
  /* link */                                                                                       \
  X(HANDSHAKE, "handshake", "the Noise handshake failed")                                          \
  X(WRONG_PEER, "wrong_peer", "the peer is not the one expected there")                            \
  X(BAD_RECORD, "bad_record", "a record did not decrypt: altered, replayed or out of order")       \
  X(CLOCK_SKEW, "clock_skew", "the clocks of the two hosts differ too much")                       \
  X(GAP, "gap", "numbers were skipped")                                                            \
  X(FORK, "fork", "two different headers of one incarnation and sequence")                         \
  X(OLD_INCARNATION, "old_incarnation", "a newer incarnation of the sender is known")              \
  X(TIME_REGRESSED, "time_regressed", "a header is older than the one before it")                  \
  X(FLOOD, "flood", "the peer sends more than it may")                                             \
  /* calls to the outside */                                                                       \
  X(UNREACHABLE, "unreachable", "the name does not resolve, or nobody answers at its addresses")   \
  X(UNTRUSTED, "untrusted", "the other end could not prove by TLS that it is who it should be")    \
  X(ENGINE_FAILED, "engine_failed", "the engine of the model failed")                              \
  /* outcomes of a message or an ask */                                                            \
  X(TIMEOUT, "timeout", "no answer came in time")                                                  \
  X(EXPIRED, "expired", "the message had expired on arrival")                                      \
  X(REFUSED, "refused", "the peer refused")                                                        \
  X(NOT_HERE, "not_here", "no such agent on that host")                                            \
  X(MAILBOX_FULL, "mailbox_full", "the mailbox of the recipient is full")                          \
  X(UNDELIVERABLE, "undeliverable", "no way to the recipient is known")                            \
  X(UNCONFIRMED, "unconfirmed", "expired without acknowledgement: it may have been handled")       \
  X(NO_HANDLER, "no_handler", "the agent has no handler for this type")                            \
  X(HANDLER_FAILED, "handler_failed", "the handler of the recipient raised")                       \
  X(PROTOCOL_VIOLATION, "protocol_violation", "not allowed at this point of the dialogue")         \
  X(DIFFERENT_DEFINITION, "different_definition", "the two sides define the protocol differently") \
  X(UNKNOWN_OUTCOME, "unknown_outcome", "begun before a crash: it may have been carried out")      \
  X(INTERRUPTED, "interrupted", "the handler was ended while it was suspended")                    \
  X(JOURNAL_FULL, "journal_full", "the handler waited more often, or read more, than is kept")     \
  X(DIVERGED, "diverged", "run again, the handler did not do what it had done before")

enum hgl_code {
  HGL_OK = 0,
#define X(id, name, meaning) HGL_##id,
  HGL_CODES(X)
#undef X
      HGL_CODE_COUNT
};

enum { HGL_ERR_MESSAGE_SIZE = 480 };

struct hgl_err {
  enum hgl_code code;
  char message[HGL_ERR_MESSAGE_SIZE]; /* one line, NUL-terminated, no trailing newline */
};

/* Fills *err (NULL is allowed) and returns the negative code, so that failing is one statement:
 *   return hgl_fail(err, HGL_TOO_LARGE, "body of %zu bytes, limit %d", size, LIMIT);
 * The arguments may hold what stands in *err. */
#define hgl_fail(err, code, ...) (hgl_err_set((err), (code), __VA_ARGS__), hgl_err_status(code))
/* In the header, so that compilers and analysers see that a failure is not 0. */
static inline int hgl_err_status(enum hgl_code code)
{
  return -(int)code;
}
void hgl_err_set(struct hgl_err *err, enum hgl_code code, const char *format, ...) HGL_PRINTF(3, 4);

/* Puts "context: " before a message that is there already; returns the negative code of *err. */
int hgl_fail_in(struct hgl_err *err, const char *format, ...) HGL_PRINTF(2, 3);

/* "too_large"; never NULL. Unknown numbers give "unknown". */
const char *hgl_code_name(enum hgl_code code);
/* The sentence that documents the code. */
const char *hgl_code_meaning(enum hgl_code code);
/* HGL_OK when no code has this name. */
enum hgl_code hgl_code_from_name(const char *name, size_t size);

#endif
