/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/identity.h"
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/file/file.h"
#include "common/json/json.h"

#define FILE_MAX  (16 * 1024 * 1024)
#define LINE_MAX_ 4096
#define LOOK_MS   500 /* between looks at the file for keys that are known */
#define ASK_MS    20  /* and for those that are not */

struct key {
    char secret[SIGV4_SECRET_MAX + 1];
    struct account account;
};

struct identity {
    char *file;
    pthread_mutex_t lock; /* guards what follows */
    struct map *keys;     /* struct key by access key id */
    int64_t looked;
    struct timespec changed;
    off_t size;
    ino_t inode;
};

static void key_free(void *key)
{
    wipe(key, sizeof(struct key));
    free(key);
}

static struct error *copy(const json_t *o, const char *name, char *to, size_t size)
{
    const char *text = NULL;
    RETURN_IF_ERROR(json_need_string(o, name, &text));
    if (!*text || strlen(text) >= size)
        return error_new(ERROR_INVALID, "%s is empty or too long", name);
    memcpy(to, text, strlen(text) + 1);
    return NULL;
}

/* A name is for people: what is too long is cut between characters. */
static void copy_name(const char *text, char *to, size_t size)
{
    size_t len = strnlen(text, size - 1);
    while (len && !utf8_valid(text, len))
        len--;
    memcpy(to, text, len);
    to[len] = 0;
}

static struct error *read_line(struct map *keys, const char *line)
{
    _cleanup_json_ json_t *o = NULL;
    const char *id = NULL;
    struct key key;
    memset(&key, 0, sizeof key);
    RETURN_IF_ERROR(json_parse_object(line, strlen(line), LINE_MAX_, &o));
    RETURN_IF_ERROR(json_need_string(o, "access_key_id", &id));
    RETURN_IF_ERROR(copy(o, "secret_access_key", key.secret, sizeof key.secret));
    RETURN_IF_ERROR(copy(o, "account_id", key.account.id, sizeof key.account.id));
    RETURN_IF_ERROR(copy(o, "canonical_id", key.account.canonical_id, sizeof key.account.canonical_id));
    key.account.administrator = json_get_bool(o, "administrator", false);
    copy_name(json_get_string(o, "display_name", ""), key.account.display_name, sizeof key.account.display_name);
    key.account.role = role_of(json_object_get(o, "role") ? json_get_string(o, "role", "") : NULL);
    void *old = map_set(keys, id, xmemdup(&key, sizeof key));
    if (old)
        key_free(old);
    wipe(&key, sizeof key);
    return NULL;
}

static struct error *read_file(const char *file, struct map *keys)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    unsigned number = 0;
    RETURN_IF_ERROR(file_read(file, FILE_MAX, &text, &len));
    const char *cursor = text;
    char *line;
    while ((line = str_next_piece(&cursor, '\n'))) {
        _cleanup_free_ char *own = line;
        number++;
        if (line[strspn(line, " \t\r")])
            RETURN_IF_ERROR(error_wrap(read_line(keys, own), "%s line %u", file, number));
    }
    wipe(text, len);
    return NULL;
}

/* Under the lock. */
static struct error *refresh(struct identity *i, int64_t every_ms)
{
    struct stat st;
    int64_t now = clock_mono_ms();
    if (i->keys && now - i->looked < every_ms)
        return NULL;
    i->looked = now;
    if (stat(i->file, &st)) {
        if (i->keys || errno != ENOENT)
            return error_errno(errno, "identity file %s", i->file);
        log_warning("identity file %s is not there yet: nobody is known", i->file);
        i->keys = map_new();
        return NULL;
    }
    if (i->keys && st.st_mtim.tv_sec == i->changed.tv_sec && st.st_mtim.tv_nsec == i->changed.tv_nsec &&
        st.st_size == i->size && st.st_ino == i->inode)
        return NULL;
    if (st.st_mode & 037) /* the Cloud Controller owns it, the store's group reads it */
        return error_new(ERROR_INVALID, "identity file %s must be its owner's and group's only (mode 0640)", i->file);
    struct map *keys = map_new();
    struct error *e = read_file(i->file, keys);
    if (e) {
        map_free(keys, key_free);
        return e;
    }
    if (i->keys)
        map_free(i->keys, key_free);
    i->keys = keys;
    i->changed = st.st_mtim;
    i->size = st.st_size;
    i->inode = st.st_ino;
    log_info("identity: %zu keys", map_size(keys));
    return NULL;
}

struct error *identity_open(const char *file, struct identity **ret)
{
    struct identity *i = xnew0(struct identity);
    i->file = xstrdup(file);
    pthread_mutex_init(&i->lock, NULL);
    struct error *e = refresh(i, 0);
    if (e) {
        identity_close(i);
        return e;
    }
    *ret = i;
    return NULL;
}

void identity_close(struct identity *i)
{
    if (!i)
        return;
    if (i->keys)
        map_free(i->keys, key_free);
    pthread_mutex_destroy(&i->lock);
    free(i->file);
    free(i);
}

bool identity_find(struct identity *i, const char *access_key_id,
                   char ret_secret[SIGV4_SECRET_MAX + 1], struct account *ret_account)
{
    pthread_mutex_lock(&i->lock);
    struct error *e = refresh(i, LOOK_MS);
    const struct key *key = map_get(i->keys, access_key_id);
    if (!key && !e) {
        e = refresh(i, ASK_MS);
        key = map_get(i->keys, access_key_id);
    }
    if (key) {
        memcpy(ret_secret, key->secret, sizeof key->secret);
        *ret_account = key->account;
    }
    pthread_mutex_unlock(&i->lock);
    if (e)
        log_failure(LOG_WARNING, e, "identity stays as it was");
    return key != NULL;
}
