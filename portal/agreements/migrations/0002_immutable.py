"""Published versions and signatures never change: the database says so itself."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION agreements_version_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.published_at IS NOT NULL THEN
    RAISE EXCEPTION 'a published agreement version is immutable' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER agreements_version_rows BEFORE UPDATE OR DELETE ON agreements_version
  FOR EACH ROW EXECUTE FUNCTION agreements_version_immutable();
CREATE FUNCTION agreements_signature_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a signature is immutable' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER agreements_signature_rows BEFORE UPDATE OR DELETE ON agreements_signature
  FOR EACH ROW EXECUTE FUNCTION agreements_signature_immutable();
"""
BACKWARD = """
DROP TRIGGER agreements_version_rows ON agreements_version;
DROP FUNCTION agreements_version_immutable();
DROP TRIGGER agreements_signature_rows ON agreements_signature;
DROP FUNCTION agreements_signature_immutable();
"""


class Migration(migrations.Migration):
    dependencies = [("agreements", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
