#!/bin/sh
# Keeps what runs now, for a way back: Compose's whole resolved configuration, to which make upgrade goes back.
# The file holds secrets, so nobody but its owner reads it.
. "$(dirname "$0")/lib.sh"

umask 077
mkdir -p .assay/compose
compose config >.assay/compose/running.yml.partial
mv .assay/compose/running.yml.partial .assay/compose/running.yml
