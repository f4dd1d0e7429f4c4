//! The readers of JSON, YAML, TOML and CSV meet arbitrary texts.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| beadle::script::fuzz::data(content));
