ground_tests = \
	tests/unit/test-config \
	tests/unit/test-daemon \
	tests/unit/test-db \
	tests/unit/test-file \
	tests/unit/test-spawn
check_PROGRAMS += $(ground_tests)
TESTS += $(ground_tests)
tests_unit_test_config_SOURCES = tests/unit/test-config.c
tests_unit_test_config_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_daemon_SOURCES = tests/unit/test-daemon.c
tests_unit_test_daemon_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_file_SOURCES = tests/unit/test-file.c
tests_unit_test_file_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_spawn_SOURCES = tests/unit/test-spawn.c
tests_unit_test_spawn_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_db_SOURCES = tests/unit/test-db.c
tests_unit_test_db_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
