//! The canonical forms of a header field (RFC 6376 sections 3.4.1 and 3.4.2).

use message::Field;

/// A canonicalisation algorithm: of a header field here, of a body in [`crate::body`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Canonical {
    /// Nothing may change on the way.
    Simple,
    /// White space and the case of names may.
    Relaxed,
}

impl Canonical {
    /// Appends a field with its line end.
    pub(crate) fn write_field(self, field: &Field<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Simple => out.extend_from_slice(field.raw),
            Self::Relaxed => {
                self.write_unended(field, field.value, out);
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Appends the field with another value and without a line end, as section 3.7 wants the signature's own field.
    pub(crate) fn write_unended(self, field: &Field<'_>, value: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Simple => {
                let name = field.raw.strip_suffix(field.value).unwrap_or_default();
                out.extend_from_slice(name);
                out.extend_from_slice(value);
            }
            Self::Relaxed => {
                out.extend(field.name.iter().map(u8::to_ascii_lowercase));
                out.push(b':');
                write_relaxed(value, out);
            }
        }
    }
}

/// Appends a value unfolded, each run of white space as one space, none at either end.
fn write_relaxed(value: &[u8], out: &mut Vec<u8>) {
    let (mut blank, mut text) = (false, false);
    for &byte in value {
        match byte {
            b' ' | b'\t' => blank = true,
            b'\r' | b'\n' => {}
            _ => {
                if blank && text {
                    out.push(b' ');
                }
                (blank, text) = (false, true);
                out.push(byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use message::fields;

    use super::Canonical::{self, Relaxed, Simple};

    fn check(canonical: Canonical, section: &str, expected: &str) {
        let mut out = Vec::new();
        for field in fields(section.as_bytes()) {
            canonical.write_field(&field.unwrap(), &mut out);
        }
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{section:?}");
    }

    #[test]
    fn fields_are_as_in_the_rfcs_example() {
        // RFC 6376 section 3.4.5.
        let section = "A: X\r\nB : Y\t\r\n\tZ  \r\n";
        check(Relaxed, section, "a:X\r\nb:Y Z\r\n");
        check(Simple, section, section);
    }

    #[test]
    fn relaxed_fields_lose_folds_and_white_space_around_the_value() {
        check(Relaxed, "SUBJect:\r\n  long\r\n\t \r\n text \t\r\n", "subject:long text\r\n");
        check(Relaxed, "A:\r\nB: \t \r\n", "a:\r\nb:\r\n");
        check(Relaxed, "A: x\x0c \x0b\r\n", "a:x\x0c \x0b\r\n");
        check(Relaxed, "A: b : c\r\n", "a:b : c\r\n");
    }
}
