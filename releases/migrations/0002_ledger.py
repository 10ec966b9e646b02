"""The ledger of downloads: partitioned by month from the first row on, and append-only. Revisions and files: fixed."""

import uuid

from django.db import migrations, models
from django.utils import timezone

from releases import partitions

LEDGER = """
CREATE TABLE releases_download (
  id uuid NOT NULL,
  at timestamptz NOT NULL,
  user_id varchar(64) NOT NULL,
  "user" varchar(254) NOT NULL,
  token_id varchar(64) NOT NULL,
  lab varchar(64) NOT NULL,
  model varchar(200) NOT NULL,
  commit varchar(40) NOT NULL,
  path varchar(1024) NOT NULL,
  sha256 varchar(64) NOT NULL,
  size bigint NOT NULL,
  gate varchar(96) NOT NULL,
  grant_id varchar(64) NOT NULL,
  wanted varchar(200) NOT NULL,
  client varchar(300) NOT NULL,
  link_ends_at timestamptz NOT NULL,
  PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX download_of_model ON releases_download (model, at DESC);
CREATE INDEX download_of_person ON releases_download (user_id, at DESC);
CREATE FUNCTION releases_download_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger of downloads is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON releases_download
  FOR EACH ROW EXECUTE FUNCTION releases_download_keep();
CREATE TRIGGER keep BEFORE TRUNCATE ON releases_download
  FOR EACH STATEMENT EXECUTE FUNCTION releases_download_keep();
"""
NO_LEDGER = """
DROP TABLE releases_download;
DROP FUNCTION releases_download_keep();
"""
FIXED = """
CREATE FUNCTION releases_revision_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.published_at IS NULL THEN RETURN OLD; END IF;
  ELSIF (OLD.model_id, OLD.commit, OLD.tree, OLD.parent, OLD.author, OLD.email, OLD.message, OLD.authored_at)
      = (NEW.model_id, NEW.commit, NEW.tree, NEW.parent, NEW.author, NEW.email, NEW.message, NEW.authored_at)
    AND (OLD.published_at IS NULL OR OLD.published_at = NEW.published_at) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'a revision is what its name is a digest of' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER fixed BEFORE UPDATE OR DELETE ON releases_revision
  FOR EACH ROW EXECUTE FUNCTION releases_revision_fixed();
CREATE FUNCTION releases_file_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND NOT EXISTS (
    SELECT 1 FROM releases_revision WHERE id = OLD.revision_id AND published_at IS NOT NULL) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'the files of a revision do not change' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER fixed BEFORE UPDATE OR DELETE ON releases_file
  FOR EACH ROW EXECUTE FUNCTION releases_file_fixed();
"""
NOT_FIXED = """
DROP TRIGGER fixed ON releases_revision;
DROP FUNCTION releases_revision_fixed();
DROP TRIGGER fixed ON releases_file;
DROP FUNCTION releases_file_fixed();
"""


def first_partitions(apps, schema_editor):
    """This month and the next ones."""
    partitions.ensure(timezone.now().date())


class Migration(migrations.Migration):
    dependencies = [("releases", "0001_initial")]
    operations = [
        migrations.RunSQL(
            LEDGER,
            NO_LEDGER,
            state_operations=[
                migrations.CreateModel(
                    name="Download",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("at", models.DateTimeField()),
                        ("user_id", models.CharField(blank=True, max_length=64)),
                        ("user", models.CharField(blank=True, max_length=254)),
                        ("token_id", models.CharField(blank=True, max_length=64)),
                        ("lab", models.CharField(max_length=64)),
                        ("model", models.CharField(max_length=200)),
                        ("commit", models.CharField(max_length=40)),
                        ("path", models.CharField(max_length=1024)),
                        ("sha256", models.CharField(max_length=64)),
                        ("size", models.BigIntegerField()),
                        ("gate", models.CharField(blank=True, max_length=96)),
                        ("grant_id", models.CharField(blank=True, max_length=64)),
                        ("wanted", models.CharField(blank=True, max_length=200)),
                        ("client", models.CharField(blank=True, max_length=300)),
                        ("link_ends_at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ["-at"],
                        "indexes": [
                            models.Index(fields=["model", "-at"], name="download_of_model"),
                            models.Index(fields=["user_id", "-at"], name="download_of_person"),
                        ],
                    },
                ),
            ],
        ),
        migrations.RunSQL(FIXED, NOT_FIXED),
        migrations.RunPython(first_partitions, migrations.RunPython.noop),
    ]
