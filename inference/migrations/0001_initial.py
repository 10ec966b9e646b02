import uuid

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

LEDGER = """
CREATE TABLE inference_usagerecord (
  request_id varchar(80) NOT NULL,
  started_day date NOT NULL,
  token_id varchar(64) NOT NULL,
  user_id varchar(64) NOT NULL,
  project_id varchar(64) NOT NULL,
  model varchar(200) NOT NULL,
  revision varchar(40) NOT NULL,
  pool varchar(160) NOT NULL,
  backend varchar(160) NOT NULL,
  endpoint varchar(40) NOT NULL,
  stream boolean NOT NULL,
  status varchar(20) NOT NULL,
  prompt_tokens bigint NOT NULL,
  completion_tokens bigint NOT NULL,
  cached_tokens bigint NOT NULL,
  reserved_tokens bigint NOT NULL,
  started_at timestamptz NOT NULL,
  first_byte_at timestamptz,
  ended_at timestamptz NOT NULL,
  fingerprint varchar(120) NOT NULL,
  posted_at timestamptz NOT NULL,
  PRIMARY KEY (request_id, started_day),
  CONSTRAINT usage_status_known CHECK (status IN ('ok', 'client_abort', 'upstream_error', 'revoked', 'lost')),
  CONSTRAINT usage_not_negative CHECK (prompt_tokens >= 0 AND completion_tokens >= 0 AND cached_tokens >= 0)
) PARTITION BY RANGE (started_day);
CREATE TABLE inference_usagerecord_default PARTITION OF inference_usagerecord DEFAULT;
CREATE FUNCTION inference_usagerecord_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'usage records are append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON inference_usagerecord
  FOR EACH ROW EXECUTE FUNCTION inference_usagerecord_keep();
CREATE TRIGGER keep BEFORE TRUNCATE ON inference_usagerecord EXECUTE FUNCTION inference_usagerecord_keep();
CREATE TRIGGER keep BEFORE TRUNCATE ON inference_usagerecord_default EXECUTE FUNCTION inference_usagerecord_keep();
"""
DROP = """
DROP TABLE inference_usagerecord;
DROP FUNCTION inference_usagerecord_keep();
"""


