"""Kept content under attack: who is logged, what is sealed, and everybody who should not read it."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from inference import content, disclosing, internal, ledger, tasks
from inference.content_models import Disclosure, KeptContent
from inference.contract import CONTENT_PATH, Content, Principal
from inference.disclosure import State, Verb
from inference.gateway.config import Misconfigured, Settings
from inference.gateway.sealing import SUITE, seal
from inference.introspection import introspect
from inference.signal_models import Signal
from portal.agreements import actions as agreements
from portal.agreements.models import ChangeClass
from portal.audit.models import Entry
from portal.checks.deployment import production
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, NotSetUp, Unavailable
from portal.outbox.models import Message
from portal.people import erasure
from portal.people import tasks as people
from portal.people.actions import give_role
from portal.people.erasure_models import ErasureRequest
from portal.people.models import Role, User
from releases.actions import rename_model
from tests.inference.bench import GATED, OPEN, Bench, event
from tests.inference.content import KEY, PRIVATE_KEY, confirmed, sign_with_logging, with_device
from tests.portal import world

PLAIN = {"asked": '{"prompt": "canary"}', "answered": '{"choices": [{"index": 0, "text": "song"}]}', "cut": False}
REASON = "A report of misuse on this day."


@pytest.fixture(autouse=True)
def _keys(settings):
    settings.CONTENT_KEY, settings.CONTENT_PRIVATE_KEY = KEY, PRIVATE_KEY


@pytest.fixture
def logged(bench) -> Bench:
    sign_with_logging(bench)
    return bench


@pytest.fixture
def noor(bench) -> User:
    return bench.world.manager


@pytest.fixture
def ines(bench) -> User:
    second = world.person("Ines Almeida")
    give_role(user=second, lab=bench.world.lab, role=Role.ADMINISTRATOR, by=None)
    return second


@pytest.fixture
def kept(bench):
    """Keep content as the private listener does; its request id."""

    def keep(request_id: str = "req-1", *, model: str = GATED, project: str = "", key: str = KEY) -> str:
        sealed = base64.b64encode(seal(json.dumps(PLAIN).encode(), KEY, request_id)).decode()
        whose = (str(bench.researcher.pk), project or str(bench.project.pk), model)
        body = Content(request_id, *whose, key, sealed).to_json().encode()
        answer = internal.respond("POST", CONTENT_PATH, b"Bearer test-internal-secret", body)
        return request_id if answer[0] == 204 else ""

    return keep


def ask(by: User, bench: Bench, *ids: str, **more) -> Disclosure:
    return disclosing.ask(by=by, lab=bench.world.lab, request_ids=ids, reason=REASON, **more)


@pytest.fixture
def asked(bench, noor, ines, kept) -> Disclosure:
    return ask(noor, bench, kept())


@pytest.fixture
def allowed(asked, ines) -> Disclosure:
    return disclosing.answer(by=ines, found=asked, verb=Verb.ALLOW)


def mails(template: str) -> list[str]:
    rows = Message.objects.filter(topic="mail.send", payload__template=template)
    return sorted(row.payload["to"] for row in rows)


def key_in(principal: Principal, model: str = GATED) -> str:
    return principal.models[model].content_key


# --- Who is logged ------------------------------------------------------------------------------------------------


def test_only_operator_and_signed_version_together_turn_it_on(bench, settings):
    assert key_in(introspect(bench.token.digest).principal) == "", "the version says nothing of it"
    sign_with_logging(bench)
    principal = introspect(bench.token.digest).principal
    assert key_in(principal) == KEY
    assert key_in(principal, OPEN) == "", "no agreement stands before an open model"
    assert Principal.from_json(principal.to_json()) == principal
    settings.CONTENT_KEY = ""
    assert key_in(introspect(bench.token.digest).principal) == ""


def test_nobody_is_logged_before_they_sign_nor_after_they_sign_a_version_without(bench):
    lab, grace = bench.world, timezone.now() + timedelta(days=9)
    agreements.publish_version(
        by=lab.manager, agreement=lab.agreement, text=world.TEXT + "Logs.", content_logging=True,
        change_class=ChangeClass.NOTICE, grace_ends_at=grace,
    )  # fmt: skip
    assert key_in(introspect(bench.token.digest).principal) == "", "access goes on under what was signed"
    sign_with_logging(bench)
    sign_with_logging(bench, logging=False)
    assert key_in(introspect(bench.token.digest).principal) == ""


def test_a_change_of_logging_is_never_editorial_and_its_text_may_stay_the_same(bench):
    lab = bench.world
    more = {"by": lab.manager, "agreement": lab.agreement, "text": world.TEXT, "content_logging": True}
    with pytest.raises(Invalid) as refused:
        agreements.publish_version(**more, change_class=ChangeClass.EDITORIAL)
    assert "change_class" in refused.value.fields
    version = agreements.publish_version(**more, change_class=ChangeClass.BLOCKING)
    with pytest.raises(Invalid):
        agreements.publish_version(**more, change_class=ChangeClass.BLOCKING)
    assert version.content_logging


def test_the_receipt_of_a_signature_says_it_and_every_page_before_does_too(bench, ines, client):
    lab = bench.world
    plain = client.get(lab.version.get_absolute_url()).content.decode()
    assert "may be kept" not in plain
    version = sign_with_logging(bench)
    assert bench.researcher.signatures.get(version=version).document["content_logging"] is True
    assert "content_logging" not in bench.researcher.signatures.get(version=lab.version).document
    for signed, said in ((version, True), (lab.version, False)):
        receipt = bench.researcher.signatures.get(version=signed).get_absolute_url()
        assert ("Prompts and answers may be kept" in client.get(receipt).content.decode()) is said, signed
    assert "may be kept, encrypted" in client.get(version.get_absolute_url()).content.decode()
    applicant = world.person("Jo Applicant")
    client.force_login(applicant)
    assert "may be kept, encrypted" in client.get(f"/apply/{lab.gate.slug}/").content.decode()
    application = lab.approved(applicant)
    assert "may be kept, encrypted" in client.get(f"{application.get_absolute_url()}sign/").content.decode()
    client.force_login(bench.researcher)
    assert "Prompt and answer are kept by the lab for 30 days" in client.get(f"/{GATED}/try").content.decode()
    assert "Neither the prompt nor the answer is kept" in client.get(f"/{OPEN}/try").content.decode()


def test_a_manager_writes_it_on_the_draft_page_and_sees_it_before_publishing(bench, noor, client):
    client.force_login(noor)
    path = f"/agreements/{bench.world.lab.slug}/research/draft/"
    page = client.get(path)
    data = {**page.context["form"].initial, "edits": page.context["edits"], "text": world.TEXT + "4.", "grace_on": ""}
    client.post(path, {**data, "content_logging": "on", "change_class": "blocking"})
    assert bench.world.agreement.draft().content_logging
    assert "may be kept, encrypted" in client.get(f"{path}publish/").content.decode()


# --- What is kept -------------------------------------------------------------------------------------------------


def test_what_is_kept_opens_with_the_private_key_alone_and_for_its_own_request(kept, settings):
    kept("req-1")
    one = KeptContent.objects.get()
    assert content.opened(one) == content.Plain(**PLAIN)
    assert b"canary" not in bytes(one.sealed)
    one.request_id = "req-2"
    with pytest.raises(Unavailable):
        content.opened(one)
    one.request_id = "req-1"
    settings.CONTENT_PRIVATE_KEY = base64.b64encode(b"7" * 32).decode()
    with pytest.raises(Unavailable) as sealed:
        content.opened(one)
    assert sealed.value.retry_after_s == 0, "to ask again does not help"
    settings.CONTENT_PRIVATE_KEY = ""
    with pytest.raises(NotSetUp):
        content.opened(one)


def test_what_a_former_key_sealed_is_kept_and_opened_while_both_halves_are_named(kept, settings):
    kept("req-1")
    settings.CONTENT_PRIVATE_KEY = base64.b64encode(b"7" * 32).decode()
    settings.CONTENT_KEY = "another public half"
    one = KeptContent.objects.get()
    with pytest.raises(Unavailable):
        content.opened(one)
    settings.FORMER_CONTENT_PRIVATE_KEYS = [PRIVATE_KEY]
    assert content.opened(one) == content.Plain(**PLAIN)
    assert kept("req-2") == "", "no half of that pair is named for sealing"
    settings.FORMER_CONTENT_KEYS = [KEY]
    assert kept("req-2") == "req-2"
    assert content.opened(KeptContent.objects.get(request_id="req-2")) == content.Plain(**PLAIN)


def test_a_gateway_does_not_start_with_the_key_that_opens(monkeypatch):
    for name, value in {"REDIS_URL": "redis://x", "INTERNAL_URL": "http://x", "INTERNAL_SECRET": "s"}.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_environment()
    monkeypatch.setenv("CONTENT_PRIVATE_KEY", PRIVATE_KEY)
    with pytest.raises(Misconfigured, match="CONTENT_PRIVATE_KEY"):
        Settings.from_environment()


def test_a_portal_in_one_process_or_with_keys_that_do_not_fit_does_not_start(settings):
    def found(mode: str) -> set[str]:
        settings.MODE = mode
        return {problem.id for problem in production(None)} & {"weighbridge.E007", "weighbridge.E008"}

    assert found("scaled") == set()
    assert found("serve") == {"weighbridge.E007"}
    settings.CONTENT_KEY = base64.b64encode(b"7" * 32).decode()
    assert found("scaled") == {"weighbridge.E008"}
    settings.CONTENT_PRIVATE_KEY = ""
    assert found("serve") == found("scaled") == set()


def test_what_was_asked_before_a_model_was_renamed_is_kept_when_it_ends_after(bench, kept):
    """The gateway names the model as it was called when the query began; the lab was promised its content."""
    rename_model(model=bench.gated_model, lab=bench.world.lab, name="renamed", by=bench.world.manager)
    assert kept()
    assert KeptContent.objects.get().lab == bench.world.lab


def test_nothing_is_kept_of_unknown_models_or_under_other_keys_or_when_it_is_off(kept, settings):
    assert not kept(model="lyceum/none")
    assert not kept(key=base64.b64encode(b"7" * 32).decode())
    settings.CONTENT_KEY = ""
    assert not kept()
    assert not KeptContent.objects.exists()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"request_id": 1}', b"\xff" * 40, b"{}"])
def test_malformed_content_is_refused(db, body):
    assert internal.respond("POST", CONTENT_PATH, b"Bearer test-internal-secret", body)[0] == 400
    assert internal.respond("POST", CONTENT_PATH, b"Bearer wrong", body)[0] == 403


def test_it_is_deleted_after_its_days_and_read_by_nobody_from_then_on(bench, allowed, ines, settings):
    settings.CONTENT_DAYS = 30
    after = timezone.now() + timedelta(days=30, minutes=1)
    Disclosure.objects.update(ends_at=after + timedelta(days=1))
    with time_machine.travel(after):
        with pytest.raises(NotFound):
            disclosing.look(by=ines, found=allowed, request_id="req-1")
        people.purge()
    assert not KeptContent.objects.exists()


def test_it_is_there_the_day_before(bench, kept):
    kept()
    with time_machine.travel(timezone.now() + timedelta(days=29)):
        people.purge()
    assert KeptContent.objects.exists()


def test_what_comes_after_its_person_was_erased_is_not_kept(bench, kept):
    """A query was under way, or its gateway could not reach the control plane for a while."""
    now = timezone.now()
    asked = ErasureRequest.objects.create(user=bench.researcher, requested_at=now, due_at=now)
    assert kept("req-before")
    assert erasure.erase(request=asked, now=timezone.now())
    assert not kept("req-after")
    assert not KeptContent.objects.exists()


def test_content_of_who_is_suspended_or_thought_better_of_it_is_kept(bench, kept):
    ErasureRequest.objects.create(
        user=bench.researcher, requested_at=timezone.now(), due_at=timezone.now(), ended_at=timezone.now()
    )
    User.objects.filter(pk=bench.researcher.pk).update(is_active=False)
    assert kept()


def test_a_command_makes_a_pair_that_fits(capsys):
    call_command("make_content_key")
    public, private = (line.partition("=")[2] for line in capsys.readouterr().out.splitlines())
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private))
    assert SUITE.decrypt(seal(b"x", public, "req-1"), key, b"weighbridge content of req-1") == b"x"


# --- Who opens it -------------------------------------------------------------------------------------------------


def test_one_asks_another_allows_and_both_read_what_was_named_and_no_more(bench, noor, ines, kept, allowed):
    kept("req-2")
    for reader in (noor, ines):
        assert disclosing.look(by=reader, found=allowed, request_id="req-1").answered == PLAIN["answered"]
        with pytest.raises(NotFound):
            disclosing.look(by=reader, found=allowed, request_id="req-2")
    looks = Entry.objects.filter(event="content.looked")
    assert {(entry.actor_id, entry.data["request"]) for entry in looks} == {
        (str(noor.pk), "req-1"),
        (str(ines.pk), "req-1"),
    }


def test_who_asks_does_not_allow_and_nobody_reads_before(noor, ines, asked):
    with pytest.raises(NotAllowed):
        disclosing.answer(by=noor, found=asked, verb=Verb.ALLOW)
    for reader in (noor, ines):
        with pytest.raises(Conflict):
            disclosing.look(by=reader, found=asked, request_id="req-1")
    with pytest.raises(IntegrityError), transaction.atomic():
        Disclosure.objects.filter(pk=asked.pk).update(
            state=State.ALLOWED,
            decided_by=noor,
            decided_at=timezone.now(),
            ends_at=timezone.now(),
            tell_at=timezone.now(),
        )


def test_a_third_manager_does_not_read_what_two_opened(bench, allowed):
    third = world.person("Sam Third")
    give_role(user=third, lab=bench.world.lab, role=Role.MANAGER, by=None)
    with pytest.raises(NotAllowed):
        disclosing.look(by=third, found=allowed, request_id="req-1")


def test_it_closes_with_its_time_or_before(noor, ines, allowed, settings):
    with time_machine.travel(allowed.ends_at + timedelta(seconds=1)), pytest.raises(Conflict):
        disclosing.look(by=noor, found=allowed, request_id="req-1")
    disclosing.answer(by=noor, found=allowed, verb=Verb.CLOSE)
    with pytest.raises(Conflict):
        disclosing.look(by=ines, found=allowed, request_id="req-1")


def test_reviewers_strangers_and_other_labs_do_nothing(bench, kept, asked):
    other = world.build("second")
    give_role(user=other.reviewers[0], lab=other.lab, role=Role.ADMINISTRATOR, by=None)
    for somebody in (other.manager, world.person("Nobody"), bench.researcher):
        with pytest.raises(NotFound):
            ask(somebody, bench, "req-1")
        with pytest.raises(NotFound):
            disclosing.answer(by=somebody, found=asked, verb=Verb.ALLOW)
    with pytest.raises(NotAllowed):
        ask(bench.world.reviewers[0], bench, "req-1")
    with pytest.raises(Invalid):
        disclosing.ask(by=other.manager, lab=other.lab, request_ids=["req-1"], reason=REASON)


def test_whoever_had_a_part_in_the_project_neither_asks_nor_allows(bench, noor, kept, asked):
    mara = bench.researcher
    give_role(user=mara, lab=bench.world.lab, role=Role.MANAGER, by=None)
    bench.project.members.update(left_at=timezone.now())
    with pytest.raises(NotAllowed):
        ask(mara, bench, "req-1")
    with pytest.raises(NotAllowed):
        disclosing.answer(by=mara, found=asked, verb=Verb.ALLOW)
    assert mara.email not in mails("content_to_allow")


def test_a_manager_who_lost_the_role_reads_no_more(bench, ines, allowed):
    bench.world.lab.memberships.filter(user=ines).update(ends_at=timezone.now())
    with pytest.raises(NotFound):
        disclosing.look(by=ines, found=allowed, request_id="req-1")


@pytest.mark.parametrize(
    ("ids", "reason", "field"),
    [([], REASON, "request_ids"), (["req-9"], REASON, "request_ids"), (["req-1"], " ", "reason"),
     (["req-1"], "x" * 1001, "reason"), (["req-1", "req-other"], REASON, "request_ids"),
     ([f"r{n}" for n in range(101)], REASON, "request_ids")],
)  # fmt: skip
def test_what_is_asked_must_be_there_of_one_project_and_have_a_reason(bench, noor, kept, ids, reason, field):
    kept("req-1")
    kept("req-other", project="another")
    with pytest.raises(Invalid) as refused:
        disclosing.ask(by=noor, lab=bench.world.lab, request_ids=ids, reason=reason)
    assert field in refused.value.fields


def test_a_signal_names_the_kept_requests_of_its_day(bench, noor, kept):
    whose = {"user_id": str(bench.researcher.pk), "project_id": str(bench.project.pk), "model": GATED}
    ledger.post([event(request_id="req-1", **whose), event(request_id="req-not-kept", **whose)])
    kept("req-1"), kept("req-of-no-ledger")
    signal = Signal.objects.create(
        lab=bench.world.lab, rule="burst", project_id=whose["project_id"], model=GATED, day=timezone.now().date(),
        figures={"tokens": 5, "usual": 1},
    )  # fmt: skip
    made = ask(noor, bench, signal=signal)
    assert [one.request_id for one in made.requests.all()] == ["req-1"]


# --- Who is told --------------------------------------------------------------------------------------------------


def test_members_are_told_at_once_and_see_it_on_the_grants_page(logged, allowed, client):
    assert mails("content_opened") == [logged.researcher.email]
    (letter,) = Message.objects.filter(topic="mail.send", payload__template="content_opened")
    assert letter.payload["context"]["path"] == reverse("access:my_grant", args=[logged.grant.pk]), "where it says what"
    tasks.tell_disclosures()
    assert len(mails("content_opened")) == 1
    client.force_login(logged.researcher)
    page = client.get(reverse("access:my_grant", args=[logged.grant.pk])).content.decode()
    assert "Content logging" in page
    assert "req-1" in page


def test_members_are_told_after_the_operators_delay_and_see_nothing_before(logged, asked, ines, settings, client):
    settings.CONTENT_TELL_HOURS = 48
    disclosing.answer(by=ines, found=asked, verb=Verb.ALLOW)
    tasks.tell_disclosures()
    client.force_login(logged.researcher)
    assert mails("content_opened") == []
    assert "req-1" not in client.get(reverse("access:my_grant", args=[logged.grant.pk])).content.decode()
    with time_machine.travel(timezone.now() + timedelta(hours=48, minutes=1)):
        assert tasks.tell_disclosures() == 1
        assert tasks.tell_disclosures() == 0
    assert mails("content_opened") == [logged.researcher.email]


def test_a_project_that_cannot_be_told_keeps_no_other_from_it(bench, noor, ines, kept, settings, monkeypatch):
    settings.CONTENT_TELL_HOURS = 1
    first, second = (ask(noor, bench, kept(name)) for name in ("req-1", "req-2"))
    for each in (first, second):
        disclosing.answer(by=ines, found=each, verb=Verb.ALLOW)
    tell = disclosing._tell

    def fails(found, now):
        if found.pk == first.pk:
            raise RuntimeError("No mail of this can be written.")
        tell(found, now)

    monkeypatch.setattr(disclosing, "_tell", fails)
    assert disclosing.tell_due(timezone.now() + timedelta(hours=2)) == 1
    assert list(Disclosure.objects.filter(told_at=None)) == [first]


def test_a_disclosure_that_is_declined_tells_the_project_nothing(noor, ines, asked):
    assert mails("content_to_allow") == [ines.email]
    disclosing.answer(by=ines, found=asked, verb=Verb.DECLINE)
    tasks.tell_disclosures()
    assert mails("content_opened") == []


def test_the_holders_page_is_silent_where_nothing_is_logged(bench, client):
    client.force_login(bench.researcher)
    page = client.get(reverse("access:my_grant", args=[bench.grant.pk])).content.decode()
    assert "Content logging" not in page


# --- The pages ----------------------------------------------------------------------------------------------------


def test_a_password_or_a_recovery_code_does_not_do(bench, noor, ines, asked):
    TOTP.activate(ines, generate_totp_secret())
    code = RecoveryCodes.activate(ines).get_unused_codes()[0]
    by_password = confirmed(ines, "account_reauthenticate", password=world.PASSWORD)
    for browser in (by_password, confirmed(ines, "mfa_reauthenticate", code=code)):
        answer = browser.post(asked.get_absolute_url(), {"verb": "allow"})
        assert answer["Location"].startswith(reverse("mfa_reauthenticate"))
        told = browser.get(answer["Location"]).content.decode()
        assert "your password or a recovery code does not open it" in told, "or one is asked again without a word"
        assert "a code of your app, or a recovery code" not in told, "what cannot open it is not offered"
        assert reverse("account_reauthenticate") not in told
    bare = confirmed(noor, "account_reauthenticate", password=world.PASSWORD)
    assert bare.post("/review/content/", {})["Location"] == reverse("mfa_index")
    asked.refresh_from_db()
    assert asked.state == State.ASKED


def test_a_recovery_code_is_not_used_up_where_it_opens_nothing_and_does_elsewhere(ines, asked):
    TOTP.activate(ines, generate_totp_secret())
    codes = RecoveryCodes.activate(ines)
    code = codes.get_unused_codes()[0]
    browser = confirmed(ines, "account_reauthenticate", password=world.PASSWORD)
    leads = browser.post(asked.get_absolute_url(), {"verb": "allow"})["Location"]
    refused = browser.post(leads, {"code": code, "next": asked.get_absolute_url()})
    assert "a recovery code does not open this" in refused.content.decode()
    assert "a code of your app, or a recovery code" not in refused.content.decode(), "nor after a wrong one"
    codes.instance.refresh_from_db()
    assert code in RecoveryCodes(codes.instance).get_unused_codes()
    elsewhere = browser.get(reverse("mfa_reauthenticate"), {"next": "/me/"}).content.decode()
    assert "a code of your app, or a recovery code" in elsewhere
    assert browser.post(reverse("mfa_reauthenticate"), {"code": code, "next": "/me/"})["Location"] == "/me/"


def test_whoever_has_a_passkey_alone_is_led_to_it(ines, asked):
    Authenticator.objects.create(user=ines, type=Authenticator.Type.WEBAUTHN, data={"name": "key", "credential": {}})
    browser = confirmed(ines, "account_reauthenticate", password=world.PASSWORD)
    leads = browser.post(asked.get_absolute_url(), {"verb": "allow"})["Location"]
    assert leads.startswith(reverse("mfa_reauthenticate_webauthn"))


def test_a_portal_without_the_key_allows_nothing_and_tells_nobody_that_something_was_opened(ines, asked, settings):
    settings.CONTENT_PRIVATE_KEY = ""
    browser = with_device(ines)
    answer = browser.post(asked.get_absolute_url(), {"verb": "allow"})
    assert answer.status_code == 409
    assert "This portal has no key to open it" in answer.content.decode()
    asked.refresh_from_db()
    assert (asked.state, mails("content_opened")) == (State.ASKED, [])
    browser.post(asked.get_absolute_url(), {"verb": "decline"})
    asked.refresh_from_db()
    assert asked.state == State.DECLINED, "a no needs no key"


@pytest.mark.parametrize(("verb", "word"), [("allow", "open"), ("decline", "declined")])
def test_the_page_of_a_disclosure_says_where_it_stands(ines, asked, verb, word):
    browser = with_device(ines)
    assert "<span>asked</span>" in browser.get(asked.get_absolute_url()).content.decode()
    browser.post(asked.get_absolute_url(), {"verb": verb})
    assert f"<span>{word}</span>" in browser.get(asked.get_absolute_url()).content.decode()


def test_a_code_of_the_app_does(ines, asked):
    with_device(ines).post(asked.get_absolute_url(), {"verb": "allow"})
    asked.refresh_from_db()
    assert asked.state == State.ALLOWED


def test_pages_of_another_lab_are_not_there(bench, allowed):
    other = with_device(world.build("second").manager)
    page = allowed.get_absolute_url()
    assert other.get(page).status_code == 404
    assert other.post(page, {"verb": "close"}).status_code == 404
    assert other.post(f"{page}req-1/").status_code == 404
    assert "req-1" not in other.get("/review/content/").content.decode()


def test_what_was_wrong_stands_beside_the_field_and_nothing_typed_is_lost(bench, noor, kept):
    kept()
    answer = with_device(noor).post("/review/content/", {"lab": "lyceum", "request_ids": "req-9", "reason": "Because."})
    assert answer.status_code == 422
    assert "Nothing is kept of these: req-9" in answer.content.decode()
    assert "Because." in answer.content.decode()


def test_the_list_costs_the_same_with_many(bench, noor, ines, kept, django_assert_max_num_queries):
    kept()
    client = Client()
    client.force_login(noor)
    client.get("/review/content/")
    for _ in range(5):
        ask(noor, bench, "req-1")
    with django_assert_max_num_queries(14):
        assert client.get("/review/content/").status_code == 200
