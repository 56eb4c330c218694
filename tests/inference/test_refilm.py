"""Films re-aged: what is kept, what is changed, and what survives an interruption."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from agetrans.faces import FaceNotFound
from agetrans.faces.tracking import FaceTracker
from agetrans.inference import filmfaces, refilm
from agetrans.inference.filmsource import FilmError, read_facts, read_frames
from agetrans.inference.refilm import RECORDS
from agetrans.pictures import NOTE
from tests.web.fakes import PaintingTransformer

FRAMES = 24
YEARS = 44.5


def write_clip(path: Path, pictures, sound: str | None = "aac", times=None) -> Path:
    """A film of 10 frames a second, with a tone of the same length."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=10, options={"crf": "10"})
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        tone = out.add_stream(sound, rate=44100) if sound else None
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = 100 * index if times is None else times[index]
            frame.time_base = Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if tone is not None:
            wave = np.sin(np.arange(len(pictures) * 4410) * 440 * 2 * math.pi / 44100).astype(np.float32)
            clip = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
            clip.sample_rate, clip.pts = 44100, 0
            resampler = av.AudioResampler(format=tone.codec_context.format, layout="stereo", rate=44100)
            for piece in resampler.resample(clip):
                out.mux(tone.encode(piece))
            out.mux(tone.encode())
    return path


