"""Ask a published folder to go on with a text: `python -m releases.training.generate FOLDER "def mean("`."""

import argparse
from pathlib import Path

import torch
from transformers import AutoTokenizer, OPTForCausalLM


def generate(folder: Path, prompt: str, tokens: int, seed: int | None) -> str:
    """The prompt and what the model writes after it: the likeliest token each time, or sampled where a seed is given."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = OPTForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    given = tokenizer(prompt, return_tensors="pt")
    if seed is not None:
        torch.manual_seed(seed)
    with torch.inference_mode():
        written = model.generate(**given, max_new_tokens=tokens, do_sample=seed is not None)
    text: str = tokenizer.decode(written[0], skip_special_tokens=True)
    return text


def main() -> None:
    """Read the command line, print the text."""
    parser = argparse.ArgumentParser(prog="python -m releases.training.generate", description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder with the published files")
    parser.add_argument("prompt")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--seed", type=int, help="sample, from this seed; without it, the likeliest token each time")
    options = parser.parse_args()
    print(generate(options.folder, options.prompt, options.tokens, options.seed))


if __name__ == "__main__":
    main()
