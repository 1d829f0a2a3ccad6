//! Content-Transfer-Encoding (RFC 2045 section 6), decoded line by line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::lines::Piece;

/// The encoding of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// 7bit, 8bit, binary
    Identity,
    Base64,
    QuotedPrintable,
}

impl Encoding {
    /// Reads the value of the header field; none for an unknown encoding.
    pub(crate) fn parse(value: Option<&str>) -> Option<Self> {
        match value.unwrap_or("7bit").trim().to_ascii_lowercase().as_str() {
            "7bit" | "8bit" | "binary" => Some(Self::Identity),
            "base64" => Some(Self::Base64),
            "quoted-printable" => Some(Self::QuotedPrintable),
            _ => None,
        }
    }
}

/// The content cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undecodable;

/// The decoder of one part. The line end before a boundary belongs to the boundary, so line ends are written when the
/// next line starts.
#[derive(Debug)]
pub(crate) struct Decoder {
    encoding: Encoding,
    /// A line end that is due before the next line.
    line_end_due: bool,
    /// Base64: the incomplete group. Quoted-printable: the start of a line that has not ended.
    held: Vec<u8>,
    /// Base64: padding was read, so the data is over.
    padded: bool,
}

/// Quoted-printable lines have 76 characters; this many are borne with.
const LINE_LIMIT: usize = 16 * 1024;

impl Decoder {
    pub(crate) fn new(encoding: Encoding) -> Self {
        Self { encoding, line_end_due: false, held: Vec::new(), padded: false }
    }

    /// Appends what the piece of a line decodes to.
    pub(crate) fn push(&mut self, piece: Piece<'_>, decoded: &mut Vec<u8>) -> Result<(), Undecodable> {
        match self.encoding {
            Encoding::Identity => {
                if piece.starts && std::mem::take(&mut self.line_end_due) {
                    decoded.extend_from_slice(b"\r\n");
                }
                decoded.extend_from_slice(piece.text);
                self.line_end_due |= piece.ends;
                Ok(())
            }
            Encoding::Base64 => self.base64(piece.text, decoded),
            Encoding::QuotedPrintable => {
                self.held.extend_from_slice(piece.text);
                if self.held.len() > LINE_LIMIT {
                    return Err(Undecodable);
                }
                if piece.ends { self.quoted_line(decoded) } else { Ok(()) }
            }
        }
    }

    /// Whether the content ended where it may.
    pub(crate) fn finish(&self) -> Result<(), Undecodable> {
        if self.held.is_empty() { Ok(()) } else { Err(Undecodable) }
    }

    fn base64(&mut self, text: &[u8], decoded: &mut Vec<u8>) -> Result<(), Undecodable> {
        let text = text.trim_ascii();
        if self.padded && !text.is_empty() {
            return Err(Undecodable);
        }
        self.held.extend_from_slice(text);
        let whole = self.held.len() / 4 * 4;
        let rest = self.held.split_off(whole);
        let groups = std::mem::replace(&mut self.held, rest);
        self.padded = groups.ends_with(b"=");
        decoded.extend(STANDARD.decode(&groups).map_err(|_| Undecodable)?);
        Ok(())
    }

    /// RFC 2045 section 6.7
    fn quoted_line(&mut self, decoded: &mut Vec<u8>) -> Result<(), Undecodable> {
        if std::mem::take(&mut self.line_end_due) {
            decoded.extend_from_slice(b"\r\n");
        }
        let line = std::mem::take(&mut self.held);
        let line = line.trim_ascii_end();
        let (line, soft) = line.strip_suffix(b"=").map_or((line, false), |line| (line, true));
        let mut bytes = line.iter().copied();
        while let Some(byte) = bytes.next() {
            if byte != b'=' {
                decoded.push(byte);
                continue;
            }
            let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
            let (Some(high), Some(low)) = (digit(), digit()) else { return Err(Undecodable) };
            decoded.push(u8::try_from(high * 16 + low).map_err(|_| Undecodable)?);
        }
        self.line_end_due = !soft;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Encoding, Undecodable};
    use crate::lines::Lines;

    #[track_caller]
    fn check(encoding: &str, text: &str, expected: Result<&str, Undecodable>) {
        for chunk in [1, 3, text.len().max(1)] {
            let (mut lines, mut decoder) =
                (Lines::default(), Decoder::new(Encoding::parse(Some(encoding)).unwrap()));
            let (mut decoded, mut result) = (Vec::new(), Ok(()));
            let mut take = |piece: crate::lines::Piece<'_>| {
                if result.is_ok() {
                    result = decoder.push(piece, &mut decoded);
                }
            };
            for bytes in text.as_bytes().chunks(chunk) {
                lines.push(bytes, &mut take).unwrap();
            }
            lines.finish(&mut take).unwrap();
            let result = result.and_then(|()| decoder.finish());
            assert_eq!(result.map(|()| str::from_utf8(&decoded).unwrap()), expected, "{text:?}");
        }
    }

    #[test]
    fn every_encoding_is_decoded() {
        check("8BIT", "a\r\n\r\nb\r\n", Ok("a\r\n\r\nb"));
        check("base64", "aGVs\r\nbG8\r\n=\r\n", Ok("hello"));
        check("base64", "aGVsbG8=\r\naGVs\r\n", Err(Undecodable));
        check("base64", "aGVsb\r\n", Err(Undecodable));
        check("Quoted-Printable", "a=3Db=\r\n c  \r\nd\r\n", Ok("a=b c\r\nd"));
        check("quoted-printable", "a=3\r\n", Err(Undecodable));
        assert_eq!(Encoding::parse(Some("x-uuencode")), None);
        assert_eq!(Encoding::parse(None), Some(Encoding::Identity));
    }
}
