"""What a network sees in an image, as numbers: the features before its last layer."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcls.errors import ModelError
from seqcls.models.file import ModelHeader, each_network, read_model

#: Of one network: the planes behind the last stage of a ResNet-18.
FEATURES = 512


class Embedder:
    """The networks of a model file, opened when they are first used: PyTorch in float32, for every engine alike.
    ``header``: what the file said when the detector was loaded; another by then is refused.

    On the processor each image goes alone, so that its features do not depend on the others.
    """

    def __init__(self, path: str | Path, device: str = "auto", header: ModelHeader | None = None) -> None:
        self._path, self._asked, self._header = Path(path), device, header
        self._networks: list[Any] = []
        self._device: Any = None
        self._lock = threading.Lock()

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S) uint8 to (N, 512) float32; of a mean of several networks (N, 512 for each), one after the other.

        Raises ModelError where the file is a converted model, or cannot be read, and EngineError for the device.
        """
        import torch

        with self._lock:
            if not self._networks:
                self._open()
        networks, device = self._networks, self._device
        step = 1 if device.type == "cpu" else 16
        out = np.empty((len(images), FEATURES * len(networks)), np.float32)
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with exact, torch.inference_mode():
            for start in range(0, len(images), step):
                batch = torch.from_numpy(np.ascontiguousarray(images[start : start + step])).to(device)
                parts = [network.features(batch).float().cpu().numpy() for network in networks]
                out[start : start + step] = np.concatenate(parts, axis=1)
        return out

    def _open(self) -> None:
        from seqcls.models.resnet import GrayResNet, choose_device

        header, tensors = read_model(self._path)
        if self._header is not None and header != self._header:
            raise ModelError(f"{self._path} is another model than when it was loaded: load it again")
        device = choose_device(self._asked)
        networks = []
        for own in each_network(header, tensors):
            network = GrayResNet(len(header.organs), mean=header.mean, std=header.std)
            network.load(dict(own))
            networks.append(network.to(device).eval())
        self._networks, self._device = networks, device
