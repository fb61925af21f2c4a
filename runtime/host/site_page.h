/* The files of the dashboard's page, as they were built and put into the program
 * (runtime/dashboard/embed_page.cmake). None: the program was built without npm. */
#ifndef HGL_HOST_SITE_PAGE_H
#define HGL_HOST_SITE_PAGE_H

#include <stddef.h>
#include <stdint.h>

struct hgl_page_file {
  const char *path; /* "/", "/assets/app.js" */
  const char *type;
  const char *tag;     /* of its content, with the quotes of an ETag */
  const uint8_t *data; /* compressed: gzip */
  size_t size;
};

extern const struct hgl_page_file hgl_page_files[]; /* ends with a NULL path */

#endif
