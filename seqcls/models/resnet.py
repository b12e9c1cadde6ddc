"""The network: torchvision's ResNet-18 with one gray input plane and K outputs, one per organ, trained as sigmoids.

Gray input. ImageNet networks saw colour, each channel c normalised as n_c = (v - m_c) / s_c. For a gray image
(v the same in all three) the first convolution gives

    sum_c W_c * n_c  =  (sum_c W_c s / s_c) * g  +  sum_c W_c * (m - m_c) / s_c,      g = (v - m) / s

with this model's scalar mean m and std s. So one plane with the weights in the first bracket does the work of three;
the second term is a constant per filter, which the batch norm that follows takes off its running mean. The results are
those of the replicated, normalised image, except in the outermost ring of the first feature map, where zero padding
means a gray of m here and a colour (m_c) there. A network of ``imported`` has a second plane of ones, by which they are
the same there too.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import pickle
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqcls.errors import EngineError, ModelError, UsageError, one_line
from seqcls.files import on_disk
from seqcls.models.bfloat16 import fast_bfloat16
from seqcls.models.checkpoint import read_safetensors
from seqcls.models.file import EARLY_LAYERS, GRAY_MEAN, GRAY_STD, misfit, resnet18_shapes
from seqcls.models.networks import are_several
from seqcls.novelty import STAGES
from seqcls.third_party import library
from seqcls.types import DEVICES, PRECISIONS

resnets = library("torchvision.models")

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_OFFLINE = "start without them (weights=none), or from a file (weights=FILE)"
#: A server that is silent for this long counts as absent.
DOWNLOAD_TIMEOUT_S = 10.0


class GrayResNet(nn.Module):
    """ResNet-18 on gray images. ``forward``: (N, S, S) uint8, or float of 0..255, to (N, K) float32 logits."""

    def __init__(self, outputs: int, *, mean: float = GRAY_MEAN, std: float = GRAY_STD) -> None:
        super().__init__()
        net = resnets.resnet18(weights=None, num_classes=outputs)
        net.conv1 = _stem(1)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.net = net
        self.mean, self.std = mean, std

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """(N, 512) pooled features."""
        return self.pooled(images, (4,))

    def novelty_features(self, images: Tensor) -> Tensor:
        """(N, D), what ``Novelty`` takes."""
        return self.pooled(images, STAGES)

    def pooled(self, images: Tensor, stages: Sequence[int]) -> Tensor:
        """(N, D) means over the plane behind each of these stages, 1 to 4 in order, one after the other."""
        net = self.net
        planes = ((images.float() / 255 - self.mean) / self.std).unsqueeze(1)  # (N, 1, S, S)
        if net.conv1.in_channels == 2:
            planes = torch.cat([planes, torch.ones_like(planes)], dim=1)
        planes = planes.to(net.conv1.weight.dtype).contiguous(memory_format=torch.channels_last)
        x = net.maxpool(net.relu(net.bn1(net.conv1(planes))))
        means = []
        for stage, layer in enumerate((net.layer1, net.layer2, net.layer3, net.layer4)[: max(stages)], start=1):
            x = layer(x)
            if stage in stages:
                means.append(torch.flatten(net.avgpool(x), 1))
        return means[0] if len(means) == 1 else torch.cat(means, dim=1)

    def head(self, features: Tensor) -> Tensor:
        """(N, K) float32 logits; outside autocast, because half precision costs accuracy here and saves nothing."""
        with torch.autocast(features.device.type, enabled=False):
            return cast(Tensor, self.net.fc(features.float())).float()

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The weights as float32 arrays under torchvision's names, as a model file holds them."""
        state = self.net.state_dict()
        return {name: state[name].detach().float().cpu().numpy().copy() for name in resnet18_shapes(1)}

    def load(self, tensors: dict[str, Any]) -> None:
        """Take over arrays or tensors as ``tensors`` gives them; the first convolution has as many planes as theirs."""
        state = {name: torch.as_tensor(value) for name, value in tensors.items()}
        stem, own = state.get("conv1.weight"), self.net.conv1.weight
        if stem is not None and stem.shape[1] != own.shape[1]:
            self.net.conv1 = _stem(int(stem.shape[1])).to(own.device, own.dtype)
        self.net.load_state_dict(state, strict=False)


def _stem(planes: int) -> nn.Conv2d:
    return nn.Conv2d(planes, 64, kernel_size=7, stride=2, padding=3, bias=False)


def build(outputs: int, *, weights: str | Path = "none", seed: int = 0) -> tuple[GrayResNet, str]:
    """A network of K outputs and one line about where its weights come from.

    weights: ``imagenet`` (downloaded once by torchvision), ``early`` (EARLY_LAYERS), ``none`` (random, by ``seed``),
    ``auto`` (the first where it was downloaded before, else the second; asks no network), or a .safetensors: a seqcls
    model or the state dict of a torchvision ResNet-18. A last layer of another size starts anew, and so do the layers
    behind those of a file that holds early layers alone.
    Raises ModelError where weights were asked for and cannot be had.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GrayResNet(outputs)
    origin = "random weights"
    try:
        if weights in ("imagenet", "auto"):
            origin = start_from(model, _imagenet(download=weights == "imagenet"), "ImageNet")
        elif weights == "early":
            origin = _start_early(model)
        elif weights != "none":
            origin = start_from(model, read_weights(Path(weights)), Path(weights).name)
    except ModelError as error:
        if weights != "auto":
            raise
        origin = f"{_start_early(model)}, because {error}"
    return model.to(memory_format=torch.channels_last), origin


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a .safetensors. Raises ModelError."""
    path = on_disk(path)
    if not path.is_file():
        raise ModelError(f"no weights at {path}; name a .safetensors file, or imagenet or none")
    if path.suffix.lower() != ".safetensors":
        raise ModelError(
            f"{path} is not safetensors and may be a pickle, which can run code; `seqcls import {path.name} -o"
            f" {path.stem}.safetensors` takes its weights alone"
        )
    return read_safetensors(path)