def turn(path: Path) -> None:
    """Marks a film as to be turned clockwise, as phones do: in the matrix of its track header."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    data[place : place + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def moving(portrait: np.ndarray) -> list[np.ndarray]:
    """The portrait, going to the right."""
    return [np.roll(portrait, index, axis=1) for index in range(FRAMES)]


def facts(path: Path):
    with av.open(str(path)) as film:
        sound = film.streams.audio[0] if film.streams.audio else None
        packets = [(p.pts, p.size) for p in film.demux(sound) if p.size] if sound else []
        return film.metadata.get("comment"), sound and sound.codec_context.name, packets


def age_film(transformer, clip: Path, target: Path, years: float = YEARS, **more) -> int:
    """One film of one age; returns its number of frames."""
    ((made, frames),) = refilm.age_film(transformer, clip, {years: target}, **more)
    assert made == target
    return frames


class Stopping(PaintingTransformer):
    """Is interrupted at one frame, once."""

    def __init__(self, at: int = 13) -> None:
        super().__init__()
        self.at, self.aged = at, 0

    def compose(self, crop, change):
        self.aged += 1
        if self.aged == self.at:
            raise KeyboardInterrupt
        return super().compose(crop, change)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch):
    monkeypatch.setattr(refilm, "PART", 8)
    monkeypatch.setattr(filmfaces, "PART", 8)


def test_every_frame_is_aged_at_its_time_and_the_sound_is_kept(portrait, tmp_path):
    times = [100 * index + 37 * (index % 3) for index in range(FRAMES)]
    clip = write_clip(tmp_path / "clip.mp4", moving(portrait), times=times)
    assert age_film(PaintingTransformer(), clip, tmp_path / "old.mp4", YEARS) == FRAMES
    before, after = list(read_frames(clip)), list(read_frames(tmp_path / "old.mp4"))
    assert len(after) == FRAMES
    base = [read_facts(path).time_base for path in (clip, tmp_path / "old.mp4")]
    assert [time * base[1] for time, _ in after] == [time * base[0] for time, _ in before]
    for index, ((_, old), (_, new)) in enumerate(zip(before, after, strict=True)):
        lighter = new[70:90, 105 + index : 125 + index].astype(int) - old[70:90, 105 + index : 125 + index]
        assert np.median(lighter) == pytest.approx(YEARS, abs=4)
        assert np.abs(new[200:, :40].astype(int) - old[200:, :40]).mean() < 6
    note, codec, sound = facts(tmp_path / "old.mp4")
    assert (note, codec, sound) == (NOTE, "aac", facts(clip)[2])
    assert {path.name for path in tmp_path.iterdir()} == {"old.mp4", "clip.mp4", RECORDS}
    assert {path.name for path in (tmp_path / RECORDS).iterdir()} == {"old.mp4.json"}


def test_a_film_held_upright_stays_upright(portrait, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", [np.rot90(portrait).copy()] * 9, sound=None)
    turn(clip)
    (_, upright), *_ = read_frames(clip)
    assert np.abs(upright.astype(int) - portrait).mean() < 6
    age_film(PaintingTransformer(), clip, tmp_path / "old.mp4", YEARS)
    (_, aged), *_ = read_frames(tmp_path / "old.mp4")
    assert np.median(aged[70:90, 105:125].astype(int) - upright[70:90, 105:125]) == pytest.approx(
        YEARS, abs=4
    )


def test_other_sound_becomes_aac(portrait, tmp_path):
    clip = write_clip(tmp_path / "clip.mkv", [portrait] * 9, sound="flac")
    age_film(PaintingTransformer(), clip, tmp_path / "old.mp4", YEARS)
    with av.open(str(tmp_path / "old.mp4")) as film:
        assert film.streams.audio[0].codec_context.name == "aac"
        samples = sum(frame.samples for frame in film.decode(audio=0))
    assert samples == pytest.approx(9 * 4410, abs=2048)


def test_a_run_that_is_cut_off_goes_on(portrait, tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4", moving(portrait))
    age_film(PaintingTransformer(), clip, tmp_path / "whole.mp4", YEARS)
    stopping = Stopping()
    with pytest.raises(KeyboardInterrupt):
        age_film(stopping, clip, tmp_path / "cut.mp4", YEARS)
    assert not (tmp_path / "cut.mp4").exists()
    searches = []
    monkeypatch.setattr(filmfaces, "FaceTracker", lambda **given: searches.append(1))
    age_film(stopping, clip, tmp_path / "cut.mp4", YEARS)
    assert (stopping.aged, searches) == (13 + FRAMES - 8, [])
    assert (tmp_path / "cut.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_a_search_for_faces_that_is_cut_off_goes_on(portrait, tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4", moving(portrait))
    age_film(PaintingTransformer(), clip, tmp_path / "whole.mp4", YEARS)
    updates = []

    class Tracker(FaceTracker):
        def update(self, picture):
            updates.append(1)
            if len(updates) == 13:
                raise KeyboardInterrupt
            return super().update(picture)

    monkeypatch.setattr(filmfaces, "FaceTracker", Tracker)
    with pytest.raises(KeyboardInterrupt):
        age_film(PaintingTransformer(), clip, tmp_path / "cut.mp4", YEARS)
    age_film(PaintingTransformer(), clip, tmp_path / "cut.mp4", YEARS)
    assert len(updates) == 13 + FRAMES - 8
    assert (tmp_path / "cut.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_of_several_ages_those_that_are_finished_are_kept(portrait, tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4", moving(portrait))
    targets = {years: tmp_path / f"{years}.mp4" for years in (20, 60)}
    stopping = Stopping(FRAMES + 13)
    with pytest.raises(KeyboardInterrupt):
        list(refilm.age_film(stopping, clip, targets))
    before = targets[20].stat()
    made = [(targets[20], FRAMES), (targets[60], FRAMES)]
    assert list(refilm.age_film(stopping, clip, targets)) == made
    assert stopping.aged == FRAMES + 13 + FRAMES - 8
    assert targets[20].stat() == before
    assert list(refilm.age_film(stopping, clip, targets)) == made
    assert stopping.aged == FRAMES + 13 + FRAMES - 8
    assert {path.name for path in (tmp_path / RECORDS).iterdir()} == {"20.mp4.json", "60.mp4.json"}
    targets[60].write_bytes(b"somebody's own")
    list(refilm.age_film(stopping, clip, targets))
    assert stopping.aged == FRAMES + 13 + FRAMES - 8 + FRAMES
    list(refilm.age_film(stopping, clip, {20: targets[20]}, model="another"))
    assert stopping.aged == FRAMES + 13 + FRAMES - 8 + FRAMES + FRAMES


def test_every_track_of_sound_is_kept(portrait, tmp_path):
    single, double = write_clip(tmp_path / "clip.mp4", [portrait] * 9), tmp_path / "double.mp4"
    with av.open(str(single)) as film, av.open(str(double), "w") as out:
        video = out.add_stream_from_template(film.streams.video[0])
        tracks = [out.add_stream_from_template(film.streams.audio[0]) for _ in range(2)]
        for track, language in zip(tracks, ("deu", "fra"), strict=True):
            track.metadata["language"] = language
        for packet in film.demux():
            if packet.dts is None:
                continue
            for stream in [video] if packet.stream.type == "video" else tracks:
                copy = av.Packet(bytes(packet))
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                copy.is_keyframe, copy.stream = packet.is_keyframe, stream
                out.mux(copy)
    age_film(PaintingTransformer(), double, tmp_path / "old.mp4", YEARS)
    with av.open(str(tmp_path / "old.mp4")) as film:
        assert [track.language for track in film.streams.audio] == ["deu", "fra"]
        heard = [[p.size for p in film.demux(track) if p.size] for track in film.streams.audio[:1]]
    with av.open(str(tmp_path / "old.mp4")) as film:
        heard.append([p.size for p in film.demux(film.streams.audio[1]) if p.size])
    assert heard == [[size for _, size in facts(single)[2]]] * 2


def test_parts_that_another_model_has_made_are_not_used(portrait, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", moving(portrait))
    stopping = Stopping()
    with pytest.raises(KeyboardInterrupt):
        age_film(stopping, clip, tmp_path / "cut.mp4", YEARS, model="one")
    age_film(stopping, clip, tmp_path / "cut.mp4", YEARS, model="another")
    assert stopping.aged == 13 + FRAMES


def test_what_cannot_be_aged_is_said(portrait, tmp_path):
    (tmp_path / "words.mp4").write_text("no film")
    nobody = write_clip(tmp_path / "nobody.mp4", [np.full((64, 64, 3), 90, np.uint8)] * 3)
    for path, error, says in (
        (tmp_path / "none.mp4", FilmError, "There is no file"),
        (tmp_path / "words.mp4", FilmError, "is no film that can be read"),
        (nobody, FaceNotFound, "No face was found"),
    ):
        with pytest.raises(error, match=says):
            age_film(PaintingTransformer(), path, tmp_path / "old.mp4", YEARS)
    assert not (tmp_path / "old.mp4").exists()
