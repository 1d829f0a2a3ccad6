//! Flags in few bytes: system flags as bits, keywords as places in a dictionary that the messages of a mailbox share.

use crate::flags::{Flags, Keyword, SystemFlag};

/// The most keywords that a mailbox knows: one for each bit of [`CompactFlags`].
const NAMES_LIMIT: usize = 64;

/// The flags of one message, in 16 bytes whatever they are; its keywords have their names in the [`KeywordDictionary`] of
/// its mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactFlags {
    /// A bit for each keyword, by its place in the dictionary.
    keywords: u64,
    /// A bit for each system flag.
    system: u8,
}

impl CompactFlags {
    /// From the numbers of [`Self::system_bits`] and [`Self::keyword_bits`].
    #[must_use]
    pub fn from_bits(system: u8, keywords: u64) -> Self {
        Self { keywords, system }
    }

    /// The system flags: 1 is `\Seen`, 2 `\Answered`, 4 `\Flagged`, 8 `\Deleted`, 16 `\Draft`.
    #[must_use]
    pub fn system_bits(self) -> u8 {
        self.system
    }

    /// The keywords: the lowest bit is the first of the dictionary.
    #[must_use]
    pub fn keyword_bits(self) -> u64 {
        self.keywords
    }

    /// Whether the system flag is set.
    #[must_use]
    pub fn has(self, flag: SystemFlag) -> bool {
        self.system & flag.bit() != 0
    }

    /// Whether no flag is set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.system == 0 && self.keywords == 0
    }

    /// The flags of both.
    #[must_use]
    pub fn with(self, more: Self) -> Self {
        Self { keywords: self.keywords | more.keywords, system: self.system | more.system }
    }

    /// The flags that `gone` does not have.
    #[must_use]
    pub fn without(self, gone: Self) -> Self {
        Self { keywords: self.keywords & !gone.keywords, system: self.system & !gone.system }
    }

    /// Whether any flag is in both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.keywords & other.keywords != 0 || self.system & other.system != 0
    }
}

impl FromIterator<SystemFlag> for CompactFlags {
    fn from_iter<I: IntoIterator<Item = SystemFlag>>(flags: I) -> Self {
        Self { keywords: 0, system: flags.into_iter().fold(0, |bits, flag| bits | flag.bit()) }
    }
}

/// The keywords that the messages of a mailbox have or once had, at most 64. A name keeps its place as long as the mailbox
/// lives, so that flags which were read with an older state of the dictionary mean the same with a newer one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeywordDictionary(Vec<Keyword>);

/// A dictionary has no room for a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mailbox has {NAMES_LIMIT} keywords, which is the most")]
pub struct DictionaryFull;

impl KeywordDictionary {
    /// The keywords by their places.
    pub fn iter(&self) -> impl Iterator<Item = &Keyword> {
        self.0.iter()
    }

