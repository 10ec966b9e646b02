"""Names as salted commitments, and the one change that erasing a person makes: name and salt go, all else stays."""

from django.db import migrations, models

FORWARD = """
CREATE OR REPLACE FUNCTION audit_entry_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.position IS NULL AND NEW.position IS NOT NULL
     AND (to_jsonb(NEW) - 'position' - 'seal') = (to_jsonb(OLD) - 'position' - 'seal') THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.salt <> '' AND to_jsonb(NEW) = to_jsonb(OLD) || '{"actor": "", "salt": ""}' THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'audit entries are append-only' USING ERRCODE = 'restrict_violation';
END $$;
"""
BACKWARD = """
CREATE OR REPLACE FUNCTION audit_entry_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.position IS NULL AND NEW.position IS NOT NULL
     AND (to_jsonb(NEW) - 'position' - 'seal') = (to_jsonb(OLD) - 'position' - 'seal') THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'audit entries are append-only' USING ERRCODE = 'restrict_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_roots")]
    operations = [
        migrations.AddField("entry", "salt", models.CharField(blank=True, default="", max_length=32), preserve_default=False),
        migrations.AddField(
            "entry", "commitment", models.CharField(blank=True, default="", max_length=64), preserve_default=False
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
