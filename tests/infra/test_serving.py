"""What `make serve` asks of its mail before it opens."""

from __future__ import annotations

import smtplib
import socket

import pytest

from infra.embedded import serving
from infra.embedded.problems import Problem


@pytest.mark.parametrize("url", ["postmark://key@", "amazon_ses://key:secret@eu-central-1"])
def test_mail_by_a_service_is_no_reason_not_to_start(url: str) -> None:
    serving._mail({"MAIL_URL": url})


def test_a_mail_server_that_is_not_there_is() -> None:
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Problem, match=r"127\.0\.0\.1 does not take our connection"):
            serving._mail({"MAIL_URL": f"smtp://127.0.0.1:{taken.getsockname()[1]}"})


@pytest.mark.parametrize(("url", "port"), [("smtp://mail.example", 587), ("smtp://mail.example:2525", 2525)])
def test_a_mail_server_is_tried_where_mail_will_leave(url: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(host: str, at: int, **_kwargs: object) -> None:
        raise OSError(f"{host} at {at}")

    monkeypatch.setattr(smtplib, "SMTP", refused)
    with pytest.raises(Problem, match=rf"\(mail\.example at {port}\)"):
        serving._mail({"MAIL_URL": url})
