//! TLS 1.2 and 1.3 over a connection of the runtime, by rustls.
//!
//! rustls reads and writes bytes in memory and does no I/O of its own: records are received into a buffer of ours and
//! given to its session, and what the session has to say is sent from another. Its keys come from the system's entropy
//! and not from the runtime, because nothing that is kept depends on them; so TLS is the daemon's alone and never part
//! of a simulation.

use std::io::{self, BufRead as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use basalt_engine::runtime::{FileMap, Handle, TcpStream};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::time_limit::TimeLimit;

/// The buffer for records of an idle connection; it takes a whole typical request.
const RECORDS_BYTES_MIN: usize = 4 << 10;
/// While records keep filling the buffer, it has so many bytes: one record of the largest size.
const RECORDS_BYTES_MAX: usize = 18 << 10;
/// What clients may agree on: HTTP/2 is not spoken.
const PROTOCOL: &[u8] = b"http/1.1";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file does not hold what it should, as PEM.
    #[error("{path} does not hold {wanted}: {source}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for in it.
        wanted: &'static str,
        /// Why it was not found.
        source: pem::Error,
    },
    /// Certificate and key cannot be used, or not with each other.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// By what a server shows who it is: its certificate and the key to it.
#[derive(Debug, Clone)]
pub struct TlsIdentity(Arc<ServerConfig>);

impl TlsIdentity {
    /// Reads a chain of certificates, the server's first, and the private key of the first, both PEM.
    pub fn read(certificate: &Path, key: &Path) -> Result<TlsIdentity, TlsError> {
        let chain = read_pem(certificate, "a certificate", |text| {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
            chain.and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) })
        })?;
        let key = read_pem(key, "a private key", PrivateKeyDer::from_pem_slice)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key)?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(TlsIdentity(Arc::new(config)))
    }
}

fn read_pem<T>(
    path: &Path,
    wanted: &'static str,
    parse: impl FnOnce(&[u8]) -> Result<T, pem::Error>,
) -> Result<T, TlsError> {
    let text =
        FileMap::open(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })?;
    parse(&text).map_err(|source| TlsError::Pem { path: path.to_owned(), wanted, source })
}

/// One connection within TLS.
#[derive(Debug)]
pub(crate) struct TlsStream {
    stream: TcpStream,
    session: ServerConnection,
    /// Received records; the session has taken those before `taken`.
    received: Vec<u8>,
    taken: usize,
    receive_bytes: usize,
    /// The buffer of the receive that was started.
    receiving: Option<Vec<u8>>,
    /// The buffer of the send that was started: its bytes are records already.
    sent: Vec<u8>,
    /// The buffer for records to send, while none are being sent.
    records: Vec<u8>,
    is_closed: bool,
}

impl TlsStream {
    /// A connection on which nothing was said yet.
    pub(crate) fn new(stream: TcpStream, identity: &TlsIdentity) -> io::Result<TlsStream> {
        let mut session = ServerConnection::new(Arc::clone(&identity.0)).map_err(io::Error::other)?;
        // Whoever sends bounds what it gives at once.
        session.set_buffer_limit(None);
        Ok(TlsStream {
            stream,
            session,
            received: Vec::new(),
            taken: 0,
            receive_bytes: RECORDS_BYTES_MIN,
            receiving: None,
            sent: Vec::new(),
            records: Vec::new(),
            is_closed: false,
        })
    }

    pub(crate) fn peer_addr(&self) -> SocketAddr {
        self.stream.peer_addr()
    }

    /// Agrees with the peer on keys, which must not take longer than the limit's `time`.
    pub(crate) fn poll_handshake(
        &mut self,
        (limit, time): (&mut TimeLimit, Duration),
        handle: &Handle,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match self.poll_agreement(context) {
            Poll::Pending => match limit.poll(time, handle, context) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
            ended => ended,
        }
    }

    fn poll_agreement(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.is_sending() {
                ready!(self.poll_send(context)).0?;
            } else if self.session.wants_write() {
                self.send_records();
            } else if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            } else if ready!(self.poll_records(context))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    pub(crate) fn is_receiving(&self) -> bool {
        self.receiving.is_some()
    }

    pub(crate) fn start_receive(&mut self, buffer: Vec<u8>) {
        assert!(buffer.len() < buffer.capacity(), "a receive needs room");
        assert!(self.receiving.is_none(), "one receive at a time");
        self.receiving = Some(buffer);
    }

