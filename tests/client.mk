check_PROGRAMS += tests/unit/test-http-client
TESTS += tests/unit/test-http-client
tests_unit_test_http_client_SOURCES = tests/unit/test-http-client.c
tests_unit_test_http_client_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
