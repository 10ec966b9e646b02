#!/bin/sh
# `make test`: the suite in two parts, three tests at a time, for two cores: one of three waits. Up to five tests that fail
# are asked once more, alone: what fails again is broken, what passes hung on the machine's load and is named at the end
# (ADR 19).
bin=$1
cache=.pytest_cache
shaky=""

part() {
    marked=$1
    shift
    "$bin/pytest" -o cache_dir="$cache" -n 3 --dist loadgroup -m "$marked" "$@" && return
    status=$?
    [ "$status" = 1 ] || exit "$status"
    failed=$("$bin/python" -m infra.failures "$cache/v/cache/lastfailed") || exit 1
    [ "$(printf '%s\n' "$failed" | wc -l)" -le 5 ] || exit 1
    printf '\nAsked once more, alone:\n%s\n' "$failed"
    printf '%s\n' "$failed" | xargs -d '\n' "$bin/pytest" -o cache_dir="$cache" -n 0 || exit 1
    shaky="$shaky
$failed"
}

rm -rf "$cache"
unset PYTHONDONTWRITEBYTECODE  # where it is set, every process of the run compiles the portal and its tests anew
TEST_RUN=$(mktemp -d) || exit 1  # what one process makes and later ones take over: the tables, a demo's home
trap 'rm -rf "$TEST_RUN"' EXIT
trap 'exit 130' INT TERM
export TEST_RUN
part "not drill and not browser and not engine"
# Apart: the browser's event loop, and the engine's memory. To import all the other files costs each worker 20 s.
part "not drill and (browser or engine)" $(grep -rlE --include='test_*.py' 'mark\.(browser|engine)\b' tests | sort)
[ -z "$shaky" ] || printf '\nPassed alone, failed beside others. Find what they hang on:%s\n' "$shaky"
