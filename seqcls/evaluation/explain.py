"""What the network looked at: Grad-CAM (Selvaraju et al. 2017, 10.1109/ICCV.2017.74), by captum."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcls.models.converted import CONVERTED
from seqcls.models.file import each_network, read_model
from seqcls.third_party import library

#: Images that are explained together.
_BATCH = 8


def why_not(model: Path) -> str:
    """Why nothing can be explained; empty where it can."""
    if model.suffix.lower() in CONVERTED:
        return "what the network looked at is not shown: a converted model has no gradients; evaluate the .safetensors"
    if find_spec("captum") is None:
        return "what the network looked at is not shown: pip install 'seqcls[explain]'"
    return ""


def grad_cam(model: Path, images: NDArray[np.uint8], columns: Sequence[int]) -> NDArray[np.float32]:
    """How much each place of images (N, S, S) spoke for presence of the organ of ``columns`` (N,): (N, S, S) float32
    in 0..1, the largest of each image 1, or 0 where nothing did; of several networks, their sum. Raises ModelError."""
    from seqcls.models.resnet import GrayResNet

    torch, captum = library("torch"), library("captum.attr")
    header, tensors = read_model(model)
    size = images.shape[1:]
    heat = np.zeros((len(images), *size), np.float32)
    for own in each_network(header, tensors):
        network = GrayResNet(len(header.organs), mean=header.mean, std=header.std)
        network.load(own)
        network.eval()
        cam = captum.LayerGradCam(network, network.net.layer4)
        for at in range(0, len(images), _BATCH):
            batch = torch.from_numpy(images[at : at + _BATCH]).float()
            found = cam.attribute(batch, target=list(columns[at : at + _BATCH]), relu_attributions=True)
            heat[at : at + _BATCH] += (
                captum.LayerAttribution.interpolate(found, size, "bilinear")[:, 0].detach().numpy()
            )
    most = heat.max(axis=(1, 2), keepdims=True, initial=0.0)
    np.divide(heat, most, out=heat, where=most > 0)
    return heat
