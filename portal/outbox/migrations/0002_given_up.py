import django.db.models.functions.comparison
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outbox", "0001_initial")]
    operations = [
        migrations.RemoveIndex(model_name="message", name="outbox_due"),
        migrations.RemoveIndex(model_name="message", name="outbox_pending"),
        migrations.AddField(model_name="message", name="failed_at", field=models.DateTimeField(null=True)),
        migrations.AddField(
            model_name="message",
            name="ended_at",
            field=models.GeneratedField(
                db_persist=True,
                expression=django.db.models.functions.comparison.Coalesce("delivered_at", "failed_at"),
                output_field=models.DateTimeField(null=True),
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(condition=models.Q(("ended_at", None)), fields=["next_attempt_at"], name="outbox_due"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(condition=models.Q(("ended_at", None)), fields=["topic", "key"], name="outbox_pending"),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(("delivered_at", None), ("failed_at", None), _connector="OR"),
                name="outbox_one_end",
            ),
        ),
    ]
