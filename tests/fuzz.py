"""Makes up and spoils inputs of every kind and checks that each is either read or refused with a reason.

`python -m tests.fuzz --count 20000 --seed 1`; every input can be made again: `--seed 1 --only 1234`.
"""

import argparse
import csv
import datetime
import decimal
import gzip
import io
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool
from rich.console import Console
from rich.table import Table

from stance.config import Columns
from stance.errors import InputError
from stance.formats import Entry, entries
from stance.pages import Page, extract
from stance.types import Article

TIMEOUT_SECONDS = 60
_CHUNK = 10
_WORDS = (
    "The weir held said Harrow denied council “no” never — 3 May 2024 £5 Zoë Ünal 大臣 Министр عمان 😀 e\u0301".split()
)
_NASTY = (
    "\x00 \x01 \x1b \x7f \x85 \u2028 \u2029 \ufeff \ufffe \uffff \u202e \u200d \U0010ffff \ud800 \udfff \r \n \t".split(
        " "
    )
)
_SUFFIXES = [".txt", ".html", ".htm", ".xhtml", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".TXT", ".Csv"]
_KEYS = "id text html title url date publisher author quotes body headline guid ID Text source content x é".split()
_ENCODINGS = (
    "utf-8 utf-8 utf-8 utf-8-sig utf-16 utf-16-le utf-32 cp1252 cp1251 koi8-r shift-jis gb18030 utf-7 cp037".split()
)


@dataclass(slots=True)
class Tally:
    """What became of the inputs of one kind."""

    made: int = 0
    read: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Made:
    """One input: what to ask for, in a folder that has been filled."""

    kind: str
    inputs: list[str]
    stdin: bytes = b""


def words(rng: random.Random, most: int = 60) -> str:
    text = " ".join(rng.choice(_WORDS) for _ in range(rng.randint(0, most)))
    for _ in range(rng.choice([0, 0, 1, 3])):
        at = rng.randint(0, len(text))
        text = (
            text[:at]
            + rng.choice([rng.choice(_NASTY), '"', ",", "<", chr(rng.randrange(0x110000)), "\r\n\r\n"])
            + text[at:]
        )
    return text


def encoded(rng: random.Random, text: str) -> bytes:
    return text.encode(rng.choice(_ENCODINGS), rng.choice(["replace", "ignore", "xmlcharrefreplace"]))


