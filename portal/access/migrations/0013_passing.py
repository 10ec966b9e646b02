"""Rules may approve what is green: which version did, the share that people check, and the checks."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FORWARD = """
UPDATE access_gate SET auto_approve_green = false;
CREATE FUNCTION access_spot_check_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND to_jsonb(NEW) = to_jsonb(OLD) || '{"note": ""}' THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'DELETE' OR OLD.checked_at IS NOT NULL OR NEW.application_id <> OLD.application_id THEN
    RAISE EXCEPTION 'a spot check is made once' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_spotcheck_rows BEFORE UPDATE OR DELETE ON access_spotcheck
  FOR EACH ROW EXECUTE FUNCTION access_spot_check_kept();
"""
# The setting did nothing until now: an old tick must not begin to approve.
BACKWARD = """
DROP TRIGGER access_spotcheck_rows ON access_spotcheck;
DROP FUNCTION access_spot_check_kept();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0012_erasure'),
        ('agreements', '0003_drafts'),
        ('people', '0003_erasure'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='SpotCheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('drawn_at', models.DateTimeField()),
                ('found', models.CharField(blank=True, choices=[('right', 'the rules were right'), ('wrong', 'a person would have decided otherwise')], max_length=8)),
                ('note', models.TextField(blank=True)),
                ('checked_at', models.DateTimeField(blank=True, null=True)),
                ('application', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='spot_check', to='access.application')),
                ('checked_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [
                    models.Index(condition=models.Q(('checked_at', None)), fields=['drawn_at'], name='spot_check_waiting'),
                ],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('checked_at', None), ('checked_by', None), ('found', ''), ('note', '')), models.Q(('checked_at__isnull', False), ('checked_by__isnull', False), ('found__in', ['right', 'wrong'])), _connector='OR'), name='spot_check_whole'),
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name='application',
            name='application_decided_by_somebody',
        ),
        migrations.AddField(
            model_name='application',
            name='decided_rules',
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='gate',
            name='spot_check_percent',
            field=models.PositiveSmallIntegerField(default=10),
        ),
        migrations.AddConstraint(
            model_name='application',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('decided_by', None), ('decided_rules', None)), models.Q(('decided_at__isnull', False), ('decided_by__isnull', False), ('decided_rules', None)), models.Q(('decided_rules__gte', 1), ('decided_rules__isnull', False), ('lane', 'green'), ('rounds', 1), ('status__in', ['approved', 'granted', 'withdrawn', 'lapsed']), ('decided_at__isnull', False), ('decided_by', None)), _connector='OR'), name='application_decided_by_people_or_rules'),
        ),
        migrations.AddConstraint(
            model_name='gate',
            constraint=models.CheckConstraint(condition=models.Q(('spot_check_percent__lte', 100)), name='gate_spot_check_percent'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
