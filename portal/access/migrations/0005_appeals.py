"""A declined application may be appealed, once; what was written in an appeal never changes."""

import django.db.models.deletion
import portal.access.workflow
from django.conf import settings
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION access_appeal_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.outcome <> '' OR NEW.text <> OLD.text OR NEW.made_at <> OLD.made_at
     OR NEW.application_id <> OLD.application_id THEN
    RAISE EXCEPTION 'an appeal is kept as it was written' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_appeal_rows BEFORE UPDATE OR DELETE ON access_appeal
  FOR EACH ROW EXECUTE FUNCTION access_appeal_kept();
"""
BACKWARD = """
DROP TRIGGER access_appeal_rows ON access_appeal;
DROP FUNCTION access_appeal_kept();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0004_desk'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Appeal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.TextField()),
                ('made_at', models.DateTimeField()),
                ('outcome', models.CharField(blank=True, choices=[('upheld', 'the decline stands'), ('overturned', 'overturned: the application is approved')], max_length=10)),
                ('message', models.TextField(blank=True)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('application', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='appeal', to='access.application')),
                ('decided_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('decided_by', None), ('message', ''), ('outcome', '')), models.Q(('decided_at__isnull', False), ('decided_by__isnull', False), ('outcome__in', ['upheld', 'overturned'])), _connector='OR'), name='appeal_decided_whole'),
                    models.CheckConstraint(condition=models.Q(('message', ''), ('outcome', 'upheld'), _negated=True), name='appeal_upheld_with_words'),
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name='application',
            name='application_one_open',
        ),
        migrations.RemoveConstraint(
            model_name='application',
            name='application_status_known',
        ),
        migrations.RemoveConstraint(
            model_name='application',
            name='application_decision_with_status',
        ),
        migrations.RemoveConstraint(
            model_name='application',
            name='application_declined_with_reason',
        ),
        migrations.RemoveIndex(
            model_name='application',
            name='application_queue',
        ),
        migrations.AddIndex(
            model_name='application',
            index=models.Index(condition=models.Q(('status__in', [portal.access.workflow.Status['APPEALED'], portal.access.workflow.Status['IN_REVIEW'], portal.access.workflow.Status['SUBMITTED']])), fields=['gate', 'submitted_at'], name='application_queue'),
        ),
        migrations.AddConstraint(
            model_name='application',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', [portal.access.workflow.Status['APPEALED'], portal.access.workflow.Status['APPROVED'], portal.access.workflow.Status['CHANGES_REQUESTED'], portal.access.workflow.Status['DRAFT'], portal.access.workflow.Status['IN_REVIEW'], portal.access.workflow.Status['SUBMITTED']])), fields=('gate', 'applicant'), name='application_one_open'),
        ),
        migrations.AddConstraint(
            model_name='application',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', [portal.access.workflow.Status['DRAFT'], portal.access.workflow.Status['SUBMITTED'], portal.access.workflow.Status['IN_REVIEW'], portal.access.workflow.Status['CHANGES_REQUESTED'], portal.access.workflow.Status['APPROVED'], portal.access.workflow.Status['GRANTED'], portal.access.workflow.Status['DECLINED'], portal.access.workflow.Status['APPEALED'], portal.access.workflow.Status['WITHDRAWN'], portal.access.workflow.Status['LAPSED']])), name='application_status_known'),
        ),
        migrations.AddConstraint(
            model_name='application',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', False), ('status__in', [portal.access.workflow.Status['APPEALED'], portal.access.workflow.Status['APPROVED'], portal.access.workflow.Status['DECLINED'], portal.access.workflow.Status['GRANTED']])), models.Q(('decided_at', None), ('status__in', [portal.access.workflow.Status['CHANGES_REQUESTED'], portal.access.workflow.Status['DRAFT'], portal.access.workflow.Status['IN_REVIEW'], portal.access.workflow.Status['SUBMITTED']])), ('status__in', [portal.access.workflow.Status['WITHDRAWN'], portal.access.workflow.Status['LAPSED']]), _connector='OR'), name='application_decision_with_status'),
        ),
        migrations.AddConstraint(
            model_name='application',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('reason__in', ['identity', 'purpose', 'detail', 'custody', 'restricted_use', 'other']), ('status__in', [portal.access.workflow.Status['DECLINED'], portal.access.workflow.Status['APPEALED']])), models.Q(models.Q(('status__in', [portal.access.workflow.Status['DECLINED'], portal.access.workflow.Status['APPEALED']]), _negated=True), ('reason', '')), _connector='OR'), name='application_declined_with_reason'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
