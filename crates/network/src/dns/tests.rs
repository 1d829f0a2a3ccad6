//! Answers as name servers give them, and as they should not.

use std::net::IpAddr;

use super::{Kind, answer, question};

/// An answer with these records of type, class and data, in a message with the question and a pointer to its name.
pub(crate) fn reply(question: &[u8], flags: u16, records: &[(u16, u16, &[u8])]) -> Vec<u8> {
    let mut bytes = question.to_vec();
    bytes[2..4].copy_from_slice(&flags.to_be_bytes());
    bytes[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
    for (number, class, data) in records {
        bytes.extend([0xc0, 12]);
        bytes.extend(number.to_be_bytes());
        bytes.extend(class.to_be_bytes());
        bytes.extend(300_u32.to_be_bytes());
        bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(*data);
    }
    bytes
}

pub(crate) const NAME: &str = "0.pool.test";

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn an_answer_has_the_addresses_of_its_type() {
    let asked = question(7, NAME, Kind::A).unwrap();
    let alias = [2, b'n', b's', 0xc0, 14];
    let good = reply(
        &asked,
        0x8180,
        &[(5, 1, &alias), (1, 1, &[192, 0, 2, 1]), (28, 1, &[0; 16]), (1, 1, &[192, 0, 2, 2])],
    );
    assert_eq!(answer(&good, 7, NAME, Kind::A), Some(addresses(&["192.0.2.1", "192.0.2.2"])));
    assert_eq!(answer(&good, 7, "0.POOL.test", Kind::A).map(|found| found.len()), Some(2));
    let none = reply(&asked, 0x8183, &[]);
    assert_eq!(answer(&none, 7, NAME, Kind::A), Some(Vec::new()), "there is no such name");
}

#[test]
fn a_message_that_answers_another_question_is_none() {
    let asked = question(7, NAME, Kind::A).unwrap();
    let good = reply(&asked, 0x8180, &[(1, 1, &[192, 0, 2, 1])]);
    assert_eq!(answer(&good, 8, NAME, Kind::A), None);
    assert_eq!(answer(&good, 7, "1.pool.test", Kind::A), None);
    assert_eq!(answer(&good, 7, "pool.test", Kind::A), None);
    assert_eq!(answer(&good, 7, NAME, Kind::Aaaa), None);
    assert_eq!(answer(&asked, 7, NAME, Kind::A), None, "a question");
    assert_eq!(answer(&good[..good.len() - 1], 7, NAME, Kind::A), None, "cut");
    assert_eq!(answer(&reply(&asked, 0x8180, &[(1, 1, &[1])]), 7, NAME, Kind::A), None, "no address");
}

#[test]
fn only_names_that_dns_can_have_are_asked_for() {
    for name in ["", "a..b", &"a".repeat(64)] {
        assert_eq!(question(1, name, Kind::A), None, "{name:?}");
    }
}
