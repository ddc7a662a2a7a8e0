#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stagegate_tests::fuzz::run("requests", bytes));
