"""A LangGraph checkpointer: graphs that stop, go on from their checkpoints, and branch off from old ones."""

import operator
from typing import Annotated, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph_checkpoint_aws import DynamoDBSaver

THREADS = 3


class State(TypedDict):
    steps: Annotated[list[str], operator.add]
    notes: str


@pytest.fixture(scope="module")
def saver(daemon):
    daemon.client().create_table(
        TableName="Checkpoints",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "PK", "AttributeType": "S"},
            {"AttributeName": "SK", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
    )
    import boto3

    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    return DynamoDBSaver(table_name="Checkpoints", session=session, endpoint_url=daemon.url)


@pytest.fixture(scope="module")
def graph(saver):
    def think(state):
        return {"steps": ["thought"], "notes": "x" * 2000 + str(len(state["steps"]))}

    builder = StateGraph(State)
    builder.add_node("think", think)
    builder.add_node("act", lambda state: {"steps": ["acted"]})
    builder.add_edge(START, "think")
    builder.add_edge("think", "act")
    builder.add_edge("act", END)
    return builder.compile(checkpointer=saver, interrupt_before=["act"])


def config(thread):
    return {"configurable": {"thread_id": f"thread {thread}"}}


def test_each_thread_goes_on_where_it_stopped(graph):
    for thread in range(THREADS):
        graph.invoke({"steps": [f"begun {thread}"], "notes": ""}, config(thread))
        assert graph.get_state(config(thread)).next == ("act",)
    for thread in range(THREADS):
        final = graph.invoke(None, config(thread))
        assert final["steps"] == [f"begun {thread}", "thought", "acted"]


def test_the_history_is_kept_and_can_be_branched_from(graph):
    history = list(graph.get_state_history(config(0)))
    assert len(history) >= 4
    waiting = next(state for state in history if state.next == ("act",))
    again = graph.invoke(None, waiting.config)
    assert again["steps"][-1] == "acted"
    assert len(list(graph.get_state_history(config(0)))) > len(history)


def test_a_thread_can_be_forgotten(graph, saver):
    saver.delete_thread("thread 2")
    assert graph.get_state(config(2)).values == {}
    assert graph.get_state(config(1)).values["steps"][0] == "begun 1"
