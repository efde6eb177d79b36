api_tests = tests/unit/test-api tests/unit/test-message
check_PROGRAMS += $(api_tests)
TESTS += $(api_tests)
tests_unit_test_api_SOURCES = tests/unit/test-api.c
tests_unit_test_api_LDADD = $(API_LIBS) $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_message_SOURCES = tests/unit/test-message.c
tests_unit_test_message_CPPFLAGS = $(AM_CPPFLAGS) -DABS_SRC='"$(abs_top_srcdir)"'
tests_unit_test_message_LDADD = $(CORE_LIBS) $(COMMON_LIBS) $(CMOCKA_LIBS)
cloud_tests = tests/unit/test-backup tests/unit/test-cloud-store tests/unit/test-permission
check_PROGRAMS += $(cloud_tests)
TESTS += $(cloud_tests)
tests_unit_test_cloud_store_SOURCES = tests/unit/test-cloud-store.c
tests_unit_test_cloud_store_LDADD = cloud-controller/libcloud.a $(API_LIBS) $(CORE_LIBS) $(COMMON_LIBS) $(IMAGE_LIBS) \
	$(CMOCKA_LIBS)
tests_unit_test_backup_SOURCES = tests/unit/test-backup.c
tests_unit_test_backup_LDADD = cloud-controller/libcloud.a $(API_LIBS) $(CORE_LIBS) $(COMMON_LIBS) $(IMAGE_LIBS) \
	$(CMOCKA_LIBS)
tests_unit_test_permission_SOURCES = tests/unit/test-permission.c
tests_unit_test_permission_LDADD = cloud-controller/libcloud.a $(API_LIBS) $(CORE_LIBS) $(COMMON_LIBS) $(IMAGE_LIBS) \
	$(CMOCKA_LIBS)
