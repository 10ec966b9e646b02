"""What a constraint cannot say: grants never overlap, and what was submitted or voted never changes."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION access_grant_no_overlap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.revoked_at IS NOT NULL THEN
    RETURN NEW;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended(NEW.user_id::text || '/' || NEW.gate_id::text, 5742));
  IF EXISTS (
    SELECT 1 FROM access_grant held
    WHERE held.user_id = NEW.user_id AND held.gate_id = NEW.gate_id AND held.id <> NEW.id AND held.revoked_at IS NULL
      AND tstzrange(held.starts_at, held.ends_at) && tstzrange(NEW.starts_at, NEW.ends_at)
  ) THEN
    RAISE EXCEPTION 'grants of one person behind one gate must not overlap' USING ERRCODE = 'exclusion_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER access_grant_rows BEFORE INSERT OR UPDATE ON access_grant
  FOR EACH ROW EXECUTE FUNCTION access_grant_no_overlap();
CREATE FUNCTION access_written_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% rows are written once', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER access_submission_rows BEFORE UPDATE OR DELETE ON access_submission
  FOR EACH ROW EXECUTE FUNCTION access_written_once();
CREATE TRIGGER access_review_rows BEFORE UPDATE OR DELETE ON access_review
  FOR EACH ROW EXECUTE FUNCTION access_written_once();
"""
BACKWARD = """
DROP TRIGGER access_grant_rows ON access_grant;
DROP FUNCTION access_grant_no_overlap();
DROP TRIGGER access_submission_rows ON access_submission;
DROP TRIGGER access_review_rows ON access_review;
DROP FUNCTION access_written_once();
"""


class Migration(migrations.Migration):
    dependencies = [("access", "0002_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
