wire_tests = \
	tests/unit/test-crc-xml \
	tests/unit/test-crypto \
	tests/unit/test-http-server \
	tests/unit/test-sigv4 \
	tests/unit/test-ssh-key \
	tests/unit/test-store
check_PROGRAMS += $(wire_tests)
TESTS += $(wire_tests)
tests_unit_test_crypto_SOURCES = tests/unit/test-crypto.c
tests_unit_test_crypto_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_http_server_SOURCES = tests/unit/test-http-server.c
tests_unit_test_http_server_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_sigv4_SOURCES = tests/unit/test-sigv4.c
tests_unit_test_sigv4_CPPFLAGS = $(AM_CPPFLAGS) -DABS_SRC='"$(abs_top_srcdir)"'
tests_unit_test_sigv4_LDADD = $(API_LIBS) $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_crc_xml_SOURCES = tests/unit/test-crc-xml.c
tests_unit_test_crc_xml_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_store_SOURCES = tests/unit/test-store.c
tests_unit_test_store_LDADD = object-store/libstore.a $(API_LIBS) $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_ssh_key_SOURCES = tests/unit/test-ssh-key.c
tests_unit_test_ssh_key_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
