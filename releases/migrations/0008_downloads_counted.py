"""What is drawn from the ledger of downloads: bytes of a range, sums by day, caps, days that stand out."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

ASKED = r"""
CREATE FUNCTION releases_asked(wanted text, size bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  -- Bytes that answer a Range header (RFC 9110, section 14); the same as releases.blobs.span_of.
  SELECT CASE
    WHEN m IS NULL THEN size
    WHEN m[1] = '' THEN least(m[2]::bigint, size)
    WHEN m[2] <> '' AND m[2]::bigint < m[1]::bigint THEN size
    WHEN m[1]::bigint >= size THEN 0
    WHEN m[2] = '' THEN size - m[1]::bigint
    ELSE least(m[2]::bigint + 1, size) - m[1]::bigint
  END
  FROM regexp_match(replace(wanted, ' ', ''), '^bytes=(?=[0-9]|-[0-9])([0-9]{0,18})-([0-9]{0,18})$') AS found(m)
$$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0017_institutional'),
        ('people', '0006_institution_domains'),
        ('releases', '0007_openings'),
    ]

    operations = [
        migrations.RunSQL(ASKED, "DROP FUNCTION releases_asked(text, bigint)"),
        migrations.CreateModel(
            name='DailyCap',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('bytes', models.BigIntegerField(null=True)),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('gate', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='access.gate')),
                ('grant', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='access.grant')),
            ],
            options={
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('gate', None), ('grant__isnull', False)), models.Q(('gate__isnull', False), ('grant', None)), _connector='OR'), name='daily_cap_of_one'),
                    models.CheckConstraint(condition=models.Q(('bytes', None), ('bytes__gt', 0), _connector='OR'), name='daily_cap_positive'),
                    models.CheckConstraint(condition=models.Q(('gate', None), ('bytes__isnull', False), _connector='OR'), name='daily_cap_of_gate'),
                ],
            },
        ),
        migrations.CreateModel(
            name='DailyDownload',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('lab', models.CharField(max_length=64)),
                ('model', models.CharField(max_length=200)),
                ('commit', models.CharField(max_length=40)),
                ('user_id', models.CharField(blank=True, max_length=64)),
                ('client', models.CharField(blank=True, max_length=60)),
                ('links', models.BigIntegerField()),
                ('bytes', models.BigIntegerField()),
            ],
            options={
                'ordering': ['-day'],
                'indexes': [
                    models.Index(fields=['model', '-day'], name='daily_download_of_model'),
                    models.Index(fields=['lab', '-day'], name='daily_download_of_lab'),
                    models.Index(fields=['user_id', '-day'], name='daily_download_of_person'),
                ],
                'constraints': [
                    models.UniqueConstraint(fields=('day', 'model', 'commit', 'user_id', 'client'), name='daily_download_once'),
                ],
            },
        ),
        migrations.CreateModel(
            name='DailyFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('model', models.CharField(max_length=200)),
                ('commit', models.CharField(max_length=40)),
                ('path', models.CharField(max_length=1024)),
                ('links', models.BigIntegerField()),
                ('bytes', models.BigIntegerField()),
            ],
            options={
                'ordering': ['-day'],
                'constraints': [
                    models.UniqueConstraint(fields=('model', 'day', 'commit', 'path'), name='daily_file_once'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Surge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user_id', models.CharField(max_length=64)),
                ('day', models.DateField()),
                ('bytes', models.BigIntegerField()),
                ('usual', models.BigIntegerField()),
                ('told_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('lab', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='people.lab')),
            ],
            options={
                'ordering': ['-day', '-bytes'],
                'constraints': [
                    models.UniqueConstraint(fields=('lab', 'user_id', 'day'), name='surge_once'),
                ],
            },
        ),
        migrations.AddIndex(
            model_name='download',
            index=models.Index(condition=models.Q(('grant_id', ''), _negated=True), fields=['grant_id', 'at'], name='download_of_grant'),
        ),
    ]
