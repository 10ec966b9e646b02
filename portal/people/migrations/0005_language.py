from django.db import migrations, models


def to_offered(apps, schema_editor):
    apps.get_model("people", "User").objects.filter(language="en").update(language="en-gb")


class Migration(migrations.Migration):
    dependencies = [("people", "0004_unreachable")]
    operations = [
        migrations.AlterField(
            model_name="user",
            name="language",
            field=models.CharField(default="en-gb", max_length=12),
        ),
        migrations.RunPython(to_offered, migrations.RunPython.noop, elidable=True),
    ]
