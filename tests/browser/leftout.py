"""Says at the end of a run that there was no browser to test with."""

import pytest

LEFT_OUT = "there is no Chromium here: install `chromium`, or name one by OCPI_TEST_CHROMIUM"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if LEFT_OUT in str(report.longrepr)
    ]
    if skipped:
        count = len(skipped)
        terminalreporter.write_line(f"Left out: {count} tests of the console, since {LEFT_OUT}")
