#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::run(fuzz::Target::Csv, input);
});
