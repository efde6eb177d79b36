# What is deployed beside the daemons: guest images, the quickstart.
brick_sources = deploy/images/brick/brick.S
brick_image = deploy/images/brick/brick.raw
BUILT_SOURCES += $(brick_image)
CLEANFILES += $(brick_image) deploy/images/brick/brick.obj
EXTRA_DIST += $(brick_sources) deploy/quickstart deploy/lib deploy/images/tiny $(systemd_templates) \
	deploy/systemd/libvirtd.conf.in deploy/systemd/sysusers.conf deploy/systemd/tmpfiles.conf deploy/libvirt/forget-unborn

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

# What is installed beside the programs: both guests, systemd's units, what goes before libvirtd.
imagesdir = $(pkgdatadir)/images
brickdir = $(pkgdatadir)/brick
nodist_brick_DATA = $(brick_image)
pkglibexec_SCRIPTS = deploy/libvirt/forget-unborn
systemunitdir = $(prefix)/lib/systemd/system
systemd_templates = \
	deploy/systemd/mallee-cloud-controller.service.in \
	deploy/systemd/mallee-cluster-controller.service.in \
	deploy/systemd/mallee-image-service.service.in \
	deploy/systemd/mallee-node-controller.service.in \
	deploy/systemd/mallee-object-store.service.in
systemd_units = $(systemd_templates:.in=)
nodist_systemunit_DATA = $(systemd_units)
CLEANFILES += $(systemd_units) deploy/systemd/libvirtd.conf
SUBSTITUTE = sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
	-e 's|@pkglibexecdir[@]|$(pkglibexecdir)|g'
$(systemd_units) deploy/systemd/libvirtd.conf: $(systemd_templates) deploy/systemd/libvirtd.conf.in
	$(AM_V_GEN)$(MKDIR_P) deploy/systemd && $(SUBSTITUTE) $(srcdir)/$@.in > $@.tmp && mv $@.tmp $@

INSTALL_MORE += install-tiny install-systemd
UNINSTALL_MORE += uninstall-deployed
install-tiny:
	@cd $(srcdir)/deploy/images/tiny && find . -type f | while read -r file; do \
		mode=644; test ! -x "$$file" || mode=755; \
		$(MKDIR_P) "$(DESTDIR)$(imagesdir)/tiny/$$(dirname "$$file")" && \
		install -m $$mode "$$file" "$(DESTDIR)$(imagesdir)/tiny/$$file" || exit 1; \
	done
install-systemd: deploy/systemd/libvirtd.conf
	$(MKDIR_P) $(DESTDIR)$(systemunitdir)/libvirtd.service.d $(DESTDIR)$(prefix)/lib/sysusers.d \
		$(DESTDIR)$(prefix)/lib/tmpfiles.d
	$(INSTALL_DATA) deploy/systemd/libvirtd.conf $(DESTDIR)$(systemunitdir)/libvirtd.service.d/mallee.conf
	$(INSTALL_DATA) $(srcdir)/deploy/systemd/sysusers.conf $(DESTDIR)$(prefix)/lib/sysusers.d/mallee.conf
	$(INSTALL_DATA) $(srcdir)/deploy/systemd/tmpfiles.conf $(DESTDIR)$(prefix)/lib/tmpfiles.d/mallee.conf
uninstall-deployed:
	rm -rf $(DESTDIR)$(imagesdir)/tiny
	rm -f $(DESTDIR)$(systemunitdir)/libvirtd.service.d/mallee.conf $(DESTDIR)$(prefix)/lib/sysusers.d/mallee.conf \
		$(DESTDIR)$(prefix)/lib/tmpfiles.d/mallee.conf
