#!/bin/sh
# Make the secrets of docker-compose.yml once, in ./secrets. Existing ones are kept.
set -eu
umask 077
mkdir -p secrets
make_secret() { [ -s "secrets/$1" ] || head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' > "secrets/$1"; }
for name in postgres_password secret_key blob_signing_key receipt_signing_key internal_secret s3_access_key s3_secret_key; do
    make_secret "$name"
done
[ -s secrets/database_url ] ||
    printf 'postgresql://weighbridge:%s@postgres:5432/weighbridge' "$(cat secrets/postgres_password)" > secrets/database_url
[ -s secrets/objects.env ] ||
    printf 'ROOT_ACCESS_KEY=%s\nROOT_SECRET_KEY=%s\n' "$(cat secrets/s3_access_key)" "$(cat secrets/s3_secret_key)" > secrets/objects.env
# The containers run as their own users and read these files through bind mounts; the folder keeps everybody else out.
chmod 700 secrets
find secrets -maxdepth 1 -type f -exec chmod 644 {} +
