"""What the commands print with: tables on stdout, progress on stderr when somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING

from nstfilter.errors import one_line

if TYPE_CHECKING:
    from rich.progress import Progress

INTERRUPTED = 130  # what a shell gives a program that Ctrl-C ended


def table(header: Sequence[str], rows: Sequence[Sequence[str]], colors: Sequence[str] = ()) -> None:
    """Columns, folded to the terminal; as they are, with tabs between, when read by a program. `colors` are
    those of each row's first cell."""
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(map(one_line, row)))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in header:
        drawn.add_column(title, overflow="fold")
    for row, color in zip_longest(rows, colors, fillvalue=""):
        first, *others = (Text(one_line(cell)) for cell in row)
        first.stylize(color)
        drawn.add_row(first, *others)
    Console().print(drawn)


def warn(message: str) -> None:
    print(f"warning: {one_line(message)}", file=sys.stderr)


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars with speed and time left, on stderr; invisible where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bars:
        yield bars
