"""What LangChain's OpenAI classes do: chats, streams with and without usage, log-probabilities, an object, plain text.

`python chain.py BASE MODEL`, with OPENAI_API_KEY.
"""

import sys
from typing import Literal

from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel


class Answer(BaseModel):
    """What the model must fill in."""

    colour: Literal["red", "green"]


base, model = sys.argv[1:]
chat = ChatOpenAI(base_url=base, model=model, max_tokens=32, temperature=0, seed=7)
told = chat.invoke("Write a loop.").usage_metadata
print("chat:", told["input_tokens"], "+", told["output_tokens"], "tokens")
silent = list(chat.stream("Write a loop."))
print("stream:", len(silent), "pieces, usage told:", any(piece.usage_metadata for piece in silent))
spoken = list(chat.stream("Write a loop.", stream_usage=True))
print("stream with usage: told once:", sum(bool(piece.usage_metadata) for piece in spoken) == 1)
chances = chat.bind(logprobs=True, top_logprobs=3).invoke("Write a loop.").response_metadata["logprobs"]["content"]
print("log-probabilities:", len(chances) == told["output_tokens"], "with", len(chances[0]["top_logprobs"]), "each")
print("batch:", len(chat.batch(["One.", "Two.", "Three."])), "answers")
print("object:", chat.with_structured_output(Answer, method="json_schema").invoke("Which colour?"))
print("text:", repr(OpenAI(base_url=base, model=model, max_tokens=8, temperature=0).invoke("def mean(x):")))
