"""A byte-level BPE with OPT's ids: every byte string can be written, and `</s>` (id 2) opens every text."""

from collections.abc import Iterable

from tokenizers import ByteLevelBPETokenizer
from tokenizers.processors import ByteLevel, Sequence, TemplateProcessing
from transformers import PreTrainedTokenizerFast

# OPT's first four ids, in its order; then one token for each role of a conversation.
OPT_TOKENS = ["<s>", "<pad>", "</s>", "<unk>"]
ROLE_TOKENS = ["<|system|>", "<|user|>", "<|assistant|>"]
PAD, END = 1, 2

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def train_tokenizer(texts: Iterable[str], *, vocabulary: int, context: int) -> PreTrainedTokenizerFast:
    """Learn `vocabulary` byte-level merges from `texts`."""
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(
        texts,
        vocab_size=vocabulary,
        min_frequency=2,
        show_progress=False,
        special_tokens=OPT_TOKENS + ROLE_TOKENS,
    )
    return wrap(bpe, context)


def wrap(bpe: ByteLevelBPETokenizer, context: int) -> PreTrainedTokenizerFast:
    """Put `</s>` first as OPT's tokenizer does, and add the chat template."""
    opening = TemplateProcessing(single="</s> $A", pair="</s> $A </s> $B", special_tokens=[("</s>", END)])
    bpe._tokenizer.post_processor = Sequence([ByteLevel(trim_offsets=False), opening])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer,
        bos_token="</s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=ROLE_TOKENS,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def dialogue_text(question: str, answer: str) -> str:
    """One exchange as the chat template writes it, without the opening `</s>`."""
    return f"<|user|>{question}<|assistant|>{answer}"
