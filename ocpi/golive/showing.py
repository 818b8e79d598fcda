"""A report as a page that can be sent to the partner: one file, printable, without scripts."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ocpi.golive.checking import Report


def html_of(report: Report) -> str:
    """The report as HTML; what partners wrote stands in it as text."""
    return _template().render(report)


@cache
def _template() -> Template:
    loader = PackageLoader("ocpi.golive", "")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(
        "report.html"
    )
