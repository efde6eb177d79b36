wire_tests = \
	tests/unit/test-crypto \
	tests/unit/test-http-server
check_PROGRAMS += $(wire_tests)
TESTS += $(wire_tests)
tests_unit_test_crypto_SOURCES = tests/unit/test-crypto.c
tests_unit_test_crypto_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_http_server_SOURCES = tests/unit/test-http-server.c
tests_unit_test_http_server_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
