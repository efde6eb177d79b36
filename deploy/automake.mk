# What is deployed beside the daemons: guest images, the quickstart.
brick_sources = deploy/images/brick/brick.S
brick_image = deploy/images/brick/brick.raw
BUILT_SOURCES += $(brick_image)
CLEANFILES += $(brick_image) deploy/images/brick/brick.obj
EXTRA_DIST += $(brick_sources) deploy/quickstart deploy/lib deploy/images/tiny

$(brick_image): $(brick_sources)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(CC) -m32 -c -x assembler-with-cpp -o $(@D)/brick.obj $(srcdir)/$(brick_sources) && \
	ld -m elf_i386 -e start -Ttext=0x7c00 --oformat binary -o $@.tmp $(@D)/brick.obj && \
	truncate -s 1M $@.tmp && mv $@.tmp $@

# The tiny guest is built where it is wanted: it asks apt for packages.
tiny_image = deploy/images/tiny.raw
tiny_sources = $(srcdir)/deploy/images/tiny/build $(srcdir)/deploy/images/tiny/boot/* \
	$(srcdir)/deploy/images/tiny/root/etc/* $(srcdir)/deploy/images/tiny/root/etc/*/* \
	$(srcdir)/deploy/images/tiny/root/usr/lib/mallee/*
CLEANFILES += $(tiny_image)
$(tiny_image): $(tiny_sources)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(srcdir)/deploy/images/tiny/build --cache deploy/images/tiny-packages $@
