"""Finding, checking and loading weights; what is refused, and what the refusal says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from layout_tables import Case, random_tensors, read_generator, table_of, with_running_statistics
from safetensors.torch import save_file

from magdr_video.errors import MagdrError, OutputError, SettingsError, WeightsError
from magdr_video.models import zoo
from magdr_video.models.manifest import SHIPPED, write_manifest

STARGAN = Case("yunjey", width=4, blocks=2, condition=5)
PARSER = Case("zllrunning", width=4)

YAKHYO = (
    ("cp.resnet.", "fpn.backbone."),
    (".conv_atten.", ".attention.0."),
    (".bn_atten.", ".attention.1."),
    ("cp.arm16.conv.", "fpn.arm16.conv_block."),
    ("cp.arm32.conv.", "fpn.arm32.conv_block."),
    ("ffm.convblk.", "ffm.conv_block."),
    ("cp.", "fpn."),
)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the user's own weights."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("MAGDR_WEIGHTS", str(folder))
    return folder


def as_yakhyo(name: str) -> str:
    """Our parser's key under the names of yakhyo/face-parsing."""
    for ours, theirs in YAKHYO:
        name = name.replace(ours, theirs)
    for head in ("conv_out", "conv_out16", "conv_out32"):
        if name.startswith(f"{head}.conv_out."):
            return name.replace(f"{head}.conv_out.", f"{head}.conv.")
        if name.startswith(f"{head}.conv."):
            name = name.replace(f"{head}.conv.", f"{head}.conv_block.")
    return name if ".backbone." in name else name.replace(".bn.", ".norm.")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".ckpt", ".pt"])
@pytest.mark.parametrize("wrapping", ["plain", "module.", "state_dict"])
def test_a_checkpoint_loads_in_every_file_type_and_wrapping(
    tmp_path: Path, suffix: str, wrapping: str
) -> None:
    tensors = random_tensors(table_of(STARGAN))
    given = with_running_statistics(tensors)
    path = tmp_path / f"200000-G{suffix}"
    if wrapping == "module.":
        given = {f"module.{name}": value for name, value in given.items()}
    if suffix == ".safetensors":
        save_file(given, str(path))
    else:
        torch.save({"epoch": 3, "state_dict": given} if wrapping == "state_dict" else given, path)
    record = zoo.find(path)
    assert (record.task, record.alignment, record.size) == ("edit", "celeba", 128)
    assert record.conditions == ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
    assert record.parameters == sum(value.numel() for value in tensors.values())
    x, c = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 5)
    torch.testing.assert_close(
        zoo.load(path)(x, c), read_generator(STARGAN, tensors, x, c), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("layout", "task", "alignment", "size"),
    [
        ("yunjey", "edit", "celeba", 128),
        ("vipermu", "reenact", "openface", 128),
        ("pumarola", "reenact", "box", 128),
        ("donydchen", "reenact", "box", 128),
        ("junyanz", "replace", "box", 256),
        ("zllrunning", "parse", "ffhq", 512),
    ],
)
def test_a_public_layout_says_which_crops_it_wants(
    tmp_path: Path, layout: str, task: str, alignment: str, size: int
) -> None:
    case = Case(layout, width=4, blocks=2, condition=17 if task == "reenact" else 5)
    save_file(random_tensors(table_of(case)), str(tmp_path / "x.safetensors"))
    record = zoo.find(tmp_path / "x.safetensors")
    assert (record.layout, record.task) == (layout, task)
    assert (record.alignment, record.size) == (alignment, size)


def test_a_parser_with_renamed_keys_loads_as_the_original(tmp_path: Path) -> None:
    tensors = random_tensors(table_of(PARSER))
    renamed = {as_yakhyo(name): value for name, value in tensors.items()}
    assert "fpn.arm16.conv_block.norm.running_var" in renamed
    assert "fpn.backbone.layer1.0.bn1.weight" in renamed
    assert "conv_out16.conv_block.conv.weight" in renamed
    assert "conv_out16.conv.weight" in renamed
    renamed["fpn.backbone.fc.weight"] = torch.zeros(1000, 32)
    torch.save(renamed, tmp_path / "resnet18.pt")
    held = zoo.load(tmp_path / "resnet18.pt").state_dict()
    assert held.keys() == tensors.keys()
    assert all(torch.equal(held[name].float(), tensors[name].float()) for name in held)


