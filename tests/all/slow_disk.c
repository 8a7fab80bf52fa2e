/* A disk that stands still for a while: before the C library's write(), started with LD_PRELOAD. The tenth write to a
   history waits for nine seconds; all others are as fast as the real disk. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_history(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return strstr(path, "/history.jsonl") != 0;
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
  static int writes = 0;
  if (is_history(descriptor) && __atomic_add_fetch(&writes, 1, __ATOMIC_RELAXED) == 10) {
    struct timespec rest = {.tv_sec = 9};
    nanosleep(&rest, 0);
  }
  return syscall(SYS_write, descriptor, bytes, count);
}
