"""The model card and the data card, written in the browser: a preview as readers will see it, then a draft on `main`."""

from __future__ import annotations

import io
from typing import Final

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from portal.errors import NotFound
from portal.people.models import User
from portal.people.views import signed_in
from releases import actions, cards, git, lifecycle
from releases.actions import Change, NewFile, Stale
from releases.models import MAIN, Model
from releases.storage import store
from releases.views import about, model_of

CARDS: Final = {"model": cards.CARD, "data": cards.DATA_CARD}
"""Which card, as its address says, and the file that holds it."""


class CardForm(forms.Form):
    """One card's source, and the revision that it was read from."""

    text = forms.CharField(
        label=gettext_lazy("Text"),
        strip=False,
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "true"}),
        help_text=gettext_lazy("Markdown, after front matter in YAML between two lines of three hyphens."),
    )
    message = forms.CharField(label=gettext_lazy("What changed"), max_length=200, required=False)
    parent = forms.CharField(widget=forms.HiddenInput, required=False, max_length=40)

    def clean_text(self) -> str:
        """As it will be stored: no NUL, Unix line ends, not too long, front matter that is YAML."""
        told: str = self.cleaned_data["text"].replace("\r\n", "\n").replace("\0", "")
        if len(told.encode()) > cards.CARD_MAX:
            raise forms.ValidationError(_("A card of more than 1 MiB is not shown. Shorten it."))
        if wrong := cards.faults(told):
            raise forms.ValidationError([*wrong])
        return told.rstrip("\n") + "\n"


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, namespace: str, name: str, which: str) -> HttpResponse:
    """Write one of the cards of the newest revision, for those who look after the lab's releases."""
    user, found = signed_in(request), model_of(request, namespace, name)
    if which not in CARDS or not user.roles_in(found.lab) & lifecycle.STAFF:
        raise NotFound(_("There is nothing at this address."))
    path, tip = CARDS[which], found.tip
    read = {"text": cards.source(tip, path) if tip else "", "parent": tip.commit if tip else ""}
    form = CardForm(request.POST or None, initial=read)
    preview = None
    if request.method == "POST" and form.is_valid():
        preview = cards.parse(form.cleaned_data["text"])
        if request.POST.get("verb") == "save":
            try:
                draft = _save(form, found, path, user)
            except Stale:
                newer = _(
                    "Somebody made a newer revision meanwhile. Copy your text, load this page again and put it in."
                )
                form.add_error(None, newer)
            else:
                messages.success(request, _("The card is in a draft. Have it checked, then publish it."))
                return redirect("releases:desk", found.lab.slug, found.name, draft)
    context = about(request, found, tip) | {
        "tab": "revisions",
        "which": which,
        "path": path,
        "form": form,
        "preview": preview,
        "gaps": cards.gaps(form.cleaned_data["text"]) if preview and which == "model" else [],
    }
    return render(request, "releases/card_edit.html", context)


def _save(form: CardForm, model: Model, path: str, by: User) -> str:
    content = form.cleaned_data["text"].encode()
    sha256, size = store().put(io.BytesIO(content))
    file = NewFile(path, size, sha256, git.blob_id(content), lfs=False)
    message = form.cleaned_data["message"] or f"Write {path}"
    made = actions.amend(
        model=model, branch=MAIN, change=Change([file]), by=by, message=message, parent=form.cleaned_data["parent"]
    )
    return made.commit
