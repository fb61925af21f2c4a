/* Runs a fuzz target over every file of the folders (or files) named, so that what a fuzzer once
 * found stays found. Prints how many inputs ran; no input at all is a failure. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
  FILE *file = fopen(path, "rb");
  if (!file) return 0;
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  /* Exactly as long as the input, so that reading past its end is seen. */
  uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
  size_t got = size > 0 ? fread(data, 1, (size_t)size, file) : 0;
  fclose(file);
  LLVMFuzzerTestOneInput(data, got);
  free(data);
  return 1;
}

static int replay(const char *path)
{
  DIR *folder = opendir(path);
  if (!folder) return replay_file(path);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (entry->d_name[0] == '.') continue;
    char name[4096];
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    count += replay_file(name);
  }
  closedir(folder);
  return count;
}

int main(int argc, char **argv)
{
  int count = 0;
  for (int i = 1; i < argc; i++) count += replay(argv[i]);
  printf("%d inputs replayed\n", count);
  return count ? 0 : 1;
}
