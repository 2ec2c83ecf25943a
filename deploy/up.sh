#!/bin/sh
# make up: builds what is missing, starts everything, waits until a real prediction works, says where it is.
. "$(dirname "$0")/lib.sh"
need_env

# On a further box (compose.worker.yml) only some services run; .env names them.
services=$(get_env ASSAY_SERVICES)
# shellcheck disable=SC2086  # several words
if ! compose up -d --wait --wait-timeout "${UP_SECONDS:-600}" $services; then
  compose ps -a --format 'table {{.Service}}\t{{.Status}}' >&2
  fail "not everything became ready. See: make logs (or docker compose logs SERVICE), and docs/operating.md, Troubleshooting"
fi
deploy/remember.sh
if [ -z "$services" ]; then
  compose exec -T inference python -m assay_inference.smoke_test
  say "Assay is ready: $(address)"
fi
