check_PROGRAMS += tests/sim/simulator
tests_sim_simulator_SOURCES = \
	tests/sim/broker.c \
	tests/sim/hypervisor.c \
	tests/sim/laws.c \
	tests/sim/main.c \
	tests/sim/shells.c \
	tests/sim/world.h
tests_sim_simulator_LDADD = $(CORE_LIBS) $(COMMON_LIBS)
