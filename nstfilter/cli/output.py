"""Output of the commands: tables on stdout, warnings and progress bars on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING

from nstfilter.errors import one_line

if TYPE_CHECKING:
    from rich.progress import Progress

INTERRUPTED = 130  # exit code after Ctrl-C, as in a shell


def table(header: Sequence[str], rows: Sequence[Sequence[str]], colors: Sequence[str] = ()) -> None:
    """Print rows in columns, folded to the terminal's width. Where stdout is no terminal: without the header,
    cells separated by tabs. `colors` are Rich styles for the first cell of each row."""
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(map(one_line, row)))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in header:
        columns.add_column(title, overflow="fold")
    for row, color in zip_longest(rows, colors, fillvalue=""):
        first, *others = (Text(one_line(cell)) for cell in row)
        first.stylize(color)
        columns.add_row(first, *others)
    Console().print(columns)


def warn(message: str) -> None:
    print(f"warning: {one_line(message)}", file=sys.stderr)


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress bars with speed and time left, on stderr; invisible where stderr is no terminal."""
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
