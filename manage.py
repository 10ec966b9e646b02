#!/usr/bin/env python
"""Django's command line. What an operator can put right is said in a line, with status 1; `--traceback` shows all of it."""

import os
import sys

import django
import redis
from django.core.management import execute_from_command_line
from django.db import Error, ProgrammingError

from portal.errors import WeighbridgeError
from portal.postgres.faults import is_away
from portal.starting import imports


def main(arguments):
    """Run one command; its exit status."""
    try:
        with imports():
            django.setup()
        execute_from_command_line(arguments)
    except KeyboardInterrupt:
        return _said("Stopped.", 130)
    except BrokenPipeError:  # who reads what is printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (WeighbridgeError, Error, redis.RedisError, OSError) as error:
        sentence = _sentence(error)
        if not sentence or "--traceback" in arguments:
            raise
        return _said(sentence, 1)
    return 0


def _sentence(error):
    """What the operator must know; empty for a fault of ours."""
    first = str(error).strip().partition("\n")[0]
    if isinstance(error, WeighbridgeError):
        return error.message
    if isinstance(error, redis.RedisError):
        return f"The limits store does not answer ({first}). Look at REDIS_URL, and try again."
    if isinstance(error, ProgrammingError) and getattr(error.__cause__, "pgcode", "") in {"42P01", "42703"}:
        return f"The database is not that of this version ({first}). Run: python manage.py migrate"
    if isinstance(error, Error):
        if not is_away(error):
            return ""
        return f"The database does not answer ({first}). Look at its server and at DATABASE_URL, and try again."
    return f"{error.filename}: {error.strerror}." if error.filename and error.strerror else error.strerror or ""


def _said(sentence, status):
    sys.stderr.write(f"{sentence}\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv))
