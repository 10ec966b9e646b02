"""Signing in with an account elsewhere, against a real OpenID Connect server: what opens an account, and what does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal import env
from portal.access import forms
from portal.audit.models import Entry
from portal.errors import Misconfigured
from portal.outbox.models import Message
from portal.people import orcid, ror
from portal.people.institution_actions import import_register
from portal.people.models import Membership, User
from tests.portal import openid, world
from tests.portal.openid import Provider
from tests.portal.test_second_factor import can_sign_in, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("openid")]
ID = "0000-0002-1825-0097"
CONNECTIONS = "/account/linked/"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with openid.running() as provider:
        yield provider


@pytest.fixture
def provider(running: Provider, settings) -> Provider:
    running.honest()
    settings.SOCIALACCOUNT_PROVIDERS = running.listed()
    return running


def has_account(user: User, sub: str, provider: str = openid.PROVIDER, **told: object) -> SocialAccount:
    return SocialAccount.objects.create(user=can_sign_in(user), provider=provider, uid=sub, extra_data=told)


def who(client: Client) -> User | None:
    found = client.get("/me/")
    return found.wsgi_request.user if found.status_code == 200 else None


# --- The happy path ---------------------------------------------------------------------------------------------


def test_a_stranger_with_a_verified_address_looks_at_what_is_known_and_is_in(provider):
    sub = provider.knows("s1", email="Ada@Northfield.example", email_verified=True, name="Ada Berg")
    client = Client()
    answer = provider.enter(client, sub)
    assert answer["Location"] == reverse("socialaccount_signup")
    page = client.get(answer["Location"])
    assert page.context["form"].initial["name"] == "Ada Berg"
    assert not User.objects.exists(), "nothing is made before one has looked"
    done = client.post(answer["Location"], {"name": "Ada Berg", "email": "ada@northfield.example"})
    assert done["Location"] == "/me/"
    ada = User.objects.get()
    assert (ada.name, ada.email, ada.has_usable_password()) == ("Ada Berg", "ada@northfield.example", False)
    assert EmailAddress.objects.get().verified
    assert not Message.objects.filter(topic="mail.send").exists(), "no link to follow"
    assert list(Entry.objects.order_by("id").values_list("event", flat=True)) == ["user.registered", "account.linked"]
    assert Entry.objects.get(event="account.linked").data == {"provider": "northfield"}


def test_whoever_is_linked_is_in_at_once_and_goes_where_they_wanted(provider, mara):
    sub = provider.knows("s2", name="Mara")
    has_account(mara, sub)
    client = Client()
    assert provider.enter(client, sub, next="/me/profile/")["Location"] == "/me/profile/"
    assert who(client) == mara


def test_we_keep_neither_tokens_nor_more_claims_than_we_need(provider):
    more = {"phone_number": "+47 1", "birthdate": "1990-01-01"}
    sub = provider.knows("s3", name="Ada", email="ada@northfield.example", email_verified=True, **more)
    client = Client()
    client.post(provider.enter(client, sub)["Location"], {"name": "Ada", "email": "ada@northfield.example"})
    assert SocialAccount.objects.get().extra_data == {"name": "Ada", "email": "ada@northfield.example"}
    assert not SocialToken.objects.exists()


# --- Addresses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [False, None, "false", "yes", 1])
def test_an_address_that_the_provider_has_not_verified_waits_for_our_link(provider, said):
    sub = provider.knows(f"u-{said}", name="Eve", email="eve@northfield.example", email_verified=said)
    client = Client()
    done = client.post(provider.enter(client, sub)["Location"], {"name": "Eve", "email": "eve@northfield.example"})
    assert "confirm-email" in done["Location"]
    assert who(client) is None
    assert not EmailAddress.objects.get().verified


@pytest.mark.parametrize("verified", [True, False])
def test_an_address_at_a_provider_never_opens_the_account_that_has_it(provider, mara, verified):
    """The attack: somebody makes an account elsewhere with Mara's address, and comes in by it."""
    can_sign_in(mara)
    sub = provider.knows(f"evil-{verified}", name="Mara", email=mara.email, email_verified=verified)
    client = Client()
    done = client.post(provider.enter(client, sub)["Location"], {"name": "Mara", "email": mara.email})
    assert "confirm-email" in done["Location"], "as if a link had been sent, so that nobody learns who has an account"
    assert who(client) is None
    assert not SocialAccount.objects.exists()
    assert Message.objects.get(topic="mail.send").payload["template"] == "account_exists"
    mara.refresh_from_db()
    assert mara.check_password(world.PASSWORD), "and Mara's own way in is as it was"


