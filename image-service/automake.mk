# Turns what users upload into images.
noinst_LIBRARIES += image-service/libimage.a
image_service_libimage_a_SOURCES = \
	image-service/ask.c image-service/ask.h \
	image-service/collect.c image-service/collect.h \
	image-service/collector.c image-service/collector.h \
	image-service/jobs.c image-service/jobs.h \
	image-service/make.c image-service/make.h \
	image-service/s3-source.c image-service/s3-source.h \
	image-service/service.c image-service/service.h
sbin_PROGRAMS += image-service/mallee-image-service
image_service_mallee_image_service_SOURCES = image-service/main.c
image_service_mallee_image_service_LDADD = image-service/libimage.a $(CORE_LIBS) $(API_LIBS) $(COMMON_LIBS) \
	$(IMAGE_LIBS)
man_MANS += image-service/mallee-image-service.8
CLEANFILES += image-service/mallee-image-service.8
image-service/mallee-image-service.8: image-service/mallee-image-service$(EXEEXT)
	$(AM_V_GEN)image-service/mallee-image-service --man > $@.tmp && mv $@.tmp $@
