"""Where results go: result.json, and beside it a report for people."""

from __future__ import annotations

from pathlib import Path

from optimizer.scenarios.result import Result, write_result

RESULT_FILE = "result.json"
REPORT_FILE = "report.html"
FOLDER = "results"


def result_folder(scenario: Path) -> Path:
    """Where the results of a scenario go by default: one folder for each scenario file, beside it."""
    return scenario.parent / FOLDER / scenario.stem


def write_all(result: Result, folder: Path) -> tuple[Path, ...]:
    """Write the result and its report; the paths of what was written."""
    file = folder / RESULT_FILE
    write_result(result, file)
    return file, report_of(result, folder)


def report_of(result: Result, folder: Path) -> Path:
    """Write the report of a result; the path of what was written."""
    from optimizer.scenarios.report import write_report  # noqa: PLC0415 - slow to import: it draws

    path = folder / REPORT_FILE
    write_report(result, path)
    return path
