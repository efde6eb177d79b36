noinst_LIBRARIES += api/libapi.a
api_libapi_a_SOURCES = \
	api/params.c api/params.h \
	api/sigv4.c api/sigv4.h \
	api/sigv4-canonical.c api/sigv4-canonical.h \
	api/sigv4-sign.c api/sigv4-sign.h \
	api/uri.c api/uri.h
