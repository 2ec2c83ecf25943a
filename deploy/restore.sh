#!/bin/sh
# make restore FILE=…: this box becomes what a backup holds, whether it is empty or has run before. What it
# holds now is backed up first; if the restore fails, the box goes back to that.
. "$(dirname "$0")/lib.sh"
umask 077

[ -n "${FILE:-}" ] || fail "name the backup: make restore FILE=backups/assay-….tar"
[ -f "$FILE" ] || fail "there is no file $FILE"
folder=$(cd "$(dirname "$FILE")" && pwd) name=$(basename "$FILE")
stamp=$(date -u +%Y%m%dT%H%M%SZ)

# On a box without .env the backup's own secrets are taken, all of them. Elsewhere only those that its users
# hold: the admin key, and the brands' S3 credentials; the passwords inside the box stay.
take_secrets() {
  backed_up=$(mktemp .env.XXXXXX)
  tar -xOf "$FILE" env >"$backed_up" || { rm -f "$backed_up"; fail "$FILE is no backup of Assay: it holds no env"; }
  if [ -f .env ]; then
    cp .env ".env.before-restore-$stamp"
    for setting in ASSAY_ADMIN_KEY_SHA256 ASSAY_S3_ACCOUNTS_SECRET; do
      set_env "$setting" "$(sed -n "s/^$setting=//p" "$backed_up")"
    done
    rm -f "$backed_up"
  else
    mv "$backed_up" .env
  fi
  fill_secrets
}

holds_data() {
  [ -n "$(compose exec -T postgres psql -U assay -d assay -Atc "SELECT 1 FROM pg_tables WHERE schemaname = 'public' LIMIT 1")" ] ||
    ! store_tool "$folder" is-empty
}

# Caches of models go by brand and version, and versions may be counted anew from here. Tasks of the world that
# was are forgotten too; registry and reconcile scan send what is to be done.
drop_caches() {
  compose rm -sf torchserve >/dev/null &&
    docker volume ls -q --filter "label=com.docker.compose.project=$(project)" \
      --filter "label=com.docker.compose.volume=engine-models" | xargs -r docker volume rm >/dev/null &&
    compose run --rm --no-deps -T inference rm -rf /var/lib/assay/live &&
    compose exec -T redis redis-cli FLUSHALL >/dev/null
}

# The box may have been made with another .env, and then the database knows another password.
set_password() {
  printf "ALTER USER assay PASSWORD '%s';\n" "$(get_env POSTGRES_PASSWORD)" |
    compose exec -T postgres psql -q -v ON_ERROR_STOP=1 -U assay -d postgres
}

# load FILE: database and objects become what the backup of this name in $folder holds.
load() {
  dump=$(mktemp)
  store_tool "$folder" extract "/backups/$1" database.dump >"$dump" && load_database "$dump" && set_password &&
    store_tool "$folder" restore-objects "/backups/$1" --checked && drop_caches
  loaded=$?
  rm -f "$dump"
  return $loaded
}

had_env=$([ -f .env ] && echo yes || echo no)
[ "$had_env" = yes ] || take_secrets
if ! store_tool "$folder" check "/backups/$name"; then
  [ "$had_env" = yes ] || rm -f .env
  fail "the backup $FILE is damaged; nothing was changed"
fi

if has_minio; then
  compose up -d --wait --wait-timeout 300 postgres redis minio
  compose run --rm --no-deps -T store-init setup
else
  compose up -d --wait --wait-timeout 300 postgres redis
  compose run --rm --no-deps -T store-init check-buckets
fi
way_back=""
if holds_data; then
  way_back=before-restore-$stamp.tar
  FILE="$folder/$way_back" deploy/backup.sh
fi
[ "$had_env" = no ] || take_secrets

compose stop gateway registry ingest ingest-worker trainer inference
if load "$name" && deploy/up.sh; then
  say "restored $FILE"
  [ -z "$way_back" ] || say "what was here before: $folder/$way_back and .env.before-restore-$stamp"
  exit 0
fi
[ -n "$way_back" ] || fail "the restore failed, see above; the box was empty, and nothing of value was lost"

say "the restore failed; going back to what was here before" >&2
mv ".env.before-restore-$stamp" .env
compose stop gateway registry ingest ingest-worker trainer inference
if ! load "$way_back" || ! deploy/up.sh; then
  fail "going back failed too: the data is safe in $folder/$way_back; mend the cause above, then make restore FILE=$folder/$way_back"
fi
fail "$FILE was not restored, see above; the box is as it was"
