# Each module of common/, core/ and api/ has one cmocka program in tests/unit.
if HAVE_CMOCKA
unit_tests = tests/unit/test-base
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
tests_unit_test_base_SOURCES = tests/unit/test-base.c
tests_unit_test_base_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
include tests/ground.mk
include tests/wire.mk
include tests/api.mk
include tests/client.mk
include tests/image.mk
endif
