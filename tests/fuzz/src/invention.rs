//! Inputs that nobody wrote: seeds that were damaged and mixed, and chains of the words of a target's language. The same
//! ones each time, so that a number names an input.

use test_support::Random;

/// The longest input, in bytes; as `scripts/fuzz` has it.
const LENGTH_LIMIT: usize = 8_192;
/// The words of a chain at most.
const CHAIN_LIMIT: usize = 60;

/// The seeds and words that inputs are made of.
#[derive(Clone, Debug, Default)]
pub struct Material {
    seeds: Vec<Vec<u8>>,
    /// The dictionary, and the lines of the seeds.
    words: Vec<Vec<u8>>,
}

impl Material {
    /// From seeds, and a dictionary as libFuzzer has it (may be empty).
    #[must_use]
    pub fn new(seeds: Vec<Vec<u8>>, dictionary: &str) -> Self {
        let lines =
            seeds.iter().flat_map(|seed| seed.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec));
        let words = dictionary.lines().filter_map(word).chain(lines).filter(|word| !word.is_empty());
        Self { words: words.collect(), seeds }
    }

    /// The input of this number.
    #[must_use]
    pub fn invent(&self, number: u64) -> Vec<u8> {
        let mut random = Random::new(number);
        let mut input =
            if random.below(3) == 0 { self.chain(&mut random) } else { self.damaged(&mut random) };
        input.truncate(LENGTH_LIMIT);
        input
    }

    fn chain(&self, random: &mut Random) -> Vec<u8> {
        // The first byte of some targets says how the rest is used.
        let mut input = vec![random.byte()];
        for _ in 0..random.below(CHAIN_LIMIT) {
            match random.below(12) {
                0 => input.push(random.byte()),
                1 => input.extend(b"\r\n"),
                2 => input.push(b' '),
                _ => input.extend(self.word(random)),
            }
        }
        input
    }

    fn damaged(&self, random: &mut Random) -> Vec<u8> {
        let mut input = self.seed(random);
        for _ in 0..=random.below(5) {
            let at = random.below(input.len() + 1);
            let end = (at + random.below(40)).min(input.len());
            match random.below(8) {
                0 => input.truncate(at),
                1 | 2 if at < input.len() => input[at] = random.byte(),
                3 | 4 => drop(input.splice(at..at, self.word(random))),
                5 => drop(input.drain(at..end)),
                6 => {
                    let again = input[at..end].to_vec();
                    input.splice(at..at, again);
                }
                _ => {
                    let other = self.seed(random);
                    input.truncate(at);
                    input.extend(other.get(random.below(other.len())..).unwrap_or_default());
                }
            }
        }
        input
    }

    fn seed(&self, random: &mut Random) -> Vec<u8> {
        if self.seeds.is_empty() { Vec::new() } else { random.choose(&self.seeds).clone() }
    }

    fn word(&self, random: &mut Random) -> Vec<u8> {
        if self.words.is_empty() { vec![random.byte()] } else { random.choose(&self.words).clone() }
    }
}

/// A line of a dictionary: a word in quotes, in which a backslash escapes itself, a quote, and bytes (`\x0d`).
fn word(line: &str) -> Option<Vec<u8>> {
    let quoted = line.trim().strip_prefix('"')?.strip_suffix('"')?;
    let (mut word, mut rest) = (Vec::new(), quoted);
    while let Some(character) = rest.chars().next() {
        let escaped = rest.strip_prefix('\\');
        let length = match escaped {
            None => {
                word.extend(rest[..character.len_utf8()].bytes());
                character.len_utf8()
            }
            Some(escaped) => match escaped.strip_prefix('x') {
                Some(digits) => {
                    word.push(u8::from_str_radix(digits.get(..2)?, 16).ok()?);
                    4
                }
                None => {
                    word.push(*escaped.as_bytes().first()?);
                    2
                }
            },
        };
        rest = rest.get(length..)?;
    }
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::{Material, word};

    #[test]
    fn words_of_a_dictionary_are_read() {
        assert_eq!(word(r#""\x0d\x0aa\x20\\Seen\"""#), Some(b"\r\na \\Seen\"".to_vec()));
        for no_word in ["", "# a comment", r#""\xz0""#, r#""\"#] {
            assert_eq!(word(no_word), None, "{no_word}");
        }
    }

    #[test]
    fn a_number_names_an_input() {
        let material = Material::new(vec![b"one\r\ntwo\r\n".to_vec(), b"three".to_vec()], "\"four\"\n");
        let inputs: Vec<Vec<u8>> = (0..100).map(|number| material.invent(number)).collect();
        assert_eq!(inputs, (0..100).map(|number| material.invent(number)).collect::<Vec<_>>());
        assert!(inputs.iter().collect::<std::collections::BTreeSet<_>>().len() > 80, "{inputs:?}");
        assert!(Material::default().invent(7).len() < 8_192);
    }
}
