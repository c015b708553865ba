#!/bin/sh
# Fetches one commit of a repository into $APP: the files alone, without history. $URL and $REF say which; $CREDENTIALS,
# if set, is a folder with the files `username` and `password`.
set -eu
git init --quiet "$APP"
cd "$APP"
git remote add origin "$URL"
if [ -n "${CREDENTIALS:-}" ]; then
  # Read when git asks, so that they stand on no command line and in no file that outlives this container.
  git config credential.helper '!f() { test "$1" = get && printf "username=%s\npassword=%s\n" "$(cat "$CREDENTIALS/username")" "$(cat "$CREDENTIALS/password")"; }; f'
fi
git fetch --quiet --depth 1 --no-tags origin "$REF"
git checkout --quiet --detach FETCH_HEAD
echo "$REF is commit $(git rev-parse HEAD)"
rm -rf .git
