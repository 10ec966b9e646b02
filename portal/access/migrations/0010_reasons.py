"""What kind of change was asked for, and a lab's own words for its reasons."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0009_substitutes'),
        ('people', '0002_institutions'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ReasonText',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(max_length=32)),
                ('text', models.TextField()),
                ('lab', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='people.lab')),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('lab', 'reason'), name='reason_text_once'),
                ],
            },
        ),
        migrations.AddField(
            model_name='application',
            name='change',
            field=models.CharField(blank=True, choices=[('detail', 'More detail is needed'), ('identity', 'Who you are or where you work'), ('purpose', 'What the work is for'), ('custody', 'How the weights would be kept'), ('other', 'Something else, given below')], max_length=20),
        ),
        migrations.AddConstraint(
            model_name='application',
            constraint=models.CheckConstraint(condition=models.Q(('change__in', ['', 'detail', 'identity', 'purpose', 'custody', 'other'])), name='application_change_known'),
        ),
    ]
