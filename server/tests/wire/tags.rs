//! Tags through the whole server: what they do, and every text that refuses them.

use serde_json::{Value, json};

use crate::support::TestServer;

const ARN: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/people";

fn server_with_table(tags: Value) -> TestServer {
    let server = TestServer::start();
    let create = json!({
        "TableName": "people",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "Tags": tags,
    });
    let created = server.call("CreateTable", &create.to_string());
    assert_eq!(created.status, 200, "{}", created.text());
    server
}

fn tags_of(server: &TestServer) -> Value {
    let listed = server.call("ListTagsOfResource", &json!({"ResourceArn": ARN}).to_string());
    assert_eq!(listed.status, 200, "{}", listed.text());
    listed.json()["Tags"].take()
}

#[test]
fn tags_are_put_replaced_and_removed() {
    let server = server_with_table(json!([{"Key": "env", "Value": "test"}]));
    let tag =
        json!({"ResourceArn": ARN, "Tags": [{"Key": "env", "Value": "live"}, {"Key": "a", "Value": ""}]});
    let tagged = server.call("TagResource", &tag.to_string());
    assert_eq!((tagged.status, tagged.body.len()), (200, 0));
    tagged.assert_common_headers();
    assert_eq!(tags_of(&server), json!([{"Key": "a", "Value": ""}, {"Key": "env", "Value": "live"}]));
    let untag = json!({"ResourceArn": ARN, "TagKeys": ["env", "never put", "a"]});
    assert_eq!(server.call("UntagResource", &untag.to_string()).status, 200);
    assert_eq!(tags_of(&server), json!([]), "present although empty");
}

#[test]
fn a_table_has_at_most_fifty_tags() {
    let server = server_with_table(json!([]));
    let tag = |numbers: std::ops::Range<u32>| {
        let tags: Vec<Value> = numbers.map(|n| json!({"Key": format!("k{n}"), "Value": ""})).collect();
        server.call("TagResource", &json!({"ResourceArn": ARN, "Tags": tags}).to_string())
    };
    assert_eq!(tag(0..50).status, 200);
    assert_eq!(tag(49..50).status, 200, "a tag that is there already is no further one");
    let refused = tag(50..51);
    assert_eq!(refused.exception(), "ValidationException");
    assert_eq!(
        refused.message(),
        "One or more parameter values were invalid: Too many tags: tag limit is 50"
    );
    assert_eq!(tags_of(&server).as_array().map(Vec::len), Some(50), "nothing of a refused change is kept");
}

#[test]
fn keys_of_aws_own_tags_are_refused() {
    let server = server_with_table(json!([]));
    for key in ["aws:", "aws:cloudformation:stack-name", "AWS:x", "Aws:ä"] {
        let tag = json!({"ResourceArn": ARN, "Tags": [{"Key": key, "Value": ""}]});
        let refused = server.call("TagResource", &tag.to_string());
        assert_eq!(refused.exception(), "ValidationException", "{key}");
        assert!(refused.message().contains("reserved"), "{}", refused.message());
    }
    for key in ["aws", "aws-x", "äws:", "x:aws:"] {
        let tag = json!({"ResourceArn": ARN, "Tags": [{"Key": key, "Value": ""}]});
        assert_eq!(server.call("TagResource", &tag.to_string()).status, 200, "{key}");
    }
    let create = json!({
        "TableName": "others",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "Tags": [{"Key": "aws:x", "Value": ""}],
    });
    assert_eq!(server.call("CreateTable", &create.to_string()).exception(), "ValidationException");
}

#[test]
fn what_is_wrong_with_a_tag_request_is_told_in_dynamodbs_order() {
    let server = server_with_table(json!([]));
    let elsewhere = "arn:aws:dynamodb:us-east-1:123456789012:table/nowhere";
    let foreign = "arn:aws:dynamodb:us-east-1:000000000000:table/people";
    let denied = |operation: &str, resource: &str| {
        format!(
            "User: arn:aws:iam::123456789012:root is not authorized to perform: dynamodb:{operation} on resource: {resource}"
        )
    };
    let validation = "ValidationException";
    let cases = [
        ("TagResource", json!({}), validation, "Invalid TableArn".to_owned()),
        ("TagResource", json!({"ResourceArn": ""}), "AccessDeniedException", denied("TagResource", "*")),
        (
            "TagResource",
            json!({"ResourceArn": "not-a-valid-arn", "Tags": [{"Key": "a", "Value": "b"}]}),
            validation,
            "Invalid TableArn: Invalid ResourceArn provided as input not-a-valid-arn".to_owned(),
        ),
        (
            "TagResource",
            json!({"ResourceArn": "a:b:c:d:e:f/g"}),
            validation,
            "1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null"
                .to_owned(),
        ),
        (
            "TagResource",
            json!({"ResourceArn": ARN, "Tags": []}),
            validation,
            "Atleast one Tag needs to be provided as Input.".to_owned(),
        ),
        (
            "TagResource",
            json!({"ResourceArn": ARN, "Tags": [{"Key": "", "Value": "b"}]}),
            validation,
            "1 validation error detected: Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must \
             have length greater than or equal to 1"
                .to_owned(),
        ),
        (
            "TagResource",
            json!({"ResourceArn": elsewhere, "Tags": [{"Key": "a", "Value": "b"}]}),
            "ResourceNotFoundException",
            format!("Requested resource not found: ResourcArn: {elsewhere} not found"),
        ),
        (
            "UntagResource",
            json!({"ResourceArn": ARN, "TagKeys": []}),
            validation,
            "Atleast one Tag Key needs to be provided as Input.".to_owned(),
        ),
        (
            "UntagResource",
            json!({"ResourceArn": elsewhere, "TagKeys": ["a"]}),
            "ResourceNotFoundException",
            "Requested resource not found".to_owned(),
        ),
        (
            "ListTagsOfResource",
            json!({"ResourceArn": foreign}),
            "AccessDeniedException",
            denied("ListTagsOfResource", foreign),
        ),
        ("ListTagsOfResource", json!({"ResourceArn": ARN, "NextToken": "x"}), validation, "Invalid NextToken".to_owned()),
        (
            "ListTagsOfResource",
            json!({"ResourceArn": elsewhere}),
            "ResourceNotFoundException",
            format!("Requested resource not found: ResourcArn: {elsewhere} not found"),
        ),
    ];
    for (operation, body, exception, message) in cases {
        let refused = server.call(operation, &body.to_string());
        assert_eq!(
            (refused.exception().as_str(), refused.message()),
            (exception, message),
            "{operation} {body}"
        );
    }
}
