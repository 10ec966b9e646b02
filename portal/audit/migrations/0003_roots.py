"""Signed daily roots, append-only like the entries."""

from django.db import migrations, models

FORWARD = """
CREATE FUNCTION audit_root_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit roots are append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_root_rows BEFORE UPDATE OR DELETE ON audit_root
  FOR EACH ROW EXECUTE FUNCTION audit_root_append_only();
CREATE TRIGGER audit_root_truncate BEFORE TRUNCATE ON audit_root
  FOR EACH STATEMENT EXECUTE FUNCTION audit_root_append_only();
"""
BACKWARD = """
DROP TRIGGER audit_root_rows ON audit_root;
DROP TRIGGER audit_root_truncate ON audit_root;
DROP FUNCTION audit_root_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]
    operations = [
        migrations.CreateModel(
            name="Root",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField(unique=True)),
                ("first", models.BigIntegerField()),
                ("last", models.BigIntegerField(unique=True)),
                ("document", models.JSONField()),
                ("key_id", models.CharField(max_length=64)),
                ("signature", models.CharField(max_length=128)),
            ],
            options={
                "ordering": ["day"],
                "constraints": [
                    models.CheckConstraint(
                        name="audit_root_covers_something",
                        condition=models.Q(("first__gte", 1), ("last__gte", models.F("first"))),
                    )
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
