#!/bin/sh
# make backup: database, buckets and secrets in one file, while everything runs. FILE names another file.
#
# Objects are copied first, which takes the time; then registry and ingest worker stand still for the seconds
# of the database's dump and of what came meanwhile, so that both fit together. Verifying never pauses.
. "$(dirname "$0")/lib.sh"
need_env
umask 077

file=${FILE:-backups/assay-$(date -u +%Y%m%dT%H%M%SZ).tar}
case $file in
  /*) ;;
  *) file=$(pwd)/$file ;;
esac
[ ! -e "$file" ] || fail "$file is there already"
{ running postgres && { ! has_minio || running minio; }; } || fail "the stack does not run; start it first: make up"
folder=$(dirname "$file") name=$(basename "$file").partial
mkdir -p "$folder"

paused=""
clean_up() {
  # shellcheck disable=SC2086  # several words
  [ -z "$paused" ] || compose unpause $paused >/dev/null 2>&1 || true
  rm -f "$folder/$name" "$folder/$name.index" "$folder/$name.dump"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

store_tool "$folder" backup-objects "/backups/$name"
for service in registry ingest-worker; do
  running "$service" && paused="$paused $service"
done
# shellcheck disable=SC2086  # several words
[ -z "$paused" ] || compose pause $paused
since=$(date +%s)
dump_database "$folder/$name.dump"
store_tool "$folder" backup-finish "/backups/$name" --database-dump "/backups/$name.dump" --env /run/env
# shellcheck disable=SC2086  # several words
[ -z "$paused" ] || compose unpause $paused
paused=""
say "registry and ingest worker stood still for $(($(date +%s) - since)) s"

store_tool "$folder" check "/backups/$name"
compose exec -T postgres pg_restore --list <"$folder/$name.dump" >/dev/null ||
  fail "the database's dump in the backup cannot be read"
mv "$folder/$name" "$file"
say "backup: $file ($(du -h "$file" | cut -f 1)). It holds secrets: keep it on another machine, encrypted"
