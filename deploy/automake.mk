# What is deployed beside the daemons: guest images, the quickstart.
brick_sources = deploy/images/brick/brick.S
brick_image = deploy/images/brick/brick.raw
BUILT_SOURCES += $(brick_image)
CLEANFILES += $(brick_image) deploy/images/brick/brick.obj
EXTRA_DIST += $(brick_sources) deploy/quickstart deploy/lib

$(brick_image): $(brick_sources)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(CC) -m32 -c -x assembler-with-cpp -o $(@D)/brick.obj $(srcdir)/$(brick_sources) && \
	ld -m elf_i386 -e start -Ttext=0x7c00 --oformat binary -o $@.tmp $(@D)/brick.obj && \
	truncate -s 1M $@.tmp && mv $@.tmp $@
