#!/bin/sh
# Runs HAProxy and makes it reload when a watched file changed: gateway.sh CONFIG FILE...
# Files that it would not start with (half a certificate, say) are reported, and what runs goes on running.
# SIGUSR1 and SIGTERM are handed on: the first lets calls finish, the second does not.
set -u
config=$1
shift

# Whole contents are compared: not every small image has a program that makes checksums.
watch() {
    known=$(cat "$@")
    while sleep 2; do
        found=$(cat "$@")
        [ "$found" != "$known" ] || continue
        known=$found
        if haproxy -c -q -f "$config"; then
            echo '{"gateway":"reloading: a certificate or the list of users changed"}'
            kill -USR2 "$gateway"
        else
            echo '{"gateway":"not reloading: what changed does not pass the check, see the lines above"}'
        fi
    done
}

haproxy -W -db -f "$config" &
gateway=$!
trap 'kill -USR1 "$gateway"' USR1
trap 'kill -TERM "$gateway"' TERM INT
[ "$#" -eq 0 ] || watch "$@" &
watcher=$!
# A trapped signal ends `wait` early; only when HAProxy is gone does its status count.
status=0
while kill -0 "$gateway" 2>/dev/null; do
    wait "$gateway"
    status=$?
done
kill "$watcher" 2>/dev/null
exit "$status"
