"""The demo's tune: four soft chords with plucked strings over wind and water, made of sines and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

RATE = 48_000
PEAK = 0.6
# two seconds each: the pad's notes, then the order in which the strings pick them (MIDI numbers)
CHORDS = (
    ((48, 55, 64, 71), (64, 67, 71, 74, 76, 74, 71, 67)),  # C major 9
    ((45, 52, 60, 67), (60, 64, 67, 69, 72, 69, 67, 64)),  # A minor 7
    ((41, 53, 57, 64), (57, 60, 64, 65, 69, 67, 65, 60)),  # F major 7
    ((43, 50, 59, 64), (59, 62, 64, 67, 71, 74, 71, 67)),  # G 6
)
BAR = 2.0


def loop() -> np.ndarray:
    """One turn of the tune, 2xN float32 within +-`PEAK`, that goes on into itself without a seam."""
    rng = np.random.default_rng(440)
    length = round(len(CHORDS) * BAR * RATE)
    tune = np.zeros((2, length))
    for bar, (pad, strings) in enumerate(CHORDS):
        start = bar * BAR
        for k, note in enumerate(pad):
            _add(tune, _pad(note, BAR * 1.35), start, 0.16, pan=0.3 + 0.4 * k / len(pad))
        beat = BAR / len(strings)
        for k, note in enumerate(strings):
            late = rng.uniform(0, 0.012)
            accent = (1.0 if k % 4 == 0 else 0.72) * rng.uniform(0.85, 1.0)
            _add(
                tune,
                _pluck(note + 12),
                start + k * beat + late,
                0.22 * accent,
                pan=0.5 + 0.32 * np.sin(1.7 * k + bar),
            )
    tune += _wind_and_water(rng, length)
    return np.asarray(tune * (PEAK / np.abs(tune).max()), np.float32)


def _add(tune: np.ndarray, voice: np.ndarray, at: float, level: float, pan: float) -> None:
    """Mix `voice` in; what rings on past the end is heard at the beginning, so that the loop has no seam."""
    places = (round(at * RATE) + np.arange(voice.size)) % tune.shape[1]
    for channel, gain in enumerate((np.cos(pan * np.pi / 2), np.sin(pan * np.pi / 2))):
        tune[channel, places] += voice * (level * gain)


def _hertz(note: float) -> float:
    return float(440 * 2 ** ((note - 69) / 12))


def _pad(note: int, seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    tone = np.zeros_like(t)
    for cents in (-5, 0, 6):
        pitch = _hertz(note + cents / 100)
        tone += np.sin(2 * np.pi * pitch * t + cents) + 0.25 * np.sin(4 * np.pi * pitch * t)
    return np.asarray(tone / 3 * np.sin(np.pi * t / seconds) ** 1.2)


def _pluck(note: int) -> np.ndarray:
    t = np.arange(round(1.6 * RATE)) / RATE
    pitch = _hertz(note)
    tone = sum(np.sin(2 * np.pi * k * pitch * t) / k**1.4 * np.exp(-t * (2.6 + 1.9 * k)) for k in range(1, 7))
    return np.asarray(tone * np.clip(t / 0.004, 0, 1) * np.clip((1.6 - t) / 0.2, 0, 1))


def _wind_and_water(rng: np.random.Generator, length: int) -> np.ndarray:
    """Noise shaped in the frequency domain, which makes it periodic: a low wind and a bright lapping."""
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    t = np.arange(length) / length * 2 * np.pi
    noise = np.fft.rfft(rng.standard_normal((2, length)))
    wind = np.fft.irfft(noise * np.exp(-((np.log((hertz + 1) / 300)) ** 2)), length)
    water = np.fft.irfft(noise[::-1] * np.exp(-((np.log((hertz + 1) / 1700) / 0.7) ** 2)), length)
    wind *= (0.55 + 0.45 * np.sin(t + 1)) / wind.std()
    water *= (0.4 + 0.35 * np.sin(5 * t) + 0.25 * np.sin(8 * t + 2)) / water.std()
    return np.asarray(0.012 * wind + 0.009 * water)


def write(path: Path, seconds: float) -> None:
    """`seconds` of the tune, faded in and out, as 48 kHz stereo AAC in an .m4a file."""
    import av

    tune = loop()
    total = round(seconds * RATE)
    fade_in, fade_out = min(0.15, seconds / 4), min(0.8, seconds / 3)
    with av.open(str(path), "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=RATE, layout="stereo", bit_rate=160_000)
        for start in range(0, total, 1024):
            places = np.arange(start, min(start + 1024, total))
            gain = np.minimum(1, np.minimum(places / (fade_in * RATE), (total - places) / (fade_out * RATE)))
            block = (tune[:, places % tune.shape[1]] * gain).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
