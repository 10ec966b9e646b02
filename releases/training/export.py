"""The model folders as every Hugging Face client knows them: the release, and each rung of the ladder."""

import json
from pathlib import Path

import torch
from transformers import AutoTokenizer, GenerationConfig, OPTForCausalLM

from releases.training import ladder
from releases.training.model import build, digest
from releases.training.recipe import Recipe
from releases.training.tokenizer import END, PAD


class WrongWeightsError(Exception):
    """The weights that were kept of a step are not those that the run had there."""


def export(recipe: Recipe, out: Path) -> None:
    """Write the last checkpoint into `release/` and each rung into `rungs/stepN/`: weights, configuration, tokenizer.

    Raises WrongWeightsError where a rung's weights have another digest than the run noted at that step.
    """
    run, tokenizer = out / recipe.name, out / f"data-{recipe.vocabulary}" / "tokenizer"
    save(trained(recipe, run / "checkpoint.pt"), recipe.weights, tokenizer, run / "release")
    for noted in ladder.noted(recipe, run):
        model = trained(recipe, ladder.kept(run, noted["step"]))
        if digest(model) != noted["weights"]:
            raise WrongWeightsError(f"{recipe.name}: step {noted['step']} was kept with other weights than were noted.")
        save(model, ladder.WEIGHTS, tokenizer, ladder.folder(run, noted["step"]))


def save(model: OPTForCausalLM, weights: str, tokens: Path, folder: Path) -> None:
    """One folder: the model with its numbers as `weights`, and the tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    model.generation_config = GenerationConfig(bos_token_id=END, eos_token_id=END, pad_token_id=PAD)
    model.to(getattr(torch, weights)).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(tokens)
    tokenizer.save_pretrained(folder)
    speak_to_old_clients(folder, tokenizer.special_tokens_map)


def trained(recipe: Recipe, checkpoint: Path) -> OPTForCausalLM:
    """The model with the weights of a checkpoint."""
    model = build(recipe)
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["model"])
    return model.eval()


def speak_to_old_clients(release: Path, special_tokens: dict[str, object]) -> None:
    """Keep to the words that transformers 4 knows too: its class, its name for the roles' tokens, its map."""
    path = release / "tokenizer_config.json"
    config = json.loads(path.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    config["additional_special_tokens"] = config.pop("extra_special_tokens")
    for about_this_machine in ("is_local", "local_files_only"):
        config.pop(about_this_machine, None)
    path.write_text(json.dumps(config, indent=2) + "\n")
    (release / "special_tokens_map.json").write_text(json.dumps(special_tokens, indent=2) + "\n")
