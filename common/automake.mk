noinst_LIBRARIES += common/libcommon.a
common_libcommon_a_SOURCES = \
	common/base/array.h \
	common/base/cleanup.h \
	common/base/clock.c common/base/clock.h \
	common/base/error.c common/base/error.h \
	common/base/id.c common/base/id.h \
	common/base/ipv4.c common/base/ipv4.h \
	common/base/log.c common/base/log.h \
	common/base/map.c common/base/map.h \
	common/base/mem.c common/base/mem.h \
	common/base/str.c common/base/str.h \
	common/crypto/digest.c common/crypto/digest.h \
	common/json/json.c common/json/json.h \
	common/status/status.c common/status/status.h \
	common/workers/workers.c common/workers/workers.h

include common/ground.mk
include common/wire.mk
include common/client.mk
