//! AWS Signature Version 4 of DynamoDB requests: POST to `/`, three signed headers, the body's hash.
//!
//! The key that a day's signatures are made with is kept: deriving it costs more than the signature.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

const SIGNED_HEADERS: &str = "host;x-amz-date;x-amz-target";
const SECONDS_A_DAY: u64 = 86_400;

/// Who asks, and where.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) region: String,
}

/// Signs one client's requests.
#[derive(Debug)]
pub(crate) struct Signer {
    credentials: Credentials,
    /// Seconds since 1970 of the stamp, and the stamp: `20150830T123600Z`.
    stamp: (u64, String),
    /// The day that the key is for, and the key.
    key: (u64, [u8; 32]),
}

impl Signer {
    pub(crate) fn new(credentials: Credentials) -> Self {
        let (stamp, key) = ((0, timestamp(0)), (0, signing_key(&credentials, &timestamp(0)[..8])));
        Self { credentials, stamp, key }
    }

    /// The values of `X-Amz-Date` and `Authorization` for a request that is sent now.
    pub(crate) fn sign(&mut self, host: &str, target: &str, body: &[u8]) -> (&str, String) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        self.sign_at(now, host, target, body)
    }

    fn sign_at(&mut self, now: u64, host: &str, target: &str, body: &[u8]) -> (&str, String) {
        if self.stamp.0 != now {
            self.stamp = (now, timestamp(now));
        }
        let (stamp, day) = (self.stamp.1.as_str(), now / SECONDS_A_DAY);
        if self.key.0 != day {
            self.key = (day, signing_key(&self.credentials, &stamp[..8]));
        }
        let Credentials { access_key, region, .. } = &self.credentials;
        let scope = format!("{}/{region}/dynamodb/aws4_request", &stamp[..8]);
        let request = format!(
            "POST\n/\n\nhost:{host}\nx-amz-date:{stamp}\nx-amz-target:{target}\n\n{SIGNED_HEADERS}\n{}",
            hex(&Sha256::digest(body))
        );
        let to_sign =
            format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
        let signature = hex(&keyed_hash(&self.key.1, to_sign.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={SIGNED_HEADERS}, \
             Signature={signature}"
        );
        (stamp, authorization)
    }
}

fn signing_key(credentials: &Credentials, day: &str) -> [u8; 32] {
    let secret = format!("AWS4{}", credentials.secret_key);
    let parts = [day, &credentials.region, "dynamodb"];
    let key = parts.iter().fold(secret.into_bytes(), |key, part| keyed_hash(&key, part.as_bytes()).to_vec());
    keyed_hash(&key, b"aws4_request")
}

fn keyed_hash(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut hash = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    hash.update(message);
    hash.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).expect("a nibble is a digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Seconds since 1970 as ISO 8601's basic form. Hinnant's civil_from_days.
fn timestamp(seconds: u64) -> String {
    let (day, second) = (seconds / SECONDS_A_DAY, seconds % SECONDS_A_DAY);
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day_of_month:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            region: "us-east-1".to_owned(),
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(timestamp(0), "19700101T000000Z");
        assert_eq!(timestamp(1_440_938_160), "20150830T123600Z");
        assert_eq!(timestamp(951_827_696), "20000229T123456Z");
    }

    /// Worked out apart from this code, by Python's hashlib and hmac, from the rules of the AWS General Reference.
    #[test]
    fn a_signature_is_what_the_rules_say() {
        let mut signer = Signer::new(credentials());
        let target = "DynamoDB_20120810.ListTables";
        let (stamp, authorization) = signer.sign_at(1_440_938_160, "localhost:8000", target, b"{}");
        assert_eq!(stamp, "20150830T123600Z");
        assert!(
            authorization.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/dynamodb/aws4_request, "
            ),
            "{authorization}"
        );
        assert!(
            authorization
                .ends_with("Signature=1d4743ba287d134470a2b4fda4ab55cff653a270afefd92d2a1909c9d17c1bcc"),
            "{authorization}"
        );
    }

    #[test]
    fn a_new_day_has_a_new_key() {
        let mut signer = Signer::new(credentials());
        let mut signature = |now| signer.sign_at(now, "h", "t", b"").1;
        let first = signature(1_440_938_160);
        assert_ne!(first, signature(1_440_938_160 + SECONDS_A_DAY));
        assert_eq!(first, signature(1_440_938_160));
    }
}
