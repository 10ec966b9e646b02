"""The page on which a lab's release managers say who gets at a model, what it belongs to, and what lists say of it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.errors import Invalid, NotFound
from portal.people.models import User
from portal.people.second_factor import step_up
from portal.people.views import signed_in
from releases import actions, lifecycle
from releases.forms import DescribeForm, NewFamilyForm
from releases.models import Model
from releases.views import about, model_of


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def describe(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """Gate, terms, family and summary, for those who look after the lab's releases; to all others it is not there."""
    user, found = signed_in(request), model_of(request, namespace, name)
    if not user.roles_in(found.lab) & lifecycle.STAFF:
        raise NotFound(_("There is nothing at this address."))
    verb = request.POST.get("verb")
    form = DescribeForm(request.POST if verb == "describe" else None, model=found)
    family = NewFamilyForm(request.POST if verb == "family" else None)
    if request.method == "POST":
        if _done(found, user, form, family):
            messages.success(request, _("Saved."))
            return redirect("releases:describe", found.lab.slug, found.name)
        if not (form.is_bound or family.is_bound):
            raise Invalid(_("Choose what to do."))
    context = about(request, found, found.main) | {"tab": "revisions", "form": form, "new_family": family}
    return render(request, "releases/describe.html", context, status=422 if form.errors or family.errors else 200)


def _done(found: Model, user: User, form: DescribeForm, family: NewFamilyForm) -> bool:
    if family.is_bound:
        return family.is_valid() and _begun(found, user, family)
    if not form.is_valid():
        return False
    try:
        actions.describe_model(model=found, by=user, **form.wanted())
    except Invalid as error:
        form.take(error.fields)
        return False
    return True


def _begun(found: Model, user: User, family: NewFamilyForm) -> bool:
    told = family.cleaned_data
    if found.lab.families.filter(slug=told["slug"]).exists():
        family.take({"slug": [_("There is a family of this name. Choose it above.")]})
        return False
    made = actions.open_family(lab=found.lab, slug=told["slug"], title=told["title"], summary=told["about"], by=user)
    actions.describe_model(model=found, by=user, family=made)
    return True
