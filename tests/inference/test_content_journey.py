"""Content logging from the query to the page that opens it: a real gateway, the real private listener, the pages."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.db import connection
from django.test import Client
from django.urls import reverse

from inference import routes
from inference.content_models import Disclosure, KeptContent
from portal.agreements import actions as agreements
from portal.outbox import delivery
from portal.people.actions import give_role
from portal.people.models import Role
from tests.inference import bench
from tests.inference.content import KEY, PRIVATE_KEY, sign_with_logging, with_device
from tests.inference.gateway import rig
from tests.inference.listener import listening
from tests.portal import world

PROMPT = "canary-prompt-7719"
ANSWER = "canaryanswer"


@pytest.fixture(scope="module")
def planes(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[rig.Engine, rig.Gateway]]:
    """An engine, and a gateway in a process of its own, which knows no key but what the principal carries."""
    home, engine = tmp_path_factory.mktemp("c"), rig.Engine()
    os.environ["CONTENT_KEY"] = KEY
    try:
        with listening(home):
            gateway = rig.Gateway(home, os.environ["REDIS_URL"], INTERNAL_SECRET="test-internal-secret").ready()
            yield engine, gateway
            gateway.stop()
    finally:
        del os.environ["CONTENT_KEY"]
        engine.stop()


@pytest.fixture
def served(
    transactional_db: None, store: redis.Redis, settings: Any, planes: tuple[rig.Engine, rig.Gateway]
) -> tuple[Any, str]:
    """The bench behind that gateway."""
    settings.CONTENT_KEY, settings.CONTENT_PRIVATE_KEY = KEY, PRIVATE_KEY
    (engine, gateway), made = planes, bench.build()
    made.gated_model.pools.update(engine_model="fake", embeds=True)
    made.gated_model.pools.get().backends.update(url=engine.url)
    routes.push()
    rig.settle_routes()
    return made, gateway.base


def posted(base: str, secret: str, path: str, **body: object) -> tuple[str, Any]:
    """Body and headers of the answer."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {secret}"}
    whole = json.dumps({"model": bench.GATED, **body}).encode()
    with urllib.request.urlopen(urllib.request.Request(base + path, whole, headers), timeout=20) as answer:
        return answer.read().decode(), answer.headers


def asked(base: str, secret: str, *, stream: bool = False) -> tuple[str, Any]:
    prompt = f"{PROMPT} #text={ANSWER}"
    answer, headers = posted(base, secret, "/v1/completions", prompt=prompt, max_tokens=3, stream=stream)
    assert ANSWER in answer
    return headers["x-request-id"], headers


def everything() -> str:
    """All that the database and the store of limits hold, as text: what a dump would show."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            found += [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT encode(sealed, 'escape') FROM inference_keptcontent")
        found += [row[0] for row in cursor.fetchall()]
    limits = redis.Redis.from_url(os.environ["REDIS_URL"])
    return "\n".join([*found, *(repr(limits.dump(key)) for key in limits.scan_iter("*"))])


def test_a_query_is_kept_sealed_only_where_the_signed_version_says_so_and_two_people_read_it(served):
    made, base = served
    _, headers = asked(base, made.secret)
    assert "weighbridge-content" not in headers, "the version that Mara signed says nothing of it"
    sign_with_logging(made)
    delivery.deliver_due()
    first, headers = asked(base, made.secret)
    assert headers["weighbridge-content"] == "logged"
    streamed, _ = asked(base, made.secret, stream=True)
    rig.wait_for(lambda: KeptContent.objects.count() == 2)
    assert {kept.pk for kept in KeptContent.objects.all()} == {first, streamed}
    dump = everything()
    assert first in dump
    assert PROMPT not in dump
    assert ANSWER not in dump
    second = world.person("Ines Almeida")
    give_role(user=second, lab=made.world.lab, role=Role.ADMINISTRATOR, by=None)
    asker, allower = with_device(made.world.manager), with_device(second)
    reason = {"lab": "lyceum", "request_ids": f"{first}\n{streamed}", "reason": "A report of misuse."}
    page = asker.post("/review/content/", reason)["Location"]
    assert asker.post(page, {"verb": "allow"}).status_code == 409, "who asks does not allow"
    assert asker.post(f"{page}{first}/").status_code == 409, "nor reads before"
    assert allower.post(page, {"verb": "allow"}).status_code == 302
    for request_id in (first, streamed):
        for reader in (asker, allower):
            shown = reader.post(f"{page}{request_id}/").content.decode()
            assert PROMPT in shown
            assert f"{ANSWER} {ANSWER}" in shown or f"{ANSWER}{ANSWER}" in shown, "put together from its events"
    assert PROMPT not in everything(), "reading leaves no copy"
    holder = Client()
    holder.force_login(made.researcher)
    told = holder.get(reverse("access:my_grant", args=[made.grant.pk])).content.decode()
    assert first in told


def test_what_a_tokenizer_is_asked_is_not_kept_and_what_becomes_vectors_is(served):
    made, base = served
    sign_with_logging(made)
    delivery.deliver_due()
    for path, body in (("/tokenize", {"prompt": PROMPT}), ("/detokenize", {"tokens": [1, 2]})):
        assert "weighbridge-content" not in posted(base, made.secret, path, **body)[1]
    _, headers = posted(base, made.secret, "/v1/embeddings", input=PROMPT)
    assert headers["weighbridge-content"] == "logged"
    rig.wait_for(KeptContent.objects.exists)
    assert [kept.pk for kept in KeptContent.objects.all()] == [headers["x-request-id"]], "they are handed over in order"


def test_models_say_whether_content_is_logged(served):
    made, base = served

    def card() -> bool:
        headers = {"authorization": f"Bearer {made.secret}"}
        request = urllib.request.Request(f"{base}/v1/models/{bench.GATED}", headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bool(json.load(answer)["content_logging"])

    assert not card()
    sign_with_logging(made)
    delivery.deliver_due()
    assert card()
    assert agreements.Version.objects.get(number=2).content_days == 30
    assert not Disclosure.objects.exists()
