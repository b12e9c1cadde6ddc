"""Checkpoints of other programs: the same probabilities as torchvision's own forward pass, and what is refused."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from support.networks import needs
from torchvision.models import resnet18, resnet34

from seqcls.engines import open_engine
from seqcls.errors import ModelError, UsageError
from seqcls.geometry import Geometry
from seqcls.models.file import ModelHeader, each_network, read_model, write_model
from seqcls.models.imported import Imported, ImportOptions, gray_stem, import_checkpoint, import_weights
from seqcls.models.merged import merge
from seqcls.models.resnet import GrayResNet, build
from seqcls.models.untrained import random_model

SIZE = 64
#: What float32 makes of the same sums in another order, through 20 layers and a steep last one.
SAME = 1e-5
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
Arrays = NDArray[np.float32]


def network(outputs: int, seed: int = 0) -> torch.nn.Module:
    """torchvision's own, whose norms do something, and whose logits differ by several from image to image."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = resnet18(num_classes=outputs)
        for name, value in net.named_buffers():
            if name.endswith("running_mean"):
                value.normal_(0, 0.1)
            elif name.endswith("running_var"):
                value.uniform_(0.8, 1.5)
    net.eval()
    with torch.no_grad():
        logits = torch.from_numpy(of_torchvision(net, gray_images(), *IMAGENET))
        scale = 2 / logits.std(dim=0)
        net.fc.weight.mul_(scale[:, None])
        net.fc.bias.sub_(logits.mean(dim=0)).mul_(scale)
    return net


