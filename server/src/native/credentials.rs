//! Whose proofs a server takes.

use std::collections::BTreeMap;

use basalt_format::native::handshake::{Proof, proof_message};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The credentials that clients of the binary protocol prove to have.
#[derive(Debug, Clone, Default)]
pub enum Credentials {
    /// Nobody's are known: every proof that has the form of one is taken, as every signature is over HTTP.
    #[default]
    Unverified,
    /// Secret access keys by access key id.
    Known(BTreeMap<String, String>),
}

impl Credentials {
    /// Whether a proof answers the challenge that these nonces are.
    pub(super) fn accept(&self, proof: &Proof<'_>, client_nonce: &[u8; 16], server_nonce: &[u8; 16]) -> bool {
        let Credentials::Known(secrets) = self else { return true };
        let Some(secret) = secrets.get(proof.access_key_id) else { return false };
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(&proof_message(client_nonce, server_nonce, proof.access_key_id));
        // Takes as long whatever the difference is.
        mac.verify_slice(&proof.proof).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCES: ([u8; 16], [u8; 16]) = ([1; 16], [2; 16]);

    fn proof(secret: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(&proof_message(&NONCES.0, &NONCES.1, "id"));
        mac.finalize().into_bytes().into()
    }

    #[test]
    fn only_the_secret_of_the_key_proves() {
        let known = Credentials::Known(BTreeMap::from([("id".to_owned(), "secret".to_owned())]));
        let accepts =
            |access_key_id, proof| known.accept(&Proof { proof, access_key_id }, &NONCES.0, &NONCES.1);
        assert!(accepts("id", proof("secret")));
        assert!(!accepts("id", proof("other")));
        assert!(!accepts("nobody", proof("secret")));
        let replayed = Proof { proof: proof("secret"), access_key_id: "id" };
        assert!(!known.accept(&replayed, &NONCES.0, &[3; 16]), "a proof is of one challenge");
    }

    #[test]
    fn without_credentials_every_proof_will_do() {
        let any = Proof { proof: [0; 32], access_key_id: "anybody" };
        assert!(Credentials::Unverified.accept(&any, &NONCES.0, &NONCES.1));
    }
}