def test_a_verified_address_vouches_for_no_other_address(provider):
    """The attack: come with a verified address of one's own, then write somebody else's into the form."""
    sub = provider.knows("s4", name="Eve", email="eve@northfield.example", email_verified=True)
    client = Client()
    done = client.post(provider.enter(client, sub)["Location"], {"name": "Eve", "email": "rector@northfield.example"})
    assert "confirm-email" in done["Location"]
    assert who(client) is None
    assert list(EmailAddress.objects.values_list("email", "verified")) == [("rector@northfield.example", False)]


def test_without_an_address_of_the_provider_one_writes_it_and_follows_our_link(provider, settings):
    settings.SOCIALACCOUNT_PROVIDERS = provider.listed("orcid")
    provider.knows(ID, given_name="Josiah", family_name="Carberry")
    client = Client()
    answer = provider.enter(client, ID, "orcid")
    assert client.get(answer["Location"]).context["form"].initial["name"] == "Josiah Carberry"
    wrong = client.post(answer["Location"], {"name": "", "email": ""})
    assert wrong.status_code == 200
    assert {"name", "email"} <= set(wrong.context["form"].errors)
    done = client.post(answer["Location"], {"name": "Josiah Carberry", "email": "josiah@brown.example"})
    assert "confirm-email" in done["Location"]
    assert SocialAccount.objects.get().uid == ID


# --- What must not be believed ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lie", "forged"),
    [
        ({"nonce": "another"}, False),
        ({"nonce": None}, False),
        ({"exp": int(time.time()) - 3600}, False),
        ({"exp": None}, False),
        ({"iss": "https://elsewhere.example"}, False),
        ({"aud": "another-portal"}, False),
        ({"azp": "another-portal"}, False),
        ({"sub": "somebody-else"}, False),
        ({}, True),
    ],
)
def test_an_id_token_that_does_not_hold_opens_nothing(provider, mara, lie, forged):
    sub = provider.knows("s5", name="Mara")
    has_account(mara, sub)
    provider.changes, provider.forged = lie, forged
    client = Client()
    answer = provider.enter(client, sub)
    assert answer.status_code == 401
    assert "That did not work" in answer.content.decode()
    assert who(client) is None


def test_the_door_of_these_tests_lets_an_honest_token_through(provider, mara):
    sub = provider.knows("s6", name="Mara")
    has_account(mara, sub)
    provider.changes = {"name": "Mara L."}
    assert provider.enter(Client(), sub)["Location"] == "/me/"


def test_user_info_about_somebody_else_opens_nothing(provider, mara, stranger):
    sub = provider.knows("s7", name="Ida")
    has_account(mara, "the-rector")
    provider.told = {"sub": "the-rector"}
    assert provider.enter(Client(), sub).status_code == 401


def test_an_answer_counts_once_and_in_the_browser_that_asked(provider, mara):
    sub = provider.knows("s8", name="Mara")
    has_account(mara, sub)
    client = Client()
    back = provider.consent(provider.sent_to(client), sub)
    assert Client().get(back).status_code == 401, "another browser"
    assert client.get(back.replace("state=", "state=x")).status_code == 401, "another state"
    assert client.get(back).status_code == 302
    client.post("/account/logout/")
    assert client.get(back).status_code == 401, "a second time"


def test_an_answer_of_one_provider_does_not_count_at_another(provider, mara, settings):
    settings.SOCIALACCOUNT_PROVIDERS = provider.listed(openid.PROVIDER, "orcid")
    has_account(mara, provider.knows(ID, name="Mara"), "orcid")
    client = Client()
    back = provider.consent(provider.sent_to(client), ID)
    assert client.get(back.replace("/northfield/", "/orcid/")).status_code == 401
    assert who(client) is None


def test_a_subject_that_is_no_orcid_id_is_not_shown_as_one(provider, settings):
    settings.SOCIALACCOUNT_PROVIDERS = provider.listed("orcid")
    provider.knows("0000-0002-1825-0098", name="Eve")
    assert provider.enter(Client(), "0000-0002-1825-0098", "orcid").status_code == 401


# --- When it does not come to that ------------------------------------------------------------------------------


