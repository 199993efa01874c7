//! Why a server closes a connection: what it tells the client last.

use basalt_format::DecodeError;
use basalt_format::native::handshake::VERSION;
use basalt_format::native::{FrameHead, FrameKind};

/// A reason to close a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("a frame is not sound: {0}")]
    BadFrame(#[from] DecodeError),
    #[error("this server speaks version {VERSION}")]
    UnsupportedVersion,
    #[error("the access key id or the proof is wrong")]
    AuthenticationFailed,
    #[error("{0}")]
    UnexpectedFrame(&'static str),
    #[error("a frame or the handshake did not end in time")]
    TooSlow,
    #[error("nothing was asked for long")]
    Idle,
    #[error("the server stops")]
    Stopping,
}

impl Fault {
    /// The head of the frame that tells it; `request` is that of the frame at fault, or 0.
    pub(super) fn head(&self, request: u32) -> FrameHead {
        FrameHead { code: self.number(), ..FrameHead::new(FrameKind::Fault, request) }
    }

    fn number(&self) -> u16 {
        match self {
            Fault::BadFrame(_) => 1,
            Fault::UnsupportedVersion => 2,
            Fault::AuthenticationFailed => 3,
            Fault::UnexpectedFrame(_) => 4,
            Fault::TooSlow => 5,
            Fault::Idle => 6,
            Fault::Stopping => 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use basalt_format::native::codes;

    use super::*;

    #[test]
    fn every_fault_has_its_number() {
        let broken = DecodeError::ReservedNotZero { what: "frame" };
        let faults = [
            Fault::BadFrame(broken),
            Fault::UnsupportedVersion,
            Fault::AuthenticationFailed,
            Fault::UnexpectedFrame(""),
            Fault::TooSlow,
            Fault::Idle,
            Fault::Stopping,
        ];
        assert_eq!(faults.len(), codes::FAULTS.len());
        for fault in faults {
            let name = codes::fault_name(fault.head(0).code).expect("the number is listed");
            assert!(format!("{fault:?}").starts_with(name), "{fault:?} is {name}");
        }
    }
}
