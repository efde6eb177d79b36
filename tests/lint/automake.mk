# Hangs on every make: who may include what, and what no file may hold.
LINTS += lint-layers
lint-layers:
	@$(PYTHON) $(srcdir)/tests/lint/layers.py $(srcdir)
EXTRA_DIST += .ci tests/clients/store-js/exercise.mjs tests/clients/store-js/package.json \
	tests/clients/test_mallee.py tests/clients/test_store_js.py
EXTRA_DIST += tests/run tests/core tests/mutants tests/faults tests/integration tests/lint tests/unit/run
