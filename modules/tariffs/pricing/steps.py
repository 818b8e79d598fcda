"""step_size: energy, and time with parking time, are rounded up once a session (CD-23..CD-26)."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from modules.tariffs.pricing.bill import STEPS_IN_ONE, Line, Step
from modules.tariffs.pricing.money import plain
from modules.tariffs.pricing.policy import Policy, StepTotal, TimeStep
from modules.tariffs.pricing.usage import Kind, Note

Rounded = tuple[list[Line], list[Step], list[Note]]


def round_up(lines: Sequence[Line], policy: Policy) -> Rounded:
    """Add what the steps demand to the last line of its kind, at that line's price."""
    result, steps, notes = list(lines), [], list[Note]()
    for kind in (Kind.ENERGY, _timed_kind(lines, policy, notes), Kind.RESERVATION_TIME):
        step = _step(result, kind, policy, notes)
        if step:
            steps.append(step)
            line = result[step.line]
            surplus = (step.billed - step.measured) / Fraction(STEPS_IN_ONE[kind])
            result[step.line] = replace(line, billed=line.billed + surplus)
    return result, steps, notes


def _priced(lines: Sequence[Line], *kinds: Kind) -> list[int]:
    """Where a component priced a volume of these kinds."""
    return [
        index
        for index, line in enumerate(lines)
        if line.kind in kinds and line.choice.component and line.measured
    ]


def _timed_kind(lines: Sequence[Line], policy: Policy, notes: list[Note]) -> Kind:
    """Which of TIME and PARKING_TIME is rounded; not clear where charging follows parking."""
    timed = _priced(lines, Kind.TIME, Kind.PARKING_TIME)
    last = lines[timed[-1]].kind if timed else Kind.TIME
    if last == Kind.PARKING_TIME or not _priced(lines, Kind.PARKING_TIME):
        return last
    parking = policy.time_step == TimeStep.PARKING_IF_ANY
    if any(_step_size(lines[index]) > 1 for index in timed):
        sentence = (
            "Charging came after parking; the step size was applied to the "
            f"{'parking' if parking else 'charging'} time."
        )
        notes.append(Note("parking_before_charging", sentence, policy=policy.setting("time_step")))
    return Kind.PARKING_TIME if parking else Kind.TIME


def _step_size(line: Line) -> int:
    return line.choice.component.step_size if line.choice.component else 0


def _step(lines: Sequence[Line], kind: Kind, policy: Policy, notes: list[Note]) -> Step | None:
    priced = _priced(lines, kind)
    component = lines[priced[-1]].choice.component if priced else None
    if component is None or component.step_size < 1:
        return None
    unit = Fraction(STEPS_IN_ONE[kind])
    total = _total(lines, kind, policy) * unit
    if total <= 0:
        sentence = "The volumes add up to nothing or less, so no step size was applied."
        notes.append(Note("negative_total", sentence, kind=kind))
        return None
    billed = _next_step(total, component.step_size, kind, policy, notes)
    step = Step(kind, component.step_size, total, billed, priced[-1])
    if not policy.apply_step_size:
        if billed > total:
            notes.append(_not_applied(kind, policy))
        return None
    return step


def _total(lines: Sequence[Line], kind: Kind, policy: Policy) -> Fraction:
    measured = policy.step_total == StepTotal.MEASURED
    return sum(
        (
            line.measured
            for line in lines
            if line.kind == kind and (measured or line.choice.component)
        ),
        Fraction(0),
    )


def _next_step(
    total: Fraction, size: int, kind: Kind, policy: Policy, notes: list[Note]
) -> Fraction:
    """The multiple of the step at or above the total; hours of four decimals are not exact."""
    tolerance = Fraction(0) if kind == Kind.ENERGY else Fraction(policy.time_step_tolerance_s)
    literal = -(-total // size) * size
    forgiving = -(-(total - tolerance) // size) * size
    if forgiving == literal:
        return Fraction(literal)
    if size > 1:
        sentence = (
            f"{plain(total)} s is more than a multiple of {size} s only because hours are written "
            "with few decimals; no further step was begun."
        )
        setting = policy.setting("time_step_tolerance_s")
        notes.append(Note("step_tolerance", sentence, kind=kind, policy=setting))
    return max(Fraction(forgiving), total)


def _not_applied(kind: Kind, policy: Policy) -> Note:
    sentence = "The step size was not applied."
    return Note("step_not_applied", sentence, kind=kind, policy=policy.setting("apply_step_size"))
