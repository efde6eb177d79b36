ground_tests = \
	tests/unit/test-config \
	tests/unit/test-daemon \
	tests/unit/test-db \
	tests/unit/test-file \
	tests/unit/test-mq \
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
tests_unit_test_mq_SOURCES = tests/unit/test-mq.c
tests_unit_test_mq_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)

# Against real parts; run by tests/run, not by make check.
check_PROGRAMS += tests/integration/mq/test-link
tests_integration_mq_test_link_SOURCES = tests/integration/mq/test-link.c
tests_integration_mq_test_link_CPPFLAGS = $(AM_CPPFLAGS) -DSOURCE_DIR='"$(abs_top_srcdir)"'
tests_integration_mq_test_link_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
EXTRA_DIST += tests/lib/broker.sh

node_unit_tests = \
	tests/unit/test-console \
	tests/unit/test-hypervisor \
	tests/unit/test-metadata \
	tests/unit/test-network-parse
check_PROGRAMS += $(node_unit_tests)
TESTS += $(node_unit_tests)
tests_unit_test_hypervisor_SOURCES = tests/unit/test-hypervisor.c
tests_unit_test_hypervisor_LDADD = $(NODE_LIBS) $(COMMON_LIBS) $(LIBVIRT_LIBS) $(CMOCKA_LIBS)
tests_unit_test_console_SOURCES = tests/unit/test-console.c
tests_unit_test_console_LDADD = $(NODE_LIBS) $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_metadata_SOURCES = tests/unit/test-metadata.c
tests_unit_test_metadata_LDADD = $(NODE_LIBS) $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_network_parse_SOURCES = tests/unit/test-network-parse.c
tests_unit_test_network_parse_LDADD = $(NODE_LIBS) $(COMMON_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/integration/hypervisor/test-libvirt
tests_integration_hypervisor_test_libvirt_SOURCES = tests/integration/hypervisor/test-libvirt.c
tests_integration_hypervisor_test_libvirt_CPPFLAGS = $(AM_CPPFLAGS) -DSOURCE_DIR='"$(abs_top_srcdir)"' \
	-DBUILD_DIR='"$(abs_top_builddir)"'
tests_integration_hypervisor_test_libvirt_LDADD = $(NODE_LIBS) $(COMMON_LIBS) $(LIBVIRT_LIBS) $(CMOCKA_LIBS)
EXTRA_DIST += tests/lib/libvirtd.sh
check_PROGRAMS += tests/integration/network/test-network
tests_integration_network_test_network_SOURCES = tests/integration/network/test-network.c \
	tests/integration/network/guest.c tests/integration/network/guest.h
tests_integration_network_test_network_LDADD = $(NODE_LIBS) $(COMMON_LIBS) $(NFTABLES_LIBS) $(CMOCKA_LIBS)
