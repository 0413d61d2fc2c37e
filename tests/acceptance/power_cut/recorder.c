/* Preloaded into a program: appends to the file $POWER_CUT_LOG what the program does to the files of $POWER_CUT_DIR.
 *
 * A record is written after the call has returned, so a log that is cut anywhere tells only of what had happened.
 * Record: header, name of the file in the directory ("." is the directory itself), data of a write.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

struct header {
    uint32_t op; /* 'C'reate, 'W'rite, 'T'runcate, 'S'ync, 'U'nlink */
    uint32_t name_bytes;
    uint64_t offset; /* of a write; the new size of a truncate */
    uint64_t data_bytes;
};

static int log_fd = -1;
static char directory[4096];
static size_t directory_bytes;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("POWER_CUT_LOG"), *dir = getenv("POWER_CUT_DIR");
    if (!path || !dir || !realpath(dir, directory)) return;
    directory_bytes = strlen(directory);
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void put(const void *data, size_t bytes) {
    const char *at = data;
    while (bytes > 0) {
        long done = syscall(SYS_write, log_fd, at, bytes);
        if (done <= 0) abort(); /* a log with a hole would prove nothing */
        at += done;
        bytes -= (size_t)done;
    }
}

/* Name of a path in the directory, or NULL if it lies elsewhere. */
static const char *name_in_directory(const char *path) {
    if (strncmp(path, directory, directory_bytes) != 0) return NULL;
    if (path[directory_bytes] == 0) return ".";
    return path[directory_bytes] == '/' ? path + directory_bytes + 1 : NULL;
}

static const char *name_of(int fd, char *path, size_t bytes) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, bytes - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    return name_in_directory(path);
}

static void record_name(char op, const char *name, uint64_t offset, const void *data, size_t bytes) {
    if (!name) return;
    struct header header = {(uint32_t)op, (uint32_t)strlen(name), offset, bytes};
    pthread_mutex_lock(&turn);
    put(&header, sizeof header);
    put(name, header.name_bytes);
    put(data, bytes);
    pthread_mutex_unlock(&turn);
}

static void record(char op, int fd, uint64_t offset, const void *data, size_t bytes) {
    char path[4096];
    int before = errno;
    if (log_fd >= 0) record_name(op, name_of(fd, path, sizeof path), offset, data, bytes);
    errno = before;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t bytes) {
    off_t offset = log_fd >= 0 ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = REAL(write)(fd, data, bytes);
    if (done > 0) record('W', fd, offset > 0 ? (uint64_t)offset : 0, data, (size_t)done);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    ssize_t done = REAL(pwrite)(fd, data, bytes, offset);
    if (done > 0) record('W', fd, (uint64_t)offset, data, (size_t)done);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset) {
    ssize_t done = REAL(pwrite64)(fd, data, bytes, offset);
    if (done > 0) record('W', fd, (uint64_t)offset, data, (size_t)done);
    return done;
}

int ftruncate(int fd, off_t size) {
    int result = REAL(ftruncate)(fd, size);
    if (result == 0) record('T', fd, (uint64_t)size, NULL, 0);
    return result;
}

int ftruncate64(int fd, off64_t size) {
    int result = REAL(ftruncate64)(fd, size);
    if (result == 0) record('T', fd, (uint64_t)size, NULL, 0);
    return result;
}

int fsync(int fd) {
    int result = REAL(fsync)(fd);
    if (result == 0) record('S', fd, 0, NULL, 0);
    return result;
}

int fdatasync(int fd) {
    int result = REAL(fdatasync)(fd);
    if (result == 0) record('S', fd, 0, NULL, 0);
    return result;
}

int unlink(const char *path) {
    int result = REAL(unlink)(path);
    if (result == 0 && log_fd >= 0) record_name('U', name_in_directory(path), 0, NULL, 0);
    return result;
}

static int opened(int fd, int flags) {
    if (fd >= 0 && (flags & O_CREAT)) record('C', fd, 0, NULL, 0);
    return fd;
}

#define MODE_OF(flags)                      \
    mode_t mode = 0;                        \
    if ((flags) & O_CREAT) {                \
        va_list rest;                       \
        va_start(rest, flags);              \
        mode = (mode_t)va_arg(rest, int);   \
        va_end(rest);                       \
    }

int open(const char *path, int flags, ...) {
    MODE_OF(flags)
    return opened(REAL(open)(path, flags, mode), flags);
}

int open64(const char *path, int flags, ...) {
    MODE_OF(flags)
    return opened(REAL(open64)(path, flags, mode), flags);
}
