# What runs on each host.
noinst_LIBRARIES += node-controller/libnode.a
node_controller_libnode_a_SOURCES = \
	node-controller/image-cache/fetch.c node-controller/image-cache/fetch.h \
	node-controller/image-cache/image-cache.c node-controller/image-cache/image-cache.h \
	node-controller/image-cache/shelf.c node-controller/image-cache/shelf.h \
	node-controller/guests.c node-controller/guests.h \
	node-controller/operate.c node-controller/operate.h \
	node-controller/instance-dir.c node-controller/instance-dir.h \
	node-controller/jobs.c node-controller/jobs.h \
	node-controller/nets.c node-controller/nets.h \
	node-controller/node.c node-controller/node.h \
	node-controller/state.c node-controller/state.h \
	node-controller/disk.c node-controller/disk.h \
	node-controller/hypervisor/bounded.c node-controller/hypervisor/bounded.h \
	node-controller/hypervisor/hypervisor.h \
	node-controller/hypervisor/libvirt.c node-controller/hypervisor/libvirt-internal.h \
	node-controller/hypervisor/libvirt-domain.c \
	node-controller/hypervisor/xml.c node-controller/hypervisor/xml.h \
	node-controller/hypervisor/xml-qemu.c \
	node-controller/console.c node-controller/console.h \
	node-controller/metadata/answer.c node-controller/metadata/metadata.h \
	node-controller/metadata/server.c \
	node-controller/metadata/tree.c node-controller/metadata/tree.h \
	node-controller/network/address.c node-controller/network/address.h \
	node-controller/network/announce.c node-controller/network/announce.h \
	node-controller/network/dhcp.c node-controller/network/host.c \
	node-controller/network/internal.h node-controller/network/network.h \
	node-controller/network/netns.c node-controller/network/netns.h \
	node-controller/network/network.c \
	node-controller/network/nft.c node-controller/network/nft.h \
	node-controller/network/parse.c node-controller/network/parse.h \
	node-controller/network/rules.c node-controller/network/vpc.c \
	node-controller/network/wire.c
NODE_LIBS = node-controller/libnode.a
sbin_PROGRAMS += node-controller/mallee-node-controller
node_controller_mallee_node_controller_SOURCES = node-controller/main.c
node_controller_mallee_node_controller_LDADD = $(NODE_LIBS) $(API_LIBS) $(CORE_LIBS) $(COMMON_LIBS) $(IMAGE_LIBS) $(LIBVIRT_LIBS) $(NFTABLES_LIBS)
man_MANS += node-controller/mallee-node-controller.8
CLEANFILES += node-controller/mallee-node-controller.8
node-controller/mallee-node-controller.8: node-controller/mallee-node-controller$(EXEEXT)
	$(AM_V_GEN)node-controller/mallee-node-controller --man > $@.tmp && mv $@.tmp $@
