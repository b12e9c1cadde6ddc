"""The network: gray input against the colour network it comes from, and where weights may come from."""

from __future__ import annotations

import socket
import sys
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import ResNet18_Weights, resnet18

from seqcls.errors import EngineError, ModelError, UsageError
from seqcls.geometry import Geometry
from seqcls.models import resnet as module
from seqcls.models.file import EARLY_LAYERS, ModelHeader, resnet18_shapes, write_model
from seqcls.models.resnet import IMAGENET_MEAN, IMAGENET_STD, GrayResNet, build, choose_device, choose_precision

SIZE = 64


@pytest.fixture(scope="module")
def colour() -> dict[str, torch.Tensor]:
    """A random colour ResNet-18 with 1000 classes, its running statistics not at their start values."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = resnet18(weights=None)
        for value in net.state_dict().values():
            if value.is_floating_point() and value.ndim == 1:
                value.uniform_(0.5, 1.5)
    return net.state_dict()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE), np.uint8))


def as_colour(images: torch.Tensor) -> torch.Tensor:
    """What ImageNet networks are given for a gray picture: three planes alike, each normalised in its own way."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (images.unsqueeze(1).float() / 255 - mean) / std


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        sys.stdout.write("Downloading: ...\n")  # as torch.hub does, on stdout
        raise urllib.error.URLError("no route\nto host")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", refuse)


