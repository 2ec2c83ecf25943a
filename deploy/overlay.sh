#!/bin/sh
# make gpu-on, gpu-off, tls-on, …: adds an overlay to COMPOSE_FILE in .env, or takes it away.
# Usage: overlay.sh NAME on|off. Nothing is restarted; make up does that.
. "$(dirname "$0")/lib.sh"
need_env

name=$1 file=deploy/compose.$1.yml
[ -f "$file" ] || fail "there is no $file"

prepare() {
  case $name in
    gpu)
      docker info --format '{{json .Runtimes}}' | grep -q nvidia || [ -e /etc/cdi/nvidia.yaml ] ||
        fail "Docker cannot use a GPU yet: install the NVIDIA Container Toolkit, then run nvidia-ctk runtime configure --runtime=docker and restart Docker"
      ;;
    tls)
      [ -n "${ASSAY_HOSTNAME:-$(get_env ASSAY_HOSTNAME)}" ] ||
        fail "name the host: make tls-on ASSAY_HOSTNAME=assay.example.com [ASSAY_TLS=auto|own|internal] [ASSAY_CERTIFICATES=./certificates]"
      for setting in ASSAY_HOSTNAME ASSAY_TLS ASSAY_CERTIFICATES; do
        eval "given=\${$setting:-}"
        [ -z "$given" ] || set_env "$setting" "$given"
      done
      set_env BIND_ADDRESS "${BIND_ADDRESS:-0.0.0.0}"
      set_env HTTP_PORT "${HTTP_PORT:-80}"
      set_env HTTPS_PORT "${HTTPS_PORT:-443}"
      ;;
    observability)
      [ -n "$(get_env GRAFANA_ADMIN_PASSWORD)" ] || {
        password=$(make_secret)
        set_env GRAFANA_ADMIN_PASSWORD "$password"
        say "Grafana: http://127.0.0.1:$(get_env GRAFANA_PORT 3000), user admin, password $password"
      }
      ;;
    aws-store)
      case $files in
        *compose.s3.yml* | *compose.hub.yml*) fail "the S3 door and further boxes use this box's MinIO: make s3-off hub-off first" ;;
      esac
      ;;
    s3)
      has_minio || fail "the S3 door leads to this box's MinIO, and the store is AWS S3: write to its bucket of uploads (docs/aws-store.md)"
      ;;
    hub | worker)
      has_minio || fail "further boxes use the first one's MinIO, and the store is AWS S3"
      variable=$(printf '%s' "$name" | tr '[:lower:]' '[:upper:]')_BIND_ADDRESS
      eval "given=\${$variable:-$(get_env "$variable")}"
      [ -n "$given" ] || fail "name this box's address in the private network: make $name-on $variable=10.0.0.1"
      set_env "$variable" "$given"
      ;;
  esac
}

files=$(get_env COMPOSE_FILE docker-compose.yml)
rest=$(printf '%s' "$files" | tr ':' '\n' | grep -vxF "$file" | paste -sd : -)
case ${2:-} in
  on)
    prepare
    set_env COMPOSE_FILE "$rest:$file"
    compose config -q || { set_env COMPOSE_FILE "$files"; fail "$file does not fit; COMPOSE_FILE stays as it was"; }
    ;;
  off) set_env COMPOSE_FILE "$rest" ;;
  *) fail "usage: overlay.sh NAME on|off" ;;
esac
say "COMPOSE_FILE=$(get_env COMPOSE_FILE). Next: make up"
