"""Triage rules as data, by version, each written once; and the lane that asks to decline."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FORWARD = """
CREATE TRIGGER access_ruleset_rows BEFORE UPDATE OR DELETE ON access_ruleset
  FOR EACH ROW EXECUTE FUNCTION access_written_once();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0005_appeals'),
        ('people', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='application',
            name='lane',
            field=models.CharField(blank=True, choices=[('green', 'green'), ('amber', 'amber'), ('red', 'red'), ('block', 'block')], max_length=8),
        ),
        migrations.CreateModel(
            name='RuleSet',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField()),
                ('text', models.TextField()),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('made_at', models.DateTimeField()),
                ('gate', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rule_sets', to='access.gate')),
                ('lab', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rule_sets', to='people.lab')),
                ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-version'],
                'constraints': [models.UniqueConstraint(fields=('lab', 'version'), name='rule_set_version'), models.CheckConstraint(condition=models.Q(('version__gt', 1)), name='rule_set_after_the_first')],
            },
        ),
        migrations.RunSQL(FORWARD, "DROP TRIGGER access_ruleset_rows ON access_ruleset;"),
    ]