def test_metadata_of_our_own_files_override_the_usual_values(tmp_path: Path) -> None:
    case = Case("vipermu", width=4, blocks=2, condition=2)
    facts = {
        "architecture": "stargan", "size": "96", "alignment": "ffhq", "licence": "X",
        "data": "Y", "condition": '["a", "b"]',
    }  # fmt: skip
    save_file(random_tensors(table_of(case)), str(tmp_path / "x.safetensors"), metadata=facts)
    record = zoo.find(tmp_path / "x.safetensors")
    assert (record.architecture, record.layout) == ("stargan", "attention")
    assert (record.size, record.alignment) == (96, "ffhq")
    assert (record.licence, record.data, record.conditions) == ("X", "Y", ("a", "b"))


def test_a_mismatch_prints_both_sides(tmp_path: Path) -> None:
    tensors = random_tensors(table_of(STARGAN))
    del tensors["main.9.main.0.weight"]
    tensors["main.4.weight"] = torch.zeros(5)
    tensors["main.99.weight"] = torch.zeros(1)
    save_file(tensors, str(tmp_path / "x.safetensors"))
    with pytest.raises(WeightsError) as caught:
        zoo.load(tmp_path / "x.safetensors")
    said = str(caught.value)
    assert "missing (1): main.9.main.0.weight" in said
    assert "unexpected (1): main.99.weight" in said
    assert "main.4.weight given (5,), wanted (8,)" in said
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_file_is_a_weights_error(tmp_path: Path, suffix: str, damage: str) -> None:
    path = tmp_path / f"x{suffix}"
    tensors = random_tensors(table_of(STARGAN))
    save_file(tensors, str(path)) if suffix == ".safetensors" else torch.save(tensors, path)
    whole = path.read_bytes()
    path.write_bytes(
        {"cut": whole[: len(whole) // 2], "text": b"<html>" * 50, "empty": b""}[damage]
    )
    with pytest.raises(WeightsError):
        zoo.load(path)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "exploded"),)

    torch.save({"main.0.weight": Bomb()}, tmp_path / "x.pth")
    with pytest.raises(WeightsError):
        zoo.load(tmp_path / "x.pth")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("held", [{"epoch": 3}, [1, 2], {"state_dict": {}}])
def test_a_file_without_tensors_is_a_weights_error(tmp_path: Path, held: object) -> None:
    torch.save(held, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="no tensors"):
        zoo.load(tmp_path / "x.pth")


def test_tensors_of_an_unknown_network_are_refused(tmp_path: Path) -> None:
    save_file({"encoder.weight": torch.zeros(3)}, str(tmp_path / "x.safetensors"))
    with pytest.raises(WeightsError, match=r"no known network .* encoder\.weight"):
        zoo.find(tmp_path / "x.safetensors")


def test_a_wrong_name_names_the_nearest_and_where_own_weights_lie(own: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        zoo.find("bisenet-compat")
    assert "bisenet-compact" in caught.value.hint
    assert str(own) in caught.value.hint


def test_a_missing_file_is_a_weights_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not there"):
        zoo.find(tmp_path / "absent.pth")


def test_an_imported_checkpoint_is_found_by_name_and_gives_the_same_output(
    own: Path, tmp_path: Path
) -> None:
    tensors = random_tensors(table_of(STARGAN))
    torch.save({"state_dict": with_running_statistics(tensors)}, tmp_path / "200000-G.ckpt")
    record = zoo.import_checkpoint(tmp_path / "200000-G.ckpt", "public-edit", size=256)
    assert record == zoo.find("public-edit")
    assert (record.size, record.alignment, record.path.parent) == (256, "celeba", own)
    assert "public-edit" in {r.name for r in zoo.list_models()}
    x, c = torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 5)
    torch.testing.assert_close(
        zoo.load("public-edit")(x, c), read_generator(STARGAN, tensors, x, c), rtol=1e-4, atol=1e-5
    )


def test_an_imported_file_that_changed_is_refused_and_verify_tells(
    own: Path, tmp_path: Path
) -> None:
    save_file(random_tensors(table_of(STARGAN)), str(tmp_path / "x.safetensors"))
    path = zoo.import_checkpoint(tmp_path / "x.safetensors", "mine").path
    assert all(check.ok for check in zoo.verify())
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(WeightsError, match="SHA-256") as caught:
        zoo.load("mine")
    assert caught.value.exit_code == 5
    bad = [check for check in zoo.verify() if not check.ok]
    assert [check.name for check in bad] == ["mine"]
    assert "the manifest says" in bad[0].problem


