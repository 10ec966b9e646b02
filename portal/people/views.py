"""A person's own pages, and the pages that belong to nobody: help and the gallery of components."""

from __future__ import annotations

import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from portal.errors import Invalid
from portal.people import actions, identity
from portal.people.forms import ProfileForm
from portal.people.models import Affiliation, Institution, Membership, User
from portal.people.panels import panels_of


def signed_in(request: HttpRequest) -> User:
    """Return the person of a request that login_required has let through."""
    if not isinstance(request.user, User):
        raise TypeError("This view needs login_required.")
    return request.user


@login_required
@require_safe
def me(request: HttpRequest) -> HttpResponse:
    """Show everything that one holds: applications, grants, tokens, usage, each drawn by its own app."""
    user = signed_in(request)
    sections = [render_to_string(template, context, request) for template, context in panels_of(user)]
    return render(request, "people/me.html", {"sections": sections})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Show and change one's name and present place of work. "Find" searches the register where there is no script."""
    user = signed_in(request)
    affiliation = Affiliation.objects.filter(user=user, ends_at=None).select_related("institution").first()
    form = ProfileForm(request.POST or None, initial=_about(user, affiliation))
    hits = None
    if "find" in request.POST:
        hits = Institution.objects.matching(request.POST.get("organisation", ""))
    elif request.method == "POST" and form.is_valid() and _saved(user, form):
        messages.success(request, _("Saved."))
        return redirect("people:profile")
    context = {
        "form": form,
        "affiliation": affiliation,
        "memberships": Membership.objects.active().filter(user=user).select_related("lab"),
        "hits": hits,
    }
    return render(request, "people/profile.html", context)


def _saved(user: User, form: ProfileForm) -> bool:
    said = form.cleaned_data
    try:
        actions.update_profile(by=user, name=said["name"], page=said["page"], place=form.place())
    except Invalid as error:
        for name, texts in error.fields.items():
            form.add_error(name, texts)
        return False
    return True


def _about(user: User, affiliation: Affiliation | None) -> dict[str, str]:
    known = {"name": user.name, "page": user.page or identity.orcid_page(user)}
    if affiliation is None:
        guess = identity.suggested_place(user)
        told = {"organisation": guess.organisation, "ror": guess.ror, "position": guess.position} if guess else {}
        return {**known, **told}
    names = ("organisation", "site", "country", "position", "klass", "contested")
    place = {name: getattr(affiliation, name) for name in names}
    if affiliation.institution:
        kind = affiliation.klass if affiliation.contested else ""
        place |= {"ror": affiliation.institution.ror, "country": "", "klass": kind}
    return {**known, **place}


@require_safe
def help_page(request: HttpRequest) -> HttpResponse:
    """Explain in one page how to get access, download, query and verify."""
    return render(request, "pages/help.html", {"host": settings.BASE_URL})


class GalleryForm(forms.Form):
    """Every kind of control, one of each, for the gallery."""

    institution = forms.CharField(label="Institution", help_text="Start typing; the register knows most of them.")
    email = forms.EmailField(label="Institutional e-mail")
    summary = forms.CharField(label="Public summary", widget=forms.Textarea(attrs={"rows": 3}), required=False)
    ends = forms.ChoiceField(label="Ends after", choices=[("30", "30 days"), ("90", "90 days")])
    need = forms.MultipleChoiceField(
        label="What do you need?",
        help_text="Ask for what the work needs.",
        choices=[("download", "Download the weights"), ("query", "Query through the API")],
        widget=forms.CheckboxSelectMultiple,
    )
    read = forms.BooleanField(label="I have read version 2.1 of the agreement")


@require_safe
def gallery(request: HttpRequest) -> HttpResponse:
    """Show every component in every state, drawn by the same tags as the pages."""
    if not (settings.DEBUG or settings.MODE in {"demo", "test"}):
        raise Http404
    form = GalleryForm({"institution": "University of Tartu", "email": "mara at example"})
    return render(request, "pages/gallery.html", {"form": form, "history": _history(), "record": _record()})


def _history() -> list[dict[str, Any]]:
    sent = datetime.datetime(2026, 11, 19, 14, 22, tzinfo=datetime.UTC)
    return [
        {"when": sent, "title": "You submitted the application", "note": "A receipt went to your address."},
        {
            "when": sent + datetime.timedelta(days=1),
            "title": "A reviewer asked a question",
            "quote": "On which machines will the model run?",
        },
        {"when": sent + datetime.timedelta(days=4), "title": "You answered. In review again", "state": "now"},
        {"when": "next", "title": "Decision", "note": "By e-mail, with reasons if it is a no.", "state": "todo"},
    ]


def _record() -> dict[str, Any]:
    return {
        "facts": [
            ("Parameters", "5,242,880"),
            ("Context", "1,024 tokens"),
            ("Precision", "fp32"),
            ("Licence", "noncommercial"),
        ],
        "pairs": [("Signed by", "Mara Lindqvist"), ("Capacity", "for myself"), ("At", "24 Nov 2026, 09:12 UTC")],
        "sha": "587cb980af76fdc7e52369fd0b9d926dff266976b6f8ac631e358fecc49ff8cf",
        "size": 12_404_512,
    }
