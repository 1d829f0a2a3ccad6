//! The words of mail: what parses is written and read back as the same.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use mail_types::{Address, Domain, Keyword};

/// Any text as an address, a domain, a keyword.
pub(crate) fn words(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    round_trip::<Address>(&text);
    round_trip::<Domain>(&text);
    round_trip::<Keyword>(&text);
}

fn round_trip<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(word) = text.parse::<T>() {
        let written = word.to_string();
        assert!(!written.bytes().any(|byte| byte.is_ascii_control()), "{written:?} would break a line");
        let again = written.parse::<T>().unwrap_or_else(|_| panic!("{written:?} is not read back"));
        assert_eq!(again, word);
    }
}
