"""Inference: the use of models, and its ledger."""

from importlib import import_module

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    """Django's registration; what it registers lies in receivers.py and panels.py."""

    name = "inference"

    def ready(self) -> None:
        """Register the outbox handlers, the section of `/me/`, receipts, what was measured, what is held about people and in the drawer, and which mail is sent."""
        import_module("inference.holdings")
        import_module("inference.letters")
        import_module("inference.private_files")
        import_module("inference.receivers")
        import_module("inference.panels")
        import_module("inference.receipts")
        import_module("inference.throughput")
        import_module("inference.evaluating.telling")
