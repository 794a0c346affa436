from __future__ import annotations

import json

import pytest

from nnatomy.errors import RunError
from nnatomy.report.facts import read_facts


def test_the_files_of_a_run_folder_are_read(digits, tmp_path):
    facts = json.loads(json.dumps(digits[0]))
    for key in ("config", "env", "data_report", "result"):
        (tmp_path / f"{key}.json").write_text(json.dumps(facts[key]))
    rows = "".join(json.dumps(row) + "\n" for row in facts["metrics"])
    (tmp_path / "metrics.jsonl").write_text(rows)
    assert read_facts(tmp_path) == facts


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"no result\.json"):
        read_facts(tmp_path)


def test_a_broken_file_is_named_with_its_line(tmp_path):
    (tmp_path / "result.json").write_text("{}")
    assert read_facts(tmp_path) == {"result": {}}
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\n{"epo')
    with pytest.raises(RunError, match=r"metrics\.jsonl, line 2"):
        read_facts(tmp_path)
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(RunError, match=r"result\.json: not readable"):
        read_facts(tmp_path)
