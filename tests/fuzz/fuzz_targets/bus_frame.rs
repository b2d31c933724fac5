#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::bus_frame(bytes));
