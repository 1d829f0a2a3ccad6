//! Encrypted messages, and messages that only look like one.

use relay_policy::Content;

use crate::message::{Encrypted, GPG_TO_KEY, GPG_TO_PASSWORD, Way, check, inspect};

#[track_caller]
fn passes(message: &Encrypted) {
    check(&message.text(), Content::Encrypted, Content::Encrypted);
}

#[track_caller]
fn fails(message: &Encrypted) {
    check(&message.text(), Content::Clear, Content::Clear);
}

fn with(change: impl Fn(&mut Encrypted)) -> Encrypted {
    let mut message = Encrypted::default();
    change(&mut message);
    message
}

#[test]
fn messages_of_openpgp_programs_pass() {
    passes(&Encrypted::default());
    passes(&with(|message| message.second_body = GPG_TO_PASSWORD.to_owned()));
    // Without checksum, though the data ends in padding.
    passes(&with(|message| message.second_body = GPG_TO_KEY.replace("=SJn5\n", "")));
    // filtermail trims all line ends after the armour.
    passes(&with(|message| message.second_body = format!("{GPG_TO_KEY}\n\n\n")));
    passes(&with(|message| message.second_body = GPG_TO_KEY.trim_end().to_owned()));
    // Without last delimiter; with white space behind it; with a line after it.
    passes(&with(|message| message.end = "\n".to_owned()));
    passes(&with(|message| message.end = "\n--b-- \t\n\n".to_owned()));
    passes(&with(|message| message.end = "\n--b--\n\n-- \nlist footer\n".to_owned()));
    let preamble = "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\n";
    passes(&with(|message| message.preamble = preamble.to_owned()));
    passes(&with(|message| message.first_body = "\n Version: 1 \n\n".to_owned()));
}

#[test]
fn case_and_comments_in_the_header_do_not_matter() {
    passes(&with(|message| {
        message.header =
            message.header.replace("Content-Type: multipart/encrypted", "CONTENT-TYPE : Multipart/Encrypted");
        message.first_header = "Content-Type: APPLICATION/PGP-Encrypted (what else)\n".to_owned();
        message.second_header = "content-type:\n Application/Octet-Stream\n".to_owned();
    }));
    passes(&with(|message| message.header = message.header.replace("\"b\"", "b")));
}

#[test]
fn encoded_parts_are_decoded() {
    passes(&with(|message| {
        let quoted = GPG_TO_KEY.replace('=', "=3D").replace("BEGIN PGP", "BEGIN=\n PGP");
        message.second_body = quoted;
        message.second_header = message.second_header.replace("7bit", "Quoted-Printable");
    }));
    passes(&with(|message| {
        message.first_body = "VmVyc2lvbjogMQ0K\n".to_owned();
        message.first_header = message.first_header.replace("7bit", "base64");
    }));
    fails(&with(|message| message.second_header = message.second_header.replace("7bit", "base64")));
    fails(&with(|message| message.second_header = message.second_header.replace("7bit", "x-uuencode")));
    fails(&with(|message| message.second_header.push_str("Content-Transfer-Encoding: base64\n")));
}

#[test]
fn a_version_line_in_the_armour_may_only_come_in() {
    let message = with(|message| {
        message.second_body = GPG_TO_KEY.replacen("\n\n", "\nVersion: GnuPG v2\n\n", 1);
    });
    check(&message.text(), Content::EncryptedWithArmourHeaders, Content::Encrypted);
    let message = with(|message| {
        message.second_body = GPG_TO_KEY.replacen("\n\n", "\nComment: GPGTools\n\n", 1);
    });
    let refused = Content::EncryptedWithArmourHeaders;
    check(&message.text(), refused, refused);
}

#[test]
fn mail_that_says_it_is_encrypted_is_known_by_its_type_alone() {
    let says = |text: &str| inspect(Way::Out, text).map(|found| (found.content, found.says_encrypted));
    assert_eq!(says(&Encrypted::default().text()), Ok((Content::Encrypted, true)));
    let clear = with(|message| message.second_body = "clear text\n".to_owned());
    assert_eq!(says(&clear.text()), Ok((Content::Clear, true)));
    let plain = "From: anna@box.test\nContent-Type: text/plain\n\nContent-Type: multipart/encrypted\n";
    assert_eq!(says(plain), Ok((Content::Clear, false)));
}

#[test]
fn words_that_stand_somewhere_mean_nothing() {
    let plain =
        "From: anna@box.test\nContent-Type: text/plain\n\nmultipart/encrypted application/pgp-encrypted\n";
    check(plain, Content::Clear, Content::Clear);
    check(&format!("From: anna@box.test\n\n{GPG_TO_KEY}"), Content::Clear, Content::Clear);
    check("From: anna@box.test\n", Content::Clear, Content::Clear);
    let mixed = Encrypted::default().text().replace("multipart/encrypted", "multipart/mixed");
    check(&mixed, Content::Clear, Content::Clear);
    let text =
        Encrypted::default().text().replace("multipart/encrypted;", "text/plain; x=multipart/encrypted;");
    check(&text, Content::Clear, Content::Clear);
}

