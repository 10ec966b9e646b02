"""Logbooks, their runs and entries. What is frozen stays: no entry changes or goes, and no logbook opens again."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

FROZEN = """
CREATE FUNCTION releases_entry_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM releases_logbook WHERE id = OLD.logbook_id AND state = 'frozen') THEN
    RAISE EXCEPTION 'an entry of a frozen logbook does not change' USING ERRCODE = 'restrict_violation';
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON releases_entry
  FOR EACH ROW EXECUTE FUNCTION releases_entry_frozen();
CREATE FUNCTION releases_logbook_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state = 'frozen' AND (TG_OP = 'DELETE' OR NEW.state <> 'frozen') THEN
    RAISE EXCEPTION 'a frozen logbook is not opened again' USING ERRCODE = 'restrict_violation';
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON releases_logbook
  FOR EACH ROW EXECUTE FUNCTION releases_logbook_frozen();
"""
NOT_FROZEN = """
DROP TRIGGER frozen ON releases_entry;
DROP FUNCTION releases_entry_frozen();
DROP TRIGGER frozen ON releases_logbook;
DROP FUNCTION releases_logbook_frozen();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('releases', '0011_notices'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Logbook',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('title', models.CharField(max_length=160)),
                ('source', models.TextField(blank=True)),
                ('state', models.CharField(choices=[('open', 'open'), ('frozen', 'frozen')], default='open', max_length=8)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('frozen_at', models.DateTimeField(blank=True, null=True)),
                ('family', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='logbooks', to='releases.family')),
                ('frozen_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('model', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='logbooks', to='releases.model')),
            ],
            options={
                'ordering': ['pk'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('family__isnull', False), ('model__isnull', False), _connector='OR'), name='logbook_of_something'),
                    models.UniqueConstraint(fields=('model',), name='logbook_once_for_model'),
                    models.UniqueConstraint(condition=models.Q(('model', None)), fields=('family',), name='logbook_once_for_family'),
                    models.CheckConstraint(condition=models.Q(('state__in', ['open', 'frozen'])), name='logbook_state_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('frozen_at__isnull', False), ('state', 'frozen')), models.Q(('frozen_at', None), ('frozen_by', None), ('state', 'open')), _connector='OR'), name='logbook_frozen_with_time'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Run',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(db_collation='C', max_length=120)),
                ('kind', models.CharField(choices=[('start', 'from scratch'), ('fork', 'fork'), ('rollback', 'rollback'), ('resume', 'resume')], default='start', max_length=8)),
                ('parent_step', models.BigIntegerField(blank=True, null=True)),
                ('logbook', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='releases.logbook')),
                ('parent', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='children', to='releases.run')),
            ],
            options={
                'ordering': ['pk'],
                'constraints': [
                    models.UniqueConstraint(fields=('logbook', 'name'), name='run_name_once'),
                    models.CheckConstraint(condition=models.Q(('kind__in', ['start', 'fork', 'rollback', 'resume'])), name='run_kind_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('kind', 'start'), _negated=True), ('parent', None), _connector='OR'), name='run_start_has_no_parent'),
                    models.CheckConstraint(condition=models.Q(('parent_step', None), models.Q(('parent__isnull', False), ('parent_step__gte', 0)), _connector='OR'), name='run_parent_step'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Entry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('order', models.PositiveIntegerField()),
                ('raw_stamp', models.CharField(blank=True, max_length=200)),
                ('at', models.DateTimeField(blank=True, null=True)),
                ('confidence', models.CharField(choices=[('exact', 'exact'), ('minute', 'to the minute'), ('day', 'to the day'), ('inferred', 'inferred'), ('unknown', 'unknown')], default='unknown', max_length=8)),
                ('step', models.BigIntegerField(blank=True, null=True)),
                ('kind', models.CharField(choices=[('decision', 'decision'), ('launch', 'launch'), ('restart', 'restart'), ('rollback', 'rollback'), ('divergence', 'divergence'), ('hyperparameter', 'hyperparameter'), ('optimizer', 'optimizer'), ('loss_scale', 'loss scale'), ('architecture', 'architecture'), ('configuration', 'configuration'), ('data', 'data'), ('bug', 'bug'), ('hardware', 'hardware'), ('software', 'software'), ('storage', 'storage'), ('vendor', 'vendor'), ('incident', 'incident'), ('automation', 'automation'), ('checkpoint', 'checkpoint'), ('evaluation', 'evaluation'), ('milestone', 'milestone'), ('run_end', 'end of a run'), ('complete', 'complete'), ('note', 'note')], default='note', max_length=16)),
                ('raw_kind', models.CharField(blank=True, max_length=80)),
                ('severity', models.CharField(choices=[('info', 'information'), ('warning', 'warning'), ('critical', 'critical')], default='info', max_length=8)),
                ('title', models.CharField(blank=True, max_length=300)),
                ('text', models.TextField(blank=True)),
                ('before', models.JSONField(blank=True, default=dict)),
                ('after', models.JSONField(blank=True, default=dict)),
                ('erratum', models.BooleanField(default=False)),
                ('source', models.TextField(blank=True)),
                ('ref', models.CharField(blank=True, db_collation='C', max_length=400)),
                ('digest', models.CharField(blank=True, db_collation='C', max_length=64)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('words', models.GeneratedField(db_persist=True, expression=django.contrib.postgres.search.CombinedSearchVector(django.contrib.postgres.search.SearchVector('title', 'kind', config='english', weight='A'), '||', django.contrib.postgres.search.SearchVector('text', config='english', weight='B'), django.contrib.postgres.search.SearchConfig('english')), output_field=django.contrib.postgres.search.SearchVectorField())),
                ('annotates', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='annotations', to='releases.entry')),
                ('by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('supersedes', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='successor', to='releases.entry')),
                ('logbook', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='entries', to='releases.logbook')),
                ('run', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='releases.run')),
            ],
            options={
                'verbose_name_plural': 'entries',
                'ordering': ['logbook', 'order'],
                'indexes': [
                    django.contrib.postgres.indexes.GinIndex(fields=['words'], name='entry_words'),
                    models.Index(fields=['logbook', 'at', 'order'], name='entry_by_time'),
                    models.Index(fields=['logbook', 'kind', 'order'], name='entry_by_kind'),
                    models.Index(condition=models.Q(('step__isnull', False)), fields=['logbook', 'step'], name='entry_by_step'),
                ],
                'constraints': [
                    models.UniqueConstraint(fields=('logbook', 'order'), name='entry_order_once'),
                    models.UniqueConstraint(condition=models.Q(('ref', ''), _negated=True), fields=('logbook', 'ref', 'digest'), name='entry_imported_once'),
                    models.CheckConstraint(condition=models.Q(('kind__in', ['decision', 'launch', 'restart', 'rollback', 'divergence', 'hyperparameter', 'optimizer', 'loss_scale', 'architecture', 'configuration', 'data', 'bug', 'hardware', 'software', 'storage', 'vendor', 'incident', 'automation', 'checkpoint', 'evaluation', 'milestone', 'run_end', 'complete', 'note'])), name='entry_kind_known'),
                    models.CheckConstraint(condition=models.Q(('severity__in', ['info', 'warning', 'critical'])), name='entry_severity_known'),
                    models.CheckConstraint(condition=models.Q(('confidence__in', ['exact', 'minute', 'day', 'inferred', 'unknown'])), name='entry_confidence_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('at', None), ('confidence', 'unknown')), models.Q(models.Q(('confidence', 'unknown'), _negated=True), ('at__isnull', False)), _connector='OR'), name='entry_time_as_known'),
                    models.CheckConstraint(condition=models.Q(('step', None), ('step__gte', 0), _connector='OR'), name='entry_step_from_zero'),
                    models.CheckConstraint(condition=models.Q(models.Q(('title', ''), _negated=True), models.Q(('text', ''), _negated=True), _connector='OR'), name='entry_says_something'),
                    models.CheckConstraint(condition=models.Q(('erratum', False), ('supersedes__isnull', False), _connector='OR'), name='entry_erratum_corrects'),
                    models.CheckConstraint(condition=models.Q(models.Q(('supersedes', None), ('annotates', None), _connector='OR'), models.Q(('supersedes', None), models.Q(('supersedes', models.F('pk')), _negated=True), _connector='OR'), models.Q(('annotates', None), models.Q(('annotates', models.F('pk')), _negated=True), _connector='OR')), name='entry_one_relation'),
                ],
            },
        ),
        migrations.RunSQL(FROZEN, NOT_FROZEN),
    ]
