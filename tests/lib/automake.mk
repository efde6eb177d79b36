# What tests use to see and to break: the emulator witness, the flush counter.
noinst_PROGRAMS += tests/lib/qemu-witness
tests_lib_qemu_witness_SOURCES = tests/lib/qemu-witness.c
# It runs with an environment emptied by libvirt and as a domain's own user: no sanitizer in it.
tests_lib_qemu_witness_CFLAGS = -std=gnu11 $(WARN_CFLAGS)
tests_lib_qemu_witness_LDFLAGS =