    /// The number of keywords.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no keyword.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether no keyword can be added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.len() >= NAMES_LIMIT
    }

    /// The flag that is this one keyword; `None` for one that the dictionary does not know.
    #[must_use]
    pub fn flag(&self, keyword: &Keyword) -> Option<CompactFlags> {
        let place = self.0.iter().position(|known| known == keyword)?;
        Some(CompactFlags { keywords: 1 << place, system: 0 })
    }

    /// The same, with the keyword added where it is new.
    ///
    /// # Errors
    ///
    /// [`DictionaryFull`].
    pub fn add(&mut self, keyword: &Keyword) -> Result<CompactFlags, DictionaryFull> {
        if let Some(flag) = self.flag(keyword) {
            return Ok(flag);
        }
        if self.is_full() {
            return Err(DictionaryFull);
        }
        self.0.push(keyword.clone());
        Ok(CompactFlags { keywords: 1 << (self.0.len() - 1), system: 0 })
    }

    /// The flags in few bytes; keywords that the dictionary does not know are left out.
    #[must_use]
    pub fn compact(&self, flags: &Flags) -> CompactFlags {
        let system: CompactFlags = flags.system.iter().copied().collect();
        flags.keywords.iter().filter_map(|keyword| self.flag(keyword)).fold(system, CompactFlags::with)
    }

    /// The same, with the keywords added that are new: all of them, or none.
    ///
    /// # Errors
    ///
    /// [`DictionaryFull`].
    pub fn intern(&mut self, flags: &Flags) -> Result<CompactFlags, DictionaryFull> {
        let known = self.0.len();
        let mut compact: CompactFlags = flags.system.iter().copied().collect();
        for keyword in &flags.keywords {
            match self.add(keyword) {
                Ok(flag) => compact = compact.with(flag),
                Err(full) => {
                    self.0.truncate(known);
                    return Err(full);
                }
            }
        }
        Ok(compact)
    }

    /// The names of a message's keywords, in the order of the dictionary.
    pub fn names(&self, flags: CompactFlags) -> impl Iterator<Item = &Keyword> {
        let is_set = move |place: usize| flags.keywords.checked_shr(u32::try_from(place).unwrap_or(u32::MAX));
        let set = move |place| is_set(place).is_some_and(|bits| bits & 1 != 0);
        self.0.iter().enumerate().filter(move |(place, _)| set(*place)).map(|(_, keyword)| keyword)
    }

    /// The flags with the names of their keywords.
    #[must_use]
    pub fn expand(&self, flags: CompactFlags) -> Flags {
        let system = SystemFlag::ALL.into_iter().filter(|flag| flags.has(*flag)).collect();
        Flags { system, keywords: self.names(flags).cloned().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::{CompactFlags, DictionaryFull, KeywordDictionary, NAMES_LIMIT};
    use crate::flags::{Flags, Keyword, SystemFlag};

    fn keywords(names: impl IntoIterator<Item = usize>) -> Flags {
        let keywords = names.into_iter().map(|name| format!("k{name}").parse::<Keyword>().unwrap());
        Flags { system: [SystemFlag::Draft].into(), keywords: keywords.collect() }
    }

    #[test]
    fn flags_keep_their_meaning_while_the_dictionary_grows() {
        let mut dictionary = KeywordDictionary::default();
        let first = dictionary.intern(&keywords([3, 1])).unwrap();
        let second = dictionary.intern(&keywords([1, 2])).unwrap();
        assert_eq!(dictionary.expand(first), keywords([1, 3]));
        assert_eq!(dictionary.expand(second), keywords([1, 2]));
        assert_eq!(
            dictionary.compact(&keywords([2, 9])),
            second.without(dictionary.compact(&keywords([1]))).with(draft())
        );
        assert!(first.overlaps(second) && first.has(SystemFlag::Draft) && !first.has(SystemFlag::Seen));
        assert_eq!(CompactFlags::from_bits(first.system_bits(), first.keyword_bits()), first);
    }

    fn draft() -> CompactFlags {
        [SystemFlag::Draft].into_iter().collect()
    }

    #[test]
    fn the_sixty_fifth_keyword_is_refused_and_nothing_is_added() {
        let mut dictionary = KeywordDictionary::default();
        dictionary.intern(&keywords(0..NAMES_LIMIT - 1)).unwrap();
        assert_eq!(dictionary.intern(&keywords([100, 101])), Err(DictionaryFull));
        assert_eq!((dictionary.len(), dictionary.is_full()), (NAMES_LIMIT - 1, false));
        let last = dictionary.intern(&keywords([100])).unwrap();
        assert_eq!((last.keyword_bits(), dictionary.is_full()), (1 << 63, true));
        assert_eq!(dictionary.expand(last), keywords([100]));
        assert!(dictionary.intern(&keywords([5, 100])).is_ok());
    }

    #[test]
    fn any_flags_take_sixteen_bytes() {
        assert_eq!(size_of::<CompactFlags>(), 16);
    }
}
