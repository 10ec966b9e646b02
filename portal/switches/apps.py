"""Kill switches."""

from django.apps import AppConfig


class SwitchesConfig(AppConfig):
    """Django's registration."""

    name = "portal.switches"
    label = "switches"
