"""Celery: the app and the full list of what runs by itself."""

from __future__ import annotations

import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("weighbridge")
app.set_default()  # for every thread: a task is sent from threads of the web server and of the relay too
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "open what is planned": {"task": "releases.tasks.open_due", "schedule": crontab()},
    "fail conversions whose worker went away": {
        "task": "releases.tasks.fail_abandoned_conversions",
        "schedule": crontab(),
    },
    "call the converter for conversions that wait": {
        "task": "releases.tasks.call_waiting_conversions",
        "schedule": crontab(),
    },
    "read the store again": {"task": "releases.tasks.scrub", "schedule": crontab(minute=40, hour=1)},
    "drop uploads that never became whole": {"task": "releases.tasks.purge_uploads", "schedule": crontab(minute=35)},
    "draw the daily sums of downloads": {
        "task": "releases.tasks.draw_daily_sums",
        "schedule": crontab(minute="4,19,34,49"),
    },
    "find what search does not know of": {"task": "releases.tasks.heal_search", "schedule": crontab(minute=15, hour=3)},
    "tell of holders' days that stand out": {
        "task": "releases.tasks.tell_surges",
        "schedule": crontab(minute=40, hour=0),
    },
    "collect what the store holds for nothing": {
        "task": "releases.tasks.collect_garbage",
        "schedule": crontab(minute=50, hour=3, day_of_week="sunday"),
    },
    "make coming months' partitions of both ledgers": {
        "task": "inference.tasks.make_partitions",
        "schedule": crontab(minute=8, hour=3),
    },
    "lapse forgotten applications": {"task": "portal.access.tasks.lapse_forgotten", "schedule": crontab(minute=20)},
    "ask holders to sign new versions": {
        "task": "portal.access.tasks.call_for_signatures",
        "schedule": crontab(),
    },
    "announce the end of grants": {"task": "portal.access.tasks.announce_expiries", "schedule": crontab(minute=25)},
    "remind of deletions": {"task": "portal.access.tasks.remind_of_deletions", "schedule": crontab(minute=30)},
    "send the day's digests": {"task": "portal.mail.tasks.send_digests", "schedule": crontab(minute=5)},
    "remind referees": {"task": "portal.access.tasks.remind_referees", "schedule": crontab(minute=45)},
    "close what no referee answered": {"task": "portal.access.tasks.expire_referees", "schedule": crontab(minute=50)},
    "close unanswered handovers": {"task": "portal.access.tasks.lapse_handovers", "schedule": crontab(minute=36)},
    "close unanswered invitations": {"task": "portal.access.tasks.lapse_invitations", "schedule": crontab(minute=35)},
    "ask officials to confirm their rosters": {
        "task": "portal.access.tasks.announce_attestations",
        "schedule": crontab(minute=35),
    },
    "sign the day's root of the audit trail": {
        "task": "portal.audit.tasks.sign_closed_days",
        "schedule": crontab(minute=10, hour=0),
    },
    "erase those who asked to be": {"task": "portal.people.tasks.erase_due", "schedule": crontab(minute=15)},
    "ask labs for new secrets of webhooks": {
        "task": "portal.webhooks.tasks.ask_for_new_secrets",
        "schedule": crontab(minute=50),
    },
    "drop page tokens of a month ago": {
        "task": "portal.tokens.tasks.drop_page_tokens",
        "schedule": crontab(minute=20, hour=3),
    },
    "delete what is past its time": {"task": "portal.people.tasks.purge", "schedule": crontab(minute=25, hour=3)},
    "say which days of queries stand out": {
        "task": "inference.tasks.raise_signals",
        "schedule": crontab(minute=45, hour=0),
    },
    "tell of allowances that come to their end": {
        "task": "inference.tasks.tell_allowances",
        "schedule": crontab(minute="*/5"),
    },
    "tell of content that was opened": {"task": "inference.tasks.tell_disclosures", "schedule": crontab()},
    "call a worker for batches that have none": {
        "task": "inference.tasks.call_silent_batches",
        "schedule": crontab(),
    },
    "score evaluation runs whose batch is over": {
        "task": "inference.tasks.follow_evaluations",
        "schedule": crontab(),
    },
    "delete files of batches past their time": {
        "task": "inference.tasks.discard_expired_files",
        "schedule": crontab(minute=15),
    },
    "anchor the closed hours": {"task": "inference.tasks.anchor_closed_hours", "schedule": crontab(minute=2)},
    "compare the ledger with the engines": {"task": "inference.tasks.reconcile_usage", "schedule": crontab(minute=40)},
}
