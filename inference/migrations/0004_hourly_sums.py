from django.db import migrations, models

DRAW = """
INSERT INTO inference_hourlyusage
  (hour, project_id, user_id, model, revision, pool, fingerprint, status,
   requests, prompt_tokens, completion_tokens, cached_tokens)
SELECT date_trunc('hour', started_at, 'UTC'), project_id, user_id, model, revision, pool, fingerprint, status,
       count(*), sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens)
FROM inference_usagerecord
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""


class Migration(migrations.Migration):
    """Sums by the hour beside those by the day, and those of the ledger as it is."""

    dependencies = [
        ('inference', '0003_pool_canary'),
    ]

    operations = [
        migrations.CreateModel(
            name='HourlyUsage',
            fields=[
                ('pk', models.CompositePrimaryKey('hour', 'project_id', 'user_id', 'model', 'revision', 'pool', 'fingerprint', 'status', blank=True, editable=False, primary_key=True, serialize=False)),
                ('hour', models.DateTimeField()),
                ('project_id', models.CharField(max_length=64)),
                ('user_id', models.CharField(max_length=64)),
                ('model', models.CharField(max_length=200)),
                ('revision', models.CharField(max_length=40)),
                ('pool', models.CharField(max_length=160)),
                ('fingerprint', models.CharField(blank=True, max_length=120)),
                ('status', models.CharField(max_length=20)),
                ('requests', models.BigIntegerField(default=0)),
                ('prompt_tokens', models.BigIntegerField(default=0)),
                ('completion_tokens', models.BigIntegerField(default=0)),
                ('cached_tokens', models.BigIntegerField(default=0)),
            ],
            options={
                'ordering': ['-hour'],
                'indexes': [models.Index(fields=['project_id', 'hour'], name='hourly_by_project'), models.Index(fields=['user_id', 'hour'], name='hourly_by_user')],
            },
        ),
        migrations.RunSQL(DRAW, migrations.RunSQL.noop),
    ]
