//! Edits in layers, the newest on top, and records below them: read in the order of their keys, without a copy of the whole.

use std::collections::btree_map;
use std::iter::Peekable;

use crate::error::Result;
use crate::index::{Index, Reading};
use crate::keys::{Edits, Key};

/// Records of the index that are in memory at once.
const PIECE: usize = 1000;

/// The edits of all layers at the keys of a prefix, each key once, as the newest layer has it.
pub(crate) struct Layers<'a> {
    /// The newest first.
    layers: Vec<Peekable<btree_map::Range<'a, Key, Option<Vec<u8>>>>>,
    prefix: Key,
}

impl<'a> Layers<'a> {
    /// The keys from `from` on that begin with `prefix`; layers newest first.
    pub(crate) fn new(prefix: &[u8], from: &[u8], layers: impl IntoIterator<Item = &'a Edits>) -> Self {
        let layers = layers.into_iter().map(|edits| edits.range(from.to_vec()..).peekable()).collect();
        Self { layers, prefix: prefix.to_vec() }
    }
}

impl<'a> Iterator for Layers<'a> {
    type Item = (&'a Key, Option<&'a Vec<u8>>);

    fn next(&mut self) -> Option<Self::Item> {
        let heads = self.layers.iter_mut().filter_map(|layer| layer.peek().map(|(key, _)| *key));
        let key = heads.min().filter(|key| key.starts_with(&self.prefix))?;
        let mut found = None;
        for layer in &mut self.layers {
            if let Some((_, value)) = layer.next_if(|(other, _)| *other == key) {
                found.get_or_insert(value.as_ref());
            }
        }
        Some((key, found.flatten()))
    }
}

/// The records of a base with the layers on top.
pub(crate) fn over<'a>(
    base: impl Iterator<Item = (&'a Key, &'a Vec<u8>)>,
    layers: Layers<'a>,
) -> impl Iterator<Item = (&'a Key, &'a Vec<u8>)> {
    let (mut base, mut layers) = (base.peekable(), layers.peekable());
    std::iter::from_fn(move || {
        loop {
            let Some(next) = layers.peek().map(|(key, _)| *key) else { return base.next() };
            if let Some(record) = base.next_if(|(key, _)| *key < next) {
                return Some(record);
            }
            base.next_if(|(key, _)| *key == next);
            if let Some((key, Some(value))) = layers.next() {
                return Some((key, value));
            }
        }
    })
}

/// Passes the records of the index that begin with a prefix, with the layers on top, to `visit`, by ascending key.
pub(crate) fn visit(
    index: Option<&Index>,
    prefix: &[u8],
    reading: Reading,
    layers: Layers<'_>,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    let mut layers = layers.peekable();
    let mut from = prefix.to_vec();
    while let Some(index) = index {
        let piece = index.piece(prefix, &from, PIECE, reading)?;
        for (key, value) in &piece {
            while let Some((key, value)) = layers.next_if(|(other, _)| *other < key) {
                value.map_or(Ok(()), |value| visit(key, value))?;
            }
            match layers.next_if(|(other, _)| *other == key) {
                Some((_, value)) => value.map_or(Ok(()), |value| visit(key, value))?,
                None => visit(key, value)?,
            }
        }
        match piece.into_iter().nth(PIECE - 1) {
            Some((last, _)) => {
                from = last;
                from.push(0);
            }
            None => break,
        }
    }
    layers.try_for_each(|(key, value)| value.map_or(Ok(()), |value| visit(key, value)))
}

#[cfg(test)]
mod tests {
    use super::{Layers, over};
    use crate::keys::Edits;
    use std::collections::BTreeMap;

    fn edits(records: &[(&str, Option<&str>)]) -> Edits {
        let edit = |(key, value): &(&str, Option<&str>)| {
            (key.as_bytes().to_vec(), value.map(|value| value.as_bytes().to_vec()))
        };
        records.iter().map(edit).collect()
    }

    #[test]
    fn the_newest_layer_decides() {
        let newest = edits(&[("ma", None), ("mc", Some("new")), ("n", Some("other table"))]);
        let older =
            edits(&[("l", Some("other table")), ("ma", Some("old")), ("mb", Some("old")), ("mc", None)]);
        let base: BTreeMap<_, _> = [("ma", "base"), ("mb", "base"), ("md", "base")]
            .map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .into();
        let merged = over(base.iter(), Layers::new(b"m", b"m", [&newest, &older]));
        let merged: Vec<_> = merged.map(|(key, value)| [key.as_slice(), value].concat()).collect();
        assert_eq!(merged, [b"mbold".to_vec(), b"mcnew".to_vec(), b"mdbase".to_vec()]);
    }
}
