"""How each collection writes ages, on folders made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from agetrans.data.labelled import DataError, parse_groups, suspicious_identities
from agetrans.data.layouts import DAL, LAYOUTS, Manifest, find_layout
from tests.data.collections import write_pictures

# file -> years, male, identity
FILE_NAMES = {
    "morph": {"009055_1M54.JPG": (54, True, "009055"), "100102_02F19.jpg": (19, False, "100102")},
    "cacd": {
        "14_Aaron_Johnson_0001.jpg": (14, None, "Aaron_Johnson"),
        "62_50_Cent_0011.jpg": (62, None, "50_Cent"),
    },
    "utkface": {
        "1_0_2_20161219212017166.jpg": (1, True, None),
        "99_1_0_20170110142234.jpg.chip.jpg": (99, False, None),
    },
    "all-age-faces": {"07380A02.jpg": (2, False, "07380"), "07381A71.jpg": (71, True, "07381")},
    "fg-net": {"001A43a.JPG": (43, None, "001"), "082A02.JPG": (2, None, "082")},
    "iefp": {"p1/05179510_age_39.jpg": (39, None, "p1"), "p2/1_age_8.jpg": (8, None, "p2")},
    "dal": {"id7/000_12.jpg": (12, None, "id7"), "id8/001_[70].jpg": (70, None, "id8")},
}


@pytest.mark.parametrize("name", FILE_NAMES)
def test_file_names_tell_their_layout_and_age(name: str, tmp_path: Path) -> None:
    expected = FILE_NAMES[name]
    write_pictures(tmp_path, [*expected])
    layout = find_layout("auto", tmp_path)
    assert layout.name == name
    found = {
        p.path.relative_to(tmp_path).as_posix(): (p.years, p.male, p.identity)
        for p in layout.read(tmp_path).photographs
    }
    assert found == expected


@pytest.mark.parametrize("name", FILE_NAMES)
def test_other_file_names_are_listed_as_unused(name: str, tmp_path: Path) -> None:
    write_pictures(tmp_path, ["holiday.jpg", "sub/IMG_2034.png"])
    found = find_layout(name, tmp_path).read(tmp_path)
    assert not found.photographs
    assert [Path(file).name for file, _ in found.unused] == ["holiday.jpg", "IMG_2034.png"]


def test_ages_that_cannot_be_are_listed(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["1_1M54.jpg", "1_2M200.jpg"])
    found = find_layout("morph", tmp_path).read(tmp_path)
    assert [p.years for p in found.photographs] == [54]
    assert "200" in found.unused[0][1]


def test_dal_with_another_pattern(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a/age45.x.jpg"])
    (photograph,) = DAL(r"age|\.", 1).read(tmp_path).photographs
    assert (photograph.years, photograph.identity) == (45, "a")


def test_ffhq_aging(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["00000/00000.png", "00000/00042.png", "01000/01003.png", "01000/01004.png"])
    (tmp_path / "ffhq_aging_labels.csv").write_text(
        "image_number,age_group,age_group_confidence,gender,gender_confidence\n"
        "0,0-2,1.0,male,1.0\n42,70-120,0.9,female,1.0\n1003,30-39,0.5,male,0.6\n5000,20-29,1,male,1\n"
    )
    layout = find_layout("auto", tmp_path)
    assert layout.name == "ffhq-aging"
    found = layout.read(tmp_path)
    assert [(p.years, p.male, p.identity) for p in found.photographs] == [
        (1.0, True, "0"),
        (77.0, False, "42"),
        (34.5, True, "1003"),
    ]
    assert [Path(file).name for file, _ in found.unused] == ["01004.png", "ffhq_aging_labels.csv"]
    assert "1 of its lines" in found.unused[1][1]


def test_the_list_of_mtlface(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a/1 b.jpg", "c.jpg"])
    (tmp_path / "scaf.txt").write_text("7 a/1 b.jpg 31 1\n8 c.jpg 5 0\n8 gone.jpg 5 0\nnonsense\n")
    layout = find_layout("auto", tmp_path)
    found = layout.read(tmp_path)
    assert layout.name == "mtlface"
    assert [(p.path.name, p.years, p.male, p.identity) for p in found.photographs] == [
        ("1 b.jpg", 31, True, "7"),
        ("c.jpg", 5, False, "8"),
    ]
    assert [reason for _, reason in found.unused] == [
        "the file is not there",
        "the line is not 'id filename age gender'",
    ]


def test_a_csv(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.jpg", "b.jpg"])
    labels = tmp_path / "labels.csv"
    labels.write_text("file,split,age,gender\na.jpg,train,31.5,F\nb.jpg,test,5,m\nc.jpg,train,old,\n")
    assert find_layout("auto", tmp_path).name == "csv"
    found = Manifest(labels, "train").read(tmp_path)
    assert [(p.path.name, p.years, p.male) for p in found.photographs] == [("a.jpg", 31.5, False)]
    assert found.unused == [(str(tmp_path / "c.jpg"), "the age 'old' is not a number")]
    assert len(Manifest(labels).read(tmp_path).photographs) == 2


def test_what_cannot_be_read_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no picture in"):
        find_layout("auto", tmp_path)
    write_pictures(tmp_path, ["IMG_1.jpg"])
    with pytest.raises(DataError, match=r"IMG_1.jpg, are named as in no layout known"):
        find_layout("auto", tmp_path)
    with pytest.raises(DataError, match=r"ffhq-aging, mtlface, csv"):
        find_layout("imdb", tmp_path)
    with pytest.raises(DataError, match=r"no \*.csv file"):
        find_layout("csv", tmp_path).read(tmp_path)
    (tmp_path / "a.csv").write_text("name,age\n")
    with pytest.raises(DataError, match=r"no column file"):
        find_layout("csv", tmp_path).read(tmp_path)
    assert len(LAYOUTS) == 10


def test_two_people_under_one_identity(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.jpg", "b.jpg", "c.jpg"])
    (tmp_path / "l.txt").write_text("7 a.jpg 31 1\n7 b.jpg 5 0\n8 c.jpg 5 0\n9 c.jpg 5 0\n")
    first, second = suspicious_identities(find_layout("mtlface", tmp_path).read(tmp_path).photographs)
    assert first.startswith("Identity 7 is labelled male and female")
    assert second.endswith("c.jpg belongs to the identities 8 and 9: one of them is wrong.")


def test_groups_from_a_flag() -> None:
    assert parse_groups("4").lower_bounds == (15, 30, 40, 50)
    assert parse_groups("0,20,60").lower_bounds == (0, 20, 60)
    for wrong in ("5", "20,10", "young"):
        with pytest.raises(DataError, match=wrong):
            parse_groups(wrong)
