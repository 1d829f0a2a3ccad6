//! Repeatable chance: the same seed gives the same numbers on every machine. A test prints its seed.

/// A pseudo-random generator (SplitMix64). Neighbouring seeds give unrelated numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that begins at this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, each of the 2⁶⁴ equally likely.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let number = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.number().to_be_bytes()[0]
    }

    /// A number less than `limit`; zero if the limit is.
    pub fn below(&mut self, limit: usize) -> usize {
        // By the upper half of the product, which takes all bits of the number into account (Lemire 2019).
        let product = u128::from(self.number()) * (limit as u128);
        usize::try_from(product >> 64).unwrap_or(0)
    }

    /// One of these, of which there must be at least one.
    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Bytes that do not compress.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.number().to_be_bytes()).flatten().take(length).collect()
    }
}

/// Cuts bytes into pieces, as a network may: of one byte to some hundred, by this seed. The seed zero cuts nothing.
pub fn pieces(data: &[u8], seed: u64) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut random) = (data, Random::new(seed));
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let most =
            if seed == 0 { rest.len() } else { 1 + random.below(*random.clone().choose(&[1, 3, 17, 300])) };
        let (piece, after) = rest.split_at(most.min(rest.len()));
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::{Random, pieces};

    #[test]
    fn numbers_are_those_of_the_reference() {
        // The first numbers of SplitMix64 (Steele, Lea, Flood 2014) from the seed 1234567.
        let mut random = Random::new(1_234_567);
        let numbers = [(); 3].map(|()| random.number());
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn all_numbers_below_a_limit_come_and_no_others() {
        let mut random = Random::new(1);
        let mut seen = [0; 7];
        for _ in 0..7_000 {
            seen[random.below(7)] += 1;
        }
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn pieces_are_the_whole() {
        let data = Random::new(2).bytes(1_000);
        for seed in 0..20 {
            let cut: Vec<&[u8]> = pieces(&data, seed).collect();
            assert_eq!(cut.concat(), data);
            assert_eq!(cut.len() == 1, seed == 0, "seed {seed}");
            assert!(cut.iter().all(|piece| !piece.is_empty()));
        }
    }
}
