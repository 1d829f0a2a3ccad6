//! Parameter values in pieces (RFC 2231 section 3), joined to one. Its section 6 wants them so in IMAP's BODYSTRUCTURE.

use super::PARAMETER_LIMIT;

type Parameter = (Vec<u8>, Vec<u8>);

/// Replaces `name*0=…; name*1=…` by `name`, or by `name*` if a piece is percent-encoded. Pieces that lack the first one,
/// or stand beside a parameter of their name, stay as they stand.
pub(super) fn join(parameters: &mut Vec<Parameter>) {
    let joined: Vec<_> = (0..parameters.len()).filter_map(|first| Joined::new(parameters, first)).collect();
    if joined.is_empty() {
        return;
    }
    let told = parameters.iter().enumerate().filter_map(|(place, parameter)| {
        match joined.iter().find(|joined| joined.pieces.contains(&place)) {
            Some(joined) if joined.pieces.first() == Some(&place) => Some(joined.parameter.clone()),
            Some(_) => None,
            None => Some(parameter.clone()),
        }
    });
    *parameters = told.collect();
}

/// A parameter made of pieces, and their places.
struct Joined {
    parameter: Parameter,
    pieces: Vec<usize>,
}

impl Joined {
    /// The one whose first piece has this place.
    fn new(parameters: &[Parameter], first: usize) -> Option<Self> {
        let (name, _) = parameters.get(first)?;
        let name =
            name.strip_suffix(b"*").unwrap_or(name).strip_suffix(b"*0").filter(|name| !name.is_empty())?;
        let pieces = pieces(parameters, name);
        let extended = pieces.iter().any(|&piece| is_extended(parameters, piece));
        let name = [name, if extended { b"*" } else { b"" }].concat();
        let alone = pieces.first() == Some(&first) && parameters.iter().all(|(other, _)| *other != name);
        let value = value(parameters, &pieces, extended);
        alone.then_some(Self { parameter: (name, value), pieces })
    }
}

/// The places of the pieces, in order of their numbers, as far as none is missing.
fn pieces(parameters: &[Parameter], name: &[u8]) -> Vec<usize> {
    let piece = |number: usize| {
        let plain = [name, b"*", number.to_string().as_bytes()].concat();
        let extended = [plain.as_slice(), b"*"].concat();
        parameters.iter().position(|(name, _)| *name == plain || *name == extended)
    };
    (0..PARAMETER_LIMIT).map_while(piece).collect()
}

fn is_extended(parameters: &[Parameter], piece: usize) -> bool {
    parameters.get(piece).is_some_and(|(name, _)| name.ends_with(b"*"))
}

/// The pieces' content. If one is percent-encoded, then all of it: `%` in the others is a character like any other.
fn value(parameters: &[Parameter], pieces: &[usize], extended: bool) -> Vec<u8> {
    let mut joined = Vec::new();
    for (number, &piece) in pieces.iter().enumerate() {
        let Some((_, content)) = parameters.get(piece) else { continue };
        if !extended || is_extended(parameters, piece) {
            joined.extend_from_slice(content);
            continue;
        }
        if number == 0 {
            // Neither charset nor language: RFC 2231 section 4 lets both be empty.
            joined.extend_from_slice(b"''");
        }
        content.iter().for_each(|&byte| push_encoded(byte, &mut joined));
    }
    joined
}

/// ext-octet := "%" 2(DIGIT / "A" / … / "F"), for what is no attribute-char (RFC 2231 section 7).
fn push_encoded(byte: u8, encoded: &mut Vec<u8>) {
    if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&byte) {
        encoded.push(byte);
    } else {
        encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use crate::parameters::parse;

    #[test]
    fn pieces_are_told_as_one() {
        for (value, expected) in [
            ("x/y; name*0=ab; name*1=\"c d\"", "name=abc d"),
            ("x/y; a=1; name*1=cd; b=2; name*0=ab; c=3", "a=1;b=2;name=abcd;c=3"),
            ("x/y; name*=utf-8'en'a%20b", "name*=utf-8'en'a%20b"),
            ("x/y; name*0*=utf-8''a%20; name*1=\"b %\"; name*2*=%C3%BC", "name*=utf-8''a%20b%20%25%C3%BC"),
            ("x/y; name*0=\"a b\"; name*1*=%C3%BC", "name*=''a%20b%C3%BC"),
            ("x/y; name=plain; name*0=other; name*1=x", "name=plain;name*0=other;name*1=x"),
            ("x/y; name=plain; name*0*=utf-8''ot; name*1*=her", "name=plain;name*=utf-8''other"),
            ("x/y; name*0=a; name*2=c; name*01=b", "name=a;name*2=c;name*01=b"),
            ("x/y; name*1=alone; *0=x", "name*1=alone;*0=x"),
            ("x/y; name*0=a; name*0*=b; name*1=c", "name=ac;name*0*=b"),
        ] {
            let told: Vec<_> = parse(value.as_bytes())
                .parameters
                .into_iter()
                .map(|(name, value)| {
                    [String::from_utf8(name).unwrap(), String::from_utf8(value).unwrap()].join("=")
                })
                .collect();
            assert_eq!(told.join(";"), expected, "{value}");
        }
    }
}
