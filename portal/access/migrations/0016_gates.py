"""Gates as their managers write them: versions of the form, terms of use, a contact, closed and open."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FORWARD = """
INSERT INTO access_formversion (gate_id, version, form_spec, made_at)
  SELECT id, form_version, form_spec, created_at FROM access_gate;
CREATE TRIGGER access_formversion_rows BEFORE UPDATE OR DELETE ON access_formversion
  FOR EACH ROW EXECUTE FUNCTION access_written_once();
"""
BACKWARD = "DROP TRIGGER access_formversion_rows ON access_formversion;"


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0015_confirmations'),
        ('agreements', '0003_drafts'),
        ('people', '0003_erasure'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='FormVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField()),
                ('form_spec', models.JSONField()),
                ('made_at', models.DateTimeField()),
                ('gate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='form_versions', to='access.gate')),
                ('made_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-version'],
                'constraints': [
                    models.UniqueConstraint(fields=('gate', 'version'), name='form_version_once'),
                ],
            },
        ),
        migrations.AddField(
            model_name='gate',
            name='closed_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='gate',
            name='closed_reason',
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name='gate',
            name='contact',
            field=models.EmailField(blank=True, max_length=254),
        ),
        migrations.AddField(
            model_name='gate',
            name='duo',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=16), blank=True, default=list, size=None),
        ),
        migrations.AddField(
            model_name='gate',
            name='edits',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddConstraint(
            model_name='gate',
            constraint=models.CheckConstraint(condition=models.Q(('duo__contained_by', ['DUO:0000042', 'DUO:0000012', 'DUO:0000018', 'DUO:0000045', 'DUO:0000046', 'DUO:0000019', 'DUO:0000020', 'DUO:0000021', 'DUO:0000022', 'DUO:0000024', 'DUO:0000025', 'DUO:0000026', 'DUO:0000027', 'DUO:0000028', 'DUO:0000029'])), name='gate_duo'),
        ),
        migrations.AddConstraint(
            model_name='gate',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('closed_reason', '')), models.Q(('closed_at__isnull', False), models.Q(('closed_reason', ''), _negated=True)), _connector='OR'), name='gate_closed_with_reason'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
