//! From page to page: the request for the page behind the one that was answered.

use basalt_format::DecodeError;
use basalt_format::native::document::{DocumentReader, PutDocument as _};

/// The request for the page that follows `reply`; None if that was the last one.
pub(super) fn next_request(request: &[u8], reply: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
    let Some(key) = last_evaluated_key(reply)? else { return Ok(None) };
    let mut next = Vec::with_capacity(request.len() + key.len() + 8);
    next.open_object();
    let mut document = DocumentReader::new(request);
    document.open_object()?;
    let mut start = document.position();
    while let Some(name) = document.next_name()? {
        document.skip()?;
        if name != "ExclusiveStartKey" {
            next.extend_from_slice(request.get(start..document.position()).unwrap_or_default());
        }
        start = document.position();
    }
    next.put_member_name("ExclusiveStartKey");
    next.put_item(key);
    next.close_object();
    Ok(Some(next))
}

fn last_evaluated_key(reply: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
    let mut document = DocumentReader::new(reply);
    document.open_object()?;
    while let Some(name) = document.next_name()? {
        if name == "LastEvaluatedKey" {
            return document.item().map(Some);
        }
        document.skip()?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use basalt_format::native::Node;

    use super::*;

    fn object(members: &[(&str, Node)]) -> Vec<u8> {
        Node::Object(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
            .encode()
    }

    #[test]
    fn the_next_request_starts_where_the_page_ended() {
        let key = |text: &[u8]| Node::Item(text.to_vec());
        let request = object(&[
            ("TableName", Node::Text("t".to_owned())),
            ("ExclusiveStartKey", key(b"old")),
            ("Limit", Node::Integer(2)),
        ]);
        let reply = object(&[("Count", Node::Integer(2)), ("LastEvaluatedKey", key(b"new"))]);
        let next = object(&[
            ("TableName", Node::Text("t".to_owned())),
            ("Limit", Node::Integer(2)),
            ("ExclusiveStartKey", key(b"new")),
        ]);
        assert_eq!(next_request(&request, &reply), Ok(Some(next)));
    }

    #[test]
    fn nothing_follows_the_last_page() {
        let request = object(&[("TableName", Node::Text("t".to_owned()))]);
        assert_eq!(next_request(&request, &object(&[("Count", Node::Integer(0))])), Ok(None));
    }
}
