# What asks others over HTTP.
common_libcommon_a_SOURCES += \
	common/http-client/http-client.c common/http-client/http-client.h
