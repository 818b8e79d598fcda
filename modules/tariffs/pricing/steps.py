"""step_size: energy, and time with parking time, are rounded up once a session (CD-23..CD-26)."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import reduce
from operator import add

from modules.tariffs.pricing.bill import STEPS_IN_ONE, Line, Step
from modules.tariffs.pricing.curves import seconds
from modules.tariffs.pricing.money import differ, plain, times
from modules.tariffs.pricing.policy import Policy, StepTotal, TimeStep
from modules.tariffs.pricing.usage import VOLUMES, Kind, Note, Period

_ENERGY, _CHARGED, _PARKED, _RESERVED = VOLUMES
Rounded = tuple[list[Line], list[Step], list[Note]]


def round_up(lines: Sequence[Line], periods: Sequence[Period], policy: Policy) -> Rounded:
    """Add what the steps demand to the last line of its kind, at that line's price."""
    result, steps = list(lines), []
    notes: list[Note] = []
    priced = _priced(lines)
    for kind in (_ENERGY, _timed_kind(lines, priced, policy, notes), _RESERVED):
        step = _step(lines, priced[kind], periods, policy, notes) if kind in priced else None
        if step is None:
            continue
        steps.append(step)
        if differ(step.billed, step.measured):
            line = lines[step.line]
            surplus = (step.billed - step.measured) / STEPS_IN_ONE[kind]
            result[step.line] = line._replace(billed=line.billed + surplus)
    return result, steps, notes


def _priced(lines: Sequence[Line]) -> Mapping[Kind, list[int]]:
    """Where a component priced a volume, by kind."""
    priced: dict[Kind, list[int]] = {}
    for index, line in enumerate(lines):
        if line.choice.component and line.measured:
            priced.setdefault(line.kind, []).append(index)
    return priced


def _timed_kind(
    lines: Sequence[Line], priced: Mapping[Kind, list[int]], policy: Policy, notes: list[Note]
) -> Kind:
    """Which of TIME and PARKING_TIME is rounded; not clear where charging follows parking."""
    charged, parked = priced.get(_CHARGED, ()), priced.get(_PARKED, ())
    if not charged or not parked or parked[-1] > charged[-1]:
        return _PARKED if parked else _CHARGED
    parking = policy.time_step == TimeStep.PARKING_IF_ANY
    if any(_step_size(lines[index]) > 1 for index in (*charged, *parked)):
        sentence = (
            "Charging came after parking; the step size was applied to the "
            f"{'parking' if parking else 'charging'} time."
        )
        notes.append(Note("parking_before_charging", sentence, policy=policy.setting("time_step")))
    return _PARKED if parking else _CHARGED


def _step_size(line: Line) -> int:
    return line.choice.component.step_size if line.choice.component else 0


def _step(
    lines: Sequence[Line],
    priced: Sequence[int],
    periods: Sequence[Period],
    policy: Policy,
    notes: list[Note],
) -> Step | None:
    last = priced[-1]
    kind, size = lines[last].kind, _step_size(lines[last])
    if size < 1:
        return None
    counted = _counted(lines, priced, policy)
    total = times(reduce(add, [line.measured for line in counted]), STEPS_IN_ONE[kind])
    if total.numerator <= 0:
        sentence = "The volumes add up to nothing or less, so no step size was applied."
        notes.append(Note("negative_total", sentence, kind=kind))
        return None
    billed = _multiple(total, size)
    if kind != _ENERGY and billed != total:
        forgiving = _multiple(_lasted(total, counted, periods, policy), size)
        if forgiving < billed:
            billed = max(forgiving, total)
            if size > 1:
                notes.append(_no_further_step(total, size, kind, policy))
    if not policy.apply_step_size:
        if billed > total:
            notes.append(_not_applied(kind, policy))
        return None
    return Step(kind, size, total, billed, last)


def _counted(lines: Sequence[Line], priced: Sequence[int], policy: Policy) -> Sequence[Line]:
    """The lines whose volumes make the total that is rounded up."""
    if policy.step_total == StepTotal.PRICED:
        return [lines[index] for index in priced]
    kind = lines[priced[-1]].kind
    return [line for line in lines if line.kind == kind and line.measured]


def _lasted(
    total: Fraction, counted: Sequence[Line], periods: Sequence[Period], policy: Policy
) -> Fraction:
    """The seconds that can be meant by a total of hours that were written with four decimals.

    Each volume was rounded, or is the difference of two running totals that were. If no more than
    that parts them from the clock of their periods, the clock tells exactly.
    """
    tolerance = Fraction(policy.time_step_tolerance_s) * len(counted)
    spans = [periods[line.period] for line in counted]
    clock = sum((seconds(each.end - each.start) for each in spans), Fraction(0))
    return clock if abs(total - clock) <= 2 * tolerance else total - tolerance


def _no_further_step(total: Fraction, size: int, kind: Kind, policy: Policy) -> Note:
    sentence = (
        f"{plain(total)} s is more than a multiple of {size} s only because hours are written "
        "with few decimals; no further step was begun."
    )
    setting = policy.setting("time_step_tolerance_s")
    return Note("step_tolerance", sentence, kind=kind, policy=setting)


def _multiple(total: Fraction, size: int) -> Fraction:
    """The multiple of the step at or above the total: an exact multiple stays."""
    numerator, denominator = total.as_integer_ratio()
    return Fraction(-(-numerator // (denominator * size)) * size)


def _not_applied(kind: Kind, policy: Policy) -> Note:
    sentence = "The step size was not applied."
    return Note("step_not_applied", sentence, kind=kind, policy=policy.setting("apply_step_size"))
