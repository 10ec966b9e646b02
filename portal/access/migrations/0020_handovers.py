import uuid

import django.db.models.deletion
from django.db import migrations, models

MEMBER = ["invited", "accepted", "declined", "removed", "lapsed", "took_over"]
OFFER = ["offered", "accepted", "declined", "withdrawn", "lapsed"]


class Migration(migrations.Migration):

    dependencies = [
        ("access", "0019_lab_turns"),
        ("agreements", "0004_content_logging"),
    ]

    operations = [
        migrations.CreateModel(
            name="Handover",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("status", models.CharField(default="offered", max_length=12)),
                ("offered_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("application", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="handovers", to="access.application")),
                ("grant", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="handovers", to="access.grant")),
                ("member", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="handovers", to="access.member")),
                ("signature", models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="agreements.signature")),
            ],
            options={
                "ordering": ["offered_at"],
                "constraints": [
                    models.UniqueConstraint(condition=models.Q(("status", "offered")), fields=("application",), name="handover_one_open"),
                    models.CheckConstraint(condition=models.Q(("status__in", OFFER)), name="handover_status_known"),
                    models.CheckConstraint(condition=models.Q(models.Q(("closed_at", None), ("status", "offered")), models.Q(models.Q(("status", "offered"), _negated=True), ("closed_at__isnull", False)), _connector="OR"), name="handover_closed_with_status"),
                    models.CheckConstraint(condition=models.Q(models.Q(("signature__isnull", False), ("status", "accepted")), models.Q(models.Q(("status", "accepted"), _negated=True), ("signature", None)), _connector="OR"), name="handover_accepted_with_a_signature"),
                ],
            },
        ),
        migrations.RemoveConstraint(model_name="member", name="member_status_known"),
        migrations.RemoveConstraint(model_name="member", name="member_ended_with_status"),
        migrations.AddConstraint(
            model_name="member",
            constraint=models.CheckConstraint(condition=models.Q(("status__in", MEMBER)), name="member_status_known"),
        ),
        migrations.AddConstraint(
            model_name="member",
            constraint=models.CheckConstraint(condition=models.Q(models.Q(("ended_at", None), ("status__in", ["invited", "accepted"])), models.Q(("ended_at__isnull", False), ("status__in", ["declined", "removed", "lapsed", "took_over"])), _connector="OR"), name="member_ended_with_status"),
        ),
    ]