def test_who_says_no_at_the_provider_is_told_that_nothing_happened(provider):
    client = Client()
    back = provider.consent(provider.sent_to(client), "s9", action="deny")
    answer = client.get(back, follow=True)
    assert answer.status_code == 200
    assert "You turned back" in answer.content.decode()
    assert not User.objects.exists()


def test_a_provider_that_is_down_has_a_page_before_and_after(provider):
    client = Client()
    address = provider.sent_to(client)
    back = provider.consent(address, provider.knows("s10", name="Ada"))
    provider.down = True
    for answer in (client.get(back), client.post("/account/linked/northfield/login/")):
        assert answer.status_code == 401
        assert "Begin again from the sign-in page" in answer.content.decode()
    provider.down = False
    assert provider.enter(client, "s10").status_code == 302


def test_a_provider_that_is_nowhere_has_a_page_too(provider, settings):
    settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["settings"]["server_url"] = "http://127.0.0.1:9"
    assert Client().post("/account/linked/northfield/login/").status_code == 401


def test_a_provider_that_nobody_listed_is_not_there(provider):
    for path in ("saltmarsh", "openid_connect", "github", "orcid"):
        assert Client().get(f"/account/linked/{path}/login/").status_code == 404
        assert Client().get(f"/account/linked/{path}/login/callback/?state=x").status_code == 404


def test_the_way_to_the_provider_begins_with_a_press(provider):
    page = Client().get("/account/linked/northfield/login/")
    assert page.status_code == 200
    assert "Northfield University" in page.content.decode()
    assert Client(enforce_csrf_checks=True).post("/account/linked/northfield/login/").status_code == 403


def test_an_address_of_ours_changes_nothing_of_what_the_provider_is_asked(provider):
    lure = "?auth_params=redirect_uri%3Dhttps%3A%2F%2Fevil.example%26nonce%3D1&scope=admin&next=https://evil.example/"
    client = Client()
    address = client.post(f"/account/linked/northfield/login/{lure}").context["url"]
    assert "evil" not in address
    assert "admin" not in address
    [state] = client.session["socialaccount_states"].values()
    assert "next" not in state[0]


def test_claims_of_any_shape_are_cut_to_what_we_keep(provider):
    odd = {
        "name": "A\x00da" * 200,
        "schac_home_organization": {"x": 1},
        "eduperson_scoped_affiliation": ["a" * 999, 7] * 30,
    }
    client = Client()
    path = provider.enter(client, provider.knows("s27", **odd))["Location"]
    client.post(path, {"name": "Ada", "email": "ada@northfield.example"})
    told = SocialAccount.objects.get().extra_data
    assert sorted(told) == ["eduperson_scoped_affiliation", "name"]
    assert (len(told["name"]), len(told["eduperson_scoped_affiliation"])) == (254, 10)


def test_who_begins_twice_gets_one_account_and_is_told_so(provider):
    sub = provider.knows("s26", name="Ada")
    one, other = Client(), Client()
    path = provider.enter(one, sub)["Location"]
    provider.enter(other, sub)
    one.post(path, {"name": "Ada", "email": "ada@northfield.example"})
    late = other.post(path, {"name": "Ada", "email": "ada@home.example"}, follow=True)
    assert "There is an account for this already" in late.content.decode()
    assert User.objects.get().email == "ada@northfield.example"


# --- What pages say ---------------------------------------------------------------------------------------------


def test_where_no_provider_is_listed_no_page_speaks_of_one(mara):
    client = signed_in(can_sign_in(mara))
    for page in (Client().get("/account/login/"), Client().get("/account/signup/"), client.get("/me/profile/")):
        assert "inked" not in page.content.decode()
        assert "elsewhere" not in page.content.decode()


def test_the_listed_ones_are_buttons_on_both_pages_and_keep_the_way(provider, mara):
    for path in ("/account/login/", "/account/signup/"):
        text = Client().get(f"{path}?next=/me/tokens/").content.decode()
        assert "Go on with Northfield University" in text
        assert text.count('name="next" value="/me/tokens/"') >= 2, "with the password and with the provider"
    assert "Linked accounts" in signed_in(can_sign_in(mara)).get("/me/profile/").content.decode()


# --- Linking and unlinking --------------------------------------------------------------------------------------


