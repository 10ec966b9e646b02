"""The life of a grant after it is given: renewals, history, notices, deletion; and that what is over stays over."""

import django.db.models.deletion
import portal.access.lifetime
import uuid
from django.conf import settings
from django.db import migrations, models


FORWARD = """
CREATE FUNCTION access_grant_stays_over() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.revoked_at IS NOT NULL AND (NEW.revoked_at, NEW.starts_at, NEW.ends_at)
      IS DISTINCT FROM (OLD.revoked_at, OLD.starts_at, OLD.ends_at) THEN
    RAISE EXCEPTION 'a revoked grant stays revoked' USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.closed_out_at IS NOT NULL
      AND (NEW.closed_out_at, NEW.closed_out_name, NEW.deleted_on, NEW.closed_out_statement, NEW.starts_at, NEW.ends_at)
      IS DISTINCT FROM
      (OLD.closed_out_at, OLD.closed_out_name, OLD.deleted_on, OLD.closed_out_statement, OLD.starts_at, OLD.ends_at) THEN
    RAISE EXCEPTION 'a grant that was closed out stays closed out' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_grant_over BEFORE UPDATE ON access_grant
  FOR EACH ROW EXECUTE FUNCTION access_grant_stays_over();
CREATE FUNCTION access_renewal_reported_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.closed_at IS NOT NULL
      OR (NEW.grant_id, NEW.publications, NEW.use_summary, NEW.incidents, NEW.changes, NEW.ends_from, NEW.sent_at)
      IS DISTINCT FROM
      (OLD.grant_id, OLD.publications, OLD.use_summary, OLD.incidents, OLD.changes, OLD.ends_from, OLD.sent_at) THEN
    RAISE EXCEPTION 'what a renewal reports never changes' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_renewal_rows BEFORE UPDATE OR DELETE ON access_renewal
  FOR EACH ROW EXECUTE FUNCTION access_renewal_reported_once();
"""
BACKWARD = """
DROP TRIGGER access_grant_over ON access_grant;
DROP FUNCTION access_grant_stays_over();
DROP TRIGGER access_renewal_rows ON access_renewal;
DROP FUNCTION access_renewal_reported_once();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0010_reasons"),
        ("agreements", "0002_immutable"),
        ("people", "0001_initial"),
        ("projects", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="GrantStep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("verb", models.CharField(max_length=24)),
                ("at", models.DateTimeField()),
                ("message", models.TextField(blank=True)),
                ("by", models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                )),
                ("grant", models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="steps", to="access.grant"
                )),
            ],
            options={
                "ordering": ["at", "id"],
                "indexes": [
                    models.Index(fields=["grant", "at"], name="step_of_grant"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("expiry", "the end of the grant"), ("deletion", "the deletion that is due")],
                        max_length=12,
                    ),
                ),
                ("deadline", models.DateTimeField()),
                ("days", models.PositiveSmallIntegerField()),
                ("sent_at", models.DateTimeField()),
                ("grant", models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="notices", to="access.grant"
                )),
            ],
            options={
                "ordering": ["sent_at"],
                "constraints": [
                    models.UniqueConstraint(fields=("grant", "kind", "deadline", "days"), name="notice_once"),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["expiry", "deletion"])), name="notice_kind_known"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Renewal",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("status", models.CharField(default="submitted", max_length=12)),
                ("publications", models.TextField(blank=True)),
                ("use_summary", models.TextField(blank=True)),
                ("incidents", models.TextField(blank=True)),
                ("changes", models.TextField(blank=True)),
                ("ends_from", models.DateTimeField()),
                ("ends_to", models.DateTimeField(blank=True, null=True)),
                ("sent_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("message", models.TextField(blank=True)),
                ("decided_by", models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                )),
                ("grant", models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="renewals", to="access.grant"
                )),
            ],
            options={
                "ordering": ["-sent_at"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status", portal.access.lifetime.RenewalStatus["SUBMITTED"])),
                        fields=("grant",),
                        name="renewal_one_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                [
                                    portal.access.lifetime.RenewalStatus["SUBMITTED"],
                                    portal.access.lifetime.RenewalStatus["GRANTED"],
                                    portal.access.lifetime.RenewalStatus["DECLINED"],
                                    portal.access.lifetime.RenewalStatus["WITHDRAWN"],
                                    portal.access.lifetime.RenewalStatus["LAPSED"],
                                ],
                            )
                        ),
                        name="renewal_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at", None), ("status", portal.access.lifetime.RenewalStatus["SUBMITTED"])),
                            models.Q(
                                models.Q(("status", portal.access.lifetime.RenewalStatus["SUBMITTED"]), _negated=True),
                                ("closed_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="renewal_closed_with_status",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("ends_to__gt", models.F("ends_from")),
                                ("status", portal.access.lifetime.RenewalStatus["GRANTED"]),
                            ),
                            models.Q(
                                models.Q(("status", portal.access.lifetime.RenewalStatus["GRANTED"]), _negated=True),
                                ("ends_to", None),
                            ),
                            _connector="OR",
                        ),
                        name="renewal_extends_when_granted",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decided_by__isnull", False),
                                ("status", portal.access.lifetime.RenewalStatus["DECLINED"]),
                                models.Q(("message", ""), _negated=True),
                            ),
                            ("status", portal.access.lifetime.RenewalStatus["GRANTED"]),
                            models.Q(
                                ("decided_by", None),
                                (
                                    "status__in",
                                    [
                                        portal.access.lifetime.RenewalStatus["SUBMITTED"],
                                        portal.access.lifetime.RenewalStatus["WITHDRAWN"],
                                        portal.access.lifetime.RenewalStatus["LAPSED"],
                                    ],
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="renewal_declined_by_somebody_with_a_reason",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="gate",
            name="deletion_days",
            field=models.PositiveSmallIntegerField(default=14),
        ),
        migrations.AddField(
            model_name="gate",
            name="renew_unchanged",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="grant",
            name="closed_out_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="grant",
            name="closed_out_name",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name="grant",
            name="closed_out_statement",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="grant",
            name="deleted_on",
            field=models.DateField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="grant",
            name="deletion_due_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(
                condition=models.Q(("closed_out_at", None), ("revoked_at", None)),
                fields=["ends_at"],
                name="grant_by_end",
            ),
        ),
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(
                condition=models.Q(("closed_out_at", None)), fields=["deletion_due_at"], name="grant_deletion_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="gate",
            constraint=models.CheckConstraint(
                condition=models.Q(("deletion_days__gte", 1), ("deletion_days__lte", 365)), name="gate_deletion_days"
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("closed_out_at", None),
                        ("closed_out_name", ""),
                        ("closed_out_statement", ""),
                        ("deleted_on", None),
                    ),
                    models.Q(
                        ("closed_out_at__isnull", False),
                        ("deleted_on__isnull", False),
                        models.Q(("closed_out_name", ""), _negated=True),
                        models.Q(("closed_out_statement", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="grant_closed_out_with_a_statement",
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("closed_out_at", None),
                    ("ends_at__lte", models.F("closed_out_at")),
                    ("revoked_at__isnull", False),
                    _connector="OR",
                ),
                name="grant_closed_out_is_over",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
