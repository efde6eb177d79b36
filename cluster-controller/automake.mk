noinst_LIBRARIES += cluster-controller/libcluster.a
cluster_controller_libcluster_a_SOURCES = \
	cluster-controller/cluster.c cluster-controller/cluster.h
sbin_PROGRAMS += cluster-controller/mallee-cluster-controller
cluster_controller_mallee_cluster_controller_SOURCES = cluster-controller/main.c
cluster_controller_mallee_cluster_controller_LDADD = cluster-controller/libcluster.a $(CORE_LIBS) $(COMMON_LIBS)
man_MANS += cluster-controller/mallee-cluster-controller.8
CLEANFILES += cluster-controller/mallee-cluster-controller.8
cluster-controller/mallee-cluster-controller.8: cluster-controller/mallee-cluster-controller$(EXEEXT)
	$(AM_V_GEN)cluster-controller/mallee-cluster-controller --man > $@.tmp && mv $@.tmp $@