def gray_weights(state: dict[str, Tensor], mean: float, std: float) -> dict[str, Tensor]:
    """A colour ResNet's state dict for one gray plane; see the top of this file."""
    weight = state["conv1.weight"].float()  # (64, 3, 7, 7)
    channel_mean, channel_std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    folded = dict(state)
    folded["conv1.weight"] = (weight * (std / channel_std)[:, None, None]).sum(dim=1, keepdim=True)
    shift = weight.sum(dim=(2, 3)) @ ((mean - channel_mean) / channel_std)  # (64,)
    folded["bn1.running_mean"] = state["bn1.running_mean"].float() - shift
    return folded


def _start_early(model: GrayResNet) -> str:
    origin = start_from(model, read_weights(EARLY_LAYERS), "early")
    return origin.replace("early weights", "early layers that come with seqcls")


def start_from(model: GrayResNet, state: dict[str, Tensor], name: str) -> str:
    """Load what fits, start the last layer anew where its size differs; raises ModelError for another network."""
    if are_several(state):
        raise ModelError(f"{name} is a mean of several networks; name one of the models that it was merged from")
    outputs = model.net.fc.out_features
    expected = resnet18_shapes(outputs)
    if state.get("conv1.weight", torch.empty(0)).shape == (64, 3, 7, 7) and "bn1.running_mean" in state:
        state = gray_weights(state, model.mean, model.std)
    origin = f"{name} weights"
    anew = _layers_behind(state, expected)
    if not anew and state.get("fc.weight", torch.empty(0)).shape != expected["fc.weight"]:
        anew = ["fc"]
    if anew:
        fresh = {part: value for part, value in model.net.state_dict().items() if part.split(".")[0] in anew}
        state = {**state, **fresh}
        origin += ", new last layer" if anew == ["fc"] else f", new from {anew[0]} on"
    arrays = {part: state[part].detach().float().numpy() for part in expected if part in state}
    deeper = [part for part in state if part.startswith("layer") and part not in expected and "tracked" not in part]
    if deeper:
        raise ModelError(f"{name} holds no ResNet-18 to start from: it has {deeper[0][:60]} as well; {_OFFLINE}")
    if problem := misfit(arrays, outputs):
        raise ModelError(f"{name} holds no ResNet-18 to start from: {problem}; {_OFFLINE}")
    model.load(arrays)
    return origin


def _layers_behind(state: dict[str, Tensor], expected: dict[str, tuple[int, ...]]) -> list[str]:
    """The layers of the network behind the last one that ``state`` holds something of; all that come before must be
    whole, which the caller checks. Empty where it reaches the end, or holds nothing of a ResNet."""
    layers = list(dict.fromkeys(part.split(".")[0] for part in expected))
    held = [place for place, layer in enumerate(layers) if any(part.split(".")[0] == layer for part in state)]
    return layers[max(held) + 1 :] if held else []


def _imagenet(*, download: bool) -> dict[str, Tensor]:
    """torchvision's ImageNet weights from its cache or the network; raises ModelError. The digest is checked."""
    weights = resnets.ResNet18_Weights.IMAGENET1K_V1
    if not download and not Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name).is_file():
        raise ModelError("the ImageNet weights are not on this computer; weights=imagenet downloads them once (45 MB)")
    before_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        # torch.hub prints to stdout, which belongs to results.
        with contextlib.redirect_stdout(io.StringIO()):
            state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError, http.client.HTTPException) as error:
        raise ModelError(f"the ImageNet weights cannot be downloaded ({one_line(error)}); {_OFFLINE}") from error
    finally:
        socket.setdefaulttimeout(before_s)
    return dict(state)


def choose_device(device: str = "auto") -> torch.device:
    """The device meant; ``auto``: CUDA, else Apple's MPS, else the CPU. Raises UsageError, EngineError if absent."""
    if device not in DEVICES:
        raise UsageError(f"unknown device {device!r}: choose one of {', '.join(DEVICES)}")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = next(name for name in present if present[name])
    if not present[device]:
        raise EngineError(f"this PyTorch ({torch.__version__}) finds no {device} device; use device=cpu or auto")
    return torch.device(device)


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """The type to compute in; ``auto`` is bfloat16 where that is known to be faster, else float32, never float16.

    Raises UsageError, and EngineError for a type the device does not have.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    if precision == "auto":
        fast = fast_bfloat16() if device.type == "cpu" else device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    if precision == "fp16" and device.type == "cpu":
        raise EngineError("float16 is slow and inexact on a CPU; use precision=bf16 or fp32")
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