def made_text(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.02:
        return rng.choice([b"x", b"\x00", b"word ", "é".encode(), b"\n"]) * rng.choice([1 << 20, 1 << 21])
    if kind < 0.1:
        return rng.randbytes(rng.randint(0, 400))
    return encoded(rng, "\n".join(words(rng) for _ in range(rng.randint(0, 20))))


def made_page(rng: random.Random) -> bytes:
    tags = "p div span b a ul li table tr td h1 article script style svg math template form font center iframe".split()
    bits = [
        rng.choice(["", "<!DOCTYPE html>", "<?xml version='1.0' encoding='utf-16'?>", "<html>", "<html/>", "\ufeff"])
    ]
    bits.append(
        f"<head><meta charset={rng.choice([*_ENCODINGS, 'nonsense', 'idna', 'zip'])}><title>{words(rng, 5)}</title>"
    )
    bits.append(f'<script type="application/ld+json">{made_json(rng, 0)}</script>' if rng.random() < 0.3 else "")
    bits.append(f'<meta property="article:published_time" content="{words(rng, 2)}"></head><body>')
    for _ in range(rng.randint(0, 40)):
        tag = rng.choice(tags)
        bits.append(
            rng.choice(
                [
                    f"<{tag}>{words(rng)}</{tag}>",
                    f"<{tag} class='{words(rng, 3)}' href=\"{words(rng, 2)}",
                    f"</{tag}>",
                    f"<p>{words(rng, 80)}</p>",
                    f"&#{rng.randrange(0x120000)};&#x{rng.randrange(0x120000):x};&nope;&amp",
                    rng.choice(["<!--", "-->", "<![CDATA[", "]]>", "<?php", "<!ENTITY a '&a;&a;'>", "<", ">", "</"]),
                ]
            )
        )
    html = "".join(bits)
    return encoded(rng, html + bomb(rng) if rng.random() < 0.03 else html)


def bomb(rng: random.Random) -> str:
    tag, times = (
        rng.choice(["div", "b", "table><tr><td", "ul><li", "p", "a", "font", "svg"]),
        rng.choice([300, 5_000, 50_000]),
    )
    return rng.choice(
        [
            f"<{tag}>" * times + "deep words here",
            f"<{tag} " + " ".join(f"a{i}='x'" for i in range(times)) + ">words",
            f"<p title='{'x' * times * 10}'>words</p>",
            "<!DOCTYPE x [<!ENTITY a 'aaaaaaaa'>"
            + "".join(f"<!ENTITY b{i} '&a;&a;&a;'>" for i in range(99))
            + "]>&b98;",
            "<p>word " * times,
            "<!--" * times,
            "&lt;" * times + "<p>" + "(" * times,
            "<p>" + "word-" * times + "</p>",
            "<p>" + "\n \t" * times + "x</p>",
        ]
    )


def made_json(rng: random.Random, depth: int) -> str:
    kind = rng.randrange(9 if depth < 4 else 6)
    if kind < 3:
        return json.dumps(words(rng), ensure_ascii=rng.random() < 0.5)
    if kind == 6:
        return "[" + ",".join(made_json(rng, depth + 1) for _ in range(rng.randint(0, 3))) + "]"
    if kind > 6:
        return (
            "{" + ",".join(f'"{rng.choice(_KEYS)}":{made_json(rng, depth + 1)}' for _ in range(rng.randint(0, 4))) + "}"
        )
    odd = [
        "null",
        "true",
        "NaN",
        "-Infinity",
        "1e999",
        "7",
        "-0.0",
        '""',
        '" "',
        '"\\ud800"',
        '"\\u0000"',
        "9" * 5000,
        "7.0",
    ]
    return rng.choice(odd)


def made_row(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.1:
        return made_json(rng, 0)
    if kind < 0.12:
        deep = rng.choice([10, 60, 500, 990, 100_000])
        return (
            '{"id":"a","text":"b","x":'
            + rng.choice(["[", '{"a":']) * deep
            + "1"
            + rng.choice(["]", "}", ""]) * deep
            + "}"
        )
    if kind < 0.14:
        return json.dumps({"id": "long", "text": rng.choice(["x", "word ", "é", "“no” "]) * 250_000})
    row = {key: words(rng) for key in rng.sample(_KEYS, rng.randint(0, 6))} | {
        "id": rng.choice([words(rng, 1), rng.random()])
    }
    pairs = [f'"{key}":{json.dumps(value)}' for key, value in row.items()]
    pairs.append(f'"{rng.choice(_KEYS)}":{made_json(rng, 0)}')
    return "{" + ",".join(pairs) + rng.choice(["}", "}", "}", "", ",}"])


def made_lines(rng: random.Random) -> bytes:
    end = rng.choice(["\n", "\n", "\r\n", "\n\n", "\r"])
    text = end.join(made_row(rng) for _ in range(rng.randint(0, 6)))
    return text.encode("utf-8", "surrogatepass") if rng.random() < 0.8 else encoded(rng, text)


def made_csv(rng: random.Random) -> bytes:
    out = io.StringIO()
    quoting = rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
    writer = csv.writer(
        out, delimiter=rng.choice(",;\t|"), quoting=quoting, lineterminator=rng.choice(["\n", "\r\n", "\r"])
    )
    keys = (
        [rng.choice([*_KEYS, ""]) for _ in range(rng.randint(1, 6))] if rng.random() < 0.5 else ["id", "text", "title"]
    )
    writer.writerow(keys)
    for _ in range(rng.randint(0, 12)):
        writer.writerow([words(rng, 20) for _ in range(len(keys) + rng.choice([0, 0, 0, 0, 1, -1]))])
    text = out.getvalue()
    for _ in range(rng.choice([0, 0, 1, 2, 9])):
        at = rng.randint(0, len(text))
        text = text[:at] + rng.choice(['"', '""', '",', '"\n', "\n", '\n"', "\x00", "sep=;\n", ",", "\r"]) + text[at:]
    if rng.random() < 0.02:
        text += rng.choice(['"a","b\n', "x", ",", '"', '""', "a,b\n", '"\n']) * 200_000
    return encoded(rng, text)


def made_parquet(rng: random.Random) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    size = rng.choice([0, 1, 3, 40])
    columns: dict[str, Any] = {}
    makers: list[Callable[[], Any]] = [
        lambda: words(rng).encode("utf-8", "replace").decode(),
        lambda: rng.randrange(-(2**62), 2**62),
        lambda: rng.choice([rng.random(), float("nan"), float("inf")]),
        lambda: rng.randbytes(9),
        lambda: datetime.datetime(rng.randint(1, 9999), 1, 1),
        lambda: datetime.date(2024, 5, rng.randint(1, 31)),
        lambda: datetime.timedelta(microseconds=rng.randrange(10**12)),
        lambda: decimal.Decimal(rng.randrange(10**6)).scaleb(-2),
        lambda: [words(rng, 2).encode("utf-8", "replace").decode()],
        lambda: {"a": rng.random(), "b": [rng.randrange(9)]},
        lambda: rng.random() < 0.5,
    ]
    for key in ["id", "text", *rng.sample(_KEYS, 3)]:
        maker = makers[0] if key in ("id", "text") and rng.random() < 0.7 else rng.choice(makers)
        columns[key] = [maker() if rng.random() < 0.9 else None for _ in range(size)]
    out = io.BytesIO()
    codec = rng.choice(["none", "snappy", "zstd", "gzip", "lz4", "brotli"])
    pq.write_table(pa.table(columns), out, compression=codec, row_group_size=rng.choice([1, 7, 1000]))
    return out.getvalue()


def spoiled(rng: random.Random, data: bytes) -> bytes:
    for _ in range(rng.choice([0, 1, 1, 2, 5])):
        if not data:
            break
        at, other = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
        data = rng.choice(
            [
                data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :],
                data[:at] + rng.randbytes(rng.randint(1, 9)) + data[at:],
                data[:at],
                data[:at] + data[other:],
                data[:other] + data[at:],
                data[:at] + bytes(other - at) + data[other:],
                data[at:],
            ]
        )
    return data


def packed(rng: random.Random, data: bytes) -> bytes:
    kind = rng.random()
    if kind < 0.02:
        return gzip.compress(rng.choice([b"\x00", b"x", b",", b"<", b"[", b'"']) * (30 << 20) + b"\n" * (2 << 20), 1)
    if kind < 0.1:
        return gzip.compress(gzip.compress(data))
    whole = gzip.compress(data, rng.randint(0, 9))
    return rng.choice(
        [whole, whole, spoiled(rng, whole), whole[: len(whole) // 2], whole + b"junk", whole + whole, data]
    )


MAKERS: dict[str, tuple[list[str], Callable[[random.Random], bytes]]] = {
    "text": ([".txt"], made_text),
    "page": ([".html", ".htm", ".xhtml"], made_page),
    "lines": ([".jsonl", ".ndjson"], made_lines),
    "csv": ([".csv", ".tsv"], made_csv),
    "parquet": ([".parquet"], made_parquet),
}


def made(rng: random.Random, folder: Path) -> Made:
    """Make one input up, in a folder."""
    form = rng.choice(list(MAKERS))
    suffixes, maker = MAKERS[form]
    kind = rng.choices(
        [form, f"{form}, spoiled", f"{form}, gzipped", "wrong suffix", "standard input", "paths"], [4, 4, 3, 1, 2, 2]
    )[0]
    data = maker(rng)
    if rng.random() < 0.5 and kind != form:
        data = spoiled(rng, data)
    if kind.endswith("gzipped"):
        data = packed(rng, data)
    suffix = rng.choice(_SUFFIXES if kind == "wrong suffix" else suffixes) + (".gz" if kind.endswith("gzipped") else "")
    if kind == "paths":
        return made_paths(rng, folder, data, suffix)
    path = folder / f"made{suffix}"
    path.write_bytes(data)
    if kind == "standard input":
        return Made(kind, ["-"], packed(rng, data) if rng.random() < 0.2 else data)
    return Made(kind, [str(rng.choice([path, folder, f"{folder}/*{suffix}"]))])


def made_paths(rng: random.Random, folder: Path, data: bytes, suffix: str) -> Made:
    names = [
        b"a b",
        b"-",
        b"@x",
        b"%s%n",
        b"a\nb",
        b"*",
        b"[",
        b"[!a]",
        b"caf\xe9",
        b"\xff\xfe",
        "é\u202e😀".encode(),
        b"..x",
        b"~",
    ]
    root, inputs = os.fsencode(folder), []
    for _ in range(rng.randint(1, 6)):
        path = root + b"/" + b"/".join(rng.choice(names) for _ in range(rng.randint(0, 3))) + rng.choice(names)
        path += os.fsencode(rng.choice([suffix, ".txt", "", ".docx"]))
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            trick = rng.choice(["file", "file", "folder", "link", "up", "self", "pipe", "list"])
            if os.path.lexists(path):
                continue
            if trick in ("file", "list"):
                lines = b"\n".join(
                    rng.choice([path, root, b"#", b"@" + path, b"x\x00", b"-", rng.randbytes(5)]) for _ in range(9)
                )
                Path(os.fsdecode(path)).write_bytes(data if trick == "file" else lines)
            elif trick == "folder":
                os.mkdir(path)
            elif trick == "pipe":
                os.mkfifo(path)
            else:
                os.symlink({"link": root + b"/nothing", "up": b"..", "self": path}[trick], path)
        except OSError:
            pass  # the name is taken by a folder, or leads through a file
        name = os.fsdecode(path)
        inputs.append(
            rng.choice([name, name, f"@{name}", str(folder), f"{folder}/**", f"{folder}/*/*", name[:-1], name * 40])
        )
    return Made("paths", inputs, data)


def check(entry: Entry) -> str:
    """Say what became of an entry: read or refused; AssertionError where it is neither as it should be."""
    assert entry.file.encode(), "a file without a name"
    assert entry.line is None or entry.line > 0
    found = entry.found
    where = f"{entry.file}:{entry.line}" if entry.line else entry.file
    if isinstance(found, Page):
        found = extract(found, where, str.encode)
    if isinstance(found, InputError):
        assert entry.file in str(found), f"{found} does not name {entry.file}"
        assert len(str(found)) < len(where) * 2 + 1000, "a message too long to read"
        return "refused"
    assert isinstance(found, Article)
    for value in (found.id, found.text):
        assert value.strip(), "an empty value"
        value.encode()
    json.dumps(found.metadata, allow_nan=False)
    return "read"


def one(seed: int, index: int) -> tuple[str, Counter[str], str]:
    """Make an input and read it; give its kind, what became of its entries, and what went wrong."""
    rng = random.Random(f"{seed} {index}")  # noqa: S311
    kind, became, begin = "?", Counter[str](), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            (Path(folder) / "in").mkdir()
            asked = made(rng, Path(folder) / "in")
            kind = asked.kind
            sys.stdin = io.TextIOWrapper(io.BytesIO(asked.stdin))
            for entry in entries(asked.inputs, Columns(), str.encode, spool=Path(folder) / "spool"):
                became[check(entry)] += 1
            assert became, "no entry at all"
            assert time.monotonic() - begin < TIMEOUT_SECONDS, "took too long"
        except Exception as error:
            return kind, became, f"{index} ({kind}): {type(error).__name__}: {error}"[:500]
        finally:
            sys.stdin = sys.__stdin__
    return kind, became, ""


def many(seed: int, indices: range) -> list[tuple[str, Counter[str], str]]:
    """Do a chunk, in a worker; what warns fails."""
    warnings.simplefilter("error")
    return [one(seed, index) for index in indices]


def run(count: int, seed: int, *, workers: int = 2) -> dict[str, Tally]:
    """Make up inputs and read them, in workers of their own, so that a crash or a hang is seen and named."""
    tallies: dict[str, Tally] = {}
    chunks = [range(at, min(at + _CHUNK, count)) for at in range(0, count, _CHUNK)]
    with ProcessPool(workers, context=multiprocessing.get_context("spawn")) as pool:
        for kind, became, problem in _results(pool, seed, chunks, TIMEOUT_SECONDS * _CHUNK):
            tally = tallies.setdefault(kind, Tally())
            tally.made += 1
            tally.read += became["read"] > 0
            tally.refused += became["read"] == 0
            tally.problems += [problem] if problem else []
    return tallies


def _results(
    pool: ProcessPool, seed: int, chunks: list[range], timeout: float
) -> Iterator[tuple[str, Counter[str], str]]:
    waiting = [(chunk, pool.schedule(many, args=(seed, chunk), timeout=timeout)) for chunk in chunks]
    for chunk, future in waiting:
        try:
            yield from future.result()
        except (ProcessExpired, Late) as error:
            if len(chunk) > 1:
                alone = [range(index, index + 1) for index in chunk]
                yield from _results(pool, seed, alone, TIMEOUT_SECONDS)
            else:
                yield "?", Counter(), f"{chunk[0]}: {type(error).__name__}"


def main() -> None:
    """Run from the command line; exit code 1 where something was neither read nor refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", type=int, help="make this one again, here")
    asked = parser.parse_args()
    console = Console()
    if asked.only is not None:
        warnings.simplefilter("error")
        console.print(one(asked.seed, asked.only), markup=False)
        return
    begin = time.monotonic()
    tallies = run(asked.count, asked.seed, workers=asked.workers)
    table = Table("kind", "made", "read", "refused", "problems")
    for kind, tally in sorted(tallies.items()):
        table.add_row(kind, *(f"{n:,}" for n in (tally.made, tally.read, tally.refused, len(tally.problems))))
    total = [
        sum(numbers)
        for numbers in zip(*((t.made, t.read, t.refused, len(t.problems)) for t in tallies.values()), strict=True)
    ]
    table.add_row("all", *(f"{n:,}" for n in total), style="bold")
    console.print(table)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    console.print(f"{time.monotonic() - begin:.0f} seconds, at most {peak:.0f} MiB in a worker")
    problems = [problem for tally in tallies.values() for problem in tally.problems]
    for problem in problems:
        console.print(problem, markup=False, style="red")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
