//! Times and durations in words meet arbitrary texts.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| beadle::domain::fuzz::words(content));
