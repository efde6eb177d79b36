# SPDX-License-Identifier: Apache-2.0
# Words to the person at the terminal: steps with the seconds since the start, and failures that say what to do.
# shellcheck shell=bash

STEP="start"
STEP_LOG=""

step() { # TEXT [LOG]
    STEP=$1 STEP_LOG=${2:-}
    printf '[%3ds] %s\n' "$SECONDS" "$1"
}

note() {
    printf '       %s\n' "$*"
}

# fail WHAT LOG WHAT-TO-DO
fail() {
    trap - ERR
    {
        printf '\nquickstart: FAILED: %s\n' "$1"
        if [ -n "${2:-}" ] && [ -f "$2" ]; then
            printf '  last lines of %s:\n' "$2"
            tail -n 12 "$2" | sed 's/^/    | /'
        elif [ -n "${2:-}" ]; then
            printf '  log: %s\n' "$2"
        fi
        [ -z "${3:-}" ] || printf '  what to do: %s\n' "$3"
    } >&2
    exit 1
}

# The net below all steps: a command that nobody expected to fail.
failed_unexpectedly() { # LINE COMMAND
    fail "$STEP (line $1: $2)" "$STEP_LOG" "look at the message above; run deploy/quickstart --dir ${DIR:-DIR} again once it is cured"
}

# retry SECONDS COMMAND...: until it succeeds
retry() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.1
    done
}
