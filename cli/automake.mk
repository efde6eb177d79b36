bin_PROGRAMS += cli/mallee
cli_mallee_SOURCES = \
	cli/admin.c cli/admin.h \
	cli/backup.c cli/backup.h \
	cli/commands.c cli/commands.h \
	cli/doctor.c cli/doctor.h cli/doctor-checks.c \
	cli/help.c cli/help.h \
	cli/image.c cli/image.h \
	cli/main.c \
	cli/progress.c cli/progress.h \
	cli/restore.c cli/restore.h \
	cli/table.c cli/table.h
cli_mallee_LDADD = $(API_LIBS) $(COMMON_LIBS)
man_MANS += cli/mallee.1
CLEANFILES += cli/mallee.1
cli/mallee.1: cli/mallee$(EXEEXT)
	$(AM_V_GEN)cli/mallee --man > $@.tmp && mv $@.tmp $@
