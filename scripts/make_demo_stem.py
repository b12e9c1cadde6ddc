"""Learn the early layers that `seqcls demo` starts from, on synthetic patients that the demo never draws.

    python scripts/make_demo_stem.py --device cuda     # some minutes with a GPU and many cores

The demo has some minutes on two cores: too little for a network to learn edges, speckle and outlines from nothing. As
real training starts from ImageNet's weights, it starts from conv1, bn1, layer1 and layer2 of a ResNet-18 that learned
on other patients (numbers from 5000 on) and another sweep. The targets are both organs and, for richer features, how
much of each is in view and where the probe stands.

The file in the package was made with the defaults, on an H100 in bfloat16. Another GPU gives slightly other numbers.
Where the phantom changes, make it anew and measure the demo again.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

from seqcls.geometry import Geometry
from seqcls.models.file import EARLY_LAYERS
from seqcls.models.resnet import GrayResNet
from seqcls.phantom import ORGANS, SweepOptions, write_sweep
from seqcls.phantom.sweep import Session
from seqcls.preprocess import with_region
from seqcls.sources import open_source
from seqcls.training.augment import augment
from seqcls.training.options import AugmentOptions

FIRST_PATIENT, SWEEP = 5000, 900
SIZE = 64
PARTS = ("conv1.", "bn1.", "layer1.", "layer2.")
BATCH, LR, WEIGHT_DECAY = 512, 2e-3, 0.05
#: Weight of a second answer, given from layer2 alone, so that the early layers know as much as they can.
EARLY = 0.5
CODES = {"present": 1, "absent": 0, "ignore": -1}
CHANGES = AugmentOptions(strength=0.3, curtain=0.0)  # a curtain would change how much is in view


def draw(patient: int) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.float32]]:
    """One patient's images (T, S, S), states (T, 2) of 1, 0 or -1 for ignore, and (T, 5) numbers to regress."""
    width, height = ((480, 360), (640, 480))[patient % 2]
    options = SweepOptions(patient=patient, sweep=SWEEP, rate_hz=2.0, duration_s=12.0, width=width, height=height)
    session = Session(options)
    neck = session.anatomy
    images, states, places = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "sweep.mp4"
        write_sweep(clip, options)
        with open_source(clip) as source:
            for frame, region in with_region(iter(source), Geometry(size=SIZE), source.info.region):
                view = session.view(frame.index / options.rate_hz)
                images.append(Geometry(size=SIZE).apply(frame.image, region))
                states.append([CODES[view.states[organ]] for organ in ORGANS])
                shares = [min(1.0, view.visible[organ]) if view.in_contact else 0.0 for organ in ORGANS]
                along = math.tanh((view.pose.z - neck.trachea_z[0]) / 8)
                from_lobe = math.tanh((view.pose.z - float(np.mean(neck.lobe_z))) / 25)
                places.append([*shares, along, from_lobe, abs(view.pose.x) / 40])
    return np.stack(images), np.array(states, np.int8), np.array(places, np.float32)


def learn(
    images: NDArray[np.uint8], states: NDArray[np.int8], places: NDArray[np.float32], *, device: str, steps: int
) -> GrayResNet:
    """A whole network, trained for so many steps."""
    torch.manual_seed(0)
    outputs = states.shape[1] + places.shape[1]
    model = GrayResNet(outputs).to(device=device, memory_format=torch.channels_last)
    early = torch.nn.Linear(128, outputs).to(device)
    kept: dict[str, torch.Tensor] = {}
    hook = model.net.layer2.register_forward_hook(lambda part, given, out: kept.update(out=out))
    optimizer = torch.optim.AdamW([*model.parameters(), *early.parameters()], lr=LR, weight_decay=WEIGHT_DECAY)
    generator = torch.Generator(device=device).manual_seed(0)
    all_x, all_states, all_places = (torch.from_numpy(part).to(device) for part in (images, states, places))
    for step in range(steps):
        done = step / steps
        for group in optimizer.param_groups:
            group["lr"] = LR * min(1.0, done / 0.05 + 0.01) * 0.5 * (1 + math.cos(math.pi * done))
        rows = torch.randint(len(all_x), (BATCH,), device=device, generator=generator)
        state, place = all_states[rows], all_places[rows]
        known = state >= 0
        x, _, _ = augment(all_x[rows], state.float(), known, CHANGES, generator)
        with torch.autocast(device, torch.bfloat16):
            last = model(x)
        first = early(kept["out"].float().mean(dim=(2, 3)))
        loss = torch.zeros((), device=device)
        for answer, weight in ((last, 1.0), (first, EARLY)):
            organs = binary_cross_entropy_with_logits(answer[:, :2], (state == 1).float(), reduction="none")
            loss = loss + weight * ((organs * known).sum() / known.sum() + 4 * smooth_l1_loss(answer[:, 2:], place))
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    hook.remove()
    return model.eval()


def save(model: GrayResNet, path: Path) -> None:
    """The early layers: convolutions in float16, the few numbers of the norms in float32."""
    tensors = {
        name: torch.from_numpy(value).to(torch.float16 if value.ndim > 1 else torch.float32).contiguous()
        for name, value in model.tensors().items()
        if name.startswith(PARTS)
    }
    save_file(tensors, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=EARLY_LAYERS)
    parser.add_argument("--patients", type=int, default=694)
    parser.add_argument("--steps", type=int, default=2160)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    with multiprocessing.get_context("spawn").Pool() as pool:
        drawn = pool.map(draw, range(FIRST_PATIENT, FIRST_PATIENT + arguments.patients), chunksize=1)
    images, states, places = (np.concatenate(part) for part in zip(*drawn, strict=True))
    print(f"{len(images)} frames of {arguments.patients} patients", flush=True)
    save(learn(images, states, places, device=arguments.device, steps=arguments.steps), arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
