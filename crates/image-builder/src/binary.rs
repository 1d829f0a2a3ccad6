//! The check of the product's binary, which must be a static aarch64 ELF program, as the card has no libraries.

use std::path::Path;

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};

use crate::error::Error;

/// Reads and checks the product's binary.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    match fault(&bytes) {
        None => Ok(bytes),
        Some(reason) => Err(Error::Binary { path: path.to_owned(), reason }),
    }
}

/// The reason for which the bytes are no static aarch64 program, if there is one.
fn fault(bytes: &[u8]) -> Option<&'static str> {
    let Ok(header) = elf::FileHeader64::<Endianness>::parse(bytes) else {
        return Some("it is not a 64-bit ELF program");
    };
    let Ok(endian) = header.endian() else { return Some("it is not a 64-bit ELF program") };
    if header.e_machine(endian) != elf::EM_AARCH64 {
        return Some("it is not for aarch64");
    }
    let Ok(segments) = header.program_headers(endian, bytes) else {
        return Some("its program headers are damaged");
    };
    if segments.iter().any(|segment| segment.p_type(endian) == elf::PT_INTERP) {
        return Some("it is dynamically linked, and the card has no libraries");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest header that passes, and a program header of type `segment`.
    fn program(machine: elf::Machine, segment: elf::ProgramType) -> Vec<u8> {
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
        bytes.resize(16, 0);
        bytes.extend([2, 0]);
        bytes.extend(machine.0.to_le_bytes());
        bytes.extend([1, 0, 0, 0]);
        bytes.resize(32, 0);
        bytes.extend(64_u64.to_le_bytes());
        bytes.resize(52, 0);
        bytes.extend([64, 0, 56, 0, 1, 0]);
        bytes.resize(64, 0);
        bytes.extend(segment.0.to_le_bytes());
        bytes.resize(120, 0);
        bytes
    }

    #[test]
    fn only_static_aarch64_programs_pass() {
        assert_eq!(fault(&program(elf::EM_AARCH64, elf::PT_LOAD)), None);
        for (bytes, reason) in [
            (program(elf::EM_X86_64, elf::PT_LOAD), "not for aarch64"),
            (program(elf::EM_AARCH64, elf::PT_INTERP), "dynamically linked"),
            (program(elf::EM_AARCH64, elf::PT_LOAD)[..100].to_vec(), "damaged"),
            (b"#!/bin/sh\n".to_vec(), "not a 64-bit ELF"),
        ] {
            let found = fault(&bytes).unwrap();
            assert!(found.contains(reason), "{found}");
        }
    }
}
