/* HTTP/1.1 as a server reads it (RFC 9112): heads, targets, chunked bodies. Pure; any thread.
 *
 * What two readers could understand differently is refused, not mended: bare line feeds, folded
 * lines, two lengths, spaces before a colon. A path is decoded once, and one that could mean
 * another place after a second look ("..", an encoded slash, a NUL) is refused as well. */
#ifndef HGL_PROTOCOL_WEB_H
#define HGL_PROTOCOL_WEB_H

#include "base/buf.h"

enum {
  HGL_WEB_HEAD_SIZE_MAX = 16 << 10,  /* bytes of request line and headers */
  HGL_WEB_TARGET_SIZE_MAX = 8 << 10, /* of them, the target */
  HGL_WEB_METHOD_SIZE_MAX = 16,
  HGL_WEB_HEADERS_MAX = 64,
  HGL_WEB_PARAMETERS_MAX = 128, /* of a query */
  HGL_WEB_BODY_SIZE_MAX = 1 << 20,
  HGL_WEB_JSON_ITEMS_MAX = 16384,  /* values of a body that is JSON: jansson takes some 6 ms */
  HGL_WEB_OVERHEAD_MAX = 16 << 10, /* of a chunked body: what is not content */
};

struct hgl_web_field {
  struct hgl_bytes name, value;
};

/* What is asked, as whoever answers it sees it. */
struct hgl_web_request {
  struct hgl_bytes method;             /* upper case */
  struct hgl_bytes path;               /* decoded; UTF-8, begins with a slash */
  const struct hgl_web_field *query;   /* decoded; UTF-8 */
  const struct hgl_web_field *headers; /* names in lower case; values may be no UTF-8 */
  size_t query_count, header_count;
  struct hgl_bytes body;
  bool on_loopback; /* it came to a loopback address of this machine; not known from the text */
};

struct hgl_web_answer {
  int status;
  const struct hgl_web_field *headers; /* beside those that frame the answer */
  size_t header_count;
  struct hgl_bytes body;
};

struct hgl_web_head {
  struct hgl_web_request request; /* without a body; slices into the text and into what follows */
  struct hgl_web_field query[HGL_WEB_PARAMETERS_MAX], headers[HGL_WEB_HEADERS_MAX];
  bool upgrades;   /* to a WebSocket */
  bool keep_alive; /* the connection, behind the answer */
  bool expects_continue;
  bool chunked;
  uint64_t body_size; /* unless it is chunked */
};

/* Where a head ends, behind its blank line; 0: not yet. `from`: where the last look ended. */
size_t hgl_web_head_end(struct hgl_bytes text, size_t from);
/* Reads a whole head, decoding within `text`, which has to outlive it. 0, or the status to answer
 * with, and then why. */
int hgl_web_head_parse(uint8_t *text, size_t size, struct hgl_web_head *out, struct hgl_err *why);
/* The path and query of a target ("/a%20b?x=1"), decoded within the text. As above. */
int hgl_web_target_parse(uint8_t *text, size_t size, struct hgl_web_head *out, struct hgl_err *why);
/* The one header of this name (lower case); false: there is none, or there are several. */
bool hgl_web_header(const struct hgl_web_request *request, const char *name,
                    struct hgl_bytes *value);
/* Whether one of the headers of this name (lower case) lists the word, of whatever case. */
bool hgl_web_lists(const struct hgl_web_request *request, const char *name, const char *word);
/* Whether a Host names the machine itself: "localhost:7001", "127.0.0.1", "[::1]". Only a resolver
 * that was told so leads another name there. */
bool hgl_web_host_is_loopback(struct hgl_bytes host);
/* Whether an answer may have this header: a proper name and value, and not one of those that frame
 * the answer, or that browsers apply to all that is at the same port. HGL_INVALID. */
int hgl_web_header_check(struct hgl_bytes name, struct hgl_bytes value,
                         struct hgl_err *err) HGL_NODISCARD;
/* Whether a content type is that of JSON ("application/json; charset=utf-8", "application/x+json").
 */
bool hgl_web_is_json(struct hgl_bytes content_type);
const char *hgl_web_reason(int status); /* "Not Found"; "" for others */

/* A body that comes in chunks. */
struct hgl_web_chunks {
  enum {
    HGL_CHUNK_SIZE,
    HGL_CHUNK_EXTENSION,
    HGL_CHUNK_DATA,
    HGL_CHUNK_DATA_END,
    HGL_CHUNK_TRAILER,
    HGL_CHUNKS_DONE,
  } stage;
  uint64_t left;
  size_t digits, line, overhead;
  bool returned; /* the last byte was a carriage return */
};

/* Takes what it can of *in and appends the content; `chunks` begins zeroed. 0, or the status to
 * answer with. */
int hgl_web_chunks_read(struct hgl_web_chunks *chunks, struct hgl_bytes *in, struct hgl_buf *out,
                        struct hgl_err *why);

#endif
