"""What is written once may lose its private text when the person is erased, and nothing else."""

from django.db import migrations

FORWARD = """
CREATE OR REPLACE FUNCTION access_written_once() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  blank jsonb := CASE TG_TABLE_NAME
    WHEN 'access_submission' THEN '{"answers": {}}'
    WHEN 'access_review' THEN '{"note": ""}'
    WHEN 'access_note' THEN '{"text": ""}'
  END;
BEGIN
  IF TG_OP = 'UPDATE' AND to_jsonb(NEW) = to_jsonb(OLD) || blank THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '% rows are written once', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE OR REPLACE FUNCTION access_appeal_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.text = '' AND NEW.message IN ('', 'Erased.')
     AND to_jsonb(NEW) - 'text' - 'message' = to_jsonb(OLD) - 'text' - 'message' THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'DELETE' OR OLD.outcome <> '' OR NEW.text <> OLD.text OR NEW.made_at <> OLD.made_at
     OR NEW.application_id <> OLD.application_id THEN
    RAISE EXCEPTION 'an appeal is kept as it was written' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION access_renewal_reported_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.message IN ('', 'Erased.') AND to_jsonb(NEW) - 'message' = to_jsonb(OLD) - 'message'
     || '{"publications": "", "use_summary": "", "incidents": "", "changes": ""}' THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'DELETE' OR OLD.closed_at IS NOT NULL
      OR (NEW.grant_id, NEW.publications, NEW.use_summary, NEW.incidents, NEW.changes, NEW.ends_from, NEW.sent_at)
      IS DISTINCT FROM
      (OLD.grant_id, OLD.publications, OLD.use_summary, OLD.incidents, OLD.changes, OLD.ends_from, OLD.sent_at) THEN
    RAISE EXCEPTION 'what a renewal reports never changes' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
"""
BACKWARD = """
CREATE OR REPLACE FUNCTION access_written_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% rows are written once', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE OR REPLACE FUNCTION access_appeal_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.outcome <> '' OR NEW.text <> OLD.text OR NEW.made_at <> OLD.made_at
     OR NEW.application_id <> OLD.application_id THEN
    RAISE EXCEPTION 'an appeal is kept as it was written' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION access_renewal_reported_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.closed_at IS NOT NULL
      OR (NEW.grant_id, NEW.publications, NEW.use_summary, NEW.incidents, NEW.changes, NEW.ends_from, NEW.sent_at)
      IS DISTINCT FROM
      (OLD.grant_id, OLD.publications, OLD.use_summary, OLD.incidents, OLD.changes, OLD.ends_from, OLD.sent_at) THEN
    RAISE EXCEPTION 'what a renewal reports never changes' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("access", "0011_grant_life")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
