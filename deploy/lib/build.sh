# SPDX-License-Identifier: Apache-2.0
# The build tree, shared with tests/run: SRC/build unless MALLEE_BUILD names another.
# shellcheck shell=bash

# build_tree LOG TREE [CONFIGURE-ARGUMENT...]: configures once (again when the arguments change) and makes.
build_tree() {
    local log=$1 tree=$2 want have
    shift 2
    want="$SRC $*"
    mkdir -p "$tree"
    (
        flock 9
        if [ ! -x "$SRC/configure" ] || [ "$SRC/configure.ac" -nt "$SRC/configure" ]; then
            (cd "$SRC" && ./bootstrap) || exit 1
        fi
        have=$(cat "$tree/.configured" 2>/dev/null || true)
        # Who has no wishes takes the tree as it is: a test's cloud runs what the test was built with.
        if [ ! -f "$tree/Makefile" ] || { [ "$have" != "$want" ] && { [ $# -gt 0 ] || [ "${have%% *}" != "$SRC" ]; }; }; then
            (cd "$tree" && "$SRC/configure" "$@") || exit 1
            printf '%s' "$want" >"$tree/.configured"
        fi
        make -C "$tree" -j"$(nproc)" all || exit 1
    ) >>"$log" 2>&1 9>"$tree/.lock"
}
