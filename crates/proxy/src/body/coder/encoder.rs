//! The three codings behind one door: pieces in, bytes out into a vector.

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use flate2::write::GzEncoder;
use irongate_config::ContentCoding;
use std::io::{self, Write};
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder as ZstdWriter;

/// How far back brotli and zstd look, as a power of two: 128 KiB. The codings' own choices (4 MiB, 2 MiB) gain little
/// for a page and would cost that memory for each answer under way; clients of zstd take up to 8 MiB (RFC 9659).
const WINDOW: u32 = 17;
/// The smallest window of brotli (RFC 7932 §9.1); of zstd it is 10.
const LEAST_WINDOW: u32 = 10;
/// From this level on zstd has larger tables than is worth it (40 MiB) where it does not know the length.
const WIDE: u8 = 4;
/// How large they are then, as a power of two: 512 KiB each.
const TABLES: u32 = 17;
/// Into which brotli compresses before it is copied to the output.
const BROTLI_BUFFER: usize = 4 << 10;

pub(super) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(ZstdWriter<'static, Vec<u8>>),
    /// The end was written; what is left of the output.
    Ended(Vec<u8>),
}

impl Encoder {
    /// For a body of that length, if it is known: short ones take less memory. One that zstd does not take, which could
    /// only be for want of memory, cannot be written to.
    pub(super) fn new(coding: ContentCoding, level: u8, length: Option<u64>) -> Self {
        match coding {
            ContentCoding::Gzip => {
                Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::new(level.into())))
            }
            ContentCoding::Brotli => {
                let params = BrotliEncoderParams {
                    quality: level.into(),
                    // It is not told the length: from 1 MiB on it would take 4 MiB more.
                    lgwin: window(length).cast_signed(),
                    ..BrotliEncoderParams::default()
                };
                Self::Brotli(Box::new(CompressorWriter::with_params(Vec::new(), BROTLI_BUFFER, &params)))
            }
            ContentCoding::Zstd => zstd(level, length).map_or_else(|_| Self::Ended(Vec::new()), Self::Zstd),
        }
    }

    /// About how much memory one takes at most, with its output, in bytes: measured with answers of 2 kB, 30 kB and 2 MB, and
    /// rounded up.
    pub(super) fn memory(coding: ContentCoding, level: u8, length: Option<u64>) -> usize {
        let window = 1_usize << window(length);
        match coding {
            ContentCoding::Gzip => 512 << 10,
            ContentCoding::Brotli if level < 4 => (288 << 10) + (11 * window).min(896 << 10),
            ContentCoding::Brotli => (560 << 10) + 21 * window,
            ContentCoding::Zstd => (512 << 10) + 7 * window,
        }
    }

    /// What came out and was not taken; whoever takes it clears it.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
            Self::Ended(output) => output,
        }
    }

    pub(super) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.writer()?.write_all(piece)
    }

    /// Brings out all that was written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer()?.flush()
    }

    fn writer(&mut self) -> io::Result<&mut dyn Write> {
        match self {
            Self::Gzip(encoder) => Ok(encoder),
            Self::Brotli(encoder) => Ok(encoder),
            Self::Zstd(encoder) => Ok(encoder),
            Self::Ended(_) => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Writes the end and gives the memory back, but for the output. Nothing happens the second time.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let output = match std::mem::replace(self, Self::Ended(Vec::new())) {
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Zstd(encoder) => encoder.finish()?,
            Self::Ended(output) => output,
        };
        *self = Self::Ended(output);
        Ok(())
    }
}

/// The window for a body of that length, as a power of two.
fn window(length: Option<u64>) -> u32 {
    let needed = length.map_or(WINDOW, |length| u64::BITS - length.leading_zeros());
    needed.clamp(LEAST_WINDOW, WINDOW)
}

fn zstd(level: u8, length: Option<u64>) -> io::Result<ZstdWriter<'static, Vec<u8>>> {
    let mut encoder = ZstdWriter::new(Vec::new(), level.into())?;
    encoder.set_parameter(CParameter::WindowLog(window(length)))?;
    if level >= WIDE {
        encoder.set_parameter(CParameter::HashLog(TABLES))?;
        encoder.set_parameter(CParameter::ChainLog(TABLES))?;
    }
    // The tables are no larger than the body needs, and the frame says how long it is.
    encoder.set_pledged_src_size(length)?;
    Ok(encoder)
}

#[cfg(test)]
mod tests;
