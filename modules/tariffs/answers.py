"""What the admin API answers about prices, described; the answers are the engine's documents."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ocpi.spec.types import Number


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CostAnswer(Part):
    excl_vat: Number
    incl_vat: Number


class CostsAnswer(Part):
    """Amounts by the CDR's own fields; what nothing priced is absent."""

    total_cost: CostAnswer
    total_fixed_cost: CostAnswer | None = None
    total_energy_cost: CostAnswer | None = None
    total_time_cost: CostAnswer | None = None
    total_parking_cost: CostAnswer | None = None
    total_reservation_cost: CostAnswer | None = None


class BilledAnswer(Part):
    """What is billed after step_size; what nothing priced is absent."""

    energy_kwh: Number | None = None
    time_s: Number | None = None
    parking_s: Number | None = None
    reservation_s: Number | None = None


class NoteAnswer(Part):
    """Something to know about a price."""

    code: str = Field(examples=["period_spans_price_change"])
    sentence: str
    period: int | None = Field(None, description="Counts from 1.")
    dimension: str | None = None
    policy: str | None = Field(
        None, description="The setting that decided.", examples=["rounding=total"]
    )


class LineAnswer(Part):
    """One period's amount of one dimension; unpriced if it has no element."""

    period: int = Field(description="Counts from 1.")
    dimension: str = Field(examples=["ENERGY"])
    measured: Number = Field(description="kWh, hours, or 1 for a fee.")
    skipped: list[str] = Field(description="Why elements before it were not used.")
    billed: Number | None = None
    element: int | None = Field(None, description="Counts from 1, as the component does.")
    component: int | None = None
    because: list[str] | None = Field(None, description="What each restriction saw.")
    price: Number | None = None
    vat: Number | None = Field(None, description="In percent; null if no VAT applies.")
    cost: CostAnswer | None = None


class StepAnswer(Part):
    """One rounding up by step_size."""

    dimension: str
    step_size: int
    measured: Number = Field(description="In Wh or s.")
    billed: Number
    line: int = Field(description="Which line took the difference; counts from 1.")


class PriceLimitAnswer(Part):
    name: Literal["min_price", "max_price"]
    before: CostAnswer
    after: CostAnswer


class BillAnswer(Part):
    """The price of a session and everything that led to it."""

    currency: str
    time_zone: str | None
    tariffs: list[str]
    costs: Annotated[CostsAnswer, Field(description="With four decimals.")]
    rounded_costs: Annotated[CostsAnswer, Field(description="With the decimals of the currency.")]
    billed: BilledAnswer
    lines: list[LineAnswer]
    steps: list[StepAnswer]
    price_limits: list[PriceLimitAnswer]
    notes: list[NoteAnswer]
    policy: dict[str, bool | Number | str] = Field(
        description="How open questions of OCPI were decided."
    )
    explanation: list[str] = Field(description="Everything in sentences, to be read aloud.")


class ComparisonAnswer(Part):
    """One figure of a CDR."""

    pointer: str = Field(examples=["/total_cost/excl_vat"])
    claimed: Number
    computed: Number
    difference: Number
    within_tolerance: bool
    explained_by: str | None = Field(description="The other reading of OCPI by which it is met.")
    sentence: str


class CheckedAnswer(Part):
    """Which CDR was checked, as far as it says."""

    country_code: str | None = None
    party_id: str | None = None
    id: str | None = None
    session_id: str | None = None
    start_date_time: str | None = None
    end_date_time: str | None = None


class CheckAnswer(Part):
    """What a CDR asks for against what its tariffs and its own periods give."""

    cdr: CheckedAnswer
    agrees: bool = Field(description="False is a dispute.")
    sentence: str
    explained_by: list[str] = Field(
        description="Policy settings by which differences vanish.",
        examples=[["rounding=per_period"]],
    )
    costs: list[ComparisonAnswer]
    quantities: list[ComparisonAnswer]
    form: list[NoteAnswer]
    bill: BillAnswer


class FindingAnswer(Part):
    severity: Literal["error", "warning", "info"]
    code: str = Field(examples=["shadowed"])
    pointer: str = Field(description="JSON pointer into the Tariff.", examples=["/elements/1"])
    sentence: str


class LintAnswer(Part):
    """What was found in a Tariff, the worst first."""

    errors: int
    findings: list[FindingAnswer]
