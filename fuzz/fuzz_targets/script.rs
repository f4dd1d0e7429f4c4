//! The script loader meets arbitrary texts.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| beadle::script::fuzz::script(content));
