# What speaks to clients.
common_libcommon_a_SOURCES += \
	common/crypto/base64.c common/crypto/base64.h \
	common/crypto/seal.c common/crypto/seal.h \
	common/crypto/wrap.c common/crypto/wrap.h \
	common/http-server/answer.c common/http-server/framing.c \
	common/http-server/http-server.h common/http-server/internal.h \
	common/http-server/request.c common/http-server/server.c
