"""Who one is, by session: name, page, place of work, and the address that shows it. Here, because people lie below the API."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal import errors
from portal.api.fields import Choice, Taken
from portal.api.operations import IN_PERSON, Listed, Operation, Scoped
from portal.people import actions, affiliation_actions
from portal.people.adapters import within_limit
from portal.people.affiliation_actions import Place
from portal.people.countries import countries
from portal.people.models import Affiliation, AffiliationClass, Institution, Position, User

TAG: Final = "profile"


class InstitutionShape(serializers.Serializer[Any]):
    """An institution of the register."""

    ror = serializers.CharField(help_text="Its id in the Research Organization Registry.")
    name = serializers.CharField()
    city = serializers.CharField()
    country = serializers.CharField(help_text="ISO 3166-1, two letters.")
    affiliation_class = Choice(
        choices=AffiliationClass.values, source="klass", help_text="What its types in the register stand for."
    )


class PlaceShape(serializers.Serializer[Any]):
    """Where one works now, and what shows it."""

    organisation = serializers.CharField()
    ror = serializers.CharField(source="institution.ror", default=None, allow_null=True)
    site = serializers.CharField()
    country = serializers.CharField()
    position = Choice(choices=["", *Position.values])
    affiliation_class = Choice(choices=AffiliationClass.values, source="klass")
    contested = serializers.CharField(help_text="Why the register is said to be wrong.")
    evidence = serializers.CharField(help_text="What shows it; empty while nothing does.")
    verified_until = serializers.DateTimeField(allow_null=True)


class ProfileShape(serializers.Serializer[Any]):
    """What reviewers read of a person."""

    name = serializers.CharField()
    email = serializers.EmailField()
    page = serializers.CharField()
    place = PlaceShape(allow_null=True)


class PlaceSaid(Taken):
    """A place of work: by its id in the register, or by name, site and country."""

    organisation = serializers.CharField(required=False, allow_blank=True, max_length=254, default="")
    ror = serializers.CharField(required=False, allow_blank=True, max_length=40, default="")
    site = serializers.URLField(required=False, allow_blank=True, max_length=254, default="")
    country = serializers.CharField(required=False, allow_blank=True, max_length=2, default="")
    position = Choice(choices=Position.values, required=False, allow_blank=True, default="")
    affiliation_class = Choice(
        choices=AffiliationClass.values, source="klass", required=False, allow_blank=True, default=""
    )
    contested = serializers.CharField(required=False, allow_blank=True, max_length=400, default="")

    def validate_country(self, code: str) -> str:
        """A code of the list, or none. Raises ValidationError."""
        if code and code not in dict(countries()):
            raise serializers.ValidationError(_("Write the two letters of a country, as ISO 3166-1 has them."))
        return code


class ProfileSaid(Taken):
    """One's name, page and place of work; a place that is left out stays as it is."""

    name = serializers.CharField(max_length=120, help_text="As one signs: it stands on agreements and receipts.")
    page = serializers.URLField(required=False, allow_blank=True, max_length=200, default="")
    place = PlaceSaid(required=False, allow_null=True, default=None)


class AddressSaid(Taken):
    """An address at one's institution."""

    address = serializers.CharField(max_length=254)


class Searched(Taken):
    """What one types of a name, an alias or a domain."""

    q = serializers.CharField(max_length=200)


def _told(user: User) -> dict[str, Any]:
    place = Affiliation.objects.filter(user=user, ends_at=None).select_related("institution").first()
    return {"name": user.name, "email": user.email, "page": user.page, "place": place}


class MyProfile(Scoped):
    """`/api/v1/me/profile`."""

    @Operation(name="getMyProfile", tag=TAG, scopes=IN_PERSON, gives=ProfileShape)
    def get(self, request: Request) -> dict[str, Any]:
        """Read one's name and place of work, and what shows that one is there."""
        return _told(self.person(request))

    @Operation(
        name="changeMyProfile", tag=TAG, scopes=IN_PERSON, takes=ProfileSaid, gives=ProfileShape,
        links={"showMyAddress": {}},
        example={"name": "Mara Lindqvist", "place": {"organisation": "A Cooperative", "site": "https://coop.example",
                 "country": "NO", "affiliation_class": "civil_society"}},
    )  # fmt: skip
    def put(self, request: Request, said: dict[str, Any]) -> dict[str, Any]:
        """Change them. Another place of work ends the one before, and its evidence with it."""
        place = Place(**said["place"]) if said["place"] else None
        user = actions.update_profile(by=self.person(request), name=said["name"], page=said["page"], place=place)
        return _told(user)


class MyAddress(Scoped):
    """`/api/v1/me/address`."""

    @Operation(
        name="showMyAddress", tag=TAG, scopes=IN_PERSON, takes=AddressSaid, status=202, gives=PlaceShape,
        problems=(409,), example={"address": "mara@northfield.example"},
    )  # fmt: skip
    def post(self, request: Request, said: dict[str, Any]) -> Affiliation:
        """Have a link mailed to an address at one's institution. Opened in the browser, signed in, it is the evidence."""
        return affiliation_actions.mail_proof(by=self.person(request), address=said["address"]).affiliation


class Institutions(Scoped):
    """`/api/v1/institutions`."""

    @Operation(
        name="searchInstitutions", tag=TAG, scopes=IN_PERSON, asks=Searched, listed=True, gives=InstitutionShape,
        problems=(429,),
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> Listed:
        """Search the register of institutions; the best matches only."""
        if not within_limit(request._request, "institution_search"):
            raise errors.TooMany(_("Those were many searches in a minute. Wait a little and go on."), retry_after_s=60)
        return Listed(list(Institution.objects.matching(asked["q"])), lambda row: row)
