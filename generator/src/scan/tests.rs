use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::abi::Abi;

const BASE: u64 = 0x40_0000;

/// A static program of this code, without sections.
fn program(machine: u16, code: &[u8]) -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let length = code.len() as u64;
    let start: u64 = 64 + 56;
    file.extend(2_u16.to_le_bytes());
    file.extend(machine.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for value in [BASE + start, 64, 0] {
        file.extend(value.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for value in [64_u16, 56, 1, 64, 0, 0] {
        file.extend(value.to_le_bytes());
    }
    file.extend(1_u32.to_le_bytes());
    file.extend(5_u32.to_le_bytes());
    for value in [start, BASE + start, BASE + start, length, length, 0x1000] {
        file.extend(value.to_le_bytes());
    }
    file.extend(code);
    file
}

/// Names of calls that x86-64 code makes, and in how many functions there are numbers that were not found.
fn calls(code: &[u8]) -> (Vec<&'static str>, usize) {
    let image = Image::read(&program(62, code)).unwrap();
    let names = image.calls.keys().map(|(abi, number)| abi.syscall_name(*number).unwrap());
    (names.collect(), image.unknown.len())
}

#[test]
fn a_constant_is_the_number() {
    // mov eax, 39; syscall
    assert_eq!(calls(&[0xb8, 39, 0, 0, 0, 0x0f, 0x05]), (vec!["getpid"], 0));
    // xor eax, eax; syscall
    assert_eq!(calls(&[0x31, 0xc0, 0x0f, 0x05]), (vec!["read"], 0));
    // push 60; pop rax; syscall
    assert_eq!(calls(&[0x6a, 60, 0x58, 0x0f, 0x05]), (vec!["exit"], 0));
    // xor eax, eax; mov al, 56; syscall
    assert_eq!(calls(&[0x31, 0xc0, 0xb0, 56, 0x0f, 0x05]), (vec!["clone"], 0));
    // mov r9d, 1; mov eax, r9d; syscall
    let copied = [0x41, 0xb9, 1, 0, 0, 0, 0x44, 0x89, 0xc8, 0x0f, 0x05];
    assert_eq!(calls(&copied), (vec!["write"], 0));
}

#[test]
fn each_way_to_the_instruction_counts() {
    // test edi, edi; mov eax, 1; je over; mov eax, 0; over: syscall
    let code = [0x85, 0xff, 0xb8, 1, 0, 0, 0, 0x74, 5, 0xb8, 0, 0, 0, 0, 0x0f, 0x05];
    assert_eq!(calls(&code), (vec!["read", "write"], 0));
}

#[test]
fn a_number_that_is_not_known_is_said() {
    // mov eax, [rdi]; syscall
    assert_eq!(calls(&[0x8b, 0x07, 0x0f, 0x05]), (vec![], 1));
    // call rdi; syscall
    assert_eq!(calls(&[0xff, 0xd7, 0x0f, 0x05]), (vec![], 1));
}

#[test]
fn callers_give_the_number() {
    // mov edi, 39; call wrapper; mov edi, 102; jmp wrapper; wrapper: mov eax, edi; syscall; ret
    let code = [
        0xbf, 39, 0, 0, 0, 0xe8, 10, 0, 0, 0, 0xbf, 102, 0, 0, 0, 0xe9, 0, 0, 0, 0, 0x89, 0xf8,
        0x0f, 0x05, 0xc3,
    ];
    assert_eq!(calls(&code), (vec!["getpid", "getuid"], 0));
    // push 39; call wrapper; wrapper: mov rax, [rsp + 8]; syscall; ret
    let code = [0x6a, 39, 0xe8, 1, 0, 0, 0, 0xc3, 0x48, 0x8b, 0x44, 0x24, 8, 0x0f, 0x05, 0xc3];
    assert_eq!(calls(&code), (vec!["getpid"], 0));
}

#[test]
fn bytes_within_an_instruction_are_none() {
    // mov eax, 0x050f; ret
    assert_eq!(calls(&[0xb8, 0x0f, 0x05, 0, 0, 0xc3]), (vec![], 0));
}

#[test]
fn each_way_into_the_kernel_has_its_abi() {
    // mov eax, 20; int 0x80
    let image = Image::read(&program(62, &[0xb8, 20, 0, 0, 0, 0xcd, 0x80])).unwrap();
    assert!(image.calls.contains_key(&(Abi::X86, 20)), "{image:?}");
    // mov eax, 0x40000027; syscall
    let image = Image::read(&program(62, &[0xb8, 39, 0, 0, 0x40, 0x0f, 0x05])).unwrap();
    assert!(image.calls.contains_key(&(Abi::X32, 39)), "{image:?}");
    // mov x8, #172; svc #0
    let code = [0xd280_1588_u32, 0xd400_0001].map(u32::to_le_bytes).concat();
    let image = Image::read(&program(183, &code)).unwrap();
    assert!(image.calls.contains_key(&(Abi::Aarch64, 172)), "{image:?}");
    assert!(image.unknown.is_empty());
    // ldr x8, [x0]; svc #0
    let code = [0xf940_0008_u32, 0xd400_0001].map(u32::to_le_bytes).concat();
    assert_eq!(Image::read(&program(183, &code)).unwrap().unknown.len(), 1);
}

#[test]
fn what_is_no_program_is_said() {
    assert_eq!(Image::read(b"#!/bin/sh\n"), Err(ScanError::NotElf));
    assert_eq!(Image::read(b""), Err(ScanError::NotElf));
    assert!(matches!(Image::read(&program(8, &[0; 8])), Err(ScanError::OtherMachine(_))));
    let whole = program(62, &[0xb8, 39, 0, 0, 0, 0x0f, 0x05]);
    assert!(matches!(Image::read(&whole[..100]), Err(ScanError::Damaged(_))));
    assert!(matches!(Image::read(&whole[..125]), Err(ScanError::Damaged(_))));
    // Without section headers it may be packed.
    assert_eq!(Image::read(&whole).unwrap().doubts.len(), 1);
}

/// A real one: the program that runs this test.
fn own() -> Vec<u8> {
    std::fs::read(std::env::current_exe().unwrap()).unwrap()
}

#[test]
fn a_real_program_is_read() {
    let image = Image::read(&own()).unwrap();
    assert!(image.imports.contains("read") || !image.is_dynamic, "{image:?}");
    let path = "/bin/test";
    let made = reachable(File { path, image: &image }, &[], &["libz is missing".to_owned()]);
    for name in ["read", "write", "mmap", "futex", "exit_group", "openat", "rt_sigreturn"] {
        let number = image.abi.syscall_number(name).unwrap();
        assert!(made.has(image.abi, number), "{name}");
    }
    assert!(made.open.contains("libz is missing"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_code_is_read_in_time(code in prop::collection::vec(any::<u8>(), 0..2000), machine in prop::sample::select(vec![62_u16, 183, 243])) {
        let image = Image::read(&program(machine, &code)).unwrap();
        prop_assert!(image.imports.is_empty());
    }

    #[test]
    fn damage_is_no_disaster(places in prop::collection::vec((0..5000_usize, any::<u8>()), 1..40), length in 0..200_000_usize) {
        let mut bytes = own();
        bytes.truncate(length);
        for (place, byte) in places {
            if let Some(old) = bytes.get_mut(place) {
                *old = byte;
            }
        }
        let _ = Image::read(&bytes);
        let _ = Graph::read(&bytes);
    }
}

/// The same program with a section of code that begins `skipped` bytes later than its code.
fn with_section(code: &[u8], skipped: u64) -> Vec<u8> {
    let mut file = program(62, code);
    while !file.len().is_multiple_of(8) {
        file.push(0);
    }
    let headers = file.len() as u64;
    file[40..48].copy_from_slice(&headers.to_le_bytes());
    file[60..62].copy_from_slice(&3_u16.to_le_bytes());
    file[62..64].copy_from_slice(&2_u16.to_le_bytes());
    file.extend([0; 64]);
    let start: u64 = 64 + 56 + skipped;
    file.extend(0_u32.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for value in [6, BASE + start, start, code.len() as u64 - skipped] {
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 8]);
    for value in [1_u64, 0] {
        file.extend(value.to_le_bytes());
    }
    // Names: an empty one, a zero of the header's.
    file.extend([0, 0, 0, 0, 3, 0, 0, 0]);
    for value in [0_u64, 0, 9, 1, 0, 1, 0] {
        file.extend(value.to_le_bytes());
    }
    file
}

#[test]
fn what_sections_do_not_name_is_executed_all_the_same() {
    // mov eax, 39; syscall; mov eax, 60; syscall
    let code = [0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    let whole = Image::read(&with_section(&code, 0)).unwrap();
    assert_eq!((whole.calls.len(), &whole.doubts), (2, &BTreeSet::new()));
    let part = Image::read(&with_section(&code, 7)).unwrap();
    assert_eq!(part.calls.len(), 1);
    assert!(part.doubts.iter().any(|doubt| doubt.contains("in none of its sections")), "{part:?}");
    // A section of another place than what is loaded.
    let mut other = with_section(&code, 0);
    let at = other.len() - 128 + 16;
    other[at..at + 8].copy_from_slice(&(BASE + 0x10_0000).to_le_bytes());
    let other = Image::read(&other).unwrap();
    assert!(other.doubts.iter().any(|doubt| doubt.contains("do not fit")), "{other:?}");
}

/// What was found by fuzzing: an address after the last one there can be.
#[test]
fn code_is_where_a_program_has_memory() {
    let mut file = program(62, &[0xb8, 39, 0, 0, 0, 0x0f, 0x05]);
    for address in [u64::MAX - 2, u64::MAX - 7, 1 << 63, 1 << 56] {
        file[64 + 16..64 + 24].copy_from_slice(&u64::to_le_bytes(address));
        let refused = Image::read(&file).unwrap_err();
        assert!(refused.to_string().contains("no program has memory"), "{refused}");
    }
}
