"""What everybody writes first to train on a GPU, for bench_gpu_training.py to compare with.

ImageFolder, a DataLoader with a process for each core, torchvision's transforms, a ResNet-18 of three input planes,
autocast, Adam. One organ; a frame is in `absent` or in `present`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STATES = ("absent", "present")


def write_tree(folder: Path, images: NDArray[np.uint8], present: NDArray[np.bool_], patients: Sequence[str]) -> None:
    """(N, S, S) uint8 as PNG files, `present/PATIENT--NUMBER.png`."""
    for state in STATES:
        (folder / state).mkdir(parents=True, exist_ok=True)
    for number, (image, shown, patient) in enumerate(zip(images, present, patients, strict=True)):
        cv2.imwrite(str(folder / STATES[int(shown)] / f"{plain_name(patient)}--{number:06}.png"), image)


def plain_name(patient: str) -> str:
    """As it may stand in a file name."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in patient)


def labels_of(folder: Path) -> NDArray[np.int64]:
    """Of each image, in ImageFolder's order: 1 present, 0 absent."""
    return np.array(ImageFolder(str(folder)).targets)


def patients_of(folder: Path) -> NDArray[np.str_]:
    """Of each image, in ImageFolder's order."""
    return np.array([Path(path).name.split("--")[0] for path, _ in ImageFolder(str(folder)).samples])


def changed(size: int) -> Any:
    """What a frame goes through in training: position, brightness, a black box, as seqcls does."""
    return transforms.Compose(
        [
            transforms.Resize((size, size)),
            transforms.RandomAffine(15, translate=(0.15, 0.08), scale=(0.7, 1.4)),
            transforms.RandomHorizontalFlip(),
            transforms.ColorJitter(brightness=0.4, contrast=0.4),
            transforms.RandomApply([transforms.GaussianBlur(5)], 0.3),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
            transforms.RandomErasing(0.4),
        ]
    )


def plain(size: int) -> Any:
    return transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor(), transforms.Normalize(MEAN, STD)])


def loader(folder: Path, rows: Sequence[int], transform: Any, batch: int, *, training: bool) -> DataLoader[Any]:
    workers = os.cpu_count() or 1
    chosen = Subset(ImageFolder(str(folder), transform), list(rows))
    return DataLoader(
        chosen,
        batch_size=batch,
        shuffle=training,
        drop_last=training,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=training,
    )


def train(
    folder: Path, rows: Sequence[int], *, size: int, batch: int, steps: int, seed: int, device: torch.device
) -> tuple[Any, float]:
    """So many steps; the network, and the images/s of the second half of them, when all processes have started."""
    torch.manual_seed(seed)
    model = resnet18(weights=None, num_classes=1).to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    batches = repeated(loader(folder, rows, changed(size), min(batch, len(rows)), training=True))
    for step in range(steps):
        if step == steps // 2:
            began_s = clock_s(device)
        x, y = (part.to(device, non_blocking=True) for part in next(batches))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = model(x.contiguous(memory_format=torch.channels_last))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float()[:, 0], y.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    images = (steps - steps // 2) * min(batch, len(rows))
    return model, images / (clock_s(device) - began_s)


def repeated(batches: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from batches


def clock_s(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def scores(
    model: Callable[..., Any], folder: Path, rows: Sequence[int], *, size: int, device: torch.device
) -> NDArray[np.float32]:
    """(len(rows),) logits."""
    model.eval()  # type: ignore[attr-defined]
    with torch.inference_mode():
        parts = [model(x.to(device))[:, 0] for x, _ in loader(folder, rows, plain(size), 256, training=False)]
    return torch.cat(parts).float().cpu().numpy()
