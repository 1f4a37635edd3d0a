"""Networks of the transformers library: loaded without running anybody's code, and used frozen with a memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sklar.encoders.feature_cache import FeatureCache

MANY = 200  # inputs whose features take long enough to show progress on a terminal
GROUP = 32  # inputs of a frozen network at a time on an accelerator


def transformers(extra: str) -> Any:
    """The transformers library.

    Raises:
        ImportError: it is not installed; ``extra`` names what to install.
    """
    try:
        import transformers as library
    except ImportError as error:
        raise ImportError(f"this encoder needs transformers: pip install 'sklar[{extra}]'") from error
    return library


def fetch(load: Callable[..., Any], model: str, **options: Any) -> Any:
    """``load(model)`` of a name or a folder, with an error that says what to do where there is no such thing.

    Raises:
        FileNotFoundError: no such folder, or a name that the hub does not know or cannot be asked about.
        ValueError: a folder that holds no such thing, or a damaged one.
    """
    folder = Path(model).expanduser()
    here = folder.is_dir()
    if not here and (model.startswith((".", "~", os.sep)) or model.count("/") > 1):
        raise FileNotFoundError(f"model {model!r}: there is no such folder; give one with config.json and its weights")
    try:
        return load(str(folder) if here else model, trust_remote_code=False, **options)
    except Exception as error:  # the library raises all sorts
        what = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
        if here or not isinstance(error, OSError):
            remedy = "a folder needs config.json, the weights as model.safetensors, and for text the tokenizer's files"
            raise ValueError(f"model {model!r} cannot be loaded ({what}); {remedy}") from error
        raise FileNotFoundError(
            f"model {model!r} cannot be loaded: it is no folder here, and the hub cannot be reached or does not have "
            f"it ({what}). Where there is a network, run: hf download {model} --local-dir FOLDER; then give FOLDER as "
            "the model"
        ) from error


def load_network(library: Any, model: str) -> nn.Module:
    """The weights of a model, in float32, from safetensors or a checkpoint read with ``weights_only``.

    Raises:
        FileNotFoundError: see `fetch`. ValueError: a checkpoint that lacks some of the network's weights.
    """
    network, report = fetch(library.AutoModel.from_pretrained, model, output_loading_info=True)
    lacking = [key for key in report["missing_keys"] if not key.startswith("pooler.")]
    if lacking:
        raise ValueError(f"model {model!r}: its checkpoint lacks {len(lacking)} weights, the first is {lacking[0]!r}")
    return without_pooler(network).float()


def without_pooler(network: nn.Module) -> nn.Module:
    """The network without the layer after its last state, which is never used (a plain average is kept)."""
    pooler = getattr(network, "pooler", None)
    if isinstance(pooler, nn.Module) and any(True for _ in pooler.parameters()):
        network.pooler = None  # type: ignore[assignment]
    return network


def fingerprint_of(network: nn.Module) -> bytes:
    """SHA-256 of the names and the values of all weights."""
    digest = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.digest()


class FrozenBackbone:
    """A network that is no part of the model's weights: it is read again from where it came.

    Args:
        model: name or folder.
        extra: to install, for the error.
        width: of the features.
        settings: whatever else the features depend on.
        memory: MiB of features to hold.
        cache: folder of features on disk, or None.
    """

    def __init__(self, model: str, extra: str, width: int, settings: str, memory: int, cache: str | None) -> None:
        self.model, self.extra, self.settings = model, extra, settings
        self.cache = FeatureCache(memory, cache, width)
        self.network: nn.Module | None = None
        self.fingerprint = b""

    def __getstate__(self) -> dict[str, Any]:  # to another process it goes without the network
        return self.__dict__ | {"network": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenBackbone:
        return self

    def load(self, device: torch.device, expected: Tensor) -> nn.Module:
        """The network on a device.

        Args:
            device: where to.
            expected: the fingerprint that it must have, uint8 ``(32,)``; zeros for any.

        Raises:
            ValueError: the weights are not those that the model was trained with.
        """
        if self.network is None:
            self.network = load_network(transformers(self.extra), self.model).eval().requires_grad_(False)
            self.fingerprint = fingerprint_of(self.network)
        if bool(expected.any()) and bytes(expected.cpu().numpy()) != self.fingerprint:
            raise ValueError(
                f"model {self.model!r}: its weights are not those that this encoder was trained with; give the folder "
                "that holds them"
            )
        return self.network.to(device)

    def adopt(self, device: torch.device, fingerprint: Tensor) -> None:
        """Load the network and write which one it is into ``fingerprint``, in place; see `load` for both."""
        self.load(device, fingerprint)
        fingerprint.copy_(torch.frombuffer(bytearray(self.fingerprint), dtype=torch.uint8))

    @torch.no_grad()
    def features(
        self,
        contents: Sequence[bytes],
        run: Callable[[nn.Module, list[int]], Tensor],
        device: torch.device,
        expected: Tensor,
    ) -> np.ndarray:
        """Features of inputs, float32 ``(n, width)``; each distinct input passes through the network once.

        On a CPU one by one, so that an input's features do not depend on its company, not even in their last bit.

        Args:
            contents: what identifies each input.
            run: the network and places of inputs to their features ``(k, width)``.
            device: where to.
            expected: see `load`.
        """
        network = self.load(device, expected)
        identity = self.fingerprint + self.settings.encode() + b"\0"
        keys = [hashlib.sha256(identity + content).hexdigest() for content in contents]
        found: dict[str, np.ndarray] = {}
        missing: dict[str, int] = {}
        for place, key in enumerate(keys):
            if key in found or key in missing:
                continue
            vector = self.cache.get(key)
            if vector is None:
                missing[key] = place
            else:
                found[key] = vector
        size = 1 if device.type == "cpu" else GROUP
        wanted = list(missing)
        for start in self._progress(range(0, len(wanted), size)):
            part = wanted[start : start + size]
            with torch.autocast(device.type, enabled=False):
                vectors = run(network, [missing[key] for key in part]).float().cpu().numpy()
            if not np.isfinite(vectors).all():
                raise ValueError(f"model {self.model!r} gave NaN or infinity; its checkpoint may be damaged")
            for key, vector in zip(part, vectors, strict=True):
                found[key] = vector.copy()
                self.cache.put(key, found[key])
        return np.stack([found[key] for key in keys]) if keys else np.empty((0, self.cache.width), np.float32)

    def _progress(self, groups: range) -> Iterable[int]:
        if len(groups) * groups.step < MANY:
            return groups
        from tqdm import tqdm  # comes with transformers

        shown: Iterable[int] = tqdm(groups, desc=f"Features of {self.model}", disable=None)
        return shown
