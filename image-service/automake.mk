# Turns what users upload into images.
noinst_LIBRARIES += image-service/libimage.a
image_service_libimage_a_SOURCES = \
	image-service/make.c image-service/make.h \
	image-service/s3-source.c image-service/s3-source.h
