"""Writes a video file beside its final name, and gives it that name only when it is complete."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import av

from nstfilter.errors import SinkError, SourceError, UsageError
from nstfilter.files import LONGEST_NAME, is_private, partial_names, put_in_place
from nstfilter.jobs.interrupts import interrupted_later
from nstfilter.plugins.video.audit import audit
from nstfilter.plugins.video.concat import Concat, encoded_anew
from nstfilter.plugins.video.container import origin_of
from nstfilter.plugins.video.encoder import CODECS, Encoder, GifEncoder, check_crf, usual_codec
from nstfilter.plugins.video.muxer import CONTAINERS, SEGMENT_SUFFIXES, Muxer
from nstfilter.plugins.video.rehearsal import rehearse
from nstfilter.plugins.video.source import VideoSource
from nstfilter.plugins.video.tracks import LiveSound, Piped
from nstfilter.streams import Change, Frame, JoiningSink, StreamInfo


class VideoSink(JoiningSink):
    """An encoder and a muxer behind one file name.

    While it is written, the file is called NAME.partial.EXT; after a crash or `abort` that is a video too,
    as far as it got. Sound, subtitles, chapters and tags come from `info.origin`, and `recipe` is added to
    them in all but GIF. Timestamps are exact in MP4 and MOV, rounded to milliseconds in MKV and WebM, to
    hundredths in GIF, as those formats have it. A `segment` is the picture alone, and nothing of it is kept
    that is not whole.

    Raises `UsageError` for an impossible request, `SinkError` for a place that cannot be written or is full.
    """

    def __init__(
        self,
        target: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        crf: int | None = None,
        codec: str | None = None,
        recipe: str | None = None,
        segment: bool = False,
    ) -> None:
        super().__init__()
        self.path = Path(target)
        self.overwrite = overwrite
        self.crf = crf
        self.recipe = recipe
        self.segment = segment
        suffix = self.path.suffix.lower()
        if suffix == ".avi":
            raise UsageError("AVI cannot hold exact frame times; write .mp4 or .mkv instead")
        if suffix not in CONTAINERS:
            raise UsageError(
                f"{self.path.name} names no video format; end it in one of {', '.join(CONTAINERS)}"
            )
        self.kind = CONTAINERS[suffix]
        self._asked = codec
        self.codec = codec or self.kind.codecs[0]
        if self.codec not in CODECS:
            raise UsageError(f"no codec is called {codec!r}; {suffix} takes {', '.join(self.kind.codecs)}")
        if self.codec not in self.kind.codecs:
            raise UsageError(f"{suffix} does not take {codec}; it takes {', '.join(self.kind.codecs)}")
        check_crf(self.codec, crf)
        self.takes_sound = self.kind.sound_for(self.codec) is not None
        self._check_place()
        self._written = 0

    def _check_place(self) -> None:
        folder = self.path.parent
        if len(os.fsencode(self.path.name)) > LONGEST_NAME:
            raise SinkError(f"the name {self.path.name} is too long; choose a shorter one")
        if self.path.is_dir():
            raise SinkError(f"{self.path} is a folder; give the name of a file in it")
        if not folder.is_dir():
            raise SinkError(f"there is no folder {folder}; create it first")
        if os.path.exists(self.path) and not self.overwrite:
            raise SinkError(
                f"{self.path} exists already; choose another name, or overwrite it with --overwrite"
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SinkError(f"the folder {folder} may not be written to; choose another")

    def _open(self, info: StreamInfo) -> None:
        with self._beginning(info):
            self._muxer.start()

    def _choose(self, info: StreamInfo) -> None:
        self.codec = self._asked or usual_codec(self.kind.codecs, self.kind.kept(info), self.crf)

    def losses(self, info: StreamInfo) -> list[str]:
        self._choose(info)
        return [*rehearse(self.kind, self.codec, info, self.crf)]

    @contextmanager
    def _beginning(self, info: StreamInfo, folder: Path | None = None) -> Iterator[None]:
        """A file, and in it all streams; nothing is left of it when that fails. It lies in `folder`, where
        that is on the same file system, else beside its final name."""
        self._check_place()
        if info.still:
            raise SinkError(f"{self.path} is a video and the input a single picture; name a .png or .jpg")
        if info.origin is not None and self.path.exists() and self.path.samefile(info.origin):
            raise UsageError(f"{self.path} is the input itself; give the output another name")
        self._choose(info)
        here = self.path.parent
        apart = folder is not None and folder.stat().st_dev == here.stat().st_dev
        mode = 0o600 if info.origin and is_private(info.origin) else 0o666
        self.partial, self._file = self._create_partial(folder if folder and apart else here, mode)
        self._from, self._alpha = (
            (info.origin, info.details.get("video_index")),
            bool(info.details.get("alpha")),
        )
        try:
            with interrupted_later():  # FFmpeg may swallow a Ctrl-C, and spoil what follows
                self._muxer = Muxer(
                    self._file,
                    self.kind,
                    info.time_base,
                    self.warnings,
                    self.recipe,
                    info.details.get("loop"),
                )
                encoder = GifEncoder if self.codec == "gif" else Encoder
                kept = self.kind.kept(info)
                self._encoder = encoder(self._muxer.container, self.codec, kept, self.crf, self.warnings)
                self._sound: LiveSound | None = None
                if info.sound and (encoder_name := self.kind.sound_for(self.codec)):
                    self._sound = LiveSound(info.sound, self._muxer.container, encoder_name)
                if (origin := origin_of(info)) and not self.segment:
                    self._muxer.adopt(origin, info.details.get("video_index"), self._encoder.stream)
                piped = info.details.get("piped")
                if isinstance(piped, Piped):
                    self._muxer.adopt_piped(piped, self._encoder.stream)
                    piped.taken = True
                if origin_of(info) is None and not (info.live or self.segment):  # no file to compare it with
                    lost = rehearse(self.kind, self.codec, info, self.crf)
                    self.warnings += [line for line in lost if line not in self.warnings]
                yield
        except BaseException as error:
            self._file.close()
            if hasattr(self, "_muxer"):
                self._muxer.abandon()
            self.partial.unlink()
            if isinstance(error, (OSError, ValueError, av.FFmpegError)):
                raise SinkError(f"{self.path} cannot be started as {self.codec}: {_reason(error)}") from error
            raise

    def _create_partial(self, folder: Path, mode: int) -> tuple[Path, BinaryIO]:
        """A new file, by a name nobody has: an earlier partial may be all that is left of somebody's work."""
        names = partial_names(folder / self.path.name)
        while True:
            partial = next(names)
            try:
                # buffered so that a short write, as on a full disk, is completed or fails; but hardly at all,
                # so that nothing is lost with the process
                opener = functools.partial(os.open, mode=mode)
                return partial, open(partial, "x+b", buffering=2, opener=opener)
            except FileExistsError:
                continue
            except OSError as error:
                raise SinkError(f"{partial} cannot be created: {_reason(error)}") from error

    def _write(self, frame: Frame) -> None:
        with self._explained(), interrupted_later():
            for packet in self._encoder.encode(frame):
                self._muxer.write(packet)
            if self._sound and frame.sound is not None:
                self._muxer.container.mux(self._sound.encode(frame.sound))
            self._written += 1

    def _close(self) -> None:
        if not self._written:
            self._discard()
            raise SinkError(f"{self.path} was not written: there was no frame to put into it")
        self._carried = self._muxer.carried
        with self._explained():
            self._complete()
            self._take_its_name()
        self._audit(*self._from)

    def _take_its_name(self) -> None:
        try:
            with interrupted_later():  # what comes after only looks at it: there is nothing left to abort
                put_in_place(self.partial, self.path, overwrite=self.overwrite)
                self.state = "closed"
        except FileExistsError:
            raise SinkError(
                f"{self.path} has appeared meanwhile; the finished video is {self.partial}"
            ) from None

    def _audit(self, origin: Path | None, replaced: object) -> None:
        """Look into the finished file for what the input has and it has not."""
        if origin is None or self.segment or not isinstance(replaced, int) or not origin.is_file():
            return
        try:
            self.warnings += audit(origin, self.path, replaced, self._carried, alpha=self._alpha)
        except (OSError, av.FFmpegError) as error:
            line = f"{self.path} could not be compared with {origin}: {_reason(error)}"
            self.warnings.append(Change(line))

    def _complete(self, whole: bool = True) -> None:
        for packet in self._encoder.finish():
            self._muxer.write(packet)
        if self._sound:
            self._muxer.container.mux(self._sound.finish())
        self._finish_file(whole)

    def _finish_file(self, whole: bool = True) -> None:
        self._muxer.finish(whole)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _abort(self) -> Path | None:
        if not self._written or self.segment:
            self._discard()
            return None
        with suppress(OSError, av.FFmpegError):  # FFmpeg writes nothing more after a write that failed
            self._complete(whole=False)
            return self.partial
        self._let_go()
        try:
            VideoSource(self.partial).close()
        except SourceError:
            self.partial.unlink()
            return None
        return self.partial

    # -- joining --

    def segment_format(self, info: StreamInfo) -> tuple[str, dict[str, Any]] | None:
        self._choose(info)
        suffix = SEGMENT_SUFFIXES.get(self.codec)
        if self.codec == "vp9" and info.details.get("alpha"):
            suffix = ".webm"  # MP4 has no place for its transparency, and times end up in milliseconds anyway
        codec = "ffv1" if self.codec == "gif" else self.codec
        return (suffix, {"segment": True, "codec": codec, "crf": self.crf}) if suffix else None

    def _join(self, info: StreamInfo, segments: Sequence[Path]) -> None:
        if not segments:
            raise SinkError(f"{self.path} was not written: there was no frame to put into it")
        with self._beginning(info, segments[0].parent):
            if self.codec == "gif":
                packets = encoded_anew(self._encoder, info.time_base, segments)
            else:
                packets = Concat(self._encoder.stream, segments).packets()
            self._muxer.start()
        try:
            with self._explained():
                for number, packet in enumerate(packets, 1):
                    with interrupted_later():
                        self._muxer.write(packet)
                    if self.on_joined:
                        self.on_joined(number)
                self._carried = self._muxer.carried
                self._finish_file()
                self._take_its_name()
        except BaseException:
            self._discard()
            raise
        self._audit(*self._from)

    def _discard(self) -> None:
        self._let_go()
        self.partial.unlink(missing_ok=True)

    def _let_go(self) -> None:
        with suppress(OSError):
            self._file.close()
        with suppress(OSError, av.FFmpegError):
            self._muxer.abandon()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            raise SinkError(f"{self.path} could not be written on: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; make room and start again"
    if number == errno.EFBIG:
        return "the file is larger than this system or its limits allow"
    return getattr(error, "strerror", None) or str(error)
