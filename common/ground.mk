# What every daemon stands on.
common_libcommon_a_SOURCES += \
	common/config/config.c common/config/config.h \
	common/config/doc.c common/config/internal.h common/config/value.c \
	common/daemon/daemon.c common/daemon/daemon.h \
	common/daemon/loop.c common/daemon/loop.h \
	common/daemon/metrics.c common/daemon/metrics.h \
	common/daemon/notify.c common/daemon/notify.h \
	common/db/conn.c common/db/conn.h \
	common/db/copy.c common/db/copy.h \
	common/db/db.c common/db/db.h common/db/stmt.h \
	common/db/migrate.c common/db/migrate.h \
	common/file/file.c common/file/file.h \
	common/mq/connect.c common/mq/frames.c common/mq/internal.h \
	common/mq/link.c common/mq/mq.h \
	common/mq/ring.c common/mq/ring.h \
	common/mq/url.c common/mq/url.h \
	common/spawn/spawn.c common/spawn/spawn.h
EXTRA_DIST += common/db/embed-sql.py
