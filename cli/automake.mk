bin_PROGRAMS += cli/mallee
cli_mallee_SOURCES = \
	cli/admin.c cli/admin.h \
	cli/commands.c cli/commands.h \
	cli/image.c cli/image.h \
	cli/main.c \
	cli/table.c cli/table.h
cli_mallee_LDADD = $(API_LIBS) $(COMMON_LIBS)
