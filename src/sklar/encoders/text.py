"""Texts through any encoder of the transformers library, frozen or fine-tuned."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sklar.encoders.backbone import FrozenBackbone, fetch, load_network, transformers
from sklar.encoders.base import Encoder, mlp
from sklar.encoders.reading import strings
from sklar.encoders.sketch import log_count_sketch, random_signs

TEXTS_KEPT = 50_000  # whose tokens are remembered


class TextEncoder(Encoder):
    """The last notes of a row, each through a language model, averaged or attended, through one hidden layer.

    Frozen (the default), the language model is no part of the weights, and each distinct text passes through it once;
    the likelihood speaks of the mean of the notes' features. Fine-tuned, it is part of the weights, and the likelihood
    speaks of a random projection of the log counts of the tokens. Blank texts count as none. A row without texts is
    encoded as zeros and the number of its notes, none.

    The tokens of the encoder are the notes' features, before they are combined, not the language model's own tokens, of
    which nothing is kept where it is frozen. One of zeros comes before them; it is padding unless a row has no notes.

    Args:
        dim: embedding width ``d``.
        hidden: hidden units.
        dropout: rate on the hidden layer.
        model: name on the hub, or a folder. No code of the model's author is run.
        pooling: ``"cls"``, the first token's state, or ``"mean"`` of the tokens' states.
        tokens: of a text that are read; the rest is cut off.
        notes: the last so many texts of a row.
        combine: ``"mean"`` of the notes or ``"attention"``, a learned weighted one.
        trainable: fine-tune the language model.
        cache: folder where the features of a frozen model stay between runs. It holds no text.
        memory: MiB of features held in memory.
        features: width of the projection of a fine-tuned model's likelihood.

    Raises:
        FileNotFoundError: the model is neither a folder nor to be had from the hub; the remedy is named.
        ImportError: transformers is not installed.
        ValueError: a model with a decoder, or one that cannot read so many tokens.
    """

    kind: ClassVar[str] = "text"
    fingerprint: Tensor
    signs: Tensor

    def __init__(
        self,
        dim: int,
        hidden: int = 64,
        dropout: float = 0.1,
        *,
        model: str,
        pooling: str = "cls",
        tokens: int = 128,
        notes: int = 5,
        combine: str = "mean",
        trainable: bool = False,
        cache: str | None = None,
        memory: int = 256,
        features: int = 32,
    ) -> None:
        if pooling not in ("cls", "mean"):
            raise ValueError(f"unknown pooling {pooling!r}; choose 'cls' or 'mean'")
        if combine not in ("mean", "attention"):
            raise ValueError(f"unknown combine {combine!r}; choose 'mean' or 'attention'")
        if tokens < 3 or notes < 1:
            raise ValueError("a text needs at least 3 tokens, and a row one note")
        library = transformers("text")
        config = fetch(library.AutoConfig.from_pretrained, model)
        width = getattr(config, "hidden_size", None)
        if width is None or getattr(config, "is_encoder_decoder", False):
            raise ValueError(f"model {model!r} ({config.model_type}) is no plain encoder of text; choose one like BERT")
        if tokens > getattr(config, "max_position_embeddings", tokens):
            raise ValueError(f"model {model!r} reads {config.max_position_embeddings} tokens, not {tokens}")
        super().__init__(features if trainable else width, dim)
        self.model, self.pooling, self.limit, self.notes, self.trainable = model, pooling, tokens, notes, trainable
        self.width, self.token_width, self.vocabulary = width, width, config.vocab_size
        if trainable:
            self.backbone = load_network(library, model)
            self.norm = nn.LayerNorm(width)
            self.register_buffer("signs", random_signs(self.vocabulary, features))
        else:
            self.frozen = FrozenBackbone(model, "text", width, f"{pooling} {tokens}", memory, cache)
            self.register_buffer("fingerprint", torch.zeros(32, dtype=torch.uint8))
        self.score = nn.Linear(width, 1) if combine == "attention" else None
        self.network: nn.Sequential = mlp(width + 1, hidden, 2 * dim, dropout)
        self._tokenizer: Any = None
        self._tokenized: OrderedDict[str, np.ndarray] = OrderedDict()

    def read(self, x: Any, shown: Tensor, name: str) -> Tensor:
        """Frozen: features of the notes ``(B, notes, width)``, NaN where there is none; else their tokens, -1 for none.

        The tokens are ``(B, notes, tokens)``.
        """
        rows = strings(x, shown, name, self.notes)
        device = self.anchor.device
        there = torch.zeros(len(rows), self.notes, dtype=torch.bool)
        for row, texts in enumerate(rows):
            there[row, : len(texts)] = True
        flat = [text for texts in rows for text in texts]
        if self.trainable:
            value = torch.full((len(rows), self.notes, self.limit), -1)
            value[there] = self._padded(flat)
            return value.to(device)

        def run(network: nn.Module, places: list[int]) -> Tensor:
            tokens = self._padded([flat[place] for place in places]).to(device)
            if len(places) == 1:
                tokens = tokens[:, : int((tokens >= 0).sum())]
            return self._pooled(network, tokens)

        found = self.frozen.features([text.encode() for text in flat], run, device, self.fingerprint)
        value = torch.full((len(rows), self.notes, self.width), torch.nan)
        value[there] = torch.from_numpy(found)
        return value.to(self.anchor)

    def _padded(self, texts: list[str]) -> Tensor:
        """Tokens ``(n, tokens)``, -1 for padding."""
        value = torch.full((len(texts), self.limit), -1)
        for place, text in enumerate(texts):
            tokens = torch.from_numpy(self._tokens(text))
            value[place, : len(tokens)] = tokens
        return value

    def _tokens(self, text: str) -> np.ndarray:
        if text in self._tokenized:
            self._tokenized.move_to_end(text)
            return self._tokenized[text]
        if self._tokenizer is None:
            self._tokenizer = fetch(transformers("text").AutoTokenizer.from_pretrained, self.model)
            if 2 * (known := len(self._tokenizer)) < self.vocabulary:  # without files the library makes an empty one
                raise ValueError(
                    f"model {self.model!r}: its tokenizer knows {known} of the model's {self.vocabulary} tokens; are "
                    "the tokenizer's files missing (tokenizer.json, or vocab.txt and the like)?"
                )
        tokens = np.array(self._tokenizer(text, truncation=True, max_length=self.limit)["input_ids"], np.int64)
        if not len(tokens):  # a tokenizer without special tokens, and a text without words
            tokens = np.zeros(1, np.int64)
        if tokens.max() >= self.vocabulary:
            raise ValueError(f"model {self.model!r}: its tokenizer has tokens that the model does not know")
        self._tokenized[text] = tokens
        if len(self._tokenized) > TEXTS_KEPT:
            self._tokenized.popitem(last=False)
        return tokens

    def _pooled(self, network: nn.Module, tokens: Tensor) -> Tensor:
        """Features of texts: tokens ``(n, T)``, -1 for padding, ``-> (n, width)``."""
        there = tokens >= 0
        states: Tensor = network(input_ids=tokens.clamp(min=0), attention_mask=there.long()).last_hidden_state
        if self.pooling == "cls":
            return states[:, 0]
        return torch.where(there[..., None], states, 0.0).sum(1) / there.sum(1, keepdim=True)

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Standardisation, and which frozen model it is."""
        super().start(x)
        if not self.trainable:
            self.frozen.adopt(x.device, self.fingerprint)

    def describe(self, x: Tensor) -> Tensor:
        """Mean of the notes' features, or a random projection of the log counts of their tokens."""
        if self.trainable:
            return log_count_sketch(x.flatten(1), self.signs)
        return x.nanmean(1)

    def tokens(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The notes' features ``(B, 1 + notes, width)``; the first token stands for having no note."""
        if self.trainable:
            there = (x >= 0).any(-1)
            notes = self.anchor.new_zeros(*there.shape, self.width)
            if bool(there.any()):
                tokens = x[there]
                tokens = tokens[:, : int((tokens >= 0).sum(-1).max())]
                states = self.norm(self._pooled(self.backbone, tokens)).to(notes)
                notes = notes.index_put(tuple(there.nonzero().T), states)
        else:
            notes = self.scaling(x)
            there = ~notes.isnan().any(-1)
            notes = torch.where(there[..., None], notes, 0.0)
        tokens = torch.cat([notes.new_zeros(len(notes), 1, self.width), notes], 1)
        return tokens, torch.cat([there.any(1, keepdim=True), ~there], 1)

    def pool(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """The tokens, combined, and how many notes there are, through the network."""
        tokens = torch.where(padding[..., None], 0.0, tokens)
        score = tokens.new_zeros(padding.shape) if self.score is None else self.score(tokens)[..., 0]
        weight = torch.where(padding, -torch.inf, score).softmax(1)
        mean = weight[..., None].mul(tokens).sum(1)
        count = torch.log1p((~padding[:, 1:]).sum(1, keepdim=True).to(mean))
        outputs: Tensor = self.network(torch.cat([mean, count], -1))
        return outputs

    def feature_names(self) -> list[str]:
        """``"<model> <i>"`` or ``"projection <i>"``."""
        label = "projection" if self.trainable else f"{self.model} {self.pooling}"
        return [f"{label} {i}" for i in range(len(self.scaling.mean))]
