"""Families, models, revisions, refs, files, blobs."""

import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('access', '0001_initial'),
        ('agreements', '0001_initial'),
        ('people', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Blob',
            fields=[
                ('sha256', models.CharField(db_collation='C', max_length=64, primary_key=True, serialize=False)),
                ('size', models.BigIntegerField()),
                ('state', models.CharField(choices=[('staged', 'arrived'), ('verified', 'verified'), ('quarantined', 'quarantined')], default='staged', max_length=12)),
                ('arrived_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('verified_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['staged', 'verified', 'quarantined'])), name='blob_state_known'), models.CheckConstraint(condition=models.Q(('sha256__regex', '^[0-9a-f]{64}$')), name='blob_named_by_digest')],
            },
        ),
        migrations.CreateModel(
            name='Family',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(max_length=96)),
                ('title', models.CharField(max_length=160)),
                ('summary', models.TextField(blank=True)),
                ('hosted', models.BooleanField(default=True)),
                ('facts', models.JSONField(blank=True, default=dict)),
                ('largest', models.BigIntegerField(default=0)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('lab', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='families', to='people.lab')),
            ],
            options={
                'verbose_name_plural': 'families',
                'ordering': ['-changed_at', 'slug'],
                'indexes': [
                    models.Index(fields=['-changed_at', 'slug'], name='family_by_change'),
                ],
                'constraints': [
                    models.UniqueConstraint(fields=('lab', 'slug'), name='family_slug_per_lab'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Model',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=96)),
                ('summary', models.CharField(blank=True, max_length=300)),
                ('licence', models.CharField(blank=True, max_length=80)),
                ('parameters', models.BigIntegerField(default=0)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('opened_at', models.DateTimeField(blank=True, null=True)),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True)),
                ('withdrawn_reason', models.TextField(blank=True)),
                ('agreement', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='agreements.agreement')),
                ('family', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='models', to='releases.family')),
                ('gate', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='models', to='access.gate')),
                ('lab', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='models', to='people.lab')),
            ],
            options={
                'ordering': ['parameters', 'name'],
                'constraints': [
                    models.UniqueConstraint(models.F('lab'), django.db.models.functions.text.Lower('name'), name='model_name_once', violation_error_message='This name is taken.'),
                    models.CheckConstraint(condition=models.Q(models.Q(('withdrawn_at', None), ('withdrawn_reason', '')), models.Q(('withdrawn_at__isnull', False), models.Q(('withdrawn_reason', ''), _negated=True)), _connector='OR'), name='model_withdrawn_with_reason'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Revision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('commit', models.CharField(db_collation='C', max_length=40)),
                ('tree', models.CharField(max_length=40)),
                ('parent', models.CharField(blank=True, max_length=40)),
                ('author', models.CharField(max_length=120)),
                ('email', models.CharField(max_length=254)),
                ('message', models.TextField()),
                ('authored_at', models.DateTimeField()),
                ('folders', models.JSONField(default=dict)),
                ('state', models.CharField(choices=[('draft', 'draft'), ('checked', 'checked'), ('published', 'published'), ('withdrawn', 'withdrawn')], default='draft', max_length=12)),
                ('findings', models.JSONField(blank=True, default=list)),
                ('facts', models.JSONField(blank=True, default=dict)),
                ('size', models.BigIntegerField(default=0)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('checked_at', models.DateTimeField(blank=True, null=True)),
                ('published_at', models.DateTimeField(blank=True, null=True)),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True)),
                ('withdrawn_reason', models.TextField(blank=True)),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='revisions', to='releases.model')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [
                    models.Index(fields=['model', '-id'], name='revision_of_model'),
                ],
                'constraints': [
                    models.UniqueConstraint(fields=('model', 'commit'), name='revision_commit_once'),
                    models.CheckConstraint(condition=models.Q(('state__in', ['draft', 'checked', 'published', 'withdrawn'])), name='revision_state_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('published_at', None), ('state__in', ['draft', 'checked'])), models.Q(('checked_at__isnull', False), ('published_at__isnull', False), ('state__in', ['published', 'withdrawn'])), _connector='OR'), name='revision_published_after_check'),
                    models.CheckConstraint(condition=models.Q(models.Q(('state', 'withdrawn'), ('withdrawn_at__isnull', False), models.Q(('withdrawn_reason', ''), _negated=True)), models.Q(models.Q(('state', 'withdrawn'), _negated=True), ('withdrawn_at', None), ('withdrawn_reason', '')), _connector='OR'), name='revision_withdrawn_with_reason'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Ref',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('branch', 'branch'), ('tag', 'tag')], max_length=8)),
                ('name', models.CharField(db_collation='C', max_length=200)),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refs', to='releases.model')),
                ('revision', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refs', to='releases.revision')),
            ],
            options={
                'ordering': ['kind', 'name'],
                'constraints': [
                    models.UniqueConstraint(fields=('model', 'name'), name='ref_name_once'),
                    models.CheckConstraint(condition=models.Q(('name', 'main'), _negated=True), name='ref_is_not_main'),
                    models.CheckConstraint(condition=models.Q(('kind__in', ['branch', 'tag'])), name='ref_kind_known'),
                ],
            },
        ),
        migrations.CreateModel(
            name='File',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('path', models.CharField(db_collation='C', max_length=1024)),
                ('folder', models.CharField(blank=True, db_collation='C', max_length=1024)),
                ('size', models.BigIntegerField()),
                ('sha1', models.CharField(max_length=40)),
                ('lfs', models.BooleanField()),
                ('blob', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='files', to='releases.blob')),
                ('revision', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='files', to='releases.revision')),
            ],
            options={
                'ordering': ['path'],
                'indexes': [
                    models.Index(fields=['revision', 'folder', 'path'], name='file_in_folder'),
                ],
                'constraints': [
                    models.UniqueConstraint(fields=('revision', 'path'), name='file_path_once'),
                ],
            },
        ),
        migrations.AddField(
            model_name='model',
            name='main',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='releases.revision'),
        ),
        migrations.AddConstraint(
            model_name='model',
            constraint=models.CheckConstraint(condition=models.Q(('main', None), ('opened_at__isnull', False), _connector='OR'), name='model_main_once_opened'),
        ),
    ]
