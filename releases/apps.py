"""What is released: families, models, revisions, files."""

from importlib import import_module

from django.apps import AppConfig


class ReleasesConfig(AppConfig):
    """Django's registration; what it shows on the portal's pages lies in panels.py."""

    name = "releases"
    label = "releases"

    def ready(self) -> None:
        """Register receipts, what stands behind gates, what is held about people, which mail is sent, and who hears of what."""
        import_module("releases.conversion.receipts")
        import_module("releases.holdings")
        import_module("releases.letters")
        import_module("releases.panels")
        import_module("releases.receivers")
        import_module("releases.whereabouts")
        import_module("releases.evaluations.receivers")
        import_module("releases.curves.carried")
