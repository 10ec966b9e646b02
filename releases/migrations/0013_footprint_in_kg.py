"""What was fixed at publication of a footprint was kept in the card's grams; it is kept in kg, as every mass is."""

from django.db import migrations

TO_KG = """
UPDATE releases_publication
SET described = described - 'co2eq_g' || jsonb_build_object('co2eq_kg', (described ->> 'co2eq_g')::numeric / 1000)
WHERE described ? 'co2eq_g'
"""
TO_GRAMS = """
UPDATE releases_publication
SET described = described - 'co2eq_kg' || jsonb_build_object('co2eq_g', (described ->> 'co2eq_kg')::numeric * 1000)
WHERE described ? 'co2eq_kg'
"""


class Migration(migrations.Migration):
    dependencies = [("releases", "0012_logbooks")]
    operations = [migrations.RunSQL(TO_KG, TO_GRAMS)]
