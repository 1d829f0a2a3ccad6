//! gzip, zstd and xz with settings that give the same bytes on every machine.

use std::io::{Read, Write};

use crate::error::Error;

/// The effort of compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// For published cards: the smallest output.
    Full,
    /// For the lab: fast, with larger output.
    Draft,
}

/// Compresses with gzip (RFC 1952), the format of kernels for U-Boot and the Pi's firmware.
pub fn gzip(what: &'static str, bytes: &[u8], effort: Effort) -> Result<Vec<u8>, Error> {
    let level = match effort {
        Effort::Full => 9,
        Effort::Draft => 1,
    };
    let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::new(level));
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(|source| Error::Compress { what, source })
}

/// Decompresses gzip up to `limit` bytes.
pub fn gunzip(what: &'static str, bytes: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
    let mut unpacked = Vec::new();
    let read = flate2::read::GzDecoder::new(bytes).take(limit).read_to_end(&mut unpacked);
    read.map_err(|source| Error::Compress { what, source })?;
    Ok(unpacked)
}

/// Compresses with zstd (RFC 8878), a format of the kernel's initramfs. One thread: with more, the bytes would depend on
/// their number.
pub fn zstd(what: &'static str, bytes: &[u8], effort: Effort) -> Result<Vec<u8>, Error> {
    let level = match effort {
        Effort::Full => 19,
        Effort::Draft => 3,
    };
    zstd::stream::encode_all(bytes, level).map_err(|source| Error::Compress { what, source })
}

/// Compresses with xz, for downloads. The dictionary of 64 MiB spans the distance between repeated content of an image.
/// `progress` gets the number of input bytes of each step.
pub fn xz(input: &mut dyn Read, target: &mut dyn Write, progress: &mut dyn FnMut(u64)) -> Result<(), Error> {
    let failed = |source| Error::Compress { what: "the image", source };
    let stream = xz_stream().map_err(|error| failed(error.into()))?;
    let mut encoder = liblzma::write::XzEncoder::new_stream(target, stream);
    let mut block = vec![0; 1 << 18];
    loop {
        let length = input.read(&mut block).map_err(failed)?;
        let Some(piece @ [_, ..]) = block.get(..length) else { break };
        encoder.write_all(piece).map_err(failed)?;
        progress(length as u64);
    }
    encoder.finish().map_err(failed)?;
    Ok(())
}

fn xz_stream() -> Result<liblzma::stream::Stream, liblzma::stream::Error> {
    let mut options = liblzma::stream::LzmaOptions::new_preset(6)?;
    options.dict_size(64 << 20);
    let mut filters = liblzma::stream::Filters::new();
    filters.lzma2(&options);
    liblzma::stream::Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc64)
}
