"""Addresses of scores."""

from django.urls import path

from releases.evaluations import api, reproduction_views, views

MODEL = "<segment:namespace>/<segment:name>"

urlpatterns = [
    path("evaluations/", views.evaluations, name="evaluations"),
    path("evaluations/scores.<slug:shape>", views.scores_file, name="scores_file"),
    path("evaluations/<int:pk>/", views.score, name="score"),
    path("evaluations/<int:pk>/reproduce/", reproduction_views.reproduce, name="reproduce"),
    path("evaluations/reproductions/", reproduction_views.reproductions, name="reproductions"),
    path("evaluations/reproductions/<int:pk>/", reproduction_views.reproduction, name="reproduction"),
    path("api/v1/evaluations", api.Scores.as_view(), name="api_scores"),
    path("api/v1/evaluations/<int:score>/withdraw", api.ScoreWithdrawn.as_view()),
    path("api/v1/evaluations/<int:score>/reproductions", api.Reproductions.as_view()),
    path("api/v1/reproductions/<int:reproduction>/accept", api.ReproductionAccepted.as_view()),
    path("api/v1/reproductions/<int:reproduction>/question", api.ReproductionQuestioned.as_view()),
    path("api/v1/models/<slug:lab>/<segment:name>/evaluations", api.ScoresOfModel.as_view()),
    path("api/v1/models/<slug:lab>/<segment:name>/evaluations/take-back", api.ScoresOfModelTakenBack.as_view()),
    path(f"{MODEL}/evaluations", views.of_model, name="model_evaluations"),
    path(f"{MODEL}/evaluations/import", views.import_evaluations, name="import_evaluations"),
]