#[test]
fn there_are_exactly_two_parts_of_the_right_types() {
    let part = "\n--b\nContent-Type: text/plain\n\nclear text\n--b--\n";
    fails(&with(|message| message.end = part.to_owned()));
    // The first part alone: a loop over the parts that are there would let it pass.
    fails(&with(|message| {
        let text = "Content-Type: application/pgp-encrypted\n".to_owned();
        message.first_header = text;
        message.second_header = String::new();
        message.second_body = String::new();
    }));
    let one = "From: anna@box.test\nContent-Type: multipart/encrypted; boundary=b\n\n--b\n\
               Content-Type: application/pgp-encrypted\n\nVersion: 1\n--b--\n";
    check(one, Content::Clear, Content::Clear);
    fails(&with(|message| message.first_header = "Content-Type: text/plain\n".to_owned()));
    fails(&with(|message| message.second_header = "Content-Type: text/plain\n".to_owned()));
    fails(&with(|message| message.second_header = String::new()));
    fails(&with(|message| {
        message.second_header = "Content-Type: multipart/mixed; boundary=c\n".to_owned();
        message.second_body = format!("--c\nContent-Type: application/octet-stream\n\n{GPG_TO_KEY}\n--c--\n");
    }));
    fails(&with(|message| message.first_body = "Version: 2\n".to_owned()));
    fails(&with(|message| message.first_body = "Version: 1\nclear text\n".to_owned()));
    fails(&with(|message| message.first_body = format!("Version: 1{}", " ".repeat(2000))));
}

#[test]
fn clear_text_finds_no_place_around_the_armour() {
    fails(&with(|message| message.second_body = format!("clear text\n{GPG_TO_KEY}")));
    fails(&with(|message| message.second_body = format!("{GPG_TO_KEY}clear text\n")));
    fails(&with(|message| message.second_body = GPG_TO_KEY.replace("=SJn5", "=clear text")));
    fails(&with(|message| message.second_body = "clear text\n".to_owned()));
    fails(&with(|message| message.second_body = GPG_TO_KEY.replace("MESSAGE", "SIGNED MESSAGE")));
    fails(&with(|message| message.preamble = "clear text\n".repeat(200)));
    fails(&with(|message| message.end = format!("\n--b--\n{}", "clear text\n".repeat(200))));
    fails(&with(|message| message.first_header.push_str(&format!("X: {}\n", "clear text ".repeat(2000)))));
}

#[test]
fn what_two_programs_could_read_differently_is_not_encrypted() {
    // A line that opens like the delimiter and goes on: some programs take it for one.
    fails(&with(|message| message.preamble = "--bc\nContent-Type: text/plain\n\nclear text\n".to_owned()));
    fails(&with(|message| message.end = "\n--b--c\n".to_owned()));
    fails(&with(|message| message.header.push_str("Content-Type: text/plain\n")));
    fails(&with(|message| message.second_header.push_str("Content-Type: text/plain\n")));
    fails(&with(|message| {
        message.header = message.header.replace("boundary=\"b\"", "boundary=\"b\"; boundary=\"c\"")
    }));
    fails(&with(|message| message.header = message.header.replace("boundary=\"b\"", "boundary=\"\"")));
    fails(&with(|message| message.header = message.header.replace(";\n\tboundary=\"b\"", "")));
    fails(&with(|message| message.header.push_str("Content-Transfer-Encoding: base64\n")));
    passes(&with(|message| message.header.push_str("Content-Transfer-Encoding: 7bit\n")));
}

#[test]
fn the_packets_must_be_an_encrypted_message_and_nothing_else() {
    // "-----BEGIN PGP MESSAGE-----" around literal data, as `gpg --store` writes it.
    let literal =
        "-----BEGIN PGP MESSAGE-----\n\nyxBiB2hlbGxvLnR4dAAAAABoaQ==\n=abcd\n-----END PGP MESSAGE-----\n";
    fails(&with(|message| message.second_body = literal.to_owned()));
    let truncated =
        GPG_TO_KEY.replace("EUgBxC8I5RlXh1ySzRrYb9yRCxnAVRHdMhgvzP5Mj2F8AG+5EGI8/v2Hax0WQTI=\n", "");
    fails(&with(|message| message.second_body = truncated.clone()));
    let longer = GPG_TO_KEY.replace("=\n=SJn5", "AAAAA\n=SJn5");
    fails(&with(|message| message.second_body = longer.clone()));
}
