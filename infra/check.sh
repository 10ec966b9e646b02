#!/bin/sh
# `make check`: every check runs, and the status says whether all of them passed.
bin=$1
failed=""
run() {
    name=$1
    shift
    if output=$("$@" 2>&1); then
        echo "ok      $name"
    else
        echo "FAILED  $name"
        echo "$output"
        failed="$failed $name"
    fi
}

run format "$bin/ruff" format --check .
run lint "$bin/ruff" check .
run types "$bin/mypy" portal releases inference infra client/weighbridge_client
run imports "$bin/lint-imports"
run client env PYTHONPATH=client "$bin/lint-imports" --config client/pyproject.toml
# The settings of a public portal, with secrets of no value: what the checks look at is the shape.
export WEIGHBRIDGE_MODE=scaled BASE_URL=https://models.example.org STORE=s3 S3_ENDPOINT=https://objects.example.org
export S3_ACCESS_KEY=example S3_SECRET_KEY=example MAIL_URL=smtp://user:example@mail.example.org:587
export DATABASE_URL=postgresql://weighbridge@localhost/weighbridge REDIS_URL=redis://localhost/0 BROKER_URL=redis://localhost/1
for name in SECRET_KEY BLOB_SIGNING_KEY INTERNAL_SECRET; do
    export "$name=$("$bin/python" -c 'import secrets; print(secrets.token_urlsafe(64))')"
done
run migrations "$bin/python" -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
run api "$bin/python" -W ignore::RuntimeWarning manage.py openapi --check
run deployment "$bin/python" manage.py check --deploy --fail-level WARNING
run translations "$bin/python" -m infra.messages check
run templates "$bin/djlint" --lint --quiet templates
run spelling "$bin/codespell" portal releases inference infra client tests bench docs templates README.md CHANGELOG.md Makefile

if [ -n "$failed" ]; then
    echo
    echo "Failed:$failed"
    exit 1
fi
