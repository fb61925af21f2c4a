/* What ONNX Runtime says, for those who have to do with a model and not with its sources. */
#include "onnx.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int32_t status_of(OrtErrorCode code, const char *message)
{
  /* Most errors have no code of their own. */
  static const struct {
    const char *words;
    int32_t status;
  } told[] = {
      {"Failed to allocate memory", HAGGLE_NO_MEMORY},
      {"Available memory of", HAGGLE_NO_MEMORY},
      {"bad_alloc", HAGGLE_NO_MEMORY},
      {"out of memory", HAGGLE_NO_MEMORY},
      {"opset", HAGGLE_UNSUPPORTED},
      {"IR version", HAGGLE_UNSUPPORTED},
  };
  for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
    if (strstr(message, told[i].words)) return told[i].status;
  }
  switch (code) {
  case ORT_INVALID_ARGUMENT:
  case ORT_INVALID_PROTOBUF:
  case ORT_INVALID_GRAPH:
  case ORT_NO_MODEL:
    return HAGGLE_INVALID;
  case ORT_NO_SUCHFILE:
    return HAGGLE_NOT_FOUND;
  case ORT_NOT_IMPLEMENTED:
    return HAGGLE_UNSUPPORTED;
  default:
    return HAGGLE_FAILED;
  }
}

/* Behind the bracket that closes the one here; what there is, when none does. */
static const char *behind_bracket(const char *at, char open, char close)
{
  int depth = 0;
  for (; *at; at++) {
    if (*at == open) depth++;
    if (*at == close && --depth == 0) return at + 1;
  }
  return at;
}

/* Behind the name of a function: "Check", or "void onnx::f(int, char) const [with T = int]". */
static const char *behind_function(const char *at)
{
  const char *bracket = strchr(at, '('), *colons = strstr(at, "::");
  if (!bracket || !colons || colons > bracket) return at + strcspn(at, " ");
  at = behind_bracket(bracket, '(', ')');
  if (strncmp(at, " const", 6) == 0) at += 6;
  if (strncmp(at, " [with ", 7) == 0) at = behind_bracket(at, '[', ']');
  return at;
}

/* The next "…/graph.cc:1554 FUNCTION " and what is behind it. */
static char *place_find(char *text, const char **behind)
{
  for (char *at = text; (at = strchr(at, '.')); at++) {
    size_t length = strncmp(at, ".cc:", 4) == 0 ? 4 : strncmp(at, ".h:", 3) == 0 ? 3 : 0;
    if (!length || !isdigit((unsigned char)at[length])) continue;
    const char *end = at + length + strspn(at + length, "0123456789");
    if (*end != ' ') continue;
    *behind = behind_function(end + 1);
    *behind += **behind == ' ';
    while (at > text && at[-1] != ' ' && at[-1] != ':') at--;
    return at;
  }
  return NULL;
}

/* The next "[ONNXRuntimeError] : 1 : FAIL : ", which says no more than what follows it. */
static char *code_find(char *text, const char **behind)
{
  char *at = strstr(text, "[ONNXRuntimeError] : ");
  *behind = at;
  for (int i = 0; at && i < 3; i++) {
    const char *colon = strstr(*behind, " : ");
    *behind = colon ? colon + 3 : *behind + strlen(*behind);
  }
  return at;
}

/* Both would leave no room for what is wrong. */
static char *without_noise(const char *message)
{
  char *text = strdup(message), *at;
  const char *behind;
  if (!text) return NULL;
  while ((at = place_find(text, &behind)) || (at = code_find(text, &behind)))
    memmove(at, behind, strlen(behind) + 1);
  return text;
}

int32_t onnx_fail(const OrtApi *api, OrtStatus *status, struct haggle_error *error,
                  const char *doing)
{
  const char *message = api->GetErrorMessage(status);
  char *text = without_noise(message);
  hgl_engine_fail(error, status_of(api->GetErrorCode(status), message), "%s: %s", doing,
                  text ? text : message);
  free(text);
  api->ReleaseStatus(status);
  return error->status;
}
