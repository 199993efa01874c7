//! Golden samples of the binary protocol: the frames of a handshake, a request and its answer, documents.

use basalt_format::native::frame::{FLAG_MORE, FLAG_PAGES};
use basalt_format::native::handshake::{FEATURE_PAGES, Hello, Proof, VERSION, Welcome};
use basalt_format::native::{Frame, FrameHead, FrameKind, Node};

use super::{Protection, Sample};

pub(super) fn samples() -> Vec<Sample> {
    vec![
        Sample {
            name: "native_hello",
            protection: Protection::CanonicalForm,
            encode: || {
                Hello { version_min: 1, version_max: 3, features: FEATURE_PAGES, nonce: *b"client's nonce.." }
                    .encode()
            },
            decode: |bytes| Hello::decode(bytes).map(|hello| format!("{hello:?}")),
        },
        Sample {
            name: "native_welcome",
            protection: Protection::CanonicalForm,
            encode: || {
                Welcome {
                    version: VERSION,
                    features: FEATURE_PAGES,
                    nonce: *b"server's nonce..",
                    requests_max: 256,
                    request_bytes_max: 16 << 20,
                }
                .encode()
            },
            decode: |bytes| Welcome::decode(bytes).map(|welcome| format!("{welcome:?}")),
        },
        Sample {
            name: "native_proof",
            protection: Protection::CanonicalForm,
            encode: || Proof { proof: [0xab; 32], access_key_id: "AKID" }.encode(),
            decode: |bytes| Proof::decode(bytes).map(|proof| format!("{proof:?}")),
        },
        Sample {
            name: "native_request",
            protection: Protection::Checksum,
            encode: || {
                let head = FrameHead { request: 7, kind: FrameKind::Request, flags: FLAG_PAGES, code: 5 };
                head.encode(&query().encode())
            },
            decode: |bytes| Frame::decode(bytes).map(|frame| format!("{frame:?}")),
        },
        Sample {
            name: "native_answer_part",
            protection: Protection::Checksum,
            encode: || {
                let flags = FLAG_MORE;
                FrameHead { flags, ..FrameHead::new(FrameKind::Answer, 7) }.encode(b"a part of a document")
            },
            decode: |bytes| Frame::decode(bytes).map(|frame| format!("{frame:?}")),
        },
        Sample {
            name: "native_document",
            protection: Protection::CanonicalForm,
            encode: || every_kind().encode(),
            decode: |bytes| Node::decode(bytes).map(|node| format!("{node:?}")),
        },
    ]
}

/// `{":v": {"S": "x"}}` in its stored form.
const VALUES: &[u8] = b"\x01\x04\x05\x02:v\x05x";

fn query() -> Node {
    let member = |name: &str, value: Node| (name.to_owned(), value);
    Node::Object(vec![
        member("TableName", Node::Text("rocks".to_owned())),
        member("KeyConditionExpression", Node::Text("pk = :v".to_owned())),
        member("ExpressionAttributeValues", Node::Item(VALUES.to_vec())),
        member("Limit", Node::Integer(10)),
    ])
}

fn every_kind() -> Node {
    let member = |name: &str, value: Node| (name.to_owned(), value);
    Node::Object(vec![
        member("ConsistentRead", Node::Boolean(true)),
        member("Exists", Node::Boolean(false)),
        member("Limit", Node::Integer(-300)),
        member("CapacityUnits", Node::Double(0.5)),
        member("größer", Node::Text("é".to_owned())),
        member("Item", Node::Item(VALUES.to_vec())),
        member("Parameters", Node::List(vec![Node::Value(b"\x05x".to_vec())])),
        member("Table", Node::Object(Vec::new())),
    ])
}
