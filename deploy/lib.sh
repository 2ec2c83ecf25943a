# shellcheck shell=sh
# What the scripts of deploy/ share; sourced from the repository's root by each. POSIX sh, which has no local
# variables: those of functions here begin with an underscore, and no script's do.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*"; }
fail() { printf 'assay: %s\n' "$*" >&2; exit 1; }
compose() { docker compose "$@"; }

# The one file of settings and secrets; Compose reads it too.
ENV_FILE=.env

need_env() { [ -f "$ENV_FILE" ] || fail "there is no $ENV_FILE yet: run make init"; }

# get_env NAME [DEFAULT]: a setting of .env.
get_env() {
  _value=$(sed -n "s/^$1=//p" "$ENV_FILE" 2>/dev/null | tail -n 1)
  printf '%s' "${_value:-${2:-}}"
}

# set_env NAME VALUE: writes a setting into .env, in the place of its line or of its commented default.
set_env() {
  _new_env=$(mktemp "$ENV_FILE.XXXXXX")
  chmod 600 "$_new_env"
  NAME=$1 VALUE=$2 awk '
    BEGIN { name = ENVIRON["NAME"]; line = name "=" ENVIRON["VALUE"] }
    !done && (index($0, name "=") == 1 || index($0, "#" name "=") == 1) { print line; done = 1; next }
    { print }
    END { if (!done) print line }
  ' "$ENV_FILE" >"$_new_env"
  mv "$_new_env" "$ENV_FILE"
}

# make_secret: 256 random bits in hex.
make_secret() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# fill_secrets: gives a fresh secret to each setting of .env that needs one and has none, as with a version that
# asks for more than the one before.
fill_secrets() {
  for _name in ASSAY_SERVICE_TOKEN ASSAY_WEBHOOK_TOKEN ASSAY_S3_ACCOUNTS_SECRET POSTGRES_PASSWORD REDIS_PASSWORD \
    MINIO_ROOT_PASSWORD S3_REGISTRY_SECRET_KEY S3_INGEST_SECRET_KEY S3_TRAINER_SECRET_KEY \
    S3_INFERENCE_SECRET_KEY S3_ENGINE_SECRET_KEY; do
    [ -n "$(get_env "$_name")" ] || set_env "$_name" "$(make_secret)"
  done
}

sha256_of() { printf '%s' "$1" | sha256sum | cut -d ' ' -f 1; }

# address: where the stack is reached from this machine.
address() {
  case $(get_env COMPOSE_FILE) in
    *compose.tls.yml*)
      _port=$(get_env HTTPS_PORT 443)
      printf 'https://%s%s' "$(get_env ASSAY_HOSTNAME localhost)" "$([ "$_port" = 443 ] || printf ':%s' "$_port")"
      return
      ;;
  esac
  _bind=$(get_env BIND_ADDRESS 127.0.0.1)
  [ "$_bind" != 0.0.0.0 ] || _bind=127.0.0.1
  printf 'http://%s:%s' "$_bind" "$(get_env HTTP_PORT 8080)"
}

# version_at_least HAVE WANT: compares dotted numbers.
version_at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# has_minio: whether the store is this box's MinIO, and not AWS S3 (compose.aws-store.yml).
has_minio() {
  case $(get_env COMPOSE_FILE) in
    *compose.aws-store.yml*) return 1 ;;
  esac
}

# running SERVICE: whether a container of it runs.
running() { [ -n "$(compose ps --status running -q "$1" 2>/dev/null)" ]; }

# store_tool FOLDER COMMAND …: the tool of deploy/store in a container of its own. FOLDER is its /backups, and
# files there are the caller's.
store_tool() {
  _folder=$1
  shift
  compose run --rm --no-deps -T --user "$(id -u):$(id -g)" \
    -v "$_folder:/backups" -v "$(pwd)/$ENV_FILE:/run/env:ro" store-init "$@"
}

# dump_database FILE: the whole database, in pg_dump's own format.
dump_database() { compose exec -T postgres pg_dump -U assay -d assay -Fc >"$1"; }

# load_database FILE: the database becomes what a dump holds, all of it or nothing. Nobody may use it meanwhile.
load_database() {
  # One chain, for `set -e` counts for nothing in a function whose status is asked for.
  compose exec -T postgres psql -q -v ON_ERROR_STOP=1 -U assay -d postgres \
    -c 'DROP DATABASE IF EXISTS assay_new WITH (FORCE)' -c 'CREATE DATABASE assay_new OWNER assay' &&
    compose exec -T postgres pg_restore -U assay -d assay_new --no-owner --exit-on-error --single-transaction <"$1" &&
    compose exec -T postgres psql -q -v ON_ERROR_STOP=1 -U assay -d postgres \
      -c 'DROP DATABASE IF EXISTS assay WITH (FORCE)' -c 'ALTER DATABASE assay_new RENAME TO assay'
}

# project: the name under which Compose runs this stack.
project() { compose config --format json | sed -n 's/^  "name": "\(.*\)",*$/\1/p' | head -n 1; }
