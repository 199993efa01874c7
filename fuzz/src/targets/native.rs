//! What crosses the socket of the binary protocol: frames in a row, and the documents in them.

use basalt_format::native::codes::OPERATIONS;
use basalt_format::native::handshake::{Hello, Proof, Welcome};
use basalt_format::native::{DocumentReader, Frame, FrameKind};

/// What all requests together may take; the bound on allocation is what a single one is held to.
const REQUEST_MEMORY_BYTES: usize = 128 << 20;

/// Frames, one after the other, and what the frames of the handshake hold.
pub fn native_frame(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some((frame, length))) = Frame::parse(rest) {
        let (taken, behind) = rest.split_at(length);
        assert_eq!(frame.head.encode(frame.body), taken, "a frame has one form");
        match frame.head.kind {
            FrameKind::Hello => {
                assert_one_form(frame.body, Hello::decode(frame.body).map(|hello| hello.encode()))
            }
            FrameKind::Welcome => {
                assert_one_form(frame.body, Welcome::decode(frame.body).map(|welcome| welcome.encode()));
            }
            FrameKind::Proof => {
                assert_one_form(frame.body, Proof::decode(frame.body).map(|proof| proof.encode()))
            }
            _ => {}
        }
        rest = behind;
    }
    // Without a checksum in the way.
    assert_one_form(data, Hello::decode(data).map(|hello| hello.encode()));
    assert_one_form(data, Welcome::decode(data).map(|welcome| welcome.encode()));
    assert_one_form(data, Proof::decode(data).map(|proof| proof.encode()));
}

/// A byte that chooses the operation, then the request's document.
pub fn native_document(data: &[u8]) {
    let Some((choice, document)) = data.split_first() else { return };
    let operation = u16::from(*choice) % OPERATIONS.len() as u16 + 1;
    let is_accepted = basalt_server::accepts_document(operation, document, REQUEST_MEMORY_BYTES);
    let mut reader = DocumentReader::new(document);
    let is_sound = reader.skip().is_ok() && reader.finish().is_ok();
    assert!(is_sound || !is_accepted, "what is no document is no request");
    assert!(
        !basalt_server::accepts_document(0, document, REQUEST_MEMORY_BYTES),
        "no operation has this number"
    );
}

fn assert_one_form<E>(bytes: &[u8], encoded: Result<Vec<u8>, E>) {
    if let Ok(encoded) = encoded {
        assert_eq!(encoded, bytes, "a structure has one form");
    }
}
