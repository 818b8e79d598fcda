"""A status change as it is written with an ORM: a table for each class, a model for the answer."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import selectinload
from sqlmodel import Field, Relationship, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.inlinesqlite import NAME

_URL = make_url(os.environ["BENCH_DATABASE"])
# Our own driver for SQLite, which is the faster one: the ORM is what is measured.
ENGINE = create_async_engine(
    _URL.set(drivername=NAME.replace(".", "+")) if _URL.get_backend_name() == "sqlite" else _URL
)


class PlainLocation(SQLModel, table=True):
    """A Location."""

    id: str = Field(primary_key=True)
    last_updated: str


class PlainEVSE(SQLModel, table=True):
    """An EVSE of it."""

    uid: str = Field(primary_key=True)
    location_id: str = Field(foreign_key="plainlocation.id", index=True)
    status: str
    last_updated: str
    connectors: list["PlainConnector"] = Relationship()


class PlainConnector(SQLModel, table=True):
    """A Connector of that."""

    id: str = Field(primary_key=True)
    evse_uid: str = Field(foreign_key="plainevse.uid", primary_key=True)
    standard: str
    last_updated: str


class Changes(BaseModel):
    """What is pushed."""

    status: str
    last_updated: datetime


class Answered(BaseModel):
    """The envelope."""

    status_code: int = 1000
    timestamp: datetime


if ENGINE.dialect.name == "sqlite":

    @event.listens_for(ENGINE.sync_engine, "connect")
    def _durable(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA busy_timeout=20000")


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    now = "2026-01-01T00:00:00Z"
    names = [f"plain{each}" for each in ("location", "evse", "connector")]
    tables = [SQLModel.metadata.tables[name] for name in names]
    async with ENGINE.begin() as connection:
        await connection.run_sync(lambda sync: SQLModel.metadata.create_all(sync, tables))
    async with AsyncSession(ENGINE) as db:
        for number in range(200):
            db.add(PlainLocation(id=f"L{number}", last_updated=now))
        await db.commit()
        for number in range(200):
            key = f"L{number}"
            db.add(PlainEVSE(uid=key, location_id=key, status="AVAILABLE", last_updated=now))
        await db.commit()
        for number in range(200):
            for connector in ("1", "2"):
                db.add(
                    PlainConnector(
                        id=connector,
                        evse_uid=f"L{number}",
                        standard="IEC_62196_T2",
                        last_updated=now,
                    )
                )
        await db.commit()
    yield
    await ENGINE.dispose()


async def _session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(ENGINE) as db:
        yield db


async def _authenticate(request: Request) -> None:
    if request.headers.get("authorization") != "Token bench":
        raise HTTPException(401)


app = FastAPI(lifespan=_lifespan)


@app.get("/ready")
async def ready() -> None:
    """Whether it is there."""


@app.patch("/{location_id}/{uid}", dependencies=[Depends(_authenticate)])
async def change(
    location_id: str, uid: str, changes: Changes, db: Annotated[AsyncSession, Depends(_session)]
) -> Answered:
    """Change an EVSE, and the dates of it and of its Location."""
    found = await db.exec(
        select(PlainEVSE)
        .where(col(PlainEVSE.uid) == uid, col(PlainEVSE.location_id) == location_id)
        .options(selectinload(PlainEVSE.connectors))  # type: ignore[arg-type]
        .with_for_update()
    )
    evse = found.one()
    location = await db.get_one(PlainLocation, location_id)
    evse.status = changes.status
    evse.last_updated = location.last_updated = changes.last_updated.isoformat()
    db.add(evse)
    db.add(location)
    await db.commit()
    return Answered(timestamp=datetime.now(UTC))
