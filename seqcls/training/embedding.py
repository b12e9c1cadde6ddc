"""What early layers see in an image: embeddings to compare frames by, before anything was learned from them.

The layers are those that lie in the package (conv1 to layer2, made by ``scripts/make_demo_stem.py``), so the checks ask
no network and do not depend on what a training starts from. They compute in bfloat16 where that is fast, which turns an
embedding by 1.3 degrees at most (cosine 0.9997, on the real clips, with the same findings); the checks ask for angles
of 25 degrees.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from seqcls.models.resnet import build, choose_precision

#: Side of the images that are embedded; 1,200 a second on one core in bfloat16, half as many in float32.
SIZE = 64
#: The last feature map is averaged over so many parts each way: what is where matters.
_PARTS = 2


def embed(images: NDArray[np.uint8], on_progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
    """(N, S, S) uint8 -> (N, 512) float32; ``on_progress`` is called with the number of images done."""
    net = build(1, weights="early")[0].eval()
    layers = net.net
    out = np.zeros((len(images), 128 * _PARTS * _PARTS), np.float32)
    dtype = choose_precision("auto", torch.device("cpu"))
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        for start in range(0, len(images), 64):
            small = [
                cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for image in images[start : start + 64]
            ]
            planes = ((torch.from_numpy(np.stack(small)).float() / 255 - net.mean) / net.std).unsqueeze(1)
            planes = planes.contiguous(memory_format=torch.channels_last)
            x = layers.maxpool(layers.relu(layers.bn1(layers.conv1(planes))))
            x = torch.nn.functional.adaptive_avg_pool2d(layers.layer2(layers.layer1(x)).float(), _PARTS)
            out[start : start + 64] = torch.flatten(x, 1).numpy()
            if on_progress is not None:
                on_progress(min(len(images), start + 64))
    return out
