#![no_main]
use basalt_fuzz::targets;
libfuzzer_sys::fuzz_target!(|data: &[u8]| basalt_fuzz::run_bounded(targets::transaction, data));
