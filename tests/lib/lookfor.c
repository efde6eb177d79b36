/* SPDX-License-Identifier: Apache-2.0 */
/* lookfor IMAGE FOLDER...: names each file below the folders, and each deleted file that some process still has open,
 * that holds a piece of IMAGE: 32 bytes, sampled every 4 KiB, looked for at any offset.  Pieces of few different bytes
 * are not looked for. */
#include <config.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE  32
#define STRIDE 4096
#define SLOTS  (1u << 20)

static const unsigned char **slots; /* pieces by the hash of their first 8 bytes */
static unsigned pieces;

static uint32_t hash(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return (uint32_t)(v * 0x9e3779b97f4a7c15ull >> 44);
}

static int dull(const unsigned char *p)
{
    unsigned char seen[256] = {0}, kinds = 0;
    for (int i = 0; i < PIECE; i++)
        kinds = (unsigned char)(kinds + !seen[p[i]]++);
    return kinds < 16;
}

static void learn(const unsigned char *data, size_t len)
{
    slots = calloc(SLOTS, sizeof *slots);
    for (size_t at = 0; slots && at + PIECE <= len; at += STRIDE) {
        uint32_t h = hash(data + at);
        if (dull(data + at))
            continue;
        while (slots[h])
            h = (h + 1) % SLOTS;
        slots[h] = data + at;
        pieces++;
    }
}

static int holds(const unsigned char *data, size_t len)
{
    for (size_t at = 0; at + PIECE <= len; at++) {
        for (uint32_t h = hash(data + at); slots[h]; h = (h + 1) % SLOTS) {
            if (memcmp(slots[h], data + at, PIECE) == 0)
                return 1;
        }
    }
    return 0;
}

static void look(const char *path, const char *name)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= PIECE) {
        size_t len = (size_t)st.st_size;
        unsigned char *data = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data != MAP_FAILED) {
            if (holds(data, len))
                puts(name);
            munmap(data, len);
        }
    }
    if (fd >= 0)
        close(fd);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)where;
    if (type == FTW_F)
        look(path, path);
    return 0;
}

static void look_at_open(void)
{
    glob_t found;
    if (glob("/proc/[0-9]*/fd/*", 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char target[PATH_MAX];
        ssize_t n = readlink(found.gl_pathv[i], target, sizeof target - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        if (strstr(target, " (deleted)") && target[0] == '/')
            look(found.gl_pathv[i], target);
    }
    globfree(&found);
}

int main(int argc, char **argv)
{
    struct stat st;
    int fd = argc > 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 || fstat(fd, &st) != 0)
        return 2;
    unsigned char *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return 2;
    learn(data, (size_t)st.st_size);
    if (!pieces)
        return 2;
    for (int i = 2; i < argc; i++)
        nftw(argv[i], visit, 32, FTW_PHYS);
    look_at_open();
    fprintf(stderr, "%u pieces\n", pieces);
    return 0;
}