def test_the_tensors_are_those_of_torchvision() -> None:
    net = GrayResNet(3)
    state = {k: tuple(v.shape) for k, v in net.net.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert state == resnet18_shapes(3)
    assert {k: v.shape for k, v in net.tensors().items()} == state


def test_one_gray_plane_does_the_work_of_three(
    colour: dict[str, torch.Tensor], images: torch.Tensor, tmp_path: Path
) -> None:
    save_file(colour, tmp_path / "colour.safetensors")
    gray, said = build(2, weights=tmp_path / "colour.safetensors")
    reference = resnet18(weights=None)
    reference.load_state_dict(colour)
    gray.eval(), reference.eval()
    planes = (images.unsqueeze(1).float() / 255 - gray.mean) / gray.std
    with torch.inference_mode():
        ours = gray.net.bn1(gray.net.conv1(planes))
        theirs = reference.bn1(reference.conv1(as_colour(images)))
        torch.testing.assert_close(ours[..., 2:-2, 2:-2], theirs[..., 2:-2, 2:-2], rtol=1e-4, atol=1e-4)
        assert (ours - theirs).abs().max() > 1e-3  # the outermost ring: zero padding means another gray
        for part in ("relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool"):
            theirs = getattr(reference, part)(theirs)
    features = gray.features(images).detach()
    torch.testing.assert_close(features, theirs.flatten(1), rtol=0.1, atol=0.05)
    assert torch.corrcoef(torch.stack([features.flatten(), theirs.flatten()]))[0, 1] > 0.999
    assert "new last layer" in said
    assert gray.net.fc.weight.shape == (2, 512)


def test_uint8_and_float_pictures_are_the_same_to_the_network(images: torch.Tensor) -> None:
    net = GrayResNet(2).eval()
    logits = net(images)
    assert logits.shape == (4, 2)
    assert logits.dtype == torch.float32
    assert torch.equal(logits, net(images.float()))


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (build(1, weights="none", seed=seed)[0].tensors() for seed in (1, 1, 2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert np.array_equal(first["conv1.weight"], again["conv1.weight"])
    assert not np.array_equal(first["conv1.weight"], other["conv1.weight"])


@pytest.mark.parametrize(("organs", "kept"), [(("a", "b"), True), (("a",), False)], ids=["same organs", "fewer"])
def test_starting_from_a_seqcls_model(tmp_path: Path, organs: tuple[str, ...], kept: bool) -> None:
    source = build(2, seed=5)[0]
    path = tmp_path / "m.safetensors"
    write_model(path, ModelHeader(organs=("a", "b"), geometry=Geometry(size=SIZE)), source.tensors())
    net, said = build(len(organs), weights=path)
    assert np.array_equal(net.tensors()["layer3.0.conv1.weight"], source.tensors()["layer3.0.conv1.weight"])
    assert np.array_equal(net.tensors()["conv1.weight"], source.tensors()["conv1.weight"])  # gray already: not folded
    assert ("new last layer" not in said) == kept
    assert (net.tensors()["fc.weight"].shape == source.tensors()["fc.weight"].shape) == kept


def test_imagenet_weights_are_downloaded_when_asked_for_and_used_when_they_are_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, colour: dict[str, torch.Tensor]
) -> None:
    asked: list[dict[str, object]] = []

    def get(self: object, **options: object) -> dict[str, torch.Tensor]:
        asked.append({**options, "timeout": socket.getdefaulttimeout()})
        return colour

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", get)
    net, said = build(1, weights="imagenet")
    assert said == "ImageNet weights, new last layer"
    assert torch.equal(net.net.layer1[0].conv1.weight, colour["layer1.0.conv1.weight"])
    assert asked == [
        {"progress": False, "check_hash": True, "weights_only": True, "timeout": module.DOWNLOAD_TIMEOUT_S}
    ]
    assert socket.getdefaulttimeout() is None
    assert build(1, weights="auto")[1].startswith("early layers") and len(asked) == 1
    kept = tmp_path / "hub/checkpoints" / Path(ResNet18_Weights.IMAGENET1K_V1.url).name
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert build(1, weights="auto")[1] == "ImageNet weights, new last layer" and len(asked) == 2


def test_without_a_network_imagenet_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offline(monkeypatch)
    with pytest.raises(ModelError, match=r"cannot be downloaded .*weights=none.*weights=FILE") as caught:
        build(1, weights="imagenet")
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_auto_asks_no_network_and_says_what_it_starts_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", None)
    net, said = build(1, weights="auto", seed=4)
    assert said.startswith(
        "early layers that come with seqcls, new from layer3 on, because the ImageNet weights are not"
    )
    early = build(1, weights="early", seed=4)[0].tensors()
    assert all(np.array_equal(value, early[name]) for name, value in net.tensors().items())


def test_a_file_of_early_layers_leaves_the_others_random(tmp_path: Path) -> None:
    whole = build(1, seed=5)[0].tensors()
    early = {
        name: torch.from_numpy(value).half() if value.ndim > 1 else torch.from_numpy(value)
        for name, value in whole.items()
        if name.startswith(("conv1.", "bn1.", "layer1.", "layer2."))
    }
    save_file(early, tmp_path / "early.safetensors")
    net, said = build(2, weights=tmp_path / "early.safetensors", seed=7)
    assert said == "early.safetensors weights, new from layer3 on"
    fresh = build(2, seed=7)[0].tensors()
    for name, value in net.tensors().items():
        expected = early[name].float().numpy() if name in early else fresh[name]
        assert value.dtype == np.float32 and np.array_equal(value, expected), name
    # A hole among them is not what lies behind them.
    del early["layer1.1.bn2.running_var"]
    save_file(early, tmp_path / "hole.safetensors")
    with pytest.raises(ModelError, match=r"1 tensor.* missing.*layer1\.1\.bn2\.running_var"):
        build(2, weights=tmp_path / "hole.safetensors")


def test_early_layers_come_with_the_package() -> None:
    net, said = build(2, weights="early", seed=7)
    assert said == "early layers that come with seqcls, new from layer3 on"
    assert EARLY_LAYERS.stat().st_size == 1_369_288  # 2 x 674,880 of convolutions, 4 x 3,840 of norms, 4,168 of names
    assert np.isfinite(net.tensors()["layer2.1.bn2.running_var"]).all()
    assert np.array_equal(
        net.tensors()["layer3.0.conv1.weight"], build(2, seed=7)[0].tensors()["layer3.0.conv1.weight"]
    )


def _touch(path: Path) -> None:
    path.write_bytes(b"\x80\x02junk")


class Trap:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple:
        return (print, ("executed",))


def _vgg(path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)


def _deeper(path: Path) -> None:
    """Whose first blocks have the names and the shapes of a ResNet-18's."""
    save_file({**GrayResNet(1).net.state_dict(), "layer1.2.conv1.weight": torch.zeros(64, 64, 3, 3)}, path)


def _nan(path: Path) -> None:
    state = {k: torch.from_numpy(v) for k, v in GrayResNet(1).tensors().items()}
    save_file({**state, "bn1.weight": torch.full((64,), torch.nan)}, path)


def _several(path: Path) -> None:
    save_file({"network0.conv1.weight": torch.zeros(64, 1, 7, 7)}, path)


WEIGHTS = {
    "a mean of several": ("w.safetensors", _several, "is a mean of several networks; name one of the models"),
    "missing": ("w.safetensors", lambda p: None, "no weights at"),
    "damaged": ("w.safetensors", _touch, "not a whole safetensors"),
    "another network": (
        "w.safetensors",
        _vgg,
        "holds no ResNet-18 to start from: 100 tensors are missing, bn1.bias among them",
    ),
    "a deeper network": ("w.safetensors", _deeper, "it has layer1.2.conv1.weight as well"),
    "NaN": ("w.safetensors", _nan, "bn1.weight holds NaN"),
    "a pickle": ("w.pth", _touch, "may be a pickle, .* `seqcls import w.pth -o w.safetensors`"),
    "a pickle that runs code": ("w.pth", lambda p: torch.save({"a": Trap()}, p), "may be a pickle, which can run code"),
}


@pytest.mark.parametrize(("name", "make", "reason"), WEIGHTS.values(), ids=WEIGHTS.keys())
def test_weights_that_cannot_be_used(
    tmp_path: Path, name: str, make, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / name)
    with pytest.raises(ModelError, match=reason) as caught:
        build(1, weights=tmp_path / name)
    assert "\n" not in str(caught.value)
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(EngineError, match=f"no {device} device; use device=cpu"):
        choose_device(device)
    assert choose_device("auto") == torch.device("cpu")


def test_devices_and_precisions_have_names() -> None:
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        choose_device("gpu")
    with pytest.raises(UsageError, match="unknown precision 'int4'"):
        choose_precision("int4", torch.device("cpu"))
    with pytest.raises(EngineError, match="use precision=bf16 or fp32"):
        choose_precision("fp16", torch.device("cpu"))


@pytest.mark.parametrize(("quick", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_takes_bfloat16_only_where_it_is_fast(
    quick: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "fast_bfloat16", lambda: quick)
    assert choose_precision("auto", torch.device("cpu")) == expected
    assert choose_precision("bf16", torch.device("cpu")) == torch.bfloat16
    assert choose_precision("fp32", torch.device("cpu")) == torch.float32
