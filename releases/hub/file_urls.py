"""The one address that is asked for every file of every download.

It stands before all others, which would be tried first, two hundred of them; no lab has the name of one of those.
"""

from django.urls import path, register_converter

from releases.hub import views
from releases.hub.target import Segment, Tail

register_converter(Segment, "segment")
register_converter(Tail, "tail")

urlpatterns = [
    path("<segment:namespace>/<segment:name>/resolve/<segment:revision>/<tail:path>", views.resolve, name="resolve"),
]
