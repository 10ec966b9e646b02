"""The calculators' pages and their JSON: for a hosted model, for a size that is hosted elsewhere, and side by side."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from portal.audit.models import Entry as AuditEntry
from portal.errors import Conflict
from portal.people.models import User
from releases import actions, entries
from releases.actions.hardware import MOST
from releases.costs import hardware
from releases.costs.architecture import count
from releases.costs.forms import RunningForm
from releases.costs.subjects import Subject, shape_of
from releases.hardware_models import HardwareProfile
from releases.models import Model
from tests.portal.world import World

SEED = Path(__file__).resolve().parents[2] / "releases" / "seed" / "pico-opt-5m.tar.xz"
OPT_175B = Subject(
    name="OPT-175B", url="", running_url="", training_url="", parameters=None,
    shape=shape_of(entries.sizes_in(entries.read("opt"))[-1]),
)  # fmt: skip
CLAIM = "/families/meta/opt/cost/OPT-175B"


def words(response: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


@pytest.fixture
def opt(db: None) -> Any:
    return entries.seed("opt", by=None)


@pytest.fixture
def pico(lyceum: World, publish: Any) -> Any:
    """A model with the real config and records of the one that was trained here."""
    with tarfile.open(SEED) as archive:
        files = {
            name.replace("/", "__"): archive.extractfile(name).read()
            for name in ("config.json", "model.safetensors", "records/energy.json", "records/metrics.jsonl")
        }
    family = actions.open_family(lab=lyceum.lab, slug="pico", title="Pico", by=lyceum.manager)
    return publish(lyceum, "pico-5m", family=family, **files)


def test_a_hosted_models_weights_are_its_files_own(client: Client, pico: Any) -> None:
    page = client.get("/lyceum/pico-5m/cost")
    assert page.status_code == 200
    seen = words(page)
    assert "It fits" in seen
    assert "9.47 MB (9.03 MiB)" in seen  # 4,736,256 × 2 B, as the safetensors file has it
    assert "counted in the tensors of the revision" in seen
    assert 'aria-current="page">Cost to run' in page.content.decode()
    assert len(page.content) < 200_000


def test_the_claim_of_sixteen_v100_is_worked_out_on_an_address_of_its_own(client: Client, opt: Any) -> None:
    page = client.get(CLAIM)
    assert "runs on 16 V100" in words(page)
    address = re.search(rf'href="({re.escape(CLAIM)}\?[^"]*v100-32[^"]*)">Work it out', page.content.decode())
    assert address, "the claim leads to its answer"
    worked = client.get(address[1].replace("&amp;", "&"))
    seen = words(worked)
    assert "Worked out below" in seen
    assert "It fits" in seen
    assert "349 GB (325 GiB)" in seen
    assert "Sequences of the whole context that fit at once: 9" in seen
    told = client.get(address[1].replace("&amp;", "&") + "&format=json").json()
    assert told["fits"] is True
    assert told["range"]["fast"]["dollars_per_million"]["value"] > 0
    assert told["floor"]["value"] == pytest.approx(0.0243, abs=0.0001)


def test_the_same_cards_of_16_gb_do_not_hold_it(client: Client, opt: Any) -> None:
    assert "It does not fit" in words(client.get(CLAIM, {"accelerator": "v100-16", "gpus": "16"}))
    assert "It cannot be split like this" in words(client.get(CLAIM, {"accelerator": "a100-80", "gpus": "5"}))


def test_page_json_and_api_give_one_answer(client: Client, pico: Any) -> None:
    asked = {"accelerator": "h100-80", "gpus": "2", "concurrency": "4", "price": "3.5"}
    by_format = client.get("/lyceum/pico-5m/cost", {**asked, "format": "json"})
    by_accept = client.get("/lyceum/pico-5m/cost", asked, headers={"Accept": "application/json"})
    by_api = client.get("/api/v1/models/lyceum/pico-5m/cost", asked)
    assert by_format.json() == by_accept.json() == by_api.json()
    told = by_format.json()
    assert told["weights"]["value"] == 9_472_512
    assert told["inputs"]["concurrency"] == 4
    again = client.get(told["permalink"].partition("://")[2].partition("/")[2].join(["/", "&format=json"])).json()
    assert again == told


def test_an_address_holds_everything_that_was_asked(client: Client, opt: Any) -> None:
    told = client.get(CLAIM, {"format": "json"}).json()
    for name in (
        "accelerator",
        "gpus",
        "tensor",
        "pipeline",
        "weights",
        "cache",
        "context",
        "concurrency",
        "pue",
        "grid",
    ):
        assert f"{name}=" in told["permalink"]


@pytest.mark.parametrize(("asked", "field", "told"), [
    ({"gpus": "6", "pipeline": "4"}, "pipeline", "make no 4 equal stages"),
    ({"gpus": "8", "tensor": "3", "pipeline": "2"}, "tensor", "need 6 accelerators, not 8"),
    ({"gpus": "0"}, "gpus", "from 1 to 4096"),
    ({"gpus": "many"}, "gpus", "from 1 to 4096"),
    ({"accelerator": "abacus"}, "accelerator", "Choose one of these"),
    ({"weights": "fp2"}, "weights", "Choose one of these"),
    ({"context": "4096"}, "context", "at most 2,048 tokens"),
    ({"prompt": "2000", "answer": "100"}, "answer", "longer than the context"),
    ({"usable": "2"}, "usable", "from 0.1 to 1"),
    ({"slow": "0.9", "fast": "0.2"}, "fast", "above the slow one"),
    ({"grid": "nan"}, "grid", "from 0 to 2000"),
    ({"pue": "1e999"}, "pue", "from 1 to 5"),
])  # fmt: skip
def test_what_cannot_be_answered_is_told_beside_its_field_and_nothing_is_lost(asked, field, told):
    form = RunningForm(OPT_175B, asked)
    assert told in " ".join(form.errors[field])
    for name, value in asked.items():
        assert str(form[name].value()) == value


def test_a_wrong_question_is_shown_again_on_the_page_and_refused_as_json(client: Client, opt: Any) -> None:
    asked = {"gpus": "8", "tensor": "3", "pipeline": "2", "price": "7.25"}
    page = client.get(CLAIM, asked)
    assert page.status_code == 200
    assert "need 6 accelerators, not 8" in words(page)
    assert 'value="7.25"' in page.content.decode()
    assert "Does it fit" not in words(page)
    refused = client.get(CLAIM, {**asked, "format": "json"})
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")
    assert "tensor" in refused.json()["fields"]


def test_the_api_refuses_a_name_that_it_does_not_know(client: Client, opt: Any) -> None:
    refused = client.get("/api/v1/families/meta/opt/sizes/OPT-175B/cost", {"gpu": "8"})
    assert refused.status_code == 400
    assert "gpu" in refused.json()["fields"]
    assert client.get("/api/v1/families/meta/opt/sizes/OPT-175B/cost", {"gpus": "8"}).json()["fits"] is True
    assert client.get("/api/v1/families/meta/opt/sizes/OPT-9B/cost").status_code == 404


def test_a_model_whose_config_says_too_little_is_told_so(client: Client, lyceum: World, publish: Any) -> None:
    publish(lyceum, "bare")
    page = client.get("/lyceum/bare/cost")
    assert page.status_code == 200
    assert "Nothing can be reckoned of this model" in words(page)
    assert "num_hidden_layers" in words(page)
    refused = client.get("/lyceum/bare/cost?format=json")
    assert (refused.status_code, refused["Content-Type"]) == (409, "application/problem+json")


@pytest.mark.parametrize(
    "config", [{"num_key_value_heads": 0}, {"head_dim": 0}, {"num_local_experts": 4, "num_experts_per_tok": 8}], ids=str
)
def test_a_config_that_no_model_has_takes_no_page_from_the_others(
    client: Client, lyceum: World, publish: Any, config: dict[str, int]
) -> None:
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 1000}
    family = actions.open_family(lab=lyceum.lab, slug="odd", title="Odd", by=lyceum.manager)
    publish(lyceum, "odd-1m", family=family, **{"config.json": json.dumps(shape | {"model_type": "llama"} | config)})
    call_command("seed_catalogue")
    seen = words(client.get("/families/compare/"))
    assert "odd-1m" in seen
    assert "OPT-175B" in seen
    page = client.get("/lyceum/odd-1m/cost?pipeline=2&gpus=2")
    assert page.status_code == 200
    assert f"no usable number for {list(config)[-1]}" in words(page)


def test_a_draft_is_no_strangers(client: Client, lyceum: World, publish: Any, stranger: User) -> None:
    publish(lyceum, "draft", publish=False)
    client.force_login(stranger)
    assert client.get("/lyceum/draft/cost").status_code == 404
    assert client.get("/api/v1/models/lyceum/draft/cost").status_code == 404


def test_the_training_of_opt_by_four_figures_and_on_ones_own_grid(client: Client, opt: Any) -> None:
    told = client.get(f"{CLAIM}/training?recomputed=no&format=json").json()
    # Six for each parameter and token; the paper's own 992 accelerators at 147 × 10¹² a second.
    assert told["flop"]["value"] == pytest.approx(3.14e23, rel=0.01)
    eight = client.get(f"{CLAIM}/training?format=json").json()  # activations were computed again
    assert eight["flop"]["value"] == pytest.approx(4.19e23, rel=0.01)
    assert eight["days"]["value"] == pytest.approx(33.2, abs=0.2)
    by_hours = client.get(f"{CLAIM}/training?hours=809472&format=json").json()
    assert by_hours["energy"]["value"] == pytest.approx(356_168, rel=0.001)  # kWh, as the LLaMA paper has it
    assert by_hours["carbon"]["value"] == pytest.approx(137_000, rel=0.005)
    page = client.get(f"{CLAIM}/training?grid=30")
    seen = words(page)
    assert len(page.context["published"]) == 4
    for figure in ("75 t", "≈ 150 t", "137 t", "70 t", "10.7 t"):  # the last: 356 MWh on Norway's grid
        assert figure in seen, figure


def test_the_training_of_a_hosted_model_by_two_methods(client: Client, pico: Any) -> None:
    page = client.get("/lyceum/pico-5m/cost/training")
    seen = words(page)
    assert "By processor time" in seen
    assert "By the clock" in seen
    assert "2.63 g" in seen  # the record's own figure, and the first method's
    clock, processor = (page.context["clocks"][n][1] for n in (1, 0))
    carbon = {
        name: next(s.quantity.amount for s in told if s.quantity.key == "carbon")
        for name, told in (("clock", clock), ("cpu", processor))
    }
    assert carbon["cpu"] == pytest.approx(0.0026274, rel=1e-3)
    assert carbon["clock"] > carbon["cpu"]
    assert page.context["form"]["tokens"].value() == 12_288_000


RECORD = {
    "kwh": 2000,
    "kg_co2e_per_kwh": 0.4,
    "kg_co2e": 800,
    "pue": 1.2,
    "kind": "metered",
    "boundary": "the last run",
}
CARD = "---\nlicense: mit\nco2_eq_emissions:\n  emissions: {}\n  energy_consumed: 3000\n  source: a meter\n  hardware_used: 8 GPUs\n---\n# Told\n"


def told_by(publish: Any, lyceum: World, **files: str) -> list[list[str]]:
    """The rows of published emissions of a model with these files, as a reader sees them."""
    config = json.dumps(
        {"model_type": "opt", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1, "ffn_dim": 256,
         "vocab_size": 128, "max_position_embeddings": 128}
    )  # fmt: skip
    publish(lyceum, "told", **{"config.json": config.encode()}, **{path: text.encode() for path, text in files.items()})
    page = Client().get("/lyceum/told/cost/training").content.decode()
    body = page.partition('id="published"')[2].partition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row.split("</td>")[:-1]] for row in rows]


def test_what_the_card_tells_of_emissions_is_shown_with_its_method(lyceum: World, publish: Any) -> None:
    (row,) = told_by(publish, lyceum, **{"README.md": CARD.format(1_200_000)})
    assert row[0] == "1.20 t"
    assert row[1] == "1.44 t", "3,000 kWh on the grid of the page, 481 g"
    assert row[2:4] == ["8 GPUs", "3 MWh"]
    assert row[6:] == ["a meter", "the model’s card"]


def test_a_record_and_a_card_that_tell_one_figure_are_one_row_and_two_where_they_differ(
    lyceum: World, publish: Any
) -> None:
    record = {"records__energy.json": json.dumps(RECORD)}
    (row,) = told_by(publish, lyceum, **record, **{"README.md": CARD.format(803_000)})
    assert row[0] == "800 kg"
    assert row[2:] == ["the last run", "2 MWh", "0.4", "1.2", "metered", "records/energy.json"]


def test_figures_that_differ_are_both_shown(lyceum: World, publish: Any) -> None:
    rows = told_by(publish, lyceum, **{"records__energy.json": json.dumps(RECORD), "README.md": CARD.format(1_200_000)})
    assert [row[0] for row in rows] == ["800 kg", "1.20 t"]


@pytest.mark.parametrize("said", ["0", "-3", "'1,5'", "12 kg", "true", "1.0e+30", ".nan"])
def test_emissions_that_are_no_amount_are_shown_to_nobody_and_the_lab_is_told(
    lyceum: World, publish: Any, said: str
) -> None:
    assert told_by(publish, lyceum, **{"README.md": CARD.format(said)}) == []
    (notice,) = [each for each in notices("told") if "emissions" in each]
    assert "shown to nobody" in notice


def notices(name: str) -> list[str]:
    return [each["message"] for each in Model.objects.get(name=name).main.notices]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kg_co2e": 0.8}, "which makes 800 kg, and kg_co2e: 0.8"),
        ({"kwh": "2,000"}, "kwh: '2,000', which is shown to nobody"),
        ({"kg_co2e": -800}, "kg_co2e: -800, which is shown to nobody"),
        ({"kwh": 0}, "kwh: 0, which is shown to nobody"),
    ],
)
def test_a_record_in_the_wrong_unit_is_told_to_whoever_publishes_it(
    lyceum: World, publish: Any, wrong: dict[str, Any], said: str
) -> None:
    told_by(publish, lyceum, **{"records__energy.json": json.dumps(RECORD | wrong)})
    assert any(said in each for each in notices("told"))


def test_a_record_that_agrees_with_its_card_is_told_nothing(lyceum: World, publish: Any) -> None:
    card = CARD.format(800_000).replace("3000", "2000")
    told_by(publish, lyceum, **{"records__energy.json": json.dumps(RECORD), "README.md": card})
    assert not [each for each in notices("told") if "CO2" in each or "energy" in each]


def test_a_record_out_of_all_bounds_leaves_the_reader_a_question_that_can_be_answered(
    lyceum: World, publish: Any
) -> None:
    """A PUE below one or a grid of 3 kg a kWh is a slip; the page began with an error that the reader did not make."""
    wrong = RECORD | {"pue": 0.9, "kg_co2e_per_kwh": 3, "kg_co2e": 6000}
    (row,) = told_by(publish, lyceum, **{"records__energy.json": json.dumps(wrong)})
    assert row[0] == "6 t", "what is published is shown as it is"
    form = Client().get("/lyceum/told/cost/training").context["form"]
    assert not {"pue", "grid"} & form.errors.keys()


def test_who_asks_nothing_of_a_training_whose_hours_nobody_told_is_told_what_to_give_and_not_of_an_error(
    lyceum: World, publish: Any
) -> None:
    told_by(publish, lyceum, **{"records__energy.json": json.dumps({"pue": 1.1})})
    address = "/lyceum/told/cost/training"
    page = Client().get(address)
    assert not page.context["form"].errors
    assert "follow once you give the hours" in words(page)
    assert "carbon" not in Client().get(address + "?format=json").json()
    assert "carbon" in Client().get(address + "?format=json&hours=10").json()
    assert "follow once you give the hours" not in words(Client().get(address + "?hours=10"))


def test_a_wrong_question_does_not_hide_what_was_published(client: Client, pico: Any) -> None:
    page = client.get("/lyceum/pico-5m/cost/training?pue=0.5")
    assert page.context["form"].errors
    assert "Nobody has published" not in words(page)
    assert "2.63 g" in words(page)


@pytest.mark.parametrize("name", entries.names())
@pytest.mark.django_db
def test_every_entry_is_read_seeded_shown_and_reckoned(client: Client, name: str) -> None:
    family = entries.seed(name, by=None)
    assert entries.seed(name, by=None).changed_at == family.changed_at
    assert client.get(family.get_absolute_url()).status_code == 200
    for size in entries.sizes(family):
        told = client.get(f"/families/{family.full_name}/cost/{size.name}?format=json").json()
        computed = next((step for step in told["weights"]["of"] if step["key"] == "parameters"), None)
        assert computed["value"] == size.parameters


@pytest.mark.parametrize(("name", "parameters"), [("gpt-3", 175e9), ("mt-nlg", 530e9), ("palm", 540.35e9)])
def test_the_published_shape_makes_the_published_size(name: str, parameters: float) -> None:
    size = entries.sizes_in(entries.read(name))[-1]
    assert count(shape_of(size)).total.amount == pytest.approx(parameters, rel=0.003)


@pytest.mark.django_db
def test_palms_energy_follows_from_the_papers_hours_and_watts(client: Client) -> None:
    entries.seed("palm", by=None)
    told = client.get("/families/google/palm/cost/PaLM 540B/training?format=json").json()
    assert told["carbon"]["value"] == pytest.approx(271_430, rel=0.001)


@pytest.mark.django_db
def test_gpt_3s_energy_follows_from_the_studys_figures(client: Client) -> None:
    entries.seed("gpt-3", by=None)
    told = client.get("/families/openai/gpt-3/cost/GPT-3 175B/training?format=json").json()
    assert told["energy"]["value"] == pytest.approx(1_287_000, rel=0.01)
    assert told["carbon"]["value"] == pytest.approx(552_000, rel=0.01)


def test_all_systems_stand_side_by_side(client: Client, pico: Any, django_assert_max_num_queries: Any) -> None:
    call_command("seed_catalogue")
    with django_assert_max_num_queries(20):
        page = client.get("/families/compare/")
    seen = words(page)
    for name in ("OPT-175B", "GPT-3 175B", "MT-NLG 530B", "PaLM 540B", "pico-5m"):
        assert name in seen
    assert page.context["rows"][0].name == "PaLM 540B"
    rows = {row.name: row for row in page.context["rows"]}
    assert rows["MT-NLG 530B"].carbon == []
    assert "not published" in seen
    assert "not released" in seen
    assert rows["PaLM 540B"].told.fits is False or rows["PaLM 540B"].plan.cleaned_data["gpus"] == 16
    assert rows["pico-5m"].carbon[0].kg == pytest.approx(0.0026274, rel=1e-3)


def test_a_machine_is_kept_used_replaced_and_removed(client: Client, opt: Any, stranger: User, mara: User) -> None:
    client.force_login(stranger)
    page = client.get(CLAIM, {"accelerator": "a100-80", "gpus": "8", "price": "16"})
    hidden = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', page.content.decode()))
    assert {"back", "accelerator", "gpus", "price"} <= hidden.keys()
    back = hidden.pop("back").replace("&amp;", "&")
    for name in ("Our cluster", "our  CLUSTER"):
        answer = client.post("/me/hardware/save/", {**hidden, "back": back, "name": name})
        assert (answer.status_code, answer["Location"]) == (302, back)
    kept = HardwareProfile.objects.get()
    assert (kept.user, kept.settings["gpus"], kept.settings["price"]) == (stranger, 8, 16.0)
    assert AuditEntry.objects.filter(event="hardware.saved").count() == 2
    other = client.get("/families/meta/opt/cost/OPT-66B").content.decode()
    address = re.search(r'href="([^"]+)">Our cluster', other)
    assert address
    assert "gpus=8" in address[1]
    assert "price=16" in address[1]
    assert "Our cluster 8 × NVIDIA A100 80 GB SXM" in words(client.get("/me/hardware/")), "by its name, not its key"
    client.force_login(mara)
    assert "Our cluster" not in words(client.get(CLAIM))
    assert "Our cluster" not in words(client.get("/me/hardware/"))
    assert client.post(f"/me/hardware/{kept.pk}/remove/").status_code == 404
    client.force_login(stranger)
    assert client.post(f"/me/hardware/{kept.pk}/remove/").status_code == 302
    assert not HardwareProfile.objects.exists()


@pytest.mark.parametrize("said", [
    {"name": ""}, {"name": "x" * 61}, {"name": "ok", "gpus": "-1"}, {"name": "ok", "accelerator": "abacus"},
    {"name": "ok", "back": "https://elsewhere.example/"},
])  # fmt: skip
def test_a_machine_that_makes_no_sense_is_not_kept(client: Client, stranger: User, said: dict[str, str]) -> None:
    client.force_login(stranger)
    answer = client.post("/me/hardware/save/", said)
    assert answer["Location"] == "/me/hardware/"
    assert HardwareProfile.objects.exists() is (said.get("back") is not None)


def test_a_person_keeps_a_bounded_number_of_machines(stranger: User) -> None:
    for n in range(MOST):
        actions.save_hardware(by=stranger, name=f"m{n}", settings={"gpus": 1})
    with pytest.raises(Conflict):
        actions.save_hardware(by=stranger, name="one more", settings={"gpus": 1})
    actions.save_hardware(by=stranger, name="M0", settings={"gpus": 2})


def test_cards_of_ones_own_are_reckoned_with_and_marked(client: Client, opt: Any) -> None:
    told = client.get(CLAIM, {"memory_gb": "512", "gpus": "1", "format": "json"}).json()
    assert told["fits"] is True
    memory = next(step for step in told["usable"]["of"] if step["key"] == "memory")
    assert (memory["value"], memory["source"]["title"]) == (512e9, "entered here")
    assert set(hardware.accelerators()) >= {"v100-32", "h200-141"}


def test_a_gated_models_cost_is_for_everybody_before_they_apply(client: Client, lyceum: World, publish: Any) -> None:
    with tarfile.open(SEED) as archive:
        config = archive.extractfile("config.json").read()
    publish(lyceum, "gated", gate=lyceum.gate, **{"config.json": config})
    assert "It fits" in words(client.get("/lyceum/gated/cost"))
    assert client.get("/api/v1/models/lyceum/gated/cost").json()["fits"] is True
