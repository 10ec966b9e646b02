"""Addresses of the calculators: those of their own, and those below a model's."""

from django.urls import path

from releases.costs import api, views

SIZE = "families/<slug:lab>/<slug:slug>/cost/<segment:size>"
API_MODEL = "api/v1/models/<slug:lab>/<segment:name>"
API_SIZE = "api/v1/families/<slug:lab>/<slug:slug>/sizes/<segment:size>"
MODEL = "<segment:namespace>/<segment:name>"

urlpatterns = [
    path("families/compare/", views.compare, name="compare"),
    path(SIZE, views.running_cost_of_size, name="running_cost_of_size"),
    path(f"{SIZE}/training", views.training_cost_of_size, name="training_cost_of_size"),
    path("me/hardware/", views.hardware, name="hardware"),
    path("me/hardware/save/", views.save_hardware, name="save_hardware"),
    path("me/hardware/<int:pk>/remove/", views.remove_hardware, name="remove_hardware"),
    path(f"{API_MODEL}/cost", api.RunningCost.as_view(), name="api_running_cost"),
    path(f"{API_MODEL}/training-cost", api.TrainingCost.as_view(), name="api_training_cost"),
    path(f"{API_SIZE}/cost", api.RunningCostOfSize.as_view(), name="api_running_cost_of_size"),
    path(f"{API_SIZE}/training-cost", api.TrainingCostOfSize.as_view(), name="api_training_cost_of_size"),
]
of_models = [
    path(f"{MODEL}/cost", views.running_cost, name="running_cost"),
    path(f"{MODEL}/cost/training", views.training_cost, name="training_cost"),
]
