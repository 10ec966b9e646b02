import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    """What an engine can be asked for, what a receipt says of a query, and the receipts themselves."""

    dependencies = [
        ('inference', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='pool',
            name='embeds',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='pool',
            name='generates',
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name='pool',
            name='tokenizer_info',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='pool',
            name='tools',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='usagerecord',
            name='engine',
            field=models.CharField(blank=True, max_length=80),
        ),
        migrations.AddField(
            model_name='usagerecord',
            name='parameters',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.CreateModel(
            name='QueryReceipt',
            fields=[
                ('request_id', models.CharField(max_length=80, primary_key=True, serialize=False)),
                ('user_id', models.CharField(max_length=64)),
                ('document', models.JSONField()),
                ('document_sha256', models.CharField(max_length=64, unique=True)),
                ('key_id', models.CharField(blank=True, max_length=64)),
                ('seal', models.CharField(blank=True, max_length=128)),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['-made_at'],
                'indexes': [models.Index(fields=['user_id'], name='query_receipt_by_user')],
            },
        ),
    ]
