"""`train.py`: flags, presets, and what it says when something is missing, before anything heavy is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from agetrans.data.labelled import DataError
from agetrans.data.shards import Shards
from agetrans.training.command import main, parse, resolve
from agetrans.training.settings import Settings, load_preset, presets
from agetrans.training.weights import Terms, Weights
from tests.training.faces import write_shards

REPOSITORY = Path(__file__).parents[2]


def settings_of(*flags: str) -> Settings:
    return resolve(parse(["train.py", *flags]))[0]


def test_a_flag_changes_its_setting_alone() -> None:
    preset, _ = load_preset("cpu")
    changed = settings_of("--batch", "16", "--cycle_loss", "0", "--levels", "16,4", "--least_squares")
    assert (changed.batch, changed.levels) == (16, (16, 4))
    assert (changed.terms.cycle, changed.terms.least_squares) == (0.0, True)
    assert changed.terms.identity == preset.terms.identity
    assert changed.differences(preset) == ["batch", "levels", "terms"]
    assert settings_of("--kimg", "7", "--learning_rate", "0.1").differences(preset) == []


@pytest.mark.parametrize("name", presets())
def test_every_preset_says_how_it_is_run_and_on_what(name: str) -> None:
    settings, text = load_preset(name)
    assert "python train.py" in text
    assert "Hardware:" in text
    if name != "cpu":
        assert f"--preset {name}" in text
    assert Settings.from_json(settings.to_json()) == settings
    assert settings.batch % settings.accumulate == 0


def test_docstrings_of_presets_say_what_is_so() -> None:
    training = (REPOSITORY / "docs" / "training.md").read_text(encoding="utf-8")
    for name in ("agetransgan_1024_4group", "agetransgan_1024_10group"):
        settings, text = load_preset(name)
        assert settings.batch % (8 * settings.accumulate), "as it is, it does not run on eight GPUs"
        assert "`--batch 32 --accumulate 1`" in text
        eight = settings_of("--preset", name, "--batch", "32", "--accumulate", "1")
        assert eight.batch // eight.accumulate // 8 == 4
        assert "docs/training.md" in text
    assert "figures for FFHQ-Aging with 10 groups" in training
    settings, text = load_preset("fas_112")
    assert f"own_age {settings.terms.own_age:g}" in text


def test_the_ablation_of_the_authors_is_flags() -> None:
    """B/L, + L_cyc, + L_cyc + L_t, final: docs/training.md names these flags."""
    base = settings_of(
        "--preset", "agetransgan_256", "--cycle_loss", "0", "--triplet_loss", "0", "--identity_loss", "0"
    )
    assert base.terms == Terms(cycle=0.0, triplet=0.0, identity=0.0, path_length=2.0)
    assert base.terms.reconstructs
    assert not base.terms.reads_identity
    margin = settings_of("--preset", "agetransgan_256", "--margin_loss", "0.1")
    assert margin.terms.margin == 0.1


def test_the_rows_of_the_ablation() -> None:
    from benchmarks.ablation import FIXED, row_flags, rows

    terms = {
        name: settings_of(*row_flags(FIXED, weights, Path("r"))).terms
        for name, weights in rows(Path("r")).items()
    }
    four = {name: (each.cycle, each.triplet, each.identity, each.recogniser) for name, each in terms.items()}
    assert four == {
        "B/L": (0, 0, 0, 0),
        "+ L_cyc": (10, 0, 0, 0),
        "+ L_cyc + L_t": (10, 0.1, 0, 0),
        "+ L_cyc + L_t + L_id": (10, 0.1, 1, 0),
        "+ L_cyc + L_t + L_id^pre": (10, 0.1, 0, 1),
    }
    assert [*rows(None)] == [*four][:4]
    flags = {name: row_flags(FIXED, weights, Path("r")) for name, weights in rows(Path("r")).items()}
    assert [name for name, texts in flags.items() if "--recogniser" in texts] == [[*four][-1]]


def test_loss_flags_are_those_of_the_kind_of_training() -> None:
    preset, _ = load_preset("families_adversarial")
    changed = settings_of(
        "--preset", "families_adversarial", "--adversarial_loss", "0", "--pixel_loss", "5", "--mask_loss", "2"
    )
    expected = {"adversarial": 0.0, "pixel": 5.0, "mask": 2.0}
    for item in fields(Weights):
        wanted = expected.get(item.name, getattr(preset.family_terms, item.name))
        assert getattr(changed.family_terms, item.name) == wanted
    assert changed.terms == preset.terms
    photographs = settings_of("--pixel_loss", "5")
    assert photographs.terms.pixel == 5.0
    assert photographs.family_terms == Weights()


def test_a_preset_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        '"""Mine."""\nfrom agetrans.training.settings import Settings\nSETTINGS = Settings(size=64)\n'
    )
    assert settings_of("--preset", str(path)).size == 64
    path.write_text("x = 1\n")
    with pytest.raises(DataError, match="defines no SETTINGS"):
        load_preset(str(path))


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--preset", "nothing"), "There is no preset nothing: there are agetransgan_1024_10group"),
        (("--model", "pix2pix"), "--model: there is agetrans and agetransgan, not pix2pix"),
        (("--policy", "float16"), "--policy: there is float32 and mixed_bfloat16"),
        (("--batch", "0"), "--batch must be more than 0"),
        (("--group", "9"), "Age groups are 10, 4"),
        (("--preset", "families_supervised"), "The preset families_supervised needs --families"),
        (
            ("--preset", "families_supervised", "--cycle_loss", "1"),
            "--cycle_loss: training on families has no such loss; it has pixel, gradient, adversarial",
        ),
        (("--preset", "families_supervised", "--least_squares"), "--least_squares: training on families has"),
        (("--mask_loss", "1"), "--mask_loss: training on photographs has no such loss; it has adversarial"),
        (
            ("--preset", "families_supervised", "--levels", "8"),
            "--levels has no effect in training on families",
        ),
        (("--preset", "families_supervised", "--jit_compile"), "--jit_compile has no effect in training on"),
        (
            ("--preset", "families_supervised", "--recogniser", "r"),
            "--recogniser has no effect in training on",
        ),
        (("--families", "f"), "--families has no effect in training on photographs: leave it away"),
        (("--preset", "families_supervised", "--batch", "8"), "--batch must be more than 8, not 8"),
        (("--preset", "families_supervised", "--model", "agetransgan"), "--model: families train agetrans"),
        (
            ("--data", "SHARDS", "--group", "0,30", "--perceptual_loss", "1"),
            "--perceptual_loss and --critic_age_loss need --critic, the weights of the age estimator",
        ),
        (
            ("--data", "SHARDS", "--group", "0,30", "--levels", "64,32", "--size", "64"),
            "agetrans: The levels must be some of (32, 16, 8, 4), falling. Received: levels=(64, 32)\n",
        ),
        (
            ("--data", "nowhere"),
            "There are no prepared photographs in nowhere: make them with agetrans prepare",
        ),
        (("--data", "SHARDS", "--group", "4"), "no photograph of the age groups 30-39, 40-49"),
        (
            ("--data", "SHARDS", "--group", "0,30", "--critic_age_loss", "1", "--critic", "none.h5"),
            "--critic: there is no none.h5",
        ),
        (
            ("--data", "SHARDS", "--group", "0,30", "--critic", "none.h5"),
            "--critic has no effect without --perceptual_loss or --critic_age_loss",
        ),
        (
            ("--data", "SHARDS", "--group", "0,30", "--model", "agetransgan", "--size", "128"),
            "AgeTransGAN of 128 pixels needs faces of that size, not of 64",
        ),
    ],
)
def test_what_is_missing_gets_a_sentence(
    flags: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = write_shards(tmp_path / "shards")
    argv = [str(shards) if flag == "SHARDS" else flag for flag in flags]
    assert main(parse(["train.py", "--out", str(tmp_path / "run"), *argv])) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_folder_of_another_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = write_shards(tmp_path / "shards")
    flags = ("--data", str(shards), "--group", "0,30", "--out", str(tmp_path))
    (tmp_path / "settings.json").write_text(settings_of("--group", "0,30", "--width", "3").to_json())
    assert main(parse(["train.py", *flags])) == 2
    assert "is a run with another width: give the same flags again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ((), None),
        (("--seed", "1"), "is a run with another seed"),
        (("--data", "OTHER"), "is a run with another data"),
    ],
)
def test_another_seed_and_other_photographs_are_another_run(
    flags: tuple[str, ...],
    sentence: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from agetrans.training import session

    begun: list[Settings] = []
    monkeypatch.setattr(session, "train", lambda settings, *_: begun.append(settings) or 0)
    shards, other = write_shards(tmp_path / "shards"), write_shards(tmp_path / "other", count=10)
    settings = replace(settings_of("--group", "0,30"), data=Shards(shards).fingerprint)
    run = tmp_path / "run"
    run.mkdir()
    fixed = ("--data", str(shards), "--group", "0,30", "--out", str(run))
    argv = ["train.py", *fixed, *(str(other) if flag == "OTHER" else flag for flag in flags)]
    (run / "settings.json").write_text(settings.to_json())
    assert main(parse(argv)) == (2 if sentence else 0)
    assert (sentence or "") in capsys.readouterr().err
    (run / "settings.json").write_text(without_seed_and_data(settings))
    assert main(parse(argv)) == 0
    assert None not in (begun[-1].seed, begun[-1].data)


def without_seed_and_data(settings: Settings) -> str:
    """The settings of a run as they were written before these were kept."""
    values = json.loads(settings.to_json())
    del values["seed"], values["data"]
    return json.dumps(values)


def test_a_run_records_its_seed() -> None:
    assert settings_of().seed == 0
    assert settings_of("--seed", "3").seed == 3


def test_a_folder_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = write_shards(tmp_path / "shards")
    (tmp_path / "settings.json").write_text('{"editor": "dark"}')
    assert main(parse(["train.py", "--data", str(shards), "--group", "0,30", "--out", str(tmp_path)])) == 2
    assert "settings.json is not of a run of train.py: give another --out" in capsys.readouterr().err


def test_flags_are_read_without_tensorflow_and_keras() -> None:
    code = "import sys, agetrans.training.command; print({'tensorflow', 'keras', 'torch'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_the_dry_run_says_what_would_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from agetrans.training import estimate

    def quick(settings: Settings, trainer: Any, batches: Any, size: int, side: int) -> estimate.Estimate:
        assert (batches.batch, size, side) == (4, 64, 64)
        return estimate.Estimate(2.0, 2**31, "a guess")

    monkeypatch.setattr(estimate, "measure", quick)
    shards = write_shards(tmp_path / "shards")
    flags = (
        "--data",
        str(shards),
        "--group",
        "0,30",
        "--size",
        "64",
        "--width",
        "1",
        "--batch",
        "8",
        "--kimg",
        "1",
    )
    assert main(parse(["train.py", "--dry_run", "--out", str(tmp_path / "run"), *flags])) == 0
    said = capsys.readouterr().out
    for part in (
        "8 faces of 64 pixels",
        "  0-29 years:       4",
        "AgeTrans on photographs, on a laptop",
        "phases: generator, discriminator, r1 every 16 steps",
        "8 photographs a step on 1 device",
        "125 steps, 1 thousand photographs",
        "memory on a device: about 2.0 GiB",
        "time: about 2.0 s a step, 4.0 photographs a second, 0:04:10 in all (a guess)",
    ):
        assert part in said
    assert not (tmp_path / "run").exists()


def test_the_stand_in_of_a_large_run_is_small() -> None:
    from agetrans.training.estimate import trial_settings

    settings = settings_of("--preset", "agetransgan_1024_4group")
    trial, side = trial_settings(settings, 1024)
    assert (trial.size, trial.batch, trial.accumulate, side) == (128, 4, 1, 128)
    assert trial.differences(settings) == ["size", "batch", "accumulate"]


def test_a_batch_that_cannot_be_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = write_shards(tmp_path / "shards")
    flags = ("--data", str(shards), "--group", "0,30", "--accumulate", "3", "--out", str(tmp_path / "run"))
    assert main(parse(["train.py", *flags])) == 2
    assert "A batch of 8 cannot be cut into 3 equal parts" in capsys.readouterr().err
