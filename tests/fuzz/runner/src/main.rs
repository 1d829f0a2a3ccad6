//! libFuzzer's side of the fuzz targets: one program for all of them, HEARTH_FUZZ_TARGET says which.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("HEARTH_FUZZ_TARGET").expect("HEARTH_FUZZ_TARGET names the target");
    let known = hearth_fuzz::TARGETS.iter().find(|target| target.name == name);
    known.unwrap_or_else(|| panic!("there is no target {name}")).run
});

fuzz_target!(|data: &[u8]| TARGET(data));
