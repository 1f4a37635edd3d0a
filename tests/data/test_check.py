"""Hundreds of damaged folders: each is reported, or holds what it held; none ends in an undocumented error."""

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import sklar.data
from sklar.data import check_dataset

Mutation = Callable[[Path], None]
ARRAYS = ("vec", "labs", "vitals", "xray", "scan")
PARQUETS = ("samples", "note", "ev")
FILES = ("dataset.json", *(f"{name}.npy" for name in ARRAYS), *(f"{name}.parquet" for name in PARQUETS))


def content_of(folder: Path) -> dict[str, Any]:
    """All that a folder says, independent of the order of keys and modalities."""
    ds = sklar.data.open(folder)
    batch = ds[:]
    description = {**vars(ds.description), "files": None}
    description["modalities"] = dict(sorted(description["modalities"].items()))
    return {
        "description": description,
        "columns": ds._files.samples.table.to_pydict(),
        "inputs": {name: list(x) if name == "note" else x.numpy() for name, x in sorted(batch.inputs.items())},
        "observed": {name: batch.observed[:, i].tolist() for i, name in enumerate(ds.names)},
        "target": batch.target.tolist(),
    }


def describe(mutation: Callable[[dict], Any]) -> Mutation:
    """A change of ``dataset.json``."""

    def mutate(folder: Path) -> None:
        file = folder / "dataset.json"
        content = json.loads(file.read_text())
        mutation(content)
        file.write_text(json.dumps(content))

    return mutate


def raw(file: str, mutation: Callable[[bytes], bytes]) -> Mutation:
    """A change of a file's bytes."""
    return lambda folder: (folder / file).write_bytes(mutation((folder / file).read_bytes())) and None


def array(name: str, mutation: Callable[[np.ndarray], Any]) -> Mutation:
    """A change of a ``.npy``; the mutation changes it in place or returns another."""

    def mutate(folder: Path) -> None:
        values = np.load(folder / f"{name}.npy")
        changed = mutation(values)
        np.save(folder / f"{name}.npy", values if changed is None else changed)

    return mutate


def put(*places: Any, value: float) -> Callable[[np.ndarray], None]:
    def mutate(values: np.ndarray) -> None:
        values[places] = value

    return mutate


def table(name: str, mutation: Callable[[pa.Table], pa.Table]) -> Mutation:
    """A change of a Parquet file."""

    def mutate(folder: Path) -> None:
        file = folder / f"{name}.parquet"
        pq.write_table(mutation(pq.read_table(file)), file)

    return mutate


def cells(
    column: str, change: Callable[[list], list], kind: pa.DataType | None = None
) -> Callable[[pa.Table], pa.Table]:
    def mutate(content: pa.Table) -> pa.Table:
        i = content.column_names.index(column)
        values = pa.array(change(content.column(column).to_pylist()), kind or content.column(column).type)
        return content.set_column(i, column, values)

    return mutate


def cell(column: str, row: int, value: Any, kind: pa.DataType | None = None) -> Callable[[pa.Table], pa.Table]:
    return cells(column, lambda values: [*values[:row], value, *values[row + 1 :]], kind)


