"""What everybody writes first, for bench.py to compare with.

Clips: OpenCV, PIL, torchvision transforms, a ResNet-18 of three input planes, one frame at a time, float32. Training:
frames as PNG files, the same transforms, a DataLoader, Adam. Orders come on stdin, a JSON list each; the answer is how
many frames were done.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torchvision import transforms
from torchvision.models import resnet18

SIZE, BATCH = 224, 32

prepare = transforms.Compose(
    [
        transforms.Resize((SIZE, SIZE)),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)


def reading(clip: str) -> int:
    """cv2.VideoCapture.read + PIL + torchvision transforms."""
    capture, count = cv2.VideoCapture(clip), 0
    while True:
        good, image = capture.read()
        if not good:
            return count
        prepare(Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)))
        count += 1


def loop(clip: str, table: str = "", most: str = "inf") -> int:
    """The same, and the network; the scores of the first ``most`` frames, in a CSV file."""
    model = resnet18(weights=None, num_classes=2).eval()
    capture, scores = cv2.VideoCapture(clip), []
    with torch.no_grad():
        while len(scores) < float(most):
            good, image = capture.read()
            if not good:
                break
            planes = prepare(Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)))
            scores.append(torch.softmax(model(planes[None]), dim=1)[0, 1].item())
    if table:
        with Path(table).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("frame", "score"), *enumerate(scores)])
    return len(scores)


class Folder(torch.utils.data.Dataset[tuple[Any, Any]]):
    """A frame from its PNG file, each time it is asked for, and its targets; unlabelled counts as absent."""

    def __init__(self, data: Path, split: str) -> None:
        with (data / "frames.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == split]
        self.paths = [data / row["path"] for row in rows]
        self.organs = list(rows[0])[5:]  # after path, clip, patient, time_s, split
        self.states = np.array([[row[organ] for organ in self.organs] for row in rows])
        self.targets = (self.states == "1").astype(np.float32)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[Any, Any]:
        return prepare(Image.open(self.paths[row]).convert("RGB")), self.targets[row]


def train(data: Path, steps: int, seed: int = 0) -> Any:
    """So many steps of the plain loop; returns the network."""
    torch.manual_seed(seed)
    folder = Folder(data, "train")
    frames = torch.utils.data.DataLoader(folder, batch_size=BATCH, shuffle=True, drop_last=True)
    model = resnet18(weights=None, num_classes=len(folder.organs)).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    done = 0
    while True:
        for x, y in frames:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
            if done == steps:
                return model


def training(data: str, steps: str) -> int:
    train(Path(data), int(steps))
    return int(steps) * BATCH


if __name__ == "__main__":
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        print({"reading": reading, "loop": loop, "training": training}[what](*arguments), flush=True)
