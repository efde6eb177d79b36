image_tests = \
	tests/unit/test-image \
	tests/unit/test-image-cache \
	tests/unit/test-image-disk \
	tests/unit/test-image-make \
	tests/unit/test-wrap
check_PROGRAMS += $(image_tests)
TESTS += $(image_tests)
tests_unit_test_image_SOURCES = tests/unit/test-image.c
tests_unit_test_image_LDADD = $(CORE_LIBS) $(COMMON_LIBS) $(IMAGE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_wrap_SOURCES = tests/unit/test-wrap.c
tests_unit_test_wrap_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_image_disk_SOURCES = tests/unit/test-image-disk.c
tests_unit_test_image_disk_LDADD = $(CORE_LIBS) $(COMMON_LIBS) $(IMAGE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_image_make_SOURCES = tests/unit/test-image-make.c tests/lib/s3-memory.c tests/lib/s3-memory.h
tests_unit_test_image_make_LDADD = image-service/libimage.a $(CORE_LIBS) $(API_LIBS) $(COMMON_LIBS) $(IMAGE_LIBS) \
	$(CMOCKA_LIBS)
tests_unit_test_image_cache_SOURCES = tests/unit/test-image-cache.c tests/lib/s3-memory.c tests/lib/s3-memory.h
tests_unit_test_image_cache_LDADD = $(NODE_LIBS) $(API_LIBS) $(CORE_LIBS) $(COMMON_LIBS) $(IMAGE_LIBS) $(CMOCKA_LIBS)
