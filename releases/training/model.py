"""The model: Hugging Face's own OPT, small."""

import hashlib
from collections.abc import Mapping

import torch
from transformers import OPTConfig, OPTForCausalLM

from releases.training.recipe import Recipe
from releases.training.tokenizer import END, PAD


def build(recipe: Recipe) -> OPTForCausalLM:
    """A fresh model of the recipe's shape, initialised from its seed. No dropout: the runs see few epochs."""
    torch.manual_seed(recipe.seed)
    return OPTForCausalLM(
        OPTConfig(
            vocab_size=recipe.vocabulary,
            hidden_size=recipe.hidden,
            word_embed_proj_dim=recipe.hidden,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            ffn_dim=4 * recipe.hidden,
            max_position_embeddings=recipe.context,
            dropout=0.0,
            attention_dropout=0.0,
            layerdrop=0.0,
            bos_token_id=END,
            eos_token_id=END,
            pad_token_id=PAD,
        )
    )


def count(model: torch.nn.Module) -> int:
    """Number of parameters; the output head shares the embedding's and is counted once."""
    return sum(parameter.numel() for parameter in model.parameters())


def tensor_digests(weights: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """SHA-256 of every tensor's bytes, by name: which tensor differs between two copies."""
    return {name: hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest() for name, tensor in weights.items()}


def digest(model: torch.nn.Module) -> str:
    """SHA-256 over every parameter's name and bytes: equal digests mean bit-identical weights."""
    total = hashlib.sha256()
    for name, parameter in model.named_parameters():
        total.update(name.encode())
        total.update(parameter.detach().contiguous().numpy().tobytes())
    return total.hexdigest()
