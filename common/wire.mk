# What speaks to clients.
common_libcommon_a_SOURCES += \
	common/crypto/base64.c common/crypto/base64.h \
	common/crypto/seal.c common/crypto/seal.h \
	common/crypto/ssh-key.c common/crypto/ssh-key.h \
	common/crypto/wrap.c common/crypto/wrap.h \
	common/http-server/answer.c common/http-server/framing.c \
	common/http-server/http-server.h common/http-server/internal.h \
	common/http-server/listener.c \
	common/http-server/request.c common/http-server/server.c
common_libcommon_a_SOURCES += \
	common/crc/crc.c common/crc/crc.h \
	common/xml/xml.c common/xml/xml.h
nodist_common_libcommon_a_SOURCES = common/crc/crc-tables.h
EXTRA_DIST += common/crc/crc-tables.py
BUILT_SOURCES += common/crc/crc-tables.h
CLEANFILES += common/crc/crc-tables.h
common/crc/crc-tables.h: common/crc/crc-tables.py
	$(AM_V_GEN)$(MKDIR_P) common/crc && $(PYTHON) $(srcdir)/common/crc/crc-tables.py >$@.tmp && mv $@.tmp $@
common/crc/crc.$(OBJEXT): common/crc/crc-tables.h
