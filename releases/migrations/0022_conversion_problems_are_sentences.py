"""What is wrong with a conversion is kept as a sentence; what was kept as English words stays so, and is told as it is."""

from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import JSONObject


def keep(apps, _editor):
    Conversion = apps.get_model("releases", "Conversion")
    Conversion.objects.exclude(words="").update(problem=JSONObject(message=F("words")))


def say(apps, _editor):
    Conversion = apps.get_model("releases", "Conversion")
    Conversion.objects.filter(problem__isnull=False).update(words=KeyTextTransform("message", "problem"))


class Migration(migrations.Migration):

    dependencies = [("releases", "0021_runs_told_at")]

    operations = [
        migrations.RemoveConstraint(model_name="conversion", name="conversion_failed_with_problem"),
        migrations.RenameField(model_name="conversion", old_name="problem", new_name="words"),
        migrations.AddField(model_name="conversion", name="problem", field=models.JSONField(blank=True, null=True)),
        migrations.RunPython(keep, say),
        migrations.RemoveField(model_name="conversion", name="words"),
        migrations.AddConstraint(
            model_name="conversion",
            constraint=models.CheckConstraint(
                name="conversion_failed_with_problem", condition=~Q(stage="failed") | Q(problem__isnull=False)
            ),
        ),
    ]
