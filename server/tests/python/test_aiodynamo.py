"""aiodynamo, which has its own signer and codec: a job queue with concurrent workers."""

import asyncio

import httpx
import pytest
from aiodynamo.client import Client
from aiodynamo.credentials import Key, StaticCredentials
from aiodynamo.errors import ConditionalCheckFailed
from aiodynamo.expressions import F, HashKey, RangeKey
from aiodynamo.http.httpx import HTTPX
from aiodynamo.models import PayPerRequest, ReturnValues
from aiodynamo.types import AttributeType
from aiodynamo.models import KeySchema, KeySpec
from yarl import URL

JOBS = 60
WORKERS = 8


@pytest.fixture
def queue(daemon):
    """Runs a coroutine function on a client and the queue's table, which is made if it is not there."""

    def run(work):
        async def with_table():
            async with httpx.AsyncClient() as http:
                credentials = StaticCredentials(Key(id="test", secret="test"))
                client = Client(HTTPX(http), credentials, "us-east-1", URL(daemon.url))
                table = client.table("Jobs")
                if not await table.exists():
                    keys = KeySchema(KeySpec("queue", AttributeType.string), KeySpec("number", AttributeType.number))
                    await table.create(PayPerRequest(), keys)
                return await work(table)

        return asyncio.run(with_table())

    return run


async def fill(table):
    for number in range(JOBS):
        await table.put_item({"queue": "mail", "number": number, "tries": 0, "payload": {"to": [f"user {number}"]}})


def test_every_job_is_claimed_by_one_worker(queue):
    async def work(table):
        await fill(table)

        async def claim_all(worker):
            claimed = 0
            async for job in table.query(HashKey("queue", "mail"), filter_expression=F("owner").does_not_exist()):
                try:
                    await table.update_item(
                        {"queue": "mail", "number": job["number"]},
                        F("owner").set(worker) & F("tries").add(1),
                        condition=F("owner").does_not_exist(),
                    )
                    claimed += 1
                except ConditionalCheckFailed:
                    pass
            return claimed

        claimed = await asyncio.gather(*(claim_all(f"worker {number}") for number in range(WORKERS)))
        jobs = [job async for job in table.query(HashKey("queue", "mail"))]
        return claimed, jobs

    claimed, jobs = queue(work)
    assert sum(claimed) == JOBS
    assert {job["tries"] for job in jobs} == {1}


def test_nested_values_are_changed_in_place(queue):
    async def work(table):
        await table.put_item({"queue": "nested", "number": 1, "payload": {"to": ["a"], "size": 1.5}, "raw": b"\x00\xff"})
        return await table.update_item(
            {"queue": "nested", "number": 1},
            F("payload", "to").append(["b"]) & F("payload", "size").set(2) & F("note").set("é"),
            return_values=ReturnValues.all_new,
        )

    new = queue(work)
    assert new["payload"] == {"to": ["a", "b"], "size": 2}
    assert (new["raw"], new["note"]) == (b"\x00\xff", "é")


def test_ranges_are_read_backwards_and_counted(queue):
    async def work(table):
        for number in range(30):
            await table.put_item({"queue": "order", "number": number})
        range_key = RangeKey("number").between(10, 19)
        backwards = table.query(HashKey("queue", "order") & range_key, scan_forward=False, limit=4)
        return [job["number"] async for job in backwards], await table.count(HashKey("queue", "order") & range_key)

    numbers, count = queue(work)
    assert numbers[:4] == [19, 18, 17, 16]
    assert count == 10
