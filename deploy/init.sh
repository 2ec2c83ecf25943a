#!/bin/sh
# make init: looks whether this machine can run Assay, and writes .env with fresh secrets. Never overwrites one.
# INIT_SKIP_CHECKS=1 leaves the checks of memory and disk out; where there is an .env, they are past.
. "$(dirname "$0")/lib.sh"

MIN_ENGINE=20.10
MIN_COMPOSE=2.24.4
MIN_MEMORY_GB=8
MIN_DISK_GB=20
wrong=0
complain() { printf 'assay: %s\n' "$*" >&2; wrong=1; }

check_tools() {
  command -v docker >/dev/null 2>&1 || fail "docker is missing: install Docker Engine and its Compose plug-in (docs.docker.com/engine/install)"
  engine=$(docker version --format '{{.Server.Version}}' 2>/dev/null) ||
    fail "the Docker engine does not answer: start it (systemctl start docker), or add yourself to the group docker (usermod -aG docker $(id -un), then log in again)"
  version_at_least "$engine" "$MIN_ENGINE" || complain "Docker Engine $engine is too old: $MIN_ENGINE or newer is needed"
  version=$(compose version --short 2>/dev/null) || fail "Docker Compose v2 is missing: install the package docker-compose-plugin"
  version_at_least "${version#v}" "$MIN_COMPOSE" || complain "Docker Compose $version is too old: $MIN_COMPOSE or newer is needed"
  docker buildx version >/dev/null 2>&1 || complain "BuildKit is missing: install the package docker-buildx-plugin"
  for tool in od sha256sum awk sed mktemp; do
    command -v "$tool" >/dev/null 2>&1 || complain "$tool is missing: install coreutils and awk"
  done
  say "Docker Engine $engine, Compose $version"
}

check_size() {
  memory=$(($(docker info --format '{{.MemTotal}}') / 1000000000))
  root=$(docker info --format '{{.DockerRootDir}}')
  [ -d "$root" ] || root=.
  disk=$(($(df -Pk "$root" 2>/dev/null | awk 'NR == 2 { print $4 }') / 1000000))
  say "$(nproc 2>/dev/null || echo '?') cores, $memory GB of memory, $disk GB of free disk for Docker in $root"
  [ -z "${INIT_SKIP_CHECKS:-}" ] && [ ! -f "$ENV_FILE" ] || return 0
  [ "$memory" -ge "$MIN_MEMORY_GB" ] ||
    complain "$memory GB of memory are too few: training needs $MIN_MEMORY_GB GB at least. Add memory, or run with INIT_SKIP_CHECKS=1 and train elsewhere"
  [ "$disk" -ge "$MIN_DISK_GB" ] ||
    complain "$disk GB of free disk are too few: images, their building and the first photos need $MIN_DISK_GB GB. Free some (docker system prune), or move Docker's data-root"
}

# check_port NUMBER: nobody may listen there.
check_port() {
  command -v ss >/dev/null 2>&1 || return 0
  [ -z "$(compose ps -q gateway 2>/dev/null)" ] || return 0
  if ss -Hltn "sport = :$1" 2>/dev/null | grep -q .; then
    complain "port $1 is in use by another program: stop it, or run HTTP_PORT=8081 make init (HTTP_PORT in .env)"
  fi
}

check_gpu() {
  if ! command -v nvidia-smi >/dev/null 2>&1 || ! nvidia-smi -L >/dev/null 2>&1; then
    say "no NVIDIA GPU (or no driver): training and serving run on the CPU"
    return 0
  fi
  say "GPU: $(nvidia-smi -L | head -n 1 | sed 's/ (UUID.*//')"
  if docker info --format '{{json .Runtimes}}' | grep -q nvidia || [ -e /etc/cdi/nvidia.yaml ]; then
    say "use it with: make gpu-on"
  else
    say "containers cannot use it yet: install the NVIDIA Container Toolkit, run nvidia-ctk runtime configure --runtime=docker, restart Docker, then make gpu-on"
  fi
}

write_env() {
  umask 077
  partial=$(mktemp .env.XXXXXX)
  cp .env.example "$partial"
  ENV_FILE=$partial
  fill_secrets
  admin_key="assay_$(make_secret)"
  set_env ASSAY_ADMIN_KEY_SHA256 "$(sha256_of "$admin_key")"
  [ -z "${HTTP_PORT:-}" ] || set_env HTTP_PORT "$HTTP_PORT"
  [ -z "${BIND_ADDRESS:-}" ] || set_env BIND_ADDRESS "$BIND_ADDRESS"
  # A link fails where a file has come meanwhile; a rename would replace it.
  ln "$partial" .env 2>/dev/null || { rm -f "$partial"; fail ".env is there already; it was not touched"; }
  rm -f "$partial"
  ENV_FILE=.env
}

check_tools
check_size
check_port "${HTTP_PORT:-$(get_env HTTP_PORT 8080)}"
check_gpu
[ "$wrong" = 0 ] || fail "mend what is named above, then run make init again; nothing was written"
if [ -f "$ENV_FILE" ]; then
  chmod 600 "$ENV_FILE"
  say ".env is there already and stays as it is. Next: make up"
  exit 0
fi
write_env
say "wrote .env with fresh secrets; keep it safe, and out of other hands"
say
say "Admin key (shown once, kept nowhere):"
say "  $admin_key"
say
say "Next: make up"
