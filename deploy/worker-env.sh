#!/bin/sh
# make worker-env: prints the .env of a further box that works for this one. Only the secrets that it needs.
# SERVICES: `trainer`, or `inference torchserve` (the default: all three).
. "$(dirname "$0")/lib.sh"
need_env
hub=$(get_env HUB_BIND_ADDRESS)
[ -n "$hub" ] || fail "this box serves no others yet: make hub-on HUB_BIND_ADDRESS=10.0.0.1, then make up"

# show NAME …: the lines of these settings, with this box's values.
show() { for setting in "$@"; do printf '%s=%s\n' "$setting" "$(get_env "$setting")"; done; }
services=${SERVICES:-trainer inference torchserve}

cat <<END
# A further box of the Assay at $hub: put this into .env of a checkout of the same version, mode 0600.
COMPOSE_FILE=docker-compose.yml:deploy/compose.worker.yml
ASSAY_SERVICES=$services
# This box's own address in the private network.
WORKER_BIND_ADDRESS=
S3_ENDPOINT=http://$hub:$(get_env HUB_S3_PORT 9000)
REDIS_ADDRESS=$hub:$(get_env HUB_REDIS_PORT 6379)
ASSAY_REGISTRY_URL=http://$hub:$(get_env HUB_REGISTRY_PORT 8001)
END
show ASSAY_ADMIN_KEY_SHA256 ASSAY_SERVICE_TOKEN REDIS_PASSWORD
for service in $services; do
  case $service in
    trainer) show S3_TRAINER_SECRET_KEY ;;
    inference) show S3_INFERENCE_SECRET_KEY ;;
    torchserve) show S3_ENGINE_SECRET_KEY ;;
    *) fail "SERVICES may hold trainer, inference and torchserve, not $service" ;;
  esac
done
cat <<END
# Not for this box, but Compose wants them to be set.
ASSAY_WEBHOOK_TOKEN=none
ASSAY_S3_ACCOUNTS_SECRET=none
POSTGRES_PASSWORD=none
MINIO_ROOT_PASSWORD=none
S3_REGISTRY_SECRET_KEY=none
S3_INGEST_SECRET_KEY=none
END
for service in trainer inference torchserve; do
  case " $services " in
    *" $service "*) ;;
    *) case $service in
      trainer) echo S3_TRAINER_SECRET_KEY=none ;;
      inference) echo S3_INFERENCE_SECRET_KEY=none ;;
      torchserve) echo S3_ENGINE_SECRET_KEY=none ;;
    esac ;;
  esac
done
