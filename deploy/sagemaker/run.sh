#!/bin/sh
# Runs a script of this folder, or a module, in a container of a service, with its settings: run.sh SERVICE
# SCRIPT.py|-m MODULE [ARGUMENT…]. Nothing else is started.
. "$(dirname "$0")/../lib.sh"
cd ..
need_env
service=$1
shift
case $1 in
  -m) ;;
  *) script=$1; shift; set -- "/sagemaker/$script" "$@" ;;
esac
compose run --rm --no-deps -T -v "$PWD/deploy/sagemaker:/sagemaker:ro" "$service" python "$@"
