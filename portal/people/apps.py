"""People, labs and where people work."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Django's registration."""

    name = "portal.people"
    label = "people"

    def ready(self) -> None:
        """Declare what is held about people and what is mailed; listen to second factors, linked accounts and mail."""
        from portal.people import holdings, identity, letters, reach, second_factor  # noqa: F401, PLC0415
