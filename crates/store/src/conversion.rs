//! Records of format 1, in which every message has its keywords by name, become records of this release when the store is
//! opened, transaction by transaction: a power cut leaves some of them for the next time.
//!
//! The release before reads what is written here: it finds no keywords on such a message, and one whose flags it changes has
//! lost its keywords when this release is back. It may in turn have left records of format 1, so each start looks, as long
//! as a file of format 1 is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use mail_types::{Keyword, KeywordDictionary, Uid};

use crate::checkpoint;
use crate::error::Result;
use crate::keys;
use crate::messages::convert;
use crate::state::decode;
use crate::store::Store;
use crate::types::{MailboxId, OpenReport};

/// Different keywords of a mailbox that are counted; where there are more, the rest is dropped uncounted.
const COUNTED_LIMIT: usize = 4096;

/// Converts the records of all mailboxes, and tells in the report what was lost by it.
pub(crate) fn convert_all(store: &Store, report: &mut OpenReport) -> Result<()> {
    let mailboxes = checkpoint::mailboxes(&store.read())?;
    let (mut crowded, mut dropped) = (0_u64, 0_u64);
    for mailbox in mailboxes {
        match convert_mailbox(store, mailbox) {
            Ok(0) => {}
            Ok(names) => {
                crowded += 1;
                dropped += names;
            }
            // The records stay as they are, and can be read; the next start tries again.
            Err(trouble) => {
                report.damage.push(format!("keywords of a mailbox are in an old form: {trouble}"))
            }
        }
    }
    if crowded > 0 {
        report.damage.push(format!(
            "{crowded} mailboxes had more keywords than a mailbox can have; the {dropped} that were used least were dropped"
        ));
    }
    Ok(())
}

/// Converts a mailbox's records; returns the number of keywords for which there was no place.
fn convert_mailbox(store: &Store, mailbox: MailboxId) -> Result<u64> {
    let (mut uids, mut uses) = (Vec::new(), BTreeMap::new());
    let mut keywords = {
        let state = store.read();
        state.visit_messages(mailbox, |key, value| {
            let named = decode(value)?.named;
            if !named.is_empty() {
                uids.extend(keys::parse_message(key).map(|(_, uid)| uid));
            }
            named.into_iter().for_each(|keyword| count(&mut uses, keyword));
            Ok(())
        })?;
        state.dictionary(mailbox)?
    };
    if uids.is_empty() {
        return Ok(0);
    }
    let dropped = choose(&mut keywords, uses);
    let keywords = Arc::new(keywords);
    store
        .start_in_pieces(&uids, move |transaction, uids: &[Uid], _: &mut ()| {
            convert(transaction, mailbox, uids, &keywords)
        })
        .wait()?;
    Ok(dropped)
}

fn count(uses: &mut BTreeMap<Keyword, u64>, keyword: Keyword) {
    if let Some(uses) = uses.get_mut(&keyword) {
        *uses += 1;
    } else if uses.len() < COUNTED_LIMIT {
        uses.insert(keyword, 1);
    }
}

/// Adds the keywords that are used most, and returns the number of those for which there was no place.
fn choose(keywords: &mut KeywordDictionary, uses: BTreeMap<Keyword, u64>) -> u64 {
    let mut uses: Vec<(Keyword, u64)> = uses.into_iter().collect();
    uses.sort_by_key(|(_, uses)| std::cmp::Reverse(*uses));
    uses.iter().map(|(keyword, _)| u64::from(keywords.add(keyword).is_err())).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mail_types::{Keyword, KeywordDictionary};

    use super::{COUNTED_LIMIT, choose, count};

    fn keyword(number: usize) -> Keyword {
        format!("k{number:04}").parse().unwrap()
    }

    #[test]
    fn the_keywords_used_most_get_the_places_that_are_left() {
        let (mut uses, mut keywords) = (BTreeMap::new(), KeywordDictionary::default());
        keywords.add(&keyword(69)).unwrap();
        for number in 0..70 {
            (0..=number).for_each(|_| count(&mut uses, keyword(number)));
        }
        assert_eq!(choose(&mut keywords, uses), 6);
        let expected = (6..70).rev().map(keyword);
        assert!(keywords.iter().cloned().eq(expected));
    }

    #[test]
    fn so_many_keywords_are_counted_and_no_more() {
        let mut uses = BTreeMap::new();
        (0..COUNTED_LIMIT + 10).for_each(|number| count(&mut uses, keyword(number)));
        count(&mut uses, keyword(1));
        assert_eq!((uses.len(), uses.get(&keyword(1))), (COUNTED_LIMIT, Some(&2)));
    }
}
