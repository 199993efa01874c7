//! Golden samples of expiries and of the progress of filling them in.

use basalt_format::key_encoding::TAG_ITEM;
use basalt_format::time_to_live::{TimeToLiveKey, TimeToLiveProgress};

use super::{Protection, Sample};

pub(super) fn samples() -> Vec<Sample> {
    vec![
        Sample {
            name: "time_to_live_key",
            protection: Protection::CanonicalForm,
            encode: || {
                let item_key = [&[TAG_ITEM], &b"hash and parts"[..]].concat();
                TimeToLiveKey::of_item(&item_key, 1_767_225_600).encode()
            },
            decode: |bytes| TimeToLiveKey::decode(bytes).map(|key| format!("{key:?}")),
        },
        Sample {
            name: "time_to_live_progress",
            protection: Protection::CanonicalForm,
            encode: || {
                let passed = Some([&[TAG_ITEM], &b"hash and parts"[..]].concat());
                TimeToLiveProgress { setting_unix_us: 1_767_225_600_000_000, passed }.encode()
            },
            decode: |bytes| TimeToLiveProgress::decode(bytes).map(|progress| format!("{progress:?}")),
        },
    ]
}
