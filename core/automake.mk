noinst_LIBRARIES += core/libcore.a
core_libcore_a_SOURCES = \
	core/cloud.c core/cloud.h core/cloud-internal.h \
	core/cloud-instances.c \
	core/cloud-nodes.c \
	core/cloud-operations.c \
	core/cloud-shared.c \
	core/id-list.c core/id-list.h \
	core/cloud-outbox.c \
	core/cloud-zones.c \
	core/cluster.c core/cluster.h core/cluster-internal.h \
	core/cluster-placing.c \
	core/digest.c core/digest.h \
	core/life-cycle.c core/life-cycle.h \
	core/message.c core/message.h \
	core/message-json.c core/message-json.h \
	core/node.c core/node.h core/node-internal.h \
	core/node-jobs.c \
	core/node-objects.c \
	core/node-operations.c \
	core/node-shared.c \
	core/timing.c core/timing.h

# The image codec: who uses it links $(IMAGE_LIBS) too.
core_libcore_a_SOURCES += \
	core/image/chunk.c core/image/chunk.h \
	core/image/disk.c core/image/disk.h \
	core/image/grant.c core/image/grant.h \
	core/image/manifest.c core/image/manifest.h \
	core/image/qcow2.c core/image/qcow2.h
