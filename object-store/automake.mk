noinst_LIBRARIES += object-store/libstore.a
object_store_libstore_a_SOURCES = \
	object-store/attributes.c \
	object-store/auth.c \
	object-store/backup.c object-store/backup.h \
	object-store/body.c \
	object-store/buckets.c \
	object-store/call.h \
	object-store/checksum.c object-store/checksum.h \
	object-store/chunked.c object-store/chunked.h \
	object-store/conditions.c \
	object-store/copy-source.c object-store/copy-source.h \
	object-store/detail.c \
	object-store/engine.h object-store/engine-fs.c \
	object-store/http.c \
	object-store/identity.c object-store/identity.h \
	object-store/index.c object-store/index.h \
	object-store/list.c \
	object-store/multipart.c \
	object-store/objects.c \
	object-store/operations.c \
	object-store/reading.c \
	object-store/receiver.c object-store/receiver.h \
	object-store/role.c object-store/role.h \
	object-store/s3-error.c object-store/s3-error.h \
	object-store/sigv2.c object-store/sigv2.h \
	object-store/store.c object-store/store.h \
	object-store/times.c
nodist_object_store_libstore_a_SOURCES = object-store/migrations.c
sbin_PROGRAMS += object-store/mallee-object-store
object_store_mallee_object_store_SOURCES = object-store/main.c
object_store_mallee_object_store_LDADD = object-store/libstore.a $(API_LIBS) $(COMMON_LIBS)
STORE_SQL = $(srcdir)/schemas/sql/store/0001-first.sql
EXTRA_DIST += schemas/sql/store/0001-first.sql
CLEANFILES += object-store/migrations.c
object-store/migrations.c: common/db/embed-sql.py $(STORE_SQL)
	$(AM_V_GEN)$(MKDIR_P) object-store && $(PYTHON) $(srcdir)/common/db/embed-sql.py store_migrations $(STORE_SQL) >$@.tmp && mv $@.tmp $@
man_MANS += object-store/mallee-object-store.8
CLEANFILES += object-store/mallee-object-store.8
object-store/mallee-object-store.8: object-store/mallee-object-store$(EXEEXT)
	$(AM_V_GEN)object-store/mallee-object-store --man > $@.tmp && mv $@.tmp $@
