#!/bin/sh
# Runs HAProxy on copies of files, and makes it reload when they change: gateway.sh CONFIG [FOLDER NAME=FILE...]
# FOLDER, in memory, keeps the last good copies below the given names; HAProxy starts there. Files whose names differ
# in the ending alone belong together (tls.crt, tls.key). What does not pass HAProxy's check stays out, by itself: a
# broken certificate holds back no list of users. FOLDER/pending names what stays out ("pending NAME..."). At the very
# first start there is nothing older, so a broken file ends the start.
# SIGUSR1 and SIGTERM are handed on: the first lets calls finish, the second does not.
set -u
umask 077
config=$1
shift
folder=.
[ "$#" -eq 0 ] || { folder=$1; shift; }

# Copies the files of a group, or of all groups, into a folder; fails if one is missing.
copy() {
    for pair in $pairs; do
        name=${pair%%=*}
        [ "$1" = all ] || [ "$1" = "${name%.*}" ] || continue
        # Not `cp`: a copy of a file that only its group may read could not be written again.
        cat "${pair#*=}" >"$2/$name" || { rm -f "$2/$name"; return 1; }
    done
}

passes() (
    cd "$1" && haproxy -c -q -f "$config"
)

# Takes a group, or all, if that passes the check beside what else is in use.
take() {
    rm -rf "$folder/../trial" && cp -r "$folder" "$folder/../trial" && copy "$1" "$folder/../trial" || return 1
    passes "$folder/../trial" || return 1
    for file in "$folder/../trial"/*; do
        mv "$file" "$folder/${file##*/}"
    done
}

# Takes what passes, group by group where all together do not, and notes what does not.
take_changes() {
    pending=
    take all || for group in $groups; do
        take "$group" || pending="$pending $group"
    done
    printf '# what changed and is not in use\n%s\n' "${pending:+pending$pending}" >"$folder/pending"
    [ -z "$pending" ] || echo "{\"gateway\":\"changed, but not in use, because it fails the check:$pending; see the lines above\"}"
}

# Whole contents are compared: not every small image has a program that makes checksums.
contents() {
    for pair in $pairs; do
        printf '%s\n' "$pair"
        cat "${pair#*=}" 2>/dev/null
    done
}

watch() {
    known=$1
    while sleep 2; do
        found=$(contents)
        [ "$found" != "$known" ] || continue
        known=$found
        take_changes
        echo '{"gateway":"reloading: a certificate or a list changed"}'
        kill -USR2 "$gateway"
    done
}

pairs=$*
groups=$(for pair in $pairs; do name=${pair%%=*}; echo "${name%.*}"; done | sort -u)
if [ -n "$pairs" ]; then
    mkdir -p "$folder"
    folder=$(cd "$folder" && pwd)/used
    mkdir -p "$folder"
    started_from=$(contents)
    # A first start, or one after a start that never came about.
    [ -e "$folder/pending" ] && passes "$folder" || { : >"$folder/pending"; copy all "$folder"; }
    take_changes
    cd "$folder" || exit 1
fi
haproxy -W -db -f "$config" &
gateway=$!
trap 'kill -USR1 "$gateway"' USR1
trap 'kill -TERM "$gateway"' TERM INT
[ -z "$pairs" ] || watch "$started_from" &
watcher=$!
# A trapped signal ends `wait` early; only when HAProxy is gone does its status count.
status=0
while kill -0 "$gateway" 2>/dev/null; do
    wait "$gateway"
    status=$?
done
kill "$watcher" 2>/dev/null
exit "$status"