def test_linking_asks_for_the_password_then_goes_on_by_itself_and_unlinking_too(provider, mara):
    sub = provider.knows("s11", name="Mara", email="elsewhere@northfield.example", email_verified=True)
    client = signed_in(can_sign_in(mara))
    asked = client.post("/account/linked/northfield/login/", {"process": "connect"})
    assert asked["Location"].startswith("/account/reauthenticate/")
    onward = client.post(asked["Location"], {"password": world.PASSWORD})
    assert client.get(provider.consent(onward.context["url"], sub))["Location"] == CONNECTIONS
    account = SocialAccount.objects.get(user=mara)
    page = client.get(CONNECTIONS).content.decode()
    assert "Unlink Northfield University" in page
    assert "Link Northfield University" not in page, "once is enough"
    assert "elsewhere@northfield.example" in page
    assert EmailAddress.objects.filter(user=mara).count() == 1, "an address is not taken over by the way"
    client.post(CONNECTIONS, {"account": account.pk})
    assert not SocialAccount.objects.exists()
    events = Entry.objects.filter(event__startswith="account.").order_by("id")
    assert list(events.values_list("event", "actor_id")) == [
        ("account.linked", str(mara.pk)),
        ("account.unlinked", str(mara.pk)),
    ]


def test_unlinking_asks_for_the_password(provider, mara):
    account = has_account(mara, "s12")
    client = signed_in(mara)
    asked = client.post(CONNECTIONS, {"account": account.pk})
    assert asked["Location"].startswith("/account/reauthenticate/")
    assert SocialAccount.objects.exists()


def test_an_account_elsewhere_opens_one_account_here_and_nobody_unlinks_another_s(provider, mara, stranger):
    sub = provider.knows("s13", name="Mara")
    account = has_account(mara, sub)
    client = signed_in(can_sign_in(stranger))
    client.post("/account/reauthenticate/", {"password": world.PASSWORD})
    page = client.get(provider.enter(client, sub, process="connect")["Location"])
    assert "opens another account here" in page.content.decode()
    client.post(CONNECTIONS, {"account": account.pk})
    account.refresh_from_db()
    assert account.user == mara


def test_nobody_unlinks_their_last_way_in(provider, mara):
    account = has_account(mara, provider.knows("s14", name="Mara"))
    mara.set_unusable_password()
    mara.save()
    client = Client()
    provider.enter(client, "s14")
    answer = client.post(CONNECTIONS, {"account": account.pk})
    assert answer.status_code == 200
    assert "Set a password first" in answer.content.decode()
    assert SocialAccount.objects.exists()


def test_an_account_of_a_provider_that_is_listed_no_more_is_shown_and_can_be_unlinked(provider, mara, settings):
    account = has_account(mara, "s15", name="Mara L.")
    settings.SOCIALACCOUNT_PROVIDERS = {}
    client = signed_in(mara)
    assert "Mara L." in client.get(CONNECTIONS).content.decode()
    client.post("/account/reauthenticate/", {"password": world.PASSWORD})
    client.post(CONNECTIONS, {"account": account.pk})
    assert not SocialAccount.objects.exists()


# --- Second factors ---------------------------------------------------------------------------------------------


def test_the_second_factor_is_asked_after_a_provider_as_after_a_password(provider, mara):
    sub = provider.knows("s16", name="Mara")
    has_account(mara, sub)
    TOTP.activate(mara, generate_totp_secret())
    client = Client()
    assert provider.enter(client, sub)["Location"] == reverse("mfa_authenticate")
    assert who(client) is None


def test_staff_who_come_by_a_provider_need_a_second_factor_too(provider, lyceum, settings):
    settings.STAFF_SECOND_FACTOR = True
    reviewer = lyceum.reviewers[0]
    Membership.objects.filter(user=reviewer).update(starts_at=timezone.now() - timedelta(days=30))
    sub = provider.knows("s17", name="Reviewer")
    has_account(reviewer, sub)
    client = Client()
    provider.enter(client, sub)
    assert client.get("/review/")["Location"] == reverse("mfa_index")


def test_a_suspended_person_does_not_come_in_by_a_provider(provider, mara):
    sub = provider.knows("s18", name="Mara")
    has_account(mara, sub)
    User.objects.filter(pk=mara.pk).update(is_active=False)
    client = Client()
    assert provider.enter(client, sub)["Location"] == "/account/inactive/"
    assert who(client) is None


