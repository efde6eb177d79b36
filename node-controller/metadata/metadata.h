#ifndef TMPM
#define TMPM
#include "common/base/error.h"
#include "common/base/id.h"
struct metadata;
struct metadata_options { const char *secret_file; void *arg; char *(*find)(void *, const struct id *, const char *, struct id *); };
static inline struct error *metadata_open(const struct metadata_options *o, struct metadata **ret) { (void)o; *ret = NULL; return NULL; }
static inline struct error *metadata_serve(struct metadata *m, const struct id *v, int fd) { (void)m; (void)v; (void)fd; return NULL; }
static inline void metadata_leave(struct metadata *m, const struct id *v) { (void)m; (void)v; }
static inline void metadata_close(struct metadata *m) { (void)m; }
#endif
