noinst_LIBRARIES += core/libcore.a
core_libcore_a_SOURCES =