def gray_images() -> NDArray[np.uint8]:
    """Noise, dark and bright, with content up to the edges."""
    images = np.random.default_rng(3).integers(0, 256, (6, SIZE, SIZE), np.uint8)
    images[1] //= 4
    images[2, : SIZE // 2] = 255
    images[3] = 0
    images[4, :, :20] //= 8
    return images


def of_torchvision(net: torch.nn.Module, images: NDArray[np.uint8], mean: Any, std: Any) -> Arrays:
    """(N, n) logits of the same gray image in three planes, as ToTensor and Normalize give them."""
    planes = torch.from_numpy(images).float().div(255)[:, None].repeat(1, 3, 1, 1)
    x = (planes - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    with torch.inference_mode():
        return net(x).numpy()


def softmax(logits: Arrays, index: int) -> Arrays:
    return torch.from_numpy(logits).softmax(dim=1)[:, index].numpy()


def scores(imported: Imported, engine: str = "torch") -> Arrays:
    opened = open_engine((imported.header, imported.tensors), engine=engine, device="cpu", precision="fp32")
    return opened.scores(gray_images())


def save(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def two() -> torch.nn.Module:
    return network(2)


@pytest.fixture(scope="module")
def old(two: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(two.state_dict(), tmp_path_factory.mktemp("old") / "old.pth")


def options(*organs: str, **more: Any) -> ImportOptions:
    return ImportOptions(organs=organs or ("thyroid",), geometry=Geometry(size=SIZE), **more)


@pytest.fixture(scope="module")
def imported(old: Path) -> Imported:
    return import_checkpoint(old, options())


@pytest.mark.parametrize(
    "engine",
    [
        "torch",
        pytest.param("openvino", marks=needs("openvino")),
        pytest.param("onnx", marks=needs("onnx", "onnxruntime")),
    ],
)
def test_a_softmax_over_two_classes_gives_the_same_probabilities(
    two: torch.nn.Module, imported: Imported, engine: str
) -> None:
    expected = softmax(of_torchvision(two, gray_images(), *IMAGENET), 1)
    assert np.ptp(expected) > 0.2, "the images tell"
    assert np.abs(scores(imported, engine)[:, 0] - expected).max() < SAME
    without = imported.tensors["conv1.weight"][:, :1]
    changed = scores(Imported(imported.header, {**imported.tensors, "conv1.weight": without}, "", ()), engine)
    assert np.abs(changed[:, 0] - expected).max() > 1e-3, "the second plane is needed"
    assert imported.header.organs == ("thyroid",) and imported.tensors["fc.weight"].shape == (1, 512)
    assert (imported.header.mean, imported.header.std) == (0.449, 0.226)


def test_either_class_may_be_presence(two: torch.nn.Module, old: Path) -> None:
    expected = softmax(of_torchvision(two, gray_images(), *IMAGENET), 0)
    other = import_checkpoint(old, options(present_class=0))
    assert np.abs(scores(other)[:, 0] - expected).max() < SAME
    assert other.head == "a softmax over two classes, of which 0 is presence"


@pytest.mark.parametrize("organs", [("thyroid",), ("thyroid", "trachea", "vessel")], ids=["one", "three"])
def test_sigmoids_give_the_same_probabilities(tmp_path: Path, organs: tuple[str, ...]) -> None:
    net = network(len(organs))
    mean, std = (0.2, 0.2, 0.2), (0.3, 0.3, 0.3)
    found = import_checkpoint(save(net.state_dict(), tmp_path / "w.pt"), options(*organs, mean=(0.2,), std=(0.3,)))
    expected = 1 / (1 + np.exp(-of_torchvision(net, gray_images(), mean, std)))
    assert np.abs(scores(found) - expected).max() < SAME
    # One mean for all planes: what a second plane would do is nothing.
    assert found.tensors["conv1.weight"].shape == (64, 1, 7, 7) and found.header.mean == 0.2


def test_a_network_of_one_plane_needs_its_scaling(tmp_path: Path, two: torch.nn.Module) -> None:
    state = {**two.state_dict(), "conv1.weight": two.state_dict()["conv1.weight"].sum(dim=1, keepdim=True)}
    path = save(state, tmp_path / "w.pth")
    with pytest.raises(UsageError, match="one gray plane: state the mean and std"):
        import_checkpoint(path, options())
    with pytest.raises(UsageError, match="state one mean and one std"):
        import_checkpoint(path, options(mean=(0.1, 0.2, 0.3), std=(1.0,)))
    found = import_checkpoint(path, options(mean=(0.5,), std=(0.25,)))
    expected = softmax(of_torchvision(two, gray_images(), (0.5,) * 3, (0.25,) * 3), 1)
    assert np.abs(scores(found)[:, 0] - expected).max() < SAME


def test_the_stem_by_hand() -> None:
    weight = np.zeros((64, 3, 7, 7))
    weight[0, :, 3, 3] = 1, 2, 4
    folded = gray_stem(weight, np.array([0.5, 0.25, 0.0]), np.array([0.5, 0.5, 1.0]), 0.25, 0.5)
    # 1 * 0.5 / 0.5 + 2 * 0.5 / 0.5 + 4 * 0.5 / 1; 1 * (0.25 - 0.5) / 0.5 + 2 * 0 + 4 * 0.25 / 1
    assert folded.shape == (64, 2, 7, 7) and folded[0, :, 3, 3].tolist() == [5.0, 0.5]
    assert np.count_nonzero(folded) == 2


PLACES: dict[str, Callable[[dict[str, torch.Tensor]], object]] = {
    "module.": lambda state: {f"module.{name}": value for name, value in state.items()},
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "model_state_dict beside the optimizer": lambda state: {
        "model_state_dict": {f"module.model.{name}": value for name, value in state.items()},
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]},
        "classes": ["thyroid absent", "thyroid present"],
    },
    "below two": lambda state: {"checkpoint": {"model": state}, "best": 0.9},
    "a row of layers": lambda state: {
        (f"model.fc.1.{name[3:]}" if name.startswith("fc.") else f"model.{name}"): value for name, value in state.items()
    },
    "beside a loss": lambda state: {f"net.{name}": value for name, value in state.items()}
    | {"criterion.weight": torch.ones(2)},
}  # fmt: skip


@pytest.mark.parametrize("wrap", PLACES.values(), ids=PLACES)
def test_weights_are_found_wherever_they_lie(
    tmp_path: Path, two: torch.nn.Module, imported: Imported, wrap: Callable[[dict[str, torch.Tensor]], object]
) -> None:
    found = import_checkpoint(save(wrap(two.state_dict()), tmp_path / "w.pth"), options())
    assert all(np.array_equal(found.tensors[name], own) for name, own in imported.tensors.items())
    assert found.notes == ()


def test_of_several_the_usual_place_is_taken_and_said(tmp_path: Path, two: torch.nn.Module, imported: Imported) -> None:
    content = {"ema": network(2, seed=1).state_dict(), "model": two.state_dict()}
    found = import_checkpoint(save(content, tmp_path / "w.pth"), options())
    assert np.array_equal(found.tensors["fc.weight"], imported.tensors["fc.weight"])
    assert found.notes == ("the weights under 'model' are taken; there are others under ema",)


def test_older_pickles_and_safetensors(tmp_path: Path, two: torch.nn.Module, imported: Imported) -> None:
    torch.save(two.state_dict(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file({f"model.{name}": value for name, value in two.state_dict().items()}, tmp_path / "old.safetensors")
    for name in ("old.pth", "old.safetensors"):
        found = import_checkpoint(tmp_path / name, options())
        assert np.array_equal(found.tensors["conv1.weight"], imported.tensors["conv1.weight"])


def test_the_file_says_where_it_comes_from(imported: Imported) -> None:
    training = imported.header.training
    assert training["weights"] == "old.pth, which another program trained"
    kept = training["imported"]
    assert isinstance(kept, dict) and kept["file"] == "old.pth" and len(kept["sha256"]) == 64
    assert (kept["planes"], kept["mean"], kept["std"]) == (3, list(IMAGENET[0]), list(IMAGENET[1]))
    assert imported.header.novelty is None and imported.header.trained_on == () and imported.header.dataset_hash == ""
    assert imported.header.calibration == ((1.0, 0.0),)


def test_it_is_a_model_like_any_other(tmp_path: Path, imported: Imported) -> None:
    """Written, read, begun from, and merged with one that was trained here."""
    write_model(tmp_path / "a.safetensors", imported.header, imported.tensors)
    header, tensors = read_model(tmp_path / "a.safetensors")
    assert header == imported.header
    begun, _ = build(1, weights=tmp_path / "a.safetensors")
    assert begun.net.conv1.in_channels == 2 and np.array_equal(begun.tensors()["conv1.weight"], tensors["conv1.weight"])
    _, trained = random_model(size=SIZE, organs=("thyroid",))
    write_model(tmp_path / "b.safetensors", ModelHeader(organs=("thyroid",), geometry=header.geometry), trained)
    mean = merge([tmp_path / "b.safetensors", tmp_path / "a.safetensors"])
    shapes = [own["conv1.weight"].shape[1] for own in each_network(mean.header, mean.tensors)]
    assert sorted(shapes) == [1, 2]
    singles = [scores(imported), scores(Imported(header, trained, "", ()))]
    assert (
        np.abs(
            logit(scores(Imported(mean.header, mean.tensors, "", ()))) - np.mean(list(map(logit, singles)), axis=0)
        ).max()
        < 1e-3
    )


def logit(probabilities: Arrays) -> Arrays:
    return np.log(probabilities / (1 - probabilities))


def test_loading_changes_the_planes_of_a_network(imported: Imported) -> None:
    net = GrayResNet(1)
    assert net.net.conv1.in_channels == 1
    net.load(dict(imported.tensors))
    assert net.net.conv1.in_channels == 2
    with torch.inference_mode():
        assert net.eval()(torch.zeros(2, SIZE, SIZE, dtype=torch.uint8)).shape == (2, 1)


def _changed(name: str, value: torch.Tensor | None) -> Callable[[dict[str, torch.Tensor]], object]:
    def change(state: dict[str, torch.Tensor]) -> object:
        kept = {key: one for key, one in state.items() if key != name}
        return kept if value is None else {**kept, name: value}

    return change


REFUSED: dict[str, tuple[Callable[[dict[str, torch.Tensor]], object], tuple[str, ...], str]] = {
    "no last layer": (_changed("fc.weight", None), ("a",), "fc.weight is missing"),
    "no bias": (_changed("fc.bias", None), ("a",), "fc.weight is \\(2, 512\\) instead of|fc.bias is missing"),
    "five classes": (
        lambda state: {**state, "fc.weight": torch.ones(5, 512), "fc.bias": torch.ones(5)}, ("a",),
        "5 outputs for 1 organ.* a softmax over more than two classes cannot be imported",
    ),
    "two outputs, three organs": (lambda state: state, ("a", "b", "c"), "2 outputs for 3 organs.* name as many organs"),
    "a wider block": (
        _changed("layer1.0.conv1.weight", torch.ones(64, 64, 1, 1)), ("a",),
        r"layer1.0.conv1.weight is \(64, 64, 1, 1\) instead of \(64, 64, 3, 3\)",
    ),
    "four planes": (_changed("conv1.weight", torch.ones(64, 4, 7, 7)), ("a",), r"conv1.weight is \(64, 4, 7, 7\) instead of \(64, 3, 7, 7\)"),
    "a deeper network": (lambda _: resnet34(num_classes=2).state_dict(), ("a",), "layer1.2.conv1.weight.* as well"),
    "another network": (
        lambda _: {"features.0.weight": torch.ones(8, 3, 3, 3), "classifier.bias": torch.ones(2)}, ("a",),
        "conv1.weight is missing; it has features.0.weight, classifier.bias",
    ),
    "two networks": (
        lambda state: {f"{side}.{name}": value for side in ("left", "right") for name, value in state.items()}, ("a",),
        "holds 2 ResNets \\(left., right.\\)",
    ),
    "no floats": (_changed("bn1.weight", torch.ones(64, dtype=torch.int64)), ("a",), "bn1.weight is int64"),
    "NaN": (_changed("bn1.weight", torch.full((64,), torch.nan)), ("a",), "bn1.weight holds NaN"),
    "a list": (lambda _: [1, 2], ("a",), "not a state dict of tensors, and holds none"),
    "a whole network": (lambda _: torch.nn.Linear(2, 2), ("a",), r"\(torch.nn.modules.linear.Linear\), which could run code"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "organs", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(
    tmp_path: Path, two: torch.nn.Module, change: Callable[..., object], organs: tuple[str, ...], reason: str
) -> None:
    path = save(change(dict(two.state_dict())), tmp_path / "w.pth")
    with pytest.raises(ModelError, match=reason) as caught:
        import_checkpoint(path, options(*organs))
    assert "\n" not in str(caught.value) and "w.pth" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (torch.ones(64, dtype=torch.complex64), "bn1.weight is complex64"),
        (torch.ones(64).to_sparse(), "bn1.weight is float32, no plain array of floats"),
        (torch.empty(64, device="meta"), "bn1.weight is float32, no plain array of floats"),
    ],
    ids=["complex", "sparse", "without values"],
)
def test_weights_to_start_from_are_plain_floats(
    tmp_path: Path, two: torch.nn.Module, value: torch.Tensor, reason: str
) -> None:
    path = save({**two.state_dict(), "bn1.weight": value}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=reason):
        import_weights(path)


def test_weights_to_start_from_are_as_they_were(tmp_path: Path, two: torch.nn.Module) -> None:
    """Of a whole network, and of its early layers alone."""
    state = {name: value for name, value in two.state_dict().items() if not name.endswith("tracked")}
    early = {name: value for name, value in state.items() if name.split(".")[0] in ("conv1", "bn1", "layer1")}
    for part in (state, early):
        found = import_weights(save({"model": part}, tmp_path / "w.pth"))
        assert {name: value.tobytes() for name, value in found.items()} == {
            name: value.numpy().tobytes() for name, value in part.items()
        }


def test_files_that_are_none(tmp_path: Path, old: Path, two: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"no weights at .*gone.pth"):
        import_checkpoint(tmp_path / "gone.pth", options())
    bias = two.state_dict()["fc.bias"].numpy().tobytes()
    content = old.read_bytes()
    assert content.count(bias) == 1
    flipped = tmp_path / "flipped.pth"
    flipped.write_bytes(content.replace(bias, bytes([bias[0] ^ 1]) + bias[1:]))
    for of_file in (lambda: import_checkpoint(flipped, options()), lambda: import_weights(flipped)):
        with pytest.raises(ModelError, match=r"flipped.pth is damaged: its .*/data/\d+ is not what its checksum says"):
            of_file()
    cut = tmp_path / "cut.pth"
    cut.write_bytes(old.read_bytes()[:100_000])
    with pytest.raises(ModelError, match="no whole PyTorch checkpoint of tensors, or is damaged"):
        import_checkpoint(cut, options())
    header, tensors = random_model(size=32)
    write_model(tmp_path / "ours.safetensors", header, tensors)
    with pytest.raises(ModelError, match="is a model of seqcls already"):
        import_checkpoint(tmp_path / "ours.safetensors", options())
    (tmp_path / "bad.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        import_checkpoint(tmp_path / "bad.safetensors", options())
    monkeypatch.setattr("seqcls.models.checkpoint.MAX_BYTES", 1 << 20)
    with pytest.raises(ModelError, match="more than the 1 MB"):
        import_checkpoint(old, options())
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(3 << 20))
    with pytest.raises(ModelError, match="unpacks to 3 MB"):
        import_checkpoint(tmp_path / "bomb.pth", options())


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"mean": (0.5,)}, "state both"),
        ({"mean": (0.5, 0.5), "std": (0.5,)}, "mean takes one number or three"),
        ({"mean": (0.5,), "std": (0.0,)}, "std takes one number or three, of 1/1000 to 1000"),
        ({"mean": (float("nan"),), "std": (1.0,)}, "mean takes one number or three"),
        ({"present_class": 2}, "present_class must be 0 or 1"),
    ],
)
def test_options_that_cannot_be_right(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        options(**given)


def test_a_class_is_for_a_softmax(tmp_path: Path) -> None:
    path = save(network(1).state_dict(), tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"w.pth has a sigmoid"):
        import_checkpoint(path, options(present_class=1))
