#!/bin/sh
# make s3-credentials BRAND=acme: S3 credentials with which a brand uploads in bulk, under its own prefix alone.
# ACTION=list shows a brand's access keys, or all; ACTION=remove KEY=… takes one away.
. "$(dirname "$0")/lib.sh"
need_env
has_minio || fail "these credentials are MinIO's, and the store is AWS S3: a brand's bulk uploads go through the API, or by a role of yours that may write to the bucket of uploads (docs/aws-store.md)"
running minio || fail "the stack does not run: make up"

tool() { compose run --rm --no-deps -T store-init brand-credentials "$@"; }
case ${ACTION:-add} in
  add)
    [ -n "${BRAND:-}" ] || fail "name the brand: make s3-credentials BRAND=acme"
    tool add "$BRAND"
    ;;
  list) tool list ${BRAND:+"$BRAND"} ;;
  remove)
    [ -n "${KEY:-}" ] || fail "name the access key: make s3-credentials ACTION=remove KEY=…"
    tool remove "$KEY"
    ;;
  *) fail "ACTION may be add, list or remove" ;;
esac
