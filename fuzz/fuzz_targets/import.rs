//! Any bytes are a recording or a clear error, whatever they are taken for; what is made of them can be written and read,
//! and a profile can be made of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strait_generator::generate::{Options as Generate, generate};
use strait_generator::import::{Format, Options, Source, import};
use strait_generator::machine::Machine;
use strait_generator::recording::v1;

fuzz_target!(|bytes: &[u8]| {
    for format in Format::all().map(Some).chain([None]) {
        for machine in [Some(Machine::X86_64), Some(Machine::Aarch64), None] {
            let options = Options { format, machine, name: None };
            // As the files of two tasks, and so of one log in two parts.
            let (one, other) = bytes.split_at(bytes.len() / 2);
            let sources = vec![Source::new("log.7", one), Source::new("log.8", other)];
            let Ok(imported) = import(sources, &options) else { continue };
            let printed = v1::print(&imported.recording).expect("a recording can be printed");
            v1::parse(&printed).expect("what was printed can be read");
            let options = Generate { allow_incomplete: true, ..Generate::default() };
            let _ = generate(&[imported.recording], &options);
        }
    }
});
