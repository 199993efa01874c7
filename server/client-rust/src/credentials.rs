//! Who a client is.

use basalt_format::native::handshake::{Proof, proof_message};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// An access key: the same as for HTTP.
#[derive(Clone)]
pub struct Credentials {
    access_key_id: String,
    secret_access_key: String,
}

impl Credentials {
    /// An access key's id and secret.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self { access_key_id: access_key_id.into(), secret_access_key: secret_access_key.into() }
    }

    /// The answer to a challenge.
    pub(crate) fn prove(&self, client_nonce: &[u8; 16], server_nonce: &[u8; 16]) -> Proof<'_> {
        let key = self.secret_access_key.as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(&proof_message(client_nonce, server_nonce, &self.access_key_id));
        Proof { proof: mac.finalize().into_bytes().into(), access_key_id: &self.access_key_id }
    }
}

/// Without the secret.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Credentials({})", self.access_key_id)
    }
}
