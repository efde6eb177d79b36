# What tests use to see and to break: the emulator witness, the flush counter.
noinst_PROGRAMS += tests/lib/qemu-witness
tests_lib_qemu_witness_SOURCES = tests/lib/qemu-witness.c
# It runs with an environment emptied by libvirt and as a domain's own user: no sanitizer in it.
tests_lib_qemu_witness_CFLAGS = -std=gnu11 $(WARN_CFLAGS)
tests_lib_qemu_witness_LDFLAGS =

noinst_PROGRAMS += tests/lib/volley
tests_lib_volley_SOURCES = tests/lib/volley.c

noinst_DATA = tests/lib/flushcount.so
CLEANFILES += tests/lib/flushcount.so
EXTRA_DIST += tests/bench/control-plane tests/bench/render tests/bench/results tests/clients/ec2-js/life.mjs tests/clients/ec2-js/package.json
EXTRA_DIST += tests/lib/guests.py tests/lib/s3_refusals.py tests/lib/flushcount.c tests/lib/cloud.py tests/lib/ec2_model.py tests/lib/pytest_lines.py \
	tests/lib/stand_in_metadata.py tests/lib/tsan.supp
tests/lib/flushcount.so: tests/lib/flushcount.c config.h
	$(AM_V_CCLD)$(MKDIR_P) $(@D) && $(CC) -std=gnu11 $(WARN_CFLAGS) -O1 -g -fPIC -shared -I$(top_builddir) \
		-o $@ $(srcdir)/tests/lib/flushcount.c -ldl
noinst_PROGRAMS += tests/lib/lookfor
tests_lib_lookfor_SOURCES = tests/lib/lookfor.c
