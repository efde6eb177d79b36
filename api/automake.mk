noinst_LIBRARIES += api/libapi.a
api_gen_headers = api/gen/ec2.h api/gen/sts.h api/gen/admin.h api/gen/errors.h
api_gen_sources = api/gen/ec2-shapes.c api/gen/sts-shapes.c api/gen/admin-shapes.c api/gen/errors.c \
	api/gen/aws-actions.c api/gen/empty.c
nodist_api_libapi_a_SOURCES = $(api_gen_sources) $(api_gen_headers)
api_libapi_a_SOURCES = \
	api/action.c api/action.h \
	api/aws-call.c api/aws-call.h \
	api/credentials.c api/credentials.h \
	api/s3-client.c api/s3-client.h \
	api/params.c api/params.h \
	api/query.c api/query.h \
	api/shape.c api/shape.h \
	api/shape-json.c api/shape-json.h \
	api/sigv4.c api/sigv4.h \
	api/sigv4-canonical.c api/sigv4-canonical.h \
	api/sigv4-sign.c api/sigv4-sign.h \
	api/uri.c api/uri.h \
	api/xml-write.c api/xml-write.h
BUILT_SOURCES += $(api_gen_sources) $(api_gen_headers)
CLEANFILES += $(api_gen_sources) $(api_gen_headers) api/gen/ec2-actions.c api/gen/sts-actions.c \
	api/gen/admin-actions.c
ec2_schemas = \
	$(srcdir)/schemas/ec2/groups.json \
	$(srcdir)/schemas/ec2/images.json \
	$(srcdir)/schemas/ec2/instances.json \
	$(srcdir)/schemas/ec2/keys.json \
	$(srcdir)/schemas/ec2/network.json \
	$(srcdir)/schemas/ec2/regions.json \
	$(srcdir)/schemas/ec2/routes.json \
	$(srcdir)/schemas/ec2/tags.json
sts_schemas = $(srcdir)/schemas/sts/identity.json
admin_schemas = $(srcdir)/schemas/admin/admin.json
error_schemas = \
	$(srcdir)/schemas/errors/admin.json \
	$(srcdir)/schemas/errors/common.json \
	$(srcdir)/schemas/errors/ec2.json
EXTRA_DIST += api/apigen.py $(ec2_schemas) $(sts_schemas) $(admin_schemas) $(error_schemas) \
	schemas/ec2/aws-actions schemas/ec2/empty.json schemas/messages/messages.json
APIGEN = $(AM_V_GEN)$(PYTHON) $(srcdir)/api/apigen.py
api_deps = $(srcdir)/api/apigen.py

api/gen/ec2.h: $(ec2_schemas) $(api_deps)
	$(APIGEN) header ec2 $@ $(ec2_schemas)
api/gen/ec2-shapes.c: $(ec2_schemas) $(api_deps)
	$(APIGEN) shapes ec2 $@ $(ec2_schemas)
api/gen/ec2-actions.c: $(ec2_schemas) $(api_deps)
	$(APIGEN) actions ec2 $@ $(ec2_schemas)
api/gen/sts.h: $(sts_schemas) $(api_deps)
	$(APIGEN) header sts $@ $(sts_schemas)
api/gen/sts-shapes.c: $(sts_schemas) $(api_deps)
	$(APIGEN) shapes sts $@ $(sts_schemas)
api/gen/sts-actions.c: $(sts_schemas) $(api_deps)
	$(APIGEN) actions sts $@ $(sts_schemas)
api/gen/admin.h: $(admin_schemas) $(api_deps)
	$(APIGEN) header admin $@ $(admin_schemas)
api/gen/admin-shapes.c: $(admin_schemas) $(api_deps)
	$(APIGEN) shapes admin $@ $(admin_schemas)
api/gen/admin-actions.c: $(admin_schemas) $(api_deps)
	$(APIGEN) actions admin $@ $(admin_schemas)
api/gen/errors.h: $(error_schemas) $(api_deps)
	$(APIGEN) errors-header $@ $(error_schemas)
api/gen/errors.c: $(error_schemas) $(api_deps)
	$(APIGEN) errors $@ $(error_schemas)
api/gen/aws-actions.c: $(srcdir)/schemas/ec2/aws-actions $(api_deps)
	$(APIGEN) names $@ $(srcdir)/schemas/ec2/aws-actions
api/gen/empty.c: $(srcdir)/schemas/ec2/empty.json $(api_deps)
	$(APIGEN) empty $@ $(srcdir)/schemas/ec2/empty.json
