"""A network of one convolution in place of ResNet-18: what is tested about training is not which network it is."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqcls.models.resnet import GrayResNet


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

    def tensors(self) -> dict[str, NDArray[Any]]:
        state = self.net.state_dict()
        return {name: value.float().numpy().copy() for name, value in state.items() if not name.endswith("tracked")}


def build(outputs: int, *, seed: int = 0, **others: Any) -> tuple[TinyNetwork, str]:
    """Stands in for ``models.resnet.build``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TinyNetwork(outputs), "random weights"
