"""A network of one convolution in place of ResNet-18: what is tested about training is not which network it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from numpy.typing import NDArray
from support.scenes import pixels
from torch import Tensor, nn

from seqcls.models import file
from seqcls.models.file import ModelHeader, Tensors
from seqcls.models.resnet import GrayResNet
from seqcls.models.untrained import random_model


class _Net(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5, stride=2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.fc = nn.Linear(32, outputs)


class TinyNetwork(GrayResNet):
    """The mean and the peak of 16 filters, and a last layer. Learns frame_sets.frame_set within 36 steps."""

    def __init__(self, outputs: int) -> None:
        nn.Module.__init__(self)
        self.net = _Net(outputs)
        self.mean, self.std = 0.449, 0.226

    def features(self, images: Tensor) -> Tensor:
        planes = ((images.float() / 255 - self.mean) / self.std).unsqueeze(1)
        maps = torch.relu(self.net.bn1(self.net.conv1(planes)))
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)

    def novelty_features(self, images: Tensor) -> Tensor:
        return self.features(images).repeat(1, 14)

    def tensors(self) -> dict[str, NDArray[Any]]:
        state = self.net.state_dict()
        return {name: value.float().numpy().copy() for name, value in state.items() if not name.endswith("tracked")}


def build(outputs: int, *, seed: int = 0, **others: Any) -> tuple[TinyNetwork, str]:
    """Stands in for ``models.resnet.build``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TinyNetwork(outputs), "random weights"


def stand_in(setattr: Callable[[str, Any], None]) -> None:
    """`seqcls train` trains it, and writes a file with the header that came of it, but the weights of a ResNet-18 that
    has learnt nothing. ``setattr``: of a MonkeyPatch, or one that lasts."""
    write = file.write_model

    def write_model(path: Path, header: ModelHeader, tensors: Tensors) -> None:
        if not header.networks and "options" in header.training:  # a mean is of those written before
            tensors = random_model(organs=header.organs)[1]
            options = cast("dict[str, int]", header.training["options"])
            tensors["fc.bias"] += options["seed"]  # other seeds, other weights
        write(path, header, tensors)

    setattr("seqcls.training.train.build", build)
    setattr("seqcls.training.crossvalidation.GrayResNet", lambda outputs, **_: TinyNetwork(outputs))
    setattr("seqcls.models.file.write_model", write_model)
    setattr("seqcls.training.embedding.embed", lambda images, on_progress=None: pixels(images))


if __name__ == "__main__":
    import pkgutil

    from seqcls.cli import main

    def lasting(name: str, value: object) -> None:
        holder, _, attribute = name.rpartition(".")
        setattr(pkgutil.resolve_name(holder), attribute, value)

    stand_in(lasting)
    main()