def test_a_later_import_leaves_the_sums_of_others_alone(own: Path, tmp_path: Path) -> None:
    save_file(random_tensors(table_of(STARGAN)), str(tmp_path / "x.safetensors"))
    first = zoo.import_checkpoint(tmp_path / "x.safetensors", "first").path
    first.write_bytes(first.read_bytes()[:-4] + b"\1\2\3\4")
    zoo.import_checkpoint(tmp_path / "x.safetensors", "second")
    with pytest.raises(WeightsError, match="SHA-256"):
        zoo.load("first")
    zoo.load("second")


def test_a_recorded_file_that_is_gone_is_reported(own: Path, tmp_path: Path) -> None:
    save_file(random_tensors(table_of(STARGAN)), str(tmp_path / "x.safetensors"))
    zoo.import_checkpoint(tmp_path / "x.safetensors", "mine").path.unlink()
    assert [check.name for check in zoo.verify() if not check.ok] == ["mine"]
    assert [check.ok for check in zoo.verify(["mine"])] == [False]
    assert [check.ok for check in zoo.verify(["bisenet-compact"])] == [True]


def test_a_shipped_file_must_be_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "SHIPPED", tmp_path)
    save_file(random_tensors(table_of(STARGAN)), str(tmp_path / "new.safetensors"))
    with pytest.raises(WeightsError, match="the manifest says nothing"):
        zoo.load("new")
    write_manifest(tmp_path)
    zoo.load("new")


@pytest.mark.parametrize(
    ("name", "facts", "error"),
    [
        ("../evil", {}, SettingsError),
        ("", {}, SettingsError),
        ("bisenet-compact", {}, OutputError),
        ("mine", {"size": 30}, SettingsError),
        ("mine", {"alignment": "ffqh"}, SettingsError),
    ],
)
def test_an_import_refuses_bad_names_and_facts(
    own: Path, tmp_path: Path, name: str, facts: dict[str, object], error: type[MagdrError]
) -> None:
    save_file(random_tensors(table_of(STARGAN)), str(tmp_path / "x.safetensors"))
    with pytest.raises(error):
        zoo.import_checkpoint(tmp_path / "x.safetensors", name, **facts)  # type: ignore[arg-type]
    assert list(own.iterdir()) == []


def test_an_import_takes_a_name_twice_only_when_told(own: Path, tmp_path: Path) -> None:
    save_file(random_tensors(table_of(STARGAN)), str(tmp_path / "x.safetensors"))
    zoo.import_checkpoint(tmp_path / "x.safetensors", "mine")
    with pytest.raises(OutputError, match="taken"):
        zoo.import_checkpoint(tmp_path / "x.safetensors", "mine")
    zoo.import_checkpoint(tmp_path / "x.safetensors", "mine", overwrite=True)


def test_loaded_weights_are_float32_without_gradients_in_eval(tmp_path: Path) -> None:
    half = {k: v.half() for k, v in random_tensors(table_of(STARGAN)).items()}
    save_file(half, str(tmp_path / "x.safetensors"))
    module = zoo.load(tmp_path / "x.safetensors")
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in module.parameters())
    assert not module.training


def test_every_shipped_file_is_recorded_loads_and_has_a_card() -> None:
    names = [path.stem for path in sorted(SHIPPED.glob("*.safetensors"))]
    assert "bisenet-compact" in names
    total = 0
    for name in names:
        record = zoo.find(name)
        zoo.load(record)
        assert record.shipped
        assert "not stated" not in (record.data, record.licence), name
        card = name.removesuffix("-ab").removesuffix("-ba")
        assert (SHIPPED / f"{card}.md").is_file(), f"{name} has no card"
        total += record.path.stat().st_size
    assert total <= 48 * 2**20


def test_looking_at_shipped_weights_loads_no_torch() -> None:
    code = "import sys; from magdr_video.models import zoo; zoo.list_models(); zoo.verify(); "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_file_that_is_no_weights_is_not_called_missing(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"a film")
    with pytest.raises(WeightsError, match="is no file of weights") as caught:
        zoo.find(str(path))
    assert ".safetensors" in caught.value.hint


def test_a_setting_takes_weights_of_its_task_only() -> None:
    held = zoo.find_for("bisenet-compact", "parse", "model.parser")
    assert held.name == "bisenet-compact"
    with pytest.raises(SettingsError, match=r"model\.parser = 'stargan-synthetic' is for the task"):
        zoo.find_for("stargan-synthetic", "parse", "model.parser")
