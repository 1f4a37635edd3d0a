"""Images through any vision network of the transformers library (ResNet, ViT), frozen, fine-tuned or from scratch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklar.encoders.backbone import FrozenBackbone, fetch, load_network, transformers, without_pooler
from sklar.encoders.base import Encoder, mlp, no_padding
from sklar.encoders.pixels import read_images, resized, thumbnail, thumbnail_names

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and standard deviation of the channels
SIDE = 224  # pixels, where a model does not say


class ImageEncoder(Encoder):
    """Resized and normalised as the model expects, through it, pooled, through one hidden layer.

    Images of one channel are repeated for a model of three; a model from scratch has the images' number. Frozen, each
    distinct image passes through the network once and the likelihood speaks of its features; trained, the likelihood
    speaks of a thumbnail. No row's embedding depends on others: batch normalisation keeps its statistics when
    fine-tuned and is replaced by group normalisation from scratch.

    The tokens are the places of a convolutional network's last map, or the states of a transformer, [CLS] first. Of a
    frozen network only the pooled features are kept: one token.

    Args:
        dim: embedding width ``d``.
        hidden: hidden units.
        dropout: rate on the hidden layer.
        model: name on the hub, or a folder.
        config: instead of it, a network from scratch: ``{"model_type": "resnet" or "vit", ...}`` with any settings of
            the transformers configuration.
        channels: of the images, 1 or 3.
        trainable: fine-tune; a network from scratch is always trained.
        size: pixels a side; by default what the model says, else 224.
        thumbnail: areas a side of the thumbnail (trained).
        mean: of each channel in the model's training; by default what its folder says, else ImageNet's.
        std: standard deviation, likewise.
        cache: folder where the features of a frozen model stay between runs.
        memory: MiB of features held in memory.

    Raises:
        FileNotFoundError: the model is neither a folder nor to be had from the hub; the remedy is named.
        ImportError: transformers is not installed.
        ValueError: a model that reads no images, or of other channels.

    References:
        He et al., CVPR 2016 (ResNet); Dosovitskiy et al., ICLR 2021 (ViT); Wu and He, ECCV 2018 (group normalisation).
    """

    kind: ClassVar[str] = "image"
    fingerprint: Tensor
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        dim: int,
        hidden: int = 64,
        dropout: float = 0.1,
        *,
        model: str | None = None,
        config: Mapping[str, Any] | None = None,
        channels: int = 3,
        trainable: bool = False,
        size: int | None = None,
        thumbnail: int = 8,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        cache: str | None = None,
        memory: int = 256,
    ) -> None:
        if (model is None) == (config is None):
            raise ValueError("an image encoder needs either a model (name or folder) or a config to train from scratch")
        if channels not in (1, 3):
            raise ValueError(f"images have 1 or 3 channels, not {channels}")
        library = transformers("image")
        if config is not None:
            what = f"config {config.get('model_type')!r}"
            settings = _from_scratch(library, {"num_channels": channels, **config})
            given: Mapping[str, Any] = {}
            trainable = True
        else:
            what = f"model {model!r}"
            settings = fetch(library.AutoConfig.from_pretrained, str(model))
            given = _preprocessing(library, str(model))
        width = getattr(settings, "hidden_size", None) or (getattr(settings, "hidden_sizes", None) or [None])[-1]
        takes = getattr(settings, "num_channels", None)
        if width is None or takes is None:
            raise ValueError(f"{what} is no encoder of images")
        if takes not in (channels, 3):
            raise ValueError(f"{what} reads {takes} channels, the images have {channels}")
        super().__init__(channels * thumbnail**2 if trainable else width, dim)
        self.channels, self.takes, self.trainable, self.thumbnail = channels, takes, trainable, thumbnail
        self.width = self.token_width = width
        own = getattr(settings, "image_size", None) or _side(given.get("size"))
        self.size = size or (int(own) if isinstance(own, int) else SIDE)
        if isinstance(getattr(settings, "image_size", None), int) and self.size != settings.image_size:
            raise ValueError(f"{what} reads {settings.image_size} x {settings.image_size} pixels, not {self.size}")
        for label, values, fallback in zip(("mean", "std"), (mean, std), IMAGENET, strict=True):
            chosen = values or given.get(f"image_{label}") or fallback
            chosen = [sum(chosen) / len(chosen)] if takes == 1 else chosen
            self.register_buffer(label, torch.tensor(chosen, dtype=torch.float32).reshape(-1, 1, 1), persistent=False)
        if config is not None:
            self.backbone = without_pooler(_grouped(library.AutoModel.from_config(settings)))
        elif trainable:
            self.backbone = load_network(library, str(model))
        else:
            about = f"{self.size} {self.mean.flatten().tolist()} {self.std.flatten().tolist()}"
            self.frozen = FrozenBackbone(str(model), "image", width, about, memory, cache)
            self.register_buffer("fingerprint", torch.zeros(32, dtype=torch.uint8))
        self.convolutional = trainable and self._gives_maps()
        self.label = str(model)
        self.network = mlp(width, hidden, 2 * dim, dropout)

    def train(self, mode: bool = True) -> ImageEncoder:
        """As ever, but batch normalisation never mixes rows."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    @torch.no_grad()
    def _gives_maps(self) -> bool:
        """Whether the network is convolutional, which no configuration says: one black image tells."""
        mode = self.backbone.training
        states = self._states(self.backbone.eval(), self.mean.new_zeros(1, self.takes, self.size, self.size))
        self.backbone.train(mode)
        return states.ndim == 4

    def read(self, x: Any, shown: Tensor, name: str) -> Tensor:
        """Images ``(B, C, H, W)`` in [0, 1]; frozen, their features ``(B, width)``, NaN in rows that lack it."""
        images = read_images(x, shown, name, self.channels, self.anchor)
        if self.trainable:
            return images
        chosen = images[shown.to(images.device)]

        def run(network: nn.Module, places: list[int]) -> Tensor:
            return _pooled(self._states(network, chosen[places]))

        shape = repr(tuple(images.shape[1:])).encode()
        contents = [shape + image.numpy().tobytes() for image in chosen.detach().float().cpu()]
        found = self.frozen.features(contents, run, images.device, self.fingerprint)
        value = images.new_full((len(images), self.width), torch.nan)
        value[shown.to(value.device)] = torch.from_numpy(found).to(value)
        return value

    def _states(self, network: nn.Module, images: Tensor) -> Tensor:
        """A convolutional network's last map ``(B, width, h, w)``, a transformer's states ``(B, L, width)``."""
        if self.takes == 3 and images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        images = (resized(images, self.size, self.size) - self.mean) / self.std
        states: Tensor = network(pixel_values=images).last_hidden_state
        return states

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Standardisation, and which frozen model it is."""
        super().start(x)
        if not self.trainable:
            self.frozen.adopt(x.device, self.fingerprint)

    def describe(self, x: Tensor) -> Tensor:
        """A thumbnail, channel by channel, or the features of the frozen network."""
        return thumbnail(x, self.thumbnail) if self.trainable else x

    def tokens(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Places or states of the vision network; frozen, its standardised features."""
        if self.trainable:
            states = self._states(self.backbone, x)
            tokens = states.flatten(2).mT if states.ndim == 4 else states
        else:
            tokens = self.scaling(x)[:, None]
        return tokens, no_padding(tokens)

    def pool(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """The average of a map's places, or the first token, through the hidden layer."""
        outputs: Tensor = self.network(tokens.mean(1) if self.convolutional else tokens[:, 0])
        return outputs

    def feature_names(self) -> list[str]:
        """Channel and place, or ``"<model> <i>"``."""
        if self.trainable:
            return thumbnail_names(self.channels, self.thumbnail)
        return [f"{self.label} {i}" for i in range(self.width)]


def _pooled(states: Tensor) -> Tensor:
    """Features ``(B, width)``: the average over the places of a convolutional network, the state of [CLS]."""
    return states.mean((2, 3)) if states.ndim == 4 else states[:, 0]


def _from_scratch(library: Any, config: Mapping[str, Any]) -> Any:
    settings = dict(config)
    kind = settings.pop("model_type", None)
    try:
        if not hasattr(library.AutoConfig.for_model(kind), "num_channels"):
            raise ValueError("it is no encoder of images")
        return library.AutoConfig.for_model(kind, **settings)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"config {kind!r}: give model_type 'resnet' or 'vit', and settings of it ({error})") from error


def _preprocessing(library: Any, model: str) -> Mapping[str, Any]:
    """What the model's ``preprocessor_config.json`` says, nothing where there is none."""
    try:
        file = library.utils.cached_file(str(Path(model).expanduser()), "preprocessor_config.json")
    except OSError:
        return {}
    return {} if file is None else json.loads(Path(file).read_text())


def _side(size: Any) -> Any:
    """The side of an image in the forms that preprocessor_config.json has known."""
    if isinstance(size, Mapping):
        return size.get("height") or size.get("shortest_edge")
    return size


def _grouped(network: nn.Module) -> nn.Module:
    """Batch normalisation replaced by normalisation of groups of channels within an image, in place."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.GroupNorm(math.gcd(32, child.num_features), child.num_features))
    return network
