"""PartiQL through stock boto3: statements, batches and transactions on one table."""

import pytest
from botocore.exceptions import ClientError

TABLE = "music"


@pytest.fixture(scope="module")
def client(daemon):
    client = daemon.resource().meta.client
    client.create_table(
        TableName=TABLE,
        KeySchema=[
            {"AttributeName": "Artist", "KeyType": "HASH"},
            {"AttributeName": "SongTitle", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "Artist", "AttributeType": "S"},
            {"AttributeName": "SongTitle", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


def insert(client, artist, title, **attributes):
    item = {"Artist": artist, "SongTitle": title, **attributes}
    members = ", ".join(f"'{name}': ?" for name in item)
    client.execute_statement(
        Statement=f'INSERT INTO "{TABLE}" VALUE {{{members}}}', Parameters=list(item.values())
    )


def test_the_guides_statements(client):
    key = "WHERE Artist='Acme Band' AND SongTitle='PartiQL Rocks'"
    insert(client, "Acme Band", "PartiQL Rocks", BandMembers={"member1"})
    client.execute_statement(
        Statement=f"UPDATE \"{TABLE}\" SET AwardsWon=1 SET AwardDetail={{'Grammys':[2020, 2018]}} {key}"
    )
    client.execute_statement(
        Statement=f'UPDATE "{TABLE}" SET AwardDetail.Grammys=list_append(AwardDetail.Grammys,[2016]) {key}'
    )
    updated = client.execute_statement(
        Statement=f"UPDATE \"{TABLE}\" SET BandMembers=set_add(BandMembers, <<'newbandmember'>>) {key}"
        " RETURNING ALL NEW *"
    )
    assert updated["Items"][0]["BandMembers"] == {"member1", "newbandmember"}
    assert updated["Items"][0]["AwardDetail"] == {"Grammys": [2020, 2018, 2016]}
    with pytest.raises(client.exceptions.DuplicateItemException):
        insert(client, "Acme Band", "PartiQL Rocks")
    deleted = client.execute_statement(Statement=f'DELETE FROM "{TABLE}" {key} RETURNING ALL OLD *')
    assert deleted["Items"][0]["AwardsWon"] == 1


def test_pages_by_token(client):
    for number in range(10):
        insert(client, "Pager", f"{number:02}", number=number)
    request = {"Statement": f'SELECT SongTitle FROM "{TABLE}" WHERE Artist=?', "Parameters": ["Pager"]}
    titles, pages = [], 0
    while True:
        page = client.execute_statement(**request, Limit=3)
        titles += [item["SongTitle"] for item in page["Items"]]
        pages += 1
        if "NextToken" not in page:
            break
        request["NextToken"] = page["NextToken"]
    assert titles == [f"{number:02}" for number in range(10)]
    assert pages == 4


def test_batches_and_transactions(client):
    answers = client.batch_execute_statement(
        Statements=[
            {"Statement": f"INSERT INTO \"{TABLE}\" VALUE {{'Artist':'B','SongTitle':'1'}}"},
            {"Statement": f"UPDATE \"{TABLE}\" SET n=1 WHERE Artist='none' AND SongTitle='1'"},
        ]
    )["Responses"]
    assert answers[0] == {"TableName": TABLE}
    assert answers[1]["Error"]["Code"] == "ConditionalCheckFailed"

    client.execute_transaction(
        TransactStatements=[
            {
                "Statement": f"EXISTS(SELECT * FROM \"{TABLE}\" WHERE Artist='B' AND SongTitle='1'"
                " AND Awards IS MISSING)"
            },
            {"Statement": f"INSERT INTO \"{TABLE}\" VALUE {{'Artist':'B','SongTitle':?}}", "Parameters": ["2"]},
        ]
    )
    with pytest.raises(ClientError) as canceled:
        client.execute_transaction(
            TransactStatements=[
                {"Statement": f"INSERT INTO \"{TABLE}\" VALUE {{'Artist':'B','SongTitle':'3'}}"},
                {"Statement": f"INSERT INTO \"{TABLE}\" VALUE {{'Artist':'B','SongTitle':'2'}}"},
            ]
        )
    reasons = canceled.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "DuplicateItem"]
    rest = client.execute_statement(Statement=f"SELECT SongTitle FROM \"{TABLE}\" WHERE Artist='B'")
    assert [item["SongTitle"] for item in rest["Items"]] == ["1", "2"]
