"""Celery's DynamoDB result backend: a worker computes, results and failures are kept in a table and read back."""

import pytest
from celery import Celery, group
from celery.contrib.testing.worker import start_worker

TASKS = 25


@pytest.fixture(scope="module")
def app(daemon):
    application = Celery("basalt", broker="memory://", backend=backend_url(daemon))
    application.conf.update(result_expires=3600, worker_pool="solo", result_extended=True)

    @application.task(name="cube")
    def cube(number):
        return {"cube": number**3, "text": "é" * number}

    @application.task(name="fail")
    def fail():
        raise ValueError("as asked")

    return application


@pytest.fixture(scope="module")
def worker(app):
    with start_worker(app, perform_ping_check=False):
        yield app


def backend_url(daemon):
    return f"dynamodb://test:test@localhost:{daemon.port}/celery?read=5&write=5"


def test_results_are_kept_and_read_back(worker):
    results = group(worker.tasks["cube"].s(number) for number in range(TASKS)).apply_async()
    assert [result.get(timeout=20)["cube"] for result in results] == [number**3 for number in range(TASKS)]


def test_a_failure_is_kept_too(worker):
    result = worker.tasks["fail"].delay()
    with pytest.raises(ValueError, match="as asked"):
        result.get(timeout=20)
    assert result.state == "FAILURE"


def test_another_process_reads_the_same_results_and_forgets_them(worker, daemon):
    result = worker.tasks["cube"].delay(4)
    result.get(timeout=20)
    elsewhere = Celery("elsewhere", backend=backend_url(daemon)).AsyncResult(result.id)
    assert elsewhere.get(timeout=20)["text"] == "éééé"
    elsewhere.forget()
    items = daemon.client().scan(TableName="celery")["Items"]
    assert all(result.id not in item["id"]["S"] for item in items)
