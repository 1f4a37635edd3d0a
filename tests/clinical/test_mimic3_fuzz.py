"""Raw files changed at random: prepared and verified, or refused with the file's name; `make fuzz` tries more."""

import gzip
import os
import shutil

import numpy as np
import pytest

from sklar.clinical.mimic3 import prepare_mimic3, verify_mimic3

CASES = int(os.environ.get("SKLAR_FUZZ", "50"))
JUNK = (
    b"\xff\xfe",
    b"\x00",
    b'"',
    b",",
    b"\n",
    b"\r",
    b"-",
    b"9",
    b"1e400",
    b"nan",
    "é".encode(),
    b"'; DROP TABLE x; --",
)
SECRET = b"plan unchanged"


def _bytes(rng, data):
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(len(data)))
        data = data[:place] + JUNK[rng.integers(len(JUNK))] + data[place + int(rng.integers(3)) :]
    return data


def _lines(rng, data):
    lines = data.split(b"\n")
    first, second = (int(rng.integers(1, max(2, len(lines) - 1))) for _ in range(2))
    how = rng.integers(4)
    if how == 0:
        del lines[first]
    elif how == 1:
        lines.insert(second, lines[first])
    elif how == 2:
        lines[first], lines[second] = lines[second], lines[first]
    else:
        lines[first] = b""
    return b"\n".join(lines)


def _cells(rng, data):
    lines = data.split(b"\n")
    line = int(rng.integers(max(1, len(lines) - 1)))
    cells = lines[line].split(b",")
    values = (b"", b"x", b"-1", b"0.5", b"99999999999", b"2100-01-01 00:00:00", b"1800-01-01", b"inf", *cells)
    cells[rng.integers(len(cells))] = values[rng.integers(len(values))]
    lines[line] = b",".join(cells)
    return b"\n".join(lines)


def _cut(rng, data):
    return data[: int(rng.integers(len(data) + 1))]


def _columns(rng, data):
    rows = [line.split(b",") for line in data.split(b"\n")]
    first, second = (int(rng.integers(len(rows[0]))) for _ in range(2))
    for row in rows[: None if rng.integers(2) else 1]:
        if len(row) > max(first, second):
            row[first], row[second] = row[second], row[first]
    return b"\n".join(b",".join(row) for row in rows)


CHANGES = (_bytes, _bytes, _lines, _cells, _cells, _cut, _columns)


@pytest.mark.parametrize("seed", range(CASES))
def test_changed_files(seed, mimic3_slice, tmp_path, capsys):
    rng = np.random.default_rng(seed)
    raw = shutil.copytree(mimic3_slice, tmp_path / "raw")
    file = sorted(raw.iterdir())[rng.integers(9)]
    data = CHANGES[rng.integers(len(CHANGES))](rng, file.read_bytes())
    if rng.integers(4) == 0:
        packed = gzip.compress(data)
        file.unlink()
        file = file.with_name(file.name + ".gz")
        data = _bytes(rng, packed) if rng.integers(2) else packed
    file.write_bytes(data)
    out = tmp_path / "out"
    mode = "clean" if rng.integers(2) else "compat"
    refused = None
    try:
        prepare_mimic3(raw, out, mode=mode, tasks=None if rng.integers(3) == 0 else "ihm", threads=1)
    except (ValueError, FileNotFoundError) as error:
        refused = str(error)
    if refused is not None:
        assert file.name.split(".")[0] in refused or "keep the one" in refused, refused
        assert SECRET.decode() not in refused
        assert len(refused) < 600
        assert not out.exists()
        return
    verify_mimic3(out, threads=1)
    said = capsys.readouterr()
    assert "CHANGED" not in said.out
    assert SECRET.decode() not in said.out + said.err
