//! Answers, looked at no more than needed.

use std::ops::Range;

use memchr::memmem;

/// A whole answer within the bytes that were received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Range<usize>,
}

/// What to do next about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is done.
    Done,
    /// The server had no room for it, or for part of it, or another transaction was at work: send it again, later.
    Again,
    /// It failed.
    Failed,
}

impl Answer {
    /// The answer at the start of `received`; `None` while it is incomplete.
    pub(crate) fn find(received: &[u8]) -> Result<Option<Self>, String> {
        let Some(head_end) = memmem::find(received, b"\r\n\r\n") else { return Ok(None) };
        let head = String::from_utf8_lossy(&received[..head_end]);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|text| text.parse().ok());
        let length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, length)| length.trim().parse::<usize>().ok());
        let (Some(status), Some(length)) = (status, length) else {
            return Err(format!("an answer without a status or a length: {head}"));
        };
        let body = head_end + 4..head_end + 4 + length;
        Ok((received.len() >= body.end).then_some(Self { status, body }))
    }

    /// What it means for its request.
    pub(crate) fn verdict(&self, body: &[u8]) -> Verdict {
        match self.status {
            200 if is_unprocessed(body) => Verdict::Again,
            200 => Verdict::Done,
            400 if is_throttled(body) || is_in_conflict(body) => Verdict::Again,
            _ => Verdict::Failed,
        }
    }
}

fn is_unprocessed(body: &[u8]) -> bool {
    let rest = memmem::find(body, b"\"UnprocessedItems\":{").map(|at| body[at..].iter().skip(20));
    rest.is_some_and(|mut rest| rest.next() != Some(&b'}'))
}

fn is_in_conflict(body: &[u8]) -> bool {
    [&b"#TransactionCanceledException"[..], b"TransactionConflict"]
        .iter()
        .all(|name| memmem::find(body, name).is_some())
}

fn is_throttled(body: &[u8]) -> bool {
    [&b"#ThrottlingException"[..], b"#ProvisionedThroughputExceededException"]
        .iter()
        .any(|name| memmem::find(body, name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, body: &str) -> Verdict {
        let received = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let answer = Answer::find(received.as_bytes()).unwrap().unwrap();
        answer.verdict(&received.as_bytes()[answer.body.clone()])
    }

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let received = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        for end in 0..received.len() {
            assert_eq!(Answer::find(&received[..end]), Ok(None), "{end} bytes");
        }
        let answer = Answer::find(received).unwrap().unwrap();
        assert_eq!((answer.status, &received[answer.body]), (200, &b"{}"[..]));
        assert!(Answer::find(b"garbage\r\n\r\n").is_err());
    }

    #[test]
    fn refusals_for_want_of_room_are_told_from_failures() {
        assert_eq!(verdict(200, "{}"), Verdict::Done);
        assert_eq!(verdict(200, r#"{"UnprocessedItems":{}}"#), Verdict::Done);
        assert_eq!(verdict(200, r#"{"UnprocessedItems":{"t":[]}}"#), Verdict::Again);
        assert_eq!(
            verdict(400, r#"{"__type":"com.amazon.coral.availability#ThrottlingException"}"#),
            Verdict::Again
        );
        let canceled = |reason| {
            let name = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
            verdict(400, &format!(r#"{{"__type":"{name}","CancellationReasons":[{{"Code":"{reason}"}}]}}"#))
        };
        assert_eq!(canceled("TransactionConflict"), Verdict::Again);
        assert_eq!(canceled("ConditionalCheckFailed"), Verdict::Failed);
        assert_eq!(
            verdict(400, r#"{"__type":"com.amazon.coral.validate#ValidationException"}"#),
            Verdict::Failed
        );
        assert_eq!(verdict(500, "{}"), Verdict::Failed);
    }
}
