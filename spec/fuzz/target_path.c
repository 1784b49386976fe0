/* A path beneath a directory, opened by the kernel's rules and by walking: both
 * find the same file, which lies there, and is no link. What a URL's path becomes
 * before that is Lua's business, and is not fuzzed here. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "net/beneath.h"
#include "proto/status.h"

static char base[] = "/tmp/neap-fuzz-XXXXXX";
static char root[64];

static const char *const files[] = {"a", "sub/b", "sub/deep/c", "..d"};
static const char *const dirs[] = {"", "/sub", "/sub/deep"};

static void remove_all(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", base);
  if (system(command) != 0)
    fprintf(stderr, "%s stays\n", base);
}

static void write_file(const char *dir, const char *name) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *file = fopen(path, "w");
  FUZZ_CHECK(file != NULL && fputs("text", file) >= 0);
  fclose(file);
}

static void link_to(const char *target, const char *name) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", root, name);
  FUZZ_CHECK(symlink(target, path) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  char path[128];
  (void)argc, (void)argv;
  FUZZ_CHECK(mkdtemp(base) != NULL);
  atexit(remove_all);
  snprintf(root, sizeof root, "%s/root", base);
  for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
    snprintf(path, sizeof path, "%s%s", root, dirs[i]);
    FUZZ_CHECK(mkdir(path, 0700) == 0);
  }
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    write_file(root, files[i]);
  write_file(base, "secret");
  link_to("../secret", "link");
  link_to("..", "up");
  link_to("a", "near");
  return 0;
}

/* Where it is, and that it is a file or a directory. */
static ino_t check_place(int fd) {
  char link[64], place[512];
  struct stat st;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t len = readlink(link, place, sizeof place);
  FUZZ_CHECK(len >= (ssize_t)strlen(root));
  FUZZ_CHECK(memcmp(place, root, strlen(root)) == 0);
  FUZZ_CHECK(fstat(fd, &st) == 0);
  FUZZ_CHECK(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
  close(fd);
  return st.st_ino;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct stat st;
  char *path = malloc(size + 1);
  if (size > 0)
    memcpy(path, data, size);
  path[size] = '\0';
  int first = neap_open_beneath(root, path, &st);
  int second = neap_open_beneath_by_walking(root, path, &st);
  FUZZ_CHECK(first >= 0 || first == NEAP_EREFUSED);
  FUZZ_CHECK((first >= 0) == (second >= 0) && (first >= 0 || first == second));
  if (first >= 0)
    FUZZ_CHECK(check_place(first) == check_place(second));
  free(path);
  return 0;
}
