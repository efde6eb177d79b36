# SPDX-License-Identifier: Apache-2.0
# The build tree, shared with tests/run: SRC/build unless MALLEE_BUILD names another.
# shellcheck shell=bash

# build_tree LOG TREE [CONFIGURE-ARGUMENT...]: configures once (again when the arguments change) and makes.
build_tree() {
    local log=$1 tree=$2 want
    shift 2
    want="$SRC $*"
    mkdir -p "$tree"
    (
        flock 9
        if [ ! -x "$SRC/configure" ] || [ "$SRC/configure.ac" -nt "$SRC/configure" ]; then
            (cd "$SRC" && ./bootstrap) || exit 1
        fi
        if [ ! -f "$tree/Makefile" ] || [ "$(cat "$tree/.configured" 2>/dev/null)" != "$want" ]; then
            (cd "$tree" && "$SRC/configure" "$@") || exit 1
            printf '%s' "$want" >"$tree/.configured"
        fi
        make -C "$tree" -j"$(nproc)" all || exit 1
    ) >>"$log" 2>&1 9>"$tree/.lock"
}
