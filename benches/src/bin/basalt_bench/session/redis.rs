//! Redis, for comparisons of single keys: a record is one string under its partition key.
//!
//! Speaks RESP2. Ranges, counters of records and transactions have no counterpart here and are refused.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::{Database, Failure, Found, Range, Session};
use crate::{record::Place, workload::Layout};

const RECEIVE_BYTES: usize = 4 << 10;
/// A server that says nothing for this long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A Redis server.
#[derive(Debug)]
pub(crate) struct RedisDatabase {
    pub(crate) address: SocketAddr,
}

impl Database for RedisDatabase {
    fn create_table(&self, layout: Layout) -> Result<(), Failure> {
        match layout {
            Layout::Flat => Ok(()),
            Layout::Grouped => Err(Failure::Lost("Redis has no sort keys".to_owned())),
        }
    }

    fn session(&self) -> Result<Box<dyn Session>, Failure> {
        let lost = |error: std::io::Error| Failure::Lost(format!("{}: {error}", self.address));
        let stream = TcpStream::connect(self.address).map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        stream.set_read_timeout(Some(SILENCE_MAX)).map_err(lost)?;
        Ok(Box::new(RedisSession { stream, command: Vec::new(), answer: Vec::new() }))
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

struct RedisSession {
    stream: TcpStream,
    command: Vec<u8>,
    answer: Vec<u8>,
}

impl Session for RedisSession {
    fn read(&mut self, place: &Place) -> Result<Found, Failure> {
        Ok((!self.call(&["GET", &place.partition])?.starts_with(b"$-1")).into())
    }

    fn put(&mut self, place: &Place, fields: &[(String, String)]) -> Result<(), Failure> {
        let texts: String = fields.iter().map(|(_, text)| text.as_str()).collect();
        self.call(&["SET", &place.partition, &texts]).map(drop)
    }

    fn set_field(&mut self, place: &Place, (_, text): &(String, String)) -> Result<(), Failure> {
        self.call(&["SETRANGE", &place.partition, "0", text]).map(drop)
    }

    fn add(&mut self, place: &Place, amount: i64) -> Result<(), Failure> {
        self.call(&["INCRBY", &format!("counter:{}", place.partition), &amount.to_string()]).map(drop)
    }

    fn range(&mut self, _range: &Range) -> Result<Found, Failure> {
        Err(Failure::Lost("Redis has no ranges of sort keys".to_owned()))
    }

    fn transfer(&mut self, _from: &Place, _to: &Place, _amount: i64) -> Result<(), Failure> {
        Err(Failure::Lost("transactions are not compared with Redis".to_owned()))
    }
}

impl RedisSession {
    /// Sends one command; its whole answer, which no array may be.
    fn call(&mut self, parts: &[&str]) -> Result<&[u8], Failure> {
        self.command.clear();
        self.command.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
        for part in parts {
            self.command.extend_from_slice(format!("${}\r\n{part}\r\n", part.len()).as_bytes());
        }
        let lost = |error: std::io::Error| Failure::Lost(error.to_string());
        self.stream.write_all(&self.command).map_err(lost)?;
        self.answer.clear();
        while !is_whole(&self.answer) {
            let filled = self.answer.len();
            self.answer.resize(filled + RECEIVE_BYTES, 0);
            let count = self.stream.read(&mut self.answer[filled..]).map_err(lost)?;
            self.answer.truncate(filled + count);
            if count == 0 {
                return Err(Failure::Lost("the connection was closed before the answer".to_owned()));
            }
        }
        match self.answer.first() {
            Some(b'-') => Err(Failure::Lost(String::from_utf8_lossy(&self.answer).trim_end().to_owned())),
            _ => Ok(&self.answer),
        }
    }
}

/// Whether a simple answer or a bulk string has come to its end.
fn is_whole(answer: &[u8]) -> bool {
    let Some(line_end) = memchr::memmem::find(answer, b"\r\n") else { return false };
    let length = match answer {
        [b'$', ..] => {
            std::str::from_utf8(&answer[1..line_end]).ok().and_then(|text| text.parse::<i64>().ok())
        }
        _ => return true,
    };
    // A length that cannot be read is an answer that nobody will understand any better later.
    length
        .and_then(|length| usize::try_from(length).ok())
        .is_none_or(|length| line_end + 2 + length + 2 <= answer.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_whole_with_their_last_byte() {
        for answer in [&b"$5\r\nhello\r\n"[..], b"+OK\r\n", b":17\r\n", b"$-1\r\n", b"$0\r\n\r\n"] {
            assert!(is_whole(answer), "{answer:?}");
            for end in 0..answer.len() {
                assert!(!is_whole(&answer[..end]), "{end} bytes of {answer:?}");
            }
        }
    }
}
