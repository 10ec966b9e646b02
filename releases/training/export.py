"""The model folder as every Hugging Face client knows it."""

import json
from pathlib import Path

import torch
from transformers import AutoTokenizer, GenerationConfig, OPTForCausalLM

from releases.training.model import build
from releases.training.recipe import Recipe
from releases.training.tokenizer import END, PAD


def export(recipe: Recipe, out: Path) -> None:
    """Write the last checkpoint's weights, the configuration and the tokenizer into `release/`."""
    release = out / recipe.name / "release"
    release.mkdir(parents=True, exist_ok=True)
    model = trained(recipe, out / recipe.name / "checkpoint.pt")
    model.generation_config = GenerationConfig(bos_token_id=END, eos_token_id=END, pad_token_id=PAD)
    model.to(getattr(torch, recipe.weights)).save_pretrained(release)
    tokenizer = AutoTokenizer.from_pretrained(out / f"data-{recipe.vocabulary}" / "tokenizer")
    tokenizer.save_pretrained(release)
    speak_to_old_clients(release, tokenizer.special_tokens_map)


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
