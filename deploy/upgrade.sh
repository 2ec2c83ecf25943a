#!/bin/sh
# make upgrade: from what runs to what this checkout says (git pull first): backup, build, migrate, up, smoke
# test. If anything fails, the images, configuration and database that ran before run again.
. "$(dirname "$0")/lib.sh"
need_env
umask 077

state=.assay/compose
before=$state/before-upgrade.yml
[ -f "$state/running.yml" ] || fail "it is not known what runs: run make up with the version that runs now, then upgrade"
{ running registry && running postgres; } || fail "the stack does not run: make up first, so that there is something to go back to"

# Writers stand still while the database changes; the verify API and the gateway go on.
writers="registry ingest ingest-worker trainer"
migrated=no

# Which image is behind each name now; building moves the names.
remember_images() {
  cp "$state/running.yml" "$before"
  for container in $(compose ps -aq); do
    docker inspect --format '{{.Image}} {{.Config.Image}}' "$container"
  done | sort -u >"$state/before-upgrade.images"
  while read -r id image; do
    docker tag "$id" "$(rollback_name "$image")"
  done <"$state/before-upgrade.images"
}
rollback_name() { printf 'assay-rollback:%s' "$(printf '%s' "$1" | tr -c 'A-Za-z0-9.\n-' '-')"; }

go_back() {
  trap - EXIT INT TERM
  say "the upgrade failed (see above); going back to what ran before" >&2
  while read -r id image; do
    docker tag "$id" "$image"
  done <"$state/before-upgrade.images"
  if [ "$migrated" = yes ]; then
    # shellcheck disable=SC2086  # several words
    compose stop $writers
    load_database "$state/before-migrate.dump" ||
      fail "the database could not be put back: it is safe in $state/before-migrate.dump and in the backup above"
  fi
  docker compose -f "$before" up -d --wait --wait-timeout 600 --no-build --remove-orphans ||
    fail "what ran before does not start: docker compose -f $before up -d; the data is safe in the backup above"
  fail "the upgrade failed, and what ran before runs again. Mend the cause above, then make upgrade"
}

remember_images
trap go_back EXIT
trap 'exit 1' INT TERM

fill_secrets
FILE=${FILE:-backups/before-upgrade-$(date -u +%Y%m%dT%H%M%SZ).tar} deploy/backup.sh
if [ "$(get_env ASSAY_PULL_POLICY never)" = never ]; then
  compose build
else
  compose pull --ignore-buildable --quiet || compose build
fi

# shellcheck disable=SC2086  # several words
compose stop $writers
dump_database "$state/before-migrate.dump"
migrated=yes
compose run --rm --no-deps -T migrate
deploy/up.sh
trap - EXIT INT TERM
rm -f "$state/before-migrate.dump"
say "upgraded to $(git describe --always --dirty 2>/dev/null || echo 'this version'). The images that ran before are kept as assay-rollback:* until the next upgrade"
