"""People, labs and where people work."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin


class PeopleConfig(AppConfig):
    """Django's registration."""

    name = "portal.people"
    label = "people"
    default = True

    def ready(self) -> None:
        """Declare what is held about people and what is mailed; listen to addresses, passwords, second factors, linked accounts and mail."""
        from portal.people import addresses, holdings, identity, letters, passwords, reach, second_factor  # noqa: F401, PLC0415


class OperatorConfig(admin.AdminConfig):
    """Django's admin, entered by our own sign-in."""

    default = False
    default_site = "portal.people.operator_site.OperatorSite"
