#!/bin/sh
# Keeps what runs now, for a way back: Compose's whole resolved configuration, with every image by its id.
# make upgrade goes back to it. The file holds secrets, so nobody but its owner reads it.
. "$(dirname "$0")/lib.sh"

umask 077
mkdir -p .assay/compose
compose config >.assay/compose/running.yml.partial
compose images --format json >.assay/compose/images.json
mv .assay/compose/running.yml.partial .assay/compose/running.yml
