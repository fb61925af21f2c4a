#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { LIFE_S = 3650 * 24 * 3600, SERIAL_SIZE = 16 };

static int set_serial(X509 *certificate)
{
  unsigned char bytes[SERIAL_SIZE];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return 0;
  bytes[0] &= 0x7f; /* positive, as RFC 5280 §4.1.2.2 asks */
  BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
  int done = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
  BN_free(number);
  return done;
}

static int add_extension(X509 *certificate, int which, const char *value)
{
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, which, value);
  int done = extension && X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return done;
}

static int fill(X509 *certificate, EVP_PKEY *key)
{
  X509_NAME *name = X509_get_subject_name(certificate);
  return X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
         X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
         X509_gmtime_adj(X509_getm_notAfter(certificate), LIFE_S) &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"haggle", -1,
                                    -1, 0) &&
         X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, key) &&
         add_extension(certificate, NID_subject_alt_name,
                       "DNS:haggle,DNS:localhost,IP:127.0.0.1,IP:::1") &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
}

static int create(const char *path, int mode, FILE **out, struct hgl_err *err)
{
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
  if (!file) {
    int status = hgl_fail(err, errno == EEXIST ? HGL_EXISTS : HGL_IO, "%s: %s", path,
                          strerror(errno));
    if (fd >= 0) close(fd);
    return status;
  }
  *out = file;
  return 0;
}

static int finish(FILE *file, int written, const char *path, struct hgl_err *err)
{
  int closed = fclose(file) == 0;
  if (written && closed) return 0;
  unlink(path);
  return hgl_fail(err, HGL_IO, "%s could not be written", path);
}

static int write_key(EVP_PKEY *key, const char *path, struct hgl_err *err)
{
  FILE *file;
  int status = create(path, 0600, &file, err);
  if (status != 0) return status;
  return finish(file, PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), path, err);
}

static int write_certificate(X509 *certificate, const char *path, struct hgl_err *err)
{
  FILE *file;
  int status = create(path, 0644, &file, err);
  return status ? status : finish(file, PEM_write_X509(file, certificate), path, err);
}

int hgl_tls_self_signed(const char *certificate_path, const char *key_path, struct hgl_err *err)
{
  int status;
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *certificate = X509_new();
  if (!key || !certificate || !fill(certificate, key)) {
    status = hgl_fail(err, HGL_INTERNAL, "OpenSSL could not make a certificate");
    goto done;
  }
  if ((status = write_key(key, key_path, err)) != 0) goto done;
  if ((status = write_certificate(certificate, certificate_path, err)) != 0) unlink(key_path);
done:
  X509_free(certificate);
  EVP_PKEY_free(key);
  return status;
}

int hgl_tls_authorities(const char *trust, X509_STORE **out, struct hgl_err *err)
{
  int status = 0;
  X509_STORE *store = X509_STORE_new();
  if (!store || X509_STORE_set_default_paths(store) != 1)
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  else if (trust && X509_STORE_load_file(store, trust) != 1)
    status = hgl_fail(err, HGL_INVALID, "%s cannot be read, or holds no certificates (PEM)", trust);
  else /* so that a certificate in the midst of a chain may be named */
    X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
  ERR_clear_error();
  if (status == 0)
    *out = store;
  else
    X509_STORE_free(store);
  return status;
}
