"""The example of docs/data.md runs as it stands there."""

import re
from pathlib import Path

import sklar.data


def test_the_example_of_the_documentation_runs(tmp_path, monkeypatch, capsys):
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/data.md", "exec"), {})
    ds = sklar.data.open("my-data")
    printed = capsys.readouterr().out
    assert "my cohort: binary" in printed
    assert "has_film is false where there is content" in printed
    assert "error" not in printed
    assert ds.names == ["labs", "ecg", "film", "note", "drugs"]
    assert ds.observed[:, [3, 4]].nonzero()[:, 0].unique().tolist() == [3, 8]
    assert ds[3:4].inputs["note"][0] == ("Dyspnoea since Monday.",)
    assert not ds.observed[::3, 1].any()
