//! The three compressors, each with settings that give the same bytes on every machine.

use std::io::{Read, Write};

use crate::error::Error;

/// How much time compression may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// For cards: small.
    Full,
    /// For the lab: fast, larger, never published.
    Draft,
}

/// gzip, as U-Boot and the Pi's firmware unpack kernels.
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

/// gunzip with a limit.
pub fn gunzip(what: &'static str, bytes: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
    let mut unpacked = Vec::new();
    let read = flate2::read::GzDecoder::new(bytes).take(limit).read_to_end(&mut unpacked);
    read.map_err(|source| Error::Compress { what, source })?;
    Ok(unpacked)
}

/// zstd, as the kernel unpacks its initramfs: one thread, since more would make the bytes depend on the machine.
pub fn zstd(what: &'static str, bytes: &[u8], effort: Effort) -> Result<Vec<u8>, Error> {
    let level = match effort {
        Effort::Full => 19,
        Effort::Draft => 3,
    };
    zstd::stream::encode_all(bytes, level).map_err(|source| Error::Compress { what, source })
}

/// xz into `target`: what people download. The dictionary spans the whole image, in which the second copies of things lie
/// far from the first. `progress` hears how many bytes of the input are done.
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
