api_tests = tests/unit/test-api tests/unit/test-message
check_PROGRAMS += $(api_tests)
TESTS += $(api_tests)
tests_unit_test_api_SOURCES = tests/unit/test-api.c
tests_unit_test_api_LDADD = $(API_LIBS) $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_message_SOURCES = tests/unit/test-message.c
tests_unit_test_message_CPPFLAGS = $(AM_CPPFLAGS) -DABS_SRC='"$(abs_top_srcdir)"'
tests_unit_test_message_LDADD = $(CORE_LIBS) $(COMMON_LIBS) $(CMOCKA_LIBS)
