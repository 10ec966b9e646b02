"""More than one entry are entries, in the operator's admin."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0004_commitments"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="entry",
            options={"ordering": ["id"], "verbose_name_plural": "entries"},
        ),
    ]
