/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/image/disk.h"
#include <string.h>
#include "common/base/array.h"
#include "core/image/manifest.h"
#include "core/image/qcow2.h"

struct image_disk {
    struct image_source source;
    struct qcow2 *qcow2; /* NULL: raw */
    uint64_t bytes;      /* that there are */
};

static const struct {
    size_t at, len;
    const char *mark, *name;
} foreign[] = {
    {0, 4, "KDMV", "VMDK"},          {0, 3, "COW", "VMDK"},        {0, 8, "conectix", "VHD"},
    {0, 8, "vhdxfile", "VHDX"},      {64, 4, "\x7f\x10\xda\xbe", "VDI"}, {0, 4, "QED\0", "QED"},
    {0, 2, "\x1f\x8b", "gzip"},      {0, 6, "\xfd"
                                            "7zXZ\0",
                                      "xz"},
    {0, 4, "\x28\xb5\x2f\xfd", "zstd"}, {0, 3, "BZh", "bzip2"},    {0, 4, "PK\3\4", "zip"},
    {257, 5, "ustar", "tar (OVA)"},
};

static struct error *refuse_foreign(const unsigned char *head, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
        if (foreign[i].at + foreign[i].len <= len && memcmp(head + foreign[i].at, foreign[i].mark, foreign[i].len) == 0)
            return error_new(ERROR_INVALID, "the file is %s; raw and qcow2 disks are taken", foreign[i].name);
    }
    return NULL;
}

struct error *image_disk_open(const struct image_source *s, struct image_disk **ret)
{
    unsigned char head[512] = {0};
    size_t have = s->size < sizeof head ? (size_t)s->size : sizeof head;
    if (!s->size)
        return error_new(ERROR_INVALID, "the file is empty");
    RETURN_IF_ERROR(s->read(s->arg, 0, head, have));
    RETURN_IF_ERROR(refuse_foreign(head, have));
    _cleanup_(image_disk_freep) struct image_disk *d = xnew0(struct image_disk);
    d->source = *s;
    d->bytes = s->size;
    if (qcow2_is(head, have)) {
        RETURN_IF_ERROR(qcow2_open(s, &d->qcow2));
        d->bytes = qcow2_size(d->qcow2);
    }
    if (image_disk_size(d) > IMAGE_DISK_MAX)
        return error_new(ERROR_INVALID, "a disk of %ju bytes cannot be an image", (uintmax_t)d->bytes);
    *ret = TAKE_PTR(d);
    return NULL;
}

void image_disk_free(struct image_disk *d)
{
    if (!d)
        return;
    qcow2_free(d->qcow2);
    free(d);
}

const char *image_disk_format(const struct image_disk *d)
{
    return d->qcow2 ? "qcow2" : "raw";
}

uint64_t image_disk_size(const struct image_disk *d)
{
    return (d->bytes + 511) / 512 * 512;
}

struct error *image_disk_read(struct image_disk *d, uint64_t at, void *to, size_t len)
{
    if (at > image_disk_size(d) || len > image_disk_size(d) - at)
        return error_new(ERROR_INVALID, "read past the disk's end");
    uint64_t left = at < d->bytes ? d->bytes - at : 0;
    size_t have = len < left ? len : (size_t)left;
    memset((char *)to + have, 0, len - have);
    if (!have)
        return NULL;
    return d->qcow2 ? qcow2_read(d->qcow2, at, to, have) : d->source.read(d->source.arg, at, to, have);
}
