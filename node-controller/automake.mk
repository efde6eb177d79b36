# What runs on each host.
noinst_LIBRARIES += node-controller/libnode.a
node_controller_libnode_a_SOURCES = \
	node-controller/disk.c node-controller/disk.h \
	node-controller/hypervisor/bounded.c node-controller/hypervisor/bounded.h \
	node-controller/hypervisor/hypervisor.h \
	node-controller/hypervisor/libvirt.c node-controller/hypervisor/libvirt-internal.h \
	node-controller/hypervisor/libvirt-domain.c \
	node-controller/hypervisor/xml.c node-controller/hypervisor/xml.h \
	node-controller/hypervisor/xml-qemu.c
NODE_LIBS = node-controller/libnode.a