class Migration(migrations.Migration):
    """Pools, allowances and the ledger, which is partitioned by month from its first row."""

    initial = True

    dependencies = [
        ("people", "0001_initial"),
        ("projects", "0001_initial"),
        ("releases", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name='DailyUsage',
            fields=[
                ('pk', models.CompositePrimaryKey('day', 'project_id', 'user_id', 'model', 'status', blank=True, editable=False, primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('project_id', models.CharField(max_length=64)),
                ('user_id', models.CharField(max_length=64)),
                ('model', models.CharField(max_length=200)),
                ('status', models.CharField(choices=[('ok', 'complete'), ('client_abort', 'stopped by client, billed as delivered'), ('upstream_error', 'engine failed'), ('revoked', 'cut: the right was withdrawn'), ('lost', 'gateway lost, billed as delivered')], max_length=20)),
                ('requests', models.BigIntegerField(default=0)),
                ('prompt_tokens', models.BigIntegerField(default=0)),
                ('completion_tokens', models.BigIntegerField(default=0)),
                ('cached_tokens', models.BigIntegerField(default=0)),
            ],
            options={
                'ordering': ['-day'],
                'indexes': [
                    models.Index(fields=['project_id', 'day'], name='daily_by_project'),
                    models.Index(fields=['user_id', 'day'], name='daily_by_user'),
                ],
            },
        ),
        migrations.CreateModel(
            name='EngineCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('backend', models.CharField(max_length=160)),
                ('since', models.DateTimeField()),
                ('engine_prompt', models.BigIntegerField()),
                ('engine_completion', models.BigIntegerField()),
                ('finished_prompt', models.BigIntegerField()),
                ('finished_completion', models.BigIntegerField()),
                ('aborted_prompt', models.BigIntegerField()),
                ('aborted_completion', models.BigIntegerField()),
            ],
            options={
                'ordering': ['-at'],
                'indexes': [
                    models.Index(fields=['backend', '-at'], name='engine_count_newest'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Pool',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('requests_per_minute', models.PositiveIntegerField(blank=True, null=True)),
                ('tokens_per_minute', models.PositiveIntegerField(blank=True, null=True)),
                ('concurrency', models.PositiveIntegerField(blank=True, null=True)),
                ('tokens_per_day', models.PositiveBigIntegerField(blank=True, null=True)),
                ('tokens_per_period', models.PositiveBigIntegerField(blank=True, null=True)),
                ('name', models.SlugField(max_length=60)),
                ('commit', models.CharField(max_length=40, validators=[django.core.validators.RegexValidator('^[0-9a-f]{40}$', 'A commit id is 40 lower-case hexadecimal digits.')])),
                ('engine_model', models.CharField(max_length=191, validators=[django.core.validators.RegexValidator('^[A-Za-z0-9][A-Za-z0-9._/-]{0,190}$', 'Use letters, digits, dots, dashes and slashes.')])),
                ('context', models.PositiveIntegerField()),
                ('chat', models.BooleanField(default=True)),
                ('template_overhead', models.PositiveIntegerField(default=16)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('retired_at', models.DateTimeField(blank=True, null=True)),
                ('lab', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='pools', to='people.lab')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='pools', to='releases.model')),
            ],
            options={
                'ordering': ['lab', 'name'],
                'constraints': [
                    models.UniqueConstraint(fields=('lab', 'name'), name='pool_name_in_lab'),
                    models.UniqueConstraint(condition=models.Q(('retired_at', None)), fields=('model',), name='pool_one_per_model'),
                    models.CheckConstraint(condition=models.Q(('commit__regex', '^[0-9a-f]{40}$')), name='pool_commit_is_an_id'),
                    models.CheckConstraint(condition=models.Q(('context__gt', 0)), name='pool_has_a_context'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Backend',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.SlugField(max_length=60)),
                ('url', models.URLField()),
                ('engine', models.CharField(blank=True, max_length=80)),
                ('draining', models.BooleanField(default=False)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('pool', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='backends', to='inference.pool')),
            ],
            options={
                'ordering': ['pool', 'name'],
                'constraints': [
                    models.UniqueConstraint(fields=('pool', 'name'), name='backend_name_in_pool'),
                ],
            },
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(LEDGER, DROP)],
            state_operations=[
                migrations.CreateModel(
                    name='UsageRecord',
                    fields=[
                        ('pk', models.CompositePrimaryKey('request_id', 'started_day', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('request_id', models.CharField(max_length=80)),
                        ('started_day', models.DateField()),
                        ('token_id', models.CharField(max_length=64)),
                        ('user_id', models.CharField(max_length=64)),
                        ('project_id', models.CharField(max_length=64)),
                        ('model', models.CharField(max_length=200)),
                        ('revision', models.CharField(max_length=40)),
                        ('pool', models.CharField(max_length=160)),
                        ('backend', models.CharField(max_length=160)),
                        ('endpoint', models.CharField(max_length=40)),
                        ('stream', models.BooleanField()),
                        ('status', models.CharField(choices=[('ok', 'complete'), ('client_abort', 'stopped by client, billed as delivered'), ('upstream_error', 'engine failed'), ('revoked', 'cut: the right was withdrawn'), ('lost', 'gateway lost, billed as delivered')], max_length=20)),
                        ('prompt_tokens', models.BigIntegerField()),
                        ('completion_tokens', models.BigIntegerField()),
                        ('cached_tokens', models.BigIntegerField()),
                        ('reserved_tokens', models.BigIntegerField()),
                        ('started_at', models.DateTimeField()),
                        ('first_byte_at', models.DateTimeField(null=True)),
                        ('ended_at', models.DateTimeField()),
                        ('fingerprint', models.CharField(blank=True, max_length=120)),
                        ('posted_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ],
                    options={
                        'ordering': ['-started_at'],
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name='Allowance',
            fields=[
                ('requests_per_minute', models.PositiveIntegerField(blank=True, null=True)),
                ('tokens_per_minute', models.PositiveIntegerField(blank=True, null=True)),
                ('concurrency', models.PositiveIntegerField(blank=True, null=True)),
                ('tokens_per_day', models.PositiveBigIntegerField(blank=True, null=True)),
                ('tokens_per_period', models.PositiveBigIntegerField(blank=True, null=True)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('starts_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ends_at', models.DateTimeField(blank=True, null=True)),
                ('lab', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='allowances', to='people.lab')),
                ('model', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='allowances', to='releases.model')),
                ('project', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='allowances', to='projects.project')),
            ],
            options={
                'ordering': ['-starts_at'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('lab', None), ('project__isnull', False)), models.Q(('lab__isnull', False), ('model', None), ('project', None)), _connector='OR'), name='allowance_of_a_project_or_a_lab'),
                    models.CheckConstraint(condition=models.Q(('ends_at', None), ('ends_at__gt', models.F('starts_at')), _connector='OR'), name='allowance_period'),
                    models.UniqueConstraint(condition=models.Q(('ends_at', None)), fields=('lab', 'project', 'model'), name='allowance_one_open', nulls_distinct=False),
                ],
            },
        ),
        migrations.AddIndex(
            model_name='usagerecord',
            index=models.Index(fields=['project_id', '-started_at'], name='usage_by_project'),
        ),
        migrations.AddIndex(
            model_name='usagerecord',
            index=models.Index(fields=['user_id', '-started_at'], name='usage_by_user'),
        ),
        migrations.AddIndex(
            model_name='usagerecord',
            index=models.Index(fields=['backend', 'started_at'], name='usage_by_backend'),
        ),
    ]