def only_by(provider: Provider, user: User, sub: str) -> Client:
    """Signed in by the provider, without a password."""
    has_account(user, provider.knows(sub, name=user.name))
    user.set_unusable_password()
    user.save()
    client = Client()
    provider.enter(client, sub)
    return client


def test_signing_without_a_password_asks_at_the_provider_and_then_goes_on_by_itself(provider, lyceum, mara, settings):
    settings.STEP_UP = True
    application = lyceum.approved(mara)
    client = only_by(provider, mara, "s20")
    path = reverse("access:sign", args=[application.pk])
    asked = client.post(path, {"typed_name": mara.name, "capacity": "for myself", "text_sha256": lyceum.version.sha256})
    assert asked["Location"].startswith(reverse("linked_confirm"))
    assert not mara.signatures.exists()
    assert "Go on with Northfield University" in client.get(asked["Location"]).content.decode()
    address = provider.sent_to(client, process="confirm", next=path)
    assert "prompt=login" in address, "an open session there proves nothing"
    provider.knows("s21", name="Ida")
    refused = client.get(provider.consent(address, "s21"))
    assert refused["Location"] == reverse("linked_confirm")
    assert not mara.signatures.exists(), "somebody else's account confirms nothing"
    client.get(provider.consent(provider.sent_to(client, process="confirm", next=path), "s20"))
    assert mara.signatures.count() == 1
    assert who(client) == mara


def test_nobody_confirms_who_is_not_signed_in(provider, mara):
    has_account(mara, provider.knows("s22", name="Mara"))
    client = Client()
    assert provider.enter(client, "s22", process="confirm")["Location"] == reverse("linked_confirm")
    assert who(client) is None


def test_linking_and_leaving_without_a_password_ask_at_the_provider(provider, mara):
    client = only_by(provider, mara, "s23")
    for path, data in ((f"{CONNECTIONS}northfield/login/", {"process": "connect"}), ("/me/data/export/", {})):
        assert client.post(path, data)["Location"].startswith(reverse("linked_confirm")), path


@pytest.mark.parametrize("page", ["mfa_activate_totp", "mfa_add_webauthn"])
def test_who_has_confirmed_at_the_provider_sets_up_a_second_factor_and_links_another_account(provider, mara, page):
    client, path = only_by(provider, mara, "s26"), reverse(page)
    assert client.get(path)["Location"].startswith(reverse("linked_confirm"))
    client.get(provider.consent(provider.sent_to(client, process="confirm", next=path), "s26"))
    assert client.get(path).status_code == 200
    provider.enter(client, provider.knows("s27", name="Mara"), process="connect")
    assert SocialAccount.objects.filter(user=mara).count() == 2


def test_whoever_s_provider_is_gone_is_told_what_to_do(provider, mara, settings):
    client = only_by(provider, mara, "s24")
    settings.SOCIALACCOUNT_PROVIDERS = {}
    assert "Set a password" in client.get(reverse("linked_confirm")).content.decode()


def test_who_has_an_account_linked_or_unlinked_hears_of_it_by_mail(provider, mara):
    client = signed_in(can_sign_in(mara))
    client.post("/account/reauthenticate/", {"password": world.PASSWORD})
    provider.enter(client, provider.knows("s25", name="Mara"), process="connect")
    client.post(CONNECTIONS, {"account": SocialAccount.objects.get().pk})
    told = [each["context"]["event"] for each in Message.objects.order_by("id").values_list("payload", flat=True)]
    assert told == ["account_connected", "account_disconnected"]


# --- Settings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ('{"id": "orcid"}', "list of objects"),
        ('[{"id": "orcid"}]', "lacks client_id, secret"),
        ('[{"id": "x", "client_id": "a", "secret": "b"}]', "lacks name, server"),
        ('[{"id": "Nord Feld"}]', "is no id"),
        ('[{"id": "login"}]', "is no id"),
        ('[{"id": "x", "name": "X", "server": "http://x.example", "client_id": "a", "secret": "b"}]', "https://"),
        (
            '[{"id": "orcid", "client_id": "a", "secret": "b"}, {"id": "orcid", "client_id": "a", "secret": "b"}]',
            "twice",
        ),
    ],
)
def test_a_wrong_list_of_providers_stops_the_start_with_the_fix(text, said):
    with pytest.raises(Misconfigured, match=said):
        env.sign_in(text)


