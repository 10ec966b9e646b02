"""Make the pair of keys for content logging."""

from __future__ import annotations

import base64
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Make the two keys for content logging. Nothing is kept of them here."

    def handle(self, *_args: Any, **_options: Any) -> None:
        private = X25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        self.stdout.write(f"CONTENT_KEY={base64.b64encode(public).decode()}")
        self.stdout.write(f"CONTENT_PRIVATE_KEY={base64.b64encode(private.private_bytes_raw()).decode()}")
