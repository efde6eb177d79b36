image_tests = \
	tests/unit/test-image
check_PROGRAMS += $(image_tests)
TESTS += $(image_tests)
tests_unit_test_image_SOURCES = tests/unit/test-image.c
tests_unit_test_image_LDADD = $(CORE_LIBS) $(COMMON_LIBS) $(ZSTD_LIBS) $(CMOCKA_LIBS)