    pub(crate) fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<(io::Result<usize>, Vec<u8>)> {
        let result = ready!(self.poll_plain(context));
        Poll::Ready((result, self.receiving.take().unwrap_or_default()))
    }

    /// Bytes that the session has decrypted, or the next ones.
    fn poll_plain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            let buffer = self.receiving.as_mut().expect("a receive was started");
            match take_plain(&mut self.session, buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Many clients close without a word. HTTP knows by itself whether a message is whole.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(0)),
                result => return Poll::Ready(result),
            }
            ready!(self.poll_records(context))?;
        }
    }

    /// Gives the session the next records; returns how many bytes of them, 0 at the end of the stream.
    fn poll_records(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.taken == self.received.len() {
            ready!(self.poll_socket(context))?;
        }
        let mut left = self.received.get(self.taken..).unwrap_or_default();
        let count = self.session.read_tls(&mut left)?;
        self.taken = self.received.len() - left.len();
        if let Err(error) = self.session.process_new_packets() {
            self.tell_fault();
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        Poll::Ready(Ok(count))
    }

    /// Waits for bytes from the peer.
    fn poll_socket(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.stream.is_receiving() {
            let mut buffer = std::mem::take(&mut self.received);
            buffer.clear();
            self.taken = 0;
            if buffer.capacity() < self.receive_bytes || buffer.capacity() > 2 * self.receive_bytes {
                buffer = Vec::with_capacity(self.receive_bytes);
            }
            self.stream.start_receive(buffer);
        }
        let (result, buffer) = ready!(self.stream.poll_receive(context));
        self.received = buffer;
        let is_full = result? >= self.receive_bytes;
        self.receive_bytes = if is_full { RECORDS_BYTES_MAX } else { RECORDS_BYTES_MIN };
        Poll::Ready(Ok(()))
    }

    /// Tells the peer what was wrong with its records, if nothing else is being sent; nobody waits for that.
    fn tell_fault(&mut self) {
        if !self.is_sending() && self.session.wants_write() {
            self.send_records();
        }
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.stream.is_sending()
    }

    pub(crate) fn start_send(&mut self, buffer: Vec<u8>) {
        let written = self.session.writer().write_all(&buffer);
        written.expect("a session without a limit takes every byte");
        self.sent = buffer;
        self.send_records();
    }

    /// Gives the socket all that the session has to say.
    fn send_records(&mut self) {
        let mut records = std::mem::take(&mut self.records);
        records.clear();
        while self.session.wants_write() {
            self.session.write_tls(&mut records).expect("a vector takes every byte");
        }
        self.stream.start_send(records);
    }

    pub(crate) fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<(io::Result<()>, Vec<u8>)> {
        let (result, mut records) = ready!(self.stream.poll_send(context));
        // An idle connection keeps no buffer that one large answer needed.
        if records.capacity() > 2 * RECORDS_BYTES_MIN {
            records = Vec::new();
        }
        self.records = records;
        Poll::Ready((result, std::mem::take(&mut self.sent)))
    }

    /// Starts to say that nothing more comes, once.
    pub(crate) fn start_close(&mut self) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        self.session.send_close_notify();
        self.send_records();
    }

    pub(crate) fn shutdown(&self) -> io::Result<()> {
        self.stream.shutdown()
    }
}

/// Appends bytes that the session has decrypted, within the buffer's capacity. Fails with `WouldBlock` if there are none.
fn take_plain(session: &mut ServerConnection, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut reader = session.reader();
    let plain = reader.fill_buf()?;
    let count = plain.len().min(buffer.capacity() - buffer.len());
    buffer.extend(plain.iter().take(count));
    reader.consume(count);
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificate").join(name)
    }

    #[test]
    fn a_certificate_and_its_key_are_an_identity() {
        TlsIdentity::read(&file("certificate.pem"), &file("key.pem")).unwrap();
    }

    #[test]
    fn what_is_wrong_with_the_files_is_told_with_their_names() {
        let fault = |certificate, key| {
            TlsIdentity::read(&file(certificate), &file(key)).expect_err("a fault").to_string()
        };
        let missing = fault("none.pem", "key.pem");
        assert!(missing.starts_with("cannot read ") && missing.contains("none.pem"), "{missing}");
        let swapped = fault("key.pem", "certificate.pem");
        assert!(swapped.contains("key.pem does not hold a certificate"), "{swapped}");
        let twice = fault("certificate.pem", "certificate.pem");
        assert!(twice.contains("certificate.pem does not hold a private key"), "{twice}");
    }
}