def test_orcid_google_and_github_need_no_more_than_their_keys():
    keys = '"client_id": "a", "secret": "b"'
    found = env.sign_in(f'[{{"id": "orcid", {keys}}}, {{"id": "google", {keys}}}, {{"id": "github", {keys}}}]')
    orcid, google = found["openid_connect"]["APPS"]
    assert (orcid["name"], orcid["settings"]["server_url"]) == ("ORCID", "https://orcid.org")
    assert orcid["settings"]["scope"] == ["openid"]
    assert google["settings"]["server_url"] == "https://accounts.google.com"
    assert found["github"]["APPS"][0]["name"] == "GitHub"
    assert env.sign_in("") == {"openid_connect": {"APPS": []}, "github": {"APPS": []}}


# --- Evidence and first answers ---------------------------------------------------------------------------------


def test_reviewers_see_who_vouches_for_the_applicant_and_strangers_of_another_lab_nothing(
    lyceum, harbour, mara, settings
):
    application = lyceum.applied(mara)
    path = reverse("access:review", args=[application.pk])
    reviewer, other = Client(), Client()
    reviewer.force_login(lyceum.reviewers[0])
    other.force_login(harbour.reviewers[0])
    assert "ORCID" not in reviewer.get(path).content.decode().replace("ORCID record", "")
    settings.SOCIALACCOUNT_PROVIDERS = env.sign_in('[{"id": "orcid", "client_id": "a", "secret": "b"}]')
    has_account(mara, ID, "orcid", name="Mara")
    SocialAccount.objects.create(
        user=mara, provider="northfield", uid="7", extra_data={"email": "m@northfield.example"}
    )
    page = " ".join(reviewer.get(path).content.decode().split())
    assert f'<a href="https://orcid.org/{ID}" rel="noreferrer">{ID}</a>' in page
    assert "verified by ORCID, " in page
    assert "m@northfield.example" in page
    assert other.get(path).status_code == 404


@pytest.fixture
def register(db):
    import_register(ror.read(ror.SAMPLE), by=None)


def test_the_orcid_record_and_the_home_that_a_provider_names_are_first_answers(lyceum, mara, register):
    told = {
        "schac_home_organization": "northfield.example",
        "eduperson_scoped_affiliation": ["member@x", "staff@northfield.example"],
    }
    has_account(mara, "7", "northfield", **told)
    SocialAccount.objects.create(user=mara, provider="orcid", uid=ID)
    known = forms.prefill(lyceum.gate.form_spec, mara)
    assert known["profile"] == f"https://orcid.org/{ID}"
    assert known["institution"]["name"] == "Northfield University"
    assert (known["affiliation_class"], known["role"]) == ("academia", "staff")
    assert not mara.affiliations.exists(), "a first answer is not yet said, and no evidence"


def test_a_verified_address_names_the_institution_and_an_unverified_or_free_one_does_not(lyceum, mara, register):
    spec = lyceum.gate.form_spec
    address = EmailAddress.objects.create(user=mara, email="mara@cs.northfield.example", verified=False)
    assert "institution" not in forms.prefill(spec, mara)
    EmailAddress.objects.filter(pk=address.pk).update(verified=True)
    assert forms.prefill(spec, mara)["institution"]["name"] == "Northfield University"
    EmailAddress.objects.filter(pk=address.pk).update(email="mara@gmail.com")
    assert "institution" not in forms.prefill(spec, mara)


def test_the_profile_offers_the_same_and_keeps_nothing_until_it_is_saved(mara, register):
    has_account(mara, ID, "orcid")
    EmailAddress.objects.filter(user=mara).update(email="mara@northfield.example")
    form = signed_in_by_force(mara).get("/me/profile/").context["form"]
    assert (form["organisation"].value(), form["page"].value()) == ("Northfield University", f"https://orcid.org/{ID}")
    assert not mara.affiliations.exists()


def signed_in_by_force(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_what_one_says_oneself_goes_before_what_a_provider_says(lyceum, mara, register):
    has_account(mara, "7", "northfield", schac_home_organization="northfield.example")
    world.work_at("The Free Laboratory", mara)
    assert forms.prefill(lyceum.gate.form_spec, mara)["institution"]["name"] == "The Free Laboratory"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (ID, True),
        ("0000-0002-1694-233X", True),
        ("0000-0002-1825-0096", False),
        ("0000-0002-1825", False),
        (f"{ID}\n", False),
    ],
)
def test_an_orcid_id_checks_itself(text, right):
    assert orcid.is_id(text) is right