def key_paths(content: Any, path: tuple = ()) -> Iterator[tuple]:
    """The place of every key of a JSON document."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield (*path, key)
            yield from key_paths(value, (*path, key))
    elif isinstance(content, list):
        for place, value in enumerate(content):
            yield from key_paths(value, (*path, place))


def owner(content: Any, path: tuple) -> Any:
    for key in path[:-1]:
        content = content[key]
    return content


def remove(path: tuple) -> Mutation:
    return describe(lambda content: owner(content, path).pop(path[-1]))


def rename(path: tuple) -> Mutation:
    def mutation(content: dict) -> None:
        at = owner(content, path)
        at[f"{path[-1]}_x"] = at.pop(path[-1])

    return describe(mutation)


def retype(path: tuple) -> Mutation:
    def mutation(content: dict) -> None:
        at = owner(content, path)
        value = at[path[-1]]
        at[path[-1]] = [1] if isinstance(value, dict | str) else "x" if isinstance(value, list) else {"a": value}

    return describe(mutation)


def write_to(*path: Any, value: Any) -> Mutation:
    return describe(lambda content: owner(content, path).__setitem__(path[-1], value))


def swap(a: str, b: str) -> Mutation:
    def mutate(folder: Path) -> None:
        os.rename(folder / a, folder / "swap")
        os.rename(folder / b, folder / a)
        os.rename(folder / "swap", folder / b)

    return mutate


def directory_instead(file: str) -> Mutation:
    def mutate(folder: Path) -> None:
        (folder / file).unlink()
        (folder / file).mkdir()

    return mutate


def zipped(name: str) -> Mutation:
    def mutate(folder: Path) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, np.load(folder / f"{name}.npy"))
        (folder / f"{name}.npy").write_bytes(buffer.getvalue())

    return mutate


def description_mutations(example: Path) -> dict[str, Mutation]:
    content = json.loads((example / "dataset.json").read_text())
    content.pop("files")
    content["notes"] = {}
    found: dict[str, Mutation] = {}
    for path in key_paths(content):
        place = ".".join(map(str, path))
        found |= {f"remove {place}": remove(path), f"rename {place}": rename(path), f"retype {place}": retype(path)}
    for name, modality in content["modalities"].items():
        for kind in {each["kind"] for each in content["modalities"].values()} - {modality["kind"], "Table"}:
            found[f"{name} becomes {kind}"] = write_to("modalities", name, "kind", value=kind)
        for file in (
            "../outside.npy",
            "/etc/passwd",
            "samples.parquet",
            "dataset.json",
            "labs.npy",
            "ev.parquet",
            "a/b.npy",
            "",
        ):
            if file != modality["file"]:
                found[f"{name} in {file}"] = write_to("modalities", name, "file", value=file)
    for name in ("a b", "../a", "", "a/b", "a.b", "-a", "é", "a" * 101, "vec\n"):
        found[f"modality {name!r}"] = describe(
            lambda content, name=name: content["modalities"].__setitem__(name, content["modalities"].pop("vec"))
        )
    for key, values in {
        "format": [2, 0, "1", 1.5, True, None],
        "task": ["multilabel", "regression", "Binary", "", None],
        "labels": [[], ["sick"], ["sample_id"], ["died", "score"], ["died", "died"], [7], ["group_id"]],
        "classes": [["a"], ["a", "a"], ["a", "b", "c"], [], None, [1, 2]],
        "modalities": [{}, [], None],
        "name": ["", " ", "two\nlines", None],
        "notes": [[], "x"],
        "surprise": [1],
    }.items():
        found |= {f"{key} = {value!r}": write_to(key, value=value) for value in values}
    for path, values in {
        ("vitals", "step"): [0, -1, "1", True, None, [2]],
        ("vec", "shape"): [[5], [], [0], [-4], ["4"], [4, 1], 4],
        ("xray", "shape"): [[2, 5, 4], [3, 4, 5], [3, 20]],
        ("vec", "columns"): [["a"], ["a", "a", "b", "c"], [1, 2, 3, 4], []],
        ("labs", "columns"): [[], [{"name": "a", "unit": None, "categories": None}]],
        ("vitals", "channels"): [[], [{"name": "a", "unit": None}]],
        ("ev", "codes"): [[], [{"name": "x", "unit": "mg"}], [{"name": n, "unit": None} for n in "xyx"]],
        ("ev", "codes", 0, "name"): ["X", "x ", "y", ""],
        ("labs", "columns", 0, "categories"): [["f"], ["f", "f", "m"], [], [1, 2, 3]],
    }.items():
        for value in values:
            found[f"{path} = {value!r}"] = write_to("modalities", *path, value=value)
    found["keys in another order"] = lambda folder: describe_reversed(folder)
    found["modalities in another order"] = describe(
        lambda content: content.__setitem__("modalities", dict(reversed(content["modalities"].items())))
    )
    texts = {
        "array": b"[]", "null": b"null", "empty": b"", "no JSON": b"{name: 1}", "NaN": b'{"format": NaN}',
        "UTF-16": "{}".encode("utf-16"), "deep": b"[" * 100_000, "binary": bytes(range(256)), "no keys": b"{}",
    }  # fmt: skip
    found |= {f"dataset.json: {name}": raw("dataset.json", lambda _, text=text: text) for name, text in texts.items()}
    found["a key twice"] = raw(
        "dataset.json", lambda text: text.replace(b'"format": 1', b'"format": 1, "format": 1', 1)
    )
    return found


def describe_reversed(folder: Path) -> None:
    content = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(dict(reversed(content.items()))))


def file_mutations(_: Path) -> dict[str, Mutation]:
    found: dict[str, Mutation] = {}
    for file in FILES:
        found[f"no {file}"] = lambda folder, file=file: (folder / file).unlink()
        found[f"{file} is a directory"] = directory_instead(file)
        for share in (0, 0.02, 0.3, 0.6, 0.9):
            found[f"{file} cut at {share}"] = raw(file, lambda text, share=share: text[: int(share * len(text))])
        found[f"{file} without its last bytes"] = raw(file, lambda text: text[:-3])
        found[f"{file} of zeros"] = raw(file, lambda text: bytes(len(text)))
        found[f"{file} in text"] = raw(file, lambda text: b"patient,value\n1,2\n")
        if file.endswith(".npy"):
            found[f"{file} with more"] = raw(file, lambda text: text + b"more")
    for names, suffix in ((ARRAYS, "npy"), (PARQUETS, "parquet")):
        for i, a in enumerate(names):
            found |= {f"{a} and {b} swapped": swap(f"{a}.{suffix}", f"{b}.{suffix}") for b in names[i + 1 :]}
    found["npy and parquet swapped"] = swap("vec.npy", "note.parquet")
    for name in (".vec.npy.part", "vec.npy.part", "notes.docx", "vec2.npy"):
        found[f"stray {name}"] = lambda folder, name=name: (folder / name).write_bytes(b"x") and None
    return found


def array_mutations(_: Path) -> dict[str, Mutation]:
    found: dict[str, Mutation] = {}
    for name in ARRAYS:
        changes: dict[str, Callable[[np.ndarray], Any]] = {
            "a row less": lambda x: x[:-1], "a row more": lambda x: np.concatenate([x, x[:1]]),
            "no rows": lambda x: x[:0],
            "flat": lambda x: x.reshape(-1), "an axis more": lambda x: x[..., None], "one number": lambda x: x.sum(),
            "narrower": lambda x: x[..., :-1], "wider": lambda x: np.concatenate([x, x[..., :1]], -1),
            "Fortran": lambda x: np.asfortranarray(x), "no columns": lambda x: x[:, :0],
        }  # fmt: skip
        for dtype in ("float64", "float16", "int32", "int8", ">f4", "complex64", "bool", "U3"):
            changes[dtype] = lambda x, dtype=dtype: np.nan_to_num(x).astype(dtype)
        found |= {f"{name}: {what}": array(name, change) for what, change in changes.items()}
        found[f"{name}: pickled"] = array(name, lambda x: x.astype(object))
        found[f"{name}: zipped"] = zipped(name)
    nan, inf = float("nan"), float("inf")
    values: dict[str, list[tuple]] = {
        "vec": [(0, 1, nan), (2, slice(None), nan), (11, 0, inf), (4, 3, -inf), (3, 0, 1.0)],
        "labs": [(0, 0, 3), (2, 0, -1), (4, 0, 0.5), (8, slice(None), nan), (0, 4, inf), (7, 1, 2.0), (7, 0, 1.0)],
        "vitals": [(0, 0, 0, inf), (1, slice(None), nan), (4, 0, 0, 0.0)],
        "scan": [(0, 0, 0, 0, nan), (1, slice(None), nan), (2, 0, 0, 0, 1.1), (2, 0, 0, 0, -0.1), (3, 0, 0, 0, inf),
                 (5, 0, 0, 0, 1)],
        "xray": [(6, 0, 0, 0, 9)],
    }  # fmt: skip
    for name, planted in values.items():
        for *place, value in planted:
            found[f"{name}{place} = {value}"] = array(name, put(*place, value=value))
    found["images of 2 channels"] = array("xray", lambda x: x[:, :2])
    found["bytes saved as floats"] = array("xray", lambda x: x.astype(np.float32))
    return found


def table_mutations(_: Path) -> dict[str, Mutation]:
    found: dict[str, Mutation] = {}
    has = [f"has_{name}" for name in (*ARRAYS, "note", "ev")]
    essential = {
        "samples": ["sample_id", "group_id", "split", "series_id", "died", *has],
        "note": ["series_id", "time", "text"],
        "ev": ["series_id", "time", "code", "value"],
    }
    other = {pa.int64(): pa.date32(), pa.float64(): pa.bool_(), pa.string(): pa.binary(), pa.bool_(): pa.string()}
    for name, columns in essential.items():
        for column in columns:
            found[f"{name} without {column}"] = table(name, lambda t, c=column: t.drop_columns([c]))
            found[f"{name}.{column} renamed"] = table(
                name, lambda t, c=column: t.rename_columns([f"{x}_2" if x == c else x for x in t.column_names])
            )
            found[f"{name}.{column} twice"] = table(name, lambda t, c=column: t.append_column(c, t.column(c)))
            found[f"{name}.{column} of another type"] = table(
                name, lambda t, c=column: cells(c, lambda x: [None] * len(x), other[t.column(c).type])(t)
            )
            found[f"{name}.{column} nested"] = table(
                name, lambda t, c=column: cells(c, lambda x: [[1]] * len(x), pa.list_(pa.int8()))(t)
            )
            if column not in ("died", "value"):  # null has a meaning there
                found[f"{name}.{column} with a null"] = table(name, cell(column, 1, None))
            if column != "value":
                found[f"{name}.{column} of nulls"] = table(name, cells(column, lambda x: [None] * len(x)))
        found[f"{name} without rows"] = table(name, lambda t: t.slice(0, 0))
        found[f"{name} without columns"] = table(name, lambda t: t.select([]))
    for column in has:
        for row in (0, 5, 9):  # true becomes false or the other way round
            found[f"{column}[{row}] flipped"] = table(
                "samples", lambda t, c=column, r=row: cell(c, r, not t.column(c)[r].as_py())(t)
            )
    floats, texts = pa.float64(), pa.string()
    nan, inf = float("nan"), float("inf")
    for what, change in {
        "a row less": lambda t: t.slice(1),
        "a row more": lambda t: pa.concat_tables([t, t.slice(0, 1)]),
        "sample_id twice": cell("sample_id", 3, 100),
        "sample_id as text": cells("sample_id", lambda x: [None if i == 2 else str(v) for i, v in enumerate(x)], texts),
        "split leak": cell("split", 1, "test"),
        "another split leak": cell("group_id", 11, "p0"),
        "split dev": cells("split", lambda x: ["dev"] * len(x)),
        "split Train": cell("split", 0, "Train"),
        "label 2": cell("died", 0, 2),
        "label -1": cell("died", 2, -1),
        "label .5": cell("died", 0, 0.5, floats),
        "label NaN": cell("died", 0, nan, floats),
        "label inf": cell("died", 0, inf, floats),
        "label text": cells("died", lambda x: ["yes"] * len(x), texts),
        "no training label": cells("died", lambda x: [None] * 6 + x[6:]),
        "until NaN": cell("until", 0, nan),
        "until null": cell("until", 0, None),
        "until text": cells("until", lambda x: ["noon"] * len(x), texts),
        "until before the first record": cell("until", 0, 0.0),
        "series_id as integers": cells("series_id", lambda x: list(range(len(x))), pa.int64()),
        "series_id of nobody": cell("series_id", 0, "s99"),
        "nothing seen": lambda t: [t := cell(c, 0, False)(t) for c in has][-1],
        "has_ of no modality": lambda t: t.append_column("has_mri", t.column("has_vec")),
    }.items():
        found[f"samples: {what}"] = table("samples", change)
    for name in ("note", "ev"):
        for what, change in {
            "time NaN": cell("time", 0, nan),
            "time inf": cell("time", 0, inf),
            "time text": cells("time", lambda x: ["noon"] * len(x), texts),
            "orphan": lambda t: pa.concat_tables([t, cell("series_id", 0, "s99")(t.slice(0, 1))]),
            "all of one series lost": lambda t: t.filter([s != "s0" for s in t.column("series_id").to_pylist()]),
            "series_id as integers": cells("series_id", lambda x: [1] * len(x), pa.int64()),
            "series_id with spaces": cells("series_id", lambda x: [s + " " for s in x]),
            "minutes instead of hours": cells("time", lambda x: [60 * hours for hours in x]),
        }.items():
            found[f"{name}: {what}"] = table(name, change)
    for column, value in {"code": "X", "value": inf, "time": 1e300}.items():
        found[f"ev.{column} {value}"] = table("ev", cell(column, 2, value))
    found["ev.value beyond float32"] = table("ev", cell("value", 2, 1e39))
    found["ev.code in capitals"] = table("ev", cells("code", lambda x: [c.upper() for c in x]))
    found["ev.value NaN"] = table("ev", lambda t: t.set_column(3, "value", pa.array([nan] * len(t))))
    found["note.parquet is not UTF-8"] = table(
        "note",
        lambda t: t.set_column(
            2, "text", pa.array([b"\xff\xfe"] * len(t)).view(pa.binary()).cast(pa.string(), safe=False)
        ),
    )
    return found


def silent_mutations() -> dict[str, Mutation]:
    """What leaves a folder that is in order, with other content: checksums alone can tell."""
    found: dict[str, Mutation] = {}
    for name in ARRAYS:
        found[f"{name} shuffled"] = array(name, lambda x: x[::-1].copy())
        found[f"{name} with another value"] = array(name, lambda x: put(0, value=x[1])(x))
    for name in PARQUETS:
        found[f"{name} shuffled"] = table(name, lambda t: t.take(pa.array([*range(len(t))][::-1])))
    found |= {
        "a record lost": table("note", lambda t: t.slice(1)),
        "a record twice": table("ev", lambda t: pa.concat_tables([t, t.slice(0, 1)])),
        "another label": table("samples", cell("died", 0, 1)),
        "labels lost": table("samples", cell("died", 4, None)),
        "until lost": table("samples", lambda t: t.drop_columns(["until"])),
        "score lost": table("samples", lambda t: t.drop_columns(["score"])),
        "values lost": table("ev", cells("value", lambda x: [None] * len(x))),
        "other text": table("note", cell("text", 0, "another patient")),
    }
    return found


def flips(example: Path) -> dict[str, Mutation]:
    """Single bytes changed in the first 160 and the last 200 of a file: headers and footers."""
    rng = np.random.default_rng(0)
    found = {}
    for file in FILES[1:]:
        size = (example / file).stat().st_size
        places = np.unique(
            np.concatenate([rng.integers(0, min(160, size), 12), size - 1 - rng.integers(0, 200, 12)]) % size
        )
        for place, value in zip(places.tolist(), rng.integers(1, 256, len(places)).tolist(), strict=True):

            def flip(text: bytes, place: int = place, value: int = value) -> bytes:
                return text[:place] + bytes([text[place] ^ value]) + text[place + 1 :]

            found[f"{file}[{place}] ^ {value}"] = raw(file, flip)
    return found


def verdict(folder: Path, original: dict[str, Any]) -> str:
    """``reported`` or ``harmless``, else what went wrong."""
    problems = check_dataset(folder)
    assert all("\n" not in str(problem) and problem.place and problem.remedy for problem in problems)
    try:
        content = content_of(folder)
    except (ValueError, FileNotFoundError) as error:  # the documented errors
        documented = type(error) in (ValueError, FileNotFoundError) and "sklar data check" in str(error)
        return "reported" if documented and any(problem.is_error for problem in problems) else f"only {error!r}"
    try:
        np.testing.assert_equal(content, original)
    except AssertionError:
        return "reported" if problems else "lost unnoticed"
    return "reported" if problems else "harmless"


def judged(mutations: dict[str, Mutation], example: Path, scratch: Path, checksums: bool) -> dict[str, str]:
    original = content_of(example)
    folder = scratch / "mutant"
    found = {}
    for name, mutation in mutations.items():
        shutil.copytree(example, folder)
        if not checksums:
            write_to("files", value=None)(folder)
        mutation(folder)
        found[name] = verdict(folder, original)
        shutil.rmtree(folder)
    return found


@pytest.mark.parametrize(
    ("kind", "least", "harmless"),
    [
        (description_mutations, 350, {"keys in another order", "modalities in another order"}),
        (file_mutations, 100, set()),
        (array_mutations, 120, set()),
        (table_mutations, 200, set()),
    ],
)
def test_damage_is_reported_without_checksums(example, tmp_path, kind, least, harmless):
    found = judged(kind(example), example, tmp_path, checksums=False)
    assert len(found) >= least
    assert found == {name: "harmless" if name in harmless else "reported" for name in found}


def test_other_content_is_reported_by_its_checksum(example, tmp_path):
    found = judged(silent_mutations() | flips(example), example, tmp_path, checksums=True)
    assert len(found) >= 150
    assert set(found.values()) == {"reported"}


def test_flipped_bytes_raise_nothing_undocumented_without_checksums(example, tmp_path):
    found = judged(flips(example), example, tmp_path, checksums=False)
    assert set(found.values()) <= {"reported", "harmless", "lost unnoticed"}  # a value has no checksum of its own
    assert list(found.values()).count("reported") > len(found) / 3


def test_all_problems_are_found_at_once(example, tmp_path):
    mutations = [
        write_to("task", value="clustering"),
        write_to("modalities", "vec", "kind", value="tensor"),
        array("labs", put(0, 0, value=7)),
        array("vitals", lambda x: x[:-1]),
        raw("scan.npy", lambda text: text[:50]),
        table("note", cell("text", 0, None)),
        table("ev", lambda t: t.drop_columns(["code"])),
        table("samples", cell("split", 1, "test")),
        table("samples", cell("sample_id", 3, 100)),
    ]
    folder = shutil.copytree(example, tmp_path / "folder")
    write_to("files", value=None)(folder)
    for mutation in mutations:
        mutation(folder)
    lines = "\n".join(map(str, check_dataset(folder)))
    for place in (
        "dataset.json, task: is 'clustering'",
        "dataset.json, modalities.vec.kind: is 'tensor'",
        "labs.npy, row 0 (sample_id 100): column 'sex' holds no category",
        "vitals.npy: has 11 rows, samples.parquet has 12",
        "scan.npy: cannot be read as .npy",
        "note.parquet, column 'text', 1 records, first record 0: null texts",
        "ev.parquet, column 'code': there is no such column",
        "1 groups are in more than one split, 'p0'",
        "samples.parquet, column 'sample_id', 2 rows, first row 0 (sample_id 100): stands more than once",
    ):
        assert place in lines
    with pytest.raises(ValueError, match=r"\(and \d+ more\): `sklar data check"):
        sklar.data.open(folder)


def test_messages_hold_no_text_of_notes(write, content):
    folder = write()
    table("note", cell("time", 0, float("nan")))(folder)
    assert not any(text in str(problem) for problem in check_dataset(folder) for text in ("late", "early", "ß"))


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("ev", "code"), ("ev", "series_id"), ("ev", "value"), ("ev", "time"), ("note", "series_id"), ("note", "time"),
        ("samples", "split"), ("samples", "group_id"), ("samples", "sample_id"), ("samples", "series_id"),
        ("samples", "died"), ("samples", "until"), ("samples", "has_vec"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", ["Mrs Zebra has a cough", "Zebra" * 9, "Zebra\tcough"])
def test_messages_hold_no_text_that_is_in_the_wrong_column(write, file, column, text):
    folder = write()
    write_to("files", value=None)(folder)
    table(file, cells(column, lambda x: [text] * len(x), pa.string()))(folder)
    problems = check_dataset(folder)
    assert any(problem.place.startswith((f"{file}.parquet", "samples.parquet")) for problem in problems)
    assert not any("Zebra" in str(problem) for problem in problems)
    try:
        sklar.data.open(folder)[:]
    except ValueError as error:
        assert "Zebra" not in str(error)  # noqa: PT017  a series_id of nobody is only a warning


def test_messages_show_numbers_and_tokens(write):
    folder = write()
    write_to("files", value=None)(folder)
    table("ev", cells("code", lambda x: ["HR-2", "Mrs Zebra", *x[2:]]))(folder)
    table("samples", cells("split", lambda x: ["dev", "has a cough", *x[2:]]))(folder)
    lines = "\n".join(map(str, check_dataset(folder)))
    assert "2 records, first record 0: codes that dataset.json does not list: 'HR-2' and 1 that are not shown" in lines
    assert "2 rows, first row 0 (sample_id 100): unknown splits 'dev' and 1 that are not shown" in lines


def test_chunks_change_nothing(example, tmp_path, monkeypatch):
    folder = shutil.copytree(example, tmp_path / "folder")
    array("vec", put(slice(0, 12, 5), 0, value=float("inf")))(folder)
    whole = check_dataset(folder)
    monkeypatch.setattr("sklar.data.arrays.CHUNK", 1)
    assert check_dataset(folder) == whole
    assert any("3 rows, first row 0 (sample_id 100): infinite" in str(problem) for problem in whole)


def test_records_need_no_order(example, tmp_path):
    folder = shutil.copytree(example, tmp_path / "folder")
    for name in ("note", "ev"):
        table(name, lambda t: t.take(pa.array(np.random.default_rng(0).permutation(len(t)))))(folder)
    write_to("files", value=None)(folder)
    assert check_dataset(folder) == []
    np.testing.assert_equal(content_of(folder), content_of(example))


@pytest.mark.parametrize(
    ("task", "values", "what"),
    [
        ("multiclass", [[0, 1, 3, 2]], "out of range: 3.0"),
        ("multilabel", [[0, 1, 1, 0], [0, 1, 2, 0]], "out of range: 2.0"),
        ("regression", [[0.5, float("inf"), 1, 2]], "infinite in float32"),
        ("regression", [[0.5, None, float("nan"), 2]], "NaN"),
    ],
)
def test_labels_of_other_tasks(tmp_path, task, values, what):
    labels = [f"y{i}" for i in range(len(values))]
    folder = sklar.data.write_dataset(
        tmp_path / "d",
        name="labels",
        task=task,
        labels=labels,
        classes=["a", "b", "c"] if task == "multiclass" else None,
        samples={"sample_id": ["a", "b", "c", "d"], **{label: [0, 1, 1, 0] for label in labels}},
        modalities={"v": sklar.data.Vector(torch.ones(4, 2))},
    )
    assert check_dataset(folder) == []
    write_to("files", value=None)(folder)
    for label, column in zip(labels, values, strict=True):
        table("samples", cells(label, lambda _, column=column: column, pa.float64()))(folder)
    [problem] = check_dataset(folder)
    assert problem.what == what
    assert f"'{labels[-1]}'" in problem.place
