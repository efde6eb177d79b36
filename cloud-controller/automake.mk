noinst_LIBRARIES += cloud-controller/libcloud.a
cloud_built = cloud-controller/gen/migrations.c api/gen/ec2-actions.c api/gen/sts-actions.c \
	api/gen/admin-actions.c
nodist_cloud_controller_libcloud_a_SOURCES = $(cloud_built)
BUILT_SOURCES += $(cloud_built)
CLEANFILES += cloud-controller/gen/migrations.c
cloud_migrations = $(srcdir)/schemas/sql/cloud/0001-first.sql \
	$(srcdir)/schemas/sql/cloud/0002-images.sql \
	$(srcdir)/schemas/sql/cloud/0003-shared.sql \
	$(srcdir)/schemas/sql/cloud/0004-keys-groups.sql \
	$(srcdir)/schemas/sql/cloud/0005-brick.sql
EXTRA_DIST += $(cloud_migrations)
cloud-controller/gen/migrations.c: $(cloud_migrations) $(srcdir)/common/db/embed-sql.py
	$(AM_V_GEN)$(MKDIR_P) cloud-controller/gen && \
	$(PYTHON) $(srcdir)/common/db/embed-sql.py cloud_migrations $(cloud_migrations) > $@.tmp && mv $@.tmp $@
cloud_controller_libcloud_a_SOURCES = \
	cloud-controller/admin/account.c cloud-controller/admin/account.h \
	cloud-controller/admin/backup.c \
	cloud-controller/admin/event.c \
	cloud-controller/admin/image.c \
	cloud-controller/admin/status.c \
	cloud-controller/admin/image-job.c \
	cloud-controller/administrator.c cloud-controller/administrator.h \
	cloud-controller/api.c cloud-controller/api.h \
	cloud-controller/backup.c cloud-controller/backup.h \
	cloud-controller/brain.c cloud-controller/brain.h \
	cloud-controller/cloud.c cloud-controller/cloud.h \
	cloud-controller/ec2/common.c cloud-controller/ec2/common.h \
	cloud-controller/ec2/group/describe.c \
	cloud-controller/ec2/group/group.c cloud-controller/ec2/group/group.h \
	cloud-controller/ec2/group/permission.c cloud-controller/ec2/group/permission.h \
	cloud-controller/ec2/group/rule.c \
	cloud-controller/ec2/group/share.c \
	cloud-controller/ec2/image/describe.c \
	cloud-controller/ec2/image/register.c \
	cloud-controller/ec2/instance/describe.c \
	cloud-controller/ec2/instance/attribute.c \
	cloud-controller/ec2/instance/operation.c \
	cloud-controller/ec2/instance/options.c cloud-controller/ec2/instance/options.h \
	cloud-controller/ec2/instance/run.c \
	cloud-controller/ec2/instance/status.c \
	cloud-controller/ec2/instance/view.c cloud-controller/ec2/instance/view.h \
	cloud-controller/ec2/instance/terminate.c \
	cloud-controller/ec2/key/pair.c \
	cloud-controller/ec2/network/attribute.c \
	cloud-controller/ec2/network/describe.c \
	cloud-controller/ec2/network/interface.c \
	cloud-controller/ec2/network/route.c \
	cloud-controller/ec2/region/region.c \
	cloud-controller/ec2/tag/tag.c \
	cloud-controller/grants.c cloud-controller/grants.h \
	cloud-controller/identity.c cloud-controller/identity.h \
	cloud-controller/keys.c cloud-controller/keys.h \
	cloud-controller/operation.c cloud-controller/operation.h \
	cloud-controller/quarantine.c cloud-controller/quarantine.h \
	cloud-controller/request.c cloud-controller/request.h \
	cloud-controller/shared-body.c cloud-controller/shared-body.h \
	cloud-controller/store/account.c \
	cloud-controller/store/cloud.c \
	cloud-controller/store/event.c \
	cloud-controller/store/image.c \
	cloud-controller/store/image-job.c \
	cloud-controller/store/instance.c \
	cloud-controller/store/key-pair.c \
	cloud-controller/store/model.c \
	cloud-controller/store/network.c \
	cloud-controller/store/public-address.c \
	cloud-controller/store/security-group.c \
	cloud-controller/store/store.h \
	cloud-controller/store/system.c \
	cloud-controller/store/tag.c \
	cloud-controller/store/token.c \
	cloud-controller/store/type.c \
	cloud-controller/store/zone.c \
	cloud-controller/sts/identity.c \
	cloud-controller/system.c cloud-controller/system.h
sbin_PROGRAMS += cloud-controller/mallee-cloud-controller
cloud_controller_mallee_cloud_controller_SOURCES = cloud-controller/main.c
cloud_controller_mallee_cloud_controller_LDADD = cloud-controller/libcloud.a $(API_LIBS) $(CORE_LIBS) $(COMMON_LIBS) \
	$(IMAGE_LIBS)
man_MANS += cloud-controller/mallee-cloud-controller.8
CLEANFILES += cloud-controller/mallee-cloud-controller.8
cloud-controller/mallee-cloud-controller.8: cloud-controller/mallee-cloud-controller$(EXEEXT)
	$(AM_V_GEN)cloud-controller/mallee-cloud-controller --man > $@.tmp && mv $@.tmp $@
