"""The Face++ scripts against a local server: answers, errors, resuming, names of files, and where the key may be."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agetrans.cli import evaluate, faceplusplus
from agetrans.cli.console import in_sentences
from agetrans.evaluation.faceplusplus_client import FacePlusPlus, FacePlusPlusError, PictureRefused
from agetrans.evaluation.faceplusplus_tables import NO_FACE, Rows
from tests.conftest import REPOSITORY
from tests.faceplusplus.server import KEY, SECRET, FacePlusPlusServer, running

SCRIPTS = REPOSITORY / "faceplusplus_evaluation"
CONCURRENCY = (403, {"error_message": "CONCURRENCY_LIMIT_EXCEEDED"})


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[FacePlusPlusServer]:
    with running() as started:
        yield started


@pytest.fixture
def environment(server: FacePlusPlusServer) -> dict[str, str]:
    return {"FACEPP_API_KEY": KEY, "FACEPP_API_SECRET": SECRET, "FACEPP_API_HOST": server.host}


def client(
    server: FacePlusPlusServer, waits: list[float] | None = None, timeout: float = 5.0
) -> FacePlusPlus:
    sleep = (lambda seconds: None) if waits is None else waits.append
    return FacePlusPlus(KEY, SECRET, server.host, timeout=timeout, sleep=sleep)


def picture(path: Path, content: bytes = b"age=31") -> Path:
    path.write_bytes(content)
    return path


def call(environment: dict[str, str], *argv: object) -> int:
    arguments = faceplusplus.parse(["faceplusplus", *map(str, argv)])
    return in_sentences(lambda given: faceplusplus.run(given, environment), arguments)


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.reader(file))


def test_an_age_and_a_confidence(server: FacePlusPlusServer, tmp_path: Path) -> None:
    child, adult = picture(tmp_path / "a", b"age=07"), picture(tmp_path / "b", b"age=31")
    assert client(server).age(adult) == 31.0
    assert client(server).confidence(child, adult) == 97.25 - 24
    assert server.requests == ["/facepp/v3/detect", "/facepp/v3/compare"]
    assert server.forms[1]["image_file1"] == b"age=07"
    assert server.forms[1]["image_file2"] == b"age=31"


def test_no_face_is_none(server: FacePlusPlusServer, tmp_path: Path) -> None:
    nobody = picture(tmp_path / "a", b"nobody")
    assert client(server).age(nobody) is None
    assert client(server).confidence(nobody, nobody) is None


@pytest.mark.parametrize(
    "trouble",
    [
        CONCURRENCY,
        (500, {"error_message": "INTERNAL_ERROR"}),
        (502, b"<html>Bad Gateway"),
        (200, b"<html>Maintenance"),
        "cut",
        "half",
    ],
    ids=["limit", "500", "502", "page", "cut", "half"],
)
def test_passing_trouble_is_waited_out(server: FacePlusPlusServer, tmp_path: Path, trouble: object) -> None:
    server.trouble = lambda server, number: trouble if number <= 3 else None
    waits: list[float] = []
    assert client(server, waits).age(picture(tmp_path / "a")) == 31.0
    assert waits == [1.0, 2.0, 4.0]


def test_a_slow_answer_is_asked_for_again(server: FacePlusPlusServer, tmp_path: Path) -> None:
    server.gate.clear()
    waits: list[float] = []
    slow = FacePlusPlus(
        KEY,
        SECRET,
        server.host,
        timeout=0.2,
        sleep=lambda seconds: (waits.append(seconds), server.gate.set()),
    )
    assert slow.age(picture(tmp_path / "a")) == 31.0
    assert waits == [1.0]


def test_lasting_trouble_ends_with_a_sentence(server: FacePlusPlusServer, tmp_path: Path) -> None:
    server.trouble = lambda server, number: CONCURRENCY
    waits: list[float] = []
    with pytest.raises(FacePlusPlusError, match="10 times, at last: 403 CONCURRENCY_LIMIT_EXCEEDED"):
        client(server, waits).age(picture(tmp_path / "a"))
    assert len(server.requests) == 10
    assert max(waits) == 60.0


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((412, {"error_message": "IMAGE_DOWNLOAD_TIMEOUT"}), r"in time \(412\)"),
        ((413, b"<html>Request Entity Too Large</html>"), "larger than the 2 MB"),
        ((400, {"error_message": "IMAGE_FILE_TOO_LARGE: image_file"}), "larger than the 2 MB"),
        ((400, {"error_message": "INVALID_IMAGE_SIZE: image_file"}), "48 to 4096"),
        ((400, {"error_message": "IMAGE_ERROR_UNSUPPORTED_FORMAT: image_file"}), "JPEG and PNG"),
    ],
)
def test_refused_pictures_are_explained_and_not_repeated(
    server: FacePlusPlusServer, tmp_path: Path, answer: object, sentence: str
) -> None:
    server.trouble = lambda server, number: answer
    with pytest.raises(PictureRefused, match=sentence):
        client(server).age(picture(tmp_path / "a"))
    assert len(server.requests) == 1


def test_a_wrong_key_stops_at_once_and_is_not_repeated_in_the_message(
    server: FacePlusPlusServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(tmp_path / "a.jpg")
    echo = {"error_message": f"AUTHENTICATION_ERROR: {KEY}"}
    server.trouble = lambda server, number: (401, echo)
    wrong = {"FACEPP_API_KEY": KEY, "FACEPP_API_SECRET": SECRET, "FACEPP_API_HOST": server.host}
    assert call(wrong, "age", tmp_path, tmp_path / "rows") == 2
    error = capsys.readouterr().err
    assert "check FACEPP_API_KEY" in error
    assert KEY not in error
    assert len(server.requests) == 1


def test_the_key_is_not_sent_elsewhere(server: FacePlusPlusServer, tmp_path: Path) -> None:
    with running() as other:
        server.trouble = lambda server, number: (307, b"")
        with pytest.raises(FacePlusPlusError, match="refused the request: 307"):
            client(server).age(picture(tmp_path / "a"))
        assert not other.requests
    for host in ("http://api-us.faceplusplus.com", "http://203.0.113.5", "ftp://127.0.0.1", ""):
        with pytest.raises(FacePlusPlusError, match="by HTTPS"):
            FacePlusPlus(KEY, SECRET, host)


def test_without_a_key_it_says_which_variables_to_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(tmp_path / "a.jpg")
    assert call({"FACEPP_API_KEY": KEY}, "age", tmp_path, "rows") == 2
    assert "FACEPP_API_SECRET must be set" in capsys.readouterr().err


NAMES = [
    "with space.jpg", "it's \"quoted\".jpg", "comma, semi;.jpg", "日本 ü.jpg", "new\nline.jpg", "$(id) `x`.jpg",
    "-n.jpg", "\u2028.jpg",
]  # fmt: skip


def test_any_name_of_a_file(environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "pictures of mine"
    folder.mkdir()
    for age, name in enumerate(NAMES, start=20):
        picture(folder / name, b"age=%d" % age)
    (folder / os.fsdecode(b"\xff\xfe.jpg")).write_bytes(b"nobody")
    assert call(environment, "age", folder, tmp_path / "it's mine") == 0
    written = {name: value for _, name, value in rows(tmp_path / "it's mine_age.csv")}
    expected = {name: str(age) for age, name in enumerate(NAMES, start=20)}
    assert written == {**expected, "\udcff\udcfe.jpg": NO_FACE}
    assert [row[0] for row in rows(tmp_path / "it's mine_age.csv")] == [str(i) for i in range(1, 10)]


def test_verification_pairs_files_of_one_name(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs, originals = tmp_path / "outputs", tmp_path / "originals"
    for folder in (outputs, originals):
        folder.mkdir()
    for name, made, source in (("a.jpg", b"age=70", b"age=25"), ("b.jpg", b"nobody", b"age=25")):
        picture(outputs / name, made)
        picture(originals / name, source)
    picture(outputs / "c.jpg")
    assert call(environment, "compare", outputs, originals, tmp_path / "rows.csv") == 1
    assert rows(tmp_path / "rows.csv") == [["1", "a.jpg", "52.25"], ["2", "b.jpg", NO_FACE]]
    assert "c.jpg: there is no such file" in capsys.readouterr().err


def test_rows_without_an_answer_and_torn_ones_are_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("1,a.jpg,31\n2,b.jpg,null\n3,c.jpg,\n4,d.jpg,no_face\n5,e.jpg,2")
    kept = Rows(path)
    assert kept.values == {"a.jpg": "31", "d.jpg": "no_face"}
    kept.add(5, "e.jpg", 27.0)
    assert path.read_text() == "1,a.jpg,31\n4,d.jpg,no_face\n5,e.jpg,27\n"


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="this system shows no processes in /proc")
def test_killed_in_the_middle_it_goes_on_and_the_key_is_nowhere(
    server: FacePlusPlusServer, environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(8):
        picture(folder / f"{number}.jpg", b"age=%d" % (30 + number))

    def hold(server: FacePlusPlusServer, number: int) -> None:
        if number == 4:
            server.gate.clear()

    server.trouble = hold
    command = [str(SCRIPTS / "age.sh"), str(folder), str(tmp_path / "rows")]
    everything = {**os.environ, **environment, "PYTHONPATH": str(REPOSITORY)}
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(command, env=everything, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(5):
            assert server.arrived.acquire(timeout=60)
        seen = command_lines()
        assert "agetrans.cli.faceplusplus" in seen
        for secret in (KEY, SECRET):
            assert secret not in seen
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()
    assert len(rows(tmp_path / "rows_age.csv")) == 4
    server.gate.set()
    server.trouble = lambda server, number: None
    asked = len(server.requests)
    again = subprocess.run(command, env=everything, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert len(server.requests) - asked == 4
    assert rows(tmp_path / "rows_age.csv") == [[str(i + 1), f"{i}.jpg", str(30 + i)] for i in range(8)]
    assert "4 of 8 pictures are in" in again.stdout
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for secret in (KEY, SECRET):
        assert secret not in again.stdout + again.stderr
        assert not any(secret.encode() in content for content in written)


def command_lines() -> str:
    """The command lines of all processes, as `ps` shows them to everyone."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


def test_the_authors_two_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "0-2_age.csv").write_text("1,a,4\n2,b,9\n3,c,no_face\n")
    (tmp_path / "0-2_verification.csv").write_text("1,a,61.8\n2,b,61.79\n3,c,76.5\n4,d,no_face\n")
    (tmp_path / "20-29_age.csv").write_text("1,a,24\n")
    arguments = evaluate_arguments("--faceplusplus", tmp_path)
    assert in_sentences(evaluate.run, arguments) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["0-2", "6.5", "2"] in lines
    assert ["0-2", "61.8", "50.00", "25.00", "4"] in lines
    assert ["20-29", "24.0", "1"] in lines
    assert ["20-29", "-", "-", "-", "0"] in lines
    (tmp_path / "empty").mkdir()
    assert in_sentences(evaluate.run, evaluate_arguments("--faceplusplus", tmp_path / "empty")) == 2
    assert "no rows of Face++" in capsys.readouterr().err


def evaluate_arguments(*argv: object) -> object:
    from agetrans.cli import main

    return main.parse(["agetrans", "evaluate", *map(str, argv)])
