/* SPDX-License-Identifier: Apache-2.0 */
/* The flush counter: preloaded into a daemon, it writes down in which order things became durable and were answered.
 *
 * Tests put a marker ("mark-" and 32 hex digits) into what they ask for. In the file that FLUSHCOUNT_FILE names (a
 * process id is appended), a line for each of
 *     flush BEGIN END PATH      fsync or fdatasync of a database file or its write-ahead log
 *     written TIME MARKER       a marker went into a write-ahead log
 *     asked TIME MARKER         a marker came in over a socket
 *     answered TIME MARKER      the first bytes of an answer 2xx to it are about to leave
 * with times of CLOCK_MONOTONIC in nanoseconds. An answer belongs to the marker that its socket read last: a
 * connection carries one request at a time. */
#include <config.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SOCKETS 4096
#define MARK "mark-"
#define MARK_LENGTH 37
#define EXPORT __attribute__((visibility("default")))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char asked[SOCKETS][MARK_LENGTH + 1];

static unsigned long long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000000ull + (unsigned long long)now.tv_nsec;
}

static int output(void)
{
    static int fd = -1;
    const char *name = getenv("FLUSHCOUNT_FILE");
    char path[1024];

    if (fd < 0 && name != NULL) {
        snprintf(path, sizeof path, "%s.%d", name, (int)getpid());
        fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
    return fd;
}

static void note(const char *line)
{
    int saved = errno;

    pthread_mutex_lock(&lock);
    if (output() >= 0) {
        (void)syscall(SYS_write, output(), line, strlen(line));
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
}

static bool path_of(int fd, char *ret_path, size_t size)
{
    char link[64];
    ssize_t length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, ret_path, size - 1);
    ret_path[length < 0 ? 0 : length] = '\0';
    return length > 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text);
    size_t b = strlen(end);

    return a >= b && strcmp(text + a - b, end) == 0;
}

static bool is_socket(int fd)
{
    struct stat st;

    return fd >= 0 && fd < SOCKETS && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* The next marker in a buffer, or NULL. */
static const char *next_mark(const char *data, size_t size)
{
    const char *end = data + size;

    while ((size_t)(end - data) >= MARK_LENGTH) {
        const char *at = memmem(data, (size_t)(end - data), MARK, strlen(MARK));

        if (at == NULL || (size_t)(end - at) < MARK_LENGTH) {
            return NULL;
        }
        if (strspn(at + strlen(MARK), "0123456789abcdef") >= MARK_LENGTH - strlen(MARK)) {
            return at;
        }
        data = at + 1;
    }
    return NULL;
}

static void note_mark(const char *what, const char *mark)
{
    char line[128];

    snprintf(line, sizeof line, "%s %llu %.*s\n", what, now_ns(), MARK_LENGTH, mark);
    note(line);
}

static void saw_write(int fd, const char *data, size_t size)
{
    char path[1024];
    const char *mark = next_mark(data, size);

    if (mark == NULL || is_socket(fd) || !path_of(fd, path, sizeof path) || !ends_with(path, "-wal")) {
        return;
    }
    for (; mark != NULL; mark = next_mark(mark + 1, (size_t)(data + size - mark - 1))) {
        note_mark("written", mark);
    }
}

static void saw_received(int fd, const char *data, ssize_t size)
{
    const char *mark = size > 0 && is_socket(fd) ? next_mark(data, (size_t)size) : NULL;

    if (mark != NULL) {
        memcpy(asked[fd], mark, MARK_LENGTH);
        note_mark("asked", mark);
    }
}

static void saw_sending(int fd, const char *data, size_t size)
{
    if (size >= 10 && memcmp(data, "HTTP/1.", 7) == 0 && is_socket(fd) && asked[fd][0] != '\0') {
        if (data[9] == '2') {
            note_mark("answered", asked[fd]);
        }
        asked[fd][0] = '\0';
    }
}

/* What the next library in line does. */
#define NEXT(function) \
    static __typeof__(&function) next; \
    if (next == NULL) { \
        next = (__typeof__(&function))dlsym(RTLD_NEXT, #function); \
    }

static void saw_flush(int fd, unsigned long long begin)
{
    char path[1024];
    char line[1200];

    if (path_of(fd, path, sizeof path) && (ends_with(path, "-wal") || ends_with(path, ".db") || ends_with(path, ".sqlite"))) {
        snprintf(line, sizeof line, "flush %llu %llu %s\n", begin, now_ns(), path);
        note(line);
    }
}

EXPORT int fsync(int fd)
{
    NEXT(fsync)
    unsigned long long begin = now_ns();
    int result = next(fd);

    saw_flush(fd, begin);
    return result;
}

EXPORT int fdatasync(int fd)
{
    NEXT(fdatasync)
    unsigned long long begin = now_ns();
    int result = next(fd);

    saw_flush(fd, begin);
    return result;
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    NEXT(pwrite)
    ssize_t result = next(fd, data, size, offset);

    saw_write(fd, data, size);
    return result;
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    NEXT(pwrite64)
    ssize_t result = next(fd, data, size, offset);

    saw_write(fd, data, size);
    return result;
}

EXPORT ssize_t write(int fd, const void *data, size_t size)
{
    NEXT(write)
    saw_sending(fd, data, size);
    ssize_t result = next(fd, data, size);
    saw_write(fd, data, size);
    return result;
}

EXPORT ssize_t send(int fd, const void *data, size_t size, int flags)
{
    NEXT(send)
    saw_sending(fd, data, size);
    return next(fd, data, size, flags);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    NEXT(sendmsg)
    if (message->msg_iovlen > 0) {
        saw_sending(fd, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
    }
    return next(fd, message, flags);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
    NEXT(writev)
    if (count > 0) {
        saw_sending(fd, parts[0].iov_base, parts[0].iov_len);
    }
    return next(fd, parts, count);
}

EXPORT ssize_t recv(int fd, void *data, size_t size, int flags)
{
    NEXT(recv)
    ssize_t result = next(fd, data, size, flags);

    saw_received(fd, data, result);
    return result;
}

EXPORT ssize_t read(int fd, void *data, size_t size)
{
    NEXT(read)
    ssize_t result = next(fd, data, size);

    saw_received(fd, data, result);
    return result;
}
